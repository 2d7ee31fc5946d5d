//! SAs that should be gone, until the kernel says that they are.

use super::faults::unanswered;
use super::*;

#[test]
fn what_an_unanswered_installation_may_have_left_is_deleted() {
    let mut talk = Talk::registered(Dialect::FreeBsd);
    talk.reserve(0x9001, None);
    let id = talk.submit(install(&pair(0x9001, 0x8001), true));
    let update = talk.sent(MessageType::Update);
    talk.say(&update);
    talk.sent(MessageType::Add);
    talk.pass_to_timeout();
    assert_eq!(talk.event(), unanswered("ADD"));
    assert_eq!(talk.event(), failed(id, KernelError::TimedOut));
    let mut spis = Vec::new();
    for _ in 0..2 {
        talk.engine.handle_timeout(talk.now);
        let delete = talk.sent(MessageType::Delete);
        spis.push(delete.association().unwrap().spi.0);
        talk.say(&delete);
    }
    spis.sort_unstable();
    assert_eq!(spis, [0x8001, 0x9001]);
    talk.quiet();
    assert_eq!(talk.engine.poll_timeout(), None);
}

#[test]
fn a_delete_without_an_answer_is_sent_again_but_not_for_ever() {
    let mut talk = Talk::registered(Dialect::OpenBsd);
    let sa = talk.install(0x9001, 0x8001).outbound.0.id();
    let id = talk.submit(Request::Delete(sa));
    talk.sent(MessageType::Delete);
    talk.pass_to_timeout();
    assert_eq!(talk.event(), unanswered("DELETE"));
    assert_eq!(talk.event(), failed(id, KernelError::TimedOut));
    let mut deletes = 0;
    while talk.engine.poll_timeout().is_some() {
        talk.pass_to_timeout();
        if let Some(bytes) = talk.engine.poll_write() {
            let message = Message::parse(Dialect::OpenBsd, bytes.expose()).unwrap();
            deletes += usize::from(message.header.kind == MessageType::Delete);
        }
        assert!(deletes < 20);
    }
    assert_eq!(deletes, 5, "six with the first");
}

#[test]
fn what_is_to_go_does_not_take_a_new_sa_of_its_name_along() {
    let mut talk = Talk::registered(Dialect::FreeBsd);
    let sa = talk.install(0x9001, 0x8001).outbound.0.id();
    talk.submit(Request::Delete(sa));
    for _ in 0..2 {
        talk.sent(MessageType::Delete);
        talk.pass_to_timeout();
    }
    while talk.engine.poll_event().is_some() {}
    // It was done all the same, and the peer chooses its SPI again.
    talk.install(0x9002, 0x8001);
    talk.pass(Duration::from_secs(60));
    talk.quiet();
}

#[test]
fn what_is_to_go_goes_before_a_half_that_was_kept_back_has_its_name() {
    let mut talk = Talk::registered(Dialect::FreeBsd);
    let sa = talk.install(0x9001, 0x8001).outbound.0.id();
    talk.submit(Request::Delete(sa));
    for _ in 0..2 {
        talk.sent(MessageType::Delete);
        talk.pass_to_timeout();
    }
    while talk.engine.poll_event().is_some() {}
    talk.reserve(0x9002, None);
    talk.submit(install(&pair(0x9002, 0x8001), false));
    let update = talk.sent(MessageType::Update);
    talk.say(&update);
    talk.event();
    talk.pass_to_timeout();
    let delete = talk.sent(MessageType::Delete);
    talk.say(&delete);
    let id = talk.submit(Request::StartSending(sa));
    let add = talk.sent(MessageType::Add);
    talk.say(&add);
    assert_eq!(talk.event(), done(id, Reply::Done));
    talk.quiet();
}

#[test]
fn a_delete_that_is_refused_is_sent_again_unless_there_is_no_such_sa() {
    for (errno, again) in [(55, true), (12, true), (3, false)] {
        let mut talk = Talk::registered(Dialect::FreeBsd);
        let sa = talk.install(0x9001, 0x8001).outbound.0.id();
        talk.submit(Request::Delete(sa));
        let delete = talk.sent(MessageType::Delete);
        talk.refuse(&delete, errno);
        assert!(matches!(talk.event(), KernelEvent::Reply { result: Err(_), .. }));
        talk.pass(Duration::from_secs(10));
        assert_eq!(talk.engine.poll_write().is_some(), again, "{errno}");
    }
}

#[test]
fn what_the_kernel_has_no_memory_for_is_deleted_on_both_sides() {
    let mut talk = Talk::registered(Dialect::FreeBsd);
    talk.reserve(0x9001, None);
    let id = talk.submit(install(&pair(0x9001, 0x8001), true));
    let update = talk.sent(MessageType::Update);
    talk.say(&update);
    for kind in [MessageType::Add, MessageType::Delete] {
        let question = talk.sent(kind);
        talk.refuse(&question, 55);
    }
    assert_eq!(talk.event(), failed(id, KernelError::Foreign(55, "ENOBUFS")));
    let mut spis = Vec::new();
    for _ in 0..2 {
        talk.engine.handle_timeout(talk.now);
        let delete = talk.sent(MessageType::Delete);
        spis.push(delete.association().unwrap().spi.0);
        talk.say(&delete);
    }
    spis.sort_unstable();
    assert_eq!(spis, [0x8001, 0x9001]);
    assert_eq!(talk.engine.poll_timeout(), None);
}

#[test]
fn an_sa_of_an_earlier_life_goes_even_if_its_turn_does_not_come() {
    let mut talk = Talk::registered(Dialect::FreeBsd);
    let sa = half(0x8001, us(), peer()).id();
    talk.engine.lost(talk.now, "closed".to_owned());
    talk.event();
    let id = talk.submit(Request::Reclaim { sa, src: us() });
    talk.pass_to_timeout();
    assert_eq!(talk.event(), failed(id, KernelError::TimedOut));
    assert!(talk.engine.book.doomed_source(&sa).is_some());
    talk.engine.is_open = true;
    talk.pass_to_timeout();
    let delete = talk.sent(MessageType::Delete);
    assert_eq!(delete.association().unwrap().spi.0, 0x8001);
}
