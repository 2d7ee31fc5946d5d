//! What is written for logins, and what it means.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use coati::conf::diagnostic::render;
use coati::conf::{Environment, NoFiles, NoNetwork, SystemEnvironment, racoon};
use coati::ike::policy::{AuthMethod, Edge, Phase1Policy};

/// A remote with this method and these statements, behind `head`, and what is said of it.
fn remote(head: &str, method: &str, statements: &str, env: &dyn Environment) -> (Phase1Policy, String) {
    let conf = format!(
        "{head}\nremote 10.99.0.2 {{ exchange_mode main; {statements}\n\
         proposal {{ encryption_algorithm aes; hash_algorithm sha256; dh_group modp2048;\n\
         authentication_method {method}; }} }}"
    );
    let (config, said) = racoon::load("racoon.conf", &conf, env);
    let config = config.unwrap_or_else(|| panic!("{}", render(&said)));
    let (policy, said) = racoon::resolve(&config, None, env);
    let policy = policy.unwrap_or_else(|| panic!("{}", render(&said)));
    (Phase1Policy::clone(&policy.phase1[0]), render(&said))
}

#[test]
fn every_method_says_which_side_we_are() {
    let methods = [
        ("xauth_psk_client", AuthMethod::XauthPreSharedKey(Edge::Client)),
        ("xauth_psk_server", AuthMethod::XauthPreSharedKey(Edge::Gateway)),
        ("xauth_rsa_client", AuthMethod::XauthRsa(Edge::Client)),
        ("xauth_rsa_server", AuthMethod::XauthRsa(Edge::Gateway)),
        ("hybrid_rsa_client", AuthMethod::HybridRsa(Edge::Client)),
        ("hybrid_rsa_server", AuthMethod::HybridRsa(Edge::Gateway)),
    ];
    for (name, method) in methods {
        let statements = "certificate_type x509 \"a\" \"b\"; xauth_login \"ann\";";
        let (peer, said) = remote("", name, statements, &NoFiles);
        assert_eq!(peer.transforms[0].auth.value, method, "{name}");
        let login = peer.remote_access.login.as_ref().map(|login| login.user.as_str());
        let is_client = method.edge() == Some(Edge::Client);
        assert_eq!(login, is_client.then_some("ann"), "{name}");
        assert_eq!(said.contains("xauth_login has no effect"), !is_client, "{name}: {said}");
        assert!(!peer.remote_access.pull_config);
    }
}

#[test]
fn a_client_of_hybrid_authentication_needs_no_certificate() {
    let (peer, said) = remote("", "hybrid_rsa_client", "mode_cfg on;", &NoFiles);
    assert!(peer.credential.is_none() && peer.remote_access.pull_config);
    assert!(said.contains("no xauth_login says who we are"), "{said}");
    let conf = "remote 10.99.0.2 { exchange_mode main; proposal { encryption_algorithm aes; hash_algorithm sha1;\n\
                dh_group 14; authentication_method hybrid_rsa_server; } }";
    let config = racoon::load("racoon.conf", conf, &NoFiles).0.expect("it parses");
    let (policy, said) = racoon::resolve(&config, None, &NoFiles);
    assert!(policy.is_none());
    assert!(render(&said).contains("RSA signatures need a certificate of ours"), "{}", render(&said));
}

#[test]
fn the_password_is_the_key_of_the_login() {
    let folder = tempfile::tempdir().expect("a folder");
    let keys = folder.path().join("psk.txt");
    fs::write(&keys, "10.99.0.2 the group's secret\nann open sesame\n").expect("written");
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o600)).expect("a mode");
    let env = SystemEnvironment::new(NoNetwork);
    for (user, password) in [("ann", Some(&b"open sesame"[..])), ("bob", None)] {
        let head = format!("path pre_shared_key \"{}\";", keys.display());
        let (peer, said) = remote(&head, "xauth_psk_client", &format!("xauth_login \"{user}\";"), &env);
        let login = peer.remote_access.login.expect("a login");
        assert_eq!(login.user, user);
        assert_eq!(login.password.as_ref().map(|p| p.expose().as_slice()), password);
        assert_eq!(said.contains("has no password for the login bob"), user == "bob", "{said}");
        assert!(!format!("{login:?}").contains("sesame"));
    }
}
