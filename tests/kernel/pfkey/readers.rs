//! What the recorded kernels said, read as SAs, policies and events.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use coati::crypto::alg::{CipherAlgorithm, HashAlgorithm};
use coati::kernel::pfkey::{Dialect, Message, MessageType, PfKeyError};
use coati::sadb::*;
use coati::time::UnixTime;

use super::recordings::all;
use super::requests::is_local;

const US: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 99, 0, 2));
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 99, 0, 1));

/// All messages of one type that a kernel said, but for those that say an errno.
fn said(dialect: Dialect, kind: MessageType) -> Vec<Message> {
    let recordings = all().into_iter().filter(|recording| recording.dialect == dialect);
    let messages = recordings.flat_map(|recording| recording.messages);
    let parsed = messages.map(|line| Message::parse(dialect, &line.bytes).unwrap());
    parsed.filter(|message| message.header.kind == kind && message.header.errno == 0).collect()
}

/// All requests of one type that a kernel took.
fn taken(dialect: Dialect, kind: MessageType) -> Vec<Message> {
    let recordings = all().into_iter().filter(|recording| recording.dialect == dialect);
    let exchanges =
        recordings.flat_map(|recording| recording.exchanges).filter(|exchange| exchange.errno == 0);
    let parsed = exchanges.map(|exchange| Message::parse(dialect, &exchange.request.bytes).unwrap());
    parsed.filter(|message| message.header.kind == kind).collect()
}

fn host(ip: IpAddr) -> SadbIdentity {
    SadbIdentity::Prefix(Prefix::host(ip))
}

#[test]
fn an_acquire_names_the_policy_on_freebsd() {
    let acquire = Dialect::FreeBsd.read_acquire(&said(Dialect::FreeBsd, MessageType::Acquire)[0]).unwrap();
    assert_eq!((acquire.protocol, acquire.local, acquire.remote), (Protocol::Esp, Some(US), PEER));
    assert_eq!((acquire.policy, acquire.mode, acquire.reqid), (Some(11), Some(Mode::Tunnel), 77));
    assert_eq!(acquire.ids, None);
}

#[test]
fn an_acquire_names_the_identities_of_the_flow_on_openbsd() {
    let acquires = said(Dialect::OpenBsd, MessageType::Acquire);
    let with_ids = Dialect::OpenBsd.read_acquire(&acquires[0]).unwrap();
    assert_eq!((with_ids.seq, with_ids.local, with_ids.remote), (1, Some(US), PEER));
    assert_eq!(with_ids.ids, Some((host(US), host(PEER))));
    assert_eq!((with_ids.policy, with_ids.mode), (None, None));
    // Its echo of a daemon's own ACQUIRE has no addresses.
    let echo = acquires.iter().find(|message| message.extensions.is_empty()).unwrap();
    assert_eq!(Dialect::OpenBsd.read_acquire(echo), Err(PfKeyError::Missing("destination address")));
}

#[test]
fn the_policy_of_an_acquire_is_told_by_askpolicy() {
    let answer = &said(Dialect::OpenBsd, MessageType::AskPolicy)[0];
    let asked = Dialect::OpenBsd.read_asked(answer).unwrap();
    assert_eq!((asked.acquire, asked.direction), (1, Direction::Out));
    assert_eq!(asked.selector, Selector::between(Prefix::host(US), Prefix::host(PEER)));
}

#[test]
fn expiries_are_soft_and_then_hard() {
    for dialect in [Dialect::FreeBsd, Dialect::OpenBsd] {
        let expiries: Vec<_> = said(dialect, MessageType::Expire)
            .iter()
            .map(|message| dialect.read_expire(message).unwrap())
            .filter(|expiry| expiry.sa.id.spi == Spi::new(0x5001).unwrap())
            .collect();
        assert!(!expiries[0].hard && expiries.last().unwrap().hard, "{dialect}");
        assert!(expiries.iter().all(|expiry| expiry.sa.src == Some(US) && expiry.sa.id.dst != PEER));
        let octets = said(dialect, MessageType::Expire)
            .into_iter()
            .filter(|message| dialect.read_sa(message).unwrap().id.spi == Spi::new(0x9031).unwrap());
        let hard: Vec<_> = octets.map(|message| dialect.read_expire(&message).unwrap().hard).collect();
        assert_eq!(hard, [false, true], "{dialect}");
    }
}

#[test]
fn the_answer_to_getspi_has_the_spi() {
    for dialect in [Dialect::FreeBsd, Dialect::OpenBsd] {
        for message in said(dialect, MessageType::GetSpi) {
            let sa = dialect.read_sa(&message).unwrap();
            assert_eq!((sa.id.dst, sa.src, sa.id.protocol), (US, Some(PEER), Protocol::Esp));
        }
    }
}

#[test]
fn freebsd_tells_its_algorithms_and_openbsd_is_known() {
    let message = &said(Dialect::FreeBsd, MessageType::Register)[0];
    let freebsd = Dialect::FreeBsd.read_supported(message);
    use CipherAlgorithm::{Aes, AesCtr, AesGcm16, Blowfish, Camellia, Cast128, Des, Null, TripleDes};
    assert_eq!(freebsd.ciphers, [Des, TripleDes, Cast128, Blowfish, Null, Aes, AesCtr, AesGcm16, Camellia]);
    let hashes: Vec<_> = freebsd.auths.iter().map(|auth| (auth.hash, auth.icv_len)).collect();
    use HashAlgorithm::{Md5, Sha1, Sha2_256, Sha2_384, Sha2_512};
    assert_eq!(hashes, [(Md5, 12), (Sha1, 12), (Sha2_256, 16), (Sha2_384, 24), (Sha2_512, 32)]);
    assert_eq!(freebsd.compressions, []);

    let message = &said(Dialect::OpenBsd, MessageType::Register)[0];
    let openbsd = Dialect::OpenBsd.read_supported(message);
    // Not in its list, and taken all the same (see the recorded ADD).
    assert!(openbsd.ciphers.contains(&AesGcm16));
    assert!(!openbsd.ciphers.contains(&Des) && !openbsd.ciphers.contains(&Camellia));
    assert_eq!(openbsd.compressions, [Compression::Deflate]);
}

/// The SAs of a session that were added, by SPI, as the request says them.
fn added(dialect: Dialect) -> Vec<SaParams> {
    let requests = taken(dialect, MessageType::Add);
    let entries = requests.iter().filter_map(|m| dialect.read_sadb_entry(m, UnixTime(0), &is_local).ok());
    entries.map(|entry| entry.sa).collect()
}

/// A dump says the same about each SA as the request that made it, keys included.
#[test]
fn a_dump_says_what_was_added() {
    for (dialect, expected) in [(Dialect::FreeBsd, 25), (Dialect::OpenBsd, 22)] {
        let added = added(dialect);
        let mut same = 0;
        for message in said(dialect, MessageType::Dump) {
            // OpenBSD repeats the SA type of the question.
            let mut message = message;
            if message.header.satype.protocol().is_none() {
                message.header.satype = coati::kernel::pfkey::SaType::Esp;
            }
            let Ok(entry) = dialect.read_sadb_entry(&message, UnixTime(1_795_424_100), &is_local) else {
                continue;
            };
            let Some(request) =
                added.iter().find(|sa| sa.spi == entry.sa.spi && sa.protocol == entry.sa.protocol)
            else {
                continue;
            };
            assert_eq!(entry.sa.keys, request.keys, "{dialect} {}", request.spi);
            assert_eq!((entry.sa.src, entry.sa.dst), (request.src, request.dst));
            assert_eq!((entry.sa.hard, entry.sa.soft), (request.hard, request.soft));
            assert_eq!(entry.sa.encapsulation, request.encapsulation);
            assert_eq!(entry.sa.replay_window, request.replay_window, "{dialect} {}", request.spi);
            assert!(entry.age > Duration::ZERO && entry.age < Duration::from_secs(100), "{:?}", entry.age);
            same += 1;
        }
        assert!(same >= expected, "{dialect}: {same}");
    }
}

#[test]
fn an_spd_dump_says_what_was_added() {
    let requests =
        [MessageType::SpdAdd, MessageType::SpdUpdate].map(|kind| taken(Dialect::FreeBsd, kind)).concat();
    let added: Vec<_> =
        requests.iter().map(|m| Dialect::FreeBsd.read_policy(m).unwrap().unwrap().policy).collect();
    let dumped: Vec<_> = said(Dialect::FreeBsd, MessageType::SpdDump)
        .iter()
        .map(|m| Dialect::FreeBsd.read_policy(m).unwrap().unwrap())
        .collect();
    assert_eq!(dumped.iter().map(|entry| entry.id).collect::<Vec<_>>(), [2, 8, 3, 4, 5, 6, 7, 9, 10]);
    // All but the last, whose request id the kernel has replaced.
    for entry in &dumped[..8] {
        assert!(added.contains(&entry.policy), "{entry:?}");
    }
    let FlowAction::Protect(rules) = &dumped[8].policy.action else { panic!("{dumped:?}") };
    assert_eq!(rules[0].level, Level::Unique(16385));
}

#[test]
fn the_flows_of_sysctl_are_those_that_were_added() {
    let added: Vec<_> = taken(Dialect::OpenBsd, MessageType::AddFlow)
        .iter()
        .map(|m| Dialect::OpenBsd.read_policy(m).unwrap().unwrap().policy)
        .collect();
    let dumped = said(Dialect::OpenBsd, MessageType::SpdDump);
    assert_eq!(dumped.len(), 6);
    let whole: Vec<u8> = dumped.iter().flat_map(|message| message.emit(Dialect::OpenBsd)).collect();
    assert_eq!(Message::parse_all(Dialect::OpenBsd, &whole).unwrap(), dumped);
    for message in &dumped {
        let entry = Dialect::OpenBsd.read_policy(message).unwrap().unwrap();
        assert!(added.contains(&entry.policy), "{entry:?}");
    }
}

#[test]
fn a_policy_is_seen_from_us_in_both_directions() {
    let net = |third| Prefix::new(IpAddr::V4(Ipv4Addr::new(192, 168, third, 0)), 24).unwrap();
    let selector = Selector::between(net(1), net(2));
    let freebsd = said(Dialect::FreeBsd, MessageType::SpdGet);
    let inbound = Dialect::FreeBsd.read_policy(&freebsd[0]).unwrap().unwrap();
    assert_eq!((inbound.policy.direction, inbound.policy.selector, inbound.id), (Direction::In, selector, 2));
    assert_eq!(inbound.policy.tunnel_peer(), Some(PEER));
    let openbsd = said(Dialect::OpenBsd, MessageType::SpdDump);
    let inbound = Dialect::OpenBsd.read_policy(&openbsd[0]).unwrap().unwrap().policy;
    assert_eq!((inbound.direction, inbound.selector), (Direction::In, selector));
    let FlowAction::Protect(rules) = inbound.action else { panic!("no rule") };
    assert_eq!(
        (rules[0].endpoints, rules[0].level),
        (Some(Endpoints { local: US, remote: PEER }), Level::Use)
    );
}

#[test]
fn no_key_is_printed() {
    for dialect in [Dialect::FreeBsd, Dialect::OpenBsd] {
        for message in said(dialect, MessageType::Dump) {
            let text = format!("{message} {message:?}");
            // The recorded keys count upwards.
            for key in ["101112131415", "404142434445", "16, 17, 18, 19", "64, 65, 66, 67"] {
                assert!(!text.contains(key), "{text}");
            }
        }
    }
    let text = said(Dialect::FreeBsd, MessageType::Acquire)[0].to_string();
    assert!(text.starts_with("ACQUIRE ESP seq "), "{text}");
    assert!(text.contains("\n  X_POLICY type 2 direction 2 id 11 priority 0\n"), "{text}");
}
