//! The statements of racoon.conf as tables: which block knows which statement, and what follows its keyword.

/// What follows a keyword.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shape {
    /// One of these words.
    Word(&'static [&'static str]),
    /// One or more of these words.
    Words(&'static [&'static str]),
    /// One of these words, or nothing.
    OptWord(&'static [&'static str]),
    /// A number.
    Number,
    /// A number, or nothing.
    OptNumber,
    /// A number or a quoted string.
    NumberOrText,
    /// A quoted string.
    Text,
    /// A quoted string, or nothing.
    OptText,
    /// Quoted strings with commas between.
    Texts,
    /// An address.
    Address,
    /// Addresses with commas between.
    Addresses,
    /// A port in brackets, or nothing.
    OptPort,
    /// `address/length` with commas between.
    Networks,
    /// A number and a unit of time.
    Time,
    /// `time` and a time span.
    Lifetime,
    /// One algorithm of this class, with its key length where it has one.
    Algorithm(Class),
    /// Algorithms of this class with commas between.
    Algorithms(Class),
    /// A type of identifier and its value.
    Identifier,
    /// A statement of old releases or of other programs; refused with this advice.
    Refused(&'static str),
}

/// What an algorithm is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Class {
    Phase1Cipher,
    Phase1Hash,
    AuthMethod,
    Group,
    Phase2Cipher,
    Phase2Auth,
    Compression,
}

/// A statement: its keyword and what follows.
pub(super) type Rule = (&'static str, &'static [Shape]);

/// Where we are in the file: which keywords the lexer knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    Top,
    RemoteHead,
    Remote,
    Proposal,
    Sainfo,
    Block(&'static str),
}

const SWITCH: &[Shape] = &[Shape::Word(&["on", "off"])];
const FORCE: &[Shape] = &[Shape::Word(&["on", "off", "force"])];
const NUMBER: &[Shape] = &[Shape::Number];
const TIME: &[Shape] = &[Shape::Time];
const TEXT: &[Shape] = &[Shape::Text];
const LIFETIME: Rule = ("lifetime", &[Shape::Lifetime]);

/// Statements of the top level.
pub(super) const TOP: &[Rule] = &[
    (
        "path",
        &[
            Shape::Word(&["include", "pre_shared_key", "certificate", "script", "backupsa", "pidfile"]),
            Shape::Text,
        ],
    ),
    ("include", TEXT),
    ("log", &[Shape::Word(&["error", "warning", "notify", "info", "debug", "debug2"])]),
    ("pfkey_buffer", NUMBER),
    ("gss_id_enc", &[Shape::Word(&["utf-16le", "latin1"])]),
    ("complex_bundle", SWITCH),
    ("extcfg", &[Shape::Refused("it belongs to pfSense's patched racoon")]),
];

/// Keywords of the top level that open blocks.
pub(super) const BLOCKS: &[&str] =
    &["timer", "listen", "padding", "privsep", "mode_cfg", "radiuscfg", "ldapcfg"];

const TIMER: &[Rule] = &[
    ("counter", NUMBER),
    ("interval", TIME),
    ("persend", NUMBER),
    ("phase1", TIME),
    ("phase2", TIME),
    ("natt_keepalive", TIME),
    ("auto_exit_delay", &[Shape::Refused("it belongs to Apple's racoon")]),
];

const LISTEN: &[Rule] = &[
    ("isakmp", &[Shape::Address, Shape::OptPort]),
    ("isakmp_natt", &[Shape::Address, Shape::OptPort]),
    ("strict_address", &[]),
    (
        "adminsock",
        &[Shape::OptWord(&["disabled"]), Shape::OptText, Shape::OptText, Shape::OptText, Shape::OptNumber],
    ),
    ("admin", &[Shape::Refused("use `adminsock`")]),
];

const PADDING: &[Rule] = &[
    ("randomize", SWITCH),
    ("randomize_length", SWITCH),
    ("maximum_length", NUMBER),
    ("exclusive_tail", SWITCH),
    ("strict_check", SWITCH),
];

const PRIVSEP: &[Rule] =
    &[("user", &[Shape::NumberOrText]), ("group", &[Shape::NumberOrText]), ("chroot", TEXT)];

const MODE_CFG: &[Rule] = &[
    ("auth_source", &[Shape::Word(&["system", "radius", "pam", "ldap"])]),
    ("auth_groups", &[Shape::Texts]),
    ("group_source", &[Shape::Word(&["system", "ldap"])]),
    ("conf_source", &[Shape::Word(&["local", "radius", "ldap"])]),
    ("accounting", &[Shape::Word(&["none", "system", "radius", "pam"])]),
    ("pool_size", NUMBER),
    ("network4", &[Shape::Address]),
    ("netmask4", &[Shape::Address]),
    ("dns4", &[Shape::Addresses]),
    ("wins4", &[Shape::Addresses]),
    ("nbns4", &[Shape::Addresses]),
    ("default_domain", TEXT),
    ("split_network", &[Shape::Word(&["include", "local_lan"]), Shape::Networks]),
    ("split_dns", &[Shape::Texts]),
    ("banner", TEXT),
    ("auth_throttle", NUMBER),
    ("pfs_group", &[Shape::Algorithm(Class::Group)]),
    ("save_passwd", SWITCH),
];

const RADIUSCFG: &[Rule] = &[
    ("auth", &[Shape::Text, Shape::OptNumber, Shape::Text]),
    ("acct", &[Shape::Text, Shape::OptNumber, Shape::Text]),
    ("timeout", NUMBER),
    ("retries", NUMBER),
];

const LDAPCFG: &[Rule] = &[
    ("version", NUMBER),
    ("uri", TEXT),
    ("host", TEXT),
    ("port", NUMBER),
    ("tls", SWITCH),
    ("base", TEXT),
    ("subtree", SWITCH),
    ("bind_dn", TEXT),
    ("bind_pw", TEXT),
    ("timeout", NUMBER),
    ("debug", NUMBER),
    ("attr_user", TEXT),
    ("attr_addr", TEXT),
    ("attr_mask", TEXT),
    ("attr_group", TEXT),
    ("attr_member", TEXT),
];

/// Statements of `remote`.
pub(super) const REMOTE: &[Rule] = &[
    ("remote_address", &[Shape::Address, Shape::OptPort]),
    ("exchange_mode", &[Shape::Words(&["main", "aggressive", "base"])]),
    ("doi", &[Shape::Word(&["ipsec_doi"])]),
    ("situation", &[Shape::Word(&["identity_only", "secrecy", "integrity"])]),
    ("my_identifier", &[Shape::Identifier]),
    ("peers_identifier", &[Shape::Identifier]),
    ("verify_identifier", SWITCH),
    ("xauth_login", &[Shape::OptText]),
    ("certificate_type", &[Shape::Word(&["x509", "plain_rsa"]), Shape::Text, Shape::OptText]),
    ("ca_type", &[Shape::Word(&["x509"]), Shape::Text]),
    ("peers_certfile", &[Shape::OptWord(&["x509", "plain_rsa", "dnssec"]), Shape::OptText]),
    ("send_cert", SWITCH),
    ("send_cr", SWITCH),
    ("match_empty_cr", SWITCH),
    ("verify_cert", SWITCH),
    ("mode_cfg", SWITCH),
    ("weak_phase1_check", SWITCH),
    ("nonce_size", NUMBER),
    ("generate_policy", &[Shape::Word(&["off", "on", "require", "unique"])]),
    ("support_proxy", SWITCH),
    ("initial_contact", SWITCH),
    ("passive", SWITCH),
    ("proposal_check", &[Shape::Word(&["obey", "strict", "claim", "exact"])]),
    ("nat_traversal", FORCE),
    ("ike_frag", FORCE),
    ("esp_frag", NUMBER),
    ("dpd", SWITCH),
    ("dpd_delay", NUMBER),
    ("dpd_retry", NUMBER),
    ("dpd_maxfail", NUMBER),
    ("rekey", FORCE),
    ("ph1id", NUMBER),
    LIFETIME,
    ("script", &[Shape::Text, Shape::Word(&["phase1_up", "phase1_down", "phase1_dead"])]),
    ("dh_group", &[Shape::Refused("it belongs into `proposal { }`")]),
    ("keepalive", &[Shape::Refused("use `nat_traversal on` and `timer { natt_keepalive 20 sec; }`")]),
    ("support_mip6", &[Shape::Refused("racoon itself dropped it in 0.8; use `support_proxy`")]),
];

/// Statements of `proposal`.
pub(super) const PROPOSAL: &[Rule] = &[
    ("encryption_algorithm", &[Shape::Algorithm(Class::Phase1Cipher)]),
    ("hash_algorithm", &[Shape::Algorithm(Class::Phase1Hash)]),
    ("authentication_method", &[Shape::Algorithm(Class::AuthMethod)]),
    ("dh_group", &[Shape::Algorithm(Class::Group)]),
    LIFETIME,
    ("gss_id", TEXT),
    ("gssapi_id", TEXT),
];

/// Statements of `sainfo`.
pub(super) const SAINFO: &[Rule] = &[
    ("pfs_group", &[Shape::Algorithm(Class::Group)]),
    LIFETIME,
    ("encryption_algorithm", &[Shape::Algorithms(Class::Phase2Cipher)]),
    ("authentication_algorithm", &[Shape::Algorithms(Class::Phase2Auth)]),
    ("compression_algorithm", &[Shape::Algorithms(Class::Compression)]),
    ("remoteid", NUMBER),
    (
        "my_identifier",
        &[Shape::Refused("racoon has no grammar for it; the ids stand in the head of the sainfo")],
    ),
];

/// Types of identifiers.
pub(super) const ID_TYPES: &[&str] = &["address", "subnet", "user_fqdn", "fqdn", "keyid", "asn1dn"];

/// Units of time.
pub(super) const TIME_UNITS: &[&str] =
    &["sec", "secs", "second", "seconds", "min", "mins", "minute", "minutes", "hour", "hours"];

/// Units of volume, which the grammar knows only to refuse them.
pub(super) const BYTE_UNITS: &[&str] = &["B", "byte", "bytes", "KB", "MB", "TB"];

/// Upper-layer protocols by name, and their numbers.
pub(super) const PROTOCOLS: &[(&str, u8)] = &[
    ("any", 0),
    ("icmp", 1),
    ("tcp", 6),
    ("udp", 17),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("icmp6", 58),
    ("ipcomp", 108),
];

/// The names of a class, written one way.
const fn names(class: Class) -> &'static [(&'static str, &'static str)] {
    match class {
        Class::Phase1Cipher => &[
            ("des", "des"),
            ("3des", "3des"),
            ("blowfish", "blowfish"),
            ("cast128", "cast128"),
            ("aes", "aes"),
            ("rijndael", "aes"),
            ("camellia", "camellia"),
            ("idea", "idea"),
            ("rc5", "rc5"),
        ],
        Class::Phase1Hash => &[
            ("md5", "md5"),
            ("sha1", "sha1"),
            ("sha256", "sha256"),
            ("sha2_256", "sha256"),
            ("sha384", "sha384"),
            ("sha2_384", "sha384"),
            ("sha512", "sha512"),
            ("sha2_512", "sha512"),
            ("tiger", "tiger"),
        ],
        Class::AuthMethod => AUTH_METHODS,
        Class::Group => GROUPS,
        Class::Phase2Cipher => PHASE2_CIPHERS,
        Class::Phase2Auth => PHASE2_AUTH,
        Class::Compression => &[("deflate", "deflate"), ("oui", "oui"), ("lzs", "lzs")],
    }
}

const AUTH_METHODS: &[(&str, &str)] = &[
    ("pre_shared_key", "pre_shared_key"),
    ("rsasig", "rsasig"),
    ("dsssig", "dsssig"),
    ("rsaenc", "rsaenc"),
    ("rsarev", "rsarev"),
    ("gssapi_krb", "gssapi_krb"),
    ("hybrid_rsa_server", "hybrid_rsa_server"),
    ("hybrid_rsa_client", "hybrid_rsa_client"),
    ("hybrid_dss_server", "hybrid_dss_server"),
    ("hybrid_dss_client", "hybrid_dss_client"),
    ("xauth_psk_server", "xauth_psk_server"),
    ("xauth_psk_client", "xauth_psk_client"),
    ("xauth_rsa_server", "xauth_rsa_server"),
    ("xauth_rsa_client", "xauth_rsa_client"),
];

const GROUPS: &[(&str, &str)] = &[
    ("modp768", "modp768"),
    ("modp1024", "modp1024"),
    ("modp1536", "modp1536"),
    ("modp2048", "modp2048"),
    ("modp3072", "modp3072"),
    ("modp4096", "modp4096"),
    ("modp6144", "modp6144"),
    ("modp8192", "modp8192"),
    // Not racoon's: it has no words for groups 19 to 24.
    ("ecp256", "ecp256"),
    ("ecp384", "ecp384"),
    ("ecp521", "ecp521"),
    ("modp1024s160", "modp1024s160"),
    ("modp2048s224", "modp2048s224"),
    ("modp2048s256", "modp2048s256"),
    ("ec2n155", "ec2n155"),
    ("ec2n185", "ec2n185"),
];

const PHASE2_CIPHERS: &[(&str, &str)] = &[
    ("des", "des"),
    ("3des", "3des"),
    ("des_iv64", "des_iv64"),
    ("des_iv32", "des_iv32"),
    ("rc5", "rc5"),
    ("rc4", "rc4"),
    ("idea", "idea"),
    ("3idea", "3idea"),
    ("cast128", "cast128"),
    ("blowfish", "blowfish"),
    ("null_enc", "null_enc"),
    ("null", "null_enc"),
    ("twofish", "twofish"),
    ("aes", "aes"),
    ("rijndael", "aes"),
    ("camellia", "camellia"),
    ("aes_gcm_16", "aes_gcm_16"),
    // Not racoon's.
    ("aes_ctr", "aes_ctr"),
];

const PHASE2_AUTH: &[(&str, &str)] = &[
    ("hmac_md5", "hmac_md5"),
    ("hmac_sha1", "hmac_sha1"),
    ("hmac_sha256", "hmac_sha256"),
    ("hmac_sha2_256", "hmac_sha256"),
    ("hmac_sha384", "hmac_sha384"),
    ("hmac_sha2_384", "hmac_sha384"),
    ("hmac_sha512", "hmac_sha512"),
    ("hmac_sha2_512", "hmac_sha512"),
    ("non_auth", "non_auth"),
    ("des_mac", "des_mac"),
    ("kpdk", "kpdk"),
];

const CLASSES: &[Class] = &[
    Class::Phase1Cipher,
    Class::Phase1Hash,
    Class::AuthMethod,
    Class::Group,
    Class::Phase2Cipher,
    Class::Phase2Auth,
    Class::Compression,
];

impl Class {
    /// The one spelling of a name of this class.
    pub(super) fn canonical(self, word: &str) -> Option<&'static str> {
        names(self).iter().find(|(name, _)| *name == word).map(|(_, canonical)| *canonical)
    }

    /// Every name, for advice.
    pub(super) fn words(self) -> Vec<&'static str> {
        names(self).iter().map(|(name, _)| *name).collect()
    }
}

/// The statements that a block knows.
pub(super) fn rules(state: State) -> &'static [Rule] {
    match state {
        State::Top => TOP,
        State::RemoteHead => &[],
        State::Remote => REMOTE,
        State::Proposal => PROPOSAL,
        State::Sainfo => SAINFO,
        State::Block("timer") => TIMER,
        State::Block("listen") => LISTEN,
        State::Block("padding") => PADDING,
        State::Block("privsep") => PRIVSEP,
        State::Block("mode_cfg") => MODE_CFG,
        State::Block("radiuscfg") => RADIUSCFG,
        State::Block("ldapcfg") => LDAPCFG,
        State::Block(_) => &[],
    }
}

/// Keywords of a state beside those of its rules.
fn extra(state: State) -> &'static [&'static str] {
    match state {
        State::Top => &["remote", "sainfo"],
        State::RemoteHead => &["anonymous", "inherit"],
        State::Remote => &["proposal", "time", "byte", "tag", "file"],
        State::Proposal => &["time", "byte"],
        State::Sainfo => &["anonymous", "clientaddr", "from", "group", "time", "byte"],
        State::Block(_) => &[],
    }
}

/// The longest keyword of the state with which `rest` begins. Nothing asks whether the word ends there: racoon's own
/// lexer does not either.
pub(super) fn keyword(state: State, rest: &str) -> Option<&'static str> {
    if !rest.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    let mut best: Option<&'static str> = None;
    each_keyword(state, |word| {
        if rest.starts_with(word) && best.is_none_or(|b| b.len() < word.len()) {
            best = Some(word);
        }
    });
    best
}

fn each_keyword(state: State, mut visit: impl FnMut(&'static str)) {
    for (name, shapes) in rules(state) {
        visit(name);
        for shape in *shapes {
            if let Shape::Word(words) | Shape::Words(words) | Shape::OptWord(words) = shape {
                words.iter().copied().for_each(&mut visit);
            }
        }
    }
    extra(state).iter().copied().for_each(&mut visit);
    if state == State::Top {
        BLOCKS.iter().copied().for_each(&mut visit);
    }
    if state == State::Sainfo {
        PROTOCOLS.iter().for_each(|(name, _)| visit(name));
    }
    let anywhere = [ID_TYPES, TIME_UNITS, BYTE_UNITS, &["on", "off", "yes", "no"]];
    anywhere.into_iter().flatten().copied().for_each(&mut visit);
    CLASSES.iter().flat_map(|c| names(*c)).for_each(|(name, _)| visit(name));
}

/// The statements and blocks that can stand in a state, for advice.
pub(super) fn statements(state: State) -> Vec<&'static str> {
    let mut all: Vec<_> = rules(state)
        .iter()
        .filter(|(_, shapes)| !matches!(shapes, [Shape::Refused(_)]))
        .map(|(name, _)| *name)
        .collect();
    match state {
        State::Top => all.extend(BLOCKS.iter().chain(extra(state))),
        State::Remote => all.push("proposal"),
        _ => {}
    }
    all
}
