//! SAs and policies that an operator has loaded.

use super::*;

fn manual(from: IpAddr, to: IpAddr, spi: u32, direction: Direction) -> ManualSa {
    let key = |len| Secret::new(vec![spi.to_be_bytes()[3]; len]);
    ManualSa {
        kind: SaKind::Ipsec(Protocol::Esp),
        src: from,
        dst: to,
        spi,
        direction,
        mode: None,
        reqid: 0,
        replay: 0,
        flags: SaFlags(SaFlags::CYCLIC),
        cipher: Some((CipherName::Known(CipherAlgorithm::Aes), key(16))),
        auth: Some((AuthName::Hmac(HashAlgorithm::Sha1), key(20))),
        compression: None,
        soft: Lifetime::default(),
        hard: Lifetime::default(),
        udp: None,
    }
}

fn add(host: &mut Host, sa: ManualSa) -> Vec<Output> {
    let (result, outputs) = host.request(Request::AddSa(Box::new(sa)));
    assert_eq!(result, Ok(Reply::Done));
    outputs
}

fn load(host: &mut Host, direction: Direction, replaces: bool) -> (Result<Reply, KernelError>, Vec<Output>) {
    let policy = host.policy(direction);
    host.request(Request::LoadPolicy { policy, replaces })
}

fn names(spi: Option<u32>) -> SaNames {
    SaNames { kind: SaKind::Ipsec(Protocol::Esp), src: A, dst: B, spi }
}

/// How many policies are told not to be the daemon's.
fn told(outputs: &[Output]) -> usize {
    match outputs {
        [Output::Event(KernelEvent::Policies(list))] => list.len(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_packet_goes_by_keys_of_the_operator() {
    let (mut a, mut b) = hosts();
    let (result, outputs) = load(&mut a, Direction::Out, false);
    assert_eq!((result, told(&outputs)), (Ok(Reply::Done), 1));
    load(&mut b, Direction::In, false).0.unwrap();
    // It waits for the SA that comes by hand.
    acquire_of(&a.tun(&packet(1)));
    let first = only_esp(add(&mut a, manual(A, B, 0x1001, Direction::Out)));
    add(&mut b, manual(A, B, 0x1001, Direction::In));
    assert_eq!(b.esp(&first), [Output::Tun(packet(1))]);
    // Without a window nothing comes too late: keys by hand outlive a restart of the peer, which counts from 1 again.
    assert_eq!(b.esp(&first), [Output::Tun(packet(1))]);
}

#[test]
fn a_window_counts_octets_of_bitmap() {
    let (mut a, mut b) = hosts();
    load(&mut a, Direction::Out, false).0.unwrap();
    add(&mut a, manual(A, B, 0x1001, Direction::Out));
    add(&mut b, ManualSa { replay: 8, ..manual(A, B, 0x1001, Direction::In) });
    let esp = only_esp(a.tun(&packet(1)));
    assert_eq!(b.esp(&esp), [Output::Tun(packet(1))]);
    assert_eq!(b.esp(&esp), []);
    let Ok(Reply::Sas(shown)) = b.request(Request::Show(Wanted::Sas(None))).0 else { panic!("SAs") };
    assert_eq!((shown.len(), shown[0].replay, shown[0].spi), (1, 8, 0x1001));
}

#[test]
fn what_it_cannot_do_has_a_name() {
    let (mut a, _) = hosts();
    let sa = || manual(A, B, 0x1001, Direction::Out);
    let mut refused = |sa: ManualSa| match a.request(Request::AddSa(Box::new(sa))).0 {
        Err(KernelError::Unsupported(what)) => what,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(ManualSa { mode: Some(Mode::Transport), ..sa() }), "transport mode");
    assert_eq!(refused(ManualSa { kind: SaKind::Ipsec(Protocol::Ah), cipher: None, ..sa() }), "AH");
    assert_eq!(refused(ManualSa { kind: SaKind::TcpMd5, ..sa() }), "SAs for TCP's MD5 option");
    assert_eq!(refused(ManualSa { spi: 255, ..sa() }), "SPI below 256");
    let twofish = Some((CipherName::Twofish, Secret::new(vec![0; 16])));
    assert_eq!(refused(ManualSa { cipher: twofish, ..sa() }), "twofish-cbc");
    let xcbc = Some((AuthName::AesXcbc, Secret::new(vec![0; 16])));
    assert_eq!(refused(ManualSa { auth: xcbc, ..sa() }), "aes-xcbc-mac");
    let flags = SaFlags(SaFlags::CYCLIC | SaFlags::ZERO_PADDING);
    assert_eq!(refused(ManualSa { flags, ..sa() }), "padding of zeros");
    assert_eq!(refused(ManualSa { cipher: None, ..sa() }), "ESP without a cipher, not even null");
    let mut policy = a.policy(Direction::Out);
    (policy.selector.protocol, policy.selector.local_port) = (58, 135);
    let result = a.request(Request::LoadPolicy { policy, replaces: false }).0;
    assert!(matches!(result, Err(KernelError::Unsupported(_))), "{result:?}");
    assert_eq!(a.sad(), []);
}

#[test]
fn sas_are_named_and_removed_by_anyone() {
    let (mut a, _, of_a, _) = connected(|_| {});
    add(&mut a, manual(A, B, 0x1001, Direction::Out));
    let again = a.request(Request::AddSa(Box::new(manual(A, B, 0x1001, Direction::Out)))).0;
    assert_eq!(again, Err(KernelError::Exists));
    let Ok(Reply::Sas(shown)) = a.request(Request::Show(Wanted::Named(names(Some(0x1001))))).0 else {
        panic!("an SA")
    };
    assert_eq!(shown.len(), 1);
    let missing = a.request(Request::Show(Wanted::Named(names(Some(0x1002))))).0;
    assert_eq!(missing, Err(KernelError::NoSuchSa));

    assert_eq!(a.request(Request::DropSas(names(Some(0x1001)))).0, Ok(Reply::Done));
    assert_eq!(a.request(Request::DropSas(names(Some(0x1001)))).0, Err(KernelError::NoSuchSa));
    // deleteall: what was negotiated as well, and the daemon hears of it. The other direction stays.
    let (result, outputs) = a.request(Request::DropSas(names(None)));
    let gone = Output::Event(KernelEvent::Gone { sa: of_a.outbound.0.id() });
    assert_eq!((result, outputs), (Ok(Reply::Done), vec![gone]));
    assert_eq!(a.sad().len(), 1);
    assert_eq!(a.request(Request::DropSas(names(None))).0, Ok(Reply::Done), "all of none");
    let (result, outputs) = a.request(Request::FlushSad(None));
    let gone = Output::Event(KernelEvent::Gone { sa: of_a.inbound.0.id() });
    assert_eq!((result, outputs), (Ok(Reply::Done), vec![gone]));
    assert_eq!(a.sad(), []);
}

#[test]
fn policies_of_the_operator_are_told_from_those_of_the_daemon() {
    let (mut a, _) = hosts();
    let own = a.policy(Direction::In);
    assert_eq!(a.request(Request::InstallPolicy(own.clone())).0, Ok(Reply::Done));
    assert_eq!(load(&mut a, Direction::In, false).0, Err(KernelError::Exists));
    assert_eq!(told(&load(&mut a, Direction::Out, false).1), 1);
    assert_eq!(load(&mut a, Direction::Out, false).0, Err(KernelError::Exists));
    assert_eq!(told(&load(&mut a, Direction::Out, true).1), 1, "replaced");
    let theirs = a.policy(Direction::Out);
    assert_eq!(a.request(Request::RemovePolicy(theirs.clone())).0, Err(KernelError::NoSuchSa));
    // spdflush leaves what the daemon would put back with any other kernel.
    let (result, outputs) = a.request(Request::FlushSpd);
    assert_eq!((result, told(&outputs)), (Ok(Reply::Done), 0));
    let Ok(Reply::Policies(shown)) = a.request(Request::Show(Wanted::Policies)).0 else { panic!("policies") };
    assert_eq!(shown.len(), 1);
    load(&mut a, Direction::Out, false).0.unwrap();
    assert_eq!(told(&a.request(Request::DropPolicy(theirs)).1), 0, "spddelete");
    assert_eq!(a.request(Request::RemovePolicy(own)), (Ok(Reply::Done), vec![]));
}
