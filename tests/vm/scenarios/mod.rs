//! What is played: a name, the hosts that it needs, and what has to happen.

mod charon;
mod grants;
mod loss;
mod operator;
mod rekey;
mod up;

use crate::Outcome;
use crate::coati::Backend;
use crate::lab::Net;
use crate::scene::Scene;

/// One scenario.
#[derive(Debug)]
pub(crate) struct Scenario {
    /// Its name, without the interface.
    pub(crate) name: &'static str,
    /// The hosts.
    pub(crate) net: Net,
    /// The one interface that it is for; `None` is each.
    only: Option<Backend>,
    /// What happens, and what must come of it.
    pub(crate) act: Act,
}

impl Scenario {
    /// Its name as a test over that interface, if it is for it.
    pub(crate) fn name_over(&self, backend: Backend) -> Option<String> {
        let fits = self.only.is_none_or(|only| only == backend);
        fits.then(|| format!("{}::{}", backend.name(), self.name))
    }
}

type Act = fn(&mut Scene<'_>) -> Outcome<()>;

const fn direct(name: &'static str, act: Act) -> Scenario {
    Scenario { name, net: Net::Direct, only: None, act }
}

/// All of them, the longest first: so the last ones do not wait for one that began late.
pub(crate) const SCENARIOS: [Scenario; 38] = [
    direct("a_stream_survives_three_rekeys_with_coati", rekey::with_coati),
    direct("a_stream_survives_three_rekeys_that_coati_begins_with_charon", rekey::by_coati_with_charon),
    direct("a_stream_survives_three_rekeys_that_charon_begins", rekey::by_charon),
    direct("sas_expire_in_the_kernel_when_the_peer_is_silent", loss::silent_peer),
    Scenario {
        name: "a_killed_daemon_comes_back_and_tunnels_of_others_stay",
        net: Net::WithThird,
        only: None,
        act: loss::killed,
    },
    direct("sas_flushed_under_the_daemon_are_noticed", loss::flushed),
    direct("sas_deleted_here_are_deleted_there", loss::deleted_here),
    direct("sas_deleted_there_are_deleted_here", loss::deleted_there),
    direct("an_end_leaves_what_others_have_in_the_kernel", loss::ended),
    direct("the_tutorials_tunnel_with_3des", |s| up::tutorial(s, "3des", "cbc(des3_ede)")),
    direct("the_tutorials_tunnel_with_aes", |s| up::tutorial(s, "aes128", "cbc(aes)")),
    direct("the_tutorials_tunnel_with_blowfish", |s| up::tutorial(s, "blowfish128", "cbc(blowfish)")),
    direct("a_tunnel_with_cast128", |s| up::cipher(s, "cast128", "cbc(cast5)")),
    direct("a_tunnel_with_camellia", |s| up::racoon_cipher(s, "camellia256", "cbc(camellia)")),
    direct("a_tunnel_with_aes_256", |s| up::cipher(s, "aes256", "cbc(aes)")),
    Scenario { only: Some(Backend::Xfrm), ..direct("sha2_256_has_the_peers_length", charon::answers_sha2) },
    Scenario {
        only: Some(Backend::AfKey),
        ..direct("sha2_256_which_linux_cuts_wrongly_is_not_offered", up::sha2_is_missing)
    },
    direct("ipv6_in_ipv6", up::ipv6),
    direct("ipv4_in_ipv6", up::ipv4_in_ipv6),
    direct("ipv6_in_ipv4", up::ipv6_in_ipv4),
    direct("transport_in_ipv4_whose_policy_covers_ike", up::transport4),
    direct("transport_in_ipv6_whose_policy_covers_ike", up::transport6),
    direct("a_tunnel_between_the_gateways_themselves_covers_ike", up::gateways),
    direct("ah_in_a_tunnel", up::ah_tunnel),
    direct("ah_in_transport", up::ah_transport),
    Scenario { name: "esp_in_udp_through_a_nat", net: Net::BehindNat, only: None, act: up::nat },
    direct("a_packet_begins_after_setkey_has_loaded_policies", operator::setkey),
    direct("sas_that_setkey_has_loaded_carry_packets", operator::manual),
    direct("a_packet_begins_after_ip_xfrm_has_loaded_policies", operator::ip_xfrm),
    direct("policies_that_were_there_before_stay_when_the_daemon_ends", operator::loaded_before),
    direct("charon_answers_psk", charon::answers_psk),
    direct("charon_answers_rsa", charon::answers_rsa),
    direct("charon_answers_transport", charon::answers_transport),
    direct("charon_begins_psk", charon::begins_psk),
    direct("charon_begins_rsa", charon::begins_rsa),
    direct("charon_begins_transport", charon::begins_transport),
    direct("charon_gets_the_policy_that_it_asks_for", grants::tunnel),
    direct("charon_gets_the_transport_that_it_asks_for", grants::transport),
];
