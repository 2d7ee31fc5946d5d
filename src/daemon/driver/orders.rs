//! What operators ask over the control socket.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::{Driver, Input};
use crate::conf::Network;
use crate::crypto::secret::Secret;
use crate::daemon::control::{
    Concealed, DumpForm, DumpWhat, Family, IpsecProtocol, Look, Order, Request, Response, Traffic,
};
use crate::daemon::dump;
use crate::daemon::log::Notice;
use crate::daemon::network::HostNetwork;
use crate::daemon::setkey;
use crate::daemon::status::{Report, TimerReport};
use crate::ike::endpoint::{Call, Command, Refused};
use crate::ike::policy::{Login, Policy};
use crate::sadb::{DumpKind, Protocol, Reply, SaKind, Wanted};

impl Driver {
    pub(super) fn on_order(&mut self, Order { request, reply }: Order) {
        let response = match request {
            Request::Status => return self.report(reply),
            Request::Dump { what, form, keys } => return self.dump(what, form, keys, reply),
            Request::Setkey { command, look } => return self.setkey(&command, look, reply),
            Request::Kernel => Response::Text { text: self.parts.kernel_name.to_owned() },
            Request::Sas { protocol } => return self.sas(protocol, reply),
            Request::Reload => return self.reload(Some(reply)),
            Request::Schedule => self.schedule(),
            Request::Certificate { local, remote } => self.certificate(local, remote),
            Request::Connect { name } => self.command(Command::Connect(name)),
            Request::Disconnect { name } => self.command(Command::Disconnect(name)),
            Request::EstablishIsakmp { local, remote, peer, user, password } => {
                self.establish_isakmp(local, remote, peer, login(user, password))
            }
            Request::EstablishIpsec { protocol, traffic } => self.establish_ipsec(protocol, traffic),
            Request::DeleteIsakmp { local, remote } => self.command(Command::DeleteBetween { local, remote }),
            Request::DeleteIpsec { protocol, traffic } => {
                self.command(Command::DeleteTraffic(protocol.into(), traffic.selector()))
            }
            Request::DeletePeer { remote } => self.command(Command::DeletePeer(remote)),
            Request::Flush { family } => self.command(flush(family)),
            Request::Logout { user } => self.command(Command::Logout(user)),
            Request::Subscribe => Response::error("events are told by the control socket itself"),
            Request::Shutdown => {
                self.shut_down();
                Response::Done
            }
        };
        // Whoever asked may have gone.
        let _ = reply.send(response);
    }

    fn command(&mut self, command: Command) -> Response {
        let now = self.parts.clock.now();
        match self.parts.endpoint.handle_command(now, command) {
            Ok(()) => Response::Done,
            Err(refused) => Response::error(explain(&refused)),
        }
    }

    fn establish_isakmp(
        &mut self,
        local: Option<IpAddr>,
        remote: IpAddr,
        peer: Option<String>,
        login: Option<Login>,
    ) -> Response {
        let Some(local) = local.or_else(|| HostNetwork.local_address_for(remote)) else {
            return Response::error(format!("there is no route to {remote}"));
        };
        let found = self.parts.endpoint.peer(remote, peer.as_deref());
        let (name, pulls_config) = match found {
            Ok(policy) => (policy.name.clone(), policy.remote_access.pull_config),
            Err(refused) => return Response::error(explain(&refused)),
        };
        let call = Command::Call(Call { local, remote, peer, login });
        self.start(call, |is_up| Response::Started { remote, name, is_up, pulls_config })
    }

    fn establish_ipsec(&mut self, protocol: IpsecProtocol, traffic: Traffic) -> Response {
        let (protocol, selector) = (protocol.into(), traffic.selector());
        let Some(connection) = self.parts.endpoint.connection_around(protocol, &selector) else {
            return Response::error(explain(&Refused::NoSuchTraffic(selector)));
        };
        let name = connection.name.clone();
        let Some(remote) = connection.remote else {
            return Response::error(explain(&Refused::NoAddress(name)));
        };
        let command = Command::ConnectTraffic(protocol, selector);
        self.start(command, |is_up| Response::Started { remote, name, is_up, pulls_config: false })
    }

    /// Begins a negotiation. That it is not needed is no refusal.
    fn start(&mut self, command: Command, started: impl FnOnce(bool) -> Response) -> Response {
        let now = self.parts.clock.now();
        match self.parts.endpoint.handle_command(now, command) {
            Ok(()) => started(false),
            Err(Refused::AlreadyUp(_)) => started(true),
            Err(refused) => Response::error(explain(&refused)),
        }
    }

    fn certificate(&self, local: Option<IpAddr>, remote: IpAddr) -> Response {
        match self.parts.endpoint.peer_certificate(local, remote) {
            Ok(der) => {
                Response::Certificate { der: der.iter().map(|octet| format!("{octet:02x}")).collect() }
            }
            Err(refused) => Response::error(explain(&refused)),
        }
    }

    fn schedule(&self) -> Response {
        let now = self.parts.clock.now();
        let timers = self.parts.endpoint.timers();
        let timers = timers.iter().map(|timer| TimerReport::new(timer, self.started, now)).collect();
        Response::Schedule { timers }
    }

    /// The status, with the kernel's counters once they are here.
    fn report(&mut self, reply: oneshot::Sender<Response>) {
        let now = self.parts.clock.now();
        let status = self.parts.endpoint.status(now);
        let uptime = now.mono.saturating_since(self.started);
        let mut report = Report::new(&status, self.parts.kernel_name, uptime, now.wall);
        let sad = self.ask_kernel(DumpKind::Sad);
        tokio::spawn(async move {
            if let Ok(Ok(Reply::Sad(entries))) = sad.await {
                report.count(&status, &entries);
            }
            let _ = reply.send(Response::Status { report: Box::new(report) });
        });
    }

    fn dump(&mut self, what: DumpWhat, form: DumpForm, keys: bool, reply: oneshot::Sender<Response>) {
        let sad = (what != DumpWhat::Spd).then(|| self.ask_kernel(DumpKind::Sad));
        let spd = (what != DumpWhat::Sad).then(|| self.ask_kernel(DumpKind::Spd));
        let options = dump::options(self.parts.clock.now().wall, keys);
        tokio::spawn(async move {
            let response = match dump::collect(sad, spd).await {
                Ok((sad, spd)) => {
                    Response::Text { text: dump::render(form, options, sad.as_deref(), spd.as_deref()) }
                }
                Err(why) => Response::error(why),
            };
            let _ = reply.send(response);
        });
    }

    /// The SAs of one protocol, with their keys, as `setkey -D` of ipsec-tools has them.
    fn sas(&mut self, protocol: Option<IpsecProtocol>, reply: oneshot::Sender<Response>) {
        let kind = protocol.map(|protocol| SaKind::Ipsec(protocol.into()));
        let waiting = vec![self.submit_own(crate::sadb::Request::Show(Wanted::Sas(kind)))];
        let look = Look { tools: true, dead: true, ..Look::default() };
        let options = dump::options_for(self.parts.clock.now().wall, look);
        tokio::spawn(async move {
            let _ = reply.send(setkey::response(waiting, look, &options).await);
        });
    }

    /// Does what a command of setkey says.
    fn setkey(&mut self, command: &Concealed, look: Look, reply: oneshot::Sender<Response>) {
        let requests = match setkey::requests(self.parts.kernel_name, command.expose()) {
            Ok(requests) => requests,
            Err(why) => return drop(reply.send(Response::error(why))),
        };
        let waiting: Vec<_> = requests.into_iter().map(|request| self.submit_own(request)).collect();
        let options = dump::options_for(self.parts.clock.now().wall, look);
        tokio::spawn(async move {
            let _ = reply.send(setkey::response(waiting, look, &options).await);
        });
    }

    fn ask_kernel(&mut self, kind: DumpKind) -> dump::Waiting {
        self.submit_own(crate::sadb::Request::Dump(kind))
    }

    fn submit_own(&mut self, request: crate::sadb::Request) -> dump::Waiting {
        let now = self.parts.clock.now().mono;
        let id = self.parts.kernel.submit_own(now, request);
        let (sender, receiver) = oneshot::channel();
        self.dumps.insert(id, sender);
        receiver
    }

    /// Has the configuration read again, after those readings that were asked for before.
    pub(super) fn reload(&mut self, reply: Option<oneshot::Sender<Response>>) {
        if reply.is_none() && matches!(self.reloads.back(), Some(None)) && self.reloads.len() > 1 {
            // Many signals are one wish, as long as nothing was read for it yet.
            return;
        }
        self.reloads.push_back(reply);
        if self.reloads.len() == 1 {
            self.read_configuration();
        }
    }

    fn read_configuration(&self) {
        let reload = Arc::clone(&self.parts.reload);
        let inbox = self.parts.inbox.clone();
        tokio::task::spawn_blocking(move || {
            // A driver that has ended needs no configuration.
            let _ = inbox.blocking_send(Input::Reloaded(reload()));
        });
    }

    /// The configuration was read. Only now, when it is in force or refused, whoever asked is answered.
    pub(super) fn on_reloaded(&mut self, loaded: Result<Arc<Policy>, String>) {
        let now = self.parts.clock.now();
        let result = loaded.and_then(|policy| {
            let command = Command::Reload(policy);
            self.parts.endpoint.handle_command(now, command).map_err(|refused| explain(&refused))
        });
        let response = match result {
            Ok(()) => {
                self.parts.logger.notice(&Notice::Reloaded);
                Response::Done
            }
            Err(why) => {
                let response = Response::error(format!("the old configuration stays in force: {why}"));
                self.parts.logger.notice(&Notice::ReloadRefused(why));
                response
            }
        };
        if let Some(Some(reply)) = self.reloads.pop_front() {
            let _ = reply.send(response);
        }
        if !self.reloads.is_empty() {
            self.read_configuration();
        }
    }
}

fn login(user: Option<String>, password: Option<Concealed>) -> Option<Login> {
    user.map(|user| Login {
        user,
        password: password.map(|text| Secret::new(text.expose().as_bytes().to_vec())),
    })
}

const fn flush(family: Family) -> Command {
    match family {
        Family::Isakmp => Command::FlushPhase1,
        Family::Esp => Command::FlushPhase2(Some(Protocol::Esp)),
        Family::Ah => Command::FlushPhase2(Some(Protocol::Ah)),
        Family::Ipsec => Command::FlushPhase2(None),
    }
}

fn explain(refused: &Refused) -> String {
    match refused {
        Refused::NoSuchConnection(name) => format!("the configuration has no connection named {name}"),
        Refused::NoSuchUser(user) => format!("no user {user} is logged in"),
        Refused::NoSuchPeer(address) => format!("there is no SA with {address}"),
        Refused::NoAddress(name) => format!("the peer of {name} has no address, so it has to call us"),
        Refused::NoSuchTraffic(selector) => format!("no policy and no SA is for {selector}"),
        other => other.to_string(),
    }
}
