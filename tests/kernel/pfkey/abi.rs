//! Numbers and sizes against the systems' own headers.

use std::collections::BTreeMap;

use coati::crypto::alg::CipherAlgorithm;
use coati::kernel::pfkey::{
    Address, Association, Combination, Counters, Dialect, ExtensionType, Identity, Interface, IpsecRequest,
    KameMode, KamePolicy, Key, LifetimeBody, MessageType, NatFragment, NatPort, NatType, ProtocolBody,
    ReplayCounter, RoutingDomains, SaType, SpiRange, SupportedAlgorithm, UdpPort,
};
use coati::sadb::Compression;

/// What a header defines: numbers and sizes of structures.
struct Abi {
    numbers: BTreeMap<&'static str, u64>,
    sizes: BTreeMap<&'static str, usize>,
}

fn abi(dialect: Dialect) -> Abi {
    let text = match dialect {
        Dialect::FreeBsd => include_str!("../../vectors/pfkey/abi-freebsd.txt"),
        Dialect::OpenBsd => include_str!("../../vectors/pfkey/abi-openbsd.txt"),
        Dialect::Linux => include_str!("../../vectors/pfkey/abi-linux.txt"),
    };
    let rows = |kind: &'static str| {
        text.lines().filter_map(move |line| {
            let (name, value) = line.strip_prefix(kind)?.strip_prefix(' ')?.split_once(' ')?;
            Some((name, value.parse::<u64>().ok()?))
        })
    };
    Abi {
        numbers: rows("D").collect(),
        sizes: rows("S").map(|(name, size)| (name, usize::try_from(size).unwrap())).collect(),
    }
}

/// Holds a registry against all the numbers of a header that begin with `prefixes`, in both directions.
fn compare(dialect: Dialect, ours: &[(String, Option<u64>)], prefixes: &[&str], left_out: &[&str]) {
    let numbers = abi(dialect).numbers;
    let mut theirs: BTreeMap<_, _> = numbers
        .into_iter()
        .filter(|(name, _)| prefixes.iter().any(|prefix| name.starts_with(prefix)) && !name.ends_with("_MAX"))
        .filter(|(name, _)| !left_out.contains(name))
        .collect();
    for (name, number) in ours {
        assert_eq!(theirs.remove(name.as_str()), *number, "{dialect} {name}");
    }
    assert!(theirs.is_empty(), "{dialect}: {theirs:?} have no name here");
}

#[test]
fn message_types_are_the_headers() {
    let theirs = [
        "SADB_X_SPD",
        "SADB_X_PCHANGE",
        "SADB_X_PROMISC",
        "SADB_X_MIGRATE",
        "SADB_X_NAT_T_NEW",
        "SADB_X_ADDFLOW",
    ];
    let plain = [
        "SADB_RESERVED",
        "SADB_GET",
        "SADB_UPDATE",
        "SADB_ADD",
        "SADB_DELETE",
        "SADB_ACQUIRE",
        "SADB_REGISTER",
    ];
    let more =
        ["SADB_EXPIRE", "SADB_FLUSH", "SADB_DUMP", "SADB_X_DELFLOW", "SADB_X_GRPSPIS", "SADB_X_ASKPOLICY"];
    for dialect in Dialect::ALL {
        let ours = MessageType::TABLE
            .iter()
            .map(|(kind, name, _)| (format!("SADB_{name}"), kind.number(dialect).map(u64::from)));
        compare(dialect, &ours.collect::<Vec<_>>(), &[&theirs[..], &plain, &more].concat(), &[]);
    }
}

#[test]
fn sa_types_are_the_headers() {
    for dialect in Dialect::ALL {
        let ours = SaType::TABLE.iter().map(|(kind, name, _)| {
            let name = match name.strip_prefix("X_") {
                Some(rest) => format!("SADB_X_SATYPE_{rest}"),
                None => format!("SADB_SATYPE_{name}"),
            };
            (name, kind.number(dialect).map(u64::from))
        });
        compare(dialect, &ours.collect::<Vec<_>>(), &["SADB_SATYPE_", "SADB_X_SATYPE_"], &[]);
    }
}

#[test]
fn extension_types_are_the_headers() {
    // FreeBSD has the flags of an SA under such names too.
    const FLAGS: [&str; 11] = [
        "SADB_X_EXT_NONE",
        "SADB_X_EXT_OLD",
        "SADB_X_EXT_IV4B",
        "SADB_X_EXT_DERIV",
        "SADB_X_EXT_CYCSEQ",
        "SADB_X_EXT_RAWCPI",
        "SADB_X_EXT_PSEQ",
        "SADB_X_EXT_PRAND",
        "SADB_X_EXT_PZERO",
        "SADB_X_EXT_PMASK",
        // The old name of OAI.
        "SADB_X_EXT_NAT_T_OA",
    ];
    for dialect in Dialect::ALL {
        let rows = ExtensionType::TABLE.iter().filter(|(kind, ..)| kind.number(dialect).is_some());
        let ours = rows.map(|(kind, name, _)| {
            let name = name.split(' ').next().unwrap();
            let name = match name.strip_prefix("X_") {
                // Linux has one address there, under the old name.
                Some("NAT_T_OAI") if dialect == Dialect::Linux => "SADB_X_EXT_NAT_T_OA".to_owned(),
                Some(rest) => format!("SADB_X_EXT_{rest}"),
                None => format!("SADB_EXT_{name}"),
            };
            (name, kind.number(dialect).map(u64::from))
        });
        let left_out = if dialect == Dialect::Linux { &FLAGS[..10] } else { &FLAGS[..] };
        compare(dialect, &ours.collect::<Vec<_>>(), &["SADB_EXT_", "SADB_X_EXT_"], left_out);
    }
}

#[test]
fn numbers_go_there_and_back() {
    for dialect in Dialect::ALL {
        for number in 0..=u8::MAX {
            assert_eq!(MessageType::from_number(dialect, number).number(dialect), Some(number));
            assert_eq!(SaType::from_number(dialect, number).number(dialect), Some(number));
        }
        for number in 0..=u16::MAX {
            assert_eq!(ExtensionType::from_number(dialect, number).number(dialect), Some(number));
        }
    }
}

#[test]
fn algorithms_are_the_headers() {
    use CipherAlgorithm::{Aes, AesCtr, AesGcm16, Blowfish, Camellia, Cast128, Des, Null, TripleDes};
    // The systems do not agree in their names.
    let ciphers = [
        (Des, &["SADB_EALG_DESCBC"][..]),
        (TripleDes, &["SADB_EALG_3DESCBC"]),
        (Cast128, &["SADB_X_EALG_CAST128CBC", "SADB_X_EALG_CAST", "SADB_X_EALG_CASTCBC"]),
        (Blowfish, &["SADB_X_EALG_BLOWFISHCBC", "SADB_X_EALG_BLF"]),
        (Null, &["SADB_EALG_NULL"]),
        (Aes, &["SADB_X_EALG_AES", "SADB_X_EALG_AESCBC"]),
        (AesCtr, &["SADB_X_EALG_AESCTR"]),
        (AesGcm16, &["SADB_X_EALG_AESGCM16"]),
        (Camellia, &["SADB_X_EALG_CAMELLIACBC"]),
    ];
    let compressions = [
        (Compression::Oui, "SADB_X_CALG_OUI"),
        (Compression::Deflate, "SADB_X_CALG_DEFLATE"),
        (Compression::Lzs, "SADB_X_CALG_LZS"),
    ];
    for dialect in Dialect::ALL {
        let numbers = abi(dialect).numbers;
        for (cipher, names) in ciphers {
            let theirs = names.iter().find_map(|name| numbers.get(name)).copied();
            assert_eq!(dialect.cipher_number(cipher).map(u64::from), theirs, "{dialect} {cipher}");
        }
        for (compression, name) in compressions {
            let theirs = numbers.get(name).copied();
            assert_eq!(dialect.compression_number(compression).map(u64::from), theirs, "{dialect} {name}");
        }
        let names = [&["SADB_AALG_MD5HMAC"][..], &["SADB_AALG_SHA1HMAC"]];
        let long = [256, 384, 512]
            .map(|bits| [format!("SADB_X_AALG_SHA2_{bits}"), format!("SADB_X_AALG_SHA2_{bits}HMAC")]);
        let long = long.each_ref().map(|names| names.each_ref().map(String::as_str));
        for names in names.into_iter().chain(long.iter().map(|names| &names[..])) {
            let number = names.iter().find_map(|name| numbers.get(name)).copied();
            let number = u8::try_from(number.expect("every system has it")).unwrap();
            let auth = dialect.auth(number).expect("it has a name here");
            assert_eq!(dialect.auth_number(auth), Some(number));
        }
    }
}

#[test]
fn structures_have_the_sizes_of_the_headers() {
    const HEAD: usize = 4;
    let sizes = |dialect: Dialect| {
        let shared = [
            ("sadb_sa", Association::LEN),
            ("sadb_lifetime", LifetimeBody::LEN),
            ("sadb_address", Address::LEN),
            ("sadb_key", Key::LEN),
            ("sadb_ident", Identity::LEN),
            ("sadb_spirange", SpiRange::LEN),
        ];
        let kame = [
            ("sadb_x_sa2", KameMode::LEN),
            ("sadb_x_policy", KamePolicy::LEN),
            ("sadb_x_nat_t_type", NatType::LEN),
            ("sadb_x_nat_t_port", NatPort::LEN),
        ];
        let openbsd = [
            ("sadb_protocol", ProtocolBody::LEN),
            ("sadb_x_udpencap", UdpPort::LEN),
            ("sadb_x_replay", ReplayCounter::LEN),
            ("sadb_x_rdomain", RoutingDomains::LEN),
            ("sadb_x_counter", Counters::LEN),
            ("sadb_x_iface", Interface::LEN),
        ];
        let own = if dialect == Dialect::OpenBsd { &openbsd[..] } else { &kame };
        [&shared, own].concat().into_iter().map(|(name, len)| (name, HEAD + len)).collect::<Vec<_>>()
    };
    for dialect in Dialect::ALL {
        let theirs = abi(dialect).sizes;
        for (name, size) in sizes(dialect) {
            assert_eq!(theirs.get(name), Some(&size), "{dialect} {name}");
        }
        assert_eq!(theirs.get("sadb_comb"), Some(&Combination::LEN));
        assert_eq!(theirs.get("sadb_alg"), Some(&SupportedAlgorithm::LEN));
        if dialect.is_kame() {
            assert_eq!(theirs.get("sadb_x_ipsecrequest"), Some(&IpsecRequest::head_len(dialect)));
        }
    }
    assert_eq!(abi(Dialect::FreeBsd).sizes.get("sadb_x_nat_t_frag"), Some(&(HEAD + NatFragment::LEN)));
}

#[test]
fn the_domain_is_that_of_the_system() {
    for dialect in [Dialect::FreeBsd, Dialect::OpenBsd] {
        assert_eq!(abi(dialect).numbers.get("PF_KEY").copied(), u64::try_from(dialect.domain()).ok());
    }
}
