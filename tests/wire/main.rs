//! The wire format against recordings of real peers, against random values, and against the documents that define it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod capture;
mod fuzz_corpus;
mod properties;
mod recorded;
mod vendor_ids;
