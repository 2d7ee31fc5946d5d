//! Which clients get what, and what stays theirs.

use super::*;

#[test]
fn a_user_of_no_group_that_may_in_stays_outside() {
    for (groups, may) in [(vec![], false), (vec!["staff".to_owned()], true), (vec!["x".to_owned()], false)] {
        let mut pair = before_the_gate(AuthMethod::XauthPreSharedKey, "sesame", Weather::FINE, 1);
        let gateway = policy(&pair.b.side, AuthMethod::XauthPreSharedKey(Edge::Gateway), "");
        let config = ModeConfig { auth_groups: vec!["staff".into()], ..handout() };
        load(&mut pair.b, pair.now, Policy { mode_config: Some(Arc::new(config)), ..gateway });
        pair.b.desk = |_| None;
        pair.acquire();
        pair.run_for(SECOND);
        let verdict = Verdict::Granted { groups: groups.clone(), address: address(77), netmask: None };
        pair.b.endpoint.handle_login(pair.now, pair.b.logins[0].0, verdict);
        pair.drain();
        pair.run_for(3 * SECOND);
        assert_eq!(tunnels(&pair).0, usize::from(may), "{groups:?}");
        if may {
            assert_eq!(
                given(&pair),
                [address(77).map(Into::into)],
                "the server's address goes before the pool's"
            );
        }
    }
}

/// A client without a login, whom certificates or keys alone let in, may ask for an address too.
#[test]
fn a_client_without_a_login_is_given_an_address() {
    let mut pair = Pair::fine(Side::a(), Side::b());
    let mut client = pair.a.side.policy();
    client.phase1.iter_mut().for_each(|p| Arc::make_mut(p).remote_access.pull_config = true);
    let gateway = Policy { mode_config: Some(Arc::new(handout())), ..pair.b.side.policy() };
    load(&mut pair.a, pair.now, client);
    load(&mut pair.b, pair.now, gateway);
    pair.acquire();
    pair.run_for(SECOND);
    assert_eq!(tunnels(&pair), (1, 1), "{:#?}", pair.a.events);
    assert_eq!(given(&pair), [address(1).map(Into::into)]);
    assert!(matches!(&steps(&pair.a)[..], [AccessEvent::Configured(_)]));
    assert!(pair.b.logins.is_empty(), "no user, no account");
}

#[test]
fn a_gateway_that_hands_out_nothing_is_given_up_by_its_client() {
    let mut pair = Pair::fine(Side::a(), Side::b());
    let mut client = pair.a.side.policy();
    client.phase1.iter_mut().for_each(|p| Arc::make_mut(p).remote_access.pull_config = true);
    load(&mut pair.a, pair.now, client);
    pair.acquire();
    pair.run_for(2 * MINUTE);
    assert!(matches!(reasons(&pair.a)[..], [Why::TimedOut { .. }]), "{:?}", reasons(&pair.a));
    assert_eq!(tunnels(&pair), (0, 0));
    assert!(pair.a.endpoint.is_idle());
}

/// Each transaction exchange has a message ID of its own, which its answer repeats.
#[test]
fn message_ids_pair_questions_with_answers() {
    let pair = inside(AuthMethod::XauthPreSharedKey, Phase1Exchange::Main);
    let ids: Vec<MessageId> = pair
        .net
        .sent
        .iter()
        .filter(|(_, t)| is_of(&t.bytes, ExchangeType::TRANSACTION))
        .map(|(_, t)| Header::parse(&t.bytes).expect("a header").message_id)
        .collect();
    let [request, reply, set, ack, ask, tell] = ids[..] else { panic!("{ids:?}") };
    assert_eq!([request, set, ask], [reply, ack, tell]);
    assert!(request != set && set != ask && request != ask);
}

/// `racoonctl vpn-connect -u ann`: the configuration has no password, and keeps none.
#[test]
fn a_login_that_an_operator_gives_is_kept_over_a_reload() {
    let mut pair = before_the_gate(AuthMethod::XauthPreSharedKey, "sesame", Weather::FINE, 1);
    let bare = || {
        let mut policy = policy(&Side::a(), AuthMethod::XauthPreSharedKey(Edge::Client), "");
        Arc::make_mut(&mut policy.phase1[0]).remote_access.login = None;
        policy
    };
    load(&mut pair.a, pair.now, bare());
    let login = Some(Login { user: "ann".into(), password: Some(Secret::new(b"sesame".to_vec())) });
    let call = || Command::Call(Call { local: A, remote: B, peer: None, login: login.clone() });
    pair.command_a(call());
    pair.run_for(SECOND);
    let configured =
        |e: &Event| matches!(e, Event::Phase1(_, Phase1Event::Access(AccessEvent::Configured(_))));
    assert_eq!(pair.a.count(configured), 1, "{:#?}", pair.a.events);
    let refused = pair.a.endpoint.handle_command(pair.now, call());
    assert!(matches!(refused, Err(Refused::AlreadyUp(_))), "{refused:?}");
    load(&mut pair.a, pair.now, bare());
    pair.run_for(SECOND);
    assert_eq!(pair.a.endpoint.status(pair.now).phase1[0].own_address, address(1).map(Into::into));
    // A pair, so that the ISAKMP SA is replaced before its end; the login is needed for that.
    pair.acquire();
    pair.run_for(Duration::from_secs(3500));
    assert!(pair.a.count(configured) >= 2, "it has logged in once more");
}

/// A rule that is for one identity is not had by saying that identity: hybrid authentication proves the login alone.
#[test]
fn an_identity_that_is_only_said_chooses_no_rule() {
    for method in METHODS {
        let mut pair = before_the_gate(method, "sesame", Weather::FINE, 1);
        let mut gateway = policy(&pair.b.side, method(Edge::Gateway), "sesame");
        for phase2 in &mut gateway.phase2 {
            Arc::make_mut(phase2).scope.from = Some(IdentityMatch::Exact(Identity::Address(A)));
        }
        load(&mut pair.b, pair.now, gateway);
        pair.acquire();
        pair.run_for(SECOND);
        let expected = usize::from(method(Edge::Client) != AuthMethod::HybridRsa(Edge::Client));
        assert_eq!(tunnels(&pair), (expected, expected), "{:?}", method(Edge::Client));
        assert_eq!(ready(&pair.b).len(), 1, "the login is right");
    }
}

/// `racoonctl vpn-connect -u ann` while a packet has the daemon calling already, without a password.
#[test]
fn a_login_for_a_call_under_way_is_not_lost() {
    let mut pair = before_the_gate(AuthMethod::XauthPreSharedKey, "sesame", Weather::FINE, 1);
    let mut bare = policy(&Side::a(), AuthMethod::XauthPreSharedKey(Edge::Client), "");
    Arc::make_mut(&mut bare.phase1[0]).remote_access.login = None;
    load(&mut pair.a, pair.now, bare);
    let call = |password: &str| {
        let login = Login { user: "ann".into(), password: Some(Secret::new(password.into())) };
        Command::Call(Call { local: A, remote: B, peer: None, login: Some(login) })
    };
    pair.b.desk = |_| None;
    pair.acquire();
    pair.command_a(call("sesame"));
    pair.run_for(SECOND);
    assert_eq!(pair.b.logins.len(), 1, "{:#?}", pair.a.events);
    // The same once more is under way; what comes behind the answer is too late.
    pair.command_a(call("sesame"));
    let refused = pair.a.endpoint.handle_command(pair.now, call("open"));
    assert_eq!(refused, Err(Refused::LoginTooLate(B)));
    let (id, request) = &pair.b.logins[0];
    let verdict = desk(request).expect("a login");
    pair.b.endpoint.handle_login(pair.now, *id, verdict);
    pair.drain();
    pair.run_for(SECOND);
    assert_eq!(tunnels(&pair), (1, 1));
}
