//! The Linux kernel through XFRM. This machine's own kernel may have no ESP; then these run in a virtual machine.

use std::io::Read;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use coati::crypto::alg::{CipherAlgorithm, HashAlgorithm};
use coati::kernel::xfrm::{XfrmKernel, is_available};
use coati::sadb::{
    AuthSpec, Compression, Direction, DumpKind, FlowAction, FlowPolicy, Inbound, KernelError, KernelEvent,
    KernelNotice, Level, Mode, Outbound, Protocol, Reply, Request, SaKind, SaPair, SaParams, SaState,
    SecurityRule, Spi,
};
use coati::time::{Instant, Now, UnixTime};

use super::lab::{
    Host, Namespace, Suite, connect, hosts, inner_v6, install, negotiate, outer_v4, outer_v6, policies,
    protect, reversed, two_namespaces,
};

#[expect(clippy::disallowed_methods, reason = "a real kernel has the time of the machine")]
fn now() -> Now {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    Now { mono: Instant::ZERO, wall: UnixTime(i64::try_from(wall).unwrap()) }
}

async fn host(namespace: Namespace) -> Host {
    let kernel = namespace.within(XfrmKernel::open(Box::new(now))).await.unwrap();
    Host::new(namespace, Box::new(kernel))
}

async fn two_hosts() -> (Host, Host) {
    let (a, b) = two_namespaces();
    (host(a).await, host(b).await)
}

/// Installs a pair and pings through it, and looks whether it was used.
async fn ping_through(suite: Suite, from: &str, to: &str) {
    let (mut a, mut b) = two_hosts().await;
    protect(&mut a, &mut b, suite).await;
    connect(&mut a, &mut b, suite).await;
    a.ping(from, to, 5);
    for host in [&mut a, &mut b] {
        let sad = host.sad().await;
        assert_eq!(sad.len(), 2, "{suite:?}: {sad:?}");
        assert!(sad.iter().all(|entry| entry.packets == 5), "{suite:?}: {sad:?}");
        assert!(sad.iter().all(|entry| entry.sequence == 5 && entry.dropped == 0), "{suite:?}: {sad:?}");
    }
}

fn gone(event: &KernelEvent) -> Option<coati::sadb::SaId> {
    match event {
        KernelEvent::Gone { sa } => Some(*sa),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel with ESP; run by .ci/vm"]
async fn the_kernel_says_what_it_can_do() {
    let (a, _) = two_namespaces();
    assert!(a.within(is_available()).await);
    let kernel = a.within(XfrmKernel::open(Box::new(now))).await.unwrap();
    let known = coati::kernel::Kernel::capabilities(&kernel);
    assert_eq!(known.protocols, [Protocol::Esp, Protocol::Ah, Protocol::IpComp]);
    assert_eq!(known.modes, [Mode::Tunnel, Mode::Transport]);
    use CipherAlgorithm::{Aes, AesCtr, AesGcm16, Blowfish, Null, TripleDes};
    for cipher in [TripleDes, Aes, Blowfish, AesCtr, AesGcm16, Null] {
        assert!(known.ciphers.contains(&cipher), "{cipher}: {known:?}");
    }
    assert_eq!(known.auths.len(), 6, "{known:?}");
    assert!(known.udp_encapsulation && !known.flows);
    assert_eq!(a.run("ip xfrm state"), "", "what it was asked with is not left behind");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel with ESP; run by .ci/vm"]
async fn every_suite_carries_pings() {
    let (mut a, mut b) = two_hosts().await;
    protect(&mut a, &mut b, Suite::esp()).await;
    let standard = |hash| Some(AuthSpec::standard(hash));
    for (cipher, auth) in [
        ((CipherAlgorithm::TripleDes, 192), standard(HashAlgorithm::Sha1)),
        ((CipherAlgorithm::Aes, 128), standard(HashAlgorithm::Sha1)),
        ((CipherAlgorithm::Aes, 192), standard(HashAlgorithm::Sha2_384)),
        ((CipherAlgorithm::Aes, 256), standard(HashAlgorithm::Sha2_512)),
        ((CipherAlgorithm::Aes, 128), Some(AuthSpec { hash: HashAlgorithm::Sha2_256, icv_len: 12 })),
        ((CipherAlgorithm::Blowfish, 128), standard(HashAlgorithm::Md5)),
        ((CipherAlgorithm::Blowfish, 448), standard(HashAlgorithm::Sha1)),
        ((CipherAlgorithm::Cast128, 128), standard(HashAlgorithm::Sha1)),
        ((CipherAlgorithm::Camellia, 256), standard(HashAlgorithm::Sha2_256)),
        ((CipherAlgorithm::Des, 64), standard(HashAlgorithm::Md5)),
        ((CipherAlgorithm::AesCtr, 128), standard(HashAlgorithm::Sha2_256)),
        ((CipherAlgorithm::AesGcm16, 128), None),
        ((CipherAlgorithm::AesGcm16, 256), None),
        ((CipherAlgorithm::Null, 0), standard(HashAlgorithm::Sha2_256)),
        ((CipherAlgorithm::Aes, 128), None),
    ] {
        let suite = Suite { cipher: Some(cipher), auth, ..Suite::esp() };
        let (for_a, for_b) = connect(&mut a, &mut b, suite).await;
        a.ping("10.1.0.1", "10.2.0.1", 3);
        for (host, pair) in [(&mut a, for_a), (&mut b, for_b)] {
            let sad = host.sad().await;
            assert_eq!(sad.len(), 2, "{suite:?}");
            for entry in sad {
                let given = if entry.inbound { &pair.inbound.0 } else { &pair.outbound.0 };
                assert_eq!(&entry.sa, given, "told as it was given, keys and all");
                assert_eq!((entry.packets, entry.state), (3, SaState::Mature), "{suite:?}");
                host.tell(Request::Delete(entry.sa.id())).await;
            }
            assert_eq!(host.sad().await, []);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel with ESP; run by .ci/vm"]
async fn ipv6_in_ipv6() {
    let suite = Suite { endpoints: outer_v6(), selector: inner_v6(), ..Suite::esp() };
    ping_through(suite, "fd00:1::1", "fd00:2::1").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel with ESP; run by .ci/vm"]
async fn ipv6_in_ipv4_and_ipv4_in_ipv6() {
    ping_through(Suite { selector: inner_v6(), ..Suite::esp() }, "fd00:1::1", "fd00:2::1").await;
    ping_through(Suite { endpoints: outer_v6(), ..Suite::esp() }, "10.1.0.1", "10.2.0.1").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel with ESP; run by .ci/vm"]
async fn transport_mode() {
    ping_through(Suite::esp_transport(outer_v4()), "192.0.2.1", "192.0.2.2").await;
    // Only echoes: the neighbours of IPv6 have to find each other before there are keys.
    let suite = Suite::esp_transport(outer_v6());
    let (mut a, mut b) = two_hosts().await;
    a.ping("2001:db8::1", "2001:db8::2", 1);
    protect(&mut a, &mut b, suite).await;
    connect(&mut a, &mut b, suite).await;
    a.ping("2001:db8::1", "2001:db8::2", 5);
    assert!(a.sad().await.iter().all(|entry| entry.packets >= 5));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel with ESP; run by .ci/vm"]
async fn authentication_header() {
    let ah = Suite { protocol: Protocol::Ah, cipher: None, ..Suite::esp() };
    ping_through(ah, "10.1.0.1", "10.2.0.1").await;
    let transport = Suite { protocol: Protocol::Ah, cipher: None, ..Suite::esp_transport(outer_v4()) };
    ping_through(transport, "192.0.2.1", "192.0.2.2").await;
}

/// A socket that has the kernel take ESP out of UDP, until its standard output is closed.
const ENCAPSULATING: &str = "import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('', int(sys.argv[1])))
s.setsockopt(socket.IPPROTO_UDP, 100, 2)
print('ready', flush=True)
sys.stdin.read()
";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel with ESP; run by .ci/vm"]
async fn udp_encapsulation() {
    let suite = Suite { udp: Some((4500, 4501)), ..Suite::esp() };
    let (mut a, mut b) = two_hosts().await;
    let sockets = [(&a, "4500"), (&b, "4501")].map(|(host, port)| {
        let mut child = host.namespace.start("python3", &["-c", ENCAPSULATING, port]);
        let mut ready = [0; 5];
        child.stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
        child
    });
    protect(&mut a, &mut b, suite).await;
    let (for_a, _) = connect(&mut a, &mut b, suite).await;
    a.ping("10.1.0.1", "10.2.0.1", 5);
    let sad = a.sad().await;
    assert!(sad.iter().all(|entry| entry.packets == 5), "{sad:?}");
    let outbound = sad.iter().find(|entry| !entry.inbound).unwrap();
    assert_eq!(outbound.sa, for_a.outbound.0);
    assert!(a.namespace.run("ip xfrm state").contains("espinudp sport 4500 dport 4501"));
    for mut child in sockets {
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel with ESP; run by .ci/vm"]
async fn compression_under_encryption() {
    let esp = Suite::esp_transport(outer_v4());
    let (cipher, auth, compression) = (None, None, Some(Compression::Deflate));
    let ipcomp = Suite { protocol: Protocol::IpComp, cipher, auth, compression, ..esp };
    let rule =
        |protocol| SecurityRule { protocol, mode: Mode::Transport, endpoints: None, level: Level::Require };
    let (mut a, mut b) = two_hosts().await;
    for (host, selector) in [(&mut a, esp.selector), (&mut b, esp.selector.reversed())] {
        let rules = vec![rule(Protocol::IpComp), rule(Protocol::Esp)];
        for policy in policies(selector, rules) {
            host.tell(Request::InstallPolicy(policy)).await;
        }
    }
    for suite in [ipcomp, esp] {
        connect(&mut a, &mut b, suite).await;
    }
    let text = a.namespace.run("ping -n -q -c 3 -i 0.02 -W 5 -s 1000 -p 00 -I 192.0.2.1 192.0.2.2");
    assert!(text.contains(" 0% packet loss"), "{text}");
    let sad = b.sad().await;
    let used = |protocol| sad.iter().filter(|e| e.sa.protocol == protocol && e.packets == 3).count();
    assert_eq!((used(Protocol::IpComp), used(Protocol::Esp)), (2, 2), "{sad:?}");
    let octets = |protocol: Protocol| sad.iter().find(|e| e.sa.protocol == protocol).unwrap().octets;
    assert!(octets(Protocol::Esp) < 3 * 500, "compressed: {sad:?}");
    // What is too short to get shorter is not compressed, and is taken.
    a.ping("192.0.2.1", "192.0.2.2", 2);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel with ESP; run by .ci/vm"]
async fn a_rekey_loses_no_packet() {
    let suite = Suite::esp();
    let (mut a, mut b) = two_hosts().await;
    protect(&mut a, &mut b, suite).await;
    let (mut old_a, mut old_b) = connect(&mut a, &mut b, suite).await;
    let arguments = ["-n", "-q", "-i", "0.02", "-c", "200", "-W", "5", "-I", "10.1.0.1", "10.2.0.1"];
    let mut ping = a.namespace.start("ping", &arguments);
    for _ in 0..3 {
        let (new_a, new_b) = negotiate(&mut a, &mut b, suite).await;
        // As in quick mode: the responder can receive first, then the initiator, then both send.
        b.tell(install(&new_b, false)).await;
        a.tell(install(&new_a, false)).await;
        b.tell(Request::StartSending(new_b.outbound.0.id())).await;
        a.tell(Request::StartSending(new_a.outbound.0.id())).await;
        for (host, old) in [(&mut a, &old_a), (&mut b, &old_b)] {
            host.tell(Request::Delete(old.outbound.0.id())).await;
        }
        wait_for_packets(&mut a, &new_a, 20).await;
        for (host, old) in [(&mut a, &old_a), (&mut b, &old_b)] {
            host.tell(Request::Delete(old.inbound.0.id())).await;
        }
        (old_a, old_b) = (new_a, new_b);
    }
    let mut text = String::new();
    ping.stdout.as_mut().unwrap().read_to_string(&mut text).unwrap();
    ping.wait().unwrap();
    assert!(text.contains("200 packets transmitted, 200 received"), "{text}");
}

/// Until both halves of a pair have been used so often.
async fn wait_for_packets(host: &mut Host, pair: &SaPair, packets: u64) {
    let ids = [pair.inbound.0.id(), pair.outbound.0.id()];
    let enough = async {
        loop {
            let sad = host.sad().await;
            let busy = sad.iter().filter(|e| ids.contains(&e.sa.id()) && e.packets >= packets).count();
            if busy == ids.len() {
                return;
            }
            // The packets need the processor too.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(super::lab::PATIENCE, enough).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel with ESP; run by .ci/vm"]
async fn a_half_that_may_not_be_used_is_not_in_the_kernel() {
    let suite = Suite::esp();
    let (mut a, mut b) = two_hosts().await;
    let (for_a, _) = negotiate(&mut a, &mut b, suite).await;
    let outbound = for_a.outbound.0.id();
    a.tell(install(&for_a, false)).await;
    let ids = |sad: Vec<coati::sadb::SadbEntry>| sad.iter().map(|e| e.sa.id()).collect::<Vec<_>>();
    assert_eq!(ids(a.sad().await), [for_a.inbound.0.id()]);
    a.tell(Request::StartSending(outbound)).await;
    a.tell(Request::StartSending(outbound)).await;
    assert_eq!(a.sad().await.len(), 2);

    let (again, _) = negotiate(&mut a, &mut b, suite).await;
    a.tell(install(&again, false)).await;
    a.tell(Request::Delete(again.outbound.0.id())).await;
    assert_eq!(a.ask(Request::StartSending(again.outbound.0.id())).await, Err(KernelError::NoSuchSa));
    assert_eq!(a.sad().await.len(), 3, "two and the inbound half");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel with ESP; run by .ci/vm"]
async fn both_halves_or_neither() {
    let suite = Suite::esp();
    let (mut a, mut b) = two_hosts().await;
    let (for_a, _) = connect(&mut a, &mut b, suite).await;
    let spi = a.reserve(Protocol::Esp, Mode::Tunnel, outer_v4()).await;
    let half_new = SaPair {
        inbound: Inbound(SaParams { spi, ..for_a.inbound.0.clone() }),
        outbound: Outbound(for_a.outbound.0.clone()),
    };
    assert_eq!(a.ask(install(&half_new, true)).await, Err(KernelError::Exists));
    let sad = a.sad().await;
    assert!(sad.len() == 2 && sad.iter().all(|entry| entry.sa.spi != spi), "{sad:?}");
    assert_eq!(a.ask(Request::Delete(half_new.inbound.0.id())).await, Err(KernelError::NoSuchSa));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel with ESP; run by .ci/vm"]
async fn an_sa_is_added_when_its_reservation_has_run_out() {
    let (mut a, mut b) = two_hosts().await;
    a.namespace.run("sysctl -q -w net.core.xfrm_acq_expires=1");
    let (for_a, _) = negotiate(&mut a, &mut b, Suite::esp()).await;
    let run_out = async {
        while !a.sad().await.is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(super::lab::PATIENCE, run_out).await.unwrap();
    a.tell(install(&for_a, true)).await;
    assert_eq!(a.sad().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel with ESP; run by .ci/vm"]
async fn lifetimes_end_softly_and_then_hard() {
    let (mut a, mut b) = two_hosts().await;
    let suite = Suite { lifetimes: Some((2, 4)), ..Suite::esp() };
    let (for_a, _) = connect(&mut a, &mut b, suite).await;
    assert_eq!(a.sad().await[0].sa.hard.time, Some(Duration::from_secs(4)));
    let ids = [for_a.inbound.0.id(), for_a.outbound.0.id()];
    for expected in [false, true] {
        let mut seen = Vec::new();
        while seen.len() < 2 {
            let (sa, hard) = a
                .event(|event| match event {
                    KernelEvent::Expire { sa, hard } => Some((*sa, *hard)),
                    KernelEvent::Gone { .. } => panic!("it was not somebody"),
                    _ => None,
                })
                .await;
            assert_eq!(hard, expected);
            seen.push(sa);
        }
        assert!(ids.iter().all(|id| seen.contains(id)), "{seen:?}");
        if !expected {
            assert!(a.sad().await.iter().all(|entry| entry.state == SaState::Dying));
        }
    }
    assert_eq!(a.sad().await, []);
    assert_eq!(a.said().await, [], "and nothing more");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel with ESP; run by .ci/vm"]
async fn octets_end_a_lifetime_too() {
    let (mut a, mut b) = two_hosts().await;
    let suite = Suite::esp();
    protect(&mut a, &mut b, suite).await;
    let (mut for_a, for_b) = negotiate(&mut a, &mut b, suite).await;
    for_a.outbound.0.soft.octets = std::num::NonZeroU64::new(300);
    for_a.outbound.0.hard.octets = std::num::NonZeroU64::new(600);
    a.tell(install(&for_a, true)).await;
    b.tell(install(&for_b, true)).await;
    // A packet is let through before it is counted.
    a.ping("10.1.0.1", "10.2.0.1", 5);
    let expiry = |event: &KernelEvent| match event {
        KernelEvent::Expire { sa, hard } => Some((*sa, *hard)),
        _ => None,
    };
    assert_eq!(a.event(expiry).await, (for_a.outbound.0.id(), false));
    for _ in 0..5 {
        a.knock("10.1.0.1", "10.2.0.1");
    }
    assert_eq!(a.event(expiry).await, (for_a.outbound.0.id(), true));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel with ESP; run by .ci/vm"]
async fn a_packet_without_an_sa_makes_an_acquire() {
    for suite in [Suite::esp(), Suite::esp_transport(outer_v4())] {
        let suite = Suite { reqid: 9, ..suite };
        let (from, to) = match suite.mode {
            Mode::Tunnel => ("10.1.0.1", "10.2.0.1"),
            Mode::Transport => ("192.0.2.1", "192.0.2.2"),
        };
        let (mut a, mut b) = two_hosts().await;
        protect(&mut a, &mut b, suite).await;
        a.knock(from, to);
        a.knock(from, to);
        let acquire = |event: &KernelEvent| match event {
            KernelEvent::Acquire { id, selector, endpoints, rules } => {
                Some((*id, *selector, *endpoints, rules.clone()))
            }
            _ => None,
        };
        let (id, selector, endpoints, rules) = a.event(acquire).await;
        assert_eq!((selector, endpoints), (suite.selector, suite.endpoints));
        let FlowAction::Protect(wanted) = suite.policies()[0].action.clone() else { unreachable!() };
        assert_eq!(rules, wanted);
        let again = a.said().await.iter().find_map(acquire);
        assert_eq!(again, None, "one wish is told once");

        let request = Request::GetSpi {
            protocol: suite.protocol,
            mode: suite.mode,
            endpoints,
            acquire: Some(id),
            reqid: 9,
        };
        let Ok(Reply::Spi(at_a)) = a.ask(request).await else { panic!("no SPI") };
        let at_b = b.reserve(suite.protocol, suite.mode, reversed(suite.endpoints)).await;
        b.tell(install(&suite.reversed().pair(at_b, at_a), true)).await;
        let pair = Box::new(suite.pair(at_a, at_b));
        a.tell(Request::InstallPair { pair, acquire: Some(id), sending: true }).await;
        a.ping(from, to, 3);
        let sad = a.sad().await;
        assert!(sad.len() == 2 && sad.iter().all(|entry| entry.state == SaState::Mature), "{sad:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel with ESP; run by .ci/vm"]
async fn a_wish_that_came_to_nothing_is_told_again_later() {
    let (mut a, mut b) = two_hosts().await;
    a.namespace.run("sysctl -q -w net.core.xfrm_acq_expires=1");
    protect(&mut a, &mut b, Suite::esp()).await;
    let acquire = |event: &KernelEvent| match event {
        KernelEvent::Acquire { id, .. } => Some(*id),
        _ => None,
    };
    a.knock("10.1.0.1", "10.2.0.1");
    let first = a.event(acquire).await;
    a.tell(Request::AcquireFailed(first)).await;
    let second = loop {
        a.knock("10.1.0.1", "10.2.0.1");
        if let Some(id) = a.said().await.iter().find_map(acquire) {
            break id;
        }
    };
    assert_ne!(first, second);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel with ESP; run by .ci/vm"]
async fn what_others_remove_is_gone() {
    let (mut a, mut b) = two_hosts().await;
    let (for_a, _) = connect(&mut a, &mut b, Suite::esp()).await;
    let (kept, _) = connect(&mut a, &mut b, Suite::esp()).await;
    a.tell(Request::Delete(for_a.inbound.0.id())).await;
    let outbound = for_a.outbound.0.id();
    let named = format!("src 192.0.2.1 dst 192.0.2.2 proto esp spi {}", outbound.spi);
    a.namespace.run(&format!("ip xfrm state delete {named}"));
    assert_eq!(a.event(gone).await, outbound, "and not what we have removed ourselves");
    a.namespace.run("ip xfrm state flush proto ah");
    a.namespace.run("ip xfrm state flush proto esp");
    let seen = [a.event(gone).await, a.event(gone).await];
    assert!([kept.inbound.0.id(), kept.outbound.0.id()].iter().all(|id| seen.contains(id)), "{seen:?}");
    assert_eq!(a.said().await, []);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel with ESP; run by .ci/vm"]
async fn a_flush_takes_everything_and_says_what_of_it_was_ours() {
    let (mut a, mut b) = two_hosts().await;
    let (for_a, _) = connect(&mut a, &mut b, Suite::esp()).await;
    protect(&mut a, &mut b, Suite::esp()).await;
    a.namespace.run("ip xfrm policy add dir out src 10.9.0.0/16 dst 10.8.0.0/16 action block");
    a.tell(Request::FlushSad(Some(SaKind::Ipsec(Protocol::Ah)))).await;
    assert_eq!(a.sad().await.len(), 2);
    a.tell(Request::FlushSad(None)).await;
    let seen = [a.event(gone).await, a.event(gone).await];
    assert!([for_a.inbound.0.id(), for_a.outbound.0.id()].iter().all(|id| seen.contains(id)), "{seen:?}");
    a.tell(Request::FlushSpd).await;
    assert_eq!((a.sad().await, a.spd().await), (Vec::new(), Vec::new()));
    assert_eq!(a.namespace.run("ip xfrm policy"), "");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel with ESP; run by .ci/vm"]
async fn policies_are_what_ip_xfrm_lists() {
    let (a, _b) = two_namespaces();
    let mut a = host(a).await;
    let [out, inward] = Suite { reqid: 9, ..Suite::esp() }.policies();
    let bypass = FlowPolicy { selector: hosts(outer_v6()), action: FlowAction::Bypass, ..out.clone() };
    let discard =
        FlowPolicy { selector: inner_v6(), action: FlowAction::Discard, priority: 5, ..inward.clone() };
    for policy in [&out, &inward, &bypass, &discard] {
        a.tell(Request::InstallPolicy(policy.clone())).await;
        a.tell(Request::InstallPolicy(policy.clone())).await;
    }
    let listed = a.namespace.run("ip xfrm policy").replace(" ptype main ", " ");
    for expected in [
        "src 10.1.0.0/24 dst 10.2.0.0/24 \n\tdir out priority 2147483456 \n\ttmpl src 192.0.2.1 dst 192.0.2.2\n\t\tproto esp reqid 9 mode tunnel\n",
        "src 10.2.0.0/24 dst 10.1.0.0/24 \n\tdir in priority 2147483456 \n\ttmpl src 192.0.2.2 dst 192.0.2.1\n\t\tproto esp reqid 9 mode tunnel\n",
        "src 10.2.0.0/24 dst 10.1.0.0/24 \n\tdir fwd priority 2147483456 \n\ttmpl src 192.0.2.2 dst 192.0.2.1\n\t\tproto esp reqid 9 mode tunnel\n",
        "src 2001:db8::1/128 dst 2001:db8::2/128 \n\tdir out priority 2147482624 \n",
        "src fd00:2::/64 dst fd00:1::/64 \n\tdir in action block priority 5 \n",
        "src fd00:2::/64 dst fd00:1::/64 \n\tdir fwd action block priority 5 \n",
    ] {
        assert_eq!(listed.matches(expected).count(), 1, "{expected}\n{listed}");
    }
    assert_eq!(listed.matches("priority").count(), 6, "{listed}");
    let told: Vec<_> = a.spd().await.into_iter().map(|entry| entry.policy).collect();
    assert_eq!(told.len(), 4);
    for policy in [&out, &inward, &bypass, &discard] {
        assert!(
            told.iter().any(|other| FlowPolicy { priority: policy.priority, ..other.clone() } == *policy)
        );
        a.tell(Request::RemovePolicy(policy.clone())).await;
    }
    assert_eq!(a.namespace.run("ip xfrm policy"), "");
    assert_eq!(a.ask(Request::RemovePolicy(out)).await, Err(KernelError::NoSuchSa), "no longer ours");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel with ESP; run by .ci/vm"]
async fn policies_of_others_are_told_and_ours_are_put_back() {
    let (a, _b) = two_namespaces();
    a.run("ip xfrm policy add dir out src 10.9.0.0/16 dst 10.8.0.0/16 action block priority 3");
    let mut a = host(a).await;
    let others = |event: &KernelEvent| match event {
        KernelEvent::Policies(entries) => Some(entries.iter().map(|e| e.policy.clone()).collect::<Vec<_>>()),
        _ => None,
    };
    let at_first = a.event(others).await;
    assert_eq!(at_first.len(), 1);
    assert_eq!((&at_first[0].action, at_first[0].priority), (&FlowAction::Discard, 3));
    let [out, inward] = Suite::esp().policies();
    for policy in [&out, &inward] {
        a.tell(Request::InstallPolicy(policy.clone())).await;
    }
    assert_eq!(a.said().await, [], "ours are no news");
    a.namespace.run("ip xfrm policy flush");
    assert_eq!(a.event(others).await, []);
    let told = a.spd().await;
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(a.namespace.run("ip xfrm policy").matches("dir ").count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel with ESP; run by .ci/vm"]
async fn a_request_id_is_picked_for_a_policy_that_wants_its_own() {
    let suite = Suite::esp();
    let (mut a, mut b) = two_hosts().await;
    for (host, suite) in [(&mut a, suite), (&mut b, suite.reversed())] {
        let endpoints = Some(suite.endpoints);
        let (protocol, mode, level) = (Protocol::Esp, Mode::Tunnel, Level::Unique(0));
        let rules = vec![SecurityRule { protocol, mode, endpoints, level }];
        for policy in policies(suite.selector, rules) {
            host.tell(Request::InstallPolicy(policy)).await;
        }
    }
    connect(&mut a, &mut b, suite).await;
    a.ping("10.1.0.1", "10.2.0.1", 3);
    assert!(a.sad().await.iter().all(|entry| entry.sa.reqid == 0x0010_0000));
}

/// While nobody reads, more is said than the socket holds.
#[test]
#[ignore = "needs a kernel with ESP; run by .ci/vm"]
fn after_an_overflow_everything_is_read_again() {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().unwrap();
    let (a, _b) = two_namespaces();
    let mut a = runtime.block_on(host(a));
    let pair = Suite::esp().pair(Spi::new(0x1001).unwrap(), Spi::new(0x1002).unwrap());
    runtime.block_on(async {
        a.tell(install(&pair, true)).await;
        for policy in Suite::esp().policies() {
            a.tell(Request::InstallPolicy(policy)).await;
        }
        a.said().await;
    });
    let folder = tempfile::tempdir().unwrap();
    let batch = folder.path().join("batch");
    let policy = "src 10.9.0.0/16 dst 10.8.0.0/16";
    let twice = format!("xfrm policy add dir out {policy}\nxfrm policy delete dir out {policy}\n");
    std::fs::write(&batch, format!("{}xfrm state flush\nxfrm policy flush\n", twice.repeat(25_000))).unwrap();
    a.namespace.run(&format!("ip -batch {}", batch.display()));
    runtime.block_on(async {
        a.event(|event| matches!(event, KernelEvent::Notice(KernelNotice::Overflow)).then_some(())).await;
        let seen = [a.event(gone).await, a.event(gone).await];
        assert!([pair.inbound.0.id(), pair.outbound.0.id()].iter().all(|id| seen.contains(id)), "{seen:?}");
        let Ok(Reply::Spd(entries)) = a.ask(Request::Dump(DumpKind::Spd)).await else { panic!() };
        let directions: Vec<_> = entries.iter().map(|entry| entry.policy.direction).collect();
        assert!(directions.len() == 2 && directions.contains(&Direction::In), "put back: {entries:?}");
    });
}
