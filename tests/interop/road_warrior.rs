//! Road warriors: charon as the gateway of a Coati that logs in, and as a client of one that asks for the login.
//!
//! Each case has a tunnel between two networks besides, so that pings show that quick mode is let through afterwards.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::Outcome;
use crate::charon::Charon;
use crate::coati::{Coati, PROGRAM};
use crate::connections;
use crate::lab::{Lab, OURS, Side, inner, peer};
use crate::pki::{OUR_NAME, Pki, THEIR_NAME};
use crate::process::run as run_command;
use crate::report::{Filter, Report};
use crate::suite::Suite;
use crate::tunnel::Front;

const SUITE: Suite =
    Suite { phase1: ["aes128", "sha256", "modp2048"], phase2: ["aes128", "sha256", "modp2048"] };
const LIMIT: Duration = Duration::from_secs(60);
const PASSWORD: &str = "open sesame";

/// How phase 1 is authenticated before the login.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    Psk,
    Rsa,
    Hybrid,
}

/// What is special about a case.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Special {
    Nothing,
    /// The client has another password.
    WrongPassword,
    /// The gateway sets the configuration instead of being asked.
    Push,
}

/// Name, method, and what is special. Tunnels are numbered from 1 in each role.
const AS_CLIENT: [(&str, Method, Special); 5] = [
    ("coati_logs_in_xauth_psk", Method::Psk, Special::Nothing),
    ("coati_logs_in_xauth_rsa", Method::Rsa, Special::Nothing),
    ("coati_logs_in_hybrid_rsa", Method::Hybrid, Special::Nothing),
    ("coati_logs_in_wrong_password", Method::Psk, Special::WrongPassword),
    ("coati_logs_in_push", Method::Psk, Special::Push),
];
const AS_GATEWAY: [(&str, Method, Special); 4] = [
    ("charon_logs_in_xauth_psk", Method::Psk, Special::Nothing),
    ("charon_logs_in_xauth_rsa", Method::Rsa, Special::Nothing),
    ("charon_logs_in_hybrid_rsa", Method::Hybrid, Special::Nothing),
    ("charon_logs_in_wrong_password", Method::Psk, Special::WrongPassword),
];

/// Which side Coati is on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Client,
    Gateway,
}

impl Role {
    const fn cases(self) -> &'static [(&'static str, Method, Special)] {
        match self {
            Self::Client => &AS_CLIENT,
            Self::Gateway => &AS_GATEWAY,
        }
    }
}

/// The names of all cases.
pub(crate) fn names() -> Vec<String> {
    let all = AS_CLIENT.iter().chain(&AS_GATEWAY);
    all.map(|(name, ..)| format!("road_warrior::{name}")).collect()
}

/// Runs those that the filter takes.
pub(crate) fn run(filter: &Filter, report: &Report) {
    for role in [Role::Client, Role::Gateway] {
        let takes = |name: &str| filter.takes(&format!("road_warrior::{name}"));
        if role.cases().iter().any(|(name, ..)| takes(name))
            && let Err(why) = run_in_lab(role, &takes, report)
        {
            report.add("road_warrior::laboratory", Err(why));
        }
    }
}

struct Bench {
    lab: Lab,
    coati: Coati,
    charon: Charon,
    role: Role,
}

fn run_in_lab(role: Role, takes: &dyn Fn(&str) -> bool, report: &Report) -> Outcome<()> {
    let lab = Lab::new(role.cases().len())?;
    let pki = Pki::new(&lab.dir.join("pki"))?;
    let charon = connections::start_with(&lab, Side::Theirs, &pki, &swanctl_conf(role))?;
    let coati = start_coati(&lab, &pki, role)?;
    let bench = Bench { lab, coati, charon, role };
    for (n, (name, _, special)) in (1..).zip(role.cases()) {
        if takes(name) {
            let outcome = bench.case(n, *special).map_err(|why| {
                let ours = bench.coati.daemon.mentions(&[&peer(n)]);
                let theirs = bench.charon.daemon.mentions(&[&format!("<t{n}|")]);
                format!("{why}\n{ours}{theirs}")
            });
            report.add(&format!("road_warrior::{name}"), outcome);
        }
    }
    Ok(())
}

impl Bench {
    fn case(&self, n: usize, special: Special) -> Outcome<()> {
        let is_wrong = special == Special::WrongPassword;
        let started = match self.role {
            Role::Client => self.lab.ping_until(Side::Ours, n, 1, if is_wrong { 8 } else { 40 }),
            Role::Gateway => self.charon.initiate(&connections::child(n)),
        };
        if is_wrong {
            if started.is_ok() {
                return Err("the client came in although its password is wrong".into());
            }
            return self.is_refused(n);
        }
        started?;
        self.is_configured(n)?;
        self.lab.ping_all(Side::Ours, n, "-c 3 -i 0.2 -W 10")?;
        self.lab.ping_all(Side::Theirs, n, "-c 3 -i 0.2 -W 10")
    }

    fn coati_says(&self, words: &[&str]) -> Outcome<()> {
        self.coati.daemon.wait(words, LIMIT).map(drop)
    }

    fn charon_says(&self, n: usize, words: &[&str]) -> Outcome<()> {
        let tag = format!("<t{n}|");
        self.charon.daemon.wait(&[&[tag.as_str()], words].concat(), LIMIT).map(drop)
    }

    fn is_refused(&self, n: usize) -> Outcome<()> {
        match self.role {
            Role::Client => {
                self.coati_says(&[&peer(n), "does not take our login"])?;
                self.charon_says(n, &["XAuth authentication of", "failed"])
            }
            Role::Gateway => self.coati_says(&[&peer(n), "login refused", "the password is wrong"]),
        }
    }

    fn is_configured(&self, n: usize) -> Outcome<()> {
        match self.role {
            Role::Client => {
                self.charon_says(n, &["XAuth authentication of 'ann' successful"])?;
                let address = format!("address 10.9.{n}.1");
                self.coati_says(&[&format!("mode config received from {}", peer(n)), &address])?;
                self.coati_says(&[
                    &format!("mode config received from {}", peer(n)),
                    &format!("dns 10.9.{n}.254"),
                ])
            }
            Role::Gateway => {
                self.coati_says(&["login succeeded for user \"ann\""])?;
                self.charon_says(n, &["installing new virtual IP 10.9.0."])
            }
        }
    }
}

fn start_coati(lab: &Lab, pki: &Pki, role: Role) -> Outcome<Coati> {
    let (conf, keys, setkey) = racoon_files(lab, pki, role);
    lab.write_secret("racoon/psk.txt", &keys)?;
    let conf = lab.write("racoon/racoon.conf", &conf)?;
    let setkey = lab.write("racoon/setkey.conf", &setkey)?;
    let command = match role {
        Role::Client => lab.on(Side::Ours, PROGRAM),
        Role::Gateway => with_accounts(lab)?,
    };
    Coati::launch_as(lab, command, Front::Racoon, [("--racoon", conf), ("--setkey", setkey)])
}

/// Our program on a machine whose only users are ann and bob.
fn with_accounts(lab: &Lab) -> Outcome<Command> {
    let hash = run_command(Command::new("openssl").args(["passwd", "-6", PASSWORD]))?;
    let (mut passwd, mut shadow) = (String::new(), String::new());
    for (uid, user) in (1000..).zip(["ann", "bob"]) {
        let _ = writeln!(passwd, "{user}:x:{uid}:{uid}::/home/{user}:/bin/sh");
        let _ = writeln!(shadow, "{user}:{}:1:0:99999:7:::", hash.trim());
    }
    let passwd = lab.write("etc/passwd", &passwd)?;
    let shadow = lab.write_secret("etc/shadow", &shadow)?;
    let bind = |file: &Path, over: &str| format!("mount --bind {} {over} && ", file.display());
    let script = bind(&passwd, "/etc/passwd") + &bind(&shadow, "/etc/shadow") + "exec \"$0\" \"$@\"";
    let mut command = lab.on(Side::Ours, "unshare");
    command.args(["--mount", "sh", "-c", &script, PROGRAM]);
    Ok(command)
}

/// racoon.conf, psk.txt and the setkey file.
fn racoon_files(lab: &Lab, pki: &Pki, role: Role) -> (String, String, String) {
    let psk = lab.dir.join("racoon/psk.txt");
    let mut conf =
        format!("path pre_shared_key \"{}\";\npath certificate \"{}\";\n", psk.display(), pki.dir.display());
    let (mut keys, mut setkey) = (String::new(), String::from("flush;\nspdflush;\n"));
    if role == Role::Gateway {
        conf.push_str(
            "mode_cfg { auth_source system; network4 10.9.0.1; netmask4 255.255.255.0; pool_size 50; \
             dns4 10.9.0.254; banner \"\"; }\n",
        );
    }
    let _ = writeln!(keys, "ann {PASSWORD}\nbob something else");
    for (n, (_, method, special)) in (1..).zip(role.cases()) {
        let end = if role == Role::Client { "client" } else { "server" };
        let word = match method {
            Method::Psk => format!("xauth_psk_{end}"),
            Method::Rsa => format!("xauth_rsa_{end}"),
            Method::Hybrid => format!("hybrid_rsa_{end}"),
        };
        let user = if *special == Special::WrongPassword { "bob" } else { "ann" };
        let client = if role == Role::Client {
            format!("xauth_login \"{user}\"; mode_cfg on;")
        } else {
            String::from("passive on;")
        };
        let certificates = match method {
            Method::Psk => "",
            _ => {
                "certificate_type x509 \"coati.crt\" \"coati.key\"; ca_type x509 \"ca.crt\"; \
                 my_identifier fqdn \"coati.test\";"
            }
        };
        let (proposal, sainfo) = SUITE.racoon(&word);
        let (peer, ours, theirs) = (peer(n), inner(Side::Ours, n, 0), inner(Side::Theirs, n, 0));
        let _ = write!(
            conf,
            "remote {peer} {{ exchange_mode main; {certificates} {client} proposal_check obey; nat_traversal on; \
             {proposal} }}\n\
             sainfo subnet {ours}/24 any subnet {theirs}/24 any {{ {sainfo} }}\n"
        );
        let _ = writeln!(keys, "{peer} {}", secret(n));
        let _ = write!(
            setkey,
            "spdadd {ours}/24 {theirs}/24 any -P out ipsec esp/tunnel/{OURS}-{peer}/require;\n\
             spdadd {theirs}/24 {ours}/24 any -P in ipsec esp/tunnel/{peer}-{OURS}/require;\n"
        );
    }
    (conf, keys, setkey)
}

fn secret(n: usize) -> String {
    format!("the secret of group {n}")
}

/// charon on the other side.
fn swanctl_conf(role: Role) -> String {
    let (ike, esp) = SUITE.charon();
    let mut text = String::from("connections {\n");
    let mut pools = String::from("pools {\n");
    let mut secrets = format!("secrets {{\nxauth-ann {{ id = ann\n secret = \"{PASSWORD}\" }}\n");
    secrets.push_str("xauth-bob { id = bob\n secret = \"not that\" }\n");
    for (n, (_, method, special)) in (1..).zip(role.cases()) {
        let (peer, ours, theirs) = (peer(n), inner(Side::Ours, n, 0), inner(Side::Theirs, n, 0));
        let user = if *special == Special::WrongPassword { "bob" } else { "ann" };
        let (local, remote) = rounds(role, *method, user, &peer);
        let access = match role {
            Role::Client => format!("pools = p{n}"),
            Role::Gateway => "vips = 0.0.0.0".to_owned(),
        };
        let pull = if *special == Special::Push { "no" } else { "yes" };
        let _ = write!(
            text,
            "t{n} {{ version = 1\n local_addrs = {peer}\n remote_addrs = {OURS}\n proposals = {ike}\n\
             send_cert = always\n unique = never\n {access}\n pull = {pull}\n {local} {remote}\n\
             children {{ {child} {{ local_ts = {theirs}/24\n remote_ts = {ours}/24\n esp_proposals = {esp} }} }}\n}}\n",
            child = connections::child(n)
        );
        let _ = write!(pools, "p{n} {{ addrs = 10.9.{n}.0/24\n dns = 10.9.{n}.254 }}\n");
        let _ = write!(secrets, "ike-{n} {{ id-1 = {peer}\n secret = \"{}\" }}\n", secret(n));
    }
    format!("{text}}}\n{pools}}}\n{secrets}}}\n")
}

/// charon's rounds of authentication: its own, and ours.
fn rounds(role: Role, method: Method, user: &str, peer: &str) -> (String, String) {
    let psk = |id: &str| format!("auth = psk\n id = {id}");
    let rsa = |id: &str, certs: &str| format!("auth = pubkey\n id = {id}\n {certs}");
    let (theirs, ours) = match method {
        Method::Psk => (psk(peer), psk(OURS)),
        _ => (rsa(THEIR_NAME, "certs = charon.crt"), rsa(OUR_NAME, "")),
    };
    match (role, method) {
        (Role::Client, Method::Hybrid) => {
            (format!("local {{ {theirs} }}"), format!("remote {{ auth = xauth\n id = {OUR_NAME} }}"))
        }
        (Role::Client, _) => {
            (format!("local {{ {theirs} }}"), format!("remote-1 {{ {ours} }} remote-2 {{ auth = xauth }}"))
        }
        (Role::Gateway, Method::Hybrid) => (
            format!("local {{ auth = xauth\n id = {THEIR_NAME}\n xauth_id = {user} }}"),
            format!("remote {{ {ours} }}"),
        ),
        (Role::Gateway, _) => (
            format!("local-1 {{ {theirs} }} local-2 {{ auth = xauth\n xauth_id = {user} }}"),
            format!("remote {{ {ours} }}"),
        ),
    }
}
