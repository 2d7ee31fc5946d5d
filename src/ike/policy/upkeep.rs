//! How an ISAKMP SA is looked after while it lives.

use std::time::Duration;

/// Whether an ISAKMP SA is replaced before it runs out (racoon's `rekey`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Rekey {
    /// Never: the next quick mode that needs one makes it.
    Off,
    /// While IPsec SAs with the peer live.
    #[default]
    WhileNeeded,
    /// Always.
    Always,
}

/// How an ISAKMP SA is looked after.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Upkeep {
    /// Announce dead peer detection (RFC 3706), and ask where the peer announces it too. Answers are always given.
    pub detects_dead_peers: bool,
    /// The time between two questions that have no answer.
    pub dead_peer_retry: Duration,
    /// Questions without an answer after which the peer is dead.
    pub dead_peer_failures: u8,
    /// Whether it is replaced in time.
    pub rekey: Rekey,
}

impl Default for Upkeep {
    fn default() -> Self {
        Self {
            detects_dead_peers: true,
            dead_peer_retry: Duration::from_secs(5),
            dead_peer_failures: 5,
            rekey: Rekey::default(),
        }
    }
}
