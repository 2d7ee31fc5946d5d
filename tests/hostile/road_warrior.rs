//! Logins and configurations: nothing is had without the first, and nobody gets what is another's by the second.

mod shares;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use coati::crypto::alg::Group;
use coati::crypto::secret::Secret;
use coati::ike::error::Why;
use coati::ike::event::{AccessEvent, Event, Phase1Event, Phase2Event, Role};
use coati::ike::keys;
use coati::ike::login::{LoginRequest, Verdict};
use coati::ike::policy::{
    AuthMethod, Edge, GeneratePolicy, Login, ModeConfig, Phase1Exchange, Policy, PskEntry, PskOwner,
    PskTable, SourceRef, TrafficMatch,
};
use coati::sadb::Prefix;
use coati::wire::attribute::Attribute;
use coati::wire::header::{Cookie, CookiePair, Header, MessageId};
use coati::wire::message::{ChainBuilder, PayloadChain, Trailing};
use coati::wire::payload::{ConfigAttributes, Delete, EmitPayload, Notification};
use coati::wire::registry::{
    ConfigAttribute, ConfigType, Doi, ExchangeType, NotifyMessageType, PayloadType, ProtocolId,
};

use crate::aggressive;
use crate::peer::{Keys, Peer, body};
use crate::policy::{self, HONEST, TRAITOR, VICTIM};
use crate::scene::{Scene, Stage};
use crate::victim::Victim;

const SECOND: Duration = Duration::from_secs(1);

/// A transaction exchange, as far as the peer has come with it.
struct Transaction {
    id: MessageId,
    iv: Vec<u8>,
}

impl Peer {
    /// An exchange of this peer's, with a fresh message ID.
    fn new_transaction(&mut self) -> Transaction {
        let id = self.message_id();
        Transaction { id, iv: self.keys.as_ref().unwrap().iv_of(id) }
    }

    /// The next message of an exchange.
    fn transact(&self, transaction: &mut Transaction, kind: ConfigType, attributes: &[Attribute]) -> Vec<u8> {
        let attributes = attributes.to_vec();
        let mut rest = ChainBuilder::new();
        rest.push(&ConfigAttributes { kind: kind.0, identifier: 7, attributes });
        self.transact_raw(transaction, rest)
    }

    /// The same with any payloads behind the HASH.
    fn transact_raw(&self, transaction: &mut Transaction, rest: ChainBuilder) -> Vec<u8> {
        let skeyid = &self.keys.as_ref().unwrap().skeyid;
        let hash = keys::hash_1(Keys::prf(), skeyid, transaction.id, rest.as_slice());
        self.hashed(ExchangeType::TRANSACTION, transaction.id, &mut transaction.iv, &hash, rest)
    }

    /// Reads a message of the victim; `transaction` where it answers one.
    fn read(&self, datagram: &[u8], transaction: Option<Transaction>) -> (Transaction, ConfigAttributes) {
        let header = Header::parse(datagram).unwrap();
        assert_eq!(header.exchange, ExchangeType::TRANSACTION);
        let keys = self.keys.as_ref().unwrap();
        let mut transaction = transaction
            .unwrap_or_else(|| Transaction { id: header.message_id, iv: keys.iv_of(header.message_id) });
        assert_eq!(header.message_id, transaction.id);
        let plain = keys.decrypt(&mut transaction.iv, datagram);
        let chain = PayloadChain::parse(header.next_payload, &plain, Header::LEN, Trailing::Padding).unwrap();
        let hash = body(&chain, PayloadType::HASH);
        let rest = chain.bytes_after(&chain.payloads[0]);
        assert_eq!(hash, keys::hash_1(Keys::prf(), &keys.skeyid, transaction.id, rest));
        let attributes = body(&chain, PayloadType::ATTRIBUTES);
        (transaction, ConfigAttributes::parse(&attributes, 0).unwrap())
    }
}

fn long(kind: ConfigAttribute, value: &[u8]) -> Attribute {
    Attribute::long(kind.0, value.to_vec())
}

fn login(user: &[u8], password: &[u8]) -> Vec<Attribute> {
    vec![
        Attribute::short(ConfigAttribute::XAUTH_TYPE.0, 0),
        long(ConfigAttribute::XAUTH_USER_NAME, user),
        long(ConfigAttribute::XAUTH_USER_PASSWORD, password),
    ]
}

fn status(ok: bool) -> Vec<Attribute> {
    vec![Attribute::short(ConfigAttribute::XAUTH_STATUS.0, ok.into())]
}

fn wish(address: &[u8]) -> Vec<Attribute> {
    vec![long(ConfigAttribute::INTERNAL_IP4_ADDRESS, address)]
}

fn network() -> ModeConfig {
    ModeConfig { network4: Some([10, 9, 0, 1].into()), ..ModeConfig::default() }
}

/// The victim's policy as a gateway, or as a client with a login.
fn road_policy(edge: Edge, handout: ModeConfig) -> Policy {
    let mut policy = policy::victim(Group::Ecp256);
    for phase1 in &mut policy.phase1 {
        let phase1 = Arc::make_mut(phase1);
        *phase1 = policy::with_method(phase1.clone(), AuthMethod::XauthPreSharedKey(edge));
        if edge == Edge::Client {
            let password = Some(Secret::new(b"sesame".to_vec()));
            phase1.remote_access.login = Some(Login { user: "ann".into(), password });
        }
    }
    policy.mode_config = (edge == Edge::Gateway).then(|| Arc::new(handout));
    policy
}

/// A client that has finished phase 1 with the victim, and the REQUEST for its login.
fn at_the_gate(victim: Victim, peer: IpAddr, seed: u8) -> (Scene, Vec<u8>) {
    at_the_gate_from(victim, peer, 500, seed)
}

fn at_the_gate_from(victim: Victim, peer: IpAddr, port: u16, seed: u8) -> (Scene, Vec<u8>) {
    let mut scene = Scene::with(victim, peer, Stage::responder(0), seed, Group::Ecp256);
    scene.peer.port = port;
    scene.peer.auth = AuthMethod::XauthPreSharedKey(Edge::Client);
    scene.pending.clear();
    let first = scene.peer.message_1();
    scene.pending.push_back(first);
    (0..3).for_each(|_| scene.step());
    assert_eq!(scene.victim.states(peer).last(), Some(&"Established"));
    let request = scene.said.last().unwrap().clone();
    let (_, asked) = scene.peer.read(&request, None);
    assert_eq!(asked.kind, ConfigType::REQUEST.0);
    (scene, request)
}

fn gateway() -> Victim {
    Victim::new(road_policy(Edge::Gateway, network()))
}

/// The client's answer to the REQUEST.
fn reply(scene: &Scene, request: &[u8], attributes: &[Attribute]) -> Vec<u8> {
    let (mut transaction, _) = scene.peer.read(request, None);
    scene.peer.transact(&mut transaction, ConfigType::REPLY, attributes)
}

fn granted() -> Verdict {
    Verdict::Granted { groups: Vec::new(), address: None, netmask: None }
}

/// Somebody has looked at the last login; gives what the victim says.
fn judge(scene: &mut Scene, verdict: Verdict) -> Vec<Vec<u8>> {
    let (id, now) = (scene.victim.logins.last().unwrap().0, scene.victim.now);
    scene.victim.endpoint.handle_login(now, id, verdict);
    scene.victim.drain().into_iter().map(|sent| sent.bytes).collect()
}

/// Logs in as `user`, and acknowledges that it may.
fn log_in(scene: &mut Scene, request: &[u8], user: &str) {
    log_in_with(scene, request, user, granted());
}

fn log_in_with(scene: &mut Scene, request: &[u8], user: &str, verdict: Verdict) {
    let from = SocketAddr::new(scene.peer.me, scene.peer.port);
    let answer = reply(scene, request, &login(user.as_bytes(), b"sesame"));
    scene.victim.take_from(from, &answer);
    let said = judge(scene, verdict);
    // What it was told of an older session is not for this peer's new one.
    let status_of = said.iter().find(|said| {
        let header = Header::parse(said).unwrap();
        header.exchange == ExchangeType::TRANSACTION && header.cookies == scene.peer.cookies
    });
    let (mut transaction, set) = scene.peer.read(status_of.unwrap(), None);
    assert_eq!((set.kind, set.attributes), (ConfigType::SET.0, status(true)));
    let ack = scene.peer.transact(&mut transaction, ConfigType::ACK, &status(true));
    assert_eq!(scene.victim.take_from(from, &ack), []);
}

/// Asks for a configuration and gives the answer.
fn ask(scene: &mut Scene, attributes: &[Attribute]) -> Vec<Attribute> {
    let mut transaction = scene.peer.new_transaction();
    let question = scene.peer.transact(&mut transaction, ConfigType::REQUEST, attributes);
    let sent = scene.victim.take(scene.peer.me, &question);
    let (_, answer) = scene.peer.read(&sent[0].bytes, Some(transaction));
    assert_eq!((answer.kind, answer.identifier), (ConfigType::REPLY.0, 7));
    answer.attributes
}

/// Everything a client might try that its login has to come before, or that is never a client's to say.
fn attempts(scene: &mut Scene) -> Vec<(&'static str, Vec<u8>)> {
    let mut attempts = vec![("quick mode", scene.peer.quick_1())];
    for (what, kind, attributes) in [
        ("a wish for an address", ConfigType::REQUEST, wish(&[])),
        ("an address of its own making", ConfigType::SET, wish(&[10, 9, 0, 1])),
        ("a status of its own making", ConfigType::SET, status(true)),
        ("a login that nobody asked for", ConfigType::REPLY, login(b"ann", b"sesame")),
        ("an acknowledgement of nothing", ConfigType::ACK, status(true)),
        ("a question for a login", ConfigType::REQUEST, login(b"", b"")),
        ("an unknown kind", ConfigType(9), status(true)),
    ] {
        let mut transaction = scene.peer.new_transaction();
        attempts.push((what, scene.peer.transact(&mut transaction, kind, &attributes)));
    }
    attempts
}

#[test]
fn sec_authentication_xauth_order() {
    let (mut scene, request) = at_the_gate(gateway(), HONEST, 1);
    // Before the login, while somebody looks at it, and after it was refused.
    for (what, datagram) in attempts(&mut scene) {
        scene.silent_attack(&format!("{what} before the login"), HONEST, &datagram);
    }
    let answer = reply(&scene, &request, &login(b"ann", b"open"));
    scene.victim.take(HONEST, &answer);
    for (what, datagram) in attempts(&mut scene) {
        scene.silent_attack(&format!("{what} before the verdict"), HONEST, &datagram);
    }
    assert_eq!(judge(&mut scene, Verdict::Refused("wrong".into())), [] as [Vec<u8>; 0], "held back");
    for (what, datagram) in attempts(&mut scene) {
        scene.silent_attack(&format!("{what} after the refusal"), HONEST, &datagram);
    }
    let said = scene.victim.wait(SECOND);
    let (mut transaction, set) = scene.peer.read(&said[0].bytes, None);
    assert_eq!(set.attributes, status(false));
    for (what, datagram) in attempts(&mut scene) {
        scene.silent_attack(&format!("{what} after the bad news"), HONEST, &datagram);
    }
    // A client that says it was let in is not.
    let ack = scene.peer.transact(&mut transaction, ConfigType::ACK, &status(true));
    scene.victim.take(HONEST, &ack);
    assert_eq!(scene.victim.states(HONEST), [] as [&str; 0]);
    let quick = scene.peer.quick_1();
    scene.silent_attack("quick mode after the end", HONEST, &quick);
    assert_eq!(scene.victim.established(), (1, 0));
}

#[test]
fn sec_authentication_xauth_right_login_lets_in() {
    let (mut scene, request) = at_the_gate(gateway(), HONEST, 1);
    log_in(&mut scene, &request, "ann");
    let [(_, LoginRequest::Check { login, remote, .. })] = &scene.victim.logins[..] else { panic!() };
    assert_eq!((login.user.as_str(), *remote), ("ann", HONEST));
    // What waited is the quick mode that would have been refused before.
    scene.finish();
    assert_eq!(scene.victim.established(), (1, 1));
}

/// A message of an exchange counts once, whichever exchange it was.
#[test]
fn sec_authentication_xauth_replay() {
    let (mut scene, request) = at_the_gate(gateway(), HONEST, 1);
    let (mut transaction, _) = scene.peer.read(&request, None);
    let answer = scene.peer.transact(&mut transaction, ConfigType::REPLY, &login(b"ann", b"sesame"));
    scene.victim.take(HONEST, &answer);
    scene.silent_attack("the login once more", HONEST, &answer);
    let again = scene.peer.transact(&mut transaction, ConfigType::REPLY, &login(b"bob", b"sesame"));
    scene.silent_attack("another login behind it", HONEST, &again);
    let said = judge(&mut scene, granted());
    let (mut transaction, _) = scene.peer.read(&said[0], None);
    let ack = scene.peer.transact(&mut transaction, ConfigType::ACK, &status(true));
    scene.victim.take(HONEST, &ack);
    scene.silent_attack("the acknowledgement once more", HONEST, &ack);
    scene.silent_attack("the login after the verdict", HONEST, &answer);
    assert_eq!(scene.victim.logins.len(), 1);
    // A question gets its answer again, octet for octet; its message ID serves for nothing else.
    let mut transaction = scene.peer.new_transaction();
    let id = transaction.id;
    let question = scene.peer.transact(&mut transaction, ConfigType::REQUEST, &wish(&[]));
    let first = scene.victim.take(HONEST, &question);
    assert_eq!(scene.attack("the question once more", HONEST, &question), first);
    let iv = scene.peer.keys.as_ref().unwrap().iv_of(id);
    let mut same = Transaction { id, iv };
    let other = scene.peer.transact(&mut same, ConfigType::REQUEST, &wish(&[1, 2, 3, 4]));
    scene.silent_attack("another question under its ID", HONEST, &other);
    let quick = scene.peer.quick_1_for(id, &[policy::net(HONEST), policy::net(VICTIM)]);
    scene.silent_attack("quick mode under its ID", HONEST, &quick);
}

#[test]
fn sec_authentication_xauth_every_octet_counts() {
    let (mut scene, request) = at_the_gate(gateway(), HONEST, 1);
    let answer = reply(&scene, &request, &login(b"ann", b"sesame"));
    for at in Header::LEN..answer.len() {
        let mut bent = answer.clone();
        bent[at] ^= 1;
        scene.silent_attack(&format!("octet {at}"), HONEST, &bent);
    }
    let (mut transaction, _) = scene.peer.read(&request, None);
    let mut rest = ChainBuilder::new();
    rest.push(&Delete { doi: Doi::IPSEC, protocol: ProtocolId::ESP, spi_size: 4, spis: vec![vec![1; 4]] });
    let other = scene.peer.transact_raw(&mut transaction, rest);
    scene.silent_attack("a payload of another kind", HONEST, &other);
    log_in(&mut scene, &request, "ann");
}

/// Names and passwords of any octets and any length: at most a login that fails.
#[test]
fn sec_parser_xauth_attributes() {
    let huge = vec![0xff; 30_000];
    let cases: [Vec<Attribute>; 9] = [
        Vec::new(),
        login(b"", b""),
        login(b"a\xffn", b"x"),
        login(&huge, b"x"),
        login(b"ann", &huge),
        login(b"\0", b"\0"),
        status(true),
        vec![Attribute::short(ConfigAttribute::XAUTH_USER_NAME.0, 7)],
        vec![Attribute::short(ConfigAttribute::XAUTH_TYPE.0, 1)],
    ];
    for (number, attributes) in cases.into_iter().enumerate() {
        let (mut scene, request) = at_the_gate(gateway(), HONEST, 1);
        let answer = reply(&scene, &request, &attributes);
        scene.victim.take(HONEST, &answer);
        assert!(scene.victim.logins.is_empty(), "case {number}: nobody is asked");
        let said = scene.victim.wait(SECOND);
        let (_, set) = scene.peer.read(&said[0].bytes, None);
        assert_eq!(set.attributes, status(false), "case {number}");
    }
}

/// A peer that has not logged in may say that it is anybody: it ends nothing but its own.
#[test]
fn sec_authorisation_before_the_login() {
    let (mut ann, request) = at_the_gate(gateway(), HONEST, 1);
    log_in(&mut ann, &request, "ann");
    ann.finish();
    ann.victim.wait(SECOND);
    let held: Vec<_> = ann.victim.kernel.sas().iter().map(|sa| sa.params.spi.value()).collect();
    let (of_ann, spi) = (ann.peer.cookies, ann.peer.quick.as_ref().unwrap().spi_own);
    let victim = std::mem::replace(&mut ann.victim, gateway());
    // The same address and the same identity, with the key that all clients share.
    let (mut scene, request) = at_the_gate(victim, HONEST, 9);
    let delete = |protocol, spi: Vec<u8>| Delete {
        doi: Doi::IPSEC,
        protocol,
        spi_size: u8::try_from(spi.len()).unwrap(),
        spis: vec![spi],
    };
    let contact = Notification {
        doi: Doi::IPSEC,
        protocol: ProtocolId::ISAKMP,
        spi: scene.peer.cookies.to_bytes().to_vec(),
        message_type: NotifyMessageType::INITIAL_CONTACT,
        data: Vec::new(),
    };
    let attacks: [(&str, &dyn EmitPayload); 3] = [
        ("a delete of ann's ISAKMP SA", &delete(ProtocolId::ISAKMP, of_ann.to_bytes().to_vec())),
        ("a delete of ann's IPsec SA", &delete(ProtocolId::ESP, spi.octets().to_vec())),
        ("INITIAL-CONTACT", &contact),
    ];
    for (what, payload) in attacks {
        let datagram = scene.peer.inform(payload);
        scene.silent_attack(what, HONEST, &datagram);
    }
    // Nor when bob has logged in: ann is somebody else, whatever both say in phase 1.
    log_in(&mut scene, &request, "bob");
    for (what, payload) in attacks {
        let datagram = scene.peer.inform(payload);
        scene.victim.take(HONEST, &datagram);
        let left: Vec<_> = scene.victim.kernel.sas().iter().map(|sa| sa.params.spi.value()).collect();
        assert_eq!(left, held, "{what}");
    }
    assert_eq!(scene.victim.states(HONEST).len(), 2);
    // Ann herself may go, and she may also come anew.
    let victim = std::mem::replace(&mut scene.victim, gateway());
    let (mut again, request) = at_the_gate(victim, HONEST, 17);
    log_in(&mut again, &request, "ann");
    let contact = Notification { spi: again.peer.cookies.to_bytes().to_vec(), ..contact };
    let datagram = again.peer.inform(&contact);
    again.victim.take(HONEST, &datagram);
    assert_eq!(again.victim.kernel.sas().len(), 0, "what she had before is void");
    assert_eq!(again.victim.states(HONEST).len(), 2, "hers and bob's");
}

/// Nobody gets another's address, by asking for it or otherwise, and a pool without end does not exist.
#[test]
fn sec_authorisation_mode_cfg_lease() {
    let (mut ann, request) = at_the_gate(
        Victim::new(road_policy(Edge::Gateway, ModeConfig { pool_size: 2, ..network() })),
        HONEST,
        1,
    );
    log_in(&mut ann, &request, "ann");
    let of_ann = wish(&[10, 9, 0, 1]);
    assert_eq!(ask(&mut ann, &wish(&[])), of_ann);
    assert_eq!(ask(&mut ann, &wish(&[10, 9, 0, 2])), of_ann, "what it wishes for is not looked at");
    let victim = std::mem::replace(&mut ann.victim, gateway());
    let (mut bob, request) = at_the_gate(victim, TRAITOR, 3);
    log_in(&mut bob, &request, "bob");
    assert_eq!(ask(&mut bob, &of_ann), wish(&[10, 9, 0, 2]));
    // The same user from elsewhere is not the same client.
    let victim = std::mem::replace(&mut bob.victim, gateway());
    let (mut third, request) = at_the_gate(victim, TRAITOR, 5);
    let answer = reply(&third, &request, &login(b"ann", b"sesame"));
    third.victim.take(TRAITOR, &answer);
    assert_eq!(judge(&mut third, granted()), [] as [Vec<u8>; 0]);
    let failed = third.victim.events.iter().rev().find_map(|event| match event {
        Event::Phase1(_, Phase1Event::Access(AccessEvent::LoginFailed { why, .. })) => Some(why.as_str()),
        _ => None,
    });
    assert_eq!(failed, Some("Port pool depleted"));
    // Whoever has a place keeps it.
    let addresses: Vec<_> = third
        .victim
        .endpoint
        .status(third.victim.now)
        .phase1
        .iter()
        .filter_map(|p| Some((p.user.clone()?, p.client_address?)))
        .collect();
    let address = |last| IpAddr::V4(Ipv4Addr::new(10, 9, 0, last));
    assert_eq!(addresses, [("ann".to_owned(), address(1)), ("bob".to_owned(), address(2))]);
}

/// Peers that finish phase 1 and then do not log in hold no more than others that never finish it.
#[test]
fn sec_resources_xauth_without_a_login() {
    let mut victim = gateway();
    for seed in 0..32 {
        victim = at_the_gate(victim, HONEST, seed).0.victim;
    }
    let mut scene = Scene::with(victim, HONEST, Stage::responder(0), 200, Group::Ecp256);
    scene.peer.auth = AuthMethod::XauthPreSharedKey(Edge::Client);
    scene.pending.clear();
    let first = scene.peer.message_1();
    scene.pending.push_back(first);
    scene.step();
    let third = scene.pending.pop_front().unwrap();
    scene.silent_attack("one more without a login", HONEST, &third);
    scene.victim.wait(301 * SECOND);
    assert_eq!(scene.victim.states(HONEST), [] as [&str; 0], "they are given up");
}

/// A gateway under the traitor's control, to which the victim has gone as a client; `None` where it asks for nothing.
fn before_a_gateway(policy: Policy, auth: Option<AuthMethod>) -> Scene {
    let mut scene = Scene::with(Victim::new(policy), HONEST, Stage::initiator(0), 1, Group::Ecp256);
    scene.peer.auth = auth.unwrap_or(AuthMethod::PreSharedKey);
    (0..3).for_each(|_| scene.step());
    assert_eq!((scene.victim.states(HONEST), scene.peer.role), (vec!["Established"], Role::Responder));
    scene
}

#[test]
fn sec_authentication_xauth_password_is_told_to_whom_it_was_agreed_with() {
    // Phase 1 without a login: a question for the password is nobody's business.
    let mut policy = policy::victim(Group::Ecp256);
    let password = Some(Secret::new(b"sesame".to_vec()));
    for phase1 in &mut policy.phase1 {
        let login = Some(Login { user: "ann".into(), password: password.clone() });
        Arc::make_mut(phase1).remote_access.login = login;
    }
    let mut scene = before_a_gateway(policy, None);
    for (what, kind, attributes) in [
        ("a question for the password", ConfigType::REQUEST, login(b"", b"")),
        ("a status", ConfigType::SET, status(true)),
        ("a bad status", ConfigType::SET, status(false)),
        ("an address that nobody wants", ConfigType::SET, wish(&[10, 9, 0, 1])),
    ] {
        let mut transaction = scene.peer.new_transaction();
        let datagram = scene.peer.transact(&mut transaction, kind, &attributes);
        scene.silent_attack(what, HONEST, &datagram);
    }
}

#[test]
fn sec_authentication_xauth_client_order() {
    let policy = road_policy(Edge::Client, network());
    let mut scene = before_a_gateway(policy, Some(AuthMethod::XauthPreSharedKey(Edge::Gateway)));
    assert!(
        !scene.said.iter().any(|said| { Header::parse(said).unwrap().exchange == ExchangeType::QUICK_MODE })
    );
    let mut transaction = scene.peer.new_transaction();
    let early = scene.peer.transact(&mut transaction, ConfigType::SET, &wish(&[10, 9, 0, 1]));
    scene.silent_attack("an address before the login", HONEST, &early);
    let mut transaction = scene.peer.new_transaction();
    let question = scene.peer.transact(&mut transaction, ConfigType::REQUEST, &login(b"", b""));
    let sent = scene.attack("the question", HONEST, &question);
    let (_, answer) = scene.peer.read(&sent[0].bytes, Some(transaction));
    assert_eq!((answer.kind, answer.attributes), (ConfigType::REPLY.0, login(b"ann", b"sesame")));
    let mut transaction = scene.peer.new_transaction();
    let set = scene.peer.transact(&mut transaction, ConfigType::SET, &status(true));
    let sent = scene.victim.take(HONEST, &set);
    let (_, ack) = scene.peer.read(&sent[0].bytes, Some(transaction));
    assert_eq!((ack.kind, ack.attributes), (ConfigType::ACK.0, status(true)));
    assert!(sent.iter().any(|s| Header::parse(&s.bytes).unwrap().exchange == ExchangeType::QUICK_MODE));
    // It is over: the password is told once, and no configuration is taken that was not wanted.
    for (what, kind, attributes) in [
        ("the question once more", ConfigType::REQUEST, login(b"", b"")),
        ("a late refusal", ConfigType::SET, status(false)),
        ("an unwanted address", ConfigType::SET, wish(&[10, 9, 0, 1])),
        ("a wish of the gateway", ConfigType::REQUEST, wish(&[])),
    ] {
        let mut transaction = scene.peer.new_transaction();
        let datagram = scene.peer.transact(&mut transaction, kind, &attributes);
        scene.silent_attack(what, HONEST, &datagram);
    }
}

/// Whatever a gateway asks for besides name and password ends it, and the password is not told.
#[test]
fn sec_authentication_xauth_other_questions() {
    let kinds = [
        vec![
            Attribute::short(ConfigAttribute::XAUTH_TYPE.0, 1),
            long(ConfigAttribute::XAUTH_USER_PASSWORD, b""),
        ],
        vec![long(ConfigAttribute::XAUTH_USER_PASSWORD, b""), long(ConfigAttribute::XAUTH_CHALLENGE, b"1")],
        vec![long(ConfigAttribute::XAUTH_NEXT_PIN, b"")],
    ];
    for asked in kinds {
        let policy = road_policy(Edge::Client, network());
        let mut scene = before_a_gateway(policy, Some(AuthMethod::XauthPreSharedKey(Edge::Gateway)));
        let mut transaction = scene.peer.new_transaction();
        let question = scene.peer.transact(&mut transaction, ConfigType::REQUEST, &asked);
        let sent = scene.victim.take(HONEST, &question);
        let (_, answer) = scene.peer.read(&sent[0].bytes, Some(transaction));
        assert_eq!(answer.attributes, status(false), "{asked:?}");
        assert_eq!(scene.victim.states(HONEST), [] as [&str; 0]);
    }
}
