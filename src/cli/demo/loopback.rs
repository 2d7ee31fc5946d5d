//! Both gateways in this process, over the loopback, with the packets of the tunnel passed in process.

use std::net::{Ipv4Addr, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};

use tokio::sync::mpsc;

use super::files::{Files, INNER_A, INNER_B};
use super::screen::{Screen, Side};
use super::story::{self, World};
use super::{Outcome, echo, stop};
use crate::daemon::control::{DEFAULT_PATH, Request, Response, ask};
use crate::daemon::kernel_choice::KernelOptions;
use crate::daemon::load::Front;
use crate::daemon::log::{Level, Logger};
use crate::daemon::run::{Hosting, Options, block_on};
use crate::daemon::service::Service;
use crate::kernel::userspace::{EspPacket, InProcess};

const OUTER_A: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const OUTER_B: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Runs the whole story; with `keep`, leaves the tunnel up until Ctrl-C.
pub(super) fn run(keep: bool) -> Outcome<()> {
    let screen = Arc::new(Screen::new());
    screen.step("Writing the tutorial's files and certificates");
    let files = Files::write(OUTER_A, OUTER_B)?;
    screen.say(&format!("Files: {}", files.root().display()));
    let mut pair = Pair::new(files, Arc::clone(&screen))?;
    let told = story::up(&mut pair, &screen);
    if keep && told.is_ok() {
        pair.wait_for_the_end(&screen);
    }
    let ended = story::down(&mut pair, &screen);
    told.and(ended)?;
    screen.step("Done: the tunnel came up, carried packets and is gone again");
    Ok(())
}

/// One gateway.
struct Gateway {
    front: Front,
    address: Ipv4Addr,
    control: PathBuf,
    thread: Option<JoinHandle<Outcome<()>>>,
    ends: Option<InProcess>,
    result: Option<String>,
}

/// Both, and the wire between them.
struct Pair {
    gateways: [Gateway; 2],
    port: u16,
    screen: Arc<Screen>,
    inside: Option<Inside>,
    // Last: the folder goes when nobody uses it any more.
    files: Files,
}

/// The hosts inside the tunnel: A's asks, B's answers on a thread of its own.
struct Inside {
    to_tunnel: mpsc::Sender<Vec<u8>>,
    from_tunnel: Receiver<Vec<u8>>,
}

impl Pair {
    fn new(files: Files, screen: Arc<Screen>) -> Outcome<Self> {
        let gateway = |front, address, name: &str| Gateway {
            front,
            address,
            control: files.root().join(format!("{name}.sock")),
            thread: None,
            ends: None,
            result: None,
        };
        let gateways = [gateway(files.front_a(), OUTER_A, "a"), gateway(files.front_b(), OUTER_B, "b")];
        Ok(Self { gateways, port: free_port()?, screen, inside: None, files })
    }

    fn gateway(&self, side: Side) -> &Gateway {
        match side {
            Side::A => &self.gateways[0],
            Side::B => &self.gateways[1],
        }
    }

    fn gateway_mut(&mut self, side: Side) -> &mut Gateway {
        match side {
            Side::A => &mut self.gateways[0],
            Side::B => &mut self.gateways[1],
        }
    }

    /// Lays the wire, once both ends are there.
    fn connect(&mut self) {
        let [a, b] = &mut self.gateways;
        if a.ends.is_none() || b.ends.is_none() {
            return;
        }
        let (Some(a), Some(b)) = (a.ends.take(), b.ends.take()) else { return };
        pass(a.esp_out, b.esp_in);
        pass(b.esp_out, a.esp_in);
        let (answers, mut asked) = (b.tun_in, b.tun_out);
        thread::spawn(move || {
            while let Some(packet) = asked.blocking_recv() {
                if let Some(answer) = answer(&packet)
                    && answers.blocking_send(answer).is_err()
                {
                    return;
                }
            }
        });
        let (sender, from_tunnel) = channel();
        let mut out = a.tun_out;
        thread::spawn(move || while out.blocking_recv().is_some_and(|packet| sender.send(packet).is_ok()) {});
        self.inside = Some(Inside { to_tunnel: a.tun_in, from_tunnel });
    }

    fn wait_for_the_end(&self, screen: &Screen) {
        let exe = std::env::current_exe().map_or_else(|_| "coati".to_owned(), |p| p.display().to_string());
        let [a, b] = &self.gateways;
        screen.step("Both gateways go on until Ctrl-C");
        screen.say(&format!(
            "look:   {exe} status --control {}\n        {exe} status --control {}\nfiles:  {}",
            a.control.display(),
            b.control.display(),
            self.files.root().display()
        ));
        while !stop::wanted() {
            screen.wait();
        }
        stop::forget();
    }
}

impl World for Pair {
    fn start(&mut self, side: Side) -> Outcome<()> {
        let port = self.port;
        let screen = Arc::clone(&self.screen);
        let gateway = self.gateway_mut(side);
        let options = Options {
            front: gateway.front.clone(),
            control: Some(gateway.control.clone()),
            default_control: DEFAULT_PATH,
            kernel: KernelOptions::Embedded { tun: None },
            listen: vec![gateway.address.into()],
            port,
            natt_port: None,
            level: Level::Info,
            service: Service::default(),
        };
        let sink = Arc::new(move |line: &str| screen.log(side, line));
        let logger = Logger::new(options.front.dialect(), options.level, sink);
        let (ends, taken) = channel();
        let hosting = Hosting::Shared { peer_port: port, ends };
        let run = move || block_on(&options, &logger, hosting).map_err(|e| e.to_string());
        gateway.thread = Some(thread::spawn(run));
        // Nothing comes where the gateway could not start; its thread says why.
        gateway.ends = taken.recv().ok();
        self.connect();
        Ok(())
    }

    fn ended(&mut self, side: Side) -> Option<String> {
        let gateway = self.gateway_mut(side);
        if let Some(thread) = gateway.thread.take_if(|thread| thread.is_finished()) {
            gateway.result = Some(match thread.join() {
                Ok(Ok(())) => String::new(),
                Ok(Err(why)) => why,
                Err(_) => "its thread broke down".to_owned(),
            });
        }
        gateway.result.clone()
    }

    fn ask(&self, side: Side, request: &Request) -> Outcome<Response> {
        ask(&self.gateway(side).control, request).map_err(|e| e.to_string())
    }

    fn ping(&mut self) -> Outcome<String> {
        let inside = self.inside.as_ref().ok_or("the gateways have no wire between them")?;
        let identifier = u16::try_from(std::process::id() & 0xffff).unwrap_or(0);
        Ok(echo::talk(INNER_A, INNER_B, |number| {
            let request = echo::in_ipv4(INNER_A, INNER_B, &echo::request(identifier, number));
            inside.to_tunnel.blocking_send(request).ok()?;
            loop {
                let packet = inside.from_tunnel.recv_timeout(echo::PATIENCE).ok()?;
                let icmp = echo::payload(&packet)?;
                if echo::is_reply(icmp, identifier, number) {
                    return Some(icmp.len());
                }
            }
        }))
    }

    fn terminate(&mut self, side: Side) -> Outcome<()> {
        match self.ask(side, &Request::Shutdown) {
            Ok(Response::Done) => Ok(()),
            Ok(other) => Err(format!("gateway {}: {other:?}", side.letter())),
            Err(why) => Err(format!("gateway {}: {why}", side.letter())),
        }
    }
}

fn pass(mut from: mpsc::Receiver<EspPacket>, to: mpsc::Sender<EspPacket>) {
    thread::spawn(move || {
        while let Some(packet) = from.blocking_recv() {
            if to.blocking_send(packet).is_err() {
                return;
            }
        }
    });
}

/// What B's host answers.
fn answer(packet: &[u8]) -> Option<Vec<u8>> {
    let reply = echo::reply_to(echo::payload(packet)?)?;
    Some(echo::in_ipv4(INNER_B, INNER_A, &reply))
}

/// A UDP port that is free on both addresses.
fn free_port() -> Outcome<u16> {
    let say = |e: std::io::Error| format!("no UDP port is free on the loopback: {e}");
    let a = UdpSocket::bind((OUTER_A, 0)).map_err(say)?;
    let port = a.local_addr().map_err(say)?.port();
    UdpSocket::bind((OUTER_B, port)).map_err(say)?;
    Ok(port)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::daemon::clock::Clock;

    fn wait_for(screen: &Screen, side: Side, text: &str) {
        let clock = Clock::start();
        let deadline = clock.now().mono + Duration::from_secs(60);
        while !screen.has(side, text) {
            assert!(clock.now().mono < deadline, "{side:?} never says {text:?}:\n{}", screen.tail(side, 50));
            screen.wait();
        }
    }

    /// B asks for another group than A allows: each side says what was offered, and the line of its own file.
    #[test]
    fn a_mismatch_is_explained_on_both_sides() {
        let screen = Arc::new(Screen::new());
        let files = Files::write(OUTER_A, OUTER_B).unwrap();
        let rules = std::fs::read_to_string(files.rules()).unwrap();
        let rules = rules.replace("enc blowfish group modp1024 \\\n", "enc blowfish group modp1536 \\\n");
        assert!(rules.contains("modp1536"));
        std::fs::write(files.rules(), rules).unwrap();
        let root = files.root().display().to_string();
        let mut pair = Pair::new(files, Arc::clone(&screen)).unwrap();
        for side in [Side::A, Side::B] {
            pair.start(side).unwrap();
        }
        wait_for(&screen, Side::A, "no suitable proposal found.");
        wait_for(
            &screen,
            Side::A,
            &format!(
                "peer offers GROUP_DESCRIPTION modp1536 in transform 1, allowed: dh_group modp1024 ({root}/a/racoon.conf:16:3)"
            ),
        );
        wait_for(&screen, Side::B, "unauthenticated notification NO_PROPOSAL_CHOSEN");
        wait_for(&screen, Side::B, &format!("modp1536 ({root}/b/ipsec.conf:7:"));
        for side in [Side::A, Side::B] {
            pair.terminate(side).unwrap();
        }
    }

    /// A reload with a fault changes nothing; one without keeps the SAs whose configuration is the same.
    #[test]
    fn a_reload_never_drops_an_unchanged_tunnel() {
        let screen = Arc::new(Screen::new());
        let files = Files::write(OUTER_A, OUTER_B).unwrap();
        let rules = files.rules();
        let mut pair = Pair::new(files, Arc::clone(&screen)).unwrap();
        story::up(&mut pair, &screen).unwrap();
        let cookies = |pair: &Pair| match pair.ask(Side::B, &Request::Status) {
            Ok(Response::Status { report }) => {
                report.phase1.iter().map(|sa| sa.cookies.clone()).collect::<Vec<_>>()
            }
            other => panic!("{other:?}"),
        };
        let before = cookies(&pair);
        let good = std::fs::read_to_string(&rules).unwrap();
        std::fs::write(&rules, good.replace("enc blowfish", "enc rot13")).unwrap();
        assert!(
            matches!(pair.ask(Side::B, &Request::Reload), Ok(Response::Error { message }) if message.contains("rot13"))
        );
        wait_for(&screen, Side::B, "the new configuration is refused, the old one stays in force");
        std::fs::write(&rules, format!("# moved by a line\n{good}")).unwrap();
        assert_eq!(pair.ask(Side::B, &Request::Reload), Ok(Response::Done));
        wait_for(&screen, Side::B, "isakmpd: reinitializing daemon");
        assert_eq!(cookies(&pair), before);
        assert!(!screen.has(Side::A, "purged IPsec-SA"));
        story::down(&mut pair, &screen).unwrap();
    }
}
