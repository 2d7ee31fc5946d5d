//! Proposals that do not fit, attribute by attribute, in racoon's words.

use crate::daemon::log::{Level, Line};
use crate::ike::proposal::{Difference, Mismatch};

/// What racoon 0.5 to 0.7 said aloud, and 0.8 only to its developers:
/// `rejected enctype: DB(prop#1:trns#1):Peer(prop#1:trns#1) = AES-CBC:3DES-CBC`, ours first.
pub(super) fn phase1(found: &Mismatch) -> impl Iterator<Item = Line> + '_ {
    found.differences.iter().filter_map(|difference| {
        let what = match difference.attribute {
            "ENCRYPTION_ALGORITHM" => "enctype",
            "HASH_ALGORITHM" => "hashtype",
            "AUTHENTICATION_METHOD" => "authmethod",
            "GROUP_DESCRIPTION" => "dh_group",
            _ => return None,
        };
        let number = difference.transform + 1;
        let (ours, theirs) = (oakley(&difference.allowed), oakley(&difference.offered));
        let places = format!("DB(prop#1:trns#1):Peer(prop#1:trns#{number})");
        Some(Line::new(Level::Debug, format!("rejected {what}: {places} = {ours}:{theirs}")))
    })
}

/// `trns_id mismatched: my:AES peer:3DES` and its like.
pub(super) fn phase2(found: &Mismatch) -> impl Iterator<Item = Line> + '_ {
    found.differences.iter().filter_map(|difference| {
        let Difference { attribute, offered, allowed, .. } = difference;
        let (level, what, mine, peer) = match *attribute {
            "TRANSFORM_ID" => (Level::Warning, "trns_id mismatched", transform(allowed), transform(offered)),
            "AUTHENTICATION_ALGORITHM" => {
                (Level::Warning, "authtype mismatched", authenticator(allowed), authenticator(offered))
            }
            "GROUP_DESCRIPTION" => (Level::Error, "pfs group mismatched", group(allowed), group(offered)),
            "SA_LIFE_DURATION" => {
                (Level::Error, "long lifetime proposed", number(allowed)?, number(offered)?)
            }
            _ => return None,
        };
        Some(Line::new(level, format!("{what}: my:{mine} peer:{peer}")))
    })
}

/// An attribute's value of phase 1; the wire's own names are racoon's already.
fn oakley(word: &str) -> String {
    let name = match word {
        "des" => "DES-CBC",
        "3des" => "3DES-CBC",
        "blowfish" => "Blowfish-CBC",
        "cast128" => "CAST-CBC",
        "aes" => "AES-CBC",
        "camellia" => "CAMELLIA-CBC",
        "md5" => "MD5",
        "sha1" => "SHA",
        "sha2-256" | "SHA2-256" => "SHA256",
        "sha2-384" | "SHA2-384" => "SHA384",
        "sha2-512" | "SHA2-512" => "SHA512",
        "psk" => "pre-shared key",
        "rsasig" => "RSA signatures",
        other => match other.strip_prefix("modp") {
            Some(bits) => return format!("{bits}-bit MODP group"),
            None => other,
        },
    };
    name.to_owned()
}

/// `ESP_AES-CBC` is `AES`.
fn transform(word: &str) -> String {
    let word = ["ESP_", "AH_", "IPCOMP_"].iter().find_map(|p| word.strip_prefix(p)).unwrap_or(word);
    word.strip_suffix("-CBC").unwrap_or(word).to_owned()
}

/// `HMAC-SHA2-256` is `hmac-sha256`.
fn authenticator(word: &str) -> String {
    match word {
        "none" => "0".to_owned(),
        word => word.to_lowercase().replace("sha2-", "sha"),
    }
}

/// A group by its number; 0 is none.
fn group(word: &str) -> String {
    let number = match word {
        "modp768" => "1",
        "modp1024" => "2",
        "modp1536" => "5",
        "modp2048" => "14",
        "modp3072" => "15",
        "modp4096" => "16",
        "modp6144" => "17",
        "modp8192" => "18",
        other => match other.strip_prefix("group ") {
            Some(number) => number,
            None if other.starts_with("no") => "0",
            None => other,
        },
    };
    number.to_owned()
}

/// The number in front.
fn number(text: &str) -> Option<String> {
    let at = text.find(|c: char| c.is_ascii_digit())?;
    let rest = &text[at..];
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    Some(rest[..end].to_owned())
}
