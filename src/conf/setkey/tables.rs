//! The names that setkey knows.

/// Protocols of SAs.
pub(super) const SA_PROTOCOLS: &[&str] = &["esp", "esp-old", "esp-udp", "ah", "ah-old", "ipcomp", "tcp"];

/// Protocols of policy rules.
pub(super) const RULE_PROTOCOLS: &[&str] = &["esp", "ah", "ipcomp"];

/// Compression algorithms.
pub(super) const COMPRESSION: &[&str] = &["deflate", "oui", "lzs"];

/// Options of `add`, without their dash.
pub(super) const OPTIONS: &[&str] =
    &["m", "r", "u", "f", "lh", "ls", "bh", "bs", "ctx", "natt", "natt_mtu", "esn", "hwif"];

/// An algorithm: its name as written, the fewest and the most bits of its keys, and the step between.
pub(super) struct Algorithm {
    pub(super) name: &'static str,
    min: usize,
    max: usize,
    step: usize,
}

impl Algorithm {
    pub(super) fn takes(&self, bits: usize) -> bool {
        bits >= self.min && bits <= self.max && (bits - self.min).is_multiple_of(self.step)
    }

    pub(super) fn lengths(&self) -> String {
        match (self.min, self.max) {
            (min, max) if min == max => format!("{min} bits"),
            (min, max) => format!("{min} to {max} bits in steps of {}", self.step),
        }
    }
}

const fn one(name: &'static str, bits: usize) -> Algorithm {
    Algorithm { name, min: bits, max: bits, step: 8 }
}

const fn many(name: &'static str, min: usize, max: usize, step: usize) -> Algorithm {
    Algorithm { name, min, max, step }
}

/// `-E`.
pub(super) const ENCRYPTION: &[Algorithm] = &[
    one("des-cbc", 64),
    one("3des-cbc", 192),
    many("null", 0, 2048, 8),
    many("simple", 0, 2048, 8),
    many("blowfish-cbc", 40, 448, 8),
    many("cast128-cbc", 40, 128, 8),
    one("des-deriv", 64),
    one("des-32iv", 64),
    many("twofish-cbc", 0, 256, 8),
    many("rijndael-cbc", 128, 256, 64),
    many("aes-cbc", 128, 256, 64),
    many("aes-ctr", 160, 288, 64),
    many("camellia-cbc", 128, 256, 64),
    many("aes-gcm-16", 160, 288, 64),
    one("chacha20-poly1305", 288),
    many("rc5-cbc", 40, 2040, 8),
];

/// `-A`.
pub(super) const AUTHENTICATION: &[Algorithm] = &[
    one("hmac-md5", 128),
    one("hmac-sha1", 160),
    one("keyed-md5", 128),
    one("keyed-sha1", 160),
    many("null", 0, 2048, 8),
    one("hmac-sha256", 256),
    one("hmac-sha2-256", 256),
    one("hmac-sha384", 384),
    one("hmac-sha2-384", 384),
    one("hmac-sha512", 512),
    one("hmac-sha2-512", 512),
    one("hmac-ripemd160", 160),
    one("aes-xcbc-mac", 128),
    many("tcp-md5", 8, 640, 8),
    one("chacha20-poly1305", 288),
];

/// Names of /etc/protocols that stand in such files.
const UPPER: &[(&str, u8)] = &[
    ("any", 0),
    ("icmp", 1),
    ("igmp", 2),
    ("ip4", 4),
    ("ipencap", 4),
    ("ipv4", 4),
    ("tcp", 6),
    ("egp", 8),
    ("udp", 17),
    ("ipv6", 41),
    ("rsvp", 46),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("icmp6", 58),
    ("ipv6-icmp", 58),
    ("ospf", 89),
    ("ipip", 94),
    ("etherip", 97),
    ("pim", 103),
    ("ipcomp", 108),
    ("vrrp", 112),
    ("carp", 112),
    ("l2tp", 115),
    ("sctp", 132),
];

/// Names of /etc/services that stand in such files.
const SERVICES: &[(&str, u16)] = &[
    ("ssh", 22),
    ("telnet", 23),
    ("smtp", 25),
    ("domain", 53),
    ("http", 80),
    ("pop3", 110),
    ("ntp", 123),
    ("bgp", 179),
    ("ldap", 389),
    ("https", 443),
    ("isakmp", 500),
    ("syslog", 514),
    ("l2tp", 1701),
    ("l2f", 1701),
    ("nfs", 2049),
    ("ipsec-nat-t", 4500),
];

/// The number of an upper-layer protocol.
pub(super) fn upper(word: &str) -> Option<u8> {
    word.parse().ok().or_else(|| UPPER.iter().find(|(name, _)| *name == word).map(|(_, number)| *number))
}

/// How an upper-layer protocol is written.
pub(super) fn upper_name(number: u8) -> String {
    UPPER
        .iter()
        .find(|(_, n)| *n == number)
        .map_or_else(|| number.to_string(), |(name, _)| (*name).to_owned())
}

/// The number of a port.
pub(super) fn port(word: &str) -> Option<u16> {
    if word == "any" {
        return Some(0);
    }
    word.parse().ok().or_else(|| SERVICES.iter().find(|(name, _)| *name == word).map(|(_, number)| *number))
}

/// The word out of `words`.
pub(super) fn find(words: &[&'static str], word: &str) -> Option<&'static str> {
    words.iter().find(|w| **w == word).copied()
}
