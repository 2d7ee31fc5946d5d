//! A hostile peer: messages made by hand from the wire and the cryptography, each test free to break one rule. What is
//! asserted is always the same: the victim's state is what it was, and the honest peer still gets through.
//!
//! The names of the tests are those of the groups of attacks: parser, state, authentication, authorisation, resources,
//! cryptography. `disabled.toml` says what of them is not here, and why.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod aggressive;
mod authentication;
mod authorisation;
mod crypto;
mod disabled;
mod grants;
mod parser;
mod peer;
mod peer_messages;
mod policy;
mod resources;
mod road_warrior;
mod scene;
mod state;
mod victim;
