//! What an operator asks of the engine: SAs with keys of his own, and policies that are not the daemon's.

use nix::errno::Errno;

use super::super::esp::Transform;
use super::super::sad::Half;
use super::Engine;
use super::requests::{check_kind, errno};
use crate::sadb::{
    Direction, FlowPolicy, KernelError, KernelEvent, ManualSa, Mode, Reply, SaId, SaKind, SaNames, SaParams,
    Selector, ShownPolicy, ShownSa, Wanted,
};
use crate::time::Now;

/// ICMP, GRE, ICMPv6, Mobility: what stands in place of ports is not looked at.
const PORTLESS: [u8; 4] = [1, 47, 58, 135];
/// setkey counts the anti-replay window in octets of bitmap.
const PACKETS_PER_OCTET: u32 = 8;

impl Engine {
    /// Installs an SA of an operator's. With a window of 0 it takes every packet.
    pub(super) fn add_manual(&mut self, now: Now, sa: &ManualSa) -> Result<Reply, KernelError> {
        let params = sa.params(PACKETS_PER_OCTET, Mode::Tunnel)?;
        check_kind(params.protocol, params.mode)?;
        if params.keys.cipher.is_none() {
            return Err(KernelError::Unsupported("ESP without a cipher, not even null"));
        }
        let transform = Transform::new(&self.provider, &params.keys)?;
        let half = if sa.direction == Direction::In { Half::In } else { Half::Out };
        let id = params.id();
        if self.sad.contains(half, &id) || (half == Half::In && self.sad.is_taken(&id)) {
            return Err(KernelError::Exists);
        }
        if self.sad.is_full() {
            return Err(errno(Errno::ENOBUFS));
        }
        self.sad.insert(now, half, params, transform, true);
        Ok(Reply::Done)
    }

    /// Removes the SAs of these names; those that are `gone`.
    ///
    /// # Errors
    /// There is none; all of none is no failure, as with KAME.
    pub(super) fn drop_named(&mut self, now: Now, names: &SaNames) -> Result<Vec<SaId>, KernelError> {
        names.kind.protocol()?;
        let gone = self.drop_all(now, |sa| names.includes(sa));
        if gone.is_empty() && names.spi.is_some() { Err(KernelError::NoSuchSa) } else { Ok(gone) }
    }

    /// Removes all SAs, or all of one kind; those that are gone.
    pub(super) fn flush_sad(&mut self, now: Now, kind: Option<SaKind>) -> Vec<SaId> {
        self.drop_all(now, |sa| kind.is_none_or(|kind| kind == SaKind::Ipsec(sa.protocol)))
    }

    fn drop_all(&mut self, now: Now, is_meant: impl Fn(&SaParams) -> bool) -> Vec<SaId> {
        let all = self.sad.dump(now);
        let meant = all.iter().map(|entry| &entry.sa).filter(|sa| is_meant(sa)).map(SaParams::id);
        meant.filter(|id| self.delete(id).is_ok()).collect()
    }

    /// Tells the daemon of SAs that an operator has removed: they may be its own.
    pub(super) fn tell_gone(&mut self, gone: Vec<SaId>) {
        gone.into_iter().for_each(|sa| self.event(KernelEvent::Gone { sa }));
    }

    /// Adds a policy of an operator's.
    pub(super) fn load_policy(
        &mut self,
        now: Now,
        policy: FlowPolicy,
        replaces: bool,
    ) -> Result<Reply, KernelError> {
        let Selector { protocol, local_port, remote_port, .. } = policy.selector;
        if PORTLESS.contains(&protocol) && (local_port, remote_port) != (0, 0) {
            return Err(KernelError::Unsupported("policies for types of ICMP or keys of GRE"));
        }
        if !replaces && self.spd.get(&policy.selector, policy.direction).is_some() {
            return Err(KernelError::Exists);
        }
        let place = policy.place();
        let reply = self.install_policy(now, policy)?;
        self.spd.give_to_operator(&place.0, place.1);
        Ok(reply)
    }

    /// Removes the policies of the operator. Those of the daemon stay: with any other kernel it would put them back.
    pub(super) fn flush_spd(&mut self) -> Reply {
        self.spd.remove_operators();
        Reply::Done
    }

    /// Tells which policies are not the daemon's.
    pub(super) fn tell_policies(&mut self) {
        let foreign = self.spd.operators();
        self.event(KernelEvent::Policies(foreign));
    }

    /// What an operator wants to see.
    pub(super) fn show(&self, now: Now, wanted: Wanted) -> Result<Reply, KernelError> {
        let entries = self.sad.dump(now);
        let sas: Vec<_> = match wanted {
            Wanted::Policies => {
                return Ok(Reply::Policies(self.spd.dump().iter().map(ShownPolicy::of).collect()));
            }
            Wanted::Sas(kind) => {
                let is_wanted = |sa: &ShownSa| kind.is_none_or(|kind| kind == sa.kind);
                entries.iter().map(ShownSa::of).filter(is_wanted).collect()
            }
            Wanted::Named(names) => {
                entries.iter().filter(|e| names.includes(&e.sa)).map(ShownSa::of).collect()
            }
        };
        match wanted {
            Wanted::Named(_) if sas.is_empty() => Err(KernelError::NoSuchSa),
            _ => Ok(Reply::Sas(sas)),
        }
    }
}
