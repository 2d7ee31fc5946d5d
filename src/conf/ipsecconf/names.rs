//! Protocol and service names, so that a file means the same on a host without /etc/protocols and /etc/services.

/// The protocols that rules are written for.
const PROTOCOLS: &[(&str, u8)] = &[
    ("icmp", 1),
    ("igmp", 2),
    ("ipencap", 4),
    ("ipip", 4),
    ("tcp", 6),
    ("udp", 17),
    ("ipv6", 41),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("mobile", 55),
    ("ipv6-icmp", 58),
    ("icmp6", 58),
    ("ospf", 89),
    ("etherip", 97),
    ("pim", 103),
    ("ipcomp", 108),
    ("carp", 112),
    ("vrrp", 112),
    ("l2tp", 115),
    ("sctp", 132),
    ("udplite", 136),
    ("pfsync", 240),
];

/// The services that rules are written for.
const SERVICES: &[(&str, u16)] = &[
    ("ftp", 21),
    ("ssh", 22),
    ("telnet", 23),
    ("smtp", 25),
    ("domain", 53),
    ("tftp", 69),
    ("www", 80),
    ("http", 80),
    ("pop3", 110),
    ("sunrpc", 111),
    ("ntp", 123),
    ("imap", 143),
    ("snmp", 161),
    ("snmptrap", 162),
    ("bgp", 179),
    ("ldap", 389),
    ("https", 443),
    ("isakmp", 500),
    ("syslog", 514),
    ("ldaps", 636),
    ("iscsi-target", 3260),
    ("l2tp", 1701),
    ("radius", 1812),
    ("nfsd", 2049),
    ("mysql", 3306),
    ("rdp", 3389),
    ("ipsec-nat-t", 4500),
    ("ipsec-msft", 4500),
    ("vxlan", 4789),
    ("postgresql", 5432),
];

/// The number of a protocol written as a number or by name.
pub(super) fn protocol(word: &str) -> Option<u8> {
    word.parse().ok().or_else(|| PROTOCOLS.iter().find(|(name, _)| *name == word).map(|(_, number)| *number))
}

/// The number of a port written as a number or by its service.
pub(super) fn port(word: &str) -> Option<u16> {
    word.parse().ok().or_else(|| SERVICES.iter().find(|(name, _)| *name == word).map(|(_, number)| *number))
}

/// Every protocol name, for a help line.
pub(super) fn protocol_names() -> impl Iterator<Item = &'static str> {
    PROTOCOLS.iter().map(|(name, _)| *name)
}

/// Every service name, for a help line.
pub(super) fn service_names() -> impl Iterator<Item = &'static str> {
    SERVICES.iter().map(|(name, _)| *name)
}
