//! A kernel that answers late, twice, wrongly or not at all.

use super::*;

pub(super) fn unanswered(name: &'static str) -> KernelEvent {
    KernelEvent::Notice(KernelNotice::Unanswered(name))
}

#[test]
fn without_an_answer_the_next_request_has_its_turn() {
    let mut talk = Talk::registered(Dialect::FreeBsd);
    let (first, second) = (talk.submit(get_spi(None)), talk.submit(get_spi(None)));
    let lost = talk.sent(MessageType::GetSpi);
    talk.quiet();
    talk.pass(PATIENCE - Duration::from_millis(1));
    talk.quiet();
    talk.pass_to_timeout();
    assert_eq!(talk.event(), unanswered("GETSPI"));
    assert_eq!(talk.event(), failed(first, KernelError::TimedOut));
    let question = talk.sent(MessageType::GetSpi);
    assert_ne!(question.header.seq, lost.header.seq);
    talk.say(&spi_answer(&question, 0x9001));
    assert_eq!(talk.event(), done(second, Reply::Spi(Spi::new(0x9001).unwrap())));
    talk.quiet();
}

#[test]
fn a_late_answer_gives_its_spi_back() {
    let mut talk = Talk::registered(Dialect::OpenBsd);
    talk.submit(get_spi(None));
    let question = talk.sent(MessageType::GetSpi);
    talk.pass_to_timeout();
    while talk.engine.poll_event().is_some() {}
    talk.say(&spi_answer(&question, 0x9001));
    talk.pass_to_timeout();
    let delete = talk.sent(MessageType::Delete);
    assert_eq!(delete.association().unwrap().spi.0, 0x9001);
    talk.say(&delete);
    talk.say(&spi_answer(&question, 0x9001));
    assert_eq!(talk.engine.poll_timeout(), None);
    talk.quiet();
}

#[test]
fn a_second_answer_is_not_taken_for_that_to_the_next_question() {
    let mut talk = Talk::registered(Dialect::FreeBsd);
    let (first, second) = (talk.submit(get_spi(None)), talk.submit(get_spi(None)));
    let question = talk.sent(MessageType::GetSpi);
    talk.say(&spi_answer(&question, 0x9001));
    assert_eq!(talk.event(), done(first, Reply::Spi(Spi::new(0x9001).unwrap())));
    talk.say(&spi_answer(&question, 0x9001));
    assert_eq!(talk.engine.poll_event(), None);
    let question = talk.sent(MessageType::GetSpi);
    talk.say(&spi_answer(&question, 0x9002));
    assert_eq!(talk.event(), done(second, Reply::Spi(Spi::new(0x9002).unwrap())));
    talk.quiet();
}

#[test]
fn answers_to_others_are_not_ours() {
    let mut talk = Talk::registered(Dialect::OpenBsd);
    let id = talk.submit(get_spi(None));
    let question = talk.sent(MessageType::GetSpi);
    let mut other = spi_answer(&question, 0x7001);
    other.header.pid = PID + 1;
    talk.say(&other);
    let mut other = spi_answer(&question, 0x7002);
    other.header.seq += 1;
    talk.say(&other);
    let mut other = spi_answer(&question, 0x7003);
    other.header.kind = MessageType::Add;
    talk.say(&other);
    talk.quiet();
    talk.say(&spi_answer(&question, 0x9001));
    assert_eq!(talk.event(), done(id, Reply::Spi(Spi::new(0x9001).unwrap())));
}

#[test]
fn a_failed_write_is_the_fault_of_what_is_under_way() {
    let mut talk = Talk::registered(Dialect::OpenBsd);
    let (first, second) = (talk.submit(get_spi(None)), talk.submit(get_spi(None)));
    talk.sent(MessageType::GetSpi);
    talk.engine.handle_write_error(talk.now, 22);
    assert_eq!(talk.event(), failed(first, KernelError::Foreign(22, "EINVAL")));
    let question = talk.sent(MessageType::GetSpi);
    talk.say(&spi_answer(&question, 0x9001));
    talk.engine.handle_write_error(talk.now, 22);
    assert_eq!(talk.event(), done(second, Reply::Spi(Spi::new(0x9001).unwrap())));
    talk.quiet();
}

#[test]
fn an_answer_that_says_nothing_is_an_error_and_told() {
    let mut talk = Talk::registered(Dialect::FreeBsd);
    let id = talk.submit(get_spi(None));
    let question = talk.sent(MessageType::GetSpi);
    talk.say(&question);
    assert!(matches!(talk.event(), KernelEvent::Notice(KernelNotice::Malformed(_))));
    assert!(matches!(talk.event(), KernelEvent::Reply { id: told, result: Err(_) } if told == id));
    talk.quiet();
}

#[test]
fn garbage_is_told_a_few_times_a_minute() {
    let mut talk = Talk::registered(Dialect::FreeBsd);
    let told = |talk: &mut Talk| {
        for len in 0..100 {
            talk.engine.handle_message(talk.now, &vec![0xff; len]);
        }
        std::iter::from_fn(|| talk.engine.poll_event()).count()
    };
    assert_eq!(told(&mut talk), 5);
    assert_eq!(told(&mut talk), 0);
    talk.pass(Duration::from_secs(60));
    assert_eq!(told(&mut talk), 5);
}

#[test]
fn a_request_that_waits_too_long_is_not_done_later() {
    let mut talk = Talk::registered(Dialect::FreeBsd);
    let ids: Vec<_> = (0..10).map(|_| talk.submit(get_spi(None))).collect();
    let mut replies = 0;
    let begun = talk.now.mono;
    while talk.engine.poll_timeout().is_some() {
        talk.pass_to_timeout();
        while let Some(event) = talk.engine.poll_event() {
            replies +=
                usize::from(matches!(event, KernelEvent::Reply { result: Err(KernelError::TimedOut), .. }));
        }
        talk.engine.poll_write();
    }
    assert_eq!(replies, ids.len());
    assert!(talk.now.mono.saturating_since(begun) <= REQUEST_LIMIT, "before the daemon gives it up");
}

#[test]
fn after_an_overflow_everything_is_read_again() {
    let mut talk = Talk::registered(Dialect::FreeBsd);
    let pair = talk.install(0x9001, 0x8001);
    let id = talk.submit(Request::InstallPolicy(policy(Direction::Out)));
    let question = talk.sent(MessageType::SpdUpdate);
    talk.say(&question);
    assert_eq!(talk.event(), done(id, Reply::Done));

    talk.engine.overflow(talk.now);
    assert_eq!(talk.event(), KernelEvent::Notice(KernelNotice::Overflow));
    let question = talk.sent(MessageType::Dump);
    let mut entry = Dialect::FreeBsd.update(&pair.inbound.0).unwrap();
    entry.header = question.header;
    entry.header.satype = SaType::Esp;
    entry.header.seq = 0;
    if let Some(Extension::Sa(sa)) = entry.extensions.first_mut() {
        sa.state = 2;
    }
    talk.say(&entry);
    assert_eq!(talk.event(), KernelEvent::Gone { sa: pair.outbound.0.id() });
    let soft = KernelEvent::Expire { sa: pair.inbound.0.id(), hard: false };
    assert_eq!(talk.event(), soft, "it is past its soft lifetime, which may have been lost");
    let question = talk.sent(MessageType::SpdDump);
    talk.refuse(&question, 2);
    let question = talk.sent(MessageType::SpdUpdate);
    talk.say(&question);
    talk.quiet();
}

#[test]
fn a_dump_that_overflows_again_is_not_repeated_at_once() {
    let mut talk = Talk::registered(Dialect::FreeBsd);
    talk.engine.overflow(talk.now);
    talk.event();
    for _ in 0..2 {
        let kind = if talk.engine.busy.is_some() { MessageType::Dump } else { MessageType::SpdDump };
        let question = talk.sent(kind);
        assert_eq!(question.header.kind, MessageType::Dump);
        talk.engine.overflow(talk.now);
        talk.refuse(&question, 2);
        let question = talk.sent(MessageType::SpdDump);
        talk.refuse(&question, 2);
        talk.event();
        talk.quiet();
        talk.pass_to_timeout();
    }
}

#[test]
fn overflows_that_do_not_end_do_not_put_the_reading_off() {
    let mut talk = Talk::registered(Dialect::FreeBsd);
    let mut readings = Vec::new();
    for _ in 0..60 {
        talk.engine.overflow(talk.now);
        while let Some(bytes) = talk.engine.poll_write() {
            let question = Message::parse(Dialect::FreeBsd, bytes.expose()).unwrap();
            if question.header.kind == MessageType::Dump {
                readings.push(talk.now.mono);
            }
            talk.refuse(&question, 2);
        }
        talk.pass(Duration::from_secs(1));
    }
    assert_eq!(readings.len(), 6, "{readings:?}");
    let pauses = readings.windows(2).map(|two| two[1].saturating_since(two[0]));
    assert!(pauses.into_iter().all(|pause| pause == Duration::from_secs(10)), "{readings:?}");
}

#[test]
fn what_was_lost_without_a_word_is_noticed_in_the_end() {
    let mut talk = Talk::registered(Dialect::FreeBsd);
    let pair = talk.install(0x9001, 0x8001);
    for _ in 0..2 {
        let begun = talk.now.mono;
        talk.pass_to_timeout();
        assert_eq!(talk.now.mono.saturating_since(begun), Duration::from_secs(600));
        let question = talk.sent(MessageType::Dump);
        for (seq, sa) in [(1, &pair.inbound.0), (0, &pair.outbound.0)] {
            talk.say(&dumped(&question, sa, seq));
        }
        talk.quiet();
    }
    talk.pass_to_timeout();
    let question = talk.sent(MessageType::Dump);
    talk.refuse(&question, 2);
    for sa in [pair.outbound.0.id(), pair.inbound.0.id()] {
        assert_eq!(talk.event(), KernelEvent::Gone { sa });
    }
    talk.quiet();
    assert_eq!(talk.engine.poll_timeout(), None, "there is nothing to be lost");
}

#[test]
fn after_a_flush_that_fails_half_way_sas_are_read() {
    let mut talk = Talk::registered(Dialect::OpenBsd);
    let pair = talk.install(0x9001, 0x8001);
    let id = talk.submit(Request::FlushSad(None));
    let question = talk.sent(MessageType::Flush);
    talk.say(&question);
    let question = talk.sent(MessageType::Flush);
    talk.refuse(&question, 22);
    assert_eq!(talk.event(), failed(id, KernelError::Foreign(22, "EINVAL")));
    talk.quiet();
    for _ in 0..3 {
        talk.pass_to_timeout();
        talk.sent(MessageType::Dump);
    }
    talk.pass_to_timeout();
    for sa in [pair.outbound.0.id(), pair.inbound.0.id()] {
        assert_eq!(talk.event(), KernelEvent::Gone { sa });
    }
    talk.quiet();
}

#[test]
fn a_lost_way_is_told_and_everything_is_read_again_when_it_is_back() {
    let mut talk = Talk::registered(Dialect::FreeBsd);
    let pair = talk.install(0x9001, 0x8001);
    let id = talk.submit(Request::InstallPolicy(policy(Direction::Out)));
    let question = talk.sent(MessageType::SpdUpdate);
    talk.say(&question);
    assert_eq!(talk.event(), done(id, Reply::Done));

    let under_way = talk.submit(get_spi(None));
    talk.sent(MessageType::GetSpi);
    talk.engine.lost(talk.now, "closed".to_owned());
    assert_eq!(talk.event(), KernelEvent::Notice(KernelNotice::Lost("closed".to_owned())));
    assert_eq!(talk.event(), failed(under_way, KernelError::TimedOut));
    let waiting = talk.submit(get_spi(None));
    talk.quiet();
    talk.engine.lost(talk.now, "still closed".to_owned());
    talk.quiet();

    talk.engine.reopened(talk.now);
    talk.register();
    let question = talk.sent(MessageType::Dump);
    talk.refuse(&question, 2);
    for sa in [pair.outbound.0.id(), pair.inbound.0.id()] {
        assert_eq!(talk.event(), KernelEvent::Gone { sa });
    }
    let question = talk.sent(MessageType::SpdDump);
    talk.refuse(&question, 2);
    assert_eq!(talk.event(), KernelEvent::Notice(KernelNotice::Reopened));
    let question = talk.sent(MessageType::GetSpi);
    talk.say(&spi_answer(&question, 0x9002));
    assert_eq!(talk.event(), done(waiting, Reply::Spi(Spi::new(0x9002).unwrap())));
    let question = talk.sent(MessageType::SpdUpdate);
    talk.say(&question);
    talk.quiet();
}

#[test]
fn while_the_way_is_lost_requests_end_by_their_time() {
    let mut talk = Talk::registered(Dialect::OpenBsd);
    let sa = talk.install(0x9001, 0x8001).outbound.0.id();
    talk.engine.lost(talk.now, "closed".to_owned());
    talk.event();
    let delete = talk.submit(Request::Delete(sa));
    let flow = talk.submit(Request::InstallPolicy(policy(Direction::Out)));
    talk.pass_to_timeout();
    assert_eq!(talk.event(), failed(delete, KernelError::TimedOut));
    assert_eq!(talk.event(), failed(flow, KernelError::TimedOut));
    assert_eq!(talk.engine.poll_timeout(), None);

    // What was wanted then is seen to now.
    talk.engine.reopened(talk.now);
    talk.register();
    let mut sent = Vec::new();
    while talk.engine.poll_timeout().is_some() {
        match talk.engine.poll_write() {
            Some(bytes) => {
                let message = Message::parse(Dialect::OpenBsd, bytes.expose()).unwrap();
                sent.push(message.header.kind);
                if message.header.kind == MessageType::Dump {
                    continue;
                }
                talk.say(&message);
            }
            None => talk.pass_to_timeout(),
        }
    }
    assert_eq!(sent[..3], [MessageType::Dump; 3]);
    assert!(sent.contains(&MessageType::AddFlow), "{sent:?}");
}

#[test]
fn a_kernel_that_is_never_there_for_register_is_asked_again() {
    let mut talk = Talk::begin(Dialect::FreeBsd);
    for _ in 0..5 {
        talk.sent(MessageType::Register);
        talk.pass_to_timeout();
        assert_eq!(talk.event(), unanswered("REGISTER"));
    }
    assert_eq!(talk.engine.capabilities(), None);
    talk.register();
    assert!(talk.engine.capabilities().is_some());
}

#[test]
fn a_late_answer_to_register_is_one() {
    let mut talk = Talk::begin(Dialect::FreeBsd);
    let first = talk.sent(MessageType::Register);
    talk.pass_to_timeout();
    talk.event();
    let second = talk.sent(MessageType::Register);
    assert_ne!(first.header.seq, second.header.seq);
    talk.say(&first);
    let next = talk.sent(MessageType::Register);
    assert_eq!(next.header.satype, SaType::Ah);
    talk.refuse(&second, 17);
    talk.quiet();
}

#[test]
fn who_is_registered_already_asks_for_the_lists() {
    let mut talk = Talk::begin(Dialect::FreeBsd);
    let question = talk.sent(MessageType::Register);
    talk.refuse(&question, 17);
    let lists = talk.sent(MessageType::Register);
    assert_eq!(lists.header.satype, SaType::Unspec);
    let aes = SupportedAlgorithm { id: 12, ..SupportedAlgorithm::default() };
    talk.say(&lists.with(Extension::Supported(AlgorithmKind::Encrypt, 0, vec![aes])));
    for _ in 0..2 {
        let question = talk.sent(MessageType::Register);
        talk.say(&question);
    }
    let known = talk.engine.capabilities().unwrap();
    assert_eq!(known.protocols, [Protocol::Esp, Protocol::Ah, Protocol::IpComp]);
    assert_eq!(known.ciphers, [CipherAlgorithm::Aes]);
    assert_eq!(talk.engine.refusal(), None);
}

#[test]
fn a_kernel_without_memory_is_asked_to_register_a_few_times() {
    let mut talk = Talk::begin(Dialect::OpenBsd);
    let question = talk.sent(MessageType::Register);
    talk.refuse(&question, 55);
    talk.quiet();
    talk.pass_to_timeout();
    let question = talk.sent(MessageType::Register);
    assert_eq!(question.header.satype, SaType::Esp);
    talk.say(&question);
    for _ in 0..6 {
        let question = talk.sent(MessageType::Register);
        assert_eq!(question.header.satype, SaType::Ah);
        talk.refuse(&question, 12);
        if talk.engine.write.is_none() {
            talk.pass_to_timeout();
        }
    }
    assert_eq!(talk.sent(MessageType::Register).header.satype, SaType::IpComp);
    assert_eq!(talk.engine.refusal(), Some(&KernelError::Foreign(12, "ENOMEM")));
}
