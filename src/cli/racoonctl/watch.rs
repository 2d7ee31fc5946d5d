//! Listening to the daemon: until interrupted, or until a negotiation has come to its end.

use std::net::IpAddr;
use std::path::Path;

use super::{Failure, show};
use crate::cli::print;
use crate::daemon::control::{ClientError, EventReport, Events, Happening, subscribe};

/// Prints what happens until the daemon ends.
pub(super) fn forever(socket: &Path) -> Result<(), Failure> {
    for event in subscribe(socket)? {
        let event = event?;
        print(&show::event(&event));
        if event.what == Happening::Quit {
            return Ok(());
        }
    }
    Err(gone())
}

/// What is waited for.
#[derive(Debug)]
pub(super) struct Goal {
    /// With whom.
    pub(super) remote: IpAddr,
    /// The connection, or the peer.
    pub(super) name: String,
    /// An ISAKMP SA, else a pair of IPsec SAs.
    pub(super) is_isakmp: bool,
    /// The ISAKMP SA is followed by mode configuration.
    pub(super) pulls_config: bool,
    /// Print what came of it, and not how.
    pub(super) shows_result_only: bool,
}

/// What an event means for a goal.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// It is about something else.
    Foreign,
    /// It is on the way.
    Passed,
    /// It is what was waited for.
    Reached,
    /// It will not come any more.
    Missed,
}

impl Goal {
    /// Waits, and prints what happens.
    pub(super) fn wait(&self, events: Events) -> Result<(), Failure> {
        for event in events {
            let event = event?;
            let step = self.step(&event);
            let is_shown = step == Step::Missed || !self.shows_result_only && step != Step::Foreign;
            if is_shown {
                print(&show::event(&event));
            }
            match step {
                Step::Foreign | Step::Passed => {}
                Step::Reached => {
                    self.print_result(Some(&event));
                    return Ok(());
                }
                Step::Missed => {
                    let why = event.reason.unwrap_or_else(|| "it has ended".to_owned());
                    return Err(Failure::Refused(format!("{}: {why}", self.name)));
                }
            }
        }
        Err(gone())
    }

    /// It was there before anybody asked for it.
    pub(super) fn is_reached_already(&self) -> Result<(), Failure> {
        self.print_result(None);
        Ok(())
    }

    fn print_result(&self, event: Option<&EventReport>) {
        if self.shows_result_only || event.is_some_and(|e| e.what == Happening::Phase1ModeConfig) {
            print(&show::configured(event));
        }
    }

    pub(super) fn step(&self, event: &EventReport) -> Step {
        if event.what == Happening::Quit {
            return Step::Missed;
        }
        if event.remote.is_none_or(|remote| remote.ip() != self.remote) {
            return Step::Foreign;
        }
        let is_named = event.name.as_deref() == Some(&*self.name);
        match event.what {
            Happening::Phase1Up if self.is_isakmp && !self.pulls_config => Step::Reached,
            Happening::Phase1ModeConfig if self.is_isakmp => Step::Reached,
            what if what.is_phase1_failure() && self.is_isakmp => Step::Missed,
            Happening::Phase2Up if is_named => Step::Reached,
            Happening::Phase2NoPhase1 if !self.is_isakmp => Step::Missed,
            Happening::Phase2Down | Happening::Phase2NoResponse if is_named => Step::Missed,
            Happening::Phase2Up | Happening::Phase2Down | Happening::Phase2NoResponse => Step::Foreign,
            _ => Step::Passed,
        }
    }
}

fn gone() -> Failure {
    Failure::Client(ClientError::Refused("the daemon is gone".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(what: Happening, remote: &str, name: &str) -> EventReport {
        EventReport {
            remote: Some(remote.parse().unwrap()),
            name: Some(name.to_owned()),
            ..EventReport::new(what)
        }
    }

    fn goal(is_isakmp: bool, pulls_config: bool) -> Goal {
        let remote = "192.0.2.2".parse().unwrap();
        Goal { remote, name: "office".to_owned(), is_isakmp, pulls_config, shows_result_only: false }
    }

    #[test]
    fn an_isakmp_sa_is_there_when_it_is_up_or_configured() {
        let peer = "192.0.2.2:500";
        for (pulls_config, what, step) in [
            (false, Happening::Phase1Up, Step::Reached),
            (true, Happening::Phase1Up, Step::Passed),
            (true, Happening::XauthSucceeded, Step::Passed),
            (true, Happening::Phase1ModeConfig, Step::Reached),
            (true, Happening::XauthFailed, Step::Missed),
            (false, Happening::Phase1NoResponse, Step::Missed),
            (false, Happening::Phase1PeerDeleted, Step::Missed),
        ] {
            assert_eq!(goal(true, pulls_config).step(&event(what, peer, "office")), step, "{what:?}");
        }
        assert_eq!(goal(true, false).step(&event(Happening::Phase1Up, "192.0.2.3:500", "x")), Step::Foreign);
        assert_eq!(goal(true, false).step(&EventReport::new(Happening::Quit)), Step::Missed);
    }

    #[test]
    fn a_pair_is_the_one_that_was_asked_for() {
        let peer = "192.0.2.2:4500";
        for (name, what, step) in [
            ("192.0.2.2", Happening::Phase1Up, Step::Passed),
            ("192.0.2.2", Happening::Phase1AuthFailed, Step::Passed),
            ("elsewhere", Happening::Phase2Up, Step::Foreign),
            ("elsewhere", Happening::Phase2Down, Step::Foreign),
            ("office", Happening::Phase2Up, Step::Reached),
            ("office", Happening::Phase2NoResponse, Step::Missed),
            ("10.0.0.0/8[any] 10.1.0.0/16[any] any", Happening::Phase2NoPhase1, Step::Missed),
        ] {
            assert_eq!(goal(false, false).step(&event(what, peer, name)), step, "{name} {what:?}");
        }
    }
}
