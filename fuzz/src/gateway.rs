//! A gateway for the targets that feed an endpoint: its policy, and the loop that drains it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use coati::conf::NoFiles;
use coati::conf::ipsecconf::{load, resolve};
use coati::crypto::CryptoProvider;
use coati::crypto::random::SeededRandom;
use coati::ike::endpoint::{Endpoint, EndpointConfig, Transmit};
use coati::ike::policy::Policy;
use coati::kernel::fake::FakeKernel;
use coati::time::{Instant, Now, UnixTime};

/// An endpoint with its kernel and its time.
pub struct Gateway {
    /// The core.
    pub endpoint: Endpoint,
    /// The kernel, which answers at once.
    pub kernel: FakeKernel,
    /// The time.
    pub now: Now,
}

/// Gateway `me` of two that share a secret; `active` begins by itself.
fn policy(me: u8, peer: u8, active: bool) -> Arc<Policy> {
    let mode = if active { "active" } else { "passive" };
    let text = format!(
        "ike {mode} esp from 192.168.{me}.0/24 to 192.168.{peer}.0/24 local 10.99.0.{me} peer 10.99.0.{peer} \
         main auth hmac-sha1 enc aes group ecp256 quick auth hmac-sha1 enc aes group ecp256 psk \"secret\"\n"
    );
    let rules = load(Path::new("ipsec.conf"), &text, &NoFiles).expect("a rule that is right");
    Arc::new(resolve(&rules, None, &NoFiles).expect("a rule that means something").policy)
}

impl Gateway {
    /// Gateway 10.99.0.`me`, which talks to 10.99.0.`peer`.
    pub fn new(provider: CryptoProvider, me: u8, peer: u8, active: bool) -> Self {
        let now = Now { mono: Instant(1_000_000), wall: UnixTime(1_700_000_000) };
        let config = EndpointConfig {
            provider,
            random: Box::new(SeededRandom::from_seed([me; 32])),
            isakmp_port: 500,
            natt_port: Some(4500),
            half_open_limit: 8,
        };
        let endpoint = Endpoint::new(config, policy(me, peer, active), now);
        Self { endpoint, kernel: FakeKernel::new(0x1000 * u32::from(me)), now }
    }

    /// Does everything that the endpoint asks for, and gives what it sends.
    pub fn drain(&mut self) -> Vec<Transmit> {
        let mut sent = Vec::new();
        loop {
            let mut moved = false;
            while let Some(datagram) = self.endpoint.poll_transmit() {
                sent.push(datagram);
                moved = true;
            }
            while let Some((id, request)) = self.endpoint.poll_kernel() {
                self.kernel.submit(id, request);
                moved = true;
            }
            if let Some((id, job)) = self.endpoint.poll_crypto() {
                self.endpoint.handle_crypto(self.now, id, job.run());
                moved = true;
            } else if let Some(event) = self.kernel.pop_event() {
                self.endpoint.handle_kernel(self.now, event);
                moved = true;
            }
            while let Some(event) = self.endpoint.poll_event() {
                // What is told of it must not depend on anything that could be missing.
                let _ = format!("{event:?}");
            }
            if !moved {
                return sent;
            }
        }
    }

    /// Lets time pass, timer by timer.
    pub fn pass(&mut self, time: Duration) -> Vec<Transmit> {
        let until = self.now.mono + time;
        let mut sent = Vec::new();
        while let Some((at, _)) = self.endpoint.poll_timeout().filter(|(at, _)| *at <= until) {
            self.now = self.now.advanced(at.saturating_since(self.now.mono));
            self.endpoint.handle_timeout(self.now);
            sent.extend(self.drain());
        }
        self.now = self.now.advanced(until.saturating_since(self.now.mono));
        sent
    }
}
