//! The desk as a whole: questions in, verdicts out, never more at a time than it can bear.

mod servers;

use std::collections::HashSet;
use std::net::UdpSocket;
use std::sync::mpsc::channel;
use std::thread;

use super::*;
use crate::crypto::alg::HashAlgorithm;
use crate::crypto::default;
use crate::crypto::secret::Secret;
use crate::daemon::log::Dialect;
use crate::ike::policy::{
    Accounting, AuthSource, Login, LoginServers, ModeConfig, RadiusServer, RadiusServers,
};

const SECRET: &[u8] = b"secret";

fn desk() -> (LoginDesk, mpsc::Receiver<Input>) {
    let (inbox, inputs) = mpsc::channel(8);
    let logger = Logger::new(Dialect::Racoon, Level::Error, Arc::new(|_: &str| {}));
    (LoginDesk::new(inbox, logger, Clock::start()), inputs)
}

fn question(config: &Arc<ModeConfig>, user: &str, password: &[u8]) -> LoginRequest {
    let password = Some(Secret::new(password.to_vec()));
    let login = Login { user: user.to_owned(), password };
    LoginRequest::Check { config: Arc::clone(config), login, remote: [192, 0, 2, 1].into() }
}

fn by_radius(socket: &UdpSocket) -> ModeConfig {
    let server = RadiusServer {
        name: "radius.example".to_owned(),
        address: socket.local_addr().expect("an address"),
        secret: Secret::new(SECRET.to_vec()),
        timeout: Duration::from_secs(50),
        tries: 1,
    };
    let radius = RadiusServers { auth: vec![server.clone()], acct: vec![server] };
    let servers = LoginServers { radius, ..LoginServers::default() };
    ModeConfig {
        auth: AuthSource::Radius,
        accounting: Accounting::Radius,
        servers,
        throttle: Duration::ZERO,
        ..ModeConfig::default()
    }
}

/// An Access-Accept or an Accounting-Response without anything in it.
fn grant(request: &[u8]) -> Vec<u8> {
    let md5 = default::provider().hash(HashAlgorithm::Md5).expect("MD5");
    let code = if request[0] == 1 { 2 } else { 5 };
    let start = [code, request[1], 0, 38];
    let mut body = [&[80, 18][..], &[0; 16]].concat();
    let mac = md5.hmac(SECRET, &[&start, &request[4..20], &body]);
    body[2..].copy_from_slice(&mac);
    let authenticator = md5.digest(&[&start, &request[4..20], &body, SECRET]);
    [&start[..], &authenticator, &body].concat()
}

async fn verdict(inputs: &mut mpsc::Receiver<Input>) -> (LoginId, Verdict) {
    match inputs.recv().await {
        Some(Input::Login(id, verdict)) => (id, verdict),
        other => panic!("{other:?}"),
    }
}

/// A hundred users at once: sixteen are asked about, those that may wait do so, the others are refused at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_is_bounded() {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let config = Arc::new(by_radius(&socket));
    let (open, gate) = channel::<()>();
    let serving = thread::spawn(move || {
        let (mut buffer, mut waiting) = ([0; 4096], Vec::new());
        let mut sources = HashSet::new();
        while sources.len() < MAX_RUNNING {
            let (len, from) = socket.recv_from(&mut buffer).expect("a request");
            sources.insert(from);
            waiting.push((buffer[..len].to_vec(), from));
        }
        gate.recv().expect("the gate opens");
        // Nobody else has been asked about meanwhile.
        socket.set_nonblocking(true).expect("a socket");
        assert!(socket.recv_from(&mut buffer).is_err(), "more than {MAX_RUNNING} at a time");
        socket.set_nonblocking(false).expect("a socket");
        for (request, from) in waiting {
            socket.send_to(&grant(&request), from).expect("sent");
        }
        for _ in MAX_RUNNING..MAX_WAITING {
            let (len, from) = socket.recv_from(&mut buffer).expect("a request");
            socket.send_to(&grant(&buffer[..len]), from).expect("sent");
        }
    });
    let (desk, mut inputs) = desk();
    for id in 0..100 {
        desk.submit(LoginId(id), question(&config, "nemo", b"password"));
    }
    for _ in MAX_WAITING..100 {
        let (_, refused) = verdict(&mut inputs).await;
        assert_eq!(refused, Verdict::Refused("too many users log in at once".to_owned()));
    }
    open.send(()).expect("somebody waits");
    for _ in 0..MAX_WAITING {
        let (_, granted) = verdict(&mut inputs).await;
        assert_eq!(granted, Verdict::Granted { groups: vec![], address: None, netmask: None });
    }
    serving.join().expect("served");
    // There is room again.
    desk.submit(LoginId(100), question(&config, "", b"password"));
    assert_eq!(verdict(&mut inputs).await.1, Verdict::Refused("this is no name of a user".to_owned()));
}

#[tokio::test]
async fn what_nobody_has_to_be_asked() {
    let (desk, mut inputs) = desk();
    for auth in [AuthSource::System, AuthSource::Pam, AuthSource::Radius, AuthSource::Ldap] {
        let config = Arc::new(ModeConfig { auth, ..ModeConfig::default() });
        for (user, password, said) in [
            ("nemo", &b""[..], "there is no password"),
            ("nemo", b"\0\0", "there is no password"),
            ("nemo", b"a\0b", "the password is no text"),
            ("", b"x", "this is no name of a user"),
            ("ne\0mo", b"x", "this is no name of a user"),
            ("nemo\nlogin succeeded", b"x", "this is no name of a user"),
            (&"n".repeat(254), b"x", "this is no name of a user"),
        ] {
            desk.submit(LoginId(1), question(&config, user, password));
            assert_eq!(verdict(&mut inputs).await.1, Verdict::Refused(said.to_owned()), "{auth:?} {user:?}");
        }
    }
}

#[tokio::test]
async fn a_password_is_nowhere_in_what_is_said() {
    let (desk, mut inputs) = desk();
    let config = Arc::new(ModeConfig { auth: AuthSource::Radius, ..ModeConfig::default() });
    let question = question(&config, "nemo", b"arctangent");
    assert!(!format!("{question:?}").contains("arctangent"));
    desk.submit(LoginId(1), question);
    let (_, refused) = verdict(&mut inputs).await;
    assert_eq!(refused, Verdict::Refused("there is no RADIUS server".to_owned()));
}

/// The end of a session has the name of its beginning, and comes after it.
#[tokio::test]
async fn sessions_begin_before_they_end() {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let config = Arc::new(by_radius(&socket));
    let serving = spawn_blocking(move || {
        let mut seen = Vec::new();
        let mut buffer = [0; 4096];
        for _ in 0..3 {
            let (len, from) = socket.recv_from(&mut buffer).expect("a request");
            let request = &buffer[..len];
            seen.push((attribute(request, 40), attribute(request, 44)));
            socket.send_to(&grant(request), from).expect("sent");
        }
        seen
    });
    let (desk, _inputs) = desk();
    for (port, begins) in [(7, true), (8, true), (7, false)] {
        desk.submit(
            LoginId(0),
            LoginRequest::Account {
                config: Arc::clone(&config),
                user: "nemo".to_owned(),
                remote: [192, 0, 2, 1].into(),
                address: None,
                port,
                begins,
            },
        );
    }
    // The daemon may end at once: what has happened is told all the same.
    desk.close().await;
    let seen = serving.await.expect("served");
    let statuses: Vec<_> = seen.iter().map(|(status, _)| status.clone()).collect();
    assert_eq!(statuses, [vec![0, 0, 0, 1], vec![0, 0, 0, 1], vec![0, 0, 0, 2]]);
    assert_ne!(seen[0].1, seen[1].1);
    assert_eq!(seen[0].1, seen[2].1);
}

fn attribute(packet: &[u8], kind: u8) -> Vec<u8> {
    let mut rest = &packet[20..];
    while let [k, len, ..] = *rest {
        if k == kind {
            return rest[2..usize::from(len)].to_vec();
        }
        rest = &rest[usize::from(len)..];
    }
    Vec::new()
}
