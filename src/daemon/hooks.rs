//! Programs that run when an ISAKMP SA comes and goes (racoon's `script`).
//!
//! They are started by a task of their own: those of one peer one after the other, in the order of what happened, those
//! of different peers side by side. The run loop only puts them into a queue that has an end; what finds no room there
//! is not run, and told.

mod client;
mod environment;
mod program;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};

use super::log::{Level, Line, Logger};
use crate::ike::event::{AccessEvent, Event, Phase1Event, Phase1Id, Phase1Ref};

pub use client::client_environment;
pub use environment::{Variable, environment};

/// Programs that run at a time.
const AT_ONCE: usize = 8;
/// Programs that wait to be run.
const WAITING: usize = 256;

/// Racoon's word for an event, which is also the program's only argument.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Occasion {
    /// An ISAKMP SA was established.
    Phase1Up,
    /// An established one is gone.
    Phase1Down,
    /// The peer has stopped to answer.
    Phase1Dead,
}

impl Occasion {
    /// The word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Phase1Up => "phase1_up",
            Self::Phase1Down => "phase1_down",
            Self::Phase1Dead => "phase1_dead",
        }
    }
}

/// One run of a program.
#[derive(Clone, Debug)]
struct Job {
    peer: IpAddr,
    file: PathBuf,
    occasion: Occasion,
    variables: Vec<Variable>,
}

/// Turns events into runs.
#[derive(Debug)]
pub struct Hooks {
    jobs: mpsc::Sender<Job>,
    logger: Logger,
    /// What is known of established ISAKMP SAs. As many as the core has.
    established: HashMap<Phase1Id, Known>,
}

/// What is known of an established ISAKMP SA.
#[derive(Debug)]
struct Known {
    variables: Vec<Variable>,
    /// A login or a configuration is not awaited any more, and the program for it was run.
    is_up: bool,
}

/// The task that runs programs.
#[derive(Debug)]
pub struct Running(JoinHandle<()>);

impl Running {
    /// Waits until everything that was asked for has run, once the [`Hooks`] are gone.
    pub async fn finish(self, patience: Duration) {
        let Self(mut task) = self;
        if tokio::time::timeout(patience, &mut task).await.is_err() {
            // Dropped with the task, every program that still runs is killed.
            task.abort();
        }
    }
}

/// Starts the task. To be called in the context of a runtime.
pub fn start(logger: &Logger, timeout: Duration) -> (Hooks, Running) {
    let (jobs, inbox) = mpsc::channel(WAITING);
    let runner = Runner::new(logger.clone(), timeout);
    let hooks = Hooks { jobs, logger: logger.clone(), established: HashMap::new() };
    (hooks, Running(tokio::spawn(runner.run(inbox))))
}

impl Hooks {
    /// Looks at an event of the core.
    pub fn event(&mut self, event: &Event) {
        let Event::Phase1(about, what) = event else { return };
        match what {
            Phase1Event::Established { peer_id, .. } => {
                let known = Known { variables: environment(about, peer_id), is_up: false };
                self.established.insert(about.id, known);
            }
            Phase1Event::Access(AccessEvent::Ready { user, config }) => {
                let Some(known) = self.established.get_mut(&about.id) else { return };
                known.variables.extend(client_environment(user.as_deref(), config));
                known.is_up = true;
                let variables = known.variables.clone();
                self.order(about, Occasion::Phase1Up, variables);
            }
            Phase1Event::PeerDead => {
                if let Some(known) = self.established.get(&about.id).filter(|known| known.is_up) {
                    self.order(about, Occasion::Phase1Dead, known.variables.clone());
                }
            }
            Phase1Event::Failed(_) | Phase1Event::Expired | Phase1Event::Deleted { .. } => {
                // What has never been up is not down either: a stranger's attempt that fails runs no program.
                if let Some(known) = self.established.remove(&about.id).filter(|known| known.is_up) {
                    self.order(about, Occasion::Phase1Down, known.variables);
                }
            }
            _ => {}
        }
    }

    fn order(&self, about: &Phase1Ref, occasion: Occasion, variables: Vec<Variable>) {
        let hooks = &about.policy.hooks;
        let file = match occasion {
            Occasion::Phase1Up => &hooks.phase1_up,
            Occasion::Phase1Down => &hooks.phase1_down,
            Occasion::Phase1Dead => &hooks.phase1_dead,
        };
        let Some(file) = file.clone() else { return };
        let peer = about.addresses.remote.ip();
        let job = Job { peer, file, occasion, variables };
        if let Err(refused) = self.jobs.try_send(job) {
            let file = refused.into_inner().file;
            let text = format!(
                "script {} is not run for {}: too many wait already",
                file.display(),
                occasion.word()
            );
            self.logger.record(&Line::about(peer, Level::Error, text));
        }
    }
}

/// Runs programs in the order of their peers.
struct Runner {
    logger: Logger,
    timeout: Duration,
    /// A peer is in here while a program of it runs; its others wait in the queue.
    waiting: HashMap<IpAddr, VecDeque<Job>>,
    /// Peers whose turn it is when one of the places gets free.
    ready: VecDeque<Job>,
    running: JoinSet<IpAddr>,
}

impl Runner {
    fn new(logger: Logger, timeout: Duration) -> Self {
        let (waiting, ready, running) = (HashMap::new(), VecDeque::new(), JoinSet::new());
        Self { logger, timeout, waiting, ready, running }
    }

    async fn run(mut self, mut inbox: mpsc::Receiver<Job>) {
        let mut is_open = true;
        while is_open || !self.running.is_empty() {
            let has_room =
                self.waiting.values().map(VecDeque::len).sum::<usize>() + self.ready.len() < WAITING;
            tokio::select! {
                job = inbox.recv(), if is_open && has_room => match job {
                    Some(job) => self.take(job),
                    None => is_open = false,
                },
                Some(done) = self.running.join_next() => {
                    if let Ok(peer) = done {
                        self.next_of(peer);
                    }
                }
            }
            self.fill();
        }
    }

    fn take(&mut self, job: Job) {
        match self.waiting.get_mut(&job.peer) {
            Some(queue) => queue.push_back(job),
            None => {
                self.waiting.insert(job.peer, VecDeque::new());
                self.ready.push_back(job);
            }
        }
    }

    fn next_of(&mut self, peer: IpAddr) {
        match self.waiting.get_mut(&peer).and_then(VecDeque::pop_front) {
            Some(job) => self.ready.push_back(job),
            None => {
                self.waiting.remove(&peer);
            }
        }
    }

    fn fill(&mut self) {
        while self.running.len() < AT_ONCE
            && let Some(job) = self.ready.pop_front()
        {
            let (logger, timeout) = (self.logger.clone(), self.timeout);
            self.running.spawn(async move {
                program::run(&job, &logger, timeout).await;
                job.peer
            });
        }
    }
}
