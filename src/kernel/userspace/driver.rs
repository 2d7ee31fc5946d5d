//! The task that feeds the engine and carries out what it wants.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use tokio::sync::mpsc;
use tracing::{debug, warn};

use super::engine::{Engine, EspOrigin, Output};
use super::routes::{RouteTable, TunConfig};
use super::{Clock, EspPacket, UdpEsp, UdpEspPacket};
use crate::kernel::handle::TaskEnd;
use crate::sadb::{
    Direction, FlowAction, FlowPolicy, KernelError, KernelEvent, Prefix, Request, RequestId, Selector,
};

/// Where packets come from and go to.
pub(super) struct Ports {
    pub(super) from_tun: mpsc::Receiver<Vec<u8>>,
    pub(super) to_tun: mpsc::Sender<Vec<u8>>,
    pub(super) from_wire: mpsc::Receiver<EspPacket>,
    pub(super) to_wire: mpsc::Sender<EspPacket>,
    pub(super) udp: UdpEsp,
    pub(super) routing: Option<Routing>,
}

/// Keeps the routes into the tunnel in step with the policies.
pub(super) struct Routing {
    table: RouteTable,
    /// How many policies need each route, and the peer that is kept out of it.
    users: HashMap<Prefix, (usize, Option<IpAddr>)>,
}

impl Routing {
    pub(super) fn new(config: &TunConfig) -> io::Result<Self> {
        Ok(Self { table: RouteTable::new(config)?, users: HashMap::new() })
    }

    async fn add(&mut self, policy: &FlowPolicy) -> Result<(), KernelError> {
        let Selector { local, remote, .. } = policy.selector;
        if let Some((users, _)) = self.users.get_mut(&remote) {
            *users += 1;
            return Ok(());
        }
        let peer = policy.tunnel_peer();
        self.table.add(remote, Some(local), peer).await?;
        self.users.insert(remote, (1, peer));
        Ok(())
    }

    async fn remove(&mut self, policy: &FlowPolicy) {
        let remote = policy.selector.remote;
        let Some((users, peer)) = self.users.get_mut(&remote) else {
            return;
        };
        *users -= 1;
        if *users == 0 {
            let peer = *peer;
            self.users.remove(&remote);
            self.table.remove(remote, peer).await;
        }
    }

    async fn remove_all(&mut self) {
        for (remote, (_, peer)) in std::mem::take(&mut self.users) {
            self.table.remove(remote, peer).await;
        }
    }
}

/// What a request means for the routes, once it is answered well.
enum RouteChange {
    Nothing,
    Add(FlowPolicy),
    Remove(Vec<FlowPolicy>),
}

/// Whether packets have to be routed into the tunnel for a policy.
fn needs_route(policy: &FlowPolicy) -> bool {
    policy.direction == Direction::Out && matches!(policy.action, FlowAction::Protect(_))
}

/// The engine with everything around it.
pub(super) struct Driver {
    pub(super) engine: Engine,
    pub(super) clock: Clock,
    pub(super) ports: Ports,
    pub(super) end: TaskEnd,
}

impl Driver {
    /// Runs until the kernel's owner has gone, and then takes its routes out of the system.
    pub(super) async fn run(mut self) {
        if let Some(routing) = &mut self.ports.routing {
            routing.table.add_static().await;
        }
        loop {
            let wait = self.engine.poll_timeout().map(|at| at.saturating_since((self.clock)().mono));
            tokio::select! {
                request = self.end.requests.recv() => match request {
                    Some((id, request)) => self.on_request(id, request).await,
                    None => break,
                },
                Some(packet) = self.ports.from_tun.recv() => self.engine.handle_tun((self.clock)(), &packet),
                Some(packet) = self.ports.from_wire.recv() => {
                    let origin = EspOrigin { src: packet.src, dst: packet.dst, ecn: packet.ecn };
                    self.engine.handle_esp((self.clock)(), origin, &packet.bytes);
                }
                Some(packet) = self.ports.udp.incoming.recv() => {
                    let origin = EspOrigin { src: packet.remote.ip(), dst: packet.local.ip(), ecn: 0 };
                    self.engine.handle_esp((self.clock)(), origin, &packet.bytes);
                }
                () = tokio::time::sleep(wait.unwrap_or(Duration::MAX)), if wait.is_some() => {
                    self.engine.handle_timeout((self.clock)());
                }
            }
            self.drain();
        }
        if let Some(routing) = &mut self.ports.routing {
            routing.remove_all().await;
        }
    }

    /// Routes are made before the policy says it is there, so that the next packet takes them.
    async fn on_request(&mut self, id: RequestId, request: Request) {
        let change = self.route_change(&request);
        let Some(routing) = &mut self.ports.routing else {
            return self.engine.handle_request((self.clock)(), id, request);
        };
        if let RouteChange::Add(policy) = &change
            && let Err(error) = routing.add(policy).await
        {
            return self.tell(KernelEvent::Reply { id, result: Err(error) });
        }
        self.engine.handle_request((self.clock)(), id, request);
        let reply = self.engine.poll_output();
        let is_done = matches!(&reply, Some(Output::Event(KernelEvent::Reply { result: Ok(_), .. })));
        match change {
            RouteChange::Add(policy) if !is_done => routing.remove(&policy).await,
            RouteChange::Remove(policies) if is_done => {
                for policy in &policies {
                    routing.remove(policy).await;
                }
            }
            _ => {}
        }
        reply.into_iter().for_each(|output| self.carry_out(output));
    }

    /// Only protecting policies on the way out need a route. One that is replaced has its route already.
    fn route_change(&mut self, request: &Request) -> RouteChange {
        let (installs, policy) = match request {
            Request::InstallPolicy(policy) | Request::LoadPolicy { policy, .. } => (true, policy),
            Request::RemovePolicy(policy) | Request::DropPolicy(policy) => (false, policy),
            Request::FlushSpd => {
                let operators = self.engine.operators_policies().into_iter().filter(needs_route);
                return RouteChange::Remove(operators.collect());
            }
            _ => return RouteChange::Nothing,
        };
        let known = self.engine.policy(&policy.selector, policy.direction).is_some_and(needs_route);
        match (known, installs && needs_route(policy)) {
            (false, true) => RouteChange::Add(policy.clone()),
            (true, false) => RouteChange::Remove(vec![policy.clone()]),
            _ => RouteChange::Nothing,
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            self.carry_out(output);
        }
    }

    /// A full queue drops, as a full network does.
    fn carry_out(&self, output: Output) {
        let sent = match output {
            Output::Event(event) => return self.tell(event),
            Output::Tun(packet) => self.ports.to_tun.try_send(packet).is_ok(),
            Output::Esp { src, dst, bytes } => {
                self.ports.to_wire.try_send(EspPacket { src, dst, ecn: 0, bytes }).is_ok()
            }
            Output::EspInUdp { local, remote, bytes } => {
                self.ports.udp.outgoing.try_send(UdpEspPacket { local, remote, bytes }).is_ok()
            }
        };
        if !sent {
            debug!("packet dropped: the queue is full, or nobody takes it");
        }
    }

    fn tell(&self, event: KernelEvent) {
        if self.end.events.send(event).is_err() {
            warn!("the daemon takes no more events of the userspace stack");
        }
    }
}
