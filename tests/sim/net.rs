//! A network that loses, doubles, delays and reorders, as its seed says.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use coati::crypto::random::{Random, SeededRandom};
use coati::ike::endpoint::Transmit;
use coati::time::Instant;

/// How bad it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    /// Of 256 datagrams so many are lost.
    pub(crate) loss: u8,
    /// Of 256 datagrams so many arrive twice.
    pub(crate) duplication: u8,
    /// The shortest way takes so long.
    pub(crate) delay: Duration,
    /// A datagram may take so much longer, and so be overtaken.
    pub(crate) jitter: Duration,
    /// From here on it is a good network.
    pub(crate) until: Instant,
}

impl Weather {
    /// Nothing is lost, and everything arrives after a millisecond.
    pub(crate) const FINE: Self = Self {
        loss: 0,
        duplication: 0,
        delay: Duration::from_millis(1),
        jitter: Duration::ZERO,
        until: Instant(u64::MAX),
    };
}

/// Datagrams on their way, by the time of their arrival.
pub(crate) struct Net {
    pub(crate) weather: Weather,
    random: SeededRandom,
    on_the_way: BTreeMap<(Instant, u64), Transmit>,
    next: u64,
    /// Says of a datagram (its number, its octets) whether it is lost, whatever the weather.
    pub(crate) filter: Option<fn(u64, &Transmit) -> bool>,
    /// A's own address and the one of the NAT before it, under which B sees it.
    pub(crate) nat: Option<(IpAddr, IpAddr)>,
    /// Everything that was sent.
    pub(crate) sent: Vec<(Instant, Transmit)>,
}

impl Net {
    pub(crate) fn new(weather: Weather, seed: [u8; 32]) -> Self {
        let random = SeededRandom::from_seed(seed);
        Self {
            weather,
            random,
            on_the_way: BTreeMap::new(),
            next: 0,
            filter: None,
            nat: None,
            sent: Vec::new(),
        }
    }

    fn octet(&mut self) -> u8 {
        let mut octet = [0];
        self.random.public(&mut octet).expect("seeded");
        octet[0]
    }

    pub(crate) fn send(&mut self, now: Instant, mut datagram: Transmit) {
        if let Some((own, seen)) = self.nat {
            if datagram.local.ip() == own {
                datagram.local.set_ip(seen);
            } else if datagram.remote.ip() == seen {
                datagram.remote.set_ip(own);
            }
        }
        self.sent.push((now, datagram.clone()));
        assert!(self.sent.len() < 2000, "a storm of datagrams: {datagram:?}");
        let number = self.sent.len() as u64;
        if self.filter.is_some_and(|lost| lost(number, &datagram)) {
            return;
        }
        let weather = if now >= self.weather.until { Weather::FINE } else { self.weather };
        if self.octet() < weather.loss {
            return;
        }
        let copies = if self.octet() < weather.duplication { 2 } else { 1 };
        for _ in 0..copies {
            let late = weather.jitter * u32::from(self.octet()) / 255;
            self.next += 1;
            self.on_the_way.insert((now + weather.delay + late, self.next), datagram.clone());
        }
    }

    pub(crate) fn next_arrival(&self) -> Option<Instant> {
        self.on_the_way.keys().next().map(|(at, _)| *at)
    }

    pub(crate) fn arrived(&mut self, now: Instant) -> Option<Transmit> {
        let key = *self.on_the_way.keys().next().filter(|(at, _)| *at <= now)?;
        self.on_the_way.remove(&key)
    }
}
