//! Phase 2: proposals for IPsec SAs (RFC 2407 section 4.5). One ESP or AH protocol a proposal; bundles are refused.

use super::attributes::{Attributes, LifeClasses};
use super::phase1::{cipher_text, group_text};
use super::{Chosen2, Comparison, Difference, Mismatch, Nearest, Offer, or_none};
use crate::crypto::alg::{CipherAlgorithm, Group, HashAlgorithm};
use crate::ike::policy::{Phase2Policy, Phase2Transform, Verdict};
use crate::sadb::{AuthSpec, CipherSpec, Mode, Protocol, Spi};
use crate::wire::attribute::Attribute;
use crate::wire::payload::{Proposal, SecurityAssociation, Transform};
use crate::wire::registry as iana;
use crate::wire::registry::{
    AhTransform, EncapsulationMode, EspTransform, Phase2Attribute as Class, ProtocolId,
};

/// How the SAs of one quick mode wrap packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Encapsulation {
    /// ESP or AH.
    pub protocol: Protocol,
    /// Tunnel or transport.
    pub mode: Mode,
    /// In UDP, because phase 1 found a NAT.
    pub udp: bool,
}

impl Encapsulation {
    /// Whether it can work at all: there is no AH in UDP (RFC 3948 is for ESP).
    pub(in crate::ike) fn is_possible(self) -> bool {
        !(self.udp && self.protocol == Protocol::Ah)
    }

    /// Whether both ends tell each other their addresses (NAT-OA, RFC 3947 section 5.2): behind a NAT, packets in
    /// transport mode come out with checksums over other addresses than they bear.
    pub(in crate::ike) fn has_originals(self) -> bool {
        self.udp && self.mode == Mode::Transport
    }

    /// Its number on the wire (RFC 3947 section 5.1).
    const fn number(self) -> EncapsulationMode {
        match (self.mode, self.udp) {
            (Mode::Tunnel, false) => EncapsulationMode::TUNNEL,
            (Mode::Transport, false) => EncapsulationMode::TRANSPORT,
            (Mode::Tunnel, true) => EncapsulationMode::UDP_TUNNEL,
            (Mode::Transport, true) => EncapsulationMode::UDP_TRANSPORT,
        }
    }
}

/// The algorithms of one pair of IPsec SAs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Phase2Algorithms {
    /// Cipher and key length; `None` for AH.
    pub cipher: Option<CipherSpec>,
    /// Authenticator.
    pub auth: Option<AuthSpec>,
    /// ESP or AH, tunnel or transport, in UDP or not.
    pub encapsulation: Encapsulation,
    /// The group of perfect forward secrecy.
    pub pfs: Option<Group>,
    /// Lifetime in seconds.
    pub seconds: u32,
    /// Lifetime in kilobytes.
    pub kilobytes: Option<u32>,
}

impl Phase2Algorithms {
    /// In words, for logs and status.
    pub fn chosen(&self) -> Chosen2 {
        let cipher = self.cipher.map(|c| cipher_text(c.algorithm, c.key_bits));
        let auth = self.auth.map(|a| format!("hmac-{}", a.hash));
        let algorithms = [cipher, auth].into_iter().flatten().collect::<Vec<_>>().join("/");
        let pfs = self.pfs.map_or_else(|| "no pfs".to_owned(), |g| format!("pfs {g}"));
        let Encapsulation { protocol, mode, udp } = self.encapsulation;
        let udp = if udp { "udp-" } else { "" };
        let text = format!("{protocol} {algorithms} {udp}{mode}, {pfs}");
        Chosen2 { text, seconds: self.seconds }
    }

    /// Octets of keying material for the cipher (salt included) and for the authenticator.
    pub fn key_lens(&self) -> (usize, usize) {
        let cipher = self.cipher.map_or(0, |c| usize::from(c.key_bits) / 8 + c.algorithm.salt_len());
        (cipher, self.auth.map_or(0, |a| a.hash.output_len()))
    }
}

/// A choice of the responder, or what our own offer came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Selection2 {
    /// What was agreed.
    pub algorithms: Phase2Algorithms,
    /// The peer's SPI.
    pub peer_spi: Spi,
    /// Our lifetime in seconds, when it is used although the peer offered a longer one (RESPONDER-LIFETIME).
    pub claim_seconds: Option<u32>,
    /// The lifetime in seconds that the peer offered.
    pub offered_seconds: Option<u32>,
    /// The chosen proposal with the chosen transform alone, unchanged but for the SPI, which is still the peer's.
    pub proposal: Proposal,
}

/// Everything `policy` allows for the protocol that is wanted, with our inbound `spi`.
pub fn offer(policy: &Phase2Policy, encapsulation: Encapsulation, spi: Spi) -> SecurityAssociation {
    let protocol = encapsulation.protocol;
    let transforms = (1..=u8::MAX)
        .zip(policy.transforms_of(protocol))
        .map(|(n, t)| emit_transform(n, t, policy, encapsulation))
        .collect();
    let spi = spi.octets().to_vec();
    SecurityAssociation::ipsec(vec![Proposal {
        number: 1,
        protocol: protocol_number(protocol),
        spi,
        transforms,
    }])
}

/// The answer of a responder: the chosen proposal with our SPI in it.
pub fn answer(selection: &Selection2, spi: Spi) -> SecurityAssociation {
    SecurityAssociation::ipsec(vec![Proposal { spi: spi.octets().to_vec(), ..selection.proposal.clone() }])
}

/// What [`offer`] says, in words and with its places.
pub fn offer_text(policy: &Phase2Policy, protocol: Protocol) -> Offer {
    let text = |t: &Phase2Transform| {
        let bits = u16::try_from(t.key_bits.value.offer).unwrap_or(0);
        let cipher = t.cipher.as_ref().map(|c| cipher_text(c.value, bits));
        let auth = t.auth.as_ref().map(|a| format!("hmac-{}", a.value.hash));
        let algorithms = [cipher, auth].into_iter().flatten().collect::<Vec<_>>().join("/");
        let pfs = policy.pfs.value.offer().map_or_else(|| "no pfs".to_owned(), |g| format!("pfs {g}"));
        format!("{} {algorithms}, {pfs}, {} s", t.protocol, policy.seconds.value.offer)
    };
    Offer { transforms: policy.transforms_of(protocol).map(|t| (text(t), Some(t.at.clone()))).collect() }
}

/// The ways to wrap packets that a peer offers one protocol for, each once, in its order. `udp` says whether a NAT is in
/// between; whether the peer knows that too, [`select`] sees.
pub fn offered(sa: &SecurityAssociation, udp: bool) -> Vec<Encapsulation> {
    let mut found: Vec<Encapsulation> = Vec::new();
    for proposal in &sa.proposals {
        let Some(protocol) =
            [Protocol::Esp, Protocol::Ah].into_iter().find(|p| protocol_number(*p) == proposal.protocol)
        else {
            continue;
        };
        for transform in &proposal.transforms {
            let mode = read(transform).get_u16(Class::ENCAPSULATION_MODE.0).map(EncapsulationMode);
            let mode = match mode.unwrap_or(EncapsulationMode::TUNNEL) {
                EncapsulationMode::TUNNEL | EncapsulationMode::UDP_TUNNEL => Mode::Tunnel,
                EncapsulationMode::TRANSPORT | EncapsulationMode::UDP_TRANSPORT => Mode::Transport,
                _ => continue,
            };
            let encapsulation = Encapsulation { protocol, mode, udp };
            if !found.contains(&encapsulation) {
                found.push(encapsulation);
            }
        }
    }
    found
}

/// Chooses the first of the peer's transforms that one of ours fits.
///
/// # Errors
/// What was offered, what is allowed and every attribute that differs, when nothing fits.
pub fn select(
    offered: &SecurityAssociation,
    policy: &Phase2Policy,
    encapsulation: Encapsulation,
) -> Result<Selection2, Box<Mismatch>> {
    let mut differences = Vec::new();
    let mut texts = Vec::new();
    for proposal in &offered.proposals {
        // RFC 2408 section 4.2: equal numbers are one offer of several protocols, to be taken together.
        let bundled = offered.proposals.iter().filter(|p| p.number == proposal.number).count() > 1;
        for transform in &proposal.transforms {
            let read = read(transform);
            let mut nearest = Nearest::default();
            for ours in policy.transforms_of(encapsulation.protocol) {
                let theirs = Theirs { index: texts.len(), proposal, transform, read: &read, bundled };
                match compare(&theirs, ours, policy, encapsulation) {
                    Ok(selection) => return Ok(selection),
                    Err(found) => nearest.consider(found),
                }
            }
            differences.extend(nearest.0.unwrap_or_default());
            texts.push((text(proposal, transform, &read), None));
        }
    }
    let allowed = offer_text(policy, encapsulation.protocol);
    Err(Box::new(Mismatch { offered: Offer { transforms: texts }, allowed, differences }))
}

/// What the responder's answer to our [`offer`] agrees on: exactly one of our transforms.
///
/// # Errors
/// The differences to the nearest of ours, when the peer answers with something we never offered.
pub fn accept(
    answer: &SecurityAssociation,
    policy: &Phase2Policy,
    encapsulation: Encapsulation,
) -> Result<Selection2, Box<Mismatch>> {
    let selection = select(answer, policy, encapsulation)?;
    let pfs_kept = selection.algorithms.pfs == policy.pfs.value.offer();
    let count: usize = answer.proposals.iter().map(|p| p.transforms.len()).sum();
    if count == 1 && pfs_kept {
        return Ok(selection);
    }
    let proposals = answer.proposals.iter().flat_map(|p| p.transforms.iter().map(move |t| (p, t)));
    let texts = proposals.map(|(p, t)| (text(p, t, &read(t)), None)).collect();
    let mut c = Comparison::new(0);
    let group = or_none(selection.algorithms.pfs);
    c.expect(pfs_kept, "GROUP_DESCRIPTION", group, or_none(policy.pfs.value.offer()), &policy.pfs.at);
    Err(Box::new(Mismatch {
        offered: Offer { transforms: texts },
        allowed: offer_text(policy, encapsulation.protocol),
        differences: c.differences,
    }))
}

fn emit_transform(
    number: u8,
    t: &Phase2Transform,
    policy: &Phase2Policy,
    encapsulation: Encapsulation,
) -> Transform {
    let mut attributes = vec![
        Attribute::short(Class::SA_LIFE_TYPE.0, iana::LifeType::SECONDS.0),
        Attribute::from_u32(Class::SA_LIFE_DURATION.0, policy.seconds.value.offer),
    ];
    if let Some(kilobytes) = &policy.kilobytes {
        attributes.push(Attribute::short(Class::SA_LIFE_TYPE.0, iana::LifeType::KILOBYTES.0));
        attributes.push(Attribute::from_u32(Class::SA_LIFE_DURATION.0, kilobytes.value.offer));
    }
    attributes.push(Attribute::short(Class::ENCAPSULATION_MODE.0, encapsulation.number().0));
    if t.cipher.as_ref().is_some_and(|c| c.value.is_variable()) {
        attributes.push(Attribute::from_u32(Class::KEY_LENGTH.0, t.key_bits.value.offer));
    }
    if let Some(auth) = &t.auth {
        attributes.push(Attribute::short(Class::AUTHENTICATION_ALGORITHM.0, auth_number(auth.value.hash).0));
    }
    if let Some(group) = policy.pfs.value.offer() {
        attributes.push(Attribute::short(Class::GROUP_DESCRIPTION.0, group.number()));
    }
    Transform { number, id: transform_id(t), attributes }
}

/// One of the peer's transforms with what surrounds it.
struct Theirs<'a> {
    index: usize,
    proposal: &'a Proposal,
    transform: &'a Transform,
    read: &'a Attributes,
    bundled: bool,
}

fn compare(
    theirs: &Theirs<'_>,
    ours: &Phase2Transform,
    policy: &Phase2Policy,
    encapsulation: Encapsulation,
) -> Result<Selection2, Vec<Difference>> {
    let Theirs { proposal, transform, read, .. } = *theirs;
    let mut c = Comparison::new(theirs.index);
    c.expect(!theirs.bundled, "proposal", "a bundle of protocols", "one protocol", &ours.at);
    let same_protocol = proposal.protocol == protocol_number(ours.protocol);
    c.expect(same_protocol, "PROTOCOL_ID", proposal.protocol, ours.protocol, &ours.at);
    let peer_spi = peer_spi(&proposal.spi);
    c.expect(peer_spi.is_some(), "SPI", "a reserved SPI", "at least 256", &ours.at);
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
    let cipher = same_protocol.then(|| compare_algorithms(&mut c, transform, read, ours)).flatten();
    let mode = read.get_u16(Class::ENCAPSULATION_MODE.0).map(EncapsulationMode);
    // RFC 2407 section 4.5: without the attribute the mode is the host's default; tunnel, for every known peer.
    let fits = mode.unwrap_or(EncapsulationMode::TUNNEL) == encapsulation.number();
    c.expect(fits, "ENCAPSULATION_MODE", or_none(mode), encapsulation.number(), &policy.at);
    let group = read.get_u16(Class::GROUP_DESCRIPTION.0);
    let pfs = group.map(Group::from_number);
    let fits = pfs != Some(None) && policy.pfs.value.accepts(pfs.flatten());
    c.expect(fits, "GROUP_DESCRIPTION", or_none(group.map(group_text)), pfs_text(policy), &policy.pfs.at);
    let ours_s = policy.seconds.value;
    let seconds = read.seconds.map_or(Verdict::Accept(ours_s.offer), |s| ours_s.judge(s));
    let offered = read.seconds.map_or_else(|| "none".to_owned(), |s| format!("{s} s"));
    c.expect(
        seconds != Verdict::Refuse,
        "SA_LIFE_DURATION",
        offered,
        format!("{ours_s} s"),
        &policy.seconds.at,
    );
    let mut kilobytes = read.kilobytes;
    if let (Some(bounds), Some(theirs)) = (&policy.kilobytes, read.kilobytes) {
        let verdict = bounds.value.judge(theirs);
        let fits = verdict != Verdict::Refuse;
        if let Verdict::UseOurs(ours) = verdict {
            kilobytes = Some(ours);
        }
        c.expect(
            fits,
            "SA_LIFE_DURATION",
            format!("{theirs} kB"),
            format!("{} kB", bounds.value),
            &bounds.at,
        );
    }
    let (seconds, claim_seconds) = match seconds {
        Verdict::UseOurs(s) => (s, Some(s)),
        Verdict::Accept(s) => (s, None),
        Verdict::Refuse => return Err(c.differences),
    };
    match peer_spi.filter(|_| c.differences.is_empty()) {
        None => Err(c.differences),
        Some(peer_spi) => Ok(Selection2 {
            algorithms: Phase2Algorithms {
                cipher,
                auth: ours.auth.as_ref().map(|a| a.value),
                encapsulation,
                pfs: pfs.flatten(),
                seconds,
                kilobytes,
            },
            peer_spi,
            claim_seconds,
            offered_seconds: read.seconds,
            proposal: Proposal { transforms: vec![transform.clone()], ..proposal.clone() },
        }),
    }
}

/// Transform ID, key length and authenticator.
fn compare_algorithms(
    c: &mut Comparison,
    transform: &Transform,
    read: &Attributes,
    ours: &Phase2Transform,
) -> Option<CipherSpec> {
    let place = ours.cipher.as_ref().map_or(&ours.at, |cipher| &cipher.at);
    let same = transform.id == transform_id(ours);
    let (offered, allowed) = match ours.protocol {
        Protocol::Ah => (AhTransform(transform.id).to_string(), AhTransform(transform_id(ours)).to_string()),
        _ => (EspTransform(transform.id).to_string(), EspTransform(transform_id(ours)).to_string()),
    };
    c.expect(same, "TRANSFORM_ID", offered, allowed, place);
    let auth = read.get_u16(Class::AUTHENTICATION_ALGORITHM.0).map(iana::AuthenticationAlgorithm);
    let (allowed, at) = match &ours.auth {
        Some(auth) => (Some(auth_number(auth.value.hash)), &auth.at),
        None => (None, &ours.at),
    };
    c.expect(auth == allowed, "AUTHENTICATION_ALGORITHM", or_none(auth), or_none(allowed), at);
    let cipher = ours.cipher.as_ref().filter(|_| same)?.value;
    let bits = read
        .get(Class::KEY_LENGTH.0)
        .map_or_else(|| Some(cipher.default_key_bits()), |b| u16::try_from(b).ok());
    let bits = bits.filter(|b| cipher.accepts_key_bits(*b));
    let fits = bits.is_some_and(|b| matches!(ours.key_bits.value.judge(b.into()), Verdict::Accept(_)));
    let offered = or_none(read.get(Class::KEY_LENGTH.0));
    c.expect(fits, "KEY_LENGTH", offered, ours.key_bits.value, &ours.key_bits.at);
    bits.map(|key_bits| CipherSpec { algorithm: cipher, key_bits })
}

const KNOWN: [u16; 4] = [
    Class::GROUP_DESCRIPTION.0,
    Class::ENCAPSULATION_MODE.0,
    Class::AUTHENTICATION_ALGORITHM.0,
    Class::KEY_LENGTH.0,
];

fn read(transform: &Transform) -> Attributes {
    let life = LifeClasses { life_type: Class::SA_LIFE_TYPE.0, duration: Class::SA_LIFE_DURATION.0 };
    Attributes::read(&transform.attributes, life)
}

fn peer_spi(octets: &[u8]) -> Option<Spi> {
    Spi::new(u32::from_be_bytes(octets.try_into().ok()?))
}

fn pfs_text(policy: &Phase2Policy) -> String {
    policy.pfs.value.offer().map_or_else(|| "no group".to_owned(), |g| g.to_string())
}

fn text(proposal: &Proposal, transform: &Transform, read: &Attributes) -> String {
    let name = match proposal.protocol {
        ProtocolId::AH => AhTransform(transform.id).to_string(),
        ProtocolId::ESP => EspTransform(transform.id).to_string(),
        other => format!("{other} {}", transform.id),
    };
    let bits = read.get(Class::KEY_LENGTH.0).map(|b| format!("-{b}")).unwrap_or_default();
    let auth = read.get_u16(Class::AUTHENTICATION_ALGORITHM.0).map(iana::AuthenticationAlgorithm);
    let auth = auth.map(|a| format!("/{a}")).unwrap_or_default();
    let mode = or_none(read.get_u16(Class::ENCAPSULATION_MODE.0).map(EncapsulationMode));
    let group = read
        .get_u16(Class::GROUP_DESCRIPTION.0)
        .map_or_else(|| "no pfs".to_owned(), |g| format!("pfs {}", group_text(g)));
    let seconds = read.seconds.map_or_else(|| "no lifetime".to_owned(), |s| format!("{s} s"));
    format!("{name}{bits}{auth} {mode}, {group}, {seconds}")
}

/// The protocol's number in a proposal.
pub const fn protocol_number(protocol: Protocol) -> ProtocolId {
    match protocol {
        Protocol::Esp => ProtocolId::ESP,
        Protocol::Ah => ProtocolId::AH,
        Protocol::IpComp => ProtocolId::IPCOMP,
    }
}

fn transform_id(t: &Phase2Transform) -> u8 {
    match (t.protocol, &t.cipher, &t.auth) {
        (Protocol::Ah, _, Some(auth)) => match auth.value.hash {
            HashAlgorithm::Md5 => AhTransform::MD5.0,
            HashAlgorithm::Sha1 => AhTransform::SHA.0,
            HashAlgorithm::Sha2_256 => AhTransform::SHA2_256.0,
            HashAlgorithm::Sha2_384 => AhTransform::SHA2_384.0,
            HashAlgorithm::Sha2_512 => AhTransform::SHA2_512.0,
        },
        (_, Some(cipher), _) => match cipher.value {
            CipherAlgorithm::Des => EspTransform::DES.0,
            CipherAlgorithm::TripleDes => EspTransform::TRIPLE_DES.0,
            CipherAlgorithm::Blowfish => EspTransform::BLOWFISH.0,
            CipherAlgorithm::Cast128 => EspTransform::CAST.0,
            CipherAlgorithm::Aes => EspTransform::AES_CBC.0,
            CipherAlgorithm::Camellia => EspTransform::CAMELLIA.0,
            CipherAlgorithm::AesCtr => EspTransform::AES_CTR.0,
            CipherAlgorithm::AesGcm16 => EspTransform::AES_GCM_16.0,
            CipherAlgorithm::Null => EspTransform::NULL.0,
        },
        (_, None, _) => 0,
    }
}

const fn auth_number(hash: HashAlgorithm) -> iana::AuthenticationAlgorithm {
    use iana::AuthenticationAlgorithm as Number;
    match hash {
        HashAlgorithm::Md5 => Number::HMAC_MD5,
        HashAlgorithm::Sha1 => Number::HMAC_SHA,
        HashAlgorithm::Sha2_256 => Number::HMAC_SHA2_256,
        HashAlgorithm::Sha2_384 => Number::HMAC_SHA2_384,
        HashAlgorithm::Sha2_512 => Number::HMAC_SHA2_512,
    }
}
