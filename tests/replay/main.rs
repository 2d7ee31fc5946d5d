//! Every recorded negotiation replayed from its secrets: keys, IVs, hashes, signatures and keying material are
//! calculated again from the octets of the messages and compared with what the peers used.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod aggressive;
mod capture;
mod counts;
mod kdf;
mod later;
mod mismatches;
mod offers;
mod orphans;
mod phase1;
mod policies;
mod proposals;
mod recorded;
