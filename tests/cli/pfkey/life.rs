//! The whole life of a tunnel, message by message.

use coati::kernel::pfkey::{Dialect, Message, MessageType};

use super::server::Server;
use super::world::{Gateway, assert_nothing_lost, gateways};

fn spi(message: &Message) -> u32 {
    message.association().expect("an SA").spi.0
}

/// GETSPI; the number that it has.
fn hear_get_spi(kernel: &Server) -> u32 {
    kernel.hear(MessageType::GetSpi).header.seq
}

/// Both SAs of a pair that one side has: inbound and outbound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Pair {
    inbound: u32,
    outbound: u32,
}

/// The messages of a first negotiation.
fn hear_first(a: &Gateway, b: &Gateway) -> (Pair, u32) {
    let seq = hear_get_spi(&a.kernel);
    hear_get_spi(&b.kernel);
    let in_b = spi(&b.kernel.hear(MessageType::Update));
    let in_a = spi(&a.kernel.hear(MessageType::Update));
    let add = a.kernel.hear(MessageType::Add);
    assert_eq!(add.header.seq == seq, seq < 0x4000_0000, "what answers an ACQUIRE has its number");
    assert_eq!(spi(&add), in_b);
    assert_eq!(spi(&b.kernel.hear(MessageType::Add)), in_a);
    (Pair { inbound: in_a, outbound: in_b }, seq)
}

/// The messages of a rekey that A begins, until the old pair is gone on both sides.
fn hear_rekey(a: &Gateway, b: &Gateway, old: Pair) -> Pair {
    hear_get_spi(&a.kernel);
    hear_get_spi(&b.kernel);
    let in_b = spi(&b.kernel.hear(MessageType::Update));
    let in_a = spi(&a.kernel.hear(MessageType::Update));
    // B sends with the new one when it knows that A receives with it, A a second later.
    assert_eq!(spi(&b.kernel.hear(MessageType::Add)), in_a);
    assert_eq!(spi(&a.kernel.hear(MessageType::Add)), in_b);
    // First nobody sends with the old one any more (only then FreeBSD takes the new one), then nobody receives.
    assert_eq!(spi(&a.kernel.hear(MessageType::Delete)), old.outbound);
    assert_eq!(spi(&b.kernel.hear(MessageType::Delete)), old.inbound);
    assert_eq!(spi(&a.kernel.hear(MessageType::Delete)), old.inbound);
    assert_eq!(spi(&b.kernel.hear(MessageType::Delete)), old.outbound);
    Pair { inbound: in_a, outbound: in_b }
}

fn live(dialect: Dialect, net: u8) {
    let Some([mut a, mut b]) = gateways(dialect, net) else { return };
    if dialect.is_kame() {
        a.kernel.say(|model| model.acquire());
        a.kernel.hear(MessageType::SpdGet);
    }
    let (first, seq) = hear_first(&a, &b);
    assert_eq!(seq == 1, dialect.is_kame(), "{seq}");

    a.kernel.say(|model| model.expire(first.outbound, false));
    let second = hear_rekey(&a, &b, first);
    // The other direction's limit is as good a reason, and the peer's too.
    a.kernel.say(|model| model.expire(second.inbound, false));
    let third = hear_rekey(&a, &b, second);
    assert_nothing_lost(&a.kernel.moments(), &b.kernel.moments());

    a.terminate();
    let mut gone = [(); 2].map(|()| spi(&a.kernel.hear(MessageType::Delete)));
    gone.sort_unstable();
    assert_eq!(gone, [third.inbound, third.outbound]);
    let mut gone = [(); 2].map(|()| spi(&b.kernel.hear(MessageType::Delete)));
    gone.sort_unstable();
    assert_eq!(gone, [third.inbound, third.outbound]);
    if !dialect.is_kame() {
        a.kernel.hear(MessageType::DelFlow);
        a.kernel.hear(MessageType::DelFlow);
    }
    a.wait_for_end();
    b.assert_running();
    for gateway in [&a, &b] {
        gateway.kernel.assert_quiet();
        gateway.kernel.with_model(|model| assert_eq!(model.spis(), [0; 0]));
    }
    a.kernel.with_model(|model| assert_eq!(model.policy_count(), if dialect.is_kame() { 2 } else { 0 }));
}

#[test]
fn with_freebsd() {
    live(Dialect::FreeBsd, 1);
}

#[test]
fn with_openbsd() {
    live(Dialect::OpenBsd, 2);
}

/// The kernel removes an SA by itself, and its next packet asks for another.
#[test]
fn an_openbsd_that_asks() {
    let Some([a, b]) = gateways(Dialect::OpenBsd, 3) else { return };
    let (first, _) = hear_first(&a, &b);
    a.kernel.say(|model| model.expire(first.outbound, true));
    assert_eq!(spi(&a.kernel.hear(MessageType::Delete)), first.inbound);
    a.kernel.say(|model| model.acquire());
    a.kernel.hear_at_last(MessageType::AskPolicy);
    a.kernel.wait_until("another pair", |model| {
        model.outbound().is_some_and(|spi| spi != first.outbound) && model.inbound() != [first.inbound]
    });
    b.kernel.wait_until("only the new pair", |model| !model.spis().contains(&first.outbound));
}

/// A daemon that was killed finds its SAs in the kernel when it is back, and removes them and nothing else.
#[test]
fn a_killed_daemon_takes_away_what_it_left() {
    let Some([mut a, b]) = gateways(Dialect::FreeBsd, 4) else { return };
    a.kernel.say(|model| model.acquire());
    a.kernel.hear(MessageType::SpdGet);
    let (left, _) = hear_first(&a, &b);
    a.kernel.with_model(|model| model.forget_writer());
    a.kill_and_restart();
    a.kernel.hear(MessageType::Register);
    let mut gone = [(); 2].map(|()| spi(&a.kernel.hear_at_last(MessageType::Delete)));
    gone.sort_unstable();
    assert_eq!(gone, [left.inbound, left.outbound]);
    a.kernel.wait_until("nothing is left", |model| model.spis().is_empty());
    a.kernel.with_model(|model| assert_eq!(model.policy_count(), 2));
}
