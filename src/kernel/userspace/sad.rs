//! The security association database: larval SPIs, the SAs of both directions, and when each of them ends.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::num::NonZeroU64;
use std::time::Duration;

use super::esp::Transform;
use super::packet::Packet;
use super::replay::ReplayWindow;
use crate::crypto::secret::Secret;
use crate::sadb::{
    Endpoints, Lifetime, Mode, Prefix, Protocol, SaId, SaKeys, SaParams, SaState, SadbEntry, SecurityRule,
    Selector, Spi,
};
use crate::time::{Instant, Now, UnixTime};

/// How long an SPI is reserved without an SA.
pub(super) const LARVAL_LIFETIME: Duration = Duration::from_secs(60);
/// Most entries of each kind.
pub(super) const MAX_ENTRIES: usize = 65_536;
/// A new SA is asked for when this sequence number is reached, so that the last one never is.
const SOFT_SEQUENCE: u32 = 0xf000_0000;

/// Which way an SA's packets go.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Half {
    In,
    Out,
}

/// What a time is waited for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum SaTimer {
    Larval(SaId),
    Soft(Half, SaId),
    Hard(Half, SaId),
}

/// How far an SA has got through its lifetime.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Spent {
    Nothing,
    Soft,
    Hard,
}

/// A reserved SPI.
#[derive(Clone, Copy, Debug)]
pub(super) struct Larval {
    pub(super) src: IpAddr,
    pub(super) mode: Mode,
    pub(super) reqid: u32,
    created: Now,
    serial: u64,
}

/// One SA in use.
#[derive(Debug)]
pub(super) struct Sa {
    pub(super) params: SaParams,
    pub(super) transform: Transform,
    pub(super) replay: ReplayWindow,
    /// Whether the window counts; an operator's SA may be without one.
    pub(super) checks_replay: bool,
    /// The last sequence number that was sent.
    pub(super) sequence: u32,
    pub(super) dropped: u64,
    /// Whether it may be used; an outbound one may have to wait for the peer.
    ready: bool,
    created: Now,
    last_used: Option<UnixTime>,
    packets: u64,
    octets: u64,
    soft_expired: bool,
    serial: u64,
}

impl Sa {
    /// Counts a packet, and says what that did to the lifetime; `Soft` once only.
    pub(super) fn count(&mut self, now: Now, octets: usize) -> Spent {
        self.packets = self.packets.saturating_add(1);
        self.octets = self.octets.saturating_add(u64::try_from(octets).unwrap_or(u64::MAX));
        self.last_used = Some(now.wall);
        let reached = |limit: Option<NonZeroU64>| limit.is_some_and(|limit| self.octets >= limit.get());
        if reached(self.params.hard.octets) || self.sequence == u32::MAX {
            Spent::Hard
        } else if reached(self.params.soft.octets) || self.sequence >= SOFT_SEQUENCE {
            self.expire_softly()
        } else {
            Spent::Nothing
        }
    }

    /// Marks it as past its soft lifetime.
    pub(super) fn expire_softly(&mut self) -> Spent {
        if std::mem::replace(&mut self.soft_expired, true) { Spent::Nothing } else { Spent::Soft }
    }

    /// Whether it is what `rule` wants for `packet`.
    fn serves(&self, rule: &SecurityRule, reqid: u32, packet: &Packet) -> bool {
        let params = &self.params;
        self.ready
            && params.protocol == rule.protocol
            && params.mode == rule.mode
            && (reqid == 0 || params.reqid == 0 || params.reqid == reqid)
            && packet.is_sent_under(&params.selector)
    }

    fn deadline(&self, lifetime: Lifetime) -> Option<Instant> {
        lifetime.time.map(|time| self.created.mono + time)
    }

    fn entry(&self, now: Now, half: Half) -> SadbEntry {
        SadbEntry {
            sa: self.params.clone(),
            inbound: half == Half::In,
            state: if self.soft_expired { SaState::Dying } else { SaState::Mature },
            created: self.created.wall,
            last_used: self.last_used,
            age: now.mono.saturating_since(self.created.mono),
            packets: self.packets,
            octets: self.octets,
            sequence: match half {
                Half::In => self.replay.highest(),
                Half::Out => self.sequence,
            }
            .into(),
            dropped: self.dropped,
        }
    }
}

/// All SAs. The keys of `outbound` are filled by peers, so the maps keep std's keyed hash.
#[derive(Debug, Default)]
pub(super) struct Sad {
    larval: HashMap<SaId, Larval>,
    inbound: HashMap<SaId, Sa>,
    outbound: HashMap<SaId, Sa>,
    /// Outbound SAs by source and destination, oldest first.
    by_endpoints: HashMap<(IpAddr, IpAddr), Vec<SaId>>,
    timers: BTreeSet<(Instant, SaTimer)>,
    serial: u64,
}

impl Sad {
    /// Reserves `id`, unless it is taken.
    pub(super) fn reserve(&mut self, now: Now, id: SaId, src: IpAddr, mode: Mode, reqid: u32) -> bool {
        if self.is_taken(&id) || self.larval.len() >= MAX_ENTRIES {
            return false;
        }
        let serial = self.next_serial();
        self.larval.insert(id, Larval { src, mode, reqid, created: now, serial });
        self.timers.insert((now.mono + LARVAL_LIFETIME, SaTimer::Larval(id)));
        true
    }

    /// Whether an inbound SA or a reservation has that name.
    pub(super) fn is_taken(&self, id: &SaId) -> bool {
        self.inbound.contains_key(id) || self.larval.contains_key(id)
    }

    /// The reservation of that name.
    pub(super) fn larval(&self, id: &SaId) -> Option<&Larval> {
        self.larval.get(id)
    }

    /// Whether there is an SA, not only a reservation.
    pub(super) fn contains(&self, half: Half, id: &SaId) -> bool {
        self.half(half).contains_key(id)
    }

    /// Whether no more SAs fit.
    pub(super) fn is_full(&self) -> bool {
        self.inbound.len().max(self.outbound.len()) >= MAX_ENTRIES
    }

    /// Takes an SA in; the caller has made sure that its name is free.
    pub(super) fn insert(
        &mut self,
        now: Now,
        half: Half,
        params: SaParams,
        transform: Transform,
        ready: bool,
    ) {
        let id = params.id();
        let serial = self.next_serial();
        let sa = Sa {
            replay: ReplayWindow::new(params.replay_window),
            checks_replay: params.replay_window != 0,
            params,
            transform,
            sequence: 0,
            dropped: 0,
            ready,
            created: now,
            last_used: None,
            packets: 0,
            octets: 0,
            soft_expired: false,
            serial,
        };
        self.remove_larval(&id);
        let soft = sa.deadline(sa.params.soft).map(|at| (at, SaTimer::Soft(half, id)));
        let hard = sa.deadline(sa.params.hard).map(|at| (at, SaTimer::Hard(half, id)));
        self.timers.extend(soft.into_iter().chain(hard));
        if half == Half::Out {
            self.by_endpoints.entry((sa.params.src, id.dst)).or_default().push(id);
        }
        self.half_mut(half).insert(id, sa);
    }

    /// The SA of that name.
    pub(super) fn get_mut(&mut self, half: Half, id: &SaId) -> Option<&mut Sa> {
        self.half_mut(half).get_mut(id)
    }

    /// Lets an outbound SA be used. False when there is none.
    pub(super) fn make_ready(&mut self, id: &SaId) -> bool {
        self.outbound.get_mut(id).map(|sa| sa.ready = true).is_some()
    }

    /// Removes an SA with its timers. False when there is none.
    pub(super) fn remove(&mut self, half: Half, id: &SaId) -> bool {
        let Some(sa) = self.half_mut(half).remove(id) else {
            return false;
        };
        for (lifetime, timer) in
            [(sa.params.soft, SaTimer::Soft(half, *id)), (sa.params.hard, SaTimer::Hard(half, *id))]
        {
            if let Some(at) = sa.deadline(lifetime) {
                self.timers.remove(&(at, timer));
            }
        }
        if half == Half::Out {
            let key = (sa.params.src, id.dst);
            if let Some(ids) = self.by_endpoints.get_mut(&key) {
                ids.retain(|other| other != id);
                if ids.is_empty() {
                    self.by_endpoints.remove(&key);
                }
            }
        }
        true
    }

    /// Removes a reservation. False when there is none.
    pub(super) fn remove_larval(&mut self, id: &SaId) -> bool {
        let Some(larval) = self.larval.remove(id) else {
            return false;
        };
        self.timers.remove(&(larval.created.mono + LARVAL_LIFETIME, SaTimer::Larval(*id)));
        true
    }

    /// The outbound SA for a packet: the newest that is mature, else the newest that is dying.
    pub(super) fn select(
        &self,
        rule: &SecurityRule,
        endpoints: Endpoints,
        reqid: u32,
        packet: &Packet,
    ) -> Option<SaId> {
        let ids = self.by_endpoints.get(&(endpoints.local, endpoints.remote))?;
        let mut dying = None;
        for id in ids.iter().rev() {
            let Some(sa) = self.outbound.get(id).filter(|sa| sa.serves(rule, reqid, packet)) else {
                continue;
            };
            if !sa.soft_expired {
                return Some(*id);
            }
            dying = dying.or(Some(*id));
        }
        dying
    }

    /// When the next timer runs out.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Takes out a timer that has run out.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<SaTimer> {
        self.timers.first().filter(|(at, _)| *at <= now)?;
        self.timers.pop_first().map(|(_, timer)| timer)
    }

    /// Everything, oldest first.
    pub(super) fn dump(&self, now: Now) -> Vec<SadbEntry> {
        let larval = self.larval.iter().map(|(id, l)| (l.serial, larval_entry(now, id, l)));
        let inbound = self.inbound.values().map(|sa| (sa.serial, sa.entry(now, Half::In)));
        let outbound = self.outbound.values().map(|sa| (sa.serial, sa.entry(now, Half::Out)));
        let mut all: Vec<_> = larval.chain(inbound).chain(outbound).collect();
        all.sort_by_key(|(serial, _)| *serial);
        all.into_iter().map(|(_, entry)| entry).collect()
    }

    const fn half(&self, half: Half) -> &HashMap<SaId, Sa> {
        match half {
            Half::In => &self.inbound,
            Half::Out => &self.outbound,
        }
    }

    const fn half_mut(&mut self, half: Half) -> &mut HashMap<SaId, Sa> {
        match half {
            Half::In => &mut self.inbound,
            Half::Out => &mut self.outbound,
        }
    }

    const fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }
}

/// The name of an ESP SA.
pub(super) const fn esp(dst: IpAddr, spi: Spi) -> SaId {
    SaId { protocol: Protocol::Esp, dst, spi }
}

fn larval_entry(now: Now, id: &SaId, larval: &Larval) -> SadbEntry {
    let keys = SaKeys {
        cipher: None,
        cipher_key: Secret::new(vec![]),
        auth: None,
        auth_key: Secret::new(vec![]),
        compression: None,
    };
    let sa = SaParams {
        protocol: id.protocol,
        spi: id.spi,
        src: larval.src,
        dst: id.dst,
        mode: larval.mode,
        keys,
        soft: Lifetime::default(),
        hard: Lifetime::default(),
        replay_window: 0,
        encapsulation: None,
        reqid: larval.reqid,
        selector: Selector::between(Prefix::host(id.dst), Prefix::host(larval.src)),
        ids: None,
    };
    SadbEntry {
        sa,
        inbound: true,
        state: SaState::Larval,
        created: larval.created.wall,
        last_used: None,
        age: now.mono.saturating_since(larval.created.mono),
        packets: 0,
        octets: 0,
        sequence: 0,
        dropped: 0,
    }
}
