//! Messages 5 and 6, which are alike: ID, then HASH or CERT and SIG, encrypted (RFC 2409 sections 5.1 and 5.4); and the
//! proofs, which aggressive mode has in other messages.

use std::sync::Arc;

use super::established::{self, Established};
use super::transcript::Keyed;
use super::{Common, Next, State};
use crate::crypto::job::CryptoJob;
use crate::crypto::sign::SignatureMethod;
use crate::crypto::x509::{VerifiedPeer, VerifyError, VerifyRequest};
use crate::ike::cbc::Iv;
use crate::ike::context::Context;
use crate::ike::error::{Reject, Why};
use crate::ike::event::Role;
use crate::ike::exchange::Received;
use crate::ike::identity;
use crate::ike::policy::{AuthMethod, Identity, Phase1Policy};
use crate::ike::proof::{PeerAuthenticated, PeerHashVerified, PeerSignatureVerified, verify_hash};
use crate::sadb::AddressPair;
use crate::wire::codec::WireError;
use crate::wire::message::{ChainBuilder, PayloadChain, Trailing};
use crate::wire::payload::{Certificate, CertificateRequest, EmitPayload, Identification, Notification};
use crate::wire::registry::{CertEncoding, Doi, NotifyMessageType, PayloadType, ProtocolId};

/// The peer's message 5 or 6 with everything that can be checked at once, checked.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) identity: Identity,
    /// The policy that is for this identity.
    pub(super) policy: Arc<Phase1Policy>,
    pub(super) evidence: Evidence,
    pub(super) next_iv: Iv,
    /// It carried INITIAL-CONTACT; honoured when the authentication is complete.
    pub(super) initial_contact: bool,
}

/// A peer that has said who it is, in an exchange with keys. Nothing of it is proved by this.
#[derive(Debug)]
pub(super) struct Claimed {
    pub(super) keyed: Keyed,
    pub(super) iv: Iv,
    pub(super) identity: Identity,
    /// It also says INITIAL-CONTACT.
    pub(super) initial_contact: bool,
}

impl Claimed {
    /// The ISAKMP SA that the proof makes of it.
    pub(super) fn established(self, proof: PeerAuthenticated) -> Established {
        Established::new(&self.keyed, self.iv, self.identity, proof, self.initial_contact)
    }

    /// Tells the peer why it is refused, if it may be told.
    pub(super) fn refuse(&self, why: Why, common: &Common, ctx: &mut Context<'_>) -> Next {
        established::notify_and_forget(&self.keyed.keys, &self.iv, &why, common, ctx);
        Next::Abort(why)
    }
}

/// What the peer proves itself with.
#[derive(Debug)]
pub(super) enum Evidence {
    /// Its HASH is right.
    Proved(PeerHashVerified),
    /// A signature, still to be verified.
    ToVerify(Box<VerifyRequest>),
}

impl AuthMethod {
    /// The signature that is made with it.
    const fn signature(self) -> Option<SignatureMethod> {
        Some(match self {
            Self::PreSharedKey | Self::XauthPreSharedKey(_) => return None,
            Self::RsaSignature | Self::XauthRsa(_) | Self::HybridRsa(_) => SignatureMethod::Rsa,
            Self::Ecdsa256 => SignatureMethod::Ecdsa256,
            Self::Ecdsa384 => SignatureMethod::Ecdsa384,
            Self::Ecdsa521 => SignatureMethod::Ecdsa521,
        })
    }
}

const fn message_number(from: Role) -> u8 {
    match from {
        Role::Initiator => 5,
        Role::Responder => 6,
    }
}

/// Decrypts and checks the message of `from`, without changing anything.
pub(super) fn examine(
    from: Role,
    keyed: &Keyed,
    iv: &Iv,
    common: &Common,
    received: Received<'_>,
    ctx: &Context<'_>,
) -> Result<Accepted, Reject> {
    if !received.header.flags.is_encrypted() {
        return Err(Why::Encryption { expected: true }.into());
    }
    let psk = keyed.uses_pre_shared_key();
    let garbled = || Why::DoesNotDecrypt { message: message_number(from), pre_shared_key: psk };
    let opened = keyed.keys.cipher.open(iv, received.datagram).map_err(|why| match why {
        Why::Padding { .. } if psk => garbled(),
        other => other,
    })?;
    let first = received.header.next_payload;
    // A wrong key gives octets that are no chain of payloads, or one that has nothing it must have.
    let chain = PayloadChain::parse(first, &opened.plain, 0, Trailing::Padding).map_err(|_| garbled())?;
    let id = chain.one(PayloadType::ID)?.ok_or_else(garbled)?;
    let identification = Identification::parse(id.body, id.offset)?;
    let identity = Identity::from_payload(&identification)?;
    let hash = keyed.hash_of(from, common, id.body);
    if psk && chain.one(PayloadType::HASH)?.is_none() {
        return Err(garbled().into());
    }
    let policy = Arc::clone(common.policy_for(&identity));
    let evidence = evidence((from, &identity, common.addresses), keyed, &policy, (&chain, hash), ctx)?;
    let initial_contact = has_initial_contact(&chain);
    Ok(Accepted { identity, policy, evidence, next_iv: opened.next_iv, initial_contact })
}

/// What `chain` proves of the sender, whose proof has to be over `hash`.
pub(super) fn evidence(
    (from, identity, addresses): (Role, &Identity, AddressPair),
    keyed: &Keyed,
    policy: &Phase1Policy,
    (chain, hash): (&PayloadChain<'_>, Vec<u8>),
    ctx: &Context<'_>,
) -> Result<Evidence, Reject> {
    let one = |kind| Ok::<_, Reject>(chain.one(kind)?.ok_or(Why::MissingPayload(kind))?);
    let method = keyed.method();
    let Some(method) = method.signature().filter(|_| method.peer_signs()) else {
        let got = one(PayloadType::HASH)?;
        let which = if from == Role::Initiator { "HASH_I" } else { "HASH_R" };
        let pre_shared_key = keyed.uses_pre_shared_key();
        let proof = verify_hash(&hash, got.body).ok_or(Why::HashMismatch { which, pre_shared_key })?;
        return Ok(Evidence::Proved(proof));
    };
    let pinned = policy.pinned.find(addresses.local.ip(), addresses.remote.ip(), identity);
    Ok(Evidence::ToVerify(Box::new(VerifyRequest {
        certificates: certificates(chain)?,
        // Where keys are known beforehand, a peer that has none of them needs more than any certificate.
        check_chain: policy.verify_cert || (pinned.is_empty() && !policy.pinned.is_empty()),
        pinned,
        trust: Arc::clone(&policy.trust),
        identity: identity.to_certificate_identity(),
        at: ctx.now.wall,
        method,
        hash,
        signature: one(PayloadType::SIG)?.body.to_vec(),
    })))
}

fn certificates(chain: &PayloadChain<'_>) -> Result<Vec<Vec<u8>>, WireError> {
    let mut found = Vec::new();
    for raw in chain.of(PayloadType::CERT) {
        let certificate = Certificate::parse(raw.body, raw.offset)?;
        if certificate.encoding == CertEncoding::X509_SIGNATURE {
            found.push(certificate.data);
        }
    }
    Ok(found)
}

/// Whether the peer says that it knows nothing of older SAs.
pub(super) fn has_initial_contact(chain: &PayloadChain<'_>) -> bool {
    chain
        .of(PayloadType::NOTIFY)
        .filter_map(|raw| Notification::parse(raw.body, raw.offset).ok())
        .any(|notify| notify.message_type == NotifyMessageType::INITIAL_CONTACT)
}

/// Whether the peer may be who it has proved to be.
pub(super) fn check_identity(identity: &Identity, common: &Common) -> Result<(), Why> {
    identity::check(identity, &common.policy.peer_ids)
}

/// What the verification job has found.
pub(super) fn verified(result: Result<VerifiedPeer, VerifyError>) -> Result<PeerAuthenticated, Why> {
    result
        .map(|peer| PeerAuthenticated::Signature(PeerSignatureVerified::new(peer)))
        .map_err(|error| Why::Verify(Box::new(error)))
}

/// The last proof of phase 1 is being verified: the signature in message 6.
#[derive(Debug)]
pub(in crate::ike) struct AwaitLastProof(pub(super) Claimed);

impl AwaitLastProof {
    pub(super) fn done(
        self,
        common: &mut Common,
        result: Result<VerifiedPeer, VerifyError>,
        ctx: &mut Context<'_>,
    ) -> Next {
        match verified(result) {
            Ok(proof) => self.establish(proof, common, ctx),
            Err(why) => self.0.refuse(why, common, ctx),
        }
    }

    pub(super) fn establish(
        self,
        proof: PeerAuthenticated,
        common: &mut Common,
        ctx: &mut Context<'_>,
    ) -> Next {
        if let Err(why) = check_identity(&self.0.identity, common) {
            return self.0.refuse(why, common, ctx);
        }
        Next::State(State::Established(Box::new(self.0.established(proof).announce(common, ctx))))
    }
}

/// Computes our HASH. With signatures a job begins to sign it, and there is no proof yet. Also gives the body of our ID
/// payload.
pub(super) fn prove(
    me: Role,
    keyed: &Keyed,
    common: &Common,
    ctx: &mut Context<'_>,
) -> Result<(Vec<u8>, Option<Proof>), Why> {
    let id_b = common.my_identity().to_payload().emit();
    let hash = keyed.hash_of(me, common, &id_b);
    if !keyed.method().we_sign() {
        return Ok((id_b, Some(Proof::Hash(hash))));
    }
    let credential = common.policy.credential.as_ref().ok_or(Why::NoCredential)?;
    let seed = ctx.seed()?;
    common.job(ctx, CryptoJob::Sign { key: Arc::clone(credential.key()), hash, seed });
    Ok((id_b, None))
}

/// HASH or SIG, ready to be sent.
pub(super) enum Proof {
    Hash(Vec<u8>),
    Signature(Vec<u8>),
}

/// Builds and encrypts our message 5 or 6.
pub(super) fn emit(
    me: Role,
    keyed: &Keyed,
    iv: &Iv,
    (id_b, proof): (&[u8], Proof),
    common: &Common,
    ctx: &mut Context<'_>,
) -> Result<(Vec<u8>, Iv), Why> {
    let mut chain = ChainBuilder::new();
    chain.push_raw(PayloadType::ID, id_b);
    push_proof(&mut chain, proof, common);
    if me == Role::Initiator && keyed.method().peer_signs() {
        push_certificate_requests(&mut chain, common);
    }
    if common.initial_contact {
        chain.push(&initial_contact(common));
    }
    let (first, payloads) = chain.finish();
    keyed.keys.cipher.seal(iv, common.header(first), &payloads, common.policy.padding, ctx.random)
}

/// HASH, or CERT and SIG.
pub(super) fn push_proof(chain: &mut ChainBuilder, proof: Proof, common: &Common) {
    match proof {
        Proof::Hash(hash) => {
            chain.push_raw(PayloadType::HASH, &hash);
        }
        Proof::Signature(signature) => {
            push_certificates(chain, common);
            chain.push_raw(PayloadType::SIG, &signature);
        }
    }
}

fn push_certificates(chain: &mut ChainBuilder, common: &Common) {
    let Some(credential) = common.policy.credential.as_ref().filter(|_| common.policy.send_cert) else {
        return;
    };
    for certificate in credential.certificate().into_iter().chain(credential.chain()) {
        let data = certificate.der().to_vec();
        chain.push(&Certificate { encoding: CertEncoding::X509_SIGNATURE, data });
    }
}

/// A CERTREQ for each authority that we trust.
pub(super) fn push_certificate_requests(chain: &mut ChainBuilder, common: &Common) {
    if common.policy.send_cert_request {
        for anchor in common.policy.trust.anchors() {
            let authority = anchor.subject_der().to_vec();
            chain.push(&CertificateRequest { encoding: CertEncoding::X509_SIGNATURE, authority });
        }
    }
}

fn initial_contact(common: &Common) -> impl EmitPayload + use<> {
    Notification {
        doi: Doi::IPSEC,
        protocol: ProtocolId::ISAKMP,
        spi: common.cookies.to_bytes().to_vec(),
        message_type: NotifyMessageType::INITIAL_CONTACT,
        data: Vec::new(),
    }
}
