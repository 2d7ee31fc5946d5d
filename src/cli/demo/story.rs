//! What happens in the demo, the same in both worlds.

use std::time::Duration;

use super::screen::{Screen, Side};
use super::{Outcome, stop};
use crate::daemon::clock::Clock;
use crate::daemon::control::{DumpForm, DumpWhat, Request, Response};
use crate::daemon::status::Report;
use crate::time::Instant;

/// How long the tunnel may take. A first message that is lost is sent again after some seconds.
const TUNNEL: Duration = Duration::from_secs(60);
/// How long a gateway may take to start, or to end.
const START: Duration = Duration::from_secs(20);

/// Two gateways, wherever they run.
pub(super) trait World {
    /// Starts a gateway.
    fn start(&mut self, side: Side) -> Outcome<()>;
    /// Whether a gateway has ended, and if so, how.
    fn ended(&mut self, side: Side) -> Option<String>;
    /// Asks a gateway.
    fn ask(&self, side: Side, request: &Request) -> Outcome<Response>;
    /// Sends echo requests through the tunnel; the text as `ping` prints it.
    fn ping(&mut self) -> Outcome<String>;
    /// Tells a gateway to end, as SIGTERM does.
    fn terminate(&mut self, side: Side) -> Outcome<()>;
}

/// Brings the tunnel up, uses it and shows it.
pub(super) fn up(world: &mut dyn World, screen: &Screen) -> Outcome<()> {
    let clock = Clock::start();
    screen.step("Starting gateway A (racoon.conf, setkey) and gateway B (OpenBSD's ipsec.conf)");
    for side in [Side::A, Side::B] {
        world.start(side)?;
        until(world, screen, clock, START, "start", |world| world.ask(side, &Request::Status).is_ok())?;
    }
    screen.step("Waiting until both sides have ISAKMP and IPsec SAs");
    until(world, screen, clock, TUNNEL, "negotiate the tunnel", |world| {
        [Side::A, Side::B].into_iter().all(|side| report(world, side).is_ok_and(|r| is_up(&r)))
    })?;
    screen.step("Pinging from A's network to B's network, through the tunnel");
    let ping = world.ping()?;
    screen.say(ping.trim_end());
    if !ping.contains(" 0% packet loss") {
        return Err("packets were lost in the tunnel; the SAs and policies of both sides are dumped by \
                    `coati demo --keep`"
            .to_owned());
    }
    show(world, screen)
}

/// Ends both gateways; the first one's Deletes are seen to arrive at the other.
pub(super) fn down(world: &mut dyn World, screen: &Screen) -> Outcome<()> {
    let clock = Clock::start();
    screen.step("Sending SIGTERM to gateway A: it deletes its SAs, and B hears of it");
    world.terminate(Side::A)?;
    gone(world, screen, clock, Side::A)?;
    until(world, screen, clock, START, "hear of the Deletes", |_| {
        screen.has(Side::B, "made us delete live SA")
    })?;
    world.terminate(Side::B)?;
    gone(world, screen, clock, Side::B)
}

fn show(world: &dyn World, screen: &Screen) -> Outcome<()> {
    let dump = |side, what, form| match world.ask(side, &Request::Dump { what, form, keys: true })? {
        Response::Text { text } => Ok(text),
        Response::Error { message } => Err(message),
        _ => Err("the daemon answered something else".to_owned()),
    };
    screen.step("SAD and SPD of gateway A, as setkey -D and setkey -DP show them");
    screen.say(dump(Side::A, DumpWhat::Sad, DumpForm::Setkey)?.trim_end());
    screen.say(dump(Side::A, DumpWhat::Spd, DumpForm::Setkey)?.trim_end());
    screen.step("Flows and SAs of gateway B, as ipsecctl -sa shows them");
    screen.say(dump(Side::B, DumpWhat::All, DumpForm::Ipsecctl)?.trim_end());
    for side in [Side::A, Side::B] {
        screen.step(&format!("coati status of gateway {}", side.letter()));
        screen.say(report(world, side)?.to_string().trim_end());
    }
    Ok(())
}

fn report(world: &dyn World, side: Side) -> Outcome<Report> {
    match world.ask(side, &Request::Status)? {
        Response::Status { report } => Ok(*report),
        Response::Error { message } => Err(message),
        _ => Err("the daemon answered something else".to_owned()),
    }
}

fn is_up(report: &Report) -> bool {
    report.phase1.iter().any(|sa| sa.state == "Established")
        && report.phase2.iter().any(|sa| sa.state == "Established" && sa.inbound_spi.is_some())
}

/// Waits until a gateway has ended well.
fn gone(world: &mut dyn World, screen: &Screen, clock: Clock, side: Side) -> Outcome<()> {
    let deadline = clock.now().mono + START;
    while clock.now().mono < deadline {
        match world.ended(side) {
            None => screen.wait(),
            Some(how) if how.is_empty() => return Ok(()),
            Some(how) => return Err(format!("gateway {} ended badly: {how}", side.letter())),
        }
    }
    Err(format!("gateway {} does not end", side.letter()))
}

/// Waits until `done`, as long as both gateways live and nobody wants to stop.
fn until(
    world: &mut dyn World,
    screen: &Screen,
    clock: Clock,
    patience: Duration,
    what: &str,
    mut done: impl FnMut(&dyn World) -> bool,
) -> Outcome<()> {
    let deadline: Instant = clock.now().mono + patience;
    loop {
        if stop::wanted() {
            return Err("interrupted".to_owned());
        }
        if done(world) {
            return Ok(());
        }
        for side in [Side::A, Side::B] {
            if let Some(how) = world.ended(side).filter(|how| !how.is_empty()) {
                let (letter, tail) = (side.letter(), screen.tail(side, 10));
                return Err(format!(
                    "gateway {letter} ended while it was to {what}: {how}\nIts last lines:\n{tail}"
                ));
            }
        }
        if clock.now().mono >= deadline {
            let secs = patience.as_secs();
            let tails =
                [Side::A, Side::B].map(|side| format!("{}:\n{}", side.letter(), screen.tail(side, 10)));
            return Err(format!(
                "the gateways did not {what} within {secs} seconds. Their last lines say why:\n{}",
                tails.join("\n")
            ));
        }
        screen.wait();
    }
}
