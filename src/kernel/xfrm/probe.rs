//! What the kernel can do. /proc/crypto does not tell, since modules are loaded when they are asked for; so each thing
//! is asked for, with an SA that is removed at once.

use std::net::{IpAddr, Ipv4Addr};

use super::OpenError;
use super::algorithm::{ciphers, hashes, trial_key};
use super::link::Link;
use super::sa::{self, Half, Reservation, SaInfo};
use crate::crypto::alg::{CipherAlgorithm, HashAlgorithm};
use crate::crypto::secret::Secret;
use crate::sadb::{
    AuthSpec, Capabilities, CipherSpec, Compression, Endpoints, KernelError, Lifetime, Mode, Prefix,
    Protocol, SaKeys, SaParams, Selector, Spi, UdpEncapsulation,
};
use crate::wire::codec::Reader;

/// What this back end is called.
const NAME: &str = "xfrm";

/// An address of this host that nobody has a tunnel to.
const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// What a kernel with ESP has in any case.
const SURE_CIPHER: CipherAlgorithm = CipherAlgorithm::Aes;
const SURE_AUTH: AuthSpec = AuthSpec::standard(HashAlgorithm::Sha2_256);

/// SHA2-256 with 96 bits, as in a draft of RFC 4868 and as Linux itself has it when PF_KEY is used.
const DRAFT_SHA2_256: AuthSpec = AuthSpec { hash: HashAlgorithm::Sha2_256, icv_len: 12 };

/// What an SA is tried with.
#[derive(Clone, Copy)]
struct Trial {
    protocol: Protocol,
    mode: Mode,
    cipher: Option<CipherAlgorithm>,
    auth: Option<AuthSpec>,
    compression: Option<Compression>,
    udp: bool,
}

const ESP: Trial = Trial {
    protocol: Protocol::Esp,
    mode: Mode::Tunnel,
    cipher: Some(SURE_CIPHER),
    auth: Some(SURE_AUTH),
    compression: None,
    udp: false,
};
const AH: Trial = Trial { protocol: Protocol::Ah, cipher: None, ..ESP };
const IPCOMP: Trial = Trial {
    protocol: Protocol::IpComp,
    cipher: None,
    auth: None,
    compression: Some(Compression::Deflate),
    ..ESP
};

/// Whether there is ESP and we may use it.
pub(super) async fn has_esp(link: &mut Link) -> Result<(), OpenError> {
    match attempt(link, ESP).await {
        Ok(()) => Ok(()),
        Err(KernelError::Unsupported(_) | KernelError::NoSuchSa) => Err(OpenError::NoEsp),
        Err(error) => Err(OpenError::Refused(error)),
    }
}

/// What is known of every kernel with XFRM.
pub(super) fn unasked() -> Capabilities {
    let protocols = vec![Protocol::Esp, Protocol::Ah, Protocol::IpComp];
    Capabilities { name: NAME, protocols, ..Capabilities::default() }
}

/// All that the kernel can do.
pub(super) async fn capabilities(link: &mut Link) -> Capabilities {
    let mut known = Capabilities { name: NAME, ..Capabilities::default() };
    for cipher in ciphers() {
        let auth = Some(SURE_AUTH).filter(|_| !cipher.is_aead());
        if attempt(link, Trial { cipher: Some(cipher), auth, ..ESP }).await.is_ok() {
            known.ciphers.push(cipher);
        }
    }
    for auth in hashes().map(AuthSpec::standard).chain([DRAFT_SHA2_256]) {
        if attempt(link, Trial { auth: Some(auth), ..ESP }).await.is_ok() {
            known.auths.push(auth);
        }
    }
    for trial in [ESP, AH, IPCOMP] {
        if attempt(link, trial).await.is_ok() {
            known.protocols.push(trial.protocol);
        }
    }
    for mode in [Mode::Tunnel, Mode::Transport] {
        if attempt(link, Trial { mode, ..ESP }).await.is_ok() {
            known.modes.push(mode);
        }
    }
    known.udp_encapsulation = attempt(link, Trial { udp: true, ..ESP }).await.is_ok();
    known
}

/// Installs an SA and removes it.
async fn attempt(link: &mut Link, trial: Trial) -> Result<(), KernelError> {
    let wanted = Reservation {
        protocol: trial.protocol,
        mode: trial.mode,
        endpoints: Endpoints { local: NOBODY, remote: NOBODY },
        reqid: 0,
        sequence: 0,
    };
    let spi = reserve(link, &wanted).await?;
    let sa = trial_sa(trial, spi);
    let result = link.tell(sa::update(&sa, Half::Inbound, 0)?).await;
    let removed = link.tell(sa::delete(&sa.id())).await;
    result.and(removed)
}

/// Has the kernel choose an SPI.
pub(super) async fn reserve(link: &mut Link, wanted: &Reservation) -> Result<Spi, KernelError> {
    let parse = |body: &[u8]| SaInfo::parse(&mut Reader::new(body)).map(|info| info.id);
    let (ids, _) = link.collect(sa::reserve_spi(wanted), parse).await?;
    ids.first().map(|id| id.spi).ok_or(KernelError::TimedOut)
}

fn trial_sa(trial: Trial, spi: Spi) -> SaParams {
    let spec = |algorithm: CipherAlgorithm| CipherSpec { algorithm, key_bits: algorithm.default_key_bits() };
    let cipher = trial.cipher.map(spec);
    let cipher_len = |spec: CipherSpec| usize::from(spec.key_bits / 8) + spec.algorithm.salt_len();
    let no_key = || Secret::new(Vec::new());
    SaParams {
        protocol: trial.protocol,
        spi,
        src: NOBODY,
        dst: NOBODY,
        mode: trial.mode,
        keys: SaKeys {
            cipher,
            cipher_key: cipher.map_or_else(no_key, |spec| trial_key(cipher_len(spec))),
            auth: trial.auth,
            auth_key: trial.auth.map_or_else(no_key, |auth| trial_key(auth.hash.output_len())),
            compression: trial.compression,
        },
        soft: Lifetime::default(),
        hard: Lifetime::default(),
        replay_window: 64,
        encapsulation: trial.udp.then_some(UdpEncapsulation {
            local_port: 4500,
            remote_port: 4500,
            original: None,
        }),
        reqid: 0,
        selector: Selector::between(Prefix::host(NOBODY), Prefix::host(NOBODY)),
        ids: None,
    }
}
