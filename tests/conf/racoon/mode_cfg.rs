//! `mode_cfg`, `radiuscfg`, `ldapcfg` and `privsep`: what they mean, where files and names may be looked at too.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use coati::conf::diagnostic::render;
use coati::conf::{Environment, Network, NoFiles, SystemEnvironment, racoon};
use coati::crypto::alg::Group;
use coati::ike::policy::{
    Accounting, AddressSource, AuthSource, GroupSource, ModeConfig, Policy, RadiusServer,
};

/// Knows one name.
struct OneName;

impl Network for OneName {
    fn local_address_for(&self, _: IpAddr) -> Option<IpAddr> {
        None
    }

    fn interfaces(&self) -> Vec<(String, IpAddr)> {
        Vec::new()
    }

    fn lookup_host(&self, name: &str) -> Vec<IpAddr> {
        let known = (name == "users.example").then_some(["2001:db8::7", "10.0.0.7"]);
        known.into_iter().flatten().map(|a| a.parse().expect("an address")).collect()
    }
}

/// What a text means, or what is said of it.
fn resolve(text: &str, env: &dyn Environment) -> Result<Policy, String> {
    let (config, mut said) = racoon::load("racoon.conf", text, env);
    let Some(config) = config else { return Err(render(&said)) };
    let (policy, mut more) = racoon::resolve(&config, None, env);
    said.append(&mut more);
    policy.ok_or_else(|| render(&said))
}

fn mode_config(text: &str) -> Option<ModeConfig> {
    resolve(text, &NoFiles).expect("it can be used").mode_config.map(|config| (*config).clone())
}

fn refusal(text: &str, env: &dyn Environment) -> String {
    resolve(text, env).expect_err("it must be refused")
}

fn shown(server: &RadiusServer) -> (String, String, u64, u32) {
    let secret = String::from_utf8(server.secret.expose().clone()).expect("text");
    (server.address.to_string(), secret, server.timeout.as_secs(), server.tries)
}

#[test]
fn a_block_of_every_statement() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conf/cases/racoon/mode_cfg.conf");
    let config = mode_config(&fs::read_to_string(path).expect("the case")).expect("a mode_cfg");
    let v4 = |a, b, c, d| Ipv4Addr::new(a, b, c, d);
    assert_eq!(config.network4, Some(v4(10, 9, 0, 10)));
    assert_eq!(config.netmask4, Some(v4(255, 255, 255, 0)));
    assert_eq!(config.pool_size, 50);
    assert_eq!(config.dns4, [v4(10, 0, 0, 53), v4(10, 0, 1, 53), v4(10, 0, 2, 53)]);
    assert_eq!(config.wins4, [v4(10, 0, 0, 137), v4(10, 0, 1, 137)]);
    assert_eq!(config.default_domain.as_deref(), Some("example.org"));
    assert_eq!(config.split_dns, ["example.org", "example.net"]);
    assert_eq!(config.banner, Some(PathBuf::from("/etc/racoon/banner")));
    assert_eq!(config.pfs_group, Some(Group::Modp2048));
    assert!(config.save_password);
    assert_eq!(config.throttle, Duration::from_secs(3));
    assert_eq!((config.auth, config.groups), (AuthSource::Radius, GroupSource::Ldap));
    assert_eq!(config.auth_groups, ["vpn", "staff"]);
    assert_eq!((config.addresses, config.accounting), (AddressSource::Radius, Accounting::Radius));
    let split = config.split_network.expect("networks");
    let networks: Vec<_> = split.networks.iter().map(|p| (p.address(), p.prefix_len())).collect();
    assert!(!split.is_local_lan);
    assert_eq!(
        networks,
        [(v4(10, 0, 0, 0).into(), 8), (v4(172, 16, 0, 0).into(), 12), (IpAddr::from(v4(192, 168, 7, 0)), 24)]
    );
}

#[test]
fn servers_of_every_statement() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conf/cases/racoon/mode_cfg.conf");
    let config = mode_config(&fs::read_to_string(path).expect("the case")).expect("a mode_cfg");
    let auth: Vec<_> = config.servers.radius.auth.iter().map(shown).collect();
    assert_eq!(
        auth,
        [
            ("127.0.0.1:1645".to_owned(), "first secret".to_owned(), 2, 4),
            ("127.0.0.2:1812".to_owned(), "second secret".to_owned(), 2, 4)
        ]
    );
    let acct: Vec<_> = config.servers.radius.acct.iter().map(shown).collect();
    assert_eq!(acct, [("127.0.0.1:1813".to_owned(), "third secret".to_owned(), 2, 4)]);
    let ldap = config.servers.ldap;
    assert_eq!((ldap.name.as_str(), ldap.port, ldap.version), ("127.0.0.3", 3890, 3));
    assert_eq!(ldap.addresses, [IpAddr::from([127, 0, 0, 3])]);
    assert_eq!((ldap.base.as_str(), ldap.subtree), ("dc=example,dc=org", true));
    assert_eq!(ldap.timeout, Duration::from_secs(5));
    let (dn, password) = ldap.bind.expect("somebody to search as");
    assert_eq!(dn, "cn=gateway,dc=example,dc=org");
    assert_eq!(password.expose(), b"fourth secret");
    let names = ldap.attributes;
    assert_eq!([names.user, names.address, names.netmask], ["uid", "vpnAddress", "vpnMask"]);
    assert_eq!([names.group, names.member], ["gid", "uniqueMember"]);
}

#[test]
fn what_is_not_written_is_as_in_racoon() {
    assert_eq!(mode_config("mode_cfg { }"), Some(ModeConfig::default()));
    assert_eq!(mode_config("log info;"), None);
    let server = "remote anonymous { exchange_mode main; proposal { encryption_algorithm aes; \
        hash_algorithm sha1; authentication_method xauth_psk_server; dh_group 2; } }";
    // Whether the method is served is another matter; where it is, users are asked for by the defaults.
    if let Ok(policy) = resolve(server, &NoFiles) {
        assert_eq!(policy.mode_config.as_deref(), Some(&ModeConfig::default()));
    }
}

#[test]
fn groups_of_sainfos_are_asked_for() {
    let sainfo = |head: &str| {
        format!(
            "sainfo {head} {{ encryption_algorithm aes; authentication_algorithm hmac_sha256; \
             compression_algorithm deflate; }}\n"
        )
    };
    let text =
        ["anonymous group \"vpn\"", "address 10.0.0.1 any anonymous group \"staff\""].map(sainfo).concat();
    let text = format!("mode_cfg {{ }}\n{text}{}", sainfo("address 10.0.0.2 any anonymous group \"vpn\""));
    // Whether a rule for a group is served is another matter.
    if let Ok(policy) = resolve(&text, &NoFiles) {
        assert_eq!(policy.mode_config.as_ref().expect("a mode_cfg").rule_groups, ["vpn", "staff"]);
    }
}

#[test]
fn secrets_are_not_shown() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conf/cases/racoon/mode_cfg.conf");
    let config = mode_config(&fs::read_to_string(path).expect("the case")).expect("a mode_cfg");
    let text = format!("{config:?}");
    assert!(!text.contains("secret\"") && !text.contains("first"), "{text}");
}

#[test]
fn names_are_looked_up_when_the_file_is_read() {
    let env = SystemEnvironment::new(OneName);
    let text = "mode_cfg { auth_source ldap; }\nradiuscfg { acct \"users.example\" \"s\"; }\n\
        ldapcfg { uri \"ldap://users.example:390\"; }";
    let policy = resolve(text, &env).expect("it can be used");
    let servers = &policy.mode_config.as_ref().expect("a mode_cfg").servers;
    assert_eq!(servers.radius.acct[0].address.to_string(), "[2001:db8::7]:1813");
    assert_eq!((servers.ldap.addresses.len(), servers.ldap.port), (2, 390));

    let said =
        refusal("radiuscfg {\n\tauth \"nobody.example\" \"s\";\n}\nldapcfg { host \"x.example\"; }", &env);
    assert!(
        said.contains("racoon.conf:2:2: error: the host name `nobody.example` cannot be resolved"),
        "{said}"
    );
    assert!(said.contains("racoon.conf:4:11: error: the host name `x.example` cannot be resolved"), "{said}");
}

#[test]
fn a_server_is_needed_where_one_is_asked() {
    let env = SystemEnvironment::new(OneName);
    if Path::new("/etc/radius.conf").exists() {
        return;
    }
    let said = refusal("mode_cfg {\n\tauth_source radius;\n}", &env);
    assert!(
        said.contains("racoon.conf:2:2: error: no RADIUS server is named here, and /etc/radius.conf cannot"),
        "{said}"
    );
    // Where no file may be looked at, the system's own may name one.
    assert!(resolve("mode_cfg { auth_source radius; }", &NoFiles).is_ok());
}

#[test]
fn privsep_follows_links() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    for name in ["certs", "scripts", "certs-of-others"] {
        fs::create_dir(root.join(name)).expect("a folder");
    }
    fs::write(root.join("certs-of-others/ca.crt"), "x").expect("written");
    std::os::unix::fs::symlink(root.join("certs-of-others/ca.crt"), root.join("certs/link.crt"))
        .expect("a link");
    fs::write(root.join("certs/ca.crt"), "x").expect("written");
    let env = SystemEnvironment::new(OneName);
    let text = |ca: &str| {
        let root = root.display();
        format!(
            "path certificate \"{root}/certs\"; path script \"{root}/scripts\"; privsep {{ user 70; }}\n\
             remote anonymous {{ exchange_mode main; ca_type x509 \"{ca}\"; proposal {{ encryption_algorithm aes; \
             hash_algorithm sha1; authentication_method rsasig; dh_group 2; }} }}"
        )
    };
    for (name, is_safe) in [("ca.crt", true), ("link.crt", false), ("../certs-of-others/ca.crt", false)] {
        let said = refusal(&text(name), &env);
        assert_eq!(said.contains("error: unsafe cert"), !is_safe, "{name}: {said}");
    }
}

#[test]
fn the_banner_is_read_with_the_configuration() {
    let folder = tempfile::tempdir().expect("a folder");
    let banner = folder.path().join("banner");
    fs::write(&banner, "Be careful.\n\n").expect("written");
    let env = SystemEnvironment::new(OneName);
    let text = format!("mode_cfg {{ network4 10.9.0.1; banner \"{}\"; }}", banner.display());
    let read = || resolve(&text, &env).expect("it can be used").mode_config.expect("a mode_cfg");
    assert_eq!(read().banner_text.as_deref(), Some("Be careful."));
    fs::write(&banner, "\n").expect("written");
    assert_eq!(read().banner_text, None);
    fs::remove_file(&banner).expect("removed");
    assert_eq!(read().banner_text, None, "a road warrior can do without");
    assert_eq!(mode_config(&text).expect("a mode_cfg").banner_text, None, "where no file is opened");
}
