//! What the core asks of the engine.

use nix::errno::Errno;

use super::super::esp::Transform;
use super::super::sad::{Half, esp};
use super::super::spd::{Action, TunnelRule};
use super::Engine;
use crate::sadb::{
    DumpKind, Endpoints, FlowAction, FlowPolicy, KernelError, KernelEvent, Level, Mode, Protocol, Reply,
    Request, RequestId, SaId, SaPair, SaParams, SecurityRule, Spi,
};
use crate::time::Now;

/// How often an SPI is drawn before the table counts as full.
const SPI_ATTEMPTS: u32 = 64;

impl Engine {
    /// Takes a request; its reply is the next event, then whatever follows from it.
    pub fn handle_request(&mut self, now: Now, id: RequestId, request: Request) {
        let (mut sends, mut changed, mut fulfilled, mut gone) = (false, false, None, Vec::new());
        let result = match request {
            Request::GetSpi { protocol, mode, endpoints, acquire: _, reqid } => {
                self.reserve_spi(now, protocol, mode, endpoints, reqid).map(Reply::Spi)
            }
            Request::InstallPair { pair, acquire, sending } => {
                let result = self.install_pair(now, *pair, sending);
                sends = sending && result.is_ok();
                fulfilled = acquire.filter(|_| sends);
                result.map(|()| Reply::Done)
            }
            Request::StartSending(sa) => {
                sends = self.sad.make_ready(&sa);
                done(sends, KernelError::NoSuchSa)
            }
            Request::Delete(sa) | Request::Reclaim { sa, .. } => self.delete(&sa),
            Request::InstallPolicy(policy) => self.install_policy(now, policy),
            Request::RemovePolicy(policy) => {
                let is_ours = !self.spd.is_operators(&policy.selector, policy.direction);
                done(is_ours && self.spd.remove(&policy.selector, policy.direction), KernelError::NoSuchSa)
            }
            Request::DropPolicy(policy) => {
                changed = self.spd.is_operators(&policy.selector, policy.direction);
                done(self.spd.remove(&policy.selector, policy.direction), KernelError::NoSuchSa)
            }
            Request::AcquireFailed(acquire) => {
                self.spd.end_acquire(acquire);
                Ok(Reply::Done)
            }
            Request::FlushSad(kind) => {
                gone = self.flush_sad(now, kind);
                Ok(Reply::Done)
            }
            Request::FlushSpd => {
                changed = true;
                Ok(self.flush_spd())
            }
            Request::Dump(DumpKind::Sad) => Ok(Reply::Sad(self.sad.dump(now))),
            Request::Dump(DumpKind::Spd) => Ok(Reply::Spd(self.spd.dump())),
            Request::AddSa(sa) => {
                let result = self.add_manual(now, &sa);
                sends = result.is_ok();
                result
            }
            Request::DropSas(names) => self.drop_named(now, &names).map(|dropped| {
                gone = dropped;
                Reply::Done
            }),
            Request::LoadPolicy { policy, replaces } => {
                let result = self.load_policy(now, policy, replaces);
                changed = result.is_ok();
                result
            }
            Request::Show(wanted) => self.show(now, wanted),
        };
        self.event(KernelEvent::Reply { id, result });
        self.tell_gone(gone);
        if changed {
            self.tell_policies();
        }
        if sends {
            self.retry_held(now);
        }
        if let Some(acquire) = fulfilled {
            // What still waits for this wish is not what the new pair is for.
            self.spd.end_acquire(acquire);
        }
    }

    fn reserve_spi(
        &mut self,
        now: Now,
        protocol: Protocol,
        mode: Mode,
        endpoints: Endpoints,
        reqid: u32,
    ) -> Result<Spi, KernelError> {
        check_kind(protocol, mode)?;
        for _ in 0..SPI_ATTEMPTS {
            let mut octets = [0; 4];
            self.random.public(&mut octets).map_err(|_| errno(Errno::EIO))?;
            let Some(spi) = Spi::new(u32::from_be_bytes(octets)) else {
                continue;
            };
            if self.sad.reserve(now, esp(endpoints.local, spi), endpoints.remote, mode, reqid) {
                return Ok(spi);
            }
        }
        Err(errno(Errno::ENOBUFS))
    }

    /// Both or neither: nothing is changed before the last thing that can fail.
    fn install_pair(&mut self, now: Now, pair: SaPair, sending: bool) -> Result<(), KernelError> {
        let (inbound, outbound) = (pair.inbound.0, pair.outbound.0);
        let open = self.prepare(&inbound)?;
        let seal = self.prepare(&outbound)?;
        let reserved_for_another =
            self.sad.larval(&inbound.id()).is_some_and(|larval| larval.src != inbound.src);
        if reserved_for_another
            || self.sad.contains(Half::In, &inbound.id())
            || self.sad.contains(Half::Out, &outbound.id())
        {
            return Err(KernelError::Exists);
        }
        if self.sad.is_full() {
            return Err(errno(Errno::ENOBUFS));
        }
        self.sad.insert(now, Half::In, inbound, open, true);
        self.sad.insert(now, Half::Out, outbound, seal, sending);
        Ok(())
    }

    fn prepare(&self, params: &SaParams) -> Result<Transform, KernelError> {
        check_kind(params.protocol, params.mode)?;
        Transform::new(&self.provider, &params.keys)
    }

    pub(super) fn delete(&mut self, id: &SaId) -> Result<Reply, KernelError> {
        let found =
            self.sad.remove_larval(id) || self.sad.remove(Half::In, id) || self.sad.remove(Half::Out, id);
        done(found, KernelError::NoSuchSa)
    }

    pub(super) fn install_policy(&mut self, now: Now, policy: FlowPolicy) -> Result<Reply, KernelError> {
        let action = match &policy.action {
            FlowAction::Bypass => Action::Bypass,
            FlowAction::Discard => Action::Discard,
            FlowAction::Protect(rules) => Action::Protect(tunnel_rule(rules)?),
        };
        done(self.spd.install(now, policy, action), errno(Errno::ENOBUFS))
    }
}

fn tunnel_rule(rules: &[SecurityRule]) -> Result<TunnelRule, KernelError> {
    let &[rule] = rules else {
        return Err(KernelError::Unsupported("bundles of several rules"));
    };
    check_kind(rule.protocol, rule.mode)?;
    let endpoints = rule.endpoints.ok_or(errno(Errno::EINVAL))?;
    let reqid = match rule.level {
        Level::Use | Level::Require => 0,
        Level::Unique(reqid) => reqid,
    };
    Ok(TunnelRule { rule, endpoints, reqid })
}

pub(super) const fn check_kind(protocol: Protocol, mode: Mode) -> Result<(), KernelError> {
    match (protocol, mode) {
        (Protocol::Esp, Mode::Tunnel) => Ok(()),
        (Protocol::Esp, Mode::Transport) => Err(KernelError::Unsupported("transport mode")),
        (Protocol::Ah, _) => Err(KernelError::Unsupported("AH")),
        (Protocol::IpComp, _) => Err(KernelError::Unsupported("IPComp")),
    }
}

pub(super) const fn errno(errno: Errno) -> KernelError {
    KernelError::Errno(errno as i32)
}

fn done(succeeded: bool, otherwise: KernelError) -> Result<Reply, KernelError> {
    if succeeded { Ok(Reply::Done) } else { Err(otherwise) }
}
