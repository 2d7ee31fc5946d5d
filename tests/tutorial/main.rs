//! The pages of docs/ that an operator follows, followed: their commands and files are taken from the page itself, and
//! what it says one should see has to be seen. B is once strongSwan, once Coati.
//!
//! It needs root, strongSwan, nftables and openssl, which `.ci/test` installs. `COATI_REQUIRE_PEERS=1` makes their
//! absence a failure.

#[expect(dead_code, reason = "tests/interop also has it begin")]
#[path = "../interop/charon.rs"]
mod charon;
mod host;
mod lab;
mod page;
mod peer;
#[expect(dead_code, reason = "tests/interop makes certificates; here the page does")]
#[path = "../interop/pki.rs"]
mod pki;
#[expect(dead_code, reason = "tests/interop looks closer at its daemons")]
#[path = "../interop/process.rs"]
mod process;
#[expect(dead_code, reason = "tests/interop uses all of it")]
#[path = "../interop/report.rs"]
mod report;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use host::{Net, Terminal};
use page::Step;
use peer::{Kind, Peer};
use report::{Filter, Report};

/// What a step gives, or what was wrong in words.
type Outcome<T> = Result<T, String>;

/// How often, and how many times, is looked for what the page promises.
const AGAIN: Duration = Duration::from_millis(100);
const TIMES: u32 = 300;

type Test = (&'static str, fn() -> Outcome<()>);

const TESTS: [Test; 3] = [
    ("pages_are_read", page::reads_pages),
    ("from_racoon_with_charon", || follow("migrating-from-racoon.md", Kind::Charon, 12)),
    ("from_racoon_with_coati", || follow("migrating-from-racoon.md", Kind::Coati, 12)),
];

fn main() -> ExitCode {
    let filter = Filter::from_arguments();
    if filter.list {
        for (name, _) in TESTS {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    if let Some(missing) = missing() {
        println!("no page can be followed: {missing}");
        let required = std::env::var_os("COATI_REQUIRE_PEERS").is_some();
        return if required { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    }
    let report = Report::default();
    for (name, test) in TESTS.into_iter().filter(|(name, _)| filter.takes(name)) {
        report.add(name, test());
    }
    if report.close() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn missing() -> Option<&'static str> {
    if process::sh("id -u").unwrap_or_default().trim() != "0" {
        return Some("it needs root");
    }
    let there =
        charon::is_installed() && Path::new("/usr/sbin/nft").exists() && Path::new("/sbin/ip").exists();
    (!there).then_some("strongSwan, nftables or iproute2 is not installed; .ci/install does that")
}

/// Does what a page says, at least so many steps of it.
fn follow(page: &str, kind: Kind, steps: usize) -> Outcome<()> {
    let found = page::read(page)?;
    if found.len() < steps {
        return Err(format!("{page} has {} steps only", found.len()));
    }
    let net = Net::new(if kind == Kind::Charon { "charon" } else { "coati" })?;
    net.forbid_clear()?;
    let mut walk = Walk { terminal: net.terminal()?, peer: None, logs: Vec::new() };
    for (line, step) in found {
        walk.take(&net, kind, &step).map_err(|why| format!("{page}:{line}: {why}\n{}", walk.said()))?;
    }
    Ok(())
}

/// How far we are.
struct Walk {
    terminal: Terminal,
    peer: Option<Peer>,
    logs: Vec<String>,
}

impl Walk {
    fn take(&mut self, net: &Net, kind: Kind, step: &Step) -> Outcome<()> {
        match step {
            Step::Shell(commands) => self.terminal.run(commands).map(drop),
            Step::File { path, text } => self.terminal.write(path, text),
            Step::Background(commands) => {
                // B runs before A does.
                self.peer = Some(Peer::start(kind, net, &self.terminal)?);
                let log = self.terminal.start(commands, &format!("{}", self.logs.len()))?;
                self.logs.push(log);
                Ok(())
            }
            Step::Log(lines) => self.wait_for(lines),
            Step::Output { command, lines } => {
                let printed = self.terminal.run(command)?;
                let printed: Vec<&str> = printed.lines().collect();
                let alike = printed.len() == lines.len()
                    && lines.iter().zip(&printed).all(|(pattern, line)| page::fits(pattern, line.trim_end()));
                if alike { Ok(()) } else { Err(format!("{command} prints:\n{}", printed.join("\n"))) }
            }
        }
    }

    /// Waits until the background has said these lines in this order. The page leaves out time and peer.
    fn wait_for(&self, lines: &[String]) -> Outcome<()> {
        let mut left = TIMES;
        loop {
            // What has just been started may not have its file yet.
            let said: String = self.logs.iter().filter_map(|log| self.terminal.read(log).ok()).collect();
            let texts: Vec<&str> =
                said.lines().filter_map(|line| Some(&line[line.find("INFO: ")?..])).collect();
            let Some(missing) = page::first_missing(lines, &texts) else { return Ok(()) };
            if left == 0 {
                return Err(format!("nobody has said {missing}"));
            }
            left -= 1;
            std::thread::sleep(AGAIN);
        }
    }

    fn said(&self) -> String {
        let logs = self.logs.iter().filter_map(|log| self.terminal.read(log).ok());
        format!(
            "A:\n{}B:\n{}",
            logs.collect::<String>(),
            self.peer.as_ref().map(Peer::said).unwrap_or_default()
        )
    }
}
