//! From SAs as setkey writes them to what a kernel is given.

use std::num::NonZeroU64;
use std::time::Duration;

use super::Resolver;
use crate::conf::setkey::ast::{ManualSa as Written, Padding, Place, SaName, SaOption};
use crate::conf::span::Span;
use crate::crypto::alg::{CipherAlgorithm, HashAlgorithm};
use crate::sadb::{
    AuthName, CipherName, Compression, Direction, Lifetime, ManualSa, ManualUdp, Protocol, SaFlags, SaKind,
    SaNames,
};

/// The port of ESP in UDP (RFC 3948).
const NAT_T_PORT: u16 = 4500;

/// What SAs with setkey's word for their protocol are for.
pub(in crate::conf::setkey) fn kind_of(protocol: &str) -> SaKind {
    match protocol {
        "ah" | "ah-old" => SaKind::Ipsec(Protocol::Ah),
        "ipcomp" => SaKind::Ipsec(Protocol::IpComp),
        "tcp" => SaKind::TcpMd5,
        _ => SaKind::Ipsec(Protocol::Esp),
    }
}

impl Resolver<'_> {
    /// The SAs that a name stands for: one for each pair of addresses of its hosts that are of one family.
    pub(in crate::conf::setkey) fn names(&mut self, name: &SaName) -> Vec<SaNames> {
        let sources = self.addresses(&name.src.value.host, &name.family, &name.src.span);
        let destinations = self.addresses(&name.dst.value.host, &name.family, &name.dst.span);
        let kind = kind_of(name.protocol.value);
        let spi = name.spi.as_ref().map(|spi| spi.value);
        let pairs = sources.iter().flat_map(|src| destinations.iter().map(move |dst| (*src, *dst)));
        let of_one_family = pairs.filter(|(src, dst)| src.is_ipv4() == dst.is_ipv4());
        let names: Vec<_> = of_one_family.map(|(src, dst)| SaNames { kind, src, dst, spi }).collect();
        if names.is_empty() && !sources.is_empty() && !destinations.is_empty() {
            self.error(&name.dst.span, "source and destination are of different families");
        }
        if name.src.value.prefix.or(name.dst.value.prefix).is_some() {
            self.error(&name.src.span, "an SA is between two hosts, not networks");
        }
        names
    }

    /// The SAs that `add` asks for: one for each pair of addresses.
    pub(in crate::conf::setkey) fn manual_sa(&mut self, written: &Written, span: &Span) -> Vec<ManualSa> {
        let names = self.names(&written.name);
        self.check_algorithms(written, span);
        let model = self.model(written);
        let with_name = |names: SaNames| ManualSa {
            src: names.src,
            dst: names.dst,
            direction: self.direction(&names),
            ..model.clone()
        };
        names.into_iter().map(with_name).collect()
    }

    /// Which way the packets of an SA go, by our own addresses.
    fn direction(&mut self, names: &SaNames) -> Direction {
        let env = self.env;
        let own = self.own.get_or_insert_with(|| env.own_addresses());
        if own.contains(&names.dst) && !own.contains(&names.src) { Direction::In } else { Direction::Out }
    }

    /// Whether the protocol has what it needs, and nothing else.
    fn check_algorithms(&mut self, written: &Written, span: &Span) {
        let protocol = written.name.protocol.value;
        let needs = |what: &str| format!("an SA of {protocol} needs {what}");
        let has =
            (written.encryption.is_some(), written.authentication.is_some(), written.compression.is_some());
        let is_tcp_md5 = written.authentication.as_ref().is_some_and(|a| a.algorithm.value == "tcp-md5");
        match (kind_of(protocol), has) {
            (SaKind::Ipsec(Protocol::Esp), (false, _, _)) => {
                self.error(span, needs("`-E`; without encryption that is `-E null`"));
            }
            (SaKind::Ipsec(Protocol::Ah), (true, _, _) | (_, false, _)) => {
                self.error(span, needs("`-A` alone"));
            }
            (SaKind::Ipsec(Protocol::IpComp), (_, _, false)) => self.error(span, needs("`-C`")),
            (SaKind::TcpMd5, (encrypts, ..)) if encrypts || !is_tcp_md5 => {
                self.error(span, needs("`-A tcp-md5` alone"));
            }
            (SaKind::Ipsec(_), _) if is_tcp_md5 => self.error(span, "`-A tcp-md5` is for SAs of tcp"),
            _ => {}
        }
        let place = &written.name;
        let has_port = [&place.src, &place.dst].into_iter().find(|place| place.value.port != 0);
        if let Some(place) = has_port.filter(|_| protocol != "esp-udp") {
            let span = place.span.clone();
            self.warn(&span, "the port means nothing here: of SAs only those of esp-udp have any");
        }
    }

    /// Everything but the addresses.
    fn model(&mut self, written: &Written) -> ManualSa {
        let Written { name, .. } = written;
        let mut flags = SaFlags(SaFlags::CYCLIC);
        if matches!(name.protocol.value, "esp-old" | "ah-old") {
            flags.0 |= SaFlags::OLD;
        }
        let cipher = written.encryption.as_ref().map(|keyed| {
            flags.0 |= match keyed.algorithm.value {
                "des-deriv" => SaFlags::DERIVED_IV,
                "des-32iv" => SaFlags::IV_32,
                _ => 0,
            };
            (cipher_name(keyed.algorithm.value), keyed.key.clone())
        });
        let auth = written
            .authentication
            .as_ref()
            .map(|keyed| (auth_name(keyed.algorithm.value), keyed.key.clone()));
        let compression = written.compression.map(|(name, is_raw)| {
            flags.0 |= if is_raw { SaFlags::RAW_CPI } else { 0 };
            match name {
                "oui" => Compression::Oui,
                "lzs" => Compression::Lzs,
                _ => Compression::Deflate,
            }
        });
        let unspecified = std::net::Ipv4Addr::UNSPECIFIED.into();
        let mut sa = ManualSa {
            kind: kind_of(name.protocol.value),
            src: unspecified,
            dst: unspecified,
            spi: name.spi.as_ref().map_or(0, |spi| spi.value),
            direction: Direction::Out,
            mode: None,
            reqid: 0,
            replay: 0,
            flags,
            cipher,
            auth,
            compression,
            soft: Lifetime::default(),
            hard: Lifetime::default(),
            udp: (name.protocol.value == "esp-udp").then(|| esp_udp(name)),
        };
        for option in &written.options {
            self.apply(&mut sa, &option.value, &option.span);
        }
        sa
    }

    fn apply(&mut self, sa: &mut ManualSa, option: &SaOption, span: &Span) {
        let time = |seconds: u64| Some(Duration::from_secs(seconds)).filter(|time| !time.is_zero());
        match option {
            SaOption::Mode(mode) => sa.mode = *mode,
            SaOption::Replay(width) => sa.replay = *width,
            SaOption::RequestId(id) => sa.reqid = *id,
            SaOption::Padding(Padding::Zero) => sa.flags.0 |= SaFlags::ZERO_PADDING,
            SaOption::Padding(Padding::Random) => sa.flags.0 |= SaFlags::RANDOM_PADDING,
            SaOption::Padding(Padding::Sequential) => {}
            SaOption::NoCyclicSequence => sa.flags.0 &= !SaFlags::CYCLIC,
            SaOption::HardTime(seconds) => sa.hard.time = time(*seconds),
            SaOption::SoftTime(seconds) => sa.soft.time = time(*seconds),
            SaOption::HardOctets(octets) => sa.hard.octets = NonZeroU64::new(*octets),
            SaOption::SoftOctets(octets) => sa.soft.octets = NonZeroU64::new(*octets),
            SaOption::Context(_) => self.error(span, "security contexts (`-ctx`) are not implemented yet"),
            SaOption::Hardware(_) => {
                self.error(span, "the choice of hardware (`-hwif`) is not implemented yet")
            }
            SaOption::ExtendedSequence => sa.flags.0 |= SaFlags::EXTENDED_SEQUENCE,
            SaOption::NatMtu(octets) => match &mut sa.udp {
                Some(udp) => udp.fragment = Some(*octets),
                None => self.error(span, "`-natt_mtu` is for ESP in UDP: `-natt` stands in front of it"),
            },
            SaOption::Nat(ends) => {
                let mut address = |place: &Place| self.address(&place.host, "", span);
                let original = (address(&ends.0), address(&ends.1));
                let ports = (udp_port(ends.0.port), udp_port(ends.1.port));
                sa.udp = Some(ManualUdp { ports, original, fragment: None });
            }
        }
    }
}

fn esp_udp(name: &SaName) -> ManualUdp {
    let ports = (udp_port(name.src.value.port), udp_port(name.dst.value.port));
    ManualUdp { ports, original: (name.original, None), fragment: None }
}

const fn udp_port(written: u16) -> u16 {
    if written == 0 { NAT_T_PORT } else { written }
}

fn cipher_name(name: &str) -> CipherName {
    match name {
        "des-cbc" | "des-deriv" | "des-32iv" => CipherName::Known(CipherAlgorithm::Des),
        "3des-cbc" => CipherName::Known(CipherAlgorithm::TripleDes),
        "blowfish-cbc" => CipherName::Known(CipherAlgorithm::Blowfish),
        "cast128-cbc" => CipherName::Known(CipherAlgorithm::Cast128),
        "aes-cbc" | "rijndael-cbc" => CipherName::Known(CipherAlgorithm::Aes),
        "aes-ctr" => CipherName::Known(CipherAlgorithm::AesCtr),
        "aes-gcm-16" => CipherName::Known(CipherAlgorithm::AesGcm16),
        "camellia-cbc" => CipherName::Known(CipherAlgorithm::Camellia),
        "twofish-cbc" => CipherName::Twofish,
        "rc5-cbc" => CipherName::Rc5,
        "chacha20-poly1305" => CipherName::ChaCha20Poly1305,
        // `simple` is an older word for it.
        _ => CipherName::Known(CipherAlgorithm::Null),
    }
}

fn auth_name(name: &str) -> AuthName {
    match name {
        "hmac-md5" => AuthName::Hmac(HashAlgorithm::Md5),
        "hmac-sha1" => AuthName::Hmac(HashAlgorithm::Sha1),
        "hmac-sha256" | "hmac-sha2-256" => AuthName::Hmac(HashAlgorithm::Sha2_256),
        "hmac-sha384" | "hmac-sha2-384" => AuthName::Hmac(HashAlgorithm::Sha2_384),
        "hmac-sha512" | "hmac-sha2-512" => AuthName::Hmac(HashAlgorithm::Sha2_512),
        "hmac-ripemd160" => AuthName::Ripemd160,
        "aes-xcbc-mac" => AuthName::AesXcbc,
        "keyed-md5" => AuthName::KeyedMd5,
        "keyed-sha1" => AuthName::KeyedSha1,
        "tcp-md5" => AuthName::TcpMd5,
        "chacha20-poly1305" => AuthName::ChaCha20Poly1305,
        _ => AuthName::Null,
    }
}
