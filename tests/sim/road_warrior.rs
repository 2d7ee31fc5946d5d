//! A road warrior (A) and its gateway (B): logins, addresses, and what is refused without them.

mod clients;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use coati::crypto::random::SeededRandom;
use coati::crypto::secret::Secret;
use coati::crypto::sign::load_private_key;
use coati::crypto::x509::issue::Template;
use coati::crypto::x509::{AltName, Certificate, Credential, TrustStore};
use coati::ike::endpoint::{Call, Command, Refused};
use coati::ike::error::Why;
use coati::ike::event::{AccessEvent, Event, Phase1Event};
use coati::ike::login::{LoginRequest, Verdict};
use coati::ike::policy::{
    Accounting, AuthMethod, Edge, Identity, IdentityMatch, Login, ModeConfig, Phase1Exchange, Phase1Policy,
    Policy,
};
use coati::ike::remote_access::ClientConfig;
use coati::sadb::Endpoints;
use coati::time::UnixTime;
use coati::wire::header::{Header, MessageId};
use coati::wire::registry::ExchangeType;

use super::net::Weather;
use super::pair::{Gateway, Pair};
use super::policy::{A, B, Side, sourced};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn address(last: u8) -> Option<Ipv4Addr> {
    Some(Ipv4Addr::new(10, 9, 0, last))
}

/// What the gateway hands out.
fn handout() -> ModeConfig {
    ModeConfig {
        network4: address(1),
        netmask4: Some([255, 255, 255, 0].into()),
        dns4: vec![[10, 9, 0, 254].into()],
        default_domain: Some("example.org".into()),
        banner_text: Some("Be careful.".into()),
        pool_size: 2,
        accounting: Accounting::System,
        ..ModeConfig::default()
    }
}

/// Ann's password is right, everybody else's is wrong.
fn desk(request: &LoginRequest) -> Option<Verdict> {
    let LoginRequest::Check { login, .. } = request else { return None };
    let is_right = login.user == "ann" && login.password.as_ref()?.expose() == b"sesame";
    Some(if is_right {
        Verdict::Granted { groups: Vec::new(), address: None, netmask: None }
    } else {
        Verdict::Refused("the password is wrong".into())
    })
}

fn key(pem: &[u8]) -> Arc<dyn coati::crypto::sign::SigningKey> {
    load_private_key(pem).expect("a key")
}

/// Gives a side an RSA certificate, and the authority of both.
fn certify(phase1: &mut Phase1Policy, me: std::net::IpAddr) {
    let key = key(include_bytes!("../vectors/x509/rsa2048.pkcs1.pem"));
    let life = (UnixTime(1), UnixTime(2_000_000_000));
    let ca = Template::ca("CN=Authority", &*key, life).expect("a template");
    let seed = || SeededRandom::from_seed([1; 32]);
    let read = |der: Vec<u8>| Certificate::from_der(&der).expect("DER");
    let anchor = read(ca.sign(&ca.subject, &*key, &mut seed()).expect("signed"));
    let template = Template::gateway("CN=gateway", &[AltName::Ip(me)], &*key, life).expect("a template");
    let own = read(template.sign(&ca.subject, &*key, &mut seed()).expect("signed"));
    phase1.credential = Some(Arc::new(Credential::new(own, Vec::new(), key).expect("a pair")));
    phase1.trust = Arc::new(TrustStore::new(vec![anchor]));
}

/// A side's policy with this method.
fn policy(side: &Side, auth: AuthMethod, password: &str) -> Policy {
    let mut policy = side.policy();
    policy.phase1.iter_mut().map(Arc::make_mut).for_each(|phase1| {
        phase1.transforms.iter_mut().for_each(|t| t.auth = sourced(auth));
        if !auth.is_pre_shared() {
            certify(phase1, side.me);
        }
        if !auth.we_sign() {
            phase1.credential = None;
        }
        if auth.edge() == Some(Edge::Client) {
            let password = Some(Secret::new(password.into()));
            phase1.remote_access.login = Some(Login { user: "ann".into(), password });
            phase1.remote_access.pull_config = true;
        }
    });
    if auth.edge() == Some(Edge::Gateway) {
        policy.mode_config = Some(Arc::new(handout()));
    }
    policy
}

fn load(gateway: &mut Gateway, now: coati::time::Now, policy: Policy) {
    gateway.endpoint.handle_command(now, Command::Reload(Arc::new(policy))).expect("not refused");
    gateway.desk = desk;
}

pub(crate) type Method = fn(Edge) -> AuthMethod;

const METHODS: [Method; 3] = [AuthMethod::XauthPreSharedKey, AuthMethod::XauthRsa, AuthMethod::HybridRsa];

/// Ann before her gateway, with this password.
fn before_the_gate(method: Method, password: &str, weather: Weather, seed: u64) -> Pair {
    let mut pair = Pair::new(Side::a(), Side::b(), weather, seed);
    let client = policy(&pair.a.side, method(Edge::Client), password);
    let gateway = policy(&pair.b.side, method(Edge::Gateway), password);
    load(&mut pair.a, pair.now, client);
    load(&mut pair.b, pair.now, gateway);
    pair
}

/// The same in aggressive mode.
fn aggressively(mut pair: Pair, method: Method) -> Pair {
    for (gateway, edge) in [(&mut pair.a, Edge::Client), (&mut pair.b, Edge::Gateway)] {
        let mut policy = policy(&gateway.side, method(edge), "sesame");
        for phase1 in &mut policy.phase1 {
            Arc::make_mut(phase1).exchanges = vec![Phase1Exchange::Aggressive];
        }
        load(gateway, pair.now, policy);
    }
    pair
}

fn before_the_gate_aggressively(method: Method) -> Pair {
    aggressively(before_the_gate(method, "sesame", Weather::FINE, 1), method)
}

/// Ann with a tunnel.
pub(crate) fn inside(method: Method, mode: Phase1Exchange) -> Pair {
    let mut pair = match mode {
        Phase1Exchange::Main => before_the_gate(method, "sesame", Weather::FINE, 1),
        Phase1Exchange::Aggressive => before_the_gate_aggressively(method),
    };
    pair.acquire();
    pair.run_for(SECOND);
    pair
}

/// The same, after the gateway has called her.
pub(crate) fn called_by_the_gateway(method: Method, mode: Phase1Exchange) -> Pair {
    let mut pair = match mode {
        Phase1Exchange::Main => before_the_gate(method, "sesame", Weather::FINE, 1),
        Phase1Exchange::Aggressive => before_the_gate_aggressively(method),
    };
    pair.b.kernel.acquire(pair.b.side.selector(), Endpoints { local: B, remote: A });
    pair.drain();
    pair.run_for(SECOND);
    pair
}

fn steps(gateway: &Gateway) -> Vec<AccessEvent> {
    let steps = gateway.events.iter().filter_map(|(_, e)| match e {
        Event::Phase1(_, Phase1Event::Access(AccessEvent::Ready { .. })) => None,
        Event::Phase1(_, Phase1Event::Access(step)) => Some(step.clone()),
        _ => None,
    });
    steps.collect()
}

/// The users and addresses of the ISAKMP SAs that became ready.
fn ready(gateway: &Gateway) -> Vec<(Option<&str>, Option<Ipv4Addr>)> {
    let ready = gateway.events.iter().filter_map(|(_, e)| match e {
        Event::Phase1(_, Phase1Event::Access(AccessEvent::Ready { user, config })) => {
            Some((user.as_deref(), config.address))
        }
        _ => None,
    });
    ready.collect()
}

fn reasons(gateway: &Gateway) -> Vec<Why> {
    let failed = gateway.events.iter().filter_map(|(_, e)| match e {
        Event::Phase1(_, Phase1Event::Failed(why)) => Some(why.clone()),
        _ => None,
    });
    failed.collect()
}

fn tunnels(pair: &Pair) -> (usize, usize) {
    (pair.a.phase2_established(), pair.b.phase2_established())
}

/// The addresses that B has given, by its own account.
fn given(pair: &Pair) -> Vec<Option<std::net::IpAddr>> {
    pair.b.endpoint.status(pair.now).phase1.iter().map(|p| p.client_address).collect()
}

/// Whether a datagram is of this exchange.
fn is_of(bytes: &[u8], exchange: ExchangeType) -> bool {
    Header::parse(bytes).is_ok_and(|header| header.exchange == exchange)
}

#[test]
fn a_right_password_opens_the_gate_with_every_method() {
    for method in METHODS {
        let pair = inside(method, Phase1Exchange::Main);
        let used = method(Edge::Client);
        assert_eq!(tunnels(&pair), (1, 1), "{used:?}: {:#?}", pair.a.events);
        let (user, config) = (Arc::<str>::from("ann"), handout());
        let received = Box::new(ClientConfig {
            address: address(1),
            netmask: config.netmask4,
            dns: config.dns4,
            default_domain: config.default_domain,
            banner: Some("Be careful.".into()),
            save_password: Some(false),
            version: Some(concat!("Coati ", env!("CARGO_PKG_VERSION")).into()),
            ..ClientConfig::default()
        });
        let expected = [
            AccessEvent::LoginRequested,
            AccessEvent::PortUsed(0),
            AccessEvent::Accounted { user: user.clone(), port: 0, begins: true },
            AccessEvent::LoginSucceeded { user: user.clone() },
            AccessEvent::Assigned { user: Some(user), config: received.clone() },
        ];
        assert_eq!(steps(&pair.b), expected, "{used:?}");
        assert_eq!(steps(&pair.a), [AccessEvent::LoggedIn, AccessEvent::Configured(received)]);
        assert_eq!(given(&pair), [address(1).map(Into::into)]);
        assert_eq!(ready(&pair.b), [(Some("ann"), address(1))]);
        assert_eq!(ready(&pair.a), [(None, address(1))]);
        let status = pair.a.endpoint.status(pair.now);
        assert_eq!(status.phase1[0].own_address, address(1).map(Into::into));
        // Main mode six, the login four, its configuration two, quick mode three; nothing was sent twice.
        assert_eq!(pair.net.sent.len(), 15, "{used:?}");
    }
}

#[test]
fn a_wrong_password_is_told_after_a_while_and_ends_it() {
    for method in METHODS {
        let mut pair = before_the_gate(method, "open", Weather::FINE, 1);
        pair.acquire();
        pair.run_for(Duration::from_millis(900));
        assert!(reasons(&pair.a).is_empty(), "the answer is held back for a second");
        pair.run_for(SECOND);
        assert_eq!(reasons(&pair.a), [Why::LoginRefused]);
        assert!(pair.a.endpoint.is_idle() && pair.b.endpoint.is_idle());
        assert_eq!(tunnels(&pair), (0, 0));
        assert!(ready(&pair.a).is_empty() && ready(&pair.b).is_empty());
        let why = "the password is wrong".to_owned();
        let failed = AccessEvent::LoginFailed { user: Some("ann".into()), why };
        assert_eq!(steps(&pair.b), [AccessEvent::LoginRequested, failed]);
    }
}

const MODES: [Phase1Exchange; 2] = [Phase1Exchange::Main, Phase1Exchange::Aggressive];

/// The gateway may call too: the numbers of the method say who is the client, not who begins.
#[test]
fn the_gateway_may_begin_phase_1() {
    for (method, mode) in METHODS.into_iter().flat_map(|method| MODES.map(|mode| (method, mode))) {
        let pair = called_by_the_gateway(method, mode);
        assert_eq!(tunnels(&pair), (1, 1), "{:?} {mode:?}: {:#?}", method(Edge::Client), pair.b.events);
        assert_eq!(given(&pair), [address(1).map(Into::into)]);
    }
}

#[test]
fn aggressive_mode_leads_to_the_same_login() {
    for method in METHODS {
        let pair = inside(method, Phase1Exchange::Aggressive);
        assert_eq!(tunnels(&pair), (1, 1), "{:?}: {:#?}", method(Edge::Client), pair.a.events);
        assert_eq!(given(&pair), [address(1).map(Into::into)]);
        // Three messages of phase 1, the login four, its configuration two, INITIAL-CONTACT of both, quick mode three.
        assert!(pair.net.sent.len() <= 14, "{}", pair.net.sent.len());
    }
}

/// The client waits for the gateway's question, which waits for message 3 of aggressive mode.
#[test]
fn a_lost_message_3_of_aggressive_mode_is_repaired() {
    for method in METHODS {
        let mut pair = before_the_gate_aggressively(method);
        pair.net.filter = Some(|n, _| n == 2);
        pair.acquire();
        pair.run_for(10 * SECOND);
        assert_eq!(tunnels(&pair), (1, 1), "{:?}: {:#?}", method(Edge::Client), pair.a.events);
    }
}

#[test]
fn an_operator_sends_a_user_away() {
    let mut pair = inside(AuthMethod::XauthRsa, Phase1Exchange::Main);
    let mut logout = |user: &str| pair.b.endpoint.handle_command(pair.now, Command::Logout(user.into()));
    assert_eq!(logout("bob"), Err(Refused::NoSuchUser("bob".into())));
    assert_eq!(logout("ann"), Ok(()));
    pair.drain();
    assert_eq!(steps(&pair.b).last(), Some(&AccessEvent::PortReleased(0)));
    assert_eq!(pair.b.kernel.sas().len(), 0);
    pair.run_for(SECOND);
    assert_eq!(pair.a.kernel.sas().len(), 0, "and its client knows");
}

#[test]
fn two_clients_or_two_gateways_do_not_agree() {
    for edge in [Edge::Client, Edge::Gateway] {
        let mut pair = Pair::fine(Side::a(), Side::b());
        let both =
            [&pair.a.side, &pair.b.side].map(|side| policy(side, AuthMethod::XauthRsa(edge), "sesame"));
        let [a, b] = both;
        load(&mut pair.a, pair.now, a);
        load(&mut pair.b, pair.now, b);
        pair.acquire();
        pair.run_for(SECOND);
        assert_eq!((pair.a.phase1_established(), pair.b.phase1_established()), (0, 0), "{edge:?}");
        let differs = |e: &Event| match e {
            Event::Phase1(_, Phase1Event::ProposalRefused(found)) => {
                found.differences.iter().any(|d| d.attribute == "AUTHENTICATION_METHOD")
            }
            _ => false,
        };
        assert!(pair.b.count(differs) > 0, "{edge:?}");
    }
}

#[test]
fn a_lost_message_of_any_number_is_repaired() {
    // Six of main mode, then REQUEST, REPLY, SET, ACK, REQUEST, REPLY.
    const LOST: [fn(u64, &coati::ike::endpoint::Transmit) -> bool; 6] =
        [|n, _| n == 6, |n, _| n == 7, |n, _| n == 8, |n, _| n == 9, |n, _| n == 10, |n, _| n == 11];
    for (number, filter) in LOST.into_iter().enumerate() {
        let mut pair = before_the_gate(AuthMethod::XauthPreSharedKey, "sesame", Weather::FINE, 1);
        pair.net.filter = Some(filter);
        pair.acquire();
        pair.run_for(10 * SECOND);
        assert_eq!(tunnels(&pair), (1, 1), "transaction {number}: {:#?}", pair.a.events);
        let checks = pair.b.logins.iter().filter(|(_, r)| matches!(r, LoginRequest::Check { .. })).count();
        assert_eq!(checks, 1, "transaction {number}: the login is looked at once");
        assert_eq!(given(&pair), [address(1).map(Into::into)]);
    }
}

#[test]
fn bad_networks_are_overcome() {
    for seed in 1..=40 {
        let weather = Weather {
            loss: 40,
            duplication: 60,
            delay: Duration::from_millis(20),
            jitter: Duration::from_millis(200),
            until: coati::time::Instant(300_000_000),
        };
        let mut pair = before_the_gate(AuthMethod::XauthPreSharedKey, "sesame", weather, seed);
        for _ in 0..4 {
            pair.acquire();
            pair.run_for(3 * MINUTE);
        }
        assert!(tunnels(&pair).0 > 0, "seed {seed}: {:#?}", reasons(&pair.a));
        let addresses = given(&pair);
        assert!(addresses.iter().all(|given| *given == address(1).map(Into::into)), "{seed}: {addresses:?}");
    }
}

/// Nothing but the login moves before the gateway has granted it, and the tunnel comes when it has.
#[test]
fn a_slow_verdict_holds_everything_up() {
    let mut pair = before_the_gate(AuthMethod::XauthRsa, "sesame", Weather::FINE, 1);
    pair.b.desk = |_| None;
    pair.acquire();
    pair.run_for(30 * SECOND);
    assert_eq!(tunnels(&pair), (0, 0));
    assert!(!pair.net.sent.iter().any(|(_, t)| is_of(&t.bytes, ExchangeType::QUICK_MODE)));
    let [(id, check)] = &pair.b.logins[..] else { panic!("{:?}", pair.b.logins) };
    let (id, verdict) = (*id, desk(check).expect("a question"));
    pair.b.endpoint.handle_login(pair.now, id, verdict.clone());
    // A second verdict, or one of a question that nobody has asked, is nobody's.
    pair.b.endpoint.handle_login(pair.now, id, Verdict::Refused("late".into()));
    pair.b.endpoint.handle_login(pair.now, coati::ike::login::LoginId(id.0 + 1000), verdict);
    pair.drain();
    pair.run_for(SECOND);
    assert_eq!(tunnels(&pair), (1, 1));
}

#[test]
fn a_verdict_that_never_comes_ends_it() {
    let mut pair = before_the_gate(AuthMethod::XauthPreSharedKey, "sesame", Weather::FINE, 1);
    pair.b.desk = |_| None;
    // The client gives up first; the gateway does not hear of it.
    pair.net.filter = Some(|_, t| t.local.ip() == A && is_of(&t.bytes, ExchangeType::INFORMATIONAL));
    pair.acquire();
    pair.run_for(5 * MINUTE);
    assert_eq!(reasons(&pair.b), [Why::NotLoggedIn]);
    assert!(pair.a.endpoint.is_idle() && pair.b.endpoint.is_idle());
    let (id, _) = pair.b.logins[0];
    let late = Verdict::Granted { groups: Vec::new(), address: None, netmask: None };
    pair.b.endpoint.handle_login(pair.now, id, late);
    assert!(pair.b.endpoint.is_idle(), "a verdict after the end changes nothing");
}

#[test]
fn a_client_that_never_answers_is_given_up() {
    let mut pair = before_the_gate(AuthMethod::HybridRsa, "sesame", Weather::FINE, 1);
    // Nothing of the client after message 5.
    pair.net.filter = Some(|_, t| t.local.ip() == A && !is_of(&t.bytes, ExchangeType::IDENTITY_PROTECTION));
    pair.acquire();
    pair.run_for(6 * MINUTE);
    assert_eq!(reasons(&pair.b), [Why::NotLoggedIn]);
    assert!(pair.b.endpoint.is_idle());
}

#[test]
fn a_gateway_that_never_asks_is_given_up() {
    let mut pair = before_the_gate(AuthMethod::XauthPreSharedKey, "sesame", Weather::FINE, 1);
    pair.net.filter = Some(|_, t| t.local.ip() == B && !is_of(&t.bytes, ExchangeType::IDENTITY_PROTECTION));
    pair.acquire();
    pair.run_for(3 * MINUTE);
    assert_eq!(reasons(&pair.a), [Why::LoginUnanswered]);
    assert_eq!(tunnels(&pair), (0, 0));
    assert!(pair.a.endpoint.is_idle());
}

#[test]
fn without_a_password_the_client_gives_up_and_says_so() {
    let mut pair = before_the_gate(AuthMethod::XauthPreSharedKey, "sesame", Weather::FINE, 1);
    let mut client = policy(&pair.a.side, AuthMethod::XauthPreSharedKey(Edge::Client), "");
    for phase1 in &mut client.phase1 {
        Arc::make_mut(phase1).remote_access.login = None;
    }
    load(&mut pair.a, pair.now, client);
    pair.acquire();
    pair.run_for(3 * SECOND);
    assert_eq!(reasons(&pair.a), [Why::NoLogin]);
    assert!(pair.b.logins.is_empty(), "nobody is asked about nobody");
    assert!(pair.a.endpoint.is_idle() && pair.b.endpoint.is_idle());
}

/// The ISAKMP SA is replaced: the client logs in again and keeps its address; the account goes on.
#[test]
fn the_address_stays_over_a_rekey_and_goes_with_the_last_sa() {
    let mut pair = Pair::fine(
        Side { phase1_seconds: 300, phase2_seconds: 3000, ..Side::a() },
        Side { phase1_seconds: 300, phase2_seconds: 3000, ..Side::b() },
    );
    let method = AuthMethod::XauthPreSharedKey;
    let client = policy(&pair.a.side, method(Edge::Client), "sesame");
    let gateway = policy(&pair.b.side, method(Edge::Gateway), "sesame");
    load(&mut pair.a, pair.now, client);
    load(&mut pair.b, pair.now, gateway);
    pair.acquire();
    pair.run_for(20 * MINUTE);
    assert!(pair.b.phase1_established() >= 4, "{}", pair.b.phase1_established());
    assert!(given(&pair).iter().all(|given| *given == address(1).map(Into::into)));
    let count = |is: fn(&AccessEvent) -> bool| steps(&pair.b).iter().filter(|step| is(step)).count();
    assert_eq!(count(|step| matches!(step, AccessEvent::PortUsed(_))), 1);
    assert_eq!(count(|step| matches!(step, AccessEvent::PortReleased(_))), 0);
    pair.command_a(Command::Shutdown);
    pair.run_for(MINUTE);
    let ends = AccessEvent::Accounted { user: "ann".into(), port: 0, begins: false };
    assert_eq!(
        steps(&pair.b).iter().rev().take(2).collect::<Vec<_>>(),
        [&AccessEvent::PortReleased(0), &ends]
    );
    let accounts: Vec<_> = pair
        .b
        .logins
        .iter()
        .filter_map(|(_, request)| match request {
            LoginRequest::Account { user, address, port, begins, .. } => {
                Some((user.as_str(), *address, *port, *begins))
            }
            LoginRequest::Check { .. } => None,
        })
        .collect();
    assert_eq!(accounts, [("ann", address(1), 0, true), ("ann", address(1), 0, false)]);
    assert!(pair.b.endpoint.is_idle());
}

#[test]
fn the_pool_has_an_end() {
    let mut pair = before_the_gate(AuthMethod::XauthPreSharedKey, "sesame", Weather::FINE, 1);
    let gateway = policy(&pair.b.side, AuthMethod::XauthPreSharedKey(Edge::Gateway), "");
    let none = Some(Arc::new(ModeConfig { pool_size: 0, ..handout() }));
    load(&mut pair.b, pair.now, Policy { mode_config: none, ..gateway });
    pair.acquire();
    pair.run_for(3 * SECOND);
    assert_eq!(reasons(&pair.a), [Why::LoginRefused]);
    let why = "Port pool depleted".to_owned();
    let failed = AccessEvent::LoginFailed { user: Some("ann".into()), why };
    assert_eq!(steps(&pair.b), [AccessEvent::LoginRequested, failed]);
}
