//! The victim and its honest peer in the middle of a negotiation, at any point of it.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use coati::crypto::alg::Group;
use coati::ike::endpoint::{Command, Transmit};
use coati::ike::event::Role;
use coati::ike::keys;
use coati::sadb::{Protocol, SaId};
use coati::wire::header::Header;
use coati::wire::message::ChainBuilder;
use coati::wire::registry::ExchangeType;

use crate::peer::{BLOCK, Keys, Peer};
use crate::policy::{self, HONEST, VICTIM};
use crate::victim::Victim;

/// A point of the negotiation: the victim's role, and how many datagrams it has been given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stage {
    pub(crate) victim: Role,
    pub(crate) delivered: usize,
}

impl Stage {
    pub(crate) const fn responder(delivered: usize) -> Self {
        Self { victim: Role::Responder, delivered }
    }

    pub(crate) const fn initiator(delivered: usize) -> Self {
        Self { victim: Role::Initiator, delivered }
    }

    /// Every point, with the state that the victim's phase 1 is in there.
    pub(crate) const ALL: [(Self, &'static [&'static str]); 11] = [
        (Self::responder(0), &[]),
        // Half-open: no phase 1 yet.
        (Self::responder(1), &[]),
        (Self::responder(2), &["ExpectAuth"]),
        (Self::responder(3), &["Established"]),
        // Quick mode: ExpectHash3, then a pair.
        (Self::responder(4), &["Established"]),
        (Self::responder(5), &["Established"]),
        (Self::initiator(0), &["ExpectSa"]),
        (Self::initiator(1), &["ExpectKe"]),
        (Self::initiator(2), &["ExpectAuth"]),
        // Quick mode: ExpectReply, then a pair.
        (Self::initiator(3), &["Established"]),
        (Self::initiator(4), &["Established"]),
    ];
}

/// The negotiation.
pub(crate) struct Scene {
    pub(crate) victim: Victim,
    pub(crate) peer: Peer,
    /// From the peer, not yet delivered.
    pub(crate) pending: VecDeque<Vec<u8>>,
    /// From the peer, delivered.
    pub(crate) delivered: Vec<Vec<u8>>,
    /// From the victim.
    pub(crate) said: Vec<Vec<u8>>,
}

impl Scene {
    /// A victim and its honest peer, at `stage`.
    pub(crate) fn at(stage: Stage) -> Self {
        Self::with(Victim::new(policy::victim(Group::Ecp256)), HONEST, stage, 1, Group::Ecp256)
    }

    /// `victim` and a peer at `stage` of a negotiation, whatever else the victim holds.
    pub(crate) fn with(victim: Victim, peer: IpAddr, stage: Stage, seed: u8, group: Group) -> Self {
        let role = if stage.victim == Role::Initiator { Role::Responder } else { Role::Initiator };
        let mut scene = Self {
            victim,
            peer: Peer::new(peer, role, group, seed),
            pending: VecDeque::new(),
            delivered: Vec::new(),
            said: Vec::new(),
        };
        if stage.victim == Role::Initiator {
            let now = scene.victim.now;
            scene.victim.endpoint.handle_command(now, Command::Connect(format!("to-{peer}"))).unwrap();
            let sent = scene.victim.drain();
            scene.hear(sent);
        } else {
            let first = scene.peer.message_1();
            scene.pending.push_back(first);
        }
        for _ in 0..stage.delivered {
            scene.step();
        }
        scene
    }

    /// Delivers the next message of the peer.
    pub(crate) fn step(&mut self) {
        let datagram = self.pending.pop_front().unwrap();
        let from = SocketAddr::new(self.peer.me, self.peer.port);
        let sent = self.victim.take_from(from, &datagram);
        self.delivered.push(datagram);
        self.hear(sent);
    }

    fn hear(&mut self, sent: Vec<Transmit>) {
        for transmit in sent {
            assert_eq!(transmit.remote.ip(), self.peer.me);
            self.said.push(transmit.bytes.clone());
            self.pending.extend(self.peer.take(&transmit.bytes));
        }
    }

    /// Delivers a datagram that must not change anything; gives what the victim says.
    pub(crate) fn attack(&mut self, what: &str, from: IpAddr, datagram: &[u8]) -> Vec<Transmit> {
        let before = self.victim.snapshot();
        let sent = self.victim.take(from, datagram);
        assert_eq!(self.victim.snapshot(), before, "{what} changed the state");
        sent
    }

    /// As [`Scene::attack`], and nothing is said either.
    pub(crate) fn silent_attack(&mut self, what: &str, from: IpAddr, datagram: &[u8]) {
        let sent = self.attack(what, from, datagram);
        assert_eq!(sent, [], "{what} was answered");
    }

    /// An encrypted main mode message in the place of `genuine`, which the peer has made already.
    pub(crate) fn forge_auth(&mut self, genuine: &[u8], chain: ChainBuilder) -> Vec<u8> {
        let before = self.iv_before(genuine);
        let behind = std::mem::replace(&mut self.peer.keys.as_mut().unwrap().iv, before);
        let datagram = self.peer.auth(chain, false);
        self.peer.keys.as_mut().unwrap().iv = behind;
        datagram
    }

    /// The IV that `genuine` was encrypted with: the last block of the message before it, or IV0.
    fn iv_before(&self, genuine: &[u8]) -> Vec<u8> {
        assert!(Header::parse(genuine).unwrap().flags.is_encrypted());
        let before = self.said.iter().rev().find(|message| {
            let header = Header::parse(message).unwrap();
            header.flags.is_encrypted() && header.exchange == ExchangeType::IDENTITY_PROTECTION
        });
        if let Some(message) = before {
            return message[message.len() - BLOCK..].to_vec();
        }
        let (own, victim) = (&self.peer.g_own, &self.peer.g_victim);
        let (g_xi, g_xr) = if self.peer.is_initiator() { (own, victim) } else { (victim, own) };
        keys::phase1_iv(Keys::prf(), g_xi, g_xr, BLOCK)
    }

    /// Goes on to the end: a pair of SAs in the victim's kernel, with the keys that the peer has.
    pub(crate) fn finish(&mut self) {
        while !self.pending.is_empty() {
            self.step();
        }
        let quick = self.peer.quick.as_ref().unwrap();
        assert!(self.peer.established && quick.done);
        let (own, victim) = (quick.spi_own, quick.spi_victim.unwrap());
        for (spi, dst) in [(victim, VICTIM), (own, self.peer.me)] {
            let sa = self.victim.kernel.sa(SaId { protocol: Protocol::Esp, dst, spi });
            let sa = &sa.unwrap_or_else(|| panic!("{spi} is not installed")).params;
            let keys = (sa.keys.cipher_key.expose().clone(), sa.keys.auth_key.expose().clone());
            assert_eq!(keys, self.peer.keymat(spi), "keys of {spi}");
        }
    }
}

#[test]
fn honest_negotiations_reach_every_stage() {
    for (stage, states) in Stage::ALL {
        let mut scene = Scene::at(stage);
        assert_eq!(scene.victim.states(HONEST), states, "{stage:?}");
        scene.finish();
        assert_eq!(scene.victim.established(), (1, 1), "{stage:?}");
    }
}
