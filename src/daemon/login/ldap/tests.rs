//! A scripted server over the loopback device.

use std::net::TcpListener;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::ber::{Reader, constructed, number, tlv};
use super::*;
use crate::daemon::clock::Clock;
use crate::ike::policy::LdapAttributes;

/// What a client asks.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Asked {
    Bind(u32, String, Vec<u8>),
    /// Base, scope, the equalities of the filter, the attributes.
    Search(String, u32, Vec<(String, String)>, Vec<String>),
    Unbind,
}

/// What a server says to each request.
type Script = Box<dyn FnMut(u32, &Asked) -> Vec<Vec<u8>> + Send>;

fn text(octets: Option<&[u8]>) -> String {
    String::from_utf8(octets.expect("a string").to_vec()).expect("text")
}

fn equality(content: &[u8]) -> (String, String) {
    let mut pair = Reader(content);
    (text(pair.expect(4)), text(pair.expect(4)))
}

/// Reads a request as the RFC writes it, field by field.
fn asked(octets: &[u8]) -> (u32, Asked) {
    let mut message = Reader(Reader(octets).expect(0x30).expect("a message"));
    let id = message.number(2).expect("an id");
    let (tag, content) = message.next().expect("an operation");
    let mut fields = Reader(content);
    let asked = match tag {
        0x60 => Asked::Bind(
            fields.number(2).expect("a version"),
            text(fields.expect(4)),
            fields.expect(0x80).expect("a password").to_vec(),
        ),
        0x63 => {
            let base = text(fields.expect(4));
            let scope = fields.number(0x0a).expect("a scope");
            assert_eq!(fields.number(0x0a), Some(0), "aliases are not followed");
            assert_eq!(fields.number(2), Some(2), "a limit of two entries");
            fields.number(2).expect("a limit of time");
            assert_eq!(fields.expect(1), Some(&[0][..]), "with values");
            let filter = match fields.next().expect("a filter") {
                (0xa3, content) => vec![equality(content)],
                (0xa0, content) => {
                    let mut all = Reader(content);
                    std::iter::from_fn(|| all.expect(0xa3)).map(equality).collect()
                }
                other => panic!("{other:?}"),
            };
            let mut names = Reader(fields.expect(0x30).expect("attributes"));
            let names = std::iter::from_fn(|| names.next()).map(|(_, name)| text(Some(name))).collect();
            Asked::Search(base, scope, filter, names)
        }
        0x42 => Asked::Unbind,
        other => panic!("an operation {other:#x}"),
    };
    assert!(fields.0.is_empty(), "nothing follows");
    (id, asked)
}

fn answer(id: u32, tag: u8, content: &[Vec<u8>]) -> Vec<u8> {
    constructed(0x30, &[number(2, id), constructed(tag, content)])
}

fn result(id: u32, tag: u8, code: u32) -> Vec<u8> {
    answer(id, tag, &[number(0x0a, code), tlv(4, b""), tlv(4, b"why")])
}

fn bound(id: u32, code: u32) -> Vec<u8> {
    result(id, 0x61, code)
}

fn done(id: u32, code: u32) -> Vec<u8> {
    result(id, 0x65, code)
}

fn entry(id: u32, dn: &str, attributes: &[(&str, &str)]) -> Vec<u8> {
    let list: Vec<_> = attributes
        .iter()
        .map(|(name, value)| {
            let values = constructed(0x31, &[tlv(4, value.as_bytes())]);
            constructed(0x30, &[tlv(4, name.as_bytes()), values])
        })
        .collect();
    answer(id, 0x64, &[tlv(4, dn.as_bytes()), constructed(0x30, &list)])
}

/// A server for one connection. It gives back all that it was asked.
fn server(
    mut script: impl FnMut(u32, &Asked) -> Vec<Vec<u8>> + Send + 'static,
) -> (LdapServer, JoinHandle<Vec<Asked>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let port = listener.local_addr().expect("an address").port();
    let serving = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let (mut buffer, mut seen) = (Vec::new(), Vec::new());
        let mut chunk = [0; 1000];
        loop {
            while let Some(length) = Length::of(&buffer).filter(|l| l.header + l.content <= buffer.len()) {
                let rest = buffer.split_off(length.header + length.content);
                let (id, request) = asked(&std::mem::replace(&mut buffer, rest));
                for reply in script(id, &request) {
                    // In two pieces, as a network may bring it.
                    let (first, second) = reply.split_at(reply.len() / 2);
                    if stream.write_all(first).and_then(|()| stream.write_all(second)).is_err() {
                        return seen;
                    }
                }
                seen.push(request);
            }
            match stream.read(&mut chunk) {
                Ok(0) | Err(_) => return seen,
                Ok(len) => buffer.extend(&chunk[..len]),
            }
        }
    });
    let server = LdapServer {
        name: "ldap.example".to_owned(),
        addresses: vec![[127, 0, 0, 1].into()],
        port,
        base: "dc=example".to_owned(),
        subtree: true,
        bind: Some(("cn=gateway".to_owned(), Secret::new(b"gateway's".to_vec()))),
        timeout: Duration::from_secs(10),
        attributes: LdapAttributes { user: "uid".to_owned(), ..LdapAttributes::default() },
        ..LdapServer::default()
    };
    (server, serving)
}

const ALICE: &str = "uid=alice,dc=example";

/// A directory with one user, whose password is `right`, and the group `vpn`.
fn directory(id: u32, asked: &Asked) -> Vec<Vec<u8>> {
    match asked {
        Asked::Bind(_, dn, password) => {
            let known = [("cn=gateway", "gateway's"), (ALICE, "right"), ("", "")];
            let is_right = known.iter().any(|(d, p)| d == dn && p.as_bytes() == password);
            vec![bound(id, if is_right { 0 } else { 49 })]
        }
        Asked::Search(_, _, filter, _) => {
            let equal = |name: &str, value: &str| filter.iter().any(|(n, v)| n == name && v == value);
            if equal("uid", "alice") {
                let attributes = [("Racoon-Address", "10.9.0.5"), ("racoon-netmask", "255.255.0.0")];
                return vec![entry(id, ALICE, &attributes), done(id, 0)];
            }
            if equal("cn", "vpn") && equal("member", ALICE) {
                return vec![entry(id, "cn=vpn,dc=example", &[]), done(id, 0)];
            }
            vec![done(id, 0)]
        }
        Asked::Unbind => Vec::new(),
    }
}

fn patience() -> Patience {
    Patience::of(Clock::start(), Duration::from_secs(30))
}

fn login(server: &LdapServer, user: &str, password: &str) -> Result<User, Denied> {
    check(server, user, password.as_bytes(), patience())
}

#[test]
fn a_user_is_found_and_then_bound() {
    let (server, serving) = server(directory);
    let user = login(&server, "alice", "right").expect("the user may in");
    assert_eq!(user.dn, ALICE);
    assert_eq!(user.framed.address, Some([10, 9, 0, 5].into()));
    assert_eq!(user.framed.netmask, Some([255, 255, 0, 0].into()));
    let equal = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(
        serving.join().expect("served"),
        [
            Asked::Bind(3, "cn=gateway".into(), b"gateway's".to_vec()),
            Asked::Search(
                "dc=example".into(),
                2,
                vec![equal("uid", "alice")],
                vec!["racoon-address".into(), "racoon-netmask".into()]
            ),
            Asked::Bind(3, ALICE.into(), b"right".to_vec()),
            Asked::Unbind,
        ]
    );
}

#[test]
fn a_wrong_password_and_an_unknown_user() {
    let (first, _serving) = server(directory);
    assert_eq!(login(&first, "alice", "wrong"), Err(Denied::user("the password is wrong")));
    let (second, _serving) = server(directory);
    assert_eq!(login(&second, "bob", "right"), Err(Denied::user("the directory has no entry for the user")));
}

/// What would be a filter of its own in text is a name like any other here.
#[test]
fn a_name_cannot_widen_the_search() {
    for name in ["*", "alice)(uid=*", "*)(|(uid=alice", "ali\u{0}ce", "alice\n", "\\61lice"] {
        let (server, serving) = server(directory);
        assert_eq!(
            login(&server, name, "right"),
            Err(Denied::user("the directory has no entry for the user"))
        );
        let seen = serving.join().expect("served");
        let Some(Asked::Search(_, _, filter, _)) = seen.get(1) else { panic!("{seen:?}") };
        assert_eq!(filter, &[("uid".to_owned(), name.to_owned())]);
    }
}

#[test]
fn one_level_and_nobody_are_the_defaults() {
    let (server, serving) = server(directory);
    let server = LdapServer { subtree: false, bind: None, version: 2, ..server };
    login(&server, "alice", "right").expect("the user may in");
    let seen = serving.join().expect("served");
    assert_eq!(seen[0], Asked::Bind(2, String::new(), Vec::new()));
    assert!(matches!(&seen[1], Asked::Search(_, 1, _, _)), "{seen:?}");
}

#[test]
fn two_entries_are_one_too_many() {
    let (server, _serving) = server(|id, asked| match asked {
        Asked::Search(..) => {
            vec![entry(id, ALICE, &[]), entry(id, "uid=alice,ou=b", &[]), done(id, 4)]
        }
        other => directory(id, other),
    });
    assert_eq!(
        login(&server, "alice", "right"),
        Err(Denied::user("the directory has several entries for the user"))
    );
}

/// Binding without a name succeeds on many servers, whatever the password.
#[test]
fn an_entry_without_a_name_is_no_user() {
    let (server, serving) = server(|id, asked| match asked {
        Asked::Search(..) => vec![entry(id, "", &[]), done(id, 0)],
        _ => vec![bound(id, 0)],
    });
    assert!(login(&server, "alice", "right").is_err());
    assert_eq!(serving.join().expect("served").len(), 2);
}

#[test]
fn an_address_that_is_none_refuses() {
    let (server, _serving) = server(|id, asked| match asked {
        Asked::Search(..) => vec![entry(id, ALICE, &[("racoon-address", "10.9.0")]), done(id, 0)],
        other => directory(id, other),
    });
    assert_eq!(
        login(&server, "alice", "right"),
        Err(Denied::user("`racoon-address` of its entry is no address"))
    );
}

#[test]
fn references_are_not_followed() {
    let (server, _serving) = server(|id, asked| match asked {
        Asked::Search(..) => {
            let reference = answer(id, 0x73, &[tlv(4, b"ldap://elsewhere/")]);
            let mut replies = directory(id, asked);
            replies.insert(0, reference);
            replies
        }
        other => directory(id, other),
    });
    assert!(login(&server, "alice", "right").is_ok());
}

#[test]
fn groups_of_a_user() {
    let asked = ["staff".to_owned(), "vpn".to_owned()];
    let (first, _serving) = server(directory);
    assert_eq!(groups(&first, "alice", Some(ALICE.into()), &asked, patience()), Ok(vec!["vpn".to_owned()]));
    let (second, _serving) = server(directory);
    assert_eq!(groups(&second, "alice", None, &asked, patience()), Ok(vec!["vpn".to_owned()]));
    let (third, _serving) = server(directory);
    assert_eq!(groups(&third, "x", Some("uid=x,dc=example".into()), &asked, patience()), Ok(vec![]));
}

#[test]
fn a_server_that_does_not_do_is_not_the_users_fault() {
    let not_asked = |denied: Result<User, Denied>, part: &str| {
        assert!(matches!(&denied, Err(Denied::NotAsked(why)) if why.contains(part)), "{denied:?}");
    };
    let (refusing, _serving) = server(|id, _| vec![bound(id, 49)]);
    not_asked(login(&refusing, "alice", "right"), "does not let cn=gateway search: result 49");
    let (busy, _serving) = server(|id, asked| match asked {
        Asked::Bind(_, dn, _) if dn == ALICE => vec![bound(id, 51)],
        other => directory(id, other),
    });
    not_asked(login(&busy, "alice", "right"), "refuses the user: result 51");
    let (silent, _serving) = server(|_, _| vec![]);
    let silent = LdapServer { timeout: Duration::from_millis(300), ..silent };
    not_asked(login(&silent, "alice", "right"), "does not answer");
    let nowhere = LdapServer { addresses: vec![], ..silent };
    not_asked(login(&nowhere, "alice", "right"), "cannot be reached");
}

/// None of these may let anybody in, run on, or fill the memory.
#[test]
fn a_server_that_talks_nonsense() {
    let other_id = |id: u32, _: &Asked| vec![bound(id + 1, 0)];
    let endless = |id: u32, asked: &Asked| match asked {
        Asked::Search(..) => (0..200).map(|_| answer(id, 0x73, &[])).collect(),
        other => directory(id, other),
    };
    let huge = |_: u32, _: &Asked| vec![vec![0x30, 0x84, 0x7f, 0xff, 0xff, 0xff, 0]];
    let empty = |_: u32, _: &Asked| vec![vec![0x30, 0]];
    let text = |_: u32, _: &Asked| vec![b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()];
    let bind_as_search = |id: u32, asked: &Asked| match asked {
        Asked::Search(..) => vec![bound(id, 0)],
        other => directory(id, other),
    };
    let negative = |id: u32, _: &Asked| vec![answer(id, 0x61, &[tlv(0x0a, &[0x80])])];
    let scripts: [Script; 7] = [
        Box::new(other_id),
        Box::new(endless),
        Box::new(huge),
        Box::new(empty),
        Box::new(text),
        Box::new(bind_as_search),
        Box::new(negative),
    ];
    for (number, script) in scripts.into_iter().enumerate() {
        let (server, _serving) = server(script);
        let denied = login(&server, "alice", "right");
        assert!(
            matches!(&denied, Err(Denied::NotAsked(why)) if why.contains("as LDAP wants it")),
            "{number}: {denied:?}"
        );
    }
}
