//! A PF_KEY server over a Unix socket: the clients of a [`Model`], the faults that a test orders, and what was said.
//!
//! One packet is one message. A message that the kernel would not even take is answered by four octets, -errno in little
//! endian.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use coati::kernel::pfkey::{Dialect, Message, MessageType};
use socket2::{Domain, SockAddr, Socket, Type};

use super::model::{Model, To};

/// How long a condition may take on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Orders what happens in the kernels of one process.
static MOMENTS: AtomicU64 = AtomicU64::new(0);

/// What a test does to the next message of a kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// It is not done, and not answered.
    Silence,
    /// It is done, but not answered.
    SilentlyDone,
    /// It is done, and answered when [`Server::release`] is called.
    Late,
    /// It is done, and answered twice.
    Twice,
    /// It is not done, and refused with this error.
    Refuse(u8),
    /// It cannot be written, for this reason.
    Unwritable(i32),
    /// It is done, but answered with what is no message.
    Garbage,
}

/// Which SAs a kernel sends and receives with at some moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Moment {
    pub(crate) number: u64,
    pub(crate) outbound: Option<u32>,
    pub(crate) inbound: Vec<u32>,
}

struct State {
    model: Model,
    clients: Vec<Arc<Socket>>,
    faults: Vec<(MessageType, Fault)>,
    late: Vec<(To, Message)>,
    heard: VecDeque<Message>,
    moments: Vec<Moment>,
    /// The daemon has said what no kernel would take; the thread that saw it has told why.
    is_broken: bool,
}

struct Shared {
    dialect: Dialect,
    state: Mutex<State>,
    changed: Condvar,
}

/// The server. Its threads end with it.
pub(crate) struct Server {
    path: PathBuf,
    shared: Arc<Shared>,
    listener: Option<Arc<Socket>>,
}

impl Server {
    pub(crate) fn start(path: &Path, model: Model) -> Self {
        let dialect = model.dialect();
        let state = State {
            model,
            clients: Vec::new(),
            faults: Vec::new(),
            late: Vec::new(),
            heard: VecDeque::new(),
            moments: Vec::new(),
            is_broken: false,
        };
        let shared = Arc::new(Shared { dialect, state: Mutex::new(state), changed: Condvar::new() });
        let mut server = Self { path: path.to_owned(), shared, listener: None };
        server.revive();
        server
    }

    /// Listens, with whatever the model has.
    pub(crate) fn revive(&mut self) {
        let _ = std::fs::remove_file(&self.path);
        let listener = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        listener.bind(&SockAddr::unix(&self.path).unwrap()).unwrap();
        listener.listen(4).unwrap();
        let listener = Arc::new(listener);
        self.listener = Some(Arc::clone(&listener));
        let shared = Arc::clone(&self.shared);
        thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                let client = Arc::new(client);
                shared.lock().clients.push(Arc::clone(&client));
                let shared = Arc::clone(&shared);
                thread::spawn(move || shared.serve(&client));
            }
        });
    }

    /// Breaks all connections and takes no more.
    pub(crate) fn die(&mut self) {
        if let Some(listener) = self.listener.take() {
            let _ = listener.shutdown(Shutdown::Both);
        }
        let _ = std::fs::remove_file(&self.path);
        for client in self.shared.lock().clients.drain(..) {
            let _ = client.shutdown(Shutdown::Both);
        }
    }

    /// What happens to the next message of that kind.
    pub(crate) fn order(&self, kind: MessageType, fault: Fault) {
        self.shared.lock().faults.push((kind, fault));
    }

    /// Gives the answers that were late.
    pub(crate) fn release(&self) {
        let mut state = self.shared.lock();
        let late = std::mem::take(&mut state.late);
        late.iter().for_each(|(_, message)| state.tell(self.shared.dialect, message));
    }

    /// The next message that the daemon says; it has to be of this kind.
    pub(crate) fn hear(&self, kind: MessageType) -> Message {
        let state = self.shared.lock();
        let (mut state, _) = self
            .shared
            .changed
            .wait_timeout_while(state, DEADLINE, |state| state.heard.is_empty() && !state.is_broken)
            .unwrap();
        assert!(!state.is_broken, "the kernel does not take what was said");
        let message = state.heard.pop_front().unwrap_or_else(|| panic!("no {kind} came"));
        assert_eq!(message.header.kind, kind, "{message}");
        message
    }

    /// Nothing has been said that a test has not heard.
    pub(crate) fn assert_quiet(&self) {
        let state = self.shared.lock();
        let kinds: Vec<_> = state.heard.iter().map(|message| message.header.kind).collect();
        assert_eq!(kinds, []);
    }

    /// Waits until such a message is said, whatever comes before it.
    pub(crate) fn hear_at_last(&self, kind: MessageType) -> Message {
        let is_it = |message: &Message| message.header.kind == kind;
        let state = self.shared.lock();
        let (mut state, _) = self
            .shared
            .changed
            .wait_timeout_while(state, DEADLINE, |state| !state.heard.iter().any(is_it) && !state.is_broken)
            .unwrap();
        assert!(!state.is_broken, "the kernel does not take what was said");
        let at = state.heard.iter().position(is_it).unwrap_or_else(|| panic!("no {kind} came"));
        state.heard.drain(..=at).next_back().expect("at least one")
    }

    /// Waits until the model is so.
    pub(crate) fn wait_until(&self, what: &str, is_so: impl Fn(&Model) -> bool) {
        let state = self.shared.lock();
        let waited =
            self.shared.changed.wait_timeout_while(state, DEADLINE, |state| !is_so(&state.model)).unwrap();
        assert!(!waited.1.timed_out(), "{what}: it did not happen; {:?}", waited.0.heard);
    }

    /// Has the kernel say something by itself: what `by` makes of the model.
    pub(crate) fn say(&self, by: impl FnOnce(&mut Model) -> Message) {
        let mut state = self.shared.lock();
        let message = by(&mut state.model);
        state.note();
        state.tell(self.shared.dialect, &message);
    }

    /// Says octets that are no message.
    pub(crate) fn say_garbage(&self) {
        let state = self.shared.lock();
        for client in &state.clients {
            let _ = send(client, &[0xff; 24]);
        }
    }

    pub(crate) fn with_model<T>(&self, look: impl FnOnce(&mut Model) -> T) -> T {
        look(&mut self.shared.lock().model)
    }

    /// Which SAs were in use, from the beginning.
    pub(crate) fn moments(&self) -> Vec<Moment> {
        self.shared.lock().moments.clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.die();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, client: &Socket) {
        let mut buffer = vec![0; 1 << 16];
        let mut reader = client;
        while let Ok(length @ 1..) = reader.read(&mut buffer) {
            let taken = catch_unwind(AssertUnwindSafe(|| {
                let message =
                    Message::parse(self.dialect, &buffer[..length]).expect("what we say can be read");
                self.lock().take(self.dialect, client, message);
            }));
            self.lock().is_broken |= taken.is_err();
            self.state.clear_poison();
            self.changed.notify_all();
        }
    }
}

impl State {
    fn take(&mut self, dialect: Dialect, client: &Socket, message: Message) {
        let kind = message.header.kind;
        let fault = self.faults.iter().position(|(of, _)| *of == kind).map(|at| self.faults.remove(at).1);
        self.heard.push_back(message.clone());
        let refusal = match fault {
            Some(Fault::Unwritable(errno)) => Err(errno),
            Some(Fault::Silence) => Ok(Vec::new()),
            Some(Fault::Refuse(errno)) => {
                Ok(vec![(To::Sender, super::model::refusal(dialect, &message, errno))])
            }
            _ => {
                let done = self.model.handle(&message);
                self.note();
                done
            }
        };
        let answers = match refusal {
            Ok(answers) => answers,
            Err(errno) => return drop(send(client, &(-errno).to_le_bytes())),
        };
        match fault {
            Some(Fault::Silence | Fault::SilentlyDone) => {}
            Some(Fault::Late) => self.late.extend(answers),
            Some(Fault::Garbage) => drop(send(client, &[0xff; 40])),
            fault => {
                for _ in 0..if fault == Some(Fault::Twice) { 2 } else { 1 } {
                    for (to, answer) in &answers {
                        match to {
                            To::Sender => drop(send(client, &answer.emit(dialect))),
                            To::All => self.tell(dialect, answer),
                        }
                    }
                }
            }
        }
    }

    fn tell(&self, dialect: Dialect, message: &Message) {
        for client in &self.clients {
            // One that has gone hears nothing.
            let _ = send(client, &message.emit(dialect));
        }
    }

    fn note(&mut self) {
        let number = MOMENTS.fetch_add(1, Ordering::SeqCst);
        let (outbound, inbound) = (self.model.outbound(), self.model.inbound());
        self.moments.push(Moment { number, outbound, inbound });
    }
}

fn send(client: &Socket, packet: &[u8]) -> std::io::Result<()> {
    let mut writer = client;
    writer.write_all(packet)
}
