//! Real servers, FreeRADIUS and slapd, as Debian has them. Where they are not installed nothing is tested, unless
//! `COATI_REQUIRE_PEERS=1` says that they must be.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use super::*;
use crate::ike::policy::{AddressSource, GroupSource, LdapAttributes, LdapServer};

const FREERADIUS: &str = "/usr/sbin/freeradius";
const SLAPD: &str = "/usr/sbin/slapd";
const SLAPADD: &str = "/usr/sbin/slapadd";
/// How long a server may take to start.
const STARTED: Duration = Duration::from_secs(30);

/// Ends with its value.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn is_installed(program: &str) -> bool {
    let is_there = Path::new(program).exists();
    let is_required = std::env::var_os("COATI_REQUIRE_PEERS").is_some();
    assert!(is_there || !is_required, "{program} is missing; .ci/install installs it");
    is_there
}

async fn ask(config: ModeConfig, user: &str, password: &[u8]) -> Verdict {
    let (desk, mut inputs) = desk();
    desk.submit(LoginId(1), question(&Arc::new(config), user, password));
    verdict(&mut inputs).await.1
}

fn granted(address: Option<[u8; 4]>, netmask: Option<[u8; 4]>, groups: &[&str]) -> Verdict {
    Verdict::Granted {
        groups: groups.iter().map(|name| (*name).to_owned()).collect(),
        address: address.map(Into::into),
        netmask: netmask.map(Into::into),
    }
}

fn free_udp_port() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.local_addr().expect("an address").port()
}

fn start_freeradius(folder: &Path) -> (Server, ModeConfig) {
    let (auth, acct) = (free_udp_port(), free_udp_port());
    let conf = include_str!("radiusd.conf")
        .replace("@FOLDER@", &folder.display().to_string())
        .replace("@AUTH@", &auth.to_string())
        .replace("@ACCT@", &acct.to_string());
    fs::write(folder.join("radiusd.conf"), conf).expect("written");
    fs::write(folder.join("users"), include_str!("users")).expect("written");
    fs::write(folder.join("dictionary"), "").expect("written");
    let child = Command::new(FREERADIUS)
        .args(["-f", "-X", "-d"])
        .arg(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut server = Server(child);
    let mut said = BufReader::new(server.0.stdout.take().expect("a pipe")).lines();
    let is_ready = |line: &Result<String, _>| line.as_ref().is_ok_and(|l| l.contains("Ready to process"));
    assert!(said.any(|line| is_ready(&line)), "FreeRADIUS does not start");
    // What it says further on must not fill the pipe.
    thread::spawn(move || said.for_each(drop));
    let at = |port| RadiusServer {
        name: "freeradius".to_owned(),
        address: ([127, 0, 0, 1], port).into(),
        secret: Secret::new(SECRET.to_vec()),
        timeout: Duration::from_secs(10),
        tries: 2,
    };
    let radius = RadiusServers { auth: vec![at(auth)], acct: vec![at(acct)] };
    let config = ModeConfig {
        auth: AuthSource::Radius,
        addresses: AddressSource::Radius,
        accounting: Accounting::Radius,
        servers: LoginServers { radius, ..LoginServers::default() },
        ..ModeConfig::default()
    };
    (server, config)
}

#[tokio::test]
async fn freeradius_checks_and_records() {
    if !is_installed(FREERADIUS) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (_server, config) = start_freeradius(folder.path());
    let in_with = granted(Some([10, 9, 0, 77]), Some([255, 255, 255, 0]), &[]);
    assert_eq!(ask(config.clone(), "nemo", b"arctangent").await, in_with);
    let local = ModeConfig { addresses: AddressSource::Local, ..config.clone() };
    assert_eq!(ask(local, "nemo", b"arctangent").await, granted(None, None, &[]));
    for (user, password) in [("nemo", &b"wrong"[..]), ("nobody", b"arctangent")] {
        let refused = ask(config.clone(), user, password).await;
        assert_eq!(refused, Verdict::Refused("the RADIUS server freeradius refuses".to_owned()), "{user}");
    }
    let mut sessions = Sessions::new(Clock::start());
    for begins in [true, false] {
        let news = News {
            config: Arc::new(config.clone()),
            user: "nemo".to_owned(),
            remote: [192, 0, 2, 7].into(),
            address: Some([10, 9, 0, 77].into()),
            port: 4,
            begins,
        };
        (sessions, _) = spawn_blocking(move || {
            let told = sessions.tell(&news);
            assert_eq!(told, Ok(()), "begins: {begins}");
            (sessions, ())
        })
        .await
        .expect("it is told");
    }
    let record = fs::read_to_string(folder.path().join("detail")).expect("a record");
    for part in
        ["Acct-Status-Type = Start", "Acct-Status-Type = Stop", "NAS-Port = 4", "User-Name = \"nemo\""]
    {
        assert!(record.contains(part), "{part} is not in\n{record}");
    }
}

fn start_slapd(folder: &Path) -> (Server, ModeConfig) {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
    let shown = folder.display();
    let conf = folder.join("slapd.conf");
    let text = format!(
        "include /etc/ldap/schema/core.schema\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\npidfile {shown}/pid\n\
         database mdb\nsuffix dc=example\ndirectory {shown}/db\n\
         access to attrs=userPassword by anonymous auth by * none\n\
         access to * by dn.exact=cn=gateway,dc=example read by * none\n"
    );
    fs::write(&conf, text).expect("written");
    fs::create_dir(folder.join("db")).expect("a folder");
    let ldif = folder.join("data.ldif");
    fs::write(&ldif, include_str!("directory.ldif")).expect("written");
    let filled = Command::new(SLAPADD).arg("-f").arg(&conf).arg("-l").arg(&ldif).output().expect("it runs");
    assert!(filled.status.success(), "{}", String::from_utf8_lossy(&filled.stderr));
    let child = Command::new(SLAPD)
        .args(["-d", "0", "-h", &format!("ldap://127.0.0.1:{port}"), "-f"])
        .arg(&conf)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let server = Server(child);
    let patience = Patience::of(Clock::start(), STARTED);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(patience.left().is_some(), "slapd does not start");
        thread::yield_now();
    }
    let ldap = LdapServer {
        name: "slapd".to_owned(),
        addresses: vec![[127, 0, 0, 1].into()],
        port,
        base: "dc=example".to_owned(),
        subtree: true,
        bind: Some(("cn=gateway,dc=example".to_owned(), Secret::new(b"gateways".to_vec()))),
        attributes: LdapAttributes {
            address: "street".to_owned(),
            netmask: "l".to_owned(),
            ..LdapAttributes::default()
        },
        ..LdapServer::default()
    };
    let config = ModeConfig {
        auth: AuthSource::Ldap,
        groups: GroupSource::Ldap,
        addresses: AddressSource::Ldap,
        servers: LoginServers { ldap, ..LoginServers::default() },
        ..ModeConfig::default()
    };
    (server, config)
}

#[tokio::test]
async fn slapd_checks_and_groups() {
    if !is_installed(SLAPD) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (_server, config) = start_slapd(folder.path());
    let framed = (Some([10, 9, 0, 5]), Some([255, 255, 0, 0]));
    assert_eq!(ask(config.clone(), "alice", b"right").await, granted(framed.0, framed.1, &[]));
    assert_eq!(ask(config.clone(), "a*b", b"right").await, granted(None, None, &[]));
    for (user, password, why) in [
        ("alice", &b"wrong"[..], "the password is wrong"),
        ("a*", b"right", "the directory has no entry for the user"),
        ("*", b"right", "the directory has no entry for the user"),
        ("alice)(cn=*", b"right", "the directory has no entry for the user"),
    ] {
        assert_eq!(ask(config.clone(), user, password).await, Verdict::Refused(why.to_owned()), "{user}");
    }
    let with_groups = |names: &[&str]| {
        let auth_groups = names.iter().map(|name| (*name).to_owned()).collect();
        ModeConfig { auth_groups, ..config.clone() }
    };
    let vpn = with_groups(&["staff", "vpn"]);
    assert_eq!(ask(vpn.clone(), "alice", b"right").await, granted(framed.0, framed.1, &["vpn"]));
    // A group of a rule is reported, and admits nobody.
    let ruled = ModeConfig { rule_groups: vec!["vpn".to_owned()], ..config.clone() };
    assert_eq!(ask(ruled.clone(), "alice", b"right").await, granted(framed.0, framed.1, &["vpn"]));
    assert_eq!(ask(ruled.clone(), "a*b", b"right").await, granted(None, None, &[]));
    let outside = Verdict::Refused("the user is in none of the groups that may in".to_owned());
    assert_eq!(ask(vpn, "a*b", b"right").await, outside);
    assert_eq!(ask(with_groups(&["staff"]), "alice", b"right").await, outside);
    let elsewhere = ModeConfig { auth_groups: vec!["staff".to_owned()], ..ruled };
    assert_eq!(ask(elsewhere, "alice", b"right").await, outside);
    let one_level = LdapServer { subtree: false, ..config.servers.ldap.clone() };
    let servers = LoginServers { ldap: one_level, ..config.servers.clone() };
    let one_level = ModeConfig { servers, ..config.clone() };
    let unknown = Verdict::Refused("the directory has no entry for the user".to_owned());
    assert_eq!(ask(one_level, "alice", b"right").await, unknown);
}
