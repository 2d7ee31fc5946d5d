//! What racoon's and setkey's own parsers make of odd input, as observed with ipsec-tools 0.8.2.

use super::{findings, setkey_findings, verdict};

const PROPOSAL: &str = "proposal { encryption_algorithm aes; hash_algorithm sha1; \
                        authentication_method pre_shared_key; dh_group 14; }";
const PATH: &str = "path pre_shared_key \"/p\";";

enum Expect {
    /// Accepted, and nothing said.
    Silent,
    /// Accepted, with this in a warning.
    Warns(&'static str),
    /// Refused, with this in the message.
    Fails(&'static str),
}
use Expect::{Fails, Silent, Warns};

fn compare(input: &str, found: &[coati::conf::Diagnostic], expected: &Expect) -> Result<(), String> {
    let (refused, said) = verdict(found);
    let fine = match expected {
        Silent => said.is_empty(),
        Warns(words) => !refused && said.contains(words),
        Fails(words) => refused && said.contains(words),
    };
    if fine { Ok(()) } else { Err(format!("{input}\n{said}")) }
}

fn check_all(rows: &[(&str, Expect)], wrap: impl Fn(&str) -> String) {
    let wrong: Vec<_> = rows
        .iter()
        .filter_map(|(input, expected)| compare(input, &findings("f", &wrap(input)), expected).err())
        .collect();
    assert!(wrong.is_empty(), "{} of {} rows differ:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

#[test]
fn in_a_remote() {
    let rows = [
        ("lifetime time 10sec;", Silent),
        ("lifetime time 600;", Fails("expected a unit of time")),
        ("lifetime time 1 day;", Fails("syntax error at `day`")),
        ("lifetime time 1 HOUR;", Fails("syntax error at `HOUR`")),
        ("dpd_delay = 30;", Warns("`=` is not understood here and skipped")),
        ("dpd_delay=30;", Warns("racoon reads `=30` as the number 0")),
        ("nat_traversal yes;", Fails("syntax error at `yes`")),
        ("nat_traversal = on;", Warns("`=` is not understood")),
        ("my_identifier fqdn gw.example.org;", Fails("expected a name in double quotes")),
        ("my_identifier fqdn \"gw.example.org\";", Silent),
        ("my_identifier user_fqdn \"\";", Fails("the user_fqdn is empty")),
        ("my_identifier address;", Silent),
        ("my_identifier address \"192.0.2.1\";", Silent),
        ("my_identifier keyid tag \"x\";", Silent),
        ("my_identifier keyid file \"/etc/hostname\";", Silent),
        ("my_identifier asn1dn;", Fails("there is none")),
        ("my_identifier asn1dn \"C=DE, O=x, CN=y\";", Silent),
        ("my_identifier asn1dn \"/C=DE/O=x/CN=y\";", Fails("begin with `/`")),
        ("proposal_check obey", Fails("expected `;`")),
        ("exchange_mode aggressive main;", Silent),
        ("exchange_mode main,;", Silent),
        ("exchange_mode base;", Fails("exchange_mode base is not served")),
        ("exchange_mode main, base;", Warns("exchange_mode base is not served; main")),
        ("exchange_mode base, aggressive;", Warns("base is not served; aggressive mode can be used")),
        ("initial_contact off ;", Silent),
        ("nonce_size 7;", Warns("8 to 256 octets")),
        ("nonce_size 257;", Warns("8 to 256 octets")),
        ("doi ipsec_doi; situation identity_only;", Silent),
        ("support_mip6 on;", Fails("`support_mip6` is not a statement of this block")),
        ("keepalive;", Fails("`keepalive` is not a statement of this block")),
        ("// comment", Fails("syntax error")),
        ("/* comment */", Fails("syntax error")),
        ("! nonce_size 16;", Warns("`!` is not understood")),
        ("script \"a\" phase1_up;", Silent),
        ("script \"a\" phase1_dead;", Silent),
        ("verify_cert on; send_cr off; send_cert off; verify_identifier off;", Silent),
        ("dh_group 2;", Fails("it belongs into `proposal { }`")),
        ("generate_policy require;", Silent),
        ("support_proxy on;", Silent),
        ("rekey force;", Silent),
        ("rekey off; dpd off; dpd_delay 20; dpd_retry 3; dpd_maxfail 2;", Silent),
        ("ike_frag force;", Warns("has no effect yet")),
        ("esp_frag 552;", Warns("has no effect yet")),
        (
            "xauth_login \"u\";",
            Warns("has no effect without an authentication_method that ends in `_client`"),
        ),
        ("mode_cfg on;", Silent),
        ("passive on;passive off;", Silent),
        ("peers_identifier address 192.0.2.0/24;", Fails("expected `;`")),
        ("peers_identifier fqdn;", Fails("expected a name in double quotes")),
        ("verify_identifier on; peers_identifier address;", Warns("every identity of this type fits")),
        ("match_empty_cr on;", Silent),
        ("match_empty_cr off;", Warns("has no effect yet: an empty certificate request fits as well")),
        ("peers_certfile dnssec;", Fails("`peers_certfile dnssec` is not implemented yet")),
        ("peers_certfile plain_rsa \"a\"; peers_certfile plain_rsa \"b\";", Silent),
        ("peers_certfile \"a\"; peers_certfile x509 \"b\";", Fails("has a certificate in line 2 already")),
        ("certificate_type plain_rsa \"a\";", Silent),
        ("certificate_type plain_rsa \"a\" \"b\";", Fails("plain_rsa takes one file")),
        ("certificate_type x509 \"a\" \"b\"; certificate_type plain_rsa \"c\";", Fails("in line 2 already")),
        ("ca_type x509 \"a\"; ca_type x509 \"b\";", Fails("there is a ca_type in line 2 already")),
        ("remote_address 192.0.2.3; remote_address 192.0.2.4;", Fails("in line 2 already")),
    ];
    check_all(&rows, |input| {
        format!("{PATH} remote 192.0.2.2 {{ exchange_mode main;\n{input}\n{PROPOSAL} }}")
    });
}

#[test]
fn in_an_algorithm() {
    let rows = [
        ("aes 256", Silent),
        ("aes256", Silent),
        ("aes", Silent),
        ("aes_256", Warns("for aes with its default key length")),
        ("aes-256", Fails("expected `;`")),
        ("aes 111", Fails("no key length of 111 bits")),
        ("3des 192", Fails("3des takes no key length")),
        ("AES", Fails("expected an encryption algorithm")),
        ("\"aes\"", Fails("expected an encryption algorithm")),
        ("(aes)", Warns("`(` is not understood")),
        ("= aes", Warns("`=` is not understood")),
        ("blowfish 448", Silent),
        ("blowfish 449", Fails("40 to 448 in steps of 8")),
        ("idea", Fails("idea is not implemented yet, and no other proposal is left")),
    ];
    check_all(&rows, |input| {
        format!(
            "{PATH} remote 192.0.2.2 {{ exchange_mode main; proposal {{ hash_algorithm sha1;
authentication_method pre_shared_key; dh_group 14; encryption_algorithm {input}; }} }}"
        )
    });
}

/// A proposal that names what only parses is left out while another one remains.
#[test]
fn algorithms_that_only_parse() {
    let wrap = |changed: &str, others: &str| {
        format!(
            "{PATH} remote 192.0.2.2 {{ exchange_mode main; {} {others} }}",
            PROPOSAL.replacen("aes", changed, 1)
        )
    };
    let rows = [
        ("idea", "idea is not implemented yet"),
        ("rc5 128", "rc5 is not implemented yet"),
        ("aes; hash_algorithm tiger", "tiger is not implemented yet"),
        ("aes; authentication_method dsssig", "dsssig is not implemented yet"),
        ("aes; authentication_method rsaenc", "rsaenc is not implemented yet"),
        ("aes; authentication_method gssapi_krb; gss_id \"host/x\"", "gssapi_krb is not implemented yet"),
        ("aes; dh_group ec2n155", "ec2n155 is not implemented yet"),
        ("aes; dh_group 4", "ec2n185 is not implemented yet"),
    ];
    for (changed, words) in rows {
        // The last statement of a name counts, so the changed one has to come last.
        let swapped = |others: &str| {
            let text = wrap("aes", others);
            let (head, tail) = text.split_once("dh_group 14; }").expect("a proposal");
            format!("{head}dh_group 14; encryption_algorithm {changed}; }}{tail}")
        };
        let alone = findings("f", &swapped(""));
        let (refused, said) = verdict(&alone);
        assert!(refused && said.contains(words) && said.contains("no other proposal is left"), "{said}");
        let (refused, said) = verdict(&findings("f", &swapped(PROPOSAL)));
        assert!(
            !refused && said.contains(words) && said.contains("the proposal with it is left out"),
            "{said}"
        );
    }
    let (refused, said) = verdict(&findings("f", &wrap("aes; gss_id \"x\"", "")));
    assert!(refused && said.contains("gss_id goes with gssapi_krb alone"), "{said}");
}

/// In a sainfo they are left out of their list, and a group that only parses leaves nothing to negotiate.
#[test]
fn algorithms_of_a_sainfo_that_only_parse() {
    let sainfo = |id: &str, ciphers: &str, auths: &str, more: &str| {
        format!(
            "sainfo {id} {{ encryption_algorithm {ciphers}; authentication_algorithm {auths}; \
             compression_algorithm deflate; {more} }}"
        )
    };
    for (ciphers, auths, words) in [
        ("aes, twofish 128", "hmac_sha1", "twofish is not implemented yet and left out"),
        ("aes, des_iv64, des_iv32, rc4, 3idea", "hmac_sha1", "des_iv64 is not implemented yet and left out"),
        ("aes", "hmac_sha1, kpdk", "kpdk is not implemented yet and left out"),
        ("aes", "des_mac, hmac_sha1", "des_mac is not implemented yet and left out"),
    ] {
        let (refused, said) = verdict(&findings("f", &sainfo("anonymous", ciphers, auths, "")));
        assert!(!refused && said.contains(words), "{said}");
    }
    let (refused, said) = verdict(&findings("f", &sainfo("anonymous", "twofish", "hmac_sha1", "")));
    assert!(refused && said.contains("no algorithm is left"), "{said}");
    let both = sainfo("anonymous", "aes", "hmac_sha1", "")
        + &sainfo("address ::1 icmp6 address ::1 icmp6", "aes", "hmac_sha1", "pfs_group 3;");
    let (refused, said) = verdict(&findings("f", &both));
    assert!(
        !refused && said.contains("error: ec2n155 is not implemented yet: nothing is negotiated"),
        "{said}"
    );
}

#[test]
fn heads_of_sainfo() {
    let rows = [
        ("anonymous", Silent),
        ("address 10.0.0.0/24 any address 10.0.1.0/24 any", Silent),
        ("address 10.0.0.0/24[any] any address 10.0.1.0/24[any] any", Silent),
        ("address 10.0.0.1[80] tcp address 10.0.1.1[any] tcp", Silent),
        ("address 10.0.0.1 47 address 10.0.1.1 47", Silent),
        ("address 10.0.0.1 gre address 10.0.1.1 gre", Silent),
        ("(address 10.0.0.1 gre address 10.0.1.1 gre)", Warns("`(` is not understood")),
        ("(address 10.0.0.1 [any] any address 10.0.1.1 [any] any)", Warns("`)` is not understood")),
        ("subnet 10.0.0.0/24 any subnet 10.0.1.0/24 any", Silent),
        ("subnet 10.0.0.0/24 any anonymous", Silent),
        ("anonymous address 10.0.0.0/24 any", Silent),
        ("anonymous from fqdn \"x.org\"", Silent),
        ("anonymous from address", Warns("`from` without a value is for every identity of this type")),
        ("anonymous group \"vpn\"", Silent),
        ("anonymous clientaddr", Silent),
        ("clientaddr anonymous", Fails("stands for the peer")),
        ("address 10.0.0.0/24 any clientaddr", Silent),
        ("user_fqdn \"a@b\" user_fqdn \"c@d\"", Silent),
        ("asn1dn \"C=DE, CN=y\" \"name.example\"", Silent),
        ("asn1dn \"/C=DE/CN=y\" anonymous", Fails("begin with `/`")),
        ("address ::1 icmp6 address ::1 icmp6", Silent),
        ("address 10.0.0.1 icmp6 address 10.0.0.2 icmp6", Fails("not of the family")),
        ("address 10.0.0.1[8] icmp address 10.0.0.2 icmp", Fails("icmp has no ports")),
        ("address 10.0.0.1 tcp address 10.0.0.2 udp", Warns("different protocols")),
        ("address 10.0.0.1-10.0.0.9 any address 10.0.1.1 any", Warns("the range is no network")),
        ("address 10.0.0.0-10.0.0.255 any address 10.0.1.1 any", Silent),
        ("address 10.0.0.9-10.0.0.1 any address 10.0.1.1 any", Fails("this is no range")),
        ("address 10.0.0.0/33 any anonymous", Fails("at most 32 bits")),
        ("address ::1[any] icmp address ::1 icmp", Fails("not of the family")),
    ];
    check_all(&rows, |input| {
        format!(
            "sainfo {input} {{ encryption_algorithm aes; authentication_algorithm hmac_sha1; \
             compression_algorithm deflate; }}"
        )
    });
}

#[test]
fn in_a_sainfo() {
    let rows = [
        ("pfs_group modp2048;", Silent),
        ("pfs_group modp1024;", Warns("modp1024 is weak")),
        ("pfs_group none;", Fails("syntax error at `none`")),
        // Ours: racoon itself has no word for the groups of RFC 5114 and RFC 5903.
        ("pfs_group 24;", Silent),
        ("pfs_group 25;", Fails("`25` is no DH group")),
        ("lifetime byte 100 KB;", Fails("lifetimes in bytes are deprecated")),
        ("lifetime time 1 hour, byte 5 MB;", Fails("syntax error at `,`")),
        ("pfs_group 3;", Fails("ec2n155 is not implemented yet: nothing is negotiated under this sainfo")),
        ("remoteid 5;", Silent),
        ("my_identifier address;", Fails("`my_identifier` is not a statement of this block")),
    ];
    check_all(&rows, |input| {
        format!(
            "sainfo anonymous {{ encryption_algorithm aes; authentication_algorithm hmac_sha1; \
             compression_algorithm deflate; {input} }}"
        )
    });
}

#[test]
fn on_the_top_level() {
    let rows = [
        ("log debug;", Silent),
        ("log debug4;", Fails("syntax error at `4`")),
        ("log;", Fails("syntax error at `;`")),
        ("path script \"/x\";", Silent),
        ("path scripts \"/x\";", Warns("`s` is not understood")),
        ("path pre_shared_key /etc/psk;", Fails("expected a string in double quotes")),
        ("path backupsa \"/x\";", Silent),
        ("listen { }", Silent),
        ("listen { isakmp 127.0.0.1[500]; }", Silent),
        ("listen { isakmp 127.0.0.1 [500]; strict_address; }", Silent),
        ("listen { isakmp ::1 [500]; adminsock disabled; }", Silent),
        ("listen { adminsock \"/tmp/s.sock\" \"root\" \"operator\" 0660; }", Silent),
        ("listen { isakmp any; }", Fails("expected an address")),
        (
            "timer { natt_keepalive 10 sec; counter 5; interval 20 sec; persend 1; phase1 30 sec; phase2 15 sec; }",
            Silent,
        ),
        ("timer { phase1 30; }", Fails("expected a unit of time")),
        ("padding { maximum_length 20; randomize off; strict_check off; exclusive_tail off; }", Silent),
        ("padding { randomize_length on; strict_check on; }", Silent),
        ("timer { persend 2; }", Silent),
        ("mode_cfg { split_network local_lan 10.0.0.0/8; }", Silent),
        (
            "mode_cfg { dns4 8.8.8.8, 8.8.4.4; wins4 1.1.1.1; split_network include 10.0.0.0/8, 11.0.0.0/8; split_dns \"a\",\"b\"; default_domain \"x\"; pool_size 5; network4 10.9.0.1; netmask4 255.255.255.0; auth_source system; banner \"/x\"; save_passwd on; pfs_group 2; auth_throttle 1; auth_groups \"a\",\"b\"; group_source system; conf_source local; accounting none; }",
            Silent,
        ),
        ("privsep { user 0; group 0; chroot \"/x\"; }", Warns("`chroot \"/x\"` has no effect yet")),
        ("pfkey_buffer 1024;", Silent),
        ("gss_id_enc latin1;", Warns("`gss_id_enc latin1` has no effect yet")),
        ("complex_bundle off;", Warns("`complex_bundle off` has no effect yet")),
        ("complex_bundle on;", Silent),
        ("remote 192.0.2.9;", Fails("expected `{`")),
        ("remote 192.0.2.9 inherit anonymous;", Fails("no remote anonymous above")),
        (
            "remote \"name2\" inherit \"name\" { remote_address 192.0.2.6; }",
            Fails("no remote \"name\" above"),
        ),
        ("remote host.example.org { }", Fails("syntax error at `host.example.org`")),
        ("remote 192.0.2.8 { exchange_mode main; }", Fails("the remote has no proposal")),
        ("Remote 192.0.2.8 { }", Fails("did you mean `remote`?")),
        (";", Fails("syntax error at `;`")),
        ("# comment without newline \"quote", Silent),
        ("extcfg { }", Fails("pfSense's patched racoon")),
        ("remote 192.0.2.8 { exchange_mode main;", Fails("is never closed")),
    ];
    check_all(&rows, str::to_owned);
    let named = [
        ("\"name\" { remote_address 192.0.2.5; exchange_mode main;", Silent),
        ("192.0.2.7[500] { exchange_mode main;", Silent),
        ("192.0.2.7 [500] { exchange_mode main;", Silent),
        ("192.0.2.8 {", Fails("no exchange_mode")),
        (
            "anonymous [500] { exchange_mode main;",
            Warns("the port 500 of an anonymous remote is not looked at"),
        ),
        ("\"name\" { exchange_mode main;", Fails("has no remote_address")),
    ];
    check_all(&named, |input| format!("{PATH} remote {input} {PROPOSAL} }}"));
}

const RULE: &str = "esp/transport//require";

#[test]
fn of_setkey() {
    let rows = [
        ("flush".to_owned(), Fails("the file ends where `;` is expected")),
        ("flush;spdflush;".into(), Silent),
        ("FLUSH;".into(), Fails("syntax error at `FLUSH`")),
        ("# c\nflush ; # c\n".into(), Silent),
        (policy("", "", "out ipsec\n\tRULE "), Silent),
        (policy("", "", "out ipsec # c\n\tRULE "), Fails("`#` is no protocol of a rule")),
        (policy("", "", "out ipsec \\\n\tRULE "), Fails("`\\` is no protocol of a rule")),
        (policy("/24", "/24[80]", "out ipsec RULE"), Silent),
        (policy("/24[any]", "/24 [80]", "out ipsec RULE"), Silent),
        (policy("[l2tp]", "", "out ipsec RULE"), Silent),
        (policy(" [l2tp]", "", "out ipsec RULE"), Silent),
        (policy("[nonsense]", "", "out ipsec RULE"), Fails("`nonsense` is no port")),
        ("spdadd 10.0.0.1[l2tp] 0.0.0.0/0 udp -P out ipsec esp/transport//require;".into(), Silent),
        ("spdadd 10.0.0.1 [l2tp] 0.0.0.0/0 udp -P out ipsec esp/transport//require;".into(), Silent),
        ("spdadd 0.0.0.0/0[0] 0.0.0.0/0[1701] udp -P in ipsec esp/transport//require;".into(), Silent),
        ("spdadd 10.0.0.1 10.0.0.2 gre -P out ipsec esp/transport//require;".into(), Silent),
        ("spdadd 10.0.0.1 10.0.0.2 47 -P out ipsec esp/transport//require;".into(), Silent),
        ("spdadd 10.0.0.1 10.0.0.2 ip4 -P out ipsec esp/transport//require;".into(), Silent),
        ("spdadd 10.0.0.1 10.0.0.2 ipencap -P out ipsec esp/transport//require;".into(), Silent),
        ("spdadd ::1 ::1 icmp6 135,0 -P out ipsec esp/transport//require;".into(), Silent),
        (policy("", "", "fwd ipsec RULE"), Silent),
        (policy("", "", "out prio 100 ipsec RULE"), Silent),
        (policy("", "", "out prio high + 5 ipsec RULE"), Silent),
        (policy("", "", "out none"), Silent),
        (policy("", "", "out discard"), Silent),
        (policy("", "", "out entrust"), Silent),
        (policy("", "", "out bypass"), Silent),
        (policy("", "", "out ipsec esp/tunnel/1.1.1.1-2.2.2.2/unique:16385"), Silent),
        (policy("", "", "out ipsec esp/tunnel/1.1.1.1[4500]-2.2.2.2[4500]/require"), Silent),
        (policy("", "", "out ipsec esp/transport"), Silent),
        (policy("", "", "out ipsec esp/transport/"), Silent),
        (policy("", "", "out ipsec esp/transport//"), Fails("`` is no level")),
        (policy("", "", "out ipsec esp/transport//default"), Silent),
        (policy("", "", "out ipsec hip/transport//require"), Fails("`hip` is no protocol of a rule")),
        (policy("", "", "out ipsec esp/tunnel//require"), Fails("a tunnel needs its two ends")),
        (policy("", "", "out ipsec ipcomp/transport//use RULE ah/transport//require"), Silent),
        ("spdadd -4 10.0.0.1 10.0.0.2 any -P out ipsec esp/transport//require;".into(), Silent),
        ("spdadd -46n 10.0.0.1 10.0.0.2 any -P out none;".into(), Fails("exclude each other")),
        ("spdadd fe80::1%%lo ::1 any -P out ipsec esp/transport//require;".into(), Silent),
        ("spdadd tagged \"x\" -P out ipsec esp/transport//require;".into(), Silent),
        ("spddelete 10.0.0.1 10.0.0.2 any -P out;".into(), Silent),
        ("spddelete 10.0.0.1 10.0.0.2 any -P out ipsec esp/transport//require;".into(), Silent),
        ("spdupdate 10.0.0.1 10.0.0.2 any -P out ipsec esp/transport//require;".into(), Silent),
        (sa("esp 0x10001 -E des-cbc 0x3ffe05014819ffff"), Silent),
        (sa("esp 0X10001 -E des-cbc 0x3ffe05014819ffff"), Silent),
        (sa("esp 100 -E des-cbc 0x3ffe05014819ffff"), Silent),
        (sa("esp 021980 -E des-cbc 0x3ffe05014819ffff"), Silent),
        (sa("esp 0x10001 -E des-cbc 0x3ffe05014819fff"), Silent),
        (sa("esp 0x10001 -E des-cbc \"1234567\""), Fails("does not take a key of 56 bits")),
        (
            sa(
                "esp 0x10001 -m tunnel -u 5 -r 32 -lh 100 -ls 80 -bh 10 -bs 8 -f zero-pad -E aes-cbc \"0123456789abcdef\" -A hmac-sha256 \"0123456789abcdef0123456789abcdef\"",
            ),
            Silent,
        ),
        ("add 10.0.0.1[4500] 10.0.0.2[4500] esp-udp 0x10001 -E aes-cbc \"0123456789abcdef\";".into(), Silent),
        (sa("ipcomp 0x1001 -C deflate"), Silent),
        (sa("esp 0x10001 -E null -A hmac-md5 \"0123456789abcdef\" "), Silent),
        (sa("ah 0x10001 -A hmac-sha2-256 \"0123456789abcdef0123456789abcdef\""), Silent),
        (sa("esp 0x10001 -A hmac-md5-96 \"0123456789abcdef\""), Fails("syntax error at `hmac-md5-96`")),
        ("deleteall 10.0.0.1 10.0.0.2 esp ;".into(), Silent),
        ("get 10.0.0.1 10.0.0.2 esp 0x10001;dump esp;dump;".into(), Silent),
        ("#!/usr/sbin/setkey -f\nexit;".into(), Silent),
        ("exit; not read".into(), Silent),
        ("spdadd NET_A NET_B any -P out none;".into(), Fails("syntax error at `NET_A`")),
        ("spdadd 10.0.0.1 10.0.0.2 icmp 8 # type\n, 0 -P out none;".into(), Silent),
    ];
    let wrong: Vec<_> = rows
        .iter()
        .filter_map(|(input, expected)| compare(input, &setkey_findings(input), expected).err())
        .collect();
    assert!(wrong.is_empty(), "{} of {} rows differ:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

fn policy(src: &str, dst: &str, action: &str) -> String {
    format!("spdadd 10.0.0.1{src} 10.0.0.2{dst} any -P {};", action.replace("RULE", RULE))
}

fn sa(rest: &str) -> String {
    format!("add 10.0.0.1 10.0.0.2 {rest};")
}
