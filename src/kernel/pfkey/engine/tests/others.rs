//! What others do to what is ours, and what is theirs.

use super::*;

#[test]
fn an_sa_that_somebody_deletes_is_gone() {
    for dialect in Dialect::ALL {
        let mut talk = Talk::registered(dialect);
        let pair = talk.install(0x9001, 0x8001);
        let sa = pair.outbound.0.id();
        talk.say(&from_other(dialect.delete(sa, us()).unwrap()));
        assert_eq!(talk.event(), KernelEvent::Gone { sa });
        talk.say(&from_other(dialect.delete(sa, us()).unwrap()));
        let mut refused = from_other(dialect.delete(pair.inbound.0.id(), peer()).unwrap());
        refused.header.errno = 3;
        talk.say(&refused);
        talk.quiet();
    }
}

#[test]
fn kame_deletes_all_between_two_hosts_without_an_spi() {
    let mut talk = Talk::registered(Dialect::FreeBsd);
    let pair = talk.install(0x9001, 0x8001);
    let mut delete = from_other(Dialect::FreeBsd.delete(pair.outbound.0.id(), us()).unwrap());
    delete.extensions.retain(|e| !matches!(e, Extension::Sa(_)));
    talk.say(&delete);
    assert_eq!(talk.event(), KernelEvent::Gone { sa: pair.outbound.0.id() });
    talk.quiet();
}

#[test]
fn a_flush_takes_ours_of_its_protocol() {
    let mut talk = Talk::registered(Dialect::FreeBsd);
    let pair = talk.install(0x9001, 0x8001);
    talk.say(&from_other(Message::new(MessageType::Flush, SaType::Ah)));
    talk.quiet();
    talk.say(&from_other(Message::new(MessageType::Flush, SaType::Unspec)));
    for sa in [pair.outbound.0.id(), pair.inbound.0.id()] {
        assert_eq!(talk.event(), KernelEvent::Gone { sa });
    }
    talk.quiet();
}

#[test]
fn a_flush_of_everything_takes_openbsds_flows_and_they_are_made_again() {
    let mut talk = Talk::registered(Dialect::OpenBsd);
    talk.submit(Request::InstallPolicy(policy(Direction::Out)));
    let question = talk.sent(MessageType::AddFlow);
    talk.say(&question);
    talk.event();
    talk.say(&from_other(Message::new(MessageType::Flush, SaType::Unspec)));
    talk.quiet();
    talk.pass_to_timeout();
    let question = talk.sent(MessageType::AddFlow);
    talk.say(&question);
    talk.quiet();
}

#[test]
fn policies_of_others_are_told_whole_when_they_change() {
    let mut talk = Talk::registered(Dialect::FreeBsd);
    talk.submit(Request::InstallPolicy(policy(Direction::Out)));
    let question = talk.sent(MessageType::SpdUpdate);
    talk.say(&question);
    talk.event();

    let theirs = FlowPolicy { selector: selector().reversed(), ..policy(Direction::Out) };
    let added = Dialect::FreeBsd.install_policy(&theirs).unwrap().remove(0);
    let ours = Dialect::FreeBsd.install_policy(&policy(Direction::Out)).unwrap().remove(0);
    for _ in 0..10 {
        talk.say(&from_other(added.clone()));
    }
    talk.quiet();
    for is_new in [true, false] {
        talk.pass_to_timeout();
        let question = talk.sent(MessageType::SpdDump);
        for (seq, entry) in [(1, &ours), (0, &added)] {
            let mut entry = entry.clone();
            entry.header = question.header;
            entry.header.seq = seq;
            talk.say(&entry);
        }
        if is_new {
            let KernelEvent::Policies(list) = talk.event() else { panic!("policies") };
            assert_eq!(list.iter().map(|e| &e.policy).collect::<Vec<_>>(), [&theirs]);
        }
        talk.quiet();
        talk.say(&from_other(Message::new(MessageType::SpdExpire, SaType::Unspec)));
    }
}

#[test]
fn dumps_count_down_or_end_in_silence() {
    let kame = |talk: &mut Talk, question: &Message, sa: &SaParams, seq| {
        let mut entry = talk.dialect().add(sa, Direction::Out).unwrap();
        entry.header = question.header;
        (entry.header.seq, entry.header.satype) = (seq, SaType::Esp);
        talk.say(&entry);
    };
    let mut talk = Talk::registered(Dialect::FreeBsd);
    let pair = talk.install(0x9001, 0x8001);
    let id = talk.submit(Request::Dump(DumpKind::Sad));
    let question = talk.sent(MessageType::Dump);
    kame(&mut talk, &question, &pair.inbound.0, 1);
    talk.quiet();
    kame(&mut talk, &question, &pair.outbound.0, 0);
    let KernelEvent::Reply { id: told, result: Ok(Reply::Sad(list)) } = talk.event() else {
        panic!("a list")
    };
    assert_eq!(told, id);
    let seen: Vec<_> = list.iter().map(|e| (e.sa.spi.value(), e.inbound)).collect();
    assert_eq!(seen, [(0x9001, true), (0x8001, false)]);

    let mut talk = Talk::registered(Dialect::OpenBsd);
    let pair = talk.install(0x9001, 0x8001);
    let id = talk.submit(Request::Dump(DumpKind::Sad));
    let question = talk.sent(MessageType::Dump);
    kame(&mut talk, &question, &pair.outbound.0, 0);
    for satype in [SaType::Ah, SaType::IpComp] {
        assert_eq!(talk.sent(MessageType::Dump).header.satype, satype);
        talk.pass_to_timeout();
    }
    assert!(matches!(talk.event(), KernelEvent::Reply { id: told, result: Ok(Reply::Sad(list)) }
        if told == id && list.len() == 1));
    talk.quiet();
}

#[test]
fn openbsds_tables_are_read_by_sysctl_where_there_is_one() {
    let mut talk = Talk::with(EngineConfig {
        dialect: Dialect::OpenBsd,
        pid: PID,
        errnos: Errnos::Own,
        listing: Listing::Sysctl,
    });
    talk.register();
    let id = talk.submit(Request::Dump(DumpKind::Sad));
    talk.quiet();
    assert_eq!(talk.engine.poll_listing(), Some(DumpKind::Sad));
    let mut entry = Dialect::OpenBsd.add(&half(0x7001, peer(), us()), Direction::In).unwrap();
    entry.header.kind = MessageType::Dump;
    let bytes = [entry.emit(Dialect::OpenBsd), entry.emit(Dialect::OpenBsd)].concat();
    talk.engine.handle_listing(talk.now, Ok(&bytes));
    assert!(matches!(talk.event(), KernelEvent::Reply { id: told, result: Ok(Reply::Sad(list)) }
        if told == id && list.len() == 2));
    let id = talk.submit(Request::Dump(DumpKind::Spd));
    assert_eq!(talk.engine.poll_listing(), Some(DumpKind::Spd));
    talk.engine.handle_listing(talk.now, Err(1));
    assert_eq!(talk.event(), failed(id, KernelError::Errno(1)));
    talk.quiet();
}

#[test]
fn what_is_not_ipsecs_is_nobodys_business() {
    let mut talk = Talk::registered(Dialect::FreeBsd);
    let pair = talk.install(0x9001, 0x8001);
    let (sa, us) = (pair.outbound.0.id(), us());
    let mut all =
        vec![expire(Dialect::FreeBsd, sa, us, true), from_other(Dialect::FreeBsd.delete(sa, us).unwrap())];
    let mut between = all[1].clone();
    between.extensions.retain(|e| !matches!(e, Extension::Sa(_)));
    all.push(between);
    for message in &mut all {
        message.header.satype = SaType::TcpSignature;
        talk.say(message);
    }
    talk.say(&Message::new(MessageType::Acquire, SaType::TcpSignature));
    // An SPI of 16 is one that setkey may have given.
    for mut message in
        [expire(Dialect::FreeBsd, sa, us, false), from_other(Dialect::FreeBsd.delete(sa, us).unwrap())]
    {
        for extension in &mut message.extensions {
            if let Extension::Sa(sa) = extension {
                sa.spi = Network(16);
            }
        }
        talk.say(&message);
    }
    talk.quiet();

    talk.engine.overflow(talk.now);
    talk.event();
    let question = talk.sent(MessageType::Dump);
    let mut signature = dumped(&question, &pair.inbound.0, 2);
    signature.header.satype = SaType::TcpSignature;
    talk.say(&signature);
    for (seq, sa) in [(1, &pair.inbound.0), (0, &pair.outbound.0)] {
        talk.say(&dumped(&question, sa, seq));
    }
    let question = talk.sent(MessageType::SpdDump);
    talk.refuse(&question, 2);
    talk.quiet();
}

#[test]
fn a_dump_with_gaps_says_nothing_of_what_is_not_in_it() {
    for (dialect, whole, gap) in
        [(Dialect::FreeBsd, [2, 1, 0], [2, 0, 0]), (Dialect::Linux, [1, 2, 0], [1, 3, 0])]
    {
        let mut talk = Talk::registered(dialect);
        let pair = talk.install(0x9001, 0x8001);
        let sas = [&pair.inbound.0, &pair.outbound.0, &pair.inbound.0];
        talk.engine.overflow(talk.now);
        talk.event();
        let question = talk.sent(MessageType::Dump);
        for (seq, sa) in whole.into_iter().zip(sas) {
            talk.say(&dumped(&question, sa, seq));
        }
        let question = talk.sent(MessageType::SpdDump);
        talk.refuse(&question, 2);
        talk.quiet();

        talk.engine.overflow(talk.now);
        talk.event();
        talk.pass_to_timeout();
        let question = talk.sent(MessageType::Dump);
        for seq in gap {
            talk.say(&dumped(&question, sas[0], seq));
        }
        let question = talk.sent(MessageType::SpdDump);
        talk.refuse(&question, 2);
        talk.quiet();
        talk.pass_to_timeout();
        talk.sent(MessageType::Dump);
    }
}

#[test]
fn entries_of_an_older_dump_are_not_of_this_one() {
    let mut talk = Talk::registered(Dialect::OpenBsd);
    let id = talk.submit(Request::Dump(DumpKind::Sad));
    let question = talk.sent(MessageType::Dump);
    let mut older = Dialect::OpenBsd.add(&half(0x7001, peer(), us()), Direction::In).unwrap();
    older.header = question.header;
    older.header.seq -= 1;
    talk.say(&older);
    for _ in 0..3 {
        talk.pass_to_timeout();
        talk.engine.poll_write();
    }
    assert_eq!(talk.event(), done(id, Reply::Sad(Vec::new())));
}
