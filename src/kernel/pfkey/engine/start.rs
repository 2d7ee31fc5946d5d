//! REGISTER: what the kernel can do, and that it is to tell us what happens.

use std::time::Duration;

use super::conversation::{Outcome, Task};
use super::errno::{EEXIST, is_no_room};
use super::sas::PROTOCOLS;
use super::{Engine, Job};
use crate::kernel::pfkey::{Dialect, Message, SaType};
use crate::sadb::{Capabilities, KernelError, Mode, Protocol};
use crate::time::Now;

/// How often a kernel without memory is asked once more for one protocol, and after which pause.
const MAX_PAUSES: u8 = 5;
const PAUSE: Duration = Duration::from_millis(200);

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

/// REGISTER for one protocol.
#[derive(Clone, Copy, Debug)]
pub(super) struct Register {
    pub(super) protocol: Protocol,
    /// Whether the kernel has us registered already. Without a protocol it tells its lists alone.
    is_known: bool,
    /// How often there was no memory for it.
    pauses: u8,
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
            let register = Register { protocol, is_known: false, pauses: 0 };
            self.queue.push_front(Task::own(Job::Register(register)));
        }
    }

    pub(super) fn begin_register(&mut self, now: Now, register: Register, task: Task) {
        let built = self.config.dialect.register(register.protocol).map(|mut message| {
            if register.is_known {
                message.header.satype = SaType::Unspec;
            }
            message
        });
        self.ask_or_refuse(now, task, built);
    }

    /// A kernel that refuses one protocol lacks it. One that does not answer is asked again.
    pub(super) fn registered(&mut self, now: Now, mut register: Register, outcome: &Outcome<'_>) {
        match outcome {
            Outcome::Answer(message) => self.know(register.protocol, message),
            // An answer is late or was lost. Only the lists are missing.
            Outcome::Refused(EEXIST) if !register.is_known => {
                register.is_known = true;
                return self.queue.push_front(Task::own(Job::Register(register)));
            }
            Outcome::Refused(errno)
                if is_no_room(self.config.dialect, *errno) && register.pauses < MAX_PAUSES =>
            {
                register.pauses += 1;
                return self.pause(now, Task::own(Job::Register(register)), PAUSE);
            }
            Outcome::Refused(errno) => self.registration.refusal = Some(self.error(*errno)),
            Outcome::Silence | Outcome::TimedOut => {
                if self.is_open {
                    self.queue.push_front(Task::own(Job::Register(register)));
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

    fn know(&mut self, protocol: Protocol, message: &Message) {
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
}

const fn name(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::FreeBsd => "freebsd",
        Dialect::OpenBsd => "openbsd",
        Dialect::Linux => "linux-pfkey",
    }
}
