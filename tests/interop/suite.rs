//! What is negotiated, in the words of each dialect. charon's words name it; racoon.conf and ipsec.conf translate.

/// The algorithms of one tunnel, in charon's words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Suite {
    /// Phase 1 cipher, hash, group.
    pub(crate) phase1: [&'static str; 3],
    /// Phase 2 cipher, authenticator (empty with an authenticated cipher) and group of PFS (empty without).
    pub(crate) phase2: [&'static str; 3],
}

/// The suites that have to work with PSK and RSA, with PFS and without.
pub(crate) const REQUIRED: [[&str; 3]; 7] = [
    ["blowfish128", "sha1", "modp1024"],
    ["3des", "md5", "modp1536"],
    ["aes128", "sha1", "modp1024"],
    ["aes256", "sha256", "modp2048"],
    ["aes256", "sha512", "modp4096"],
    ["camellia256", "sha256", "modp2048"],
    ["aes128", "sha256", "ecp256"],
];

const CBC: [&str; 12] = [
    "aes128",
    "aes192",
    "aes256",
    "3des",
    "des",
    "blowfish128",
    "blowfish192",
    "blowfish256",
    "cast128",
    "camellia128",
    "camellia192",
    "camellia256",
];
const ESP_ONLY: [&str; 7] =
    ["aes128ctr", "aes192ctr", "aes256ctr", "aes128gcm16", "aes192gcm16", "aes256gcm16", "null"];
const HASHES: [&str; 5] = ["md5", "sha1", "sha256", "sha384", "sha512"];
const GROUPS: [&str; 14] = [
    "modp768",
    "modp1024",
    "modp1536",
    "modp2048",
    "modp3072",
    "modp4096",
    "modp6144",
    "modp8192",
    "ecp256",
    "ecp384",
    "ecp521",
    "modp1024s160",
    "modp2048s224",
    "modp2048s256",
];

/// Every single choice of an algorithm, in a suite whose other parts are plain: what it is and the suite.
pub(crate) fn choices() -> Vec<(String, Suite)> {
    let plain = Suite { phase1: ["aes128", "sha1", "modp1024"], phase2: ["aes128", "sha1", ""] };
    let mut all = Vec::new();
    let mut add = |what: &str, word: &str, suite| all.push((format!("{what} {word}"), suite));
    for cipher in CBC {
        add("phase 1 cipher", cipher, Suite { phase1: [cipher, "sha1", "modp1024"], ..plain });
    }
    for hash in HASHES {
        add("phase 1 hash", hash, Suite { phase1: ["aes128", hash, "modp1024"], ..plain });
    }
    for group in GROUPS {
        add("phase 1 group", group, Suite { phase1: ["aes128", "sha1", group], ..plain });
    }
    for cipher in CBC.into_iter().chain(ESP_ONLY) {
        let auth = if cipher.contains("gcm") { "" } else { "sha1" };
        add("phase 2 cipher", cipher, Suite { phase2: [cipher, auth, ""], ..plain });
    }
    for auth in HASHES {
        add("phase 2 authenticator", auth, Suite { phase2: ["aes128", auth, ""], ..plain });
    }
    for group in GROUPS {
        add("phase 2 group", group, Suite { phase2: ["aes128", "sha1", group], ..plain });
    }
    all
}

impl Suite {
    /// charon's `proposals` and `esp_proposals`.
    pub(crate) fn charon(&self) -> (String, String) {
        let join =
            |words: [&str; 3]| words.into_iter().filter(|w| !w.is_empty()).collect::<Vec<_>>().join("-");
        (join(self.phase1), join(self.phase2))
    }

    /// Both as a person writes them: `aes128/sha1/modp1024, esp aes128/sha1, pfs modp1024`.
    pub(crate) fn text(&self) -> String {
        let [cipher, auth, group] = self.phase2;
        let auth = if auth.is_empty() { String::new() } else { format!("/{auth}") };
        let pfs = if group.is_empty() { String::from("no pfs") } else { format!("pfs {group}") };
        format!("{}, esp {cipher}{auth}, {pfs}", self.phase1.join("/"))
    }

    /// The `proposal` block and the statements of `sainfo` in racoon.conf.
    pub(crate) fn racoon(&self, method: &str) -> (String, String) {
        let [cipher, hash, group] = self.phase1;
        let proposal = format!(
            "proposal {{ encryption_algorithm {}; hash_algorithm {hash}; authentication_method {method}; \
             dh_group {group}; }}",
            racoon_cipher(cipher)
        );
        let [cipher, auth, group] = self.phase2;
        let pfs = if group.is_empty() { String::new() } else { format!("pfs_group {group}; ") };
        let auth = if auth.is_empty() { String::from("non_auth") } else { format!("hmac_{auth}") };
        let sainfo = format!(
            "{pfs}encryption_algorithm {}; authentication_algorithm {auth}; compression_algorithm deflate;",
            racoon_cipher(cipher)
        );
        (proposal, sainfo)
    }

    /// `main … quick …` in ipsec.conf, or `None` where that dialect has no word for a part.
    pub(crate) fn ipsec_conf(&self) -> Option<String> {
        let [cipher, hash, group] = self.phase1;
        let main =
            format!("main auth {} enc {} group {}", bsd_auth(hash), bsd_cipher(cipher)?, bsd_group(group)?);
        let [cipher, auth, group] = self.phase2;
        let auth = if auth.is_empty() { String::new() } else { format!("auth {} ", bsd_auth(auth)) };
        let group = if group.is_empty() { "none" } else { bsd_group(group)? };
        Some(format!("{main} quick {auth}enc {} group {group}", bsd_cipher(cipher)?))
    }
}

/// `aes256gcm16` to `aes_gcm_16 256`: the name, then the key length where the name does not fix it.
fn racoon_cipher(word: &str) -> String {
    match word {
        "null" => "null_enc".into(),
        "des" | "3des" | "cast128" => word.into(),
        _ => {
            let name = word.trim_end_matches("gcm16").trim_end_matches("ctr");
            let suffix = if word.ends_with("gcm16") {
                "_gcm_16"
            } else if word.ends_with("ctr") {
                "_ctr"
            } else {
                ""
            };
            let (name, bits) = name.split_at(name.find(|c: char| c.is_ascii_digit()).unwrap_or(name.len()));
            format!("{name}{suffix} {bits}")
        }
    }
}

fn bsd_cipher(word: &str) -> Option<&'static str> {
    Some(match word {
        "aes128" => "aes-128",
        "aes192" => "aes-192",
        "aes256" => "aes-256",
        "3des" => "3des",
        "blowfish128" => "blowfish",
        "cast128" => "cast128",
        "null" => "null",
        "aes128ctr" => "aes-128-ctr",
        "aes192ctr" => "aes-192-ctr",
        "aes256ctr" => "aes-256-ctr",
        "aes128gcm16" => "aes-128-gcm",
        "aes192gcm16" => "aes-192-gcm",
        "aes256gcm16" => "aes-256-gcm",
        _ => return None,
    })
}

fn bsd_auth(word: &str) -> &'static str {
    match word {
        "md5" => "hmac-md5",
        "sha1" => "hmac-sha1",
        "sha256" => "hmac-sha2-256",
        "sha384" => "hmac-sha2-384",
        _ => "hmac-sha2-512",
    }
}

fn bsd_group(word: &'static str) -> Option<&'static str> {
    (!word.contains("s160") && !word.contains("s224") && !word.contains("s256")).then_some(word)
}
