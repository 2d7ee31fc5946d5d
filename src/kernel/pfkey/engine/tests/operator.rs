//! What an operator has a kernel do by hand.

use super::*;
use crate::sadb::{AuthName, ManualSa, SaFlags, SaKind, SaNames, ShownAction, ShownPolicy, ShownSa, Wanted};

fn manual(kind: SaKind) -> ManualSa {
    ManualSa {
        kind,
        src: us(),
        dst: peer(),
        spi: 0x1000,
        direction: Direction::Out,
        mode: None,
        reqid: 0,
        replay: 0,
        flags: SaFlags(SaFlags::CYCLIC),
        cipher: None,
        auth: Some((AuthName::TcpMd5, Secret::new(b"secret".to_vec()))),
        compression: None,
        soft: Lifetime::default(),
        hard: Lifetime::default(),
        udp: None,
    }
}

fn names(spi: Option<u32>) -> SaNames {
    SaNames { kind: SaKind::Ipsec(Protocol::Esp), src: us(), dst: peer(), spi }
}

#[test]
fn an_sa_is_added_as_it_is_written() {
    let mut talk = Talk::registered(Dialect::FreeBsd);
    let id = talk.submit(Request::AddSa(Box::new(manual(SaKind::TcpMd5))));
    let question = talk.sent(MessageType::Add);
    assert_eq!(question.header.satype, SaType::TcpSignature);
    let body = question.association().unwrap();
    assert_eq!((body.spi.0, body.auth, body.flags, body.state), (0x1000, 252, 0x40, 1));
    assert_eq!(question.sa2().unwrap().mode, 0, "any");
    talk.say(&question);
    assert_eq!(talk.event(), done(id, Reply::Done));
    talk.quiet();

    let id = talk.submit(Request::AddSa(Box::new(manual(SaKind::TcpMd5))));
    let question = talk.sent(MessageType::Add);
    talk.refuse(&question, 17);
    assert_eq!(talk.event(), failed(id, KernelError::Exists));
}

#[test]
fn what_a_kernel_has_no_number_for_is_not_sent() {
    let mut talk = Talk::registered(Dialect::Linux);
    let id = talk.submit(Request::AddSa(Box::new(manual(SaKind::Ipsec(Protocol::Ah)))));
    assert_eq!(talk.event(), failed(id, KernelError::Unsupported("tcp-md5")));
    talk.quiet();
}

#[test]
fn ours_that_an_operator_removes_are_told() {
    let mut talk = Talk::registered(Dialect::FreeBsd);
    let pair = talk.install(0x9001, 0x8001);
    let id = talk.submit(Request::DropSas(names(None)));
    let question = talk.sent(MessageType::Delete);
    assert!(question.association().is_none(), "all of them");
    talk.say(&question);
    assert_eq!(talk.event(), KernelEvent::Gone { sa: pair.outbound.0.id() });
    assert_eq!(talk.event(), done(id, Reply::Done));
    talk.quiet();

    let id = talk.submit(Request::DropSas(names(Some(0x77))));
    let question = talk.sent(MessageType::Delete);
    talk.refuse(&question, 3);
    assert_eq!(talk.event(), failed(id, KernelError::NoSuchSa));
}

#[test]
fn a_dump_to_be_shown_has_what_is_not_ipsecs_too() {
    let mut talk = Talk::registered(Dialect::FreeBsd);
    let id = talk.submit(Request::Show(Wanted::Sas(None)));
    let question = talk.sent(MessageType::Dump);
    let mut tcp = Dialect::FreeBsd.add_manual(&manual(SaKind::TcpMd5)).unwrap();
    tcp.header = question.header;
    (tcp.header.satype, tcp.header.seq, tcp.header.reserved) = (SaType::TcpSignature, 1, 3);
    talk.say(&tcp);
    talk.say(&dumped(&question, &half(0x8001, us(), peer()), 0));
    let KernelEvent::Reply { id: answered, result: Ok(Reply::Sas(sas)) } = talk.event() else {
        panic!("SAs")
    };
    let [ShownSa { kind: SaKind::TcpMd5, references: 3, seq: Some(1), .. }, esp] = &sas[..] else {
        panic!("{sas:?}")
    };
    assert_eq!((answered, esp.spi, esp.reqid, esp.mode), (id, 0x8001, 7, Some(Mode::Tunnel)));
    // The core gets to see only what it has words for.
    let id = talk.submit(Request::Dump(DumpKind::Sad));
    let question = talk.sent(MessageType::Dump);
    tcp.header.seq = 0;
    talk.say(&tcp);
    assert_eq!(talk.event(), done(id, Reply::Sad(Vec::new())));
    drop(question);
}

#[test]
fn one_sa_is_asked_for_by_its_name() {
    let mut talk = Talk::registered(Dialect::FreeBsd);
    let id = talk.submit(Request::Show(Wanted::Named(names(Some(0x8001)))));
    let question = talk.sent(MessageType::Get);
    talk.say(&dumped(&question, &half(0x8001, us(), peer()), question.header.seq));
    let KernelEvent::Reply { id: answered, result: Ok(Reply::Sas(sas)) } = talk.event() else {
        panic!("an SA")
    };
    assert_eq!((answered, sas.len(), sas[0].spi), (id, 1, 0x8001));
    let id = talk.submit(Request::Show(Wanted::Named(names(Some(0x8002)))));
    let question = talk.sent(MessageType::Get);
    talk.refuse(&question, 3);
    assert_eq!(talk.event(), failed(id, KernelError::NoSuchSa));
}

#[test]
fn an_operators_policy_is_added_and_told_with_those_of_others() {
    let mut talk = Talk::registered(Dialect::FreeBsd);
    let load = |replaces| Request::LoadPolicy { policy: policy(Direction::Out), replaces };
    let id = talk.submit(load(false));
    let question = talk.sent(MessageType::SpdAdd);
    talk.say(&question);
    assert_eq!(talk.event(), done(id, Reply::Done));
    talk.pass_to_timeout();
    let dump = talk.sent(MessageType::SpdDump);
    let entry = Message { header: dump.header, ..question };
    let last = Message { header: crate::kernel::pfkey::Header { seq: 0, ..entry.header }, ..entry };
    talk.say(&last);
    let KernelEvent::Policies(told) = talk.event() else { panic!("policies") };
    assert_eq!(told.len(), 1, "it is not ours");

    let id = talk.submit(load(false));
    let question = talk.sent(MessageType::SpdAdd);
    talk.refuse(&question, 17);
    assert_eq!(talk.event(), failed(id, KernelError::Exists));
    talk.submit(load(true));
    talk.sent(MessageType::SpdUpdate);
}

#[test]
fn on_linux_policies_are_shown_with_those_for_forwarded_packets() {
    let mut talk = Talk::registered(Dialect::Linux);
    let id = talk.submit(Request::Show(Wanted::Policies));
    let question = talk.sent(MessageType::SpdDump);
    let twins = Dialect::Linux.install_policy(&policy(Direction::In)).unwrap();
    for (message, seq) in twins.into_iter().zip([1, 0]) {
        let mut entry = Message { header: question.header, ..message };
        entry.header.seq = seq;
        talk.say(&entry);
    }
    let KernelEvent::Reply { id: answered, result: Ok(Reply::Policies(shown)) } = talk.event() else {
        panic!("policies")
    };
    assert_eq!(answered, id);
    let ways: Vec<_> = shown.iter().map(|policy| policy.way).collect();
    assert_eq!(ways, [crate::sadb::ShownWay::In, crate::sadb::ShownWay::Forward]);
    let ShownPolicy { action: ShownAction::Ipsec(rules), current: None, .. } = &shown[0] else {
        panic!("{shown:?}")
    };
    assert_eq!(rules[0].ends, Some((peer(), us())), "in the direction of the packets");
}

#[test]
fn linux_is_told_each_sa_between_two_hosts() {
    let mut talk = Talk::registered(Dialect::Linux);
    let id = talk.submit(Request::DropSas(names(None)));
    let question = talk.sent(MessageType::Dump);
    for (spi, dst, seq) in [(0x8001, peer(), 1), (0x8002, us(), 2), (0x8003, peer(), 0)] {
        let mut entry = Dialect::Linux.add(&half(spi, us(), dst), Direction::Out).unwrap();
        entry.header = question.header;
        (entry.header.satype, entry.header.seq) = (SaType::Esp, seq);
        talk.say(&entry);
    }
    let mut gone = Vec::new();
    for _ in 0..2 {
        let question = talk.sent(MessageType::Delete);
        gone.push(question.association().unwrap().spi.0);
        talk.say(&question);
    }
    gone.sort_unstable();
    assert_eq!((gone, talk.event()), (vec![0x8001, 0x8003], done(id, Reply::Done)));
    let id = talk.submit(Request::DropSas(names(None)));
    let question = talk.sent(MessageType::Dump);
    talk.refuse(&question, 2);
    assert_eq!(talk.event(), done(id, Reply::Done), "all of none");
    talk.quiet();
}
