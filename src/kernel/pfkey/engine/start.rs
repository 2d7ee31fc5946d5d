//! REGISTER: what the kernel can do, and that it is to tell us what happens.

use super::conversation::{Outcome, Task};
use super::sas::PROTOCOLS;
use super::{Engine, Job};
use crate::kernel::pfkey::Dialect;
use crate::sadb::{Capabilities, KernelError, Mode, Protocol};
use crate::time::Now;

/// The answers to REGISTER.
#[derive(Debug, Default)]
pub(super) struct Registration {
    /// What has been answered so far.
    known: Capabilities,
    /// How many protocols have been answered for, well or not.
    answered: usize,
    /// Why not, if one was refused.
    pub(super) refusal: Option<KernelError>,
    /// What follows from all answers; of the first time.
    pub(super) capabilities: Option<Capabilities>,
}

impl Engine {
    /// Begins, before everything else, to register for all protocols.
    pub(super) fn register(&mut self) {
        self.registration.known = Capabilities {
            name: name(self.config.dialect),
            modes: vec![Mode::Tunnel, Mode::Transport],
            udp_encapsulation: true,
            flows: !self.config.dialect.is_kame(),
            ..Capabilities::default()
        };
        self.registration.answered = 0;
        for protocol in PROTOCOLS.into_iter().rev() {
            self.queue.push_front(Task::own(Job::Register(protocol)));
        }
    }

    pub(super) fn begin_register(&mut self, now: Now, protocol: Protocol, task: Task) {
        self.ask_or_refuse(now, task, self.config.dialect.register(protocol));
    }

    /// A kernel that refuses one protocol lacks it. One that does not answer is asked again.
    pub(super) fn registered(&mut self, now: Now, protocol: Protocol, outcome: &Outcome<'_>) {
        match outcome {
            Outcome::Answer(message) => {
                let supported = self.config.dialect.read_supported(message);
                let known = &mut self.registration.known;
                known.protocols.push(protocol);
                if protocol == Protocol::Esp {
                    known.ciphers = supported.ciphers;
                }
                for auth in supported.auths {
                    if !known.auths.contains(&auth) {
                        known.auths.push(auth);
                    }
                }
            }
            Outcome::Refused(errno) => self.registration.refusal = Some(self.error(*errno)),
            Outcome::Silence | Outcome::TimedOut => {
                if self.is_open {
                    self.queue.push_front(Task::own(Job::Register(protocol)));
                }
                return;
            }
        }
        self.registration.answered += 1;
        if self.registration.answered == PROTOCOLS.len() && self.registration.capabilities.is_none() {
            self.registration.capabilities = Some(std::mem::take(&mut self.registration.known));
            self.reread_at_start(now);
        }
    }
}

const fn name(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::FreeBsd => "freebsd",
        Dialect::OpenBsd => "openbsd",
        Dialect::Linux => "linux-pfkey",
    }
}
