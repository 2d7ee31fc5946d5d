//! The security policy database, with the packets that wait for an SA.

use std::collections::VecDeque;
use std::time::Duration;

use super::packet::Packet;
use crate::sadb::{
    AcquireId, Direction, Endpoints, FlowAction, FlowPolicy, Level, PolicyEntry, SecurityRule, Selector,
};
use crate::time::{Instant, Now, UnixTime};

/// How long a packet waits, and how long an unanswered acquire keeps another one back.
pub(super) const ACQUIRE_LIFETIME: Duration = Duration::from_secs(30);
/// Packets that wait under one policy; the newest are kept.
pub(super) const MAX_HELD: usize = 16;
/// Packets that wait under all policies together.
const MAX_HELD_IN_ALL: usize = 1024;
/// Most policies.
pub(super) const MAX_POLICIES: usize = 65_536;
/// The first request id that the kernel gives out itself; those below are the operator's.
const FIRST_REQID: u32 = 16_384;

/// Which of several policies for a packet is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum PolicyOrder {
    /// The one with the lowest priority number, and of these the one that was added first, as in a KAME SPD.
    #[default]
    FirstAdded,
    /// The one with the longest prefixes, then with protocol and ports, as among OpenBSD's flows.
    MostSpecific,
}

/// The one rule of a policy that protects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct TunnelRule {
    pub(super) rule: SecurityRule,
    pub(super) endpoints: Endpoints,
    /// 0 where any SA will do.
    pub(super) reqid: u32,
}

/// What a policy does, with everything else refused when it was added.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Action {
    Bypass,
    Discard,
    Protect(TunnelRule),
}

/// One policy.
#[derive(Debug)]
pub(super) struct PolicyRow {
    pub(super) policy: FlowPolicy,
    pub(super) action: Action,
    pub(super) acquire: Option<(AcquireId, Instant)>,
    held: VecDeque<Vec<u8>>,
    id: u32,
    /// Whether an operator has loaded it, not the daemon.
    is_operators: bool,
    created: UnixTime,
    last_used: Option<UnixTime>,
}

impl PolicyRow {
    fn entry(&self) -> PolicyEntry {
        PolicyEntry {
            policy: self.policy.clone(),
            id: self.id,
            created: self.created,
            last_used: self.last_used,
        }
    }
}

/// All policies, in the order in which they are asked.
#[derive(Debug)]
pub(super) struct Spd {
    rows: Vec<PolicyRow>,
    order: PolicyOrder,
    held: usize,
    next_id: u32,
    next_reqid: u32,
    next_acquire: u32,
}

impl Spd {
    pub(super) const fn new(order: PolicyOrder) -> Self {
        Self { rows: Vec::new(), order, held: 0, next_id: 1, next_reqid: FIRST_REQID, next_acquire: 1 }
    }

    /// Adds a policy, or puts it in the place of the one with its selector and direction. False when it is full.
    pub(super) fn install(&mut self, now: Now, policy: FlowPolicy, mut action: Action) -> bool {
        let mut assigned = policy.clone();
        if let Action::Protect(tunnel) = &mut action {
            if tunnel.rule.level == Level::Unique(0) {
                tunnel.reqid = self.next_reqid;
                self.next_reqid = self.next_reqid.checked_add(1).unwrap_or(FIRST_REQID);
                tunnel.rule.level = Level::Unique(tunnel.reqid);
            }
            assigned.action = FlowAction::Protect(vec![tunnel.rule]);
        }
        let place = self.position(&policy.selector, policy.direction);
        if place.is_none() && self.rows.len() >= MAX_POLICIES {
            return false;
        }
        let row = PolicyRow {
            policy: assigned,
            action,
            acquire: None,
            held: VecDeque::new(),
            id: self.next_id,
            is_operators: false,
            created: now.wall,
            last_used: None,
        };
        self.next_id = self.next_id.wrapping_add(1).max(1);
        match place.and_then(|at| self.rows.get_mut(at)) {
            Some(old) if old.policy.rank() == policy.rank() => {
                self.held -= old.held.len();
                *old = row;
            }
            _ => {
                self.remove(&policy.selector, policy.direction);
                self.rows.insert(self.place_for(&policy), row);
            }
        }
        true
    }

    /// Removes the policy with that selector and direction. False when there is none.
    pub(super) fn remove(&mut self, selector: &Selector, direction: Direction) -> bool {
        let Some(at) = self.position(selector, direction) else {
            return false;
        };
        self.held -= self.rows.remove(at).held.len();
        true
    }

    /// Says that the policy with that selector and direction is an operator's.
    pub(super) fn give_to_operator(&mut self, selector: &Selector, direction: Direction) {
        if let Some(row) = self.position(selector, direction).and_then(|at| self.rows.get_mut(at)) {
            row.is_operators = true;
        }
    }

    /// Whether the policy with that selector and direction is an operator's.
    pub(super) fn is_operators(&self, selector: &Selector, direction: Direction) -> bool {
        self.position(selector, direction)
            .and_then(|at| self.rows.get(at))
            .is_some_and(|row| row.is_operators)
    }

    /// Removes all that an operator has loaded.
    pub(super) fn remove_operators(&mut self) {
        self.rows.retain(|row| !row.is_operators);
        self.held = self.rows.iter().map(|row| row.held.len()).sum();
    }

    /// All that an operator has loaded, in order.
    pub(super) fn operators(&self) -> Vec<PolicyEntry> {
        self.rows.iter().filter(|row| row.is_operators).map(PolicyRow::entry).collect()
    }

    /// The policy with that selector and direction.
    pub(super) fn get(&self, selector: &Selector, direction: Direction) -> Option<&FlowPolicy> {
        self.position(selector, direction).and_then(|at| self.rows.get(at)).map(|row| &row.policy)
    }

    /// The policy for a packet on its way out.
    pub(super) fn outbound(&mut self, now: Now, packet: &Packet) -> Option<(usize, Action)> {
        self.find(now, Direction::Out, |selector| packet.is_sent_under(selector))
    }

    /// The policy for a packet on its way in.
    pub(super) fn inbound(&mut self, now: Now, packet: &Packet) -> Option<Action> {
        self.find(now, Direction::In, |selector| packet.is_received_under(selector)).map(|(_, action)| action)
    }

    fn find(
        &mut self,
        now: Now,
        direction: Direction,
        matches: impl Fn(&Selector) -> bool,
    ) -> Option<(usize, Action)> {
        let mut rows = self.rows.iter_mut().enumerate();
        let (at, row) =
            rows.find(|(_, row)| row.policy.direction == direction && matches(&row.policy.selector))?;
        row.last_used = Some(now.wall);
        Some((at, row.action))
    }

    /// Keeps a packet until there is an SA. Gives the wish to tell the core, unless it is told already.
    pub(super) fn hold(&mut self, now: Now, at: usize, packet: Vec<u8>) -> Option<(AcquireId, Selector)> {
        let row = self.rows.get_mut(at)?;
        if row.held.len() >= MAX_HELD && row.held.pop_front().is_some() {
            self.held -= 1;
        }
        if self.held < MAX_HELD_IN_ALL {
            row.held.push_back(packet);
            self.held += 1;
        }
        if row.acquire.is_some() {
            return None;
        }
        let id = AcquireId(self.next_acquire);
        self.next_acquire = self.next_acquire.checked_add(1).unwrap_or(1);
        row.acquire = Some((id, now.mono + ACQUIRE_LIFETIME));
        Some((id, row.policy.selector))
    }

    /// Takes out all packets that wait, to try them again.
    pub(super) fn take_held(&mut self) -> Vec<Vec<u8>> {
        self.held = 0;
        self.rows.iter_mut().flat_map(|row| std::mem::take(&mut row.held)).collect()
    }

    /// Notes that the policy has an SA: the next packet without one makes a new wish.
    pub(super) fn satisfied(&mut self, at: usize) {
        if let Some(row) = self.rows.get_mut(at) {
            row.acquire = None;
        }
    }

    /// Ends a wish, and drops the packets that wait for it.
    pub(super) fn end_acquire(&mut self, id: AcquireId) {
        self.forget(|pending, _| pending == id);
    }

    /// Gives up on every wish whose time is over.
    pub(super) fn expire_acquires(&mut self, now: Instant) {
        self.forget(|_, deadline| deadline <= now);
    }

    fn forget(&mut self, which: impl Fn(AcquireId, Instant) -> bool) {
        for row in &mut self.rows {
            if row.acquire.is_some_and(|(id, deadline)| which(id, deadline)) {
                row.acquire = None;
                self.held -= row.held.len();
                row.held.clear();
            }
        }
    }

    /// When the next wish runs out.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.rows.iter().filter_map(|row| row.acquire).map(|(_, deadline)| deadline).min()
    }

    /// Everything, in order.
    pub(super) fn dump(&self) -> Vec<PolicyEntry> {
        self.rows.iter().map(PolicyRow::entry).collect()
    }

    fn position(&self, selector: &Selector, direction: Direction) -> Option<usize> {
        self.rows.iter().position(|row| row.policy.direction == direction && row.policy.selector == *selector)
    }

    fn place_for(&self, policy: &FlowPolicy) -> usize {
        let is_behind = |row: &PolicyRow| match self.order {
            PolicyOrder::FirstAdded => row.policy.rank() > policy.rank(),
            PolicyOrder::MostSpecific => weight(&row.policy.selector) < weight(&policy.selector),
        };
        self.rows.iter().position(is_behind).unwrap_or(self.rows.len())
    }
}

/// How specific a selector is.
fn weight(selector: &Selector) -> (u16, u8) {
    let prefixes = u16::from(selector.local.prefix_len()) + u16::from(selector.remote.prefix_len());
    let upper = [selector.protocol != 0, selector.local_port != 0, selector.remote_port != 0];
    (prefixes, upper.into_iter().map(u8::from).sum())
}
