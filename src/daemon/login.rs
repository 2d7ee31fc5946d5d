//! Whether road warriors may in: the core's questions about users and passwords, and whoever answers them.

mod denied;
mod system;

use std::fmt;

use tokio::sync::mpsc;

use super::driver::Input;
use crate::ike::login::{LoginId, LoginRequest, Verdict};

/// Takes the core's questions. An answer comes back as an [`Input`], whenever it is there.
#[derive(Clone)]
pub struct LoginDesk {
    inbox: mpsc::Sender<Input>,
}

impl fmt::Debug for LoginDesk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginDesk").finish_non_exhaustive()
    }
}

impl LoginDesk {
    /// A desk whose answers go to this inbox.
    pub const fn new(inbox: mpsc::Sender<Input>) -> Self {
        Self { inbox }
    }

    /// Takes a question, or news of a session. Does not wait.
    pub fn submit(&self, id: LoginId, request: LoginRequest) {
        match request {
            LoginRequest::Check { .. } => {
                self.answer(id, Verdict::Refused("no back-end is built".to_owned()))
            }
            LoginRequest::Account { .. } => {}
        }
    }

    /// The driver reads the inbox, so it must not wait for room in it itself.
    fn answer(&self, id: LoginId, verdict: Verdict) {
        let inbox = self.inbox.clone();
        tokio::spawn(async move {
            // A driver that has ended needs no answer.
            let _ = inbox.send(Input::Login(id, verdict)).await;
        });
    }
}
