//! What each fuzz target checks. The checks stand apart from libFuzzer, so that the tests of the crate can run them over
//! the committed corpus with any toolchain.

pub mod conf_ipsec;
pub mod conf_racoon;
pub mod conf_setkey;
pub mod decrypted;
mod gateway;
mod pfkey;
pub mod pfkey_kame;
pub mod pfkey_openbsd;
pub mod responder;
pub mod wire_message;
pub mod x509;
