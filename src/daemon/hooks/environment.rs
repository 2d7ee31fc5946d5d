//! What a program is told, in racoon's variables.

use crate::daemon::log::identity_text;
use crate::ike::event::Phase1Ref;
use crate::ike::policy::Identity;

/// A variable of the environment: name and value.
pub type Variable = (&'static str, String);

/// What is known when an ISAKMP SA is established. What a gateway gives its road warrior comes behind, from
/// [`client_environment`](super::client_environment).
pub fn environment(about: &Phase1Ref, peer_id: &Identity) -> Vec<Variable> {
    let (local, remote) = (about.addresses.local, about.addresses.remote);
    vec![
        ("LOCAL_ADDR", local.ip().to_string()),
        ("LOCAL_PORT", local.port().to_string()),
        ("REMOTE_ADDR", remote.ip().to_string()),
        ("REMOTE_PORT", remote.port().to_string()),
        ("REMOTE_ID", identity_text(peer_id)),
    ]
}
