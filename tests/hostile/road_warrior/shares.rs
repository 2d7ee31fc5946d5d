//! What clients may take: addresses, places, other clients' SAs, and our time.

use super::*;

/// Goes through a quick mode for traffic between these addresses and our network, if it can. Whether there is a pair.
fn ask_for(scene: &mut Scene, theirs: Prefix) -> bool {
    let before = scene.victim.established().1;
    let id = scene.peer.message_id();
    let mut pending = vec![scene.peer.quick_1_for(id, &[theirs, policy::net(VICTIM)])];
    while let Some(datagram) = pending.pop() {
        let sent = scene.victim.take(scene.peer.me, &datagram);
        pending.extend(sent.iter().flat_map(|transmit| scene.peer.take(&transmit.bytes)));
    }
    scene.victim.established().1 > before
}

/// An address that another client has been given, or may be given, is not for the asking.
#[test]
fn sec_grants_addresses_of_the_pool() {
    let mut policy = road_policy(Edge::Gateway, ModeConfig { pool_size: 20, ..network() });
    policy.connections.clear();
    for peer in &mut policy.phase1 {
        Arc::make_mut(peer).grants.generate_policy = GeneratePolicy::Unique;
    }
    for rule in &mut policy.phase2 {
        let rule = Arc::make_mut(rule);
        (rule.local, rule.remote) = (TrafficMatch::Any, TrafficMatch::Any);
    }
    let (mut ann, request) = at_the_gate(Victim::new(policy), HONEST, 1);
    log_in(&mut ann, &request, "ann");
    assert_eq!(ask(&mut ann, &wish(&[])), wish(&[10, 9, 0, 1]));
    let (mut bob, request) = at_the_gate(std::mem::replace(&mut ann.victim, gateway()), TRAITOR, 9);
    log_in(&mut bob, &request, "bob");
    assert_eq!(ask(&mut bob, &wish(&[])), wish(&[10, 9, 0, 2]));
    let prefix = |last: u8, len| Prefix::new([10, 9, 0, last].into(), len).unwrap();
    for (what, theirs, is_anns) in [
        ("ann's", prefix(1, 32), true),
        ("ann's and its own", prefix(0, 30), true),
        ("the whole pool", prefix(0, 24), true),
        ("what nobody has yet", prefix(3, 32), false),
        ("the last one", prefix(20, 32), false),
        ("the last one and more", prefix(20, 30), false),
    ] {
        assert!(!ask_for(&mut bob, theirs), "{what}");
        let why = bob.victim.events.iter().rev().find_map(|event| match event {
            Event::Phase2(_, Phase2Event::Failed(why)) => Some(why),
            _ => None,
        });
        match why.expect("a refusal") {
            Why::TrafficOfAnother { peer, .. } => assert!(is_anns && *peer == HONEST, "{what}"),
            Why::AddressesOfPool(_) => assert!(!is_anns, "{what}"),
            other => panic!("{what}: {other}"),
        }
        assert!(bob.victim.kernel.policies().is_empty(), "{what}");
    }
    for own in [prefix(2, 32), prefix(24, 29), Prefix::host(TRAITOR)] {
        assert!(ask_for(&mut bob, own), "{own:?}");
    }
}

/// Message 1 of a stranger who may be anywhere, in aggressive mode, takes the place of nobody who has proved to be in the
/// group and types a password.
#[test]
fn sec_resources_flood_while_logging_in() {
    let mut policy = road_policy(Edge::Gateway, network());
    let mut anybody = (*policy.phase1[0]).clone();
    (anybody.remote, anybody.peer_ids) = (None, Vec::new());
    anybody.exchanges = vec![Phase1Exchange::Main, Phase1Exchange::Aggressive];
    anybody.psks = Arc::new(PskTable::from(vec![PskEntry {
        owner: PskOwner::Anybody,
        key: Secret::new(policy::psk(HONEST)),
        at: SourceRef::built_in("psk"),
    }]));
    policy.phase1.push(Arc::new(anybody));
    let (main, request) = at_the_gate(Victim::new(policy), HONEST, 1);
    let (mut victim, peer) = (main.victim, main.peer);
    let mut clients = Vec::new();
    for number in 0..4 {
        let me: IpAddr = Ipv4Addr::from(0x0d00_0000 + number).into();
        let mut client = Peer::new(me, Role::Initiator, Group::Ecp256, 9);
        client.psk = policy::psk(HONEST);
        client.auth = AuthMethod::XauthPreSharedKey(Edge::Client);
        let first = aggressive::message_1(&mut client);
        let second = victim.take(me, &first).pop().unwrap().bytes;
        aggressive::learn(&mut client, &second);
        let hash = aggressive::hash_i(&client);
        let third = aggressive::message_3(&mut client, hash, true);
        victim.take(me, &third);
        assert_eq!(victim.states(me), ["Established"]);
        clients.push(me);
    }
    let mut stranger = Peer::new(HONEST, Role::Initiator, Group::Ecp256, 5);
    stranger.auth = AuthMethod::XauthPreSharedKey(Edge::Client);
    for number in 0..1500_u32 {
        stranger.cookies = CookiePair { i: Cookie((u64::from(number) + 1).to_be_bytes()), r: Cookie::ZERO };
        let from = Ipv4Addr::from(0x0b00_0000 + number).into();
        let first = aggressive::message_1(&mut stranger);
        victim.take(from, &first);
        victim.events.clear();
    }
    for me in clients {
        assert_eq!(victim.states(me), ["Established"], "{me} has lost its place");
    }
    let mut scene = Scene { victim, peer, ..main };
    log_in(&mut scene, &request, "ann");
}

/// The key that all clients share is also that of a peer without a login. Whoever has not logged in is not that peer.
#[test]
fn sec_authorisation_before_the_login_nothing_is_deleted() {
    let mut policy = road_policy(Edge::Gateway, network());
    for phase1 in &mut policy.phase1 {
        let phase1 = Arc::make_mut(phase1);
        let plain = policy::with_method(phase1.clone(), AuthMethod::PreSharedKey);
        phase1.transforms.extend(plain.transforms);
    }
    let mut plain = Scene::with(Victim::new(policy), HONEST, Stage::responder(0), 1, Group::Ecp256);
    plain.finish();
    assert_eq!(plain.victim.established(), (1, 1));
    plain.victim.wait(SECOND);
    let spi = plain.peer.quick.as_ref().unwrap().spi_own.octets().to_vec();
    let victim = std::mem::replace(&mut plain.victim, gateway());
    let (mut scene, _) = at_the_gate(victim, HONEST, 9);
    let delete = Delete { doi: Doi::IPSEC, protocol: ProtocolId::ESP, spi_size: 4, spis: vec![spi] };
    let datagram = scene.peer.inform(&delete);
    scene.silent_attack("a delete of another's IPsec SA", HONEST, &datagram);
    assert_eq!(scene.victim.kernel.sas().len(), 2);
}

/// Each SPI of a Delete is looked for; there are not more than a few hundred in a message that means what it says.
#[test]
fn sec_resources_delete_of_many_sas() {
    let mut scene = Scene::with(
        Victim::new(policy::victim(Group::Ecp256)),
        HONEST,
        Stage::responder(0),
        1,
        Group::Ecp256,
    );
    scene.finish();
    scene.victim.wait(SECOND);
    let own = scene.peer.quick.as_ref().unwrap().spi_own.octets().to_vec();
    let others = |count: u32| (0..count).map(|n| (0x7000_0000 + n).to_be_bytes().to_vec());
    let delete = |spis| Delete { doi: Doi::IPSEC, protocol: ProtocolId::ESP, spi_size: 4, spis };
    let late = scene.peer.inform(&delete(others(12_000).chain([own.clone()]).collect()));
    scene.victim.take(HONEST, &late);
    let is_told = |event: &Event| {
        matches!(event, Event::Dropped { why: Why::TooManySpis(12_001), authenticated: true, .. })
    };
    assert!(scene.victim.events.iter().any(is_told));
    assert_eq!(scene.victim.established(), (1, 1), "what is behind too many others is not looked for");
    let in_time = scene.peer.inform(&delete(others(255).chain([own]).collect()));
    scene.victim.take(HONEST, &in_time);
    assert_eq!(scene.victim.kernel.sas().len(), 0);
}

/// The addresses of the clients that are there, by the victim's account.
fn addresses(victim: &Victim) -> Vec<(Option<String>, Option<IpAddr>)> {
    let status = victim.endpoint.status(victim.now);
    status.phase1.into_iter().map(|p| (p.user, p.client_address)).collect()
}

/// A user with an address of its own comes back through another port of its NAT, and nobody has said that it went. It
/// gets its address, another user does not.
#[test]
fn sec_authorisation_fixed_address_is_its_users() {
    let address = Ipv4Addr::new(10, 9, 0, 77);
    let fixed = || Verdict::Granted { groups: Vec::new(), address: Some(address), netmask: None };
    let (mut before, request) = at_the_gate_from(gateway(), HONEST, 1024, 1);
    log_in_with(&mut before, &request, "ann", fixed());
    before.finish();
    before.victim.wait(SECOND);
    let victim = std::mem::replace(&mut before.victim, gateway());
    // Somebody else, for whom the server has the same address.
    let (mut bob, request) = at_the_gate_from(victim, HONEST, 1026, 5);
    let answer = reply(&bob, &request, &login(b"bob", b"sesame"));
    bob.victim.take_from(SocketAddr::new(HONEST, 1026), &answer);
    assert_eq!(judge(&mut bob, fixed()), [] as [Vec<u8>; 0]);
    assert_eq!(bob.victim.kernel.sas().len(), 2, "what ann has stays");
    bob.victim.wait(100 * SECOND);
    let victim = std::mem::replace(&mut bob.victim, gateway());
    let (mut again, request) = at_the_gate_from(victim, HONEST, 1025, 9);
    log_in_with(&mut again, &request, "ann", fixed());
    assert_eq!(addresses(&again.victim), [(Some("ann".to_owned()), Some(IpAddr::V4(address)))]);
    assert_eq!(again.victim.kernel.sas().len(), 0, "what she had before is gone");
    again.finish();
}

/// A client without a login keeps its address over a new ISAKMP SA, though it asks for it only once.
#[test]
fn sec_authorisation_address_without_a_login_stays() {
    let plain = || {
        let mut policy = policy::victim(Group::Ecp256);
        policy.mode_config = Some(Arc::new(network()));
        Victim::new(policy)
    };
    let mut first = Scene::with(plain(), HONEST, Stage::responder(0), 1, Group::Ecp256);
    first.finish();
    assert_eq!(ask(&mut first, &wish(&[])), wish(&[10, 9, 0, 1]));
    let victim = std::mem::replace(&mut first.victim, plain());
    let mut other = Scene::with(victim, TRAITOR, Stage::responder(0), 5, Group::Ecp256);
    other.finish();
    let victim = std::mem::replace(&mut other.victim, plain());
    let mut again = Scene::with(victim, HONEST, Stage::responder(0), 9, Group::Ecp256);
    again.finish();
    let held = Some(IpAddr::from([10, 9, 0, 1]));
    assert_eq!(addresses(&again.victim), [(None, held), (None, None), (None, held)]);
}

/// A user may take minutes to find the password; meanwhile nobody is sent anything.
#[test]
fn sec_resources_slow_typists() {
    let (mut scene, request) = at_the_gate(gateway(), HONEST, 1);
    scene.victim.wait(120 * SECOND);
    assert_eq!(scene.victim.wait(170 * SECOND), [], "the question is not repeated for ever");
    log_in(&mut scene, &request, "ann");
    scene.finish();
    let (mut scene, _) = at_the_gate(gateway(), HONEST, 1);
    scene.victim.wait(301 * SECOND);
    assert_eq!(scene.victim.states(HONEST), [] as [&str; 0]);
}
