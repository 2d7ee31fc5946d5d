//! The task that carries out requests and listens to the kernel.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use nix::libc;
use tokio::sync::mpsc;
use tracing::{debug, warn};
use zeroize::Zeroizing;

use super::algorithm;
use super::event::{Heard, Wish};
use super::link::Link;
use super::netlink::next_message;
use super::ours::{KeptBack, OurSa, Ours};
use super::policy::{self, Table};
use super::probe::reserve;
use super::ration::Ration;
use super::sa::{self, Half, Reservation, SaInfo};
use super::stale::Stale;
use crate::kernel::system::Clock;
use crate::sadb::{
    AcquireId, Capabilities, DumpKind, FlowPolicy, KernelError, KernelEvent, KernelNotice, Protocol, Reply,
    Request, RequestId, SaId, SaKind, SaPair, SaParams, SadbEntry,
};
use crate::sys::interfaces;
use crate::sys::netlink::{DATAGRAM_LEN, NetlinkSocket};
use crate::time::Instant;
use crate::wire::codec::{Reader, WireError};

/// So many datagrams are taken before a request gets its turn.
const BURST: usize = 256;
/// A request that has waited this long is not begun any more, and a pair of SAs that is done only then is taken back:
/// whoever asked stops waiting two seconds later and would not know of it.
const TOO_LATE: Duration = Duration::from_secs(8);
/// How long is waited before a socket is read again that gives errors.
const PAUSE: Duration = Duration::from_millis(100);

/// A request that waits for its turn.
#[derive(Debug)]
pub(super) struct Waiting {
    /// When it was made.
    pub(super) since: Instant,
    pub(super) request: Request,
}

/// Two sockets and what is ours.
pub(super) struct Driver {
    link: Link,
    heard: NetlinkSocket,
    clock: Arc<Clock>,
    capabilities: Capabilities,
    told: mpsc::UnboundedSender<KernelEvent>,
    ours: Ours,
    stale: Stale,
    malformed: Ration,
}

impl Driver {
    pub(super) fn new(
        link: Link,
        heard: NetlinkSocket,
        clock: Arc<Clock>,
        capabilities: Capabilities,
        told: mpsc::UnboundedSender<KernelEvent>,
    ) -> Self {
        let mut stale = Stale::default();
        stale.want_policies();
        Self {
            link,
            heard,
            clock,
            capabilities,
            told,
            ours: Ours::default(),
            stale,
            malformed: Ration::default(),
        }
    }

    /// Runs until the kernel's owner has gone and all that it asked for is done.
    pub(super) async fn run(mut self, mut requests: mpsc::UnboundedReceiver<(RequestId, Waiting)>) {
        let mut buffer = Zeroizing::new(vec![0; DATAGRAM_LEN]);
        loop {
            self.read_again().await;
            tokio::select! {
                request = requests.recv() => match request {
                    Some((id, waiting)) => {
                        let result = self.begin(waiting).await;
                        self.say(KernelEvent::Reply { id, result });
                    }
                    None => break,
                },
                received = self.heard.recv(&mut buffer) => self.listen(received, &mut buffer).await,
                () = self.stale.due() => self.stale.on_due(),
            }
        }
    }

    /// Carries a request out, unless it is too late. What takes something away is never too late.
    async fn begin(&mut self, waiting: Waiting) -> Result<Reply, KernelError> {
        let Waiting { since, request } = waiting;
        let takes_away = matches!(
            request,
            Request::Delete(_)
                | Request::Reclaim { .. }
                | Request::RemovePolicy(_)
                | Request::DropPolicy(_)
                | Request::FlushSad(_)
                | Request::FlushSpd
                | Request::DropSas(_)
        );
        if !takes_away && self.is_too_late(since) {
            return Err(KernelError::TimedOut);
        }
        self.perform(request, since).await
    }

    fn is_too_late(&self, since: Instant) -> bool {
        (self.clock)().mono.saturating_since(since) > TOO_LATE
    }

    async fn perform(&mut self, request: Request, since: Instant) -> Result<Reply, KernelError> {
        match request {
            Request::GetSpi { protocol, mode, endpoints, acquire, reqid } => {
                self.supports(protocol)?;
                let sequence = acquire.map_or(0, |acquire| acquire.0);
                let wanted = Reservation { protocol, mode, endpoints, reqid, sequence };
                return Ok(Reply::Spi(reserve(&mut self.link, &wanted).await?));
            }
            Request::InstallPair { pair, acquire, sending } => {
                let ids = [pair.inbound.0.id(), pair.outbound.0.id()];
                self.install_pair(*pair, acquire, sending).await?;
                if self.is_too_late(since) {
                    for id in ids {
                        self.take_back(id).await;
                    }
                    return Err(KernelError::TimedOut);
                }
                if let Some(acquire) = acquire {
                    self.ours.end_wish(acquire);
                }
            }
            Request::StartSending(id) => self.start_sending(id).await?,
            Request::Delete(id) | Request::Reclaim { sa: id, .. } => self.delete(id).await?,
            // The kernel's own wish runs out by itself; until then it does not ask again.
            Request::AcquireFailed(id) => self.ours.end_wish(id),
            Request::InstallPolicy(policy) => self.install_policy(policy).await?,
            Request::RemovePolicy(policy) => {
                if !self.ours.remove_policy(&policy) {
                    return Err(KernelError::NoSuchSa);
                }
                self.drop_policy(&policy).await?;
            }
            Request::DropPolicy(policy) => {
                self.ours.remove_policy(&policy);
                self.drop_policy(&policy).await?;
                self.stale.want_policies();
            }
            Request::FlushSad(kind) => {
                let protocol = kind.map(SaKind::protocol).transpose()?;
                self.link.tell(sa::flush(protocol)).await?;
                for sa in self.ours.forget_sas(protocol) {
                    self.say(KernelEvent::Gone { sa });
                }
            }
            Request::FlushSpd => {
                self.link.tell(policy::flush()).await?;
                self.ours.clear_policies();
                self.stale.want_policies();
            }
            Request::Dump(DumpKind::Sad) => return self.dump_sad().await.map(Reply::Sad),
            Request::Dump(DumpKind::Spd) => {
                let listed = self.list_policies().await?;
                return Ok(Reply::Spd(policy::entries(listed)));
            }
            Request::AddSa(sa) => self.add_manual(&sa).await?,
            Request::DropSas(names) => self.drop_named(&names).await?,
            Request::LoadPolicy { policy, replaces } => self.load_policy(policy, replaces).await?,
            Request::Show(wanted) => return self.show(wanted).await,
        }
        Ok(Reply::Done)
    }

    fn supports(&self, protocol: Protocol) -> Result<(), KernelError> {
        if self.capabilities.protocols.contains(&protocol) {
            return Ok(());
        }
        Err(KernelError::Unsupported(match protocol {
            Protocol::Esp => "ESP",
            Protocol::Ah => "AH",
            Protocol::IpComp => "IPComp",
        }))
    }

    /// Whether the kernel has what an SA needs, so that a refusal names it.
    fn supports_sa(&self, sa: &SaParams) -> Result<(), KernelError> {
        self.supports(sa.protocol)?;
        if !self.capabilities.modes.contains(&sa.mode) {
            return Err(KernelError::Unsupported("such an encapsulation mode"));
        }
        if let Some(cipher) = sa.keys.cipher
            && !self.capabilities.ciphers.contains(&cipher.algorithm)
        {
            return Err(KernelError::Unsupported(algorithm::cipher_name(cipher.algorithm)));
        }
        if let Some(auth) = sa.keys.auth
            && !self.capabilities.auths.iter().any(|known| known.hash == auth.hash)
        {
            return Err(KernelError::Unsupported(algorithm::auth_name(auth.hash)));
        }
        Ok(())
    }

    /// Both halves or neither.
    async fn install_pair(
        &mut self,
        pair: SaPair,
        acquire: Option<AcquireId>,
        sending: bool,
    ) -> Result<(), KernelError> {
        let SaPair { inbound, outbound } = pair;
        let (mut inbound, mut outbound) = (inbound.0, outbound.0);
        for (sa, half) in [(&mut inbound, Half::Inbound), (&mut outbound, Half::Outbound)] {
            self.supports_sa(sa)?;
            sa.reqid = self.ours.reqid(sa, half.direction());
        }
        let sequence = acquire.map_or(0, |acquire| acquire.0);
        let kept_back = KeptBack { params: outbound, sequence };
        // Also of a half that is kept back it has to be known whether it can be said.
        let add_outbound = sa::add(&kept_back.params, Half::Outbound, sequence)?;
        if let Err(error) = self.install_inbound(&inbound).await {
            // It may be there.
            if error == KernelError::TimedOut {
                self.take_back(inbound.id()).await;
            }
            return Err(error);
        }
        if !sending {
            self.ours.kept_back.insert(kept_back.params.id(), kept_back);
        } else if let Err(error) = self.add(add_outbound).await {
            self.take_back(inbound.id()).await;
            if error == KernelError::TimedOut {
                self.take_back(kept_back.params.id()).await;
            }
            return Err(error);
        } else {
            self.remember(kept_back.params, Half::Outbound);
        }
        self.remember(inbound, Half::Inbound);
        Ok(())
    }

    async fn install_inbound(&mut self, inbound: &SaParams) -> Result<(), KernelError> {
        match self.link.tell(sa::update(inbound, Half::Inbound, 0)?).await {
            // The reservation has run out.
            Err(KernelError::NoSuchSa) => self.add(sa::add(inbound, Half::Inbound, 0)?).await,
            other => other,
        }
    }

    async fn delete(&mut self, id: SaId) -> Result<(), KernelError> {
        // Before the kernel is asked, so that what it says of it is not taken for somebody else's doing.
        self.ours.sas.remove(&id);
        match self.ours.kept_back.remove(&id) {
            Some(_) => Ok(()),
            None => self.link.tell(sa::delete(&id)).await,
        }
    }

    /// Deletes what its pair cannot be had with.
    async fn take_back(&mut self, id: SaId) {
        if let Err(error) = self.delete(id).await {
            debug!(?id, %error, "an SA cannot be taken back");
        }
    }

    async fn start_sending(&mut self, id: SaId) -> Result<(), KernelError> {
        let Some(KeptBack { params, sequence }) = self.ours.kept_back.remove(&id) else {
            return if self.ours.sas.contains_key(&id) { Ok(()) } else { Err(KernelError::NoSuchSa) };
        };
        self.add(sa::add(&params, Half::Outbound, sequence)?).await?;
        self.remember(params, Half::Outbound);
        Ok(())
    }

    async fn add(&mut self, request: super::netlink::Request) -> Result<(), KernelError> {
        match self.link.tell(request).await {
            // It is an algorithm that is not found.
            Err(KernelError::NoSuchSa) => Err(KernelError::Unsupported("such an algorithm")),
            other => other,
        }
    }

    fn remember(&mut self, params: SaParams, half: Half) {
        self.ours.sas.insert(params.id(), OurSa::new(params, half));
    }

    async fn install_policy(&mut self, policy: FlowPolicy) -> Result<(), KernelError> {
        let policy = self.ours.with_reqid(policy);
        let tables = Table::of(policy.direction);
        for (done, table) in tables.iter().enumerate() {
            if let Err(error) = self.install_into(&policy, *table).await {
                self.undo_policy(&policy, tables.get(..done).unwrap_or_default()).await;
                return Err(error);
            }
        }
        self.ours.insert_policy(policy);
        Ok(())
    }

    async fn install_into(&mut self, policy: &FlowPolicy, table: Table) -> Result<(), KernelError> {
        self.link.tell(policy::install(policy, table)?).await
    }

    /// Puts back what a policy had replaced.
    async fn undo_policy(&mut self, policy: &FlowPolicy, tables: &[Table]) {
        let before = self.ours.policy(policy).cloned();
        for table in tables {
            let undone = match &before {
                Some(before) => self.install_into(before, *table).await,
                None => self.link.tell(policy::remove(policy, *table)).await,
            };
            if let Err(error) = undone {
                warn!(selector = %policy.selector, ?table, %error, "a policy cannot be undone");
            }
        }
    }

    async fn drop_policy(&mut self, policy: &FlowPolicy) -> Result<(), KernelError> {
        let mut result = Ok(());
        for table in Table::of(policy.direction) {
            let removed = self.link.tell(policy::remove(policy, *table)).await;
            result = result.and(removed);
        }
        result
    }

    async fn dump_sad(&mut self) -> Result<Vec<SadbEntry>, KernelError> {
        let parse = |body: &[u8]| sa::Listed::parse(body).map(Some);
        let (listed, faults) = self.link.collect(sa::dump(), parse).await?;
        self.complain(&faults);
        let own: HashSet<_> =
            interfaces::addresses().unwrap_or_default().into_iter().map(|own| own.address).collect();
        let now = (self.clock)().wall;
        let half = |one: &sa::Listed| match one.id().and_then(|id| self.ours.sas.get(&id)) {
            Some(ours) => ours.half,
            None if own.contains(&one.dst()) => Half::Inbound,
            None => Half::Outbound,
        };
        let entries = listed.into_iter().filter_map(|one| {
            let half = half(&one);
            one.entry(half, now)
        });
        Ok(entries.map(|entry| self.ours.complete(entry)).collect())
    }

    async fn list_policies(&mut self) -> Result<Vec<policy::Listed>, KernelError> {
        let (listed, faults) = self.link.collect(policy::dump(), policy::Listed::parse).await?;
        self.complain(&faults);
        Ok(listed)
    }

    /// Takes what has arrived, and as much more as is there.
    async fn listen(&mut self, received: io::Result<usize>, buffer: &mut [u8]) {
        let mut received = received.map(Some);
        for _ in 0..BURST {
            match received {
                Ok(Some(len)) => self.on_datagram(buffer.get(..len).unwrap_or_default()),
                Ok(None) => return,
                Err(error) => return self.on_overflow(&error).await,
            }
            received = self.heard.try_recv(buffer);
        }
    }

    /// Messages were lost.
    async fn on_overflow(&mut self, error: &io::Error) {
        debug!(%error, "listening to the kernel");
        self.say(KernelEvent::Notice(KernelNotice::Overflow));
        self.ours.end_wishes();
        self.stale.want_sas();
        self.stale.want_policies();
        if error.raw_os_error() != Some(libc::ENOBUFS) {
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn on_datagram(&mut self, datagram: &[u8]) {
        let mut reader = Reader::new(datagram);
        loop {
            let message = match next_message(&mut reader) {
                Ok(Some(message)) => message,
                Ok(None) => return,
                Err(fault) => return self.complain(&[fault]),
            };
            // What we have asked for ourselves we know.
            if message.port == self.link.port() {
                continue;
            }
            match Heard::parse(&message) {
                Ok(heard) => self.on_heard(heard),
                Err(fault) => self.complain(&[fault]),
            }
        }
    }

    fn on_heard(&mut self, heard: Heard) {
        match heard {
            Heard::Acquire(id, wish) => {
                if self.ours.wish(id, &wish) {
                    let Wish { selector, endpoints, rules } = wish;
                    self.say(KernelEvent::Acquire { id, selector, endpoints, rules });
                }
            }
            Heard::Expire { sa, hard } => {
                let is_ours =
                    if hard { self.ours.sas.remove(&sa).is_some() } else { self.ours.sas.contains_key(&sa) };
                if is_ours {
                    self.say(KernelEvent::Expire { sa, hard });
                }
            }
            Heard::WishExpired(id) => self.ours.end_wish(id),
            // By now there may be another of that name, so look.
            Heard::Removed(sa) if self.ours.sas.contains_key(&sa) => self.stale.want_sas(),
            Heard::Flushed if !self.ours.sas.is_empty() => self.stale.want_sas(),
            Heard::Policies => self.stale.want_policies(),
            Heard::Removed(_) | Heard::Flushed | Heard::Nothing => {}
        }
    }

    /// Reads what may have changed, says what is gone, and puts back policies of ours that somebody has removed:
    /// without them packets would leave in the clear.
    async fn read_again(&mut self) {
        let stale = self.stale.take();
        if stale.sas
            && let Err(error) = self.read_sas().await
        {
            self.on_unread("GETSA", &error);
            self.stale.sas_unread();
        }
        if stale.policies
            && let Err(error) = self.read_policies().await
        {
            self.on_unread("GETPOLICY", &error);
            self.stale.policies_unread();
        }
    }

    async fn read_sas(&mut self) -> Result<(), KernelError> {
        let parse = |body: &[u8]| SaInfo::parse(&mut Reader::new(body)).map(|info| info.id);
        let (present, faults) = self.link.collect(sa::dump(), parse).await?;
        self.complain(&faults);
        for sa in self.ours.forget_all_but(&present.into_iter().collect()) {
            self.say(KernelEvent::Gone { sa });
        }
        Ok(())
    }

    async fn read_policies(&mut self) -> Result<(), KernelError> {
        let listed = self.list_policies().await?;
        self.ours.keep_clear_of(&listed);
        for (policy, table) in self.ours.missing_policies(&listed) {
            debug!(selector = %policy.selector, ?table, "a policy is gone and is installed again");
            if let Err(error) = self.install_into(&policy, table).await {
                warn!(selector = %policy.selector, ?table, %error, "a policy is gone and cannot be installed again");
                self.stale.policy_missing();
            }
        }
        if let Some(foreign) = self.ours.changed_foreign(listed) {
            self.say(KernelEvent::Policies(foreign));
        }
        Ok(())
    }

    fn on_unread(&self, what: &'static str, error: &KernelError) {
        warn!(what, %error, "the kernel's state cannot be read");
        self.say(KernelEvent::Notice(KernelNotice::Unanswered(what)));
    }

    /// Tells of messages that cannot be read, but not without end.
    fn complain(&mut self, faults: &[WireError]) {
        let now = (self.clock)().mono;
        for fault in faults {
            if !self.malformed.takes_one(now) {
                return;
            }
            self.say(KernelEvent::Notice(KernelNotice::Malformed(fault.to_string())));
        }
    }

    fn say(&self, event: KernelEvent) {
        if self.told.send(event).is_err() {
            debug!("nobody takes the events of XFRM any more");
        }
    }
}

mod operator;
#[cfg(test)]
mod tests;
