//! Ten thousand bad networks: in the end both sides have the tunnel or neither has, and nothing is left behind.

use std::time::Duration;

use coati::ike::policy::{Phase1Exchange, Start};
use coati::time::Instant;

use super::net::Weather;
use super::pair::Pair;
use super::policy::Side;

/// How many networks.
const SEEDS: u64 = 10_000;

/// A network that is bad for forty seconds, as different for each seed as its parameters allow.
fn weather(seed: u64) -> Weather {
    let part = |shift: u32, of: u64| (seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> shift) % of;
    let octet = |shift, of| u8::try_from(part(shift, of)).expect("below 256");
    Weather {
        loss: octet(8, 120),
        duplication: octet(16, 100),
        delay: Duration::from_millis(1 + part(24, 400)),
        jitter: Duration::from_millis(part(34, 3000)),
        until: Instant(1_000_000 + 40_000_000),
    }
}

/// Runs one network; gives whether there was a tunnel.
fn run(seed: u64) -> bool {
    let start = if seed.is_multiple_of(3) { Start::Active } else { Start::OnDemand };
    let exchange = if seed % 4 == 3 { Phase1Exchange::Aggressive } else { Phase1Exchange::Main };
    let side = |side: Side, start| Side { exchange, phase1_seconds: 800, phase2_seconds: 600, start, ..side };
    let mut pair = Pair::new(side(Side::a(), Start::OnDemand), side(Side::b(), start), weather(seed), seed);
    pair.acquire();
    for step in 0..30 {
        pair.run_for(Duration::from_secs(10));
        let sending =
            pair.a.kernel.sas().iter().chain(pair.b.kernel.sas()).filter(|sa| !sa.inbound && sa.sending);
        for sa in sending {
            assert!(!sa.params.keys.cipher_key.expose().is_empty(), "seed {seed}, step {step}");
        }
    }
    // Five minutes after the beginning every exchange has ended.
    let tunnel = !pair.a.kernel.sas().is_empty();
    assert!(pair.is_symmetric(), "seed {seed}: {:?} {:?}", pair.a.spis(), pair.b.spis());
    for gateway in [&pair.a, &pair.b] {
        assert_eq!(gateway.kernel.larval().count(), 0, "seed {seed}: an SPI leaked");
        let status = gateway.endpoint.status(pair.now);
        assert!(status.phase2.iter().all(|p| p.pair.is_some()), "seed {seed}: {status:#?}");
        assert_eq!(status.half_open, 0, "seed {seed}");
    }
    if start == Start::Active {
        assert!(tunnel, "seed {seed}: an active connection comes up in the end");
        return tunnel;
    }
    // Without anybody who renews them, all SAs end, and nothing is left.
    let policy = |side: Side| {
        std::sync::Arc::new(coati::ike::policy::Policy { connections: Vec::new(), ..side.policy() })
    };
    for (gateway, side) in [(&mut pair.a, Side::a()), (&mut pair.b, Side::b())] {
        let reload = coati::ike::endpoint::Command::Reload(policy(side));
        gateway.endpoint.handle_command(pair.now, reload).expect("not refused");
    }
    pair.run_for(Duration::from_secs(400));
    for gateway in [&pair.a, &pair.b] {
        assert!(gateway.kernel.sas().is_empty(), "seed {seed}");
        assert!(
            gateway.endpoint.is_idle(),
            "seed {seed}: {:?} {:#?}",
            gateway.endpoint,
            gateway.endpoint.status(pair.now)
        );
    }
    tunnel
}

#[test]
fn ten_thousand_bad_networks() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let tunnels: usize = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|n| {
                scope.spawn(move || (0..SEEDS).skip(n).step_by(threads).filter(|seed| run(*seed)).count())
            })
            .collect();
        workers.into_iter().map(|w| w.join().expect("no seed fails")).sum()
    });
    println!("{tunnels} of {SEEDS} networks let a tunnel through");
    assert!(tunnels > usize::try_from(SEEDS).expect("fits") / 2, "only {tunnels}");
}
