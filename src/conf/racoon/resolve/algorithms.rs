//! racoon's names of algorithms, and what we say of weak ones.

use super::Resolver;
use crate::conf::racoon::ast::Value;
use crate::conf::span::{Span, Spanned};
use crate::crypto::alg::{CipherAlgorithm, Group, HashAlgorithm};
use crate::ike::policy::{AuthMethod, Edge};

pub(super) fn cipher(name: &str) -> Option<CipherAlgorithm> {
    Some(match name {
        "des" => CipherAlgorithm::Des,
        "3des" => CipherAlgorithm::TripleDes,
        "blowfish" => CipherAlgorithm::Blowfish,
        "cast128" => CipherAlgorithm::Cast128,
        "aes" => CipherAlgorithm::Aes,
        "camellia" => CipherAlgorithm::Camellia,
        "aes_gcm_16" => CipherAlgorithm::AesGcm16,
        "aes_ctr" => CipherAlgorithm::AesCtr,
        "null_enc" => CipherAlgorithm::Null,
        _ => return None,
    })
}

pub(super) fn hash(name: &str) -> Option<HashAlgorithm> {
    Some(match name.trim_start_matches("hmac_") {
        "md5" => HashAlgorithm::Md5,
        "sha1" => HashAlgorithm::Sha1,
        "sha256" => HashAlgorithm::Sha2_256,
        "sha384" => HashAlgorithm::Sha2_384,
        "sha512" => HashAlgorithm::Sha2_512,
        _ => return None,
    })
}

pub(super) fn auth_method(name: &str) -> Option<AuthMethod> {
    Some(match name {
        "pre_shared_key" => AuthMethod::PreSharedKey,
        "rsasig" => AuthMethod::RsaSignature,
        "xauth_psk_client" => AuthMethod::XauthPreSharedKey(Edge::Client),
        "xauth_psk_server" => AuthMethod::XauthPreSharedKey(Edge::Gateway),
        "xauth_rsa_client" => AuthMethod::XauthRsa(Edge::Client),
        "xauth_rsa_server" => AuthMethod::XauthRsa(Edge::Gateway),
        "hybrid_rsa_client" => AuthMethod::HybridRsa(Edge::Client),
        "hybrid_rsa_server" => AuthMethod::HybridRsa(Edge::Gateway),
        _ => return None,
    })
}

pub(super) fn group(name: &str) -> Option<Group> {
    Group::ALL.into_iter().find(|g| g.to_string() == name)
}

impl Resolver<'_> {
    /// What `find` makes of an algorithm. What it does not know is noted, for whoever sees what else there is, and what is
    /// weak is warned of.
    pub(super) fn served_algorithm<T>(
        &mut self,
        arg: &Spanned<Value>,
        find: fn(&str) -> Option<T>,
    ) -> Option<T> {
        let Value::Algorithm(name, _) = arg.value else { return None };
        let found = find(name);
        if found.is_none() {
            self.unserved.push((arg.span.clone(), name));
        }
        self.warn_weak(&arg.span, name);
        found
    }

    pub(super) fn warn_weak(&mut self, span: &Span, name: &str) {
        let why = match name {
            "des" => "its key of 56 bits is found by trying",
            "md5" | "hmac_md5" => "MD5 is broken",
            "modp768" | "modp1024" | "modp1024s160" => "groups below 2048 bits are within reach of attackers",
            "modp1536" => "2048 bits are the least that is advised today",
            "null_enc" => "it does not encrypt",
            "non_auth" => "without integrity protection encryption does not hold either",
            _ => return,
        };
        self.warn(span, format!("{name} is weak: {why}"));
    }
}
