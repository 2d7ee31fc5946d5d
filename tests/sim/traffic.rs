//! A stream of packets in both directions while pairs are replaced: none may be sent with an SA that the other side has
//! not, whichever SA a kernel sends with.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use coati::ike::endpoint::{Command, Transmit};
use coati::ike::event::Event;
use coati::ike::policy::Start;
use coati::kernel::fake::Preference::{self, Newest, Oldest};
use coati::sadb::SaId;
use coati::time::Instant;

use super::net::Weather;
use super::pair::Pair;
use super::policy::{A, Side};

/// Between two packets.
const TICK: Duration = Duration::from_millis(50);

/// Every combination of kernels.
const KERNELS: [[Preference; 2]; 4] =
    [[Newest, Newest], [Oldest, Oldest], [Newest, Oldest], [Oldest, Newest]];

/// The packets of both directions.
struct Stream {
    /// How long a packet is on its way.
    delay: Duration,
    /// Arrival, whether at B, and the SA it was sent with.
    flying: VecDeque<(Instant, bool, SaId)>,
    /// Since when a kernel has an SA, by side and half: kernels end them by themselves.
    ages: BTreeMap<(bool, bool, SaId), Instant>,
    lost: Vec<String>,
}

impl Stream {
    fn new(delay: Duration) -> Self {
        Self { delay, flying: VecDeque::new(), ages: BTreeMap::new(), lost: Vec::new() }
    }

    fn run(&mut self, pair: &mut Pair, time: Duration) {
        let until = pair.now.mono + time;
        while pair.now.mono < until {
            pair.run_for(TICK);
            self.expire(pair);
            self.tick(pair);
        }
    }

    fn tick(&mut self, pair: &Pair) {
        let now = pair.now.mono;
        for (from, to_b) in [(&pair.a, true), (&pair.b, false)] {
            match from.kernel.sending_sa(&from.side.selector()) {
                Some(sa) => self.flying.push_back((now + self.delay, to_b, sa.params.id())),
                None => self.lost.push(format!("{now:?}: nothing to send with towards B: {to_b}")),
            }
        }
        while let Some((_, to_b, id)) = self.flying.front().filter(|(at, ..)| *at <= now).copied() {
            self.flying.pop_front();
            let to = if to_b { &pair.b } else { &pair.a };
            if !to.kernel.sas().iter().any(|sa| sa.inbound && sa.params.id() == id) {
                self.lost.push(format!("{now:?}: {id:?} is not there, at B: {to_b}"));
            }
        }
    }

    /// What a kernel does at the end of an SA's lifetime, and says.
    fn expire(&mut self, pair: &mut Pair) {
        let now = pair.now.mono;
        for (gateway, at_b) in [(&mut pair.a, false), (&mut pair.b, true)] {
            let held: Vec<_> = gateway
                .kernel
                .sas()
                .iter()
                .map(|sa| (sa.params.id(), sa.inbound, sa.params.soft.time, sa.params.hard.time))
                .collect();
            for (id, inbound, soft, hard) in held {
                let age = now.saturating_since(*self.ages.entry((at_b, inbound, id)).or_insert(now));
                if hard.is_some_and(|hard| age >= hard) {
                    gateway.kernel.expire(id, true);
                } else if soft.is_some_and(|soft| age >= soft && age < soft + TICK) {
                    gateway.kernel.expire(id, false);
                }
            }
        }
        pair.drain();
    }
}

fn up(a: Side, b: Side, kernels: [Preference; 2], weather: Weather, seed: u64) -> Pair {
    let mut pair = Pair::new(a, b, Weather::FINE, seed);
    pair.a.kernel.prefer(kernels[0]);
    pair.b.kernel.prefer(kernels[1]);
    pair.acquire();
    pair.run_for(Duration::from_secs(5));
    assert!(!pair.a.kernel.sas().is_empty() && pair.is_symmetric());
    pair.net.weather = weather;
    pair
}

/// Runs a stream, and gives how often a pair was replaced.
fn lossless(mut pair: Pair, delay: Duration, time: Duration, what: &str) -> usize {
    let mut stream = Stream::new(delay);
    stream.run(&mut pair, time);
    let lost = &stream.lost;
    assert!(lost.is_empty(), "{what}: {} lost, {:#?}", lost.len(), &lost[..lost.len().min(4)]);
    let held = pair.a.kernel.sas().len().max(pair.b.kernel.sas().len());
    assert!(held <= 8, "{what}: {held} SAs: old pairs do not go");
    pair.a.phase2_established()
}

fn life(side: Side, seconds: u32) -> Side {
    Side { phase2_seconds: seconds, ..side }
}

#[test]
fn three_rekeys_of_a_short_life_lose_nothing() {
    for kernels in KERNELS {
        let pair = up(life(Side::a(), 20), life(Side::b(), 20), kernels, Weather::FINE, 1);
        let made =
            lossless(pair, Duration::from_millis(20), Duration::from_secs(60), &format!("{kernels:?}"));
        assert!(made >= 4, "{made}");
    }
}

#[test]
fn a_slow_way_loses_nothing() {
    let weather =
        Weather { delay: Duration::from_millis(200), jitter: Duration::from_millis(300), ..Weather::FINE };
    for kernels in KERNELS {
        let pair = up(life(Side::a(), 60), life(Side::b(), 60), kernels, weather, 2);
        let made =
            lossless(pair, Duration::from_millis(450), Duration::from_secs(300), &format!("{kernels:?}"));
        assert!(made >= 5, "{made}");
    }
}

#[test]
fn pairs_that_both_sides_made_at_once_end_without_a_loss() {
    let active = |side: Side| Side { start: Start::Active, ..life(side, 60) };
    for kernels in KERNELS {
        let pair = up(active(Side::a()), active(Side::b()), kernels, Weather::FINE, 3);
        assert!(pair.a.phase2_established() >= 2, "both have begun");
        let made =
            lossless(pair, Duration::from_millis(20), Duration::from_secs(300), &format!("{kernels:?}"));
        assert!(made >= 5, "{made}");
    }
}

#[test]
fn rekeys_that_both_sides_begin_at_once_lose_nothing() {
    for kernels in KERNELS {
        let weather = Weather { delay: Duration::from_millis(100), ..Weather::FINE };
        let mut pair = up(life(Side::a(), 200), life(Side::b(), 200), kernels, weather, 4);
        let mut stream = Stream::new(Duration::from_millis(100));
        // The second begins while the first is under way, or while its new pair waits for its turn.
        for apart in [0, 100, 600, 900] {
            stream.run(&mut pair, Duration::from_secs(30));
            for at_b in [false, true] {
                let gateway = if at_b { &mut pair.b } else { &mut pair.a };
                let pairs = gateway.endpoint.status(pair.now).phase2;
                let newest = pairs.iter().rev().find(|p| p.state == "Established").and_then(|p| p.pair);
                gateway.kernel.expire(newest.expect("a pair in use").0, false);
                pair.drain();
                stream.run(&mut pair, Duration::from_millis(apart));
            }
        }
        let failed = |e: &Event| matches!(e, Event::Kernel { .. });
        assert_eq!((pair.a.count(failed), pair.b.count(failed)), (0, 0), "{kernels:?}");
        let made =
            lossless(pair, Duration::from_millis(100), Duration::from_secs(300), &format!("{kernels:?}"));
        assert!(stream.lost.is_empty(), "{kernels:?}: {:#?}", stream.lost);
        assert!(made >= 5, "{made}");
    }
}

#[test]
fn lost_messages_of_a_rekey_lose_no_packet() {
    for kernels in KERNELS {
        for seed in 0..12 {
            let weather = Weather {
                loss: 60,
                duplication: 30,
                delay: Duration::from_millis(30),
                jitter: Duration::from_millis(100),
                ..Weather::FINE
            };
            let pair = up(life(Side::a(), 300), life(Side::b(), 300), kernels, weather, seed);
            let what = format!("{kernels:?}, seed {seed}");
            let made = lossless(pair, Duration::from_millis(130), Duration::from_secs(900), &what);
            assert!(made >= 3, "{what}: {made}");
        }
    }
}

/// Message 3 of A's quick modes: short, because it is a HASH alone.
fn is_message_3(datagram: &Transmit) -> bool {
    const QUICK_MODE: u8 = 32;
    datagram.local.ip() == A && datagram.bytes[18] == QUICK_MODE && datagram.bytes.len() < 80
}

#[test]
fn an_old_pair_that_is_deleted_serves_until_a_lost_message_3_has_come_again() {
    for kernels in KERNELS {
        let mut pair = up(life(Side::a(), 300), life(Side::b(), 300), kernels, Weather::FINE, 6);
        let mut stream = Stream::new(Duration::from_millis(20));
        pair.net.filter = Some(|_, datagram| is_message_3(datagram));
        while pair.a.phase2_established() < 2 {
            stream.run(&mut pair, TICK);
        }
        stream.run(&mut pair, Duration::from_millis(13_500));
        let is_lingering = pair.b.endpoint.status(pair.now).phase2.iter().any(|p| p.state == "Lingering");
        assert!(
            is_lingering && pair.b.phase2_established() == 1,
            "A's Delete is there, and message 3 is not"
        );
        pair.net.filter = None;
        stream.run(&mut pair, Duration::from_secs(60));
        assert!(stream.lost.is_empty(), "{kernels:?}: {:#?}", stream.lost);
        assert!(pair.b.phase2_established() >= 2);
    }
}

#[test]
fn a_pair_that_an_operator_takes_away_while_its_successor_waits_leaves_no_gap_at_the_initiator() {
    for kernels in KERNELS {
        let mut pair = up(life(Side::a(), 60), life(Side::b(), 60), kernels, Weather::FINE, 7);
        let old = pair.a.kernel.sending_sa(&pair.a.side.selector()).expect("an SA").params.id();
        let mut stream = Stream::new(Duration::from_millis(20));
        while pair.a.phase2_established() < 2 {
            stream.run(&mut pair, TICK);
        }
        pair.a.kernel.vanish(old);
        pair.drain();
        let sending = pair.a.kernel.sending_sa(&pair.a.side.selector());
        assert!(sending.is_some_and(|sa| sa.params.id() != old), "{kernels:?}");
        stream.run(&mut pair, Duration::from_secs(20));
        assert!(stream.lost.is_empty(), "{kernels:?}: {:#?}", stream.lost);
        pair.command_a(Command::Disconnect("tunnel".into()));
        pair.run_for(Duration::from_secs(1));
        assert!(pair.a.kernel.sas().is_empty() && pair.b.kernel.sas().is_empty());
    }
}
