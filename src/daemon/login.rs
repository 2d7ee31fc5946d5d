//! Whether road warriors may in: the core's questions about users and passwords, and whoever answers them.
//!
//! Each question runs on a thread of its own, so that a server that is far away holds up nobody but who asks. How many run
//! and how many wait is bounded, and so is the time that an answer may take.

mod check;
mod denied;
mod ldap;
mod pam;
mod patience;
mod radius;
mod sessions;
mod system;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::{JoinHandle, spawn_blocking};

use self::patience::Patience;
use self::sessions::{News, Sessions};
use super::clock::Clock;
use super::driver::Input;
use super::log::{Level, Logger};
use crate::ike::login::{LoginId, LoginRequest, Verdict};

/// Questions that are asked at a time. Each is a thread.
const MAX_RUNNING: usize = 16;
/// Questions that are asked or wait to be; more are refused at once.
const MAX_WAITING: usize = 64;
/// News of sessions that wait to be told.
const MAX_NEWS: usize = 256;
/// How long an answer may take, waiting included.
const LONGEST: Duration = Duration::from_secs(60);
/// How long the last news may take when the daemon ends.
const LAST_NEWS: Duration = Duration::from_secs(3);

/// Takes the core's questions. An answer comes back as an [`Input`], whenever it is there.
pub struct LoginDesk {
    inbox: mpsc::Sender<Input>,
    logger: Logger,
    clock: Clock,
    waiting: Arc<Semaphore>,
    running: Arc<Semaphore>,
    news: mpsc::Sender<News>,
    telling: JoinHandle<()>,
}

impl fmt::Debug for LoginDesk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginDesk")
            .field("running", &self.running.available_permits())
            .finish_non_exhaustive()
    }
}

impl LoginDesk {
    /// A desk whose answers go to this inbox. It lives on the runtime that it is made on.
    pub fn new(inbox: mpsc::Sender<Input>, logger: Logger, clock: Clock) -> Self {
        let (news, told) = mpsc::channel(MAX_NEWS);
        let telling = tokio::spawn(tell(told, logger.clone(), clock));
        Self {
            inbox,
            logger,
            clock,
            waiting: Arc::new(Semaphore::new(MAX_WAITING)),
            running: Arc::new(Semaphore::new(MAX_RUNNING)),
            news,
            telling,
        }
    }

    /// Closes. Sessions that have ended with the daemon are still told of, if that does not take long.
    pub async fn close(self) {
        drop(self.news);
        let _ = tokio::time::timeout(LAST_NEWS, self.telling).await;
    }

    /// Takes a question, or news of a session. Does not wait.
    pub fn submit(&self, id: LoginId, request: LoginRequest) {
        match request {
            LoginRequest::Check { config, login, remote } => {
                let question = check::Question { config, login, remote };
                match Arc::clone(&self.waiting).try_acquire_owned() {
                    Ok(place) => self.ask(id, question, place),
                    Err(_) => self.answer(id, Verdict::Refused("too many users log in at once".to_owned())),
                }
            }
            LoginRequest::Account { config, user, remote, address, port, begins } => {
                let news = News { config, user, remote, address, port, begins };
                if self.news.try_send(news).is_err() {
                    self.logger
                        .line(Level::Error, "too many sessions wait to be accounted for: one is left out");
                }
            }
        }
    }

    /// Asks on a thread of its own. The place is held until the answer is delivered.
    fn ask(&self, id: LoginId, question: check::Question, place: OwnedSemaphorePermit) {
        let (inbox, logger, running) = (self.inbox.clone(), self.logger.clone(), Arc::clone(&self.running));
        let patience = Patience::of(self.clock, LONGEST);
        let now = self.clock.now().wall;
        tokio::spawn(async move {
            let asked = async {
                let Ok(turn) = running.acquire_owned().await else { return None };
                let answer = spawn_blocking(move || {
                    // A thread that nobody waits for any more still counts.
                    let _turn = turn;
                    check::check(&question, now, patience)
                });
                answer.await.ok()
            };
            let verdict = match tokio::time::timeout(LONGEST, asked).await {
                Ok(Some(answer)) => answer.unwrap_or_else(|why| {
                    if let denied::Denied::NotAsked(why) = &why {
                        logger.line(Level::Error, format!("a user cannot be checked: {why}"));
                    }
                    Verdict::Refused(why.to_string())
                }),
                Ok(None) => Verdict::Refused("the check has failed".to_owned()),
                Err(_) => {
                    let why = format!(
                        "nobody has said in {} seconds whether the password is right",
                        LONGEST.as_secs()
                    );
                    logger.line(Level::Error, format!("a user cannot be checked: {why}"));
                    Verdict::Refused(why)
                }
            };
            // A driver that has ended needs no answer.
            let _ = inbox.send(Input::Login(id, verdict)).await;
            drop(place);
        });
    }

    /// The driver reads the inbox, so it must not wait for room in it itself.
    fn answer(&self, id: LoginId, verdict: Verdict) {
        let inbox = self.inbox.clone();
        tokio::spawn(async move {
            let _ = inbox.send(Input::Login(id, verdict)).await;
        });
    }
}

/// Tells of sessions, one after the other: an end never overtakes its beginning.
async fn tell(mut told: mpsc::Receiver<News>, logger: Logger, clock: Clock) {
    let mut sessions = Sessions::new(clock);
    while let Some(news) = told.recv().await {
        let done = spawn_blocking(move || {
            let result = sessions.tell(&news);
            (sessions, result)
        });
        let Ok((back, result)) = done.await else { return };
        sessions = back;
        if let Err(why) = result {
            logger.line(Level::Error, format!("a session is not accounted for: {why}"));
        }
    }
}
