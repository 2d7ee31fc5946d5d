//! Kernels that answer late, twice, with errors, with garbage or not at all, and that die: the daemon stays up, says so,
//! and negotiates again when they are well.

use coati::kernel::pfkey::{Dialect, MessageType};

use super::super::{coati, file, result};
use super::server::{Fault, Server};
use super::world::{Gateway, Side, gateways, may_open_port_500};

/// Waits until both halves of a pair are there.
fn wait_for_pair(kernel: &Server) {
    kernel.wait_until("a pair", |model| model.outbound().is_some() && !model.inbound().is_empty());
}

/// FreeBSD's gateways: a negotiation begins when the kernel wants one.
fn freebsd(net: u8) -> Option<[Gateway; 2]> {
    gateways(Dialect::FreeBsd, net)
}

/// Disturbs one kind of message in the first negotiation, and sees the second succeed.
fn disturbed(net: u8, kind: MessageType, fault: Fault, told: &str) {
    let Some([mut a, mut b]) = freebsd(net) else { return };
    a.kernel.order(kind, fault);
    a.kernel.say(|model| model.acquire());
    a.wait_for_log(told);
    a.kernel.release();
    a.kernel.hear_at_last(MessageType::Acquire);
    a.kernel.wait_until("nothing of it is left", |model| model.spis().is_empty());
    a.assert_running();
    b.assert_running();
    a.kernel.say(|model| model.acquire());
    wait_for_pair(&a.kernel);
    wait_for_pair(&b.kernel);
    a.terminate();
    a.wait_for_end();
}

#[test]
fn an_answer_that_never_comes() {
    disturbed(11, MessageType::GetSpi, Fault::Silence, "the kernel has not answered GETSPI in time");
}

#[test]
fn an_answer_that_comes_too_late() {
    disturbed(12, MessageType::GetSpi, Fault::Late, "the kernel has not answered GETSPI in time");
}

#[test]
fn an_installation_that_is_not_answered() {
    disturbed(13, MessageType::Add, Fault::SilentlyDone, "the kernel has not answered ADD in time");
}

#[test]
fn an_answer_that_is_garbage() {
    disturbed(14, MessageType::Update, Fault::Garbage, "a message of the kernel cannot be read");
}

#[test]
fn an_installation_that_is_refused() {
    disturbed(15, MessageType::Add, Fault::Refuse(55), "ENOBUFS (errno 55)");
}

#[test]
fn a_message_that_cannot_be_written() {
    disturbed(16, MessageType::GetSpi, Fault::Unwritable(22), "EINVAL (errno 22)");
}

#[test]
fn answers_that_come_twice_do_no_harm() {
    let Some([a, b]) = freebsd(17) else { return };
    for kind in [MessageType::SpdGet, MessageType::GetSpi, MessageType::Update, MessageType::Add] {
        a.kernel.order(kind, Fault::Twice);
        b.kernel.order(kind, Fault::Twice);
    }
    a.kernel.say_garbage();
    a.wait_for_log("a message of the kernel cannot be read");
    a.kernel.say(|model| model.acquire());
    wait_for_pair(&a.kernel);
    wait_for_pair(&b.kernel);
    a.kernel.with_model(|model| assert_eq!(model.spis().len(), 2));
}

#[test]
fn an_sa_that_somebody_deletes_is_replaced() {
    let Some([a, b]) = freebsd(18) else { return };
    a.kernel.say(|model| model.acquire());
    wait_for_pair(&a.kernel);
    wait_for_pair(&b.kernel);
    let lost = a.kernel.with_model(|model| model.outbound()).expect("one");
    a.kernel.say(|model| model.deleted_by_another(lost));
    b.kernel.wait_until("the peer has deleted it too", |model| !model.inbound().contains(&lost));
    a.kernel.say(|model| model.acquire());
    wait_for_pair(&a.kernel);
    wait_for_pair(&b.kernel);
}

/// A kernel that dies and comes back empty: everything of the daemon is gone, is noticed to be so, and made again.
fn reborn(dialect: Dialect, net: u8) {
    let Some([mut a, b]) = gateways(dialect, net) else { return };
    if dialect.is_kame() {
        a.kernel.say(|model| model.acquire());
    }
    wait_for_pair(&a.kernel);
    wait_for_pair(&b.kernel);
    let lost = a.kernel.with_model(|model| model.outbound()).expect("one");
    a.kernel.die();
    a.wait_for_log("the kernel cannot be reached: it was closed at the other end");
    a.kernel.with_model(|model| model.forget_everything(dialect.is_kame()));
    a.kernel.revive();
    a.wait_for_log("the kernel can be reached again");
    a.assert_running();
    b.kernel.wait_until("the peer has deleted it too", |model| !model.inbound().contains(&lost));
    if dialect.is_kame() {
        a.kernel.say(|model| model.acquire());
    } else {
        a.kernel.wait_until("its flows", |model| model.policy_count() == 2);
    }
    wait_for_pair(&a.kernel);
    wait_for_pair(&b.kernel);
    a.terminate();
    a.wait_for_end();
}

#[test]
fn a_freebsd_that_dies_and_comes_back() {
    reborn(Dialect::FreeBsd, 21);
}

#[test]
fn an_openbsd_that_dies_and_comes_back() {
    reborn(Dialect::OpenBsd, 22);
}

/// Starts one daemon whose kernel does that to every REGISTER; what it says before it ends.
fn refused_start(net: u8, fault: Fault) -> Option<String> {
    if !may_open_port_500() {
        return None;
    }
    let faults = [(MessageType::Register, fault); 8];
    Some(Gateway::start_with(Dialect::FreeBsd, net, Side::A, &faults).wait_for_refusal())
}

#[test]
fn a_kernel_that_does_not_answer_at_the_start() {
    let Some(log) = refused_start(23, Fault::Silence) else { return };
    assert!(log.contains("the kernel has not answered REGISTER within 10 seconds"), "{log}");
}

#[test]
fn a_kernel_without_ipsec() {
    let Some(log) = refused_start(24, Fault::Refuse(45)) else { return };
    assert!(log.contains("EOPNOTSUPP (errno 45)") && log.contains("it has no IPsec"), "{log}");
}

#[test]
fn a_server_that_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let conf = file(
        &folder,
        "racoon.conf",
        "sainfo anonymous { encryption_algorithm aes; authentication_algorithm \
         hmac_sha1; compression_algorithm deflate; }\n",
    );
    let socket = folder.path().join("nobody").display().to_string();
    let control = folder.path().join("control").display().to_string();
    let arguments = ["run", "--racoon", &conf.display().to_string(), "--pfkey", &format!("unix:{socket}")];
    let rest = ["--port", "0", "--natt-port", "0", "--listen", "127.77.25.1", "--control", &control];
    let (code, _, err) = result(&coati(&[&arguments[..], &rest[..]].concat()));
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("no PF_KEY server can be reached at") && err.contains(&socket), "{err}");
}
