//! What a responder grants a peer beyond what is configured in advance, and what runs when an ISAKMP SA comes and goes.

use std::path::PathBuf;

/// The exchange that makes an ISAKMP SA.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Phase1Exchange {
    /// Identity protection, "main mode" (RFC 2409 section 5).
    Main,
    /// Aggressive mode: three messages, identities in the clear.
    Aggressive,
}

/// Whether policies are made for what a peer asks for where there are none (`generate_policy`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum GeneratePolicy {
    /// No: what nobody has configured is refused.
    #[default]
    Off,
    /// Yes, of level `require`.
    Require,
    /// Yes, of level `unique`, each with a request id of its own.
    Unique,
}

/// What a responder grants.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Grants {
    /// Make policies.
    pub generate_policy: GeneratePolicy,
    /// The identities of a quick mode are the ends of its SAs also in transport mode, and where they equal the addresses
    /// of the exchange (`support_proxy`).
    pub support_proxy: bool,
    /// Believe a Delete that comes in clear while phase 1 is not finished (`weak_phase1_check`).
    pub weak_phase1_check: bool,
}

/// Programs that run when an ISAKMP SA comes and goes (`script`).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Hooks {
    /// It is established.
    pub phase1_up: Option<PathBuf>,
    /// It is gone.
    pub phase1_down: Option<PathBuf>,
    /// The peer does not answer any more.
    pub phase1_dead: Option<PathBuf>,
}
