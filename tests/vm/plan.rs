//! What two gateways are to agree on, and how each dialect says it.

use crate::lab::Host;
use crate::pki::{OUR_NAME, Pki, THEIR_NAME};
use crate::suite::Suite;

/// The gateways' addresses.
pub(crate) const OUTER4: [&str; 2] = ["10.99.0.1", "10.99.0.2"];
/// The gateways' addresses in IPv6.
pub(crate) const OUTER6: [&str; 2] = ["fd99::1", "fd99::2"];
/// The networks behind them.
pub(crate) const NETS4: [&str; 2] = ["192.168.1.0/24", "192.168.2.0/24"];
/// The networks behind them in IPv6.
pub(crate) const NETS6: [&str; 2] = ["fd01::/64", "fd02::/64"];
/// An address in each of [`NETS4`].
pub(crate) const INNER4: [&str; 2] = ["192.168.1.1", "192.168.2.1"];
/// An address in each of [`NETS6`].
pub(crate) const INNER6: [&str; 2] = ["fd01::1", "fd02::1"];

/// Our pre-shared key.
pub(crate) const PSK: &str = "known to both of us";

/// How the gateways prove who they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Auth {
    /// The same pre-shared key on both sides.
    Psk,
    /// RSA certificates of one authority.
    Rsa,
}

/// One pair of selectors, and everything about how it is protected.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Algorithms.
    pub(crate) suite: Suite,
    /// Authentication of phase 1.
    pub(crate) auth: Auth,
    /// `esp` or `ah`.
    pub(crate) protocol: &'static str,
    /// `tunnel` or `transport`.
    pub(crate) mode: &'static str,
    /// The addresses of the gateways, A first.
    pub(crate) outer: [&'static str; 2],
    /// The networks behind them; in transport mode the gateways themselves.
    pub(crate) inner: [&'static str; 2],
    /// Seconds that each side lets a pair of IPsec SAs live.
    pub(crate) life: [u32; 2],
}

impl Plan {
    /// AES and SHA-1, which every kernel and both interfaces of Linux have alike, for the networks in IPv4.
    pub(crate) const TUNNEL: Self = Self {
        suite: Suite { phase1: ["aes128", "sha1", "modp1024"], phase2: ["aes128", "sha1", "modp1024"] },
        auth: Auth::Psk,
        protocol: "esp",
        mode: "tunnel",
        outer: OUTER4,
        inner: NETS4,
        life: [1200, 1200],
    };

    /// The same between the gateways themselves. The policy covers their IKE too.
    pub(crate) const TRANSPORT: Self = Self { mode: "transport", inner: OUTER4, ..Self::TUNNEL };

    /// The same plan with this cipher in phase 2, and in phase 1 too.
    pub(crate) fn with_cipher(mut self, cipher: &'static str) -> Self {
        self.suite.phase1[0] = cipher;
        self.suite.phase2[0] = cipher;
        self
    }

    /// This side's part of a pair, then the other's.
    fn seen_by<T: Copy>(host: Host, [a, b]: [T; 2]) -> [T; 2] {
        if host == Host::A { [a, b] } else { [b, a] }
    }

    /// racoon.conf of that side, with the certificates of `pki` and the keys in `psk_file`.
    pub(crate) fn racoon(&self, host: Host, pki: &Pki, psk_file: &str) -> String {
        let [_, peer] = Self::seen_by(host, self.outer);
        let [life, _] = Self::seen_by(host, self.life);
        let [name, _] = Self::seen_by(host, ["coati", "charon"]);
        let (method, identity) = match self.auth {
            Auth::Psk => ("pre_shared_key", String::new()),
            Auth::Rsa => (
                "rsasig",
                format!(
                    "my_identifier asn1dn;\n\tcertificate_type x509 \"{name}.crt\" \"{name}.key\";\n\t\
                     ca_type x509 \"ca.crt\";\n\tverify_cert on;\n\t"
                ),
            ),
        };
        let (proposal, sainfo) = self.suite.racoon(method);
        format!(
            "path certificate \"{}\";\npath pre_shared_key \"{psk_file}\";\n\
             remote {peer} {{\n\texchange_mode main;\n\t{identity}proposal_check obey;\n\tnat_traversal on;\n\t\
             lifetime time 1 hour;\n\t{proposal}\n}}\n\
             sainfo anonymous {{\n\tlifetime time {life} sec;\n\t{sainfo}\n}}\n",
            pki.dir.display()
        )
    }

    /// psk.txt of that side.
    pub(crate) fn psk_file(&self, host: Host) -> String {
        let [_, peer] = Self::seen_by(host, self.outer);
        format!("{peer} {PSK}\n")
    }

    /// The policies of that side for setkey.
    pub(crate) fn setkey(&self, host: Host) -> String {
        let [ours, theirs] = Self::seen_by(host, self.inner);
        let [our_end, their_end] = Self::seen_by(host, self.outer);
        let rule = |from: &str, to: &str| match self.mode {
            "tunnel" => format!("{}/tunnel/{from}-{to}/require", self.protocol),
            _ => format!("{}/transport//require", self.protocol),
        };
        format!(
            "spdadd {ours} {theirs} any -P out ipsec {};\nspdadd {theirs} {ours} any -P in ipsec {};\n",
            rule(our_end, their_end),
            rule(their_end, our_end)
        )
    }

    /// A rule of ipsec.conf for that side; `how` is `active` or `passive`.
    pub(crate) fn ipsec_conf(&self, host: Host, how: &str) -> String {
        let [ours, theirs] = Self::seen_by(host, self.inner);
        let [local, peer] = Self::seen_by(host, self.outer);
        let [life, _] = Self::seen_by(host, self.life);
        let mut algorithms = self.suite.ipsec_conf().expect("the suites here are in every dialect");
        if self.protocol == "ah" {
            let (phase1, phase2) = algorithms.split_once(" quick ").expect("it says so");
            let cipher = phase2.split(' ').skip_while(|word| *word != "enc").nth(1).unwrap_or_default();
            algorithms = format!("{phase1} quick {}", phase2.replace(&format!("enc {cipher} "), ""));
        }
        let key = if self.auth == Auth::Psk { format!("psk \"{PSK}\"") } else { String::new() };
        format!(
            "ike {how} {} {} from {ours} to {theirs} local {local} peer {peer} {algorithms} lifetime {life} {key}\n",
            self.protocol, self.mode
        )
    }

    /// swanctl.conf of B: a connection `t` with a child `c`, which B renews after `rekey` seconds.
    pub(crate) fn swanctl(&self, rekey: u32) -> String {
        let ([remote, local], [remote_ts, local_ts]) = (self.outer, self.inner);
        let (ike, esp) = self.suite.charon();
        let (auth, our_id, their_id) = match self.auth {
            Auth::Psk => ("psk", local.to_owned(), remote.to_owned()),
            Auth::Rsa => ("pubkey\n certs = charon.crt", Pki::subject(THEIR_NAME), Pki::subject(OUR_NAME)),
        };
        let their_auth = auth.split('\n').next().unwrap_or(auth);
        format!(
            "connections {{ t {{ version = 1\n local_addrs = {local}\n remote_addrs = {remote}\n proposals = {ike}\n\
             send_cert = always\n unique = never\n rekey_time = 14400\n\
             local {{ auth = {auth}\n id = \"{our_id}\" }}\n remote {{ auth = {their_auth}\n id = \"{their_id}\" }}\n\
             children {{ c {{ mode = {}\n local_ts = {local_ts}\n remote_ts = {remote_ts}\n esp_proposals = {esp}\n\
             rekey_time = {rekey}\n life_time = 86400\n rand_time = 0 }} }} }} }}\n\
             secrets {{ ike {{ id-1 = {remote}\n secret = \"{PSK}\" }} }}\n",
            self.mode
        )
    }
}
