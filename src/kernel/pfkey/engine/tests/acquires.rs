//! The kernel's wishes.

use super::*;
use crate::kernel::pfkey::{AddressRole, KameMode, KamePolicy};
use crate::sadb::SadbIdentity;

fn addresses(message: Message) -> Message {
    let template = Dialect::FreeBsd.delete(pair(0x9001, 0x8001).outbound.0.id(), us()).unwrap();
    let ends = template.extensions.into_iter().filter(|e| matches!(e, Extension::Address(..)));
    message.with_all(ends)
}

/// An ACQUIRE of KAME about the policy with this number.
fn kame_acquire(seq: u32, number: u32) -> Message {
    let mut message = addresses(Message::new(MessageType::Acquire, SaType::Esp))
        .with(Extension::Policy(KamePolicy { kind: 2, direction: 2, id: number, ..KamePolicy::default() }))
        .with(Extension::Sa2(KameMode { mode: 2, reqid: 77, ..KameMode::default() }));
    message.header.seq = seq;
    message
}

fn spd_answer(question: &Message, policy: &FlowPolicy) -> Message {
    let mut answer = question.header;
    answer.kind = MessageType::SpdGet;
    let body = Dialect::FreeBsd.install_policy(policy).unwrap().remove(0);
    Message { header: answer, ..body }
}

fn rules(policy: FlowPolicy) -> Vec<SecurityRule> {
    match policy.action {
        FlowAction::Protect(rules) => rules,
        FlowAction::Bypass | FlowAction::Discard => Vec::new(),
    }
}

#[test]
fn kames_policy_says_what_is_wanted() {
    let mut talk = Talk::registered(Dialect::FreeBsd);
    talk.say(&kame_acquire(17, 11));
    let question = talk.sent(MessageType::SpdGet);
    assert_eq!(question.policy().unwrap().id, 11);
    let mut wanted = policy(Direction::Out);
    let mut bundle = rules(wanted.clone());
    bundle.push(SecurityRule { protocol: Protocol::Ah, mode: Mode::Transport, endpoints: None, ..bundle[0] });
    bundle[0].level = Level::Unique(77);
    wanted.action = FlowAction::Protect(bundle.clone());
    talk.say(&spd_answer(&question, &wanted));
    let expected = KernelEvent::Acquire {
        id: AcquireId(17),
        selector: selector(),
        endpoints: endpoints(),
        rules: bundle,
    };
    assert_eq!(talk.event(), expected);
    talk.quiet();
}

#[test]
fn the_number_of_the_wish_goes_with_its_answer() {
    let mut talk = Talk::registered(Dialect::FreeBsd);
    let acquire = Some(AcquireId(17));
    talk.submit(get_spi(acquire));
    let question = talk.sent(MessageType::GetSpi);
    assert_eq!(question.header.seq, 17);
    talk.say(&spi_answer(&question, 0x9001));
    talk.event();
    let pair = Box::new(pair(0x9001, 0x8001));
    talk.submit(Request::InstallPair { pair, acquire, sending: true });
    let update = talk.sent(MessageType::Update);
    talk.say(&update);
    let add = talk.sent(MessageType::Add);
    assert_eq!(add.header.seq, 17);
    assert_ne!(update.header.seq, 17);
}

#[test]
fn the_same_wish_is_one_as_long_as_it_is_negotiated() {
    let mut talk = Talk::registered(Dialect::FreeBsd);
    let ask = |talk: &mut Talk, seq| {
        talk.say(&kame_acquire(seq, 11));
        talk.say(&kame_acquire(seq, 11));
        let question = talk.sent(MessageType::SpdGet);
        talk.say(&spd_answer(&question, &policy(Direction::Out)));
        matches!(talk.engine.poll_event(), Some(KernelEvent::Acquire { .. }))
    };
    assert!(ask(&mut talk, 17));
    assert!(!ask(&mut talk, 18), "it is negotiated");
    let id = talk.submit(Request::AcquireFailed(AcquireId(17)));
    let news = Message::parse(Dialect::FreeBsd, talk.engine.poll_write().unwrap().expose()).unwrap();
    let header = news.header;
    assert_eq!((header.kind, header.seq, header.satype), (MessageType::Acquire, 17, SaType::Esp));
    assert_eq!((header.pid, header.errno), (PID, 60), "ETIMEDOUT of FreeBSD");
    talk.pass_to_timeout();
    assert_eq!(talk.event(), done(id, Reply::Done));
    assert!(ask(&mut talk, 19), "it has failed, so that it may be tried again");
    talk.pass(Duration::from_secs(61));
    assert!(ask(&mut talk, 20), "nothing more was heard of it");
    talk.quiet();
}

#[test]
fn a_policy_that_cannot_be_asked_for_is_one_of_the_hosts() {
    let mut talk = Talk::registered(Dialect::Linux);
    let mut acquire = kame_acquire(17, 11);
    acquire.extensions.retain(|e| !matches!(e, Extension::Sa2(_)));
    talk.say(&acquire);
    let question = talk.sent(MessageType::SpdGet);
    talk.refuse(&question, 2);
    let hosts = Selector::between(Prefix::host(us()), Prefix::host(peer()));
    let KernelEvent::Acquire { selector, rules, .. } = talk.event() else { panic!("no ACQUIRE") };
    assert_eq!((selector, rules[0].mode), (hosts, Mode::Transport));
}

/// An ACQUIRE of OpenBSD, and the answer to the question after its flow.
fn openbsd_wish(talk: &mut Talk, seq: u32, selector: Selector, local: bool) -> KernelEvent {
    let mut acquire = addresses(Message::new(MessageType::Acquire, SaType::Esp));
    acquire.header.seq = seq;
    if !local {
        acquire.extensions.retain(|e| !matches!(e, Extension::Address(AddressRole::Src, _)));
    }
    talk.say(&acquire);
    let question = talk.sent(MessageType::AskPolicy);
    assert!(question.extensions.contains(&Extension::AcquireSequence(seq)));
    let flow = FlowPolicy { selector, ..policy(Direction::Out) };
    let mut answer = Dialect::OpenBsd.remove_policy(&flow).unwrap().remove(0);
    answer.header = question.header;
    // The type is the transport protocol here.
    for extension in &mut answer.extensions {
        if let Extension::Protocol(crate::kernel::pfkey::ProtocolRole::FlowType, body) = extension {
            body.protocol = 0;
        }
    }
    talk.say(&answer.with(Extension::AcquireSequence(seq)));
    talk.event()
}

#[test]
fn openbsds_flow_says_what_is_wanted() {
    let mut talk = Talk::registered(Dialect::OpenBsd);
    let nets = openbsd_wish(&mut talk, 1, selector(), true);
    let expected = KernelEvent::Acquire {
        id: AcquireId(1),
        selector: selector(),
        endpoints: endpoints(),
        rules: rules(policy(Direction::Out)),
    };
    assert_eq!(nets, expected);
    let hosts = Selector::between(Prefix::host(us()), Prefix::host(peer()));
    let KernelEvent::Acquire { endpoints: ends, rules, .. } = openbsd_wish(&mut talk, 2, hosts, false) else {
        panic!("no ACQUIRE")
    };
    assert_eq!((ends, rules[0].mode, rules[0].endpoints), (endpoints(), Mode::Transport, None));
    talk.quiet();
}

#[test]
fn a_flow_of_ours_has_the_rules_that_we_gave_it() {
    let mut talk = Talk::registered(Dialect::OpenBsd);
    let hosts = Selector::between(Prefix::host(us()), Prefix::host(peer()));
    let own = FlowPolicy { selector: hosts, ..policy(Direction::Out) };
    talk.submit(Request::InstallPolicy(own.clone()));
    let question = talk.sent(MessageType::AddFlow);
    talk.say(&question);
    talk.event();
    let KernelEvent::Acquire { rules: told, .. } = openbsd_wish(&mut talk, 1, hosts, true) else {
        panic!("no ACQUIRE")
    };
    assert_eq!(told, rules(own), "a tunnel, although it is between two hosts");
}

#[test]
fn openbsd_has_no_words_for_a_failure() {
    let mut talk = Talk::registered(Dialect::OpenBsd);
    let id = talk.submit(Request::AcquireFailed(AcquireId(1)));
    assert_eq!(talk.event(), done(id, Reply::Done));
    talk.quiet();
}

#[test]
fn wishes_of_other_daemons_and_floods_are_not_followed() {
    let mut talk = Talk::registered(Dialect::FreeBsd);
    let mut other = kame_acquire(17, 11);
    other.header.pid = PID + 1;
    talk.say(&other);
    talk.quiet();
    for seq in 1..1000 {
        talk.say(&kame_acquire(seq, 11));
    }
    let mut questions = 0;
    while let Some(bytes) = talk.engine.poll_write() {
        let question = Message::parse(Dialect::FreeBsd, bytes.expose()).unwrap();
        talk.refuse(&question, 22);
        questions += 1;
    }
    assert_eq!(questions, 64);
}

#[test]
fn our_end_may_be_our_identity() {
    let mut talk = Talk::registered(Dialect::OpenBsd);
    let mut sa = half(0x8001, us(), peer());
    let prefix = |ip| SadbIdentity::Prefix(Prefix::host(ip));
    sa.ids = Some((prefix(us()), prefix(peer())));
    let mut acquire = Dialect::OpenBsd.add(&sa, Direction::Out).unwrap();
    acquire.header = crate::kernel::pfkey::Header::new(MessageType::Acquire, SaType::Esp);
    acquire
        .extensions
        .retain(|e| matches!(e, Extension::Address(AddressRole::Dst, _) | Extension::Identity(..)));
    let wish = Dialect::OpenBsd.read_acquire(&acquire).unwrap();
    assert_eq!(wish.local, None);
    acquire.header.seq = 3;
    talk.say(&acquire);
    let question = talk.sent(MessageType::AskPolicy);
    let mut answer = Dialect::OpenBsd.remove_policy(&policy(Direction::Out)).unwrap().remove(0);
    answer.header = question.header;
    talk.say(&answer.with(Extension::AcquireSequence(3)));
    assert!(matches!(talk.event(), KernelEvent::Acquire { endpoints: ends, .. } if ends == endpoints()));
}
