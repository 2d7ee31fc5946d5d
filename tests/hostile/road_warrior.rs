//! Logins and configurations: nothing is had without the first, and nobody gets what is another's by the second.

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
