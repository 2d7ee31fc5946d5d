//! Phase 1: one proposal for ISAKMP, a transform for each set of algorithms (RFC 2409 section 4, appendix A).

use super::attributes::{Attributes, LifeClasses};
use super::{Chosen1, Comparison, Mismatch, Nearest, Offer, or_none};
use crate::crypto::alg::{CipherAlgorithm, Group, HashAlgorithm};
use crate::ike::event::Role;
use crate::ike::policy::{AuthMethod, Edge, Phase1Policy, Phase1Transform, Verdict};
use crate::wire::attribute::Attribute;
use crate::wire::payload::{Proposal, SecurityAssociation, Transform};
use crate::wire::registry as iana;
use crate::wire::registry::{Phase1Attribute as Class, ProtocolId};

/// KEY_IKE, the only transform of ISAKMP (RFC 2407 section 4.4.2.1).
const KEY_IKE: u8 = 1;

/// The algorithms of one ISAKMP SA.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Phase1Algorithms {
    /// Cipher.
    pub cipher: CipherAlgorithm,
    /// Its key length in bits.
    pub key_bits: u16,
    /// Hash and prf.
    pub hash: HashAlgorithm,
    /// Authentication method.
    pub auth: AuthMethod,
    /// Oakley group.
    pub group: Group,
    /// Lifetime in seconds.
    pub seconds: u32,
    /// Lifetime in kilobytes.
    pub kilobytes: Option<u32>,
}

impl Phase1Algorithms {
    /// In words, for logs and status.
    pub fn chosen(&self) -> Chosen1 {
        let Self { cipher, key_bits, hash, auth, group, seconds, .. } = self;
        let cipher = cipher_text(*cipher, *key_bits);
        Chosen1 { text: format!("{cipher}/{hash}/{}/{group}", auth_text(*auth)), seconds: *seconds }
    }
}

/// A choice of the responder: what was agreed, and the SA payload that says so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Selection1 {
    /// What was agreed.
    pub algorithms: Phase1Algorithms,
    /// The peer's proposal with the chosen transform alone, unchanged (RFC 2408 section 4.2).
    pub answer: SecurityAssociation,
}

/// Everything `policy` allows, as an initiator offers it.
pub fn offer(policy: &Phase1Policy) -> SecurityAssociation {
    offer_of(policy.transforms.iter())
}

/// The group of aggressive mode: it is that of the first transform, because the KE payload goes with the offer.
pub fn first_group(policy: &Phase1Policy) -> Option<Group> {
    policy.transforms.first().map(|t| t.group.value)
}

/// What `policy` allows with [`first_group`], as an initiator of aggressive mode offers it.
pub fn aggressive_offer(policy: &Phase1Policy) -> SecurityAssociation {
    let group = first_group(policy);
    offer_of(policy.transforms.iter().filter(|t| Some(t.group.value) == group))
}

fn offer_of<'t>(transforms: impl Iterator<Item = &'t Phase1Transform>) -> SecurityAssociation {
    let transforms = (1..=u8::MAX).zip(transforms).map(|(number, t)| emit_transform(number, t)).collect();
    SecurityAssociation::ipsec(vec![Proposal {
        number: 1,
        protocol: ProtocolId::ISAKMP,
        spi: Vec::new(),
        transforms,
    }])
}

/// What [`offer`] says, in words and with its places.
pub fn offer_text(policy: &Phase1Policy) -> Offer {
    let text = |t: &Phase1Transform| {
        let bits = u16::try_from(t.key_bits.value.offer).unwrap_or(0);
        let cipher = cipher_text(t.cipher.value, bits);
        let (hash, group) = (t.hash.value, t.group.value);
        format!("{cipher}/{hash}/{}/{group}, {} s", auth_text(t.auth.value), t.seconds.value.offer)
    };
    Offer { transforms: policy.transforms.iter().map(|t| (text(t), Some(t.at.clone()))).collect() }
}

/// Chooses the first of the peer's transforms that one of ours fits.
///
/// # Errors
/// What was offered, what is allowed and every attribute that differs, when nothing fits.
pub fn select(offered: &SecurityAssociation, policy: &Phase1Policy) -> Result<Selection1, Box<Mismatch>> {
    choose(offered, policy, Role::Responder)
}

/// The first of the transforms that one of ours fits, where we are `me` in the exchange.
fn choose(
    offered: &SecurityAssociation,
    policy: &Phase1Policy,
    me: Role,
) -> Result<Selection1, Box<Mismatch>> {
    let mut differences = Vec::new();
    let mut texts = Vec::new();
    for proposal in offered.proposals.iter().filter(|p| p.protocol == ProtocolId::ISAKMP) {
        for transform in &proposal.transforms {
            let read = read(transform);
            let mut nearest = Nearest::default();
            for ours in &policy.transforms {
                match compare((texts.len(), me), transform, &read, ours) {
                    Ok(algorithms) => {
                        return Ok(Selection1 { algorithms, answer: answer(offered, proposal, transform) });
                    }
                    Err(found) => nearest.consider(found),
                }
            }
            differences.extend(nearest.0.unwrap_or_default());
            texts.push((text(&read), None));
        }
    }
    Err(Box::new(Mismatch { offered: Offer { transforms: texts }, allowed: offer_text(policy), differences }))
}

/// What the responder's answer to our [`offer`] agrees on: it must be one of our transforms.
///
/// # Errors
/// The differences to the nearest of ours, when the peer answers with something we never offered.
pub fn accept(
    answer: &SecurityAssociation,
    policy: &Phase1Policy,
) -> Result<Phase1Algorithms, Box<Mismatch>> {
    let count: usize = answer.proposals.iter().map(|p| p.transforms.len()).sum();
    let selection = choose(answer, policy, Role::Initiator)?;
    if count == 1 {
        return Ok(selection.algorithms);
    }
    let texts = answer.proposals.iter().flat_map(|p| &p.transforms).map(|t| (text(&read(t)), None)).collect();
    let offered = Offer { transforms: texts };
    Err(Box::new(Mismatch { offered, allowed: offer_text(policy), differences: Vec::new() }))
}

fn answer(offered: &SecurityAssociation, proposal: &Proposal, transform: &Transform) -> SecurityAssociation {
    let transforms = vec![transform.clone()];
    let proposals = vec![Proposal { transforms, ..proposal.clone() }];
    SecurityAssociation { proposals, ..offered.clone() }
}

fn emit_transform(number: u8, t: &Phase1Transform) -> Transform {
    let mut attributes = vec![
        Attribute::short(Class::LIFE_TYPE.0, iana::LifeType::SECONDS.0),
        Attribute::from_u32(Class::LIFE_DURATION.0, t.seconds.value.offer),
    ];
    if let Some(kilobytes) = &t.kilobytes {
        attributes.push(Attribute::short(Class::LIFE_TYPE.0, iana::LifeType::KILOBYTES.0));
        attributes.push(Attribute::from_u32(Class::LIFE_DURATION.0, kilobytes.value.offer));
    }
    attributes.push(Attribute::short(Class::ENCRYPTION_ALGORITHM.0, cipher_number(t.cipher.value).0));
    if t.cipher.value.is_variable() {
        attributes.push(Attribute::from_u32(Class::KEY_LENGTH.0, t.key_bits.value.offer));
    }
    attributes.extend([
        Attribute::short(Class::AUTHENTICATION_METHOD.0, auth_number(t.auth.value, Role::Initiator).0),
        Attribute::short(Class::HASH_ALGORITHM.0, hash_number(t.hash.value).0),
        Attribute::short(Class::GROUP_DESCRIPTION.0, t.group.value.number()),
    ]);
    Transform { number, id: KEY_IKE, attributes }
}

fn read(transform: &Transform) -> Attributes {
    let life = LifeClasses { life_type: Class::LIFE_TYPE.0, duration: Class::LIFE_DURATION.0 };
    Attributes::read(&transform.attributes, life)
}

fn compare(
    (index, me): (usize, Role),
    transform: &Transform,
    read: &Attributes,
    ours: &Phase1Transform,
) -> Result<Phase1Algorithms, Vec<super::Difference>> {
    let mut c = Comparison::new(index);
    c.expect(transform.id == KEY_IKE, "transform ID", transform.id, "1 (KEY_IKE)", &ours.at);
    if let Some((class, fault)) = read.fault {
        c.expect(
            false,
            "attribute",
            format!("{}, which {fault}", Class(class)),
            "well-formed attributes",
            &ours.at,
        );
    }
    if let Some(class) = read.unknown(&KNOWN) {
        c.expect(false, "attribute", Class(class), "no such attribute", &ours.at);
    }
    let cipher = read.get_u16(Class::ENCRYPTION_ALGORITHM.0).map(iana::EncryptionAlgorithm);
    let same_cipher = cipher == Some(cipher_number(ours.cipher.value));
    c.expect(same_cipher, "ENCRYPTION_ALGORITHM", or_none(cipher), ours.cipher.value, &ours.cipher.at);
    let bits = key_bits(ours.cipher.value, read.get(Class::KEY_LENGTH.0));
    if same_cipher {
        let fits = bits.is_some_and(|b| matches!(ours.key_bits.value.judge(b.into()), Verdict::Accept(_)));
        c.expect(fits, "KEY_LENGTH", or_none(bits), ours.key_bits.value, &ours.key_bits.at);
    }
    let hash = read.get_u16(Class::HASH_ALGORITHM.0).map(iana::HashAlgorithm);
    let fits = hash == Some(hash_number(ours.hash.value));
    c.expect(fits, "HASH_ALGORITHM", or_none(hash), ours.hash.value, &ours.hash.at);
    let auth = read.get_u16(Class::AUTHENTICATION_METHOD.0).map(iana::AuthenticationMethod);
    let fits = auth == Some(auth_number(ours.auth.value, me));
    c.expect(fits, "AUTHENTICATION_METHOD", or_none(auth), auth_text(ours.auth.value), &ours.auth.at);
    let group = read.get_u16(Class::GROUP_DESCRIPTION.0);
    let fits = group == Some(ours.group.value.number());
    c.expect(fits, "GROUP_DESCRIPTION", or_none(group.map(group_text)), ours.group.value, &ours.group.at);
    let seconds =
        read.seconds.map_or(Verdict::Accept(ours.seconds.value.offer), |s| ours.seconds.value.judge(s));
    let refused = seconds == Verdict::Refuse;
    c.expect(!refused, "LIFE_DURATION", seconds_text(read.seconds), seconds_bound(ours), &ours.seconds.at);
    if let (Some(bounds), Some(theirs)) = (&ours.kilobytes, read.kilobytes) {
        let fits = bounds.value.judge(theirs) != Verdict::Refuse;
        c.expect(fits, "LIFE_DURATION", format!("{theirs} kB"), format!("{} kB", bounds.value), &bounds.at);
    }
    match (c.differences.is_empty(), bits, seconds) {
        (true, Some(key_bits), Verdict::Accept(seconds) | Verdict::UseOurs(seconds)) => {
            Ok(Phase1Algorithms {
                cipher: ours.cipher.value,
                key_bits,
                hash: ours.hash.value,
                auth: ours.auth.value,
                group: ours.group.value,
                seconds,
                kilobytes: read.kilobytes,
            })
        }
        _ => Err(c.differences),
    }
}

const KNOWN: [u16; 6] = [
    Class::ENCRYPTION_ALGORITHM.0,
    Class::HASH_ALGORITHM.0,
    Class::AUTHENTICATION_METHOD.0,
    Class::GROUP_DESCRIPTION.0,
    Class::GROUP_TYPE.0,
    Class::KEY_LENGTH.0,
];

/// The key length a transform means. Without KEY_LENGTH blowfish means 448 bits (RFC 2409 appendix B, as racoon and
/// isakmpd read it) and the others 128.
fn key_bits(cipher: CipherAlgorithm, attribute: Option<u64>) -> Option<u16> {
    let bits = match (attribute, cipher) {
        (Some(bits), _) => u16::try_from(bits).ok()?,
        (None, CipherAlgorithm::Blowfish) => 448,
        (None, cipher) => cipher.default_key_bits(),
    };
    cipher.accepts_key_bits(bits).then_some(bits)
}

fn text(read: &Attributes) -> String {
    let cipher = or_none(read.get_u16(Class::ENCRYPTION_ALGORITHM.0).map(iana::EncryptionAlgorithm));
    let bits = read.get(Class::KEY_LENGTH.0).map(|b| format!("-{b}")).unwrap_or_default();
    let hash = or_none(read.get_u16(Class::HASH_ALGORITHM.0).map(iana::HashAlgorithm));
    let auth = or_none(read.get_u16(Class::AUTHENTICATION_METHOD.0).map(iana::AuthenticationMethod));
    let group = or_none(read.get_u16(Class::GROUP_DESCRIPTION.0).map(group_text));
    format!("{cipher}{bits}/{hash}/{auth}/{group}, {}", seconds_text(read.seconds))
}

fn seconds_text(seconds: Option<u32>) -> String {
    seconds.map_or_else(|| "no lifetime".to_owned(), |s| format!("{s} s"))
}

fn seconds_bound(ours: &Phase1Transform) -> String {
    format!("{} s", ours.seconds.value)
}

/// A group by its number, in words.
pub(super) fn group_text(number: u16) -> String {
    Group::from_number(number).map_or_else(|| format!("group {number}"), |g| g.to_string())
}

/// A cipher and, where it is not fixed, its key length.
pub(super) fn cipher_text(cipher: CipherAlgorithm, bits: u16) -> String {
    if cipher.is_variable() { format!("{cipher}-{bits}") } else { cipher.to_string() }
}

const fn auth_text(auth: AuthMethod) -> &'static str {
    match auth {
        AuthMethod::PreSharedKey => "psk",
        AuthMethod::RsaSignature => "rsasig",
        AuthMethod::Ecdsa256 => "ecdsa-256",
        AuthMethod::Ecdsa384 => "ecdsa-384",
        AuthMethod::Ecdsa521 => "ecdsa-521",
        AuthMethod::XauthPreSharedKey(Edge::Client) => "xauth_psk_client",
        AuthMethod::XauthPreSharedKey(Edge::Gateway) => "xauth_psk_server",
        AuthMethod::XauthRsa(Edge::Client) => "xauth_rsa_client",
        AuthMethod::XauthRsa(Edge::Gateway) => "xauth_rsa_server",
        AuthMethod::HybridRsa(Edge::Client) => "hybrid_rsa_client",
        AuthMethod::HybridRsa(Edge::Gateway) => "hybrid_rsa_server",
    }
}

const fn cipher_number(cipher: CipherAlgorithm) -> iana::EncryptionAlgorithm {
    use iana::EncryptionAlgorithm as Number;
    match cipher {
        CipherAlgorithm::Des => Number::DES_CBC,
        CipherAlgorithm::TripleDes => Number::TRIPLE_DES_CBC,
        CipherAlgorithm::Blowfish => Number::BLOWFISH_CBC,
        CipherAlgorithm::Cast128 => Number::CAST_CBC,
        CipherAlgorithm::Aes => Number::AES_CBC,
        CipherAlgorithm::Camellia => Number::CAMELLIA_CBC,
        // Not ciphers of phase 1: 0 is reserved and matches nothing.
        CipherAlgorithm::AesCtr | CipherAlgorithm::AesGcm16 | CipherAlgorithm::Null => Number(0),
    }
}

const fn hash_number(hash: HashAlgorithm) -> iana::HashAlgorithm {
    match hash {
        HashAlgorithm::Md5 => iana::HashAlgorithm::MD5,
        HashAlgorithm::Sha1 => iana::HashAlgorithm::SHA,
        HashAlgorithm::Sha2_256 => iana::HashAlgorithm::SHA2_256,
        HashAlgorithm::Sha2_384 => iana::HashAlgorithm::SHA2_384,
        HashAlgorithm::Sha2_512 => iana::HashAlgorithm::SHA2_512,
    }
}

/// The number of a method. Where a login follows it says whether the client begins phase 1 (`Init`) or the gateway
/// (`Resp`).
const fn auth_number(auth: AuthMethod, me: Role) -> iana::AuthenticationMethod {
    use iana::AuthenticationMethod as Number;
    let client_begins = matches!(
        (auth.edge(), me),
        (Some(Edge::Client), Role::Initiator) | (Some(Edge::Gateway), Role::Responder)
    );
    match auth {
        AuthMethod::PreSharedKey => Number::PRE_SHARED_KEY,
        AuthMethod::RsaSignature => Number::RSA_SIGNATURES,
        AuthMethod::Ecdsa256 => Number::ECDSA_256,
        AuthMethod::Ecdsa384 => Number::ECDSA_384,
        AuthMethod::Ecdsa521 => Number::ECDSA_521,
        AuthMethod::XauthPreSharedKey(_) if client_begins => Number::XAUTH_INIT_PRE_SHARED,
        AuthMethod::XauthPreSharedKey(_) => Number::XAUTH_RESP_PRE_SHARED,
        AuthMethod::XauthRsa(_) if client_begins => Number::XAUTH_INIT_RSA,
        AuthMethod::XauthRsa(_) => Number::XAUTH_RESP_RSA,
        AuthMethod::HybridRsa(_) if client_begins => Number::HYBRID_INIT_RSA,
        AuthMethod::HybridRsa(_) => Number::HYBRID_RESP_RSA,
    }
}
