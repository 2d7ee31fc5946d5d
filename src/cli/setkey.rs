//! `setkey`: loads SAs and policies into the kernel that this system has, or into the embedded stack of the running
//! daemon; empties both, and dumps them.

mod arguments;
mod script;
mod target;

use std::ffi::OsString;
use std::io::Read as _;
use std::process::ExitCode;
use std::time::Duration;

use self::arguments::{Mode, Task, Wish};
use self::target::Target;
use super::{fail, print};
use crate::conf::Environment as _;
use crate::conf::SystemEnvironment;
use crate::conf::setkey::Step;
use crate::daemon::control::Look;
use crate::daemon::network::HostNetwork;
use crate::daemon::operate;
use crate::kernel::dump::setkey::{Flavour, SHORT_HEADER};

/// How often a dump that goes on is made.
const AGAIN: Duration = Duration::from_secs(1);

pub(super) fn main(arguments: &[OsString]) -> ExitCode {
    let task = match arguments::read(arguments) {
        Ok(Task::Do(wish)) => run(&wish),
        Ok(Task::Print(text)) => {
            print(&text);
            return ExitCode::SUCCESS;
        }
        Err(why) => {
            eprintln!("{}", why.trim_end());
            return ExitCode::FAILURE;
        }
    };
    match task {
        Ok(code) => code,
        Err(why) => fail("setkey", why),
    }
}

fn run(wish: &Wish) -> Result<ExitCode, String> {
    match &wish.mode {
        Mode::Script(files) => {
            let mut code = ExitCode::SUCCESS;
            for file in files {
                let octets = SystemEnvironment::new(HostNetwork).read_file(file);
                let octets = octets.map_err(|e| format!("{}: cannot be read: {e}", file.display()))?;
                if script::run(&file.display().to_string(), &octets, wish)? != ExitCode::SUCCESS {
                    code = ExitCode::FAILURE;
                }
            }
            Ok(code)
        }
        Mode::StandardInput => {
            let mut octets = zeroize::Zeroizing::new(Vec::new());
            std::io::stdin().lock().read_to_end(&mut octets).map_err(|e| format!("standard input: {e}"))?;
            script::run("stdin", &octets, wish)
        }
        Mode::Flush => Ok(flush(wish, Target::find(wish.control.as_deref(), &wish.kernel)?)),
        Mode::Dump => dump(wish, Target::find(wish.control.as_deref(), &wish.kernel)?),
        Mode::Watch { since_1970 } => {
            let how = operate::Watch { hex: wish.hex, since_1970: *since_1970 };
            operate::watch(&wish.kernel, how, &mut std::io::stdout().lock())?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// What is shown, by the options.
fn look(wish: &Wish) -> Look {
    Look {
        tools: wish.flavour == Flavour::IpsecTools,
        dead: wish.dead,
        ports: wish.ports,
        short: wish.forever && !wish.policies,
        scope: wish.scope,
    }
}

fn flush(wish: &Wish, mut target: Target) -> ExitCode {
    let step = if wish.policies { Step::FlushSpd } else { Step::FlushSad(None) };
    if wish.is_verbose {
        script::tell(&step);
    }
    match target.carry_out(step, look(wish)) {
        Ok(_) => ExitCode::SUCCESS,
        Err(why) => {
            print(&format!("{why}.\n"));
            ExitCode::FAILURE
        }
    }
}

fn dump(wish: &Wish, mut target: Target) -> Result<ExitCode, String> {
    let step = || if wish.policies { Step::DumpSpd } else { Step::DumpSad(None) };
    if wish.is_verbose {
        script::tell(&step());
    }
    if !wish.forever {
        print(&target.carry_out(step(), look(wish))?);
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = SHORT_HEADER.to_owned();
    loop {
        text.push_str(&target.carry_out(step(), look(wish))?);
        if !print_while_read(&text) {
            return Ok(ExitCode::SUCCESS);
        }
        text.clear();
        std::thread::sleep(AGAIN);
    }
}

/// Whether anybody has read it.
fn print_while_read(text: &str) -> bool {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok()
}
