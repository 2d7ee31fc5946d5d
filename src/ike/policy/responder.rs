//! What a responder grants a peer beyond what is configured in advance, and what runs when an ISAKMP SA comes and goes.

use std::fmt;
use std::path::PathBuf;

use crate::wire::registry::ExchangeType;

/// The exchange that makes an ISAKMP SA.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Phase1Exchange {
    /// Identity protection, "main mode" (RFC 2409 section 5).
    Main,
    /// Aggressive mode: three messages, identities in the clear.
    Aggressive,
}

impl Phase1Exchange {
    /// The one that a header names, if it makes ISAKMP SAs and is served.
    pub const fn of(number: ExchangeType) -> Option<Self> {
        match number {
            ExchangeType::IDENTITY_PROTECTION => Some(Self::Main),
            ExchangeType::AGGRESSIVE => Some(Self::Aggressive),
            _ => None,
        }
    }

    /// As headers name it (RFC 2408 section 3.1).
    pub const fn number(self) -> ExchangeType {
        match self {
            Self::Main => ExchangeType::IDENTITY_PROTECTION,
            Self::Aggressive => ExchangeType::AGGRESSIVE,
        }
    }
}

impl fmt::Display for Phase1Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Main => "main mode",
            Self::Aggressive => "aggressive mode",
        })
    }
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
