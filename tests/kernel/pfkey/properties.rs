//! What holds for all messages, and for all SAs and policies.

use std::net::IpAddr;
use std::num::NonZeroU64;
use std::sync::LazyLock;
use std::time::Duration;

use coati::crypto::alg::{CipherAlgorithm, HashAlgorithm};
use coati::crypto::secret::Secret;
use coati::kernel::pfkey::{Dialect, Extension, Message, PfKeyError};
use coati::sadb::*;
use coati::time::UnixTime;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::recordings::all;

/// Everything recorded in either direction, with its dialect.
static RECORDED: LazyLock<Vec<(Dialect, Vec<u8>)>> = LazyLock::new(|| {
    let both = |recording: super::recordings::Recording| {
        let requests = recording.exchanges.into_iter().map(|exchange| exchange.request.bytes);
        let messages = recording.messages.into_iter().map(|line| line.bytes);
        requests.chain(messages).map(|bytes| (recording.dialect, bytes)).collect::<Vec<_>>()
    };
    all().into_iter().flat_map(both).collect()
});

#[test]
fn a_message_that_is_cut_off_is_refused_at_every_length() {
    for (dialect, bytes) in RECORDED.iter() {
        let dialect = *dialect;
        for len in 0..bytes.len() {
            assert!(Message::parse(dialect, &bytes[..len]).is_err(), "{dialect} {len} of {bytes:?}");
        }
        let longer = [&bytes[..], &[0; 8]].concat();
        // (Some of the malformed requests are too short for their own length.)
        assert!(Message::parse(dialect, &longer).is_err() || Message::parse(dialect, bytes).is_err());
    }
}

#[test]
fn what_makes_no_progress_is_refused() {
    let header = |len: u16| {
        let mut bytes = vec![2, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        bytes[4..6].copy_from_slice(&len.to_ne_bytes());
        bytes
    };
    let with = |len: u16, kind: u16, size: usize| {
        let mut bytes = header(u16::try_from(2 + size / 8).unwrap());
        bytes.extend(len.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.resize(16 + size, 0);
        bytes
    };
    for dialect in Dialect::ALL {
        let parse = |bytes: &[u8]| Message::parse(dialect, bytes).unwrap_err();
        assert_eq!(parse(&header(0)), PfKeyError::MessageLength { stated: 0, actual: 16 });
        assert_eq!(
            parse(&with(0, 99, 8)),
            PfKeyError::ExtensionLength { kind: 99, stated: 0, min: 8, max: 8 }
        );
        assert_eq!(
            parse(&with(2, 99, 8)),
            PfKeyError::ExtensionLength { kind: 99, stated: 16, min: 8, max: 8 }
        );
        let mut twice = with(1, 99, 16);
        twice.copy_within(16..24, 24);
        assert_eq!(parse(&twice), PfKeyError::Duplicate { kind: 99 });
        // Known, too short, and too long.
        assert!(matches!(parse(&with(1, 1, 8)), PfKeyError::Wire(_)), "{dialect}");
        assert_eq!(
            parse(&with(3, 1, 24)),
            PfKeyError::ExtensionLength { kind: 1, stated: 24, min: 16, max: 16 }
        );
        // A key of more bits than there are octets.
        let mut key = with(2, 9, 16);
        key[20..22].copy_from_slice(&128_u16.to_ne_bytes());
        assert_eq!(parse(&key), PfKeyError::ExtensionLength { kind: 9, stated: 16, min: 24, max: 24 });
        assert!(Message::parse(dialect, &with(1, 99, 8)).is_ok());
    }
    // A request inside a policy whose length is 0.
    assert_eq!(
        Message::parse(Dialect::FreeBsd, &with(3, 18, 24)).unwrap_err(),
        PfKeyError::RequestLength { stated: 0, min: 8, max: 8 }
    );
}

fn dialect() -> impl Strategy<Value = Dialect> {
    select(&Dialect::ALL[..])
}

proptest! {
    #[test]
    fn octets_are_refused_or_written_as_they_were_read(dialect in dialect(), bytes in vec(any::<u8>(), 0..200)) {
        if let Ok(message) = Message::parse(dialect, &bytes) {
            prop_assert_eq!(message.emit(dialect), bytes);
        }
    }

    #[test]
    fn a_damaged_message_is_refused_or_written_as_it_was_read(
        dialect in dialect(),
        which in any::<prop::sample::Index>(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let (_, mut bytes) = which.get(&RECORDED).clone();
        for (at, value) in damage {
            *at.get_mut(&mut bytes) = value;
        }
        if let Ok(message) = Message::parse(dialect, &bytes) {
            prop_assert_eq!(message.emit(dialect), bytes);
            let _ = (dialect.read_sadb_entry(&message, UnixTime(0), &|_| true), dialect.read_policy(&message));
            let _ = message.to_string();
        }
    }

    #[test]
    fn an_sa_is_read_as_it_was_built(dialect in dialect(), sa in sa(), inbound in any::<bool>()) {
        let direction = if inbound { Direction::In } else { Direction::Out };
        let Ok(message) = dialect.add(&sa, direction) else {
            // Only what the kernel lacks is not built.
            let cipher = sa.keys.cipher.map(|cipher| dialect.cipher_number(cipher.algorithm));
            let auth = sa.keys.auth.map(|auth| dialect.auth_number(auth));
            prop_assert!(cipher == Some(None) || auth == Some(None));
            return Ok(());
        };
        let bytes = message.emit(dialect);
        prop_assert_eq!(Message::parse(dialect, &bytes), Ok(message.clone()));
        let local = if inbound { sa.dst } else { sa.src };
        let entry = dialect.read_sadb_entry(&message, UnixTime(0), &|ip| ip == local).unwrap();
        prop_assert_eq!(entry.inbound, inbound);
        // What the dialect cannot say is as the reader gives it; everything else is the same.
        let kame = dialect.is_kame();
        let window = match dialect {
            Dialect::FreeBsd => sa.replay_window,
            Dialect::OpenBsd => sa.replay_window.min(64),
            Dialect::Linux => sa.replay_window.min(32),
        };
        let encapsulation = sa.encapsulation.map(|nat| UdpEncapsulation {
            local_port: if kame { nat.local_port } else { 4500 },
            ..nat
        });
        let expected = SaParams {
            replay_window: window,
            encapsulation,
            reqid: if kame { sa.reqid } else { 0 },
            selector: if kame { entry.sa.selector } else { sa.selector },
            ids: if kame { None } else { sa.ids.clone() },
            ..sa
        };
        prop_assert_eq!(entry.sa, expected);
    }

    #[test]
    fn a_policy_is_read_as_it_was_built(dialect in dialect(), policy in policy()) {
        let installed = dialect.install_policy(&policy).unwrap();
        let bytes = installed[0].emit(dialect);
        prop_assert_eq!(Message::parse(dialect, &bytes), Ok(installed[0].clone()));
        let read = dialect.read_policy(&installed[0]).unwrap().unwrap().policy;
        if dialect.is_kame() {
            prop_assert_eq!(&read, &FlowPolicy { ids: None, ..policy.clone() });
        } else {
            prop_assert_eq!((read.selector, read.direction), (policy.selector, policy.direction));
            prop_assert_eq!(matches!(read.action, FlowAction::Protect(_)), matches!(policy.action, FlowAction::Protect(_)));
        }
        // What removes it names the same.
        let removed = dialect.remove_policy(&policy).unwrap();
        prop_assert_eq!(removed.len(), installed.len());
        let addresses = |message: &Message| {
            message.extensions.iter().filter(|e| matches!(e, Extension::Address(..))).cloned().collect::<Vec<_>>()
        };
        prop_assert!(addresses(&removed[0]).iter().all(|address| addresses(&installed[0]).contains(address)));
    }
}

fn v4() -> impl Strategy<Value = IpAddr> {
    any::<u32>().prop_map(|bits| IpAddr::V4(bits.into()))
}

fn v6() -> impl Strategy<Value = IpAddr> {
    any::<u128>().prop_map(|bits| IpAddr::V6(bits.into()))
}

/// Two different addresses of one family.
fn two() -> impl Strategy<Value = (IpAddr, IpAddr)> {
    prop_oneof![(v4(), v4()), (v6(), v6())].prop_filter("two hosts", |(a, b)| a != b)
}

fn lifetime() -> impl Strategy<Value = Lifetime> {
    (option::of(1..1_000_000_u64), option::of(1..u64::MAX)).prop_map(|(seconds, octets)| Lifetime {
        time: seconds.map(Duration::from_secs),
        octets: octets.and_then(NonZeroU64::new),
    })
}

fn keys() -> impl Strategy<Value = SaKeys> {
    let ciphers = select(vec![
        (CipherAlgorithm::Aes, 256),
        (CipherAlgorithm::AesGcm16, 128),
        (CipherAlgorithm::AesCtr, 192),
        (CipherAlgorithm::Blowfish, 448),
        (CipherAlgorithm::Camellia, 128),
        (CipherAlgorithm::Null, 0),
    ]);
    let hashes = select(vec![
        HashAlgorithm::Md5,
        HashAlgorithm::Sha1,
        HashAlgorithm::Sha2_256,
        HashAlgorithm::Sha2_512,
    ]);
    (ciphers, hashes, vec(any::<u8>(), 64)).prop_map(|((algorithm, key_bits), hash, octets)| {
        let cipher_len = usize::from(key_bits / 8) + algorithm.salt_len();
        let auth = (!algorithm.is_aead()).then(|| AuthSpec::standard(hash));
        let auth_len = auth.map_or(0, |auth| auth.hash.output_len());
        SaKeys {
            cipher: Some(CipherSpec { algorithm, key_bits }),
            cipher_key: Secret::new(octets[..cipher_len].to_vec()),
            auth,
            auth_key: Secret::new(octets[..auth_len].to_vec()),
            compression: None,
        }
    })
}

fn selector() -> impl Strategy<Value = Selector> {
    let ports = prop_oneof![Just((0, 0, 0)), (Just(17_u8), any::<u16>(), any::<u16>())];
    (two(), 0..=32_u8, 0..=32_u8, ports).prop_map(|((local, remote), local_len, remote_len, ports)| {
        Selector {
            local: Prefix::new(local, local_len).unwrap(),
            remote: Prefix::new(remote, remote_len).unwrap(),
            protocol: ports.0,
            local_port: ports.1,
            remote_port: ports.2,
        }
    })
}

fn identity() -> impl Strategy<Value = SadbIdentity> {
    prop_oneof![
        v4().prop_map(|ip| SadbIdentity::Prefix(Prefix::host(ip))),
        "[a-z.]{1,40}".prop_map(SadbIdentity::Fqdn),
        "[a-z]{1,8}@[a-z.]{1,8}".prop_map(SadbIdentity::UserFqdn),
        "/C=[A-Z]{2}/CN=[a-z ]{1,30}".prop_map(SadbIdentity::Asn1Dn),
    ]
}

fn sa() -> impl Strategy<Value = SaParams> {
    let nat = option::of((1..=u16::MAX, 1..=u16::MAX));
    let rest = (nat, any::<u32>(), selector(), option::of((identity(), identity())));
    let window = prop_oneof![Just(64), Just(32), Just(2048), Just(4096)];
    (256..u32::MAX, two(), any::<bool>(), keys(), lifetime(), lifetime(), window, rest).prop_map(
        |(spi, (src, dst), tunnel, keys, soft, hard, replay_window, (nat, reqid, selector, ids))| SaParams {
            protocol: Protocol::Esp,
            spi: Spi::new(spi).unwrap(),
            src,
            dst,
            mode: if tunnel { Mode::Tunnel } else { Mode::Transport },
            keys,
            soft,
            hard,
            replay_window,
            encapsulation: nat.map(|(local_port, remote_port)| UdpEncapsulation {
                local_port,
                remote_port,
                original: None,
            }),
            reqid,
            selector,
            ids,
        },
    )
}

fn policy() -> impl Strategy<Value = FlowPolicy> {
    let protocol = select(vec![Protocol::Esp, Protocol::Ah, Protocol::IpComp]);
    let level = prop_oneof![Just(Level::Use), Just(Level::Require), (0..0x4000_u32).prop_map(Level::Unique)];
    let rule = (protocol, option::of(two()), level).prop_map(|(protocol, ends, level)| SecurityRule {
        protocol,
        mode: if ends.is_some() { Mode::Tunnel } else { Mode::Transport },
        endpoints: ends.map(|(local, remote)| Endpoints { local, remote }),
        level,
    });
    let action = prop_oneof![
        Just(FlowAction::Bypass),
        Just(FlowAction::Discard),
        vec(rule, 1..=4).prop_map(FlowAction::Protect),
    ];
    (selector(), any::<bool>(), action, option::of((identity(), identity())), any::<u32>()).prop_map(
        |(selector, inbound, action, ids, priority)| FlowPolicy {
            selector,
            direction: if inbound { Direction::In } else { Direction::Out },
            action,
            ids,
            priority,
        },
    )
}
