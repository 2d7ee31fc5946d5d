//! What an operator does to a system's kernel directly, without a running daemon: loads policies and SAs, empties it,
//! lists it, listens to it.

use std::io::Write;
use std::ops::ControlFlow;

use tokio::runtime::Runtime;

use super::clock::{self, Clock};
use super::dump::utc_offset;
use super::kernel_choice::KernelOptions;
use super::kernel_task::KernelTask;
use crate::conf::setkey::Step;
use crate::kernel::keysock::{Overheard, monitor};
use crate::kernel::system;
use crate::sadb::{KernelError, Reply, Request, Wanted};

/// A system's kernel, open for an operator.
#[derive(Debug)]
pub struct Operator {
    runtime: Runtime,
    task: KernelTask,
    clock: Clock,
}

impl Operator {
    /// Opens the system's kernel.
    ///
    /// # Errors
    /// There is none to talk to.
    pub fn open(options: &KernelOptions) -> Result<Self, String> {
        let runtime = runtime()?;
        let clock = Clock::start();
        let kernel = runtime.block_on(async {
            let Some(kernel) = options.system().await else {
                return Err(
                    "this system's kernel has no IPsec that can be used, and no daemon with the embedded stack answers: \
                     start it, or say with --control where it listens"
                        .to_owned(),
                );
            };
            system::open_for_tools(&kernel, Box::new(move || clock.now())).await
        })?;
        Ok(Self { runtime, task: KernelTask::new(kernel, None), clock })
    }

    /// Asks for one thing and waits for the answer.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn ask(&mut self, request: Request) -> Result<Reply, KernelError> {
        self.runtime.block_on(self.task.ask(self.clock, request))
    }
}

/// How what is overheard is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Watch {
    /// With all octets.
    pub hex: bool,
    /// With the time since 1970 instead of the time of day.
    pub since_1970: bool,
}

/// Writes every message that passes between the kernel and those who speak PF_KEY with it, until nobody reads any more.
///
/// # Errors
/// The kernel does not speak PF_KEY, or cannot be listened to.
pub fn watch(options: &KernelOptions, how: Watch, out: &mut dyn Write) -> Result<(), String> {
    let runtime = runtime()?;
    let kernel = runtime.block_on(options.system());
    let Some(config) = kernel.as_ref().and_then(system::keysock_config_of) else {
        return Err(
            "there are no messages of PF_KEY here: --kernel pfkey names a kernel that has some".to_owned()
        );
    };
    let written = |heard: Overheard<'_>| match out
        .write_all(overheard(&heard, how).as_bytes())
        .and_then(|()| out.flush())
    {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    };
    runtime.block_on(monitor(config, written)).map_err(|error| error.to_string())
}

fn overheard(heard: &Overheard<'_>, how: Watch) -> String {
    let now = clock::since_epoch();
    let micros = now.subsec_micros();
    let time = if how.since_1970 {
        format!("{}.{micros:06}", now.as_secs())
    } else {
        let local =
            i64::try_from(now.as_secs()).unwrap_or(0).saturating_add(utc_offset(now.as_secs()).into());
        let of_day = local.rem_euclid(86_400);
        format!("{:02}:{:02}:{:02}.{micros:06}", of_day / 3600, of_day / 60 % 60, of_day % 60)
    };
    let hex = if how.hex { hex_lines(heard.octets) } else { String::new() };
    match &heard.message {
        Ok(message) => format!("{time} \n{hex}{message}\n\n"),
        Err(error) => format!("{time} \n{hex}a message that cannot be read: {error}\n\n"),
    }
}

/// Sixteen octets a line, behind the place of the first.
fn hex_lines(octets: &[u8]) -> String {
    let line = |(at, line): (usize, &[u8])| {
        let octets: String = line.iter().map(|octet| format!("{octet:02x} ")).collect();
        format!("{:08x}: {octets}\n", at * 16)
    };
    octets.chunks(16).enumerate().map(line).collect()
}

fn runtime() -> Result<Runtime, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| error.to_string())
}

/// The request that a step of a setkey file is.
pub fn request(step: Step) -> Request {
    match step {
        Step::Add(sa) => Request::AddSa(sa),
        Step::Get(names) => Request::Show(Wanted::Named(names)),
        Step::Delete(names) => Request::DropSas(names),
        Step::FlushSad(kind) => Request::FlushSad(kind),
        Step::DumpSad(kind) => Request::Show(Wanted::Sas(kind)),
        Step::Load { policy, replaces } => Request::LoadPolicy { policy, replaces },
        Step::Remove(policy) => Request::DropPolicy(policy),
        Step::FlushSpd => Request::FlushSpd,
        Step::DumpSpd => Request::Show(Wanted::Policies),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_stand_sixteen_in_a_line() {
        let octets: Vec<u8> = (0..18).collect();
        let first = "00000000: 00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f \n";
        assert_eq!(hex_lines(&octets), format!("{first}00000010: 10 11 \n"));
    }
}
