//! What a replay compared, so that nothing is passed over in silence.

/// How many of each were compared and found equal.
#[derive(PartialEq, Eq, Default, Debug)]
pub(crate) struct Counts {
    pub(crate) captures: usize,
    /// With keys; the others are counted as orphans.
    pub(crate) phase1s: usize,
    pub(crate) pre_shared: usize,
    pub(crate) signature_methods: usize,
    /// g^x and g^xy from a recorded private value.
    pub(crate) exponents: usize,
    pub(crate) clear_messages: usize,
    pub(crate) decrypted_messages: usize,
    pub(crate) hash_i: usize,
    pub(crate) hash_r: usize,
    pub(crate) sig_i: usize,
    pub(crate) sig_r: usize,
    pub(crate) hash_1: usize,
    pub(crate) hash_2: usize,
    pub(crate) hash_3: usize,
    pub(crate) informational: usize,
    pub(crate) quick_modes: usize,
    pub(crate) with_pfs: usize,
    /// Keys of one direction.
    pub(crate) keymats: usize,
    /// Message 5 that does not decrypt.
    pub(crate) undecipherable: usize,
    /// First and second messages of a phase 1 that came no further.
    pub(crate) unanswered: usize,
    /// Notifications in the clear.
    pub(crate) clear_notifications: usize,
}
