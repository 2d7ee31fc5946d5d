//! A scripted server over the loopback device, and the examples of the RFC.

use std::net::UdpSocket;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use super::*;
use crate::crypto::alg::HashAlgorithm;
use crate::crypto::default;
use crate::crypto::secret::Secret;
use crate::daemon::clock::Clock;

const SECRET: &[u8] = b"xyzzy5461";

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let octet = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("ascii"), 16).expect("hex");
    digits.chunks(2).map(octet).collect()
}

fn md5(parts: &[&[u8]]) -> Vec<u8> {
    default::provider().hash(HashAlgorithm::Md5).expect("MD5").digest(parts)
}

fn hmac(parts: &[&[u8]]) -> Vec<u8> {
    default::provider().hash(HashAlgorithm::Md5).expect("MD5").hmac(SECRET, parts)
}

/// How a server answers.
#[derive(Clone, Copy, PartialEq)]
enum Seal {
    Both,
    NoMessageAuthenticator,
    WrongMessageAuthenticator,
    TwoMessageAuthenticators,
    WrongAuthenticator,
    OtherIdentifier,
    Cut,
}

/// An answer to `request`.
fn sealed(request: &[u8], code: u8, attributes: &[(u8, &[u8])], seal: Seal) -> Vec<u8> {
    let mut body = Vec::new();
    for (kind, value) in attributes {
        body.extend([*kind, u8::try_from(value.len() + 2).expect("short")]);
        body.extend(*value);
    }
    let count = match seal {
        Seal::NoMessageAuthenticator => 0,
        Seal::TwoMessageAuthenticators => 2,
        _ => 1,
    };
    let place = body.len() + 2;
    for _ in 0..count {
        body.extend([80, 18]);
        body.extend([0; 16]);
    }
    let identifier = if seal == Seal::OtherIdentifier { request[1] ^ 1 } else { request[1] };
    let len = u16::try_from(20 + body.len()).expect("short").to_be_bytes();
    let start = [code, identifier, len[0], len[1]];
    if count > 0 {
        let mut mac = hmac(&[&start, &request[4..20], &body]);
        mac[3] ^= u8::from(seal == Seal::WrongMessageAuthenticator);
        body[place..place + 16].copy_from_slice(&mac);
    }
    let mut authenticator = md5(&[&start, &request[4..20], &body, SECRET]);
    authenticator[0] ^= u8::from(seal == Seal::WrongAuthenticator);
    let mut packet = [&start[..], &authenticator, &body].concat();
    if seal == Seal::Cut {
        packet.pop();
    }
    packet
}

/// A server that answers each request with what the script makes of it, until the script has nothing more to say.
fn server(
    mut script: impl FnMut(usize, &[u8]) -> Option<Vec<Vec<u8>>> + Send + 'static,
) -> (RadiusServer, Receiver<Vec<u8>>) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let address = socket.local_addr().expect("an address");
    let (seen, requests) = channel();
    thread::spawn(move || {
        let mut buffer = [0; 5000];
        for number in 0.. {
            let Ok((len, from)) = socket.recv_from(&mut buffer) else { return };
            let request = &buffer[..len];
            if seen.send(request.to_vec()).is_err() {
                return;
            }
            let Some(answers) = script(number, request) else { return };
            for answer in answers {
                socket.send_to(&answer, from).expect("sent");
            }
        }
    });
    let server = RadiusServer {
        name: "radius.example".to_owned(),
        address,
        secret: Secret::new(SECRET.to_vec()),
        timeout: Duration::from_secs(10),
        tries: 2,
    };
    (server, requests)
}

/// The same, where its silence is waited for.
fn hasty(server: RadiusServer) -> RadiusServer {
    RadiusServer { timeout: Duration::from_millis(500), ..server }
}

fn ask(servers: &[RadiusServer]) -> Result<Framed, Denied> {
    let patience = Patience::of(Clock::start(), Duration::from_secs(20));
    check(servers, ("nemo", b"arctangent"), [192, 0, 2, 7].into(), patience)
}

fn refusal(servers: &[RadiusServer]) -> String {
    ask(servers).expect_err("nobody may in").to_string()
}

fn attribute(packet: &[u8], kind: u8) -> Option<&[u8]> {
    let mut rest = &packet[20..];
    while let [k, len, ..] = *rest {
        if k == kind {
            return Some(&rest[2..usize::from(len)]);
        }
        rest = &rest[usize::from(len)..];
    }
    None
}

/// RFC 2865 section 7.1.
#[test]
fn the_example_of_the_rfc() {
    let authenticator = unhex("0f403f9473978057bd83d5cb98f4227a");
    let request = Request::access(
        0,
        authenticator.try_into().expect("16 octets"),
        ("nemo", b"arctangent"),
        &[(packet::NAS_IP_ADDRESS, vec![192, 168, 1, 16]), (packet::NAS_PORT, vec![0, 0, 0, 3])],
        SECRET,
    );
    let octets = request.octets();
    let hidden = attribute(octets, packet::USER_PASSWORD).expect("a password");
    assert_eq!(hidden, unhex("0dbe708d93d413ce3196e43f782a0aee"));
    // The example is older than Message-Authenticator; without it the packet is the same.
    let rest = [&octets[..20], &octets[38..]].concat();
    let expected = unhex(
        "01000038 0f403f9473978057bd83d5cb98f4227a 01066e656d6f 02120dbe708d93d413ce3196e43f782a0aee \
         0406c0a80110 050600000003",
    );
    assert_eq!((rest[1], &rest[4..]), (expected[1], &expected[4..]));
    // So is its answer: right by the old measure, and refused by ours.
    let answer = unhex("02000026 86fe220e7624ba2a1005f6bf9b55e0b2 060600000001 0f0600000000 0e06c0a80103");
    assert_eq!(request.answer(&answer, SECRET), Err(NoAnswer::NoMessageAuthenticator));
    assert_eq!(request.answer(&answer, b"other"), Err(NoAnswer::Authenticator));
}

#[test]
fn an_accepted_user_gets_its_address() {
    let (server, requests) = server(|_, request| {
        let attributes: &[(u8, &[u8])] = &[(8, &[10, 9, 0, 77]), (9, &[255, 255, 255, 0]), (18, b"welcome")];
        Some(vec![sealed(request, 2, attributes, Seal::Both)])
    });
    let framed = ask(&[server]).expect("the user may in");
    assert_eq!(framed.address, Some([10, 9, 0, 77].into()));
    assert_eq!(framed.netmask, Some([255, 255, 255, 0].into()));

    let request = requests.recv().expect("a request");
    assert_eq!((request[0], usize::from(request[2]) << 8 | usize::from(request[3])), (1, request.len()));
    assert_eq!(attribute(&request, 1), Some(&b"nemo"[..]));
    assert_eq!(attribute(&request, 4), Some(&[127, 0, 0, 1][..]));
    assert_eq!(attribute(&request, 31), Some(&b"192.0.2.7"[..]));
    assert_eq!(attribute(&request, 61), Some(&[0, 0, 0, 5][..]));
    let mac = attribute(&request, 80).expect("a Message-Authenticator");
    let mut zeroed = request.clone();
    assert_eq!(request[20], 80, "it comes first");
    zeroed[22..38].fill(0);
    assert_eq!(mac, hmac(&[&zeroed]));
}

#[test]
fn special_addresses_leave_the_choice_to_us() {
    for special in [[255, 255, 255, 255], [255, 255, 255, 254]] {
        let (server, _requests) =
            server(move |_, request| Some(vec![sealed(request, 2, &[(8, &special)], Seal::Both)]));
        assert_eq!(ask(&[server]), Ok(Framed::default()));
    }
}

#[test]
fn a_refused_user_is_not_asked_for_elsewhere() {
    let (first, _requests) = server(|_, request| Some(vec![sealed(request, 3, &[], Seal::Both)]));
    let (second, others) = server(|_, request| Some(vec![sealed(request, 2, &[], Seal::Both)]));
    let denied = ask(&[first, second]).expect_err("refused");
    assert_eq!(denied, Denied::user("the RADIUS server radius.example refuses"));
    assert!(others.try_recv().is_err());
}

#[test]
fn a_challenge_is_a_refusal() {
    let (server, _requests) = server(|_, request| Some(vec![sealed(request, 11, &[], Seal::Both)]));
    assert!(matches!(ask(&[server]), Err(Denied::User(_))));
}

#[test]
fn a_forged_answer_lets_nobody_in() {
    let cases = [
        (Seal::WrongAuthenticator, "answers with a wrong authenticator"),
        (Seal::NoMessageAuthenticator, "answers without Message-Authenticator"),
        (Seal::WrongMessageAuthenticator, "answers with a wrong Message-Authenticator"),
        (Seal::TwoMessageAuthenticators, "sends what is no RADIUS packet"),
        (Seal::OtherIdentifier, "does not answer"),
        (Seal::Cut, "sends what is no RADIUS packet"),
    ];
    let asked = cases.map(|(seal, said)| {
        thread::spawn(move || {
            let (server, _requests) = server(move |_, request| Some(vec![sealed(request, 2, &[], seal)]));
            let denied = ask(&[hasty(server)]).expect_err("it is forged");
            assert!(matches!(&denied, Denied::NotAsked(why) if why.contains(said)), "{denied}");
        })
    });
    asked.into_iter().for_each(|case| case.join().expect("it is refused"));
}

/// The real answer counts, also where a forged one comes first.
#[test]
fn forged_answers_do_not_keep_the_real_one_out() {
    let (server, _requests) = server(|_, request| {
        let forged = [Seal::WrongAuthenticator, Seal::NoMessageAuthenticator, Seal::Cut];
        let mut answers: Vec<_> = forged.iter().map(|seal| sealed(request, 2, &[], *seal)).collect();
        answers.push(vec![]);
        answers.push(vec![0xff; 4097]);
        answers.push(sealed(request, 3, &[], Seal::Both));
        Some(answers)
    });
    assert_eq!(refusal(&[server]), "the RADIUS server radius.example refuses");
}

#[test]
fn a_lost_request_is_sent_again_unchanged() {
    let (server, requests) = server(|number, request| {
        Some(if number == 0 { vec![] } else { vec![sealed(request, 2, &[], Seal::Both)] })
    });
    ask(&[hasty(server)]).expect("the second request is answered");
    let first = requests.recv().expect("a request");
    assert_eq!(first, requests.recv().expect("another"));
}

#[test]
fn the_next_server_is_asked_where_one_is_silent() {
    let (silent, asked) = server(|_, _| Some(vec![]));
    let (second, _requests) = server(|_, request| Some(vec![sealed(request, 2, &[], Seal::Both)]));
    assert_eq!(ask(&[hasty(silent), second]), Ok(Framed::default()));
    assert!(asked.try_recv().is_ok());
}

#[test]
fn silence_ends() {
    let (silent, asked) = server(|_, _| Some(vec![]));
    assert_eq!(refusal(&[hasty(silent)]), "the RADIUS server radius.example does not answer");
    assert_eq!(asked.try_iter().count(), 2, "as often as the server wants");
    assert_eq!(refusal(&[]), "there is no RADIUS server");
}

#[test]
fn what_does_not_fit_is_not_asked() {
    let patience = Patience::of(Clock::start(), Duration::from_secs(1));
    for (user, password) in [("u".repeat(254), 1), ("u".to_owned(), 129)] {
        let password = vec![b'p'; password];
        let denied = check(&[], (&user, &password), [192, 0, 2, 7].into(), patience).expect_err("too long");
        assert!(matches!(denied, Denied::User(_)), "{denied}");
    }
}

#[test]
fn a_long_password_is_hidden_in_chained_blocks() {
    let password = [b'p'; 128];
    let request = Request::access(7, [9; 16], ("u", &password), &[], SECRET);
    let hidden = attribute(request.octets(), packet::USER_PASSWORD).expect("a password").to_vec();
    let mut before = vec![9; 16];
    let mut plain = Vec::new();
    for block in hidden.chunks(16) {
        plain.extend(block.iter().zip(md5(&[SECRET, &before])).map(|(a, b)| a ^ b));
        before = block.to_vec();
    }
    assert_eq!(plain, password);
}

fn session(lasted: Option<Duration>) -> Session<'static> {
    Session {
        id: "5f000001",
        user: "nemo",
        remote: [192, 0, 2, 7].into(),
        address: Some([10, 9, 0, 77].into()),
        port: 3,
        lasted,
    }
}

#[test]
fn sessions_are_accounted_for() {
    let patience = Patience::of(Clock::start(), Duration::from_secs(20));
    for (lasted, status) in [(None, 1), (Some(Duration::from_secs(300)), 2)] {
        let (server, requests) =
            server(|_, request| Some(vec![sealed(request, 5, &[], Seal::NoMessageAuthenticator)]));
        account(&[server], &session(lasted), patience).expect("it is noted");
        let request = requests.recv().expect("a request");
        let digest = md5(&[&request[..4], &[0; 16], &request[20..], SECRET]);
        assert_eq!((request[0], &request[4..20]), (4, &digest[..]));
        assert_eq!(attribute(&request, 40), Some(&[0, 0, 0, status][..]));
        assert_eq!(attribute(&request, 44), Some(&b"5f000001"[..]));
        assert_eq!(attribute(&request, 8), Some(&[10, 9, 0, 77][..]));
        assert_eq!(attribute(&request, 5), Some(&[0, 0, 0, 3][..]));
        assert_eq!(attribute(&request, 46).is_some(), lasted.is_some());
    }
}

#[test]
fn an_answer_about_sessions_is_no_answer_about_users() {
    let (server, _requests) =
        server(|_, request| Some(vec![sealed(request, 5, &[], Seal::NoMessageAuthenticator)]));
    assert!(matches!(ask(&[server]), Err(Denied::NotAsked(_))));
    let patience = Patience::of(Clock::start(), Duration::from_secs(20));
    let (server, _requests) = self::server(|_, request| Some(vec![sealed(request, 2, &[], Seal::Both)]));
    assert!(account(&[server], &session(None), patience).is_err());
}
