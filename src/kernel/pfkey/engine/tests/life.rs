//! A whole life: registered, reserved, installed, rekeyed, deleted.

use super::*;

fn spi_of(message: &Message) -> u32 {
    message.association().unwrap().spi.0
}

#[test]
fn capabilities_are_what_the_kernel_lists() {
    let mut talk = Talk::begin(Dialect::FreeBsd);
    assert_eq!(talk.engine.capabilities(), None);
    talk.register();
    let known = talk.engine.capabilities().unwrap();
    assert_eq!(known.name, "freebsd");
    assert_eq!(known.ciphers, [CipherAlgorithm::Aes]);
    assert_eq!(known.auths, [HashAlgorithm::Sha1, HashAlgorithm::Sha2_256].map(AuthSpec::standard));
    assert_eq!(known.protocols, [Protocol::Esp, Protocol::Ah, Protocol::IpComp]);
    assert!(!known.flows);
}

#[test]
fn openbsds_list_is_not_believed() {
    let talk = Talk::registered(Dialect::OpenBsd);
    let known = talk.engine.capabilities().unwrap();
    assert!(known.ciphers.contains(&CipherAlgorithm::AesGcm16) && known.flows, "{known:?}");
}

#[test]
fn a_protocol_that_is_refused_is_not_there() {
    let mut talk = Talk::begin(Dialect::FreeBsd);
    for errno in [0, 0, 45] {
        let question = talk.sent(MessageType::Register);
        talk.refuse(&question, errno);
    }
    assert_eq!(talk.engine.capabilities().unwrap().protocols, [Protocol::Esp, Protocol::Ah]);
    assert_eq!(talk.engine.refusal(), Some(&KernelError::Foreign(45, "EOPNOTSUPP")));
}

#[test]
fn a_pair_is_updated_inbound_and_then_added_outbound() {
    for dialect in Dialect::ALL {
        let mut talk = Talk::registered(dialect);
        talk.reserve(0x9001, None);
        let id = talk.submit(install(&pair(0x9001, 0x8001), true));
        let update = talk.sent(MessageType::Update);
        assert_eq!(spi_of(&update), 0x9001);
        talk.quiet();
        talk.say(&update);
        let add = talk.sent(MessageType::Add);
        assert_eq!(spi_of(&add), 0x8001);
        talk.quiet();
        talk.say(&add);
        assert_eq!(talk.event(), done(id, Reply::Done), "{dialect}");
        talk.quiet();
    }
}

#[test]
fn both_or_neither_is_installed() {
    let mut talk = Talk::registered(Dialect::OpenBsd);
    talk.reserve(0x9001, None);
    let pair = pair(0x9001, 0x8001);
    let id = talk.submit(install(&pair, true));
    let update = talk.sent(MessageType::Update);
    talk.say(&update);
    let add = talk.sent(MessageType::Add);
    talk.refuse(&add, 17);
    let delete = talk.sent(MessageType::Delete);
    assert_eq!(spi_of(&delete), 0x9001);
    talk.quiet();
    talk.say(&delete);
    assert_eq!(talk.event(), failed(id, KernelError::Exists));
    let id = talk.submit(Request::Delete(pair.inbound.0.id()));
    assert_eq!(talk.event(), failed(id, KernelError::NoSuchSa), "nothing of it is left");
    talk.quiet();
}

#[test]
fn what_a_kernel_cannot_have_is_not_asked_for() {
    let mut talk = Talk::registered(Dialect::FreeBsd);
    talk.reserve(0x9001, None);
    let mut pair = pair(0x9001, 0x8001);
    pair.outbound.0.keys.auth_key = Secret::new(vec![2; 16]);
    let id = talk.submit(install(&pair, false));
    assert!(matches!(talk.event(), KernelEvent::Reply { id: told, result: Err(KernelError::Unsupported(_)) }
        if told == id));
    talk.quiet();
}

#[test]
fn an_outbound_half_that_is_not_to_be_used_is_kept_back() {
    let mut talk = Talk::registered(Dialect::OpenBsd);
    talk.reserve(0x9001, None);
    let pair = pair(0x9001, 0x8001);
    let outbound = pair.outbound.0.id();
    let id = talk.submit(install(&pair, false));
    let update = talk.sent(MessageType::Update);
    talk.say(&update);
    assert_eq!(talk.event(), done(id, Reply::Done));
    talk.quiet();

    let id = talk.submit(Request::StartSending(outbound));
    let add = talk.sent(MessageType::Add);
    assert_eq!(spi_of(&add), 0x8001);
    talk.say(&add);
    assert_eq!(talk.event(), done(id, Reply::Done));
    let id = talk.submit(Request::StartSending(outbound));
    assert_eq!(talk.event(), done(id, Reply::Done), "it is used already");
    talk.quiet();
}

#[test]
fn a_half_that_was_kept_back_is_deleted_without_the_kernel() {
    let mut talk = Talk::registered(Dialect::FreeBsd);
    talk.reserve(0x9001, None);
    let pair = pair(0x9001, 0x8001);
    talk.submit(install(&pair, false));
    let update = talk.sent(MessageType::Update);
    talk.say(&update);
    talk.event();
    let id = talk.submit(Request::Delete(pair.outbound.0.id()));
    assert_eq!(talk.event(), done(id, Reply::Done));
    talk.quiet();
    let id = talk.submit(Request::StartSending(pair.outbound.0.id()));
    assert_eq!(talk.event(), failed(id, KernelError::NoSuchSa));
}

#[test]
fn a_reservation_that_has_run_out_is_made_good() {
    // FreeBSD says EINVAL for an SPI that it does not know, OpenBSD and Linux ESRCH.
    for (dialect, errno) in [(Dialect::FreeBsd, 22), (Dialect::OpenBsd, 3), (Dialect::Linux, 3)] {
        let mut talk = Talk::registered(dialect);
        talk.reserve(0x9001, None);
        let id = talk.submit(install(&pair(0x9001, 0x8001), false));
        let update = talk.sent(MessageType::Update);
        talk.refuse(&update, errno);
        let add = talk.sent(MessageType::Add);
        assert_eq!(spi_of(&add), 0x9001);
        talk.say(&add);
        assert_eq!(talk.event(), done(id, Reply::Done));
        talk.quiet();
    }
}

#[test]
fn an_update_that_was_refused_for_another_reason_is_told_by_it() {
    let mut talk = Talk::registered(Dialect::FreeBsd);
    talk.reserve(0x9001, None);
    let id = talk.submit(install(&pair(0x9001, 0x8001), true));
    let update = talk.sent(MessageType::Update);
    talk.refuse(&update, 22);
    let add = talk.sent(MessageType::Add);
    talk.refuse(&add, 17);
    assert_eq!(
        talk.event(),
        failed(id, KernelError::Foreign(22, "EINVAL")),
        "the SPI was there all the same"
    );
    talk.quiet();
}

#[test]
fn a_delete_names_the_source_as_well() {
    let mut talk = Talk::registered(Dialect::FreeBsd);
    let pair = talk.install(0x9001, 0x8001);
    let id = talk.submit(Request::Delete(pair.outbound.0.id()));
    let delete = talk.sent(MessageType::Delete);
    let named = Dialect::FreeBsd.read_sa(&delete).unwrap();
    assert_eq!((named.id, named.src), (pair.outbound.0.id(), Some(us())));
    talk.say(&delete);
    assert_eq!(talk.event(), done(id, Reply::Done));
    let id = talk.submit(Request::Delete(pair.inbound.0.id()));
    let delete = talk.sent(MessageType::Delete);
    talk.refuse(&delete, 3);
    assert_eq!(talk.event(), failed(id, KernelError::NoSuchSa));
    talk.quiet();
}

#[test]
fn an_sa_of_an_earlier_life_is_deleted_by_its_name() {
    let mut talk = Talk::registered(Dialect::FreeBsd);
    let (sa, src) = (pair(0x9001, 0x8001).outbound.0.id(), us());
    let id = talk.submit(Request::Reclaim { sa, src });
    let delete = talk.sent(MessageType::Delete);
    assert_eq!(Dialect::FreeBsd.read_sa(&delete).unwrap().src, Some(src));
    talk.say(&delete);
    assert_eq!(talk.event(), done(id, Reply::Done));
    talk.quiet();
}

#[test]
fn lifetimes_are_told_once_and_only_of_our_sas() {
    for dialect in Dialect::ALL {
        let mut talk = Talk::registered(dialect);
        let sa = talk.install(0x9001, 0x8001).outbound.0.id();
        talk.say(&expire(dialect, sa, us(), false));
        assert_eq!(talk.event(), KernelEvent::Expire { sa, hard: false });
        talk.say(&expire(dialect, sa, us(), false));
        talk.say(&expire(dialect, SaId { spi: Spi::new(0x7001).unwrap(), ..sa }, us(), true));
        talk.quiet();
        talk.say(&expire(dialect, sa, us(), true));
        assert_eq!(talk.event(), KernelEvent::Expire { sa, hard: true });
        let id = talk.submit(Request::Delete(sa));
        assert_eq!(talk.event(), failed(id, KernelError::NoSuchSa), "the kernel has removed it");
        talk.quiet();
    }
}

#[test]
fn policies_come_and_go_with_their_selector() {
    for (dialect, add, delete) in [
        (Dialect::FreeBsd, MessageType::SpdUpdate, MessageType::SpdDelete),
        (Dialect::OpenBsd, MessageType::AddFlow, MessageType::DelFlow),
    ] {
        let mut talk = Talk::registered(dialect);
        let id = talk.submit(Request::InstallPolicy(policy(Direction::In)));
        let question = talk.sent(add);
        talk.say(&question);
        assert_eq!(talk.event(), done(id, Reply::Done));
        let id = talk.submit(Request::RemovePolicy(policy(Direction::Out)));
        assert_eq!(talk.event(), failed(id, KernelError::NoSuchSa), "it is not ours");
        let id = talk.submit(Request::RemovePolicy(policy(Direction::In)));
        let question = talk.sent(delete);
        talk.say(&question);
        assert_eq!(talk.event(), done(id, Reply::Done));
        talk.quiet();
    }
}

#[test]
fn on_linux_an_inbound_policy_has_a_twin() {
    let mut talk = Talk::registered(Dialect::Linux);
    let id = talk.submit(Request::InstallPolicy(policy(Direction::In)));
    for direction in [1, 3] {
        let question = talk.sent(MessageType::SpdUpdate);
        assert_eq!(question.policy().unwrap().direction, direction);
        talk.say(&question);
    }
    assert_eq!(talk.event(), done(id, Reply::Done));
    talk.quiet();
}

#[test]
fn a_flush_of_all_sas_leaves_openbsds_flows() {
    let mut talk = Talk::registered(Dialect::OpenBsd);
    let pair = talk.install(0x9001, 0x8001);
    let id = talk.submit(Request::FlushSad(None));
    for satype in [SaType::Esp, SaType::Ah, SaType::IpComp] {
        let question = talk.sent(MessageType::Flush);
        assert_eq!(question.header.satype, satype);
        talk.say(&question);
    }
    let gone: Vec<_> = std::iter::from_fn(|| talk.engine.poll_event()).collect();
    let expected = [pair.outbound.0.id(), pair.inbound.0.id()].map(|sa| KernelEvent::Gone { sa });
    assert_eq!(gone, [&expected[..], &[done(id, Reply::Done)]].concat());
    talk.quiet();
}

#[test]
fn keys_are_not_shown() {
    let mut talk = Talk::registered(Dialect::FreeBsd);
    talk.reserve(0x9001, None);
    let mut pair = pair(0x9001, 0x8001);
    pair.inbound.0.keys.cipher_key = Secret::new(vec![0xa7; 16]);
    talk.submit(install(&pair, true));
    let shown = format!("{:?}", talk.engine);
    assert!(shown.contains("write: Some"), "{shown}");
    assert!(!shown.contains("167, 167"), "{shown}");
}

#[test]
fn a_message_with_keys_is_written_without_moving() {
    let message = Dialect::FreeBsd.update(&pair(0x9001, 0x8001).inbound.0).unwrap();
    assert_eq!(message.emit(Dialect::FreeBsd).capacity(), 4096);
}

#[test]
fn sas_have_the_request_id_that_the_kernel_has_picked_for_our_policy() {
    for (dialect, inbound) in [(Dialect::FreeBsd, 0), (Dialect::Linux, 16_390)] {
        let mut talk = Talk::registered(dialect);
        for (direction, picked) in [(Direction::Out, 16_389), (Direction::In, 16_390)] {
            let mut policy = policy(direction);
            let FlowAction::Protect(rules) = &mut policy.action else { panic!("rules") };
            rules[0].level = Level::Unique(0);
            let id = talk.submit(Request::InstallPolicy(policy));
            let mut levels = Vec::new();
            while talk.engine.busy.is_some() {
                let mut answer = talk.sent(MessageType::SpdUpdate);
                let Some(Extension::Policy(body)) = answer.extensions.first_mut() else { panic!("policy") };
                levels.push(body.requests[0].level);
                body.requests[0].reqid = picked;
                talk.say(&answer);
            }
            assert_eq!(talk.event(), done(id, Reply::Done));
            let twins = usize::from(dialect == Dialect::Linux && direction == Direction::In);
            assert_eq!(levels, [3, 2][..=twins], "unique, and its twin takes any");
        }
        talk.reserve(0x9001, None);
        let mut pair = pair(0x9001, 0x8001);
        (pair.inbound.0.reqid, pair.outbound.0.reqid) = (0, 0);
        talk.submit(install(&pair, true));
        for (kind, reqid) in [(MessageType::Update, inbound), (MessageType::Add, 16_389)] {
            let question = talk.sent(kind);
            assert_eq!(question.sa2().unwrap().reqid, reqid, "{dialect}");
            talk.say(&question);
        }
    }
}
