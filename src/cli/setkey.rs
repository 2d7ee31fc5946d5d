//! `setkey`: loads policies into the system's kernel and empties it, and dumps what the daemon or the kernel holds.

use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{ArgAction, Parser};

use super::args::KernelArguments;
use super::ask::rest;
use super::{fail, print};
use crate::conf::diagnostic::render;
use crate::conf::{Environment as _, SystemEnvironment, setkey};
use crate::daemon::control::{ClientError, DEFAULT_PATH, DumpForm, DumpWhat, Request as Ask, ask};
use crate::daemon::dump;
use crate::daemon::kernel_choice::KernelOptions;
use crate::daemon::network::HostNetwork;
use crate::daemon::operate::{carry_out, request};
use crate::sadb::{DumpKind, Reply, Request};

/// Manipulate the system's SAs and policies, in the words of setkey(8).
#[derive(Parser, Debug)]
#[command(name = "setkey", disable_version_flag = true)]
struct Arguments {
    /// Dump SAs; with -P policies
    #[arg(short = 'D')]
    dump: bool,
    /// Remove all SAs; with -P all policies
    #[arg(short = 'F')]
    flush: bool,
    /// Policies instead of SAs
    #[arg(short = 'P')]
    policies: bool,
    /// Carry out the commands on standard input
    #[arg(short = 'c', conflicts_with_all = ["dump", "flush", "file"])]
    standard_input: bool,
    /// Carry out the commands in this file
    #[arg(short = 'f', value_name = "FILE", conflicts_with_all = ["dump", "flush"])]
    file: Option<PathBuf>,
    /// Say more
    #[arg(short = 'v', action = ArgAction::Count)]
    verbose: u8,
    /// The daemon's control socket, for dumps
    #[arg(long, value_name = "PATH", default_value = DEFAULT_PATH)]
    control: PathBuf,
    #[command(flatten)]
    kernel: KernelArguments,
}

pub(super) fn main(arguments: &[OsString]) -> ExitCode {
    let name = OsString::from("setkey");
    let arguments = match Arguments::try_parse_from(std::iter::once(&name).chain(arguments)) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Where nobody listens, nobody misses it.
            let _ = error.print();
            return if error.kind() == ErrorKind::DisplayHelp {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            };
        }
    };
    match run(arguments) {
        Ok(code) => code,
        Err(why) => fail("setkey", why),
    }
}

fn run(arguments: Arguments) -> Result<ExitCode, String> {
    let Arguments { dump, flush, policies, standard_input, file, verbose, control, kernel } = arguments;
    let kernel = kernel.options()?;
    match (dump, flush, file) {
        (true, false, _) => show(&control, &kernel, policies),
        (false, true, _) => {
            let request = if policies { Request::FlushSpd } else { Request::FlushSad(None) };
            Ok(report(carry_out(&kernel, vec![request])?, &["flush".to_owned()]))
        }
        (false, false, Some(path)) => {
            let env = SystemEnvironment::new(HostNetwork);
            let octets =
                env.read_file(&path).map_err(|e| format!("{}: cannot be read: {e}", path.display()))?;
            load(&path.display().to_string(), &octets, &kernel, verbose)
        }
        (false, false, None) if standard_input => {
            let mut octets = Vec::new();
            std::io::stdin().lock().read_to_end(&mut octets).map_err(|e| format!("standard input: {e}"))?;
            load("stdin", &octets, &kernel, verbose)
        }
        _ => Err("usage: setkey -f FILE | -c | -D [-P] | -F [-P]".to_owned()),
    }
}

/// Carries out what the file says. A file with an error changes nothing.
fn load(name: &str, octets: &[u8], kernel: &KernelOptions, verbose: u8) -> Result<ExitCode, String> {
    let env = SystemEnvironment::new(HostNetwork);
    let text = String::from_utf8_lossy(octets);
    let (config, found) = setkey::load(name, &text, &env);
    let Some(config) = config else {
        return Err(format!("nothing is changed:\n{}", render(&found).trim_end()));
    };
    let (steps, found) = setkey::steps(&config, &env);
    let Some(steps) = steps else {
        return Err(format!("nothing is changed:\n{}", render(&found).trim_end()));
    };
    if !found.is_empty() {
        eprint!("{}", render(&found));
    }
    let names: Vec<_> = steps.iter().map(describe).collect();
    if verbose > 0 {
        names.iter().for_each(|name| println!("{name}"));
    }
    let requests = steps.into_iter().map(request).collect();
    Ok(report(carry_out(kernel, requests)?, &names))
}

fn describe(step: &setkey::Step) -> String {
    match step {
        setkey::Step::FlushSad(None) => "flush".to_owned(),
        setkey::Step::FlushSad(Some(protocol)) => format!("flush {protocol}"),
        setkey::Step::FlushSpd => "spdflush".to_owned(),
        setkey::Step::Install(policy) => {
            format!("spdadd {} {}", policy.selector, policy.direction)
        }
        setkey::Step::Remove(policy) => {
            format!("spddelete {} {}", policy.selector, policy.direction)
        }
    }
}

/// Says what has failed.
fn report<E: std::fmt::Display>(answers: Vec<Result<Reply, E>>, names: &[String]) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for (answer, name) in answers.into_iter().zip(names) {
        if let Err(why) = answer {
            code = fail("setkey", format!("{name}: {why}"));
        }
    }
    code
}

/// From the daemon, which also knows what the embedded stack holds; where none runs, from the system's kernel.
fn show(control: &Path, kernel: &KernelOptions, policies: bool) -> Result<ExitCode, String> {
    let what = if policies { DumpWhat::Spd } else { DumpWhat::Sad };
    if !matches!(kernel, KernelOptions::System(_)) {
        let answer = ask(control, &Ask::Dump { what, form: DumpForm::Setkey, keys: true });
        if !matches!(answer, Err(ClientError::NotRunning(..))) || control != Path::new(DEFAULT_PATH) {
            return Ok(rest("setkey", answer));
        }
    }
    let kind = if policies { DumpKind::Spd } else { DumpKind::Sad };
    let answer = carry_out(kernel, vec![Request::Dump(kind)])?.pop();
    match answer {
        Some(Ok(Reply::Sad(entries))) => print(&dump::setkey(Some(&entries), None)),
        Some(Ok(Reply::Spd(entries))) => print(&dump::setkey(None, Some(&entries))),
        Some(Err(why)) => return Err(why.to_string()),
        _ => return Err("the kernel answered something else".to_owned()),
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(std::iter::once("setkey").chain(text.split_whitespace()))
    }

    #[test]
    fn letters_may_stand_together_or_apart() {
        for text in ["-DP", "-D -P", "-PD"] {
            let arguments = parse(text).unwrap();
            assert!(arguments.dump && arguments.policies && !arguments.flush, "{text}");
        }
        assert_eq!(parse("--control /tmp/x -D").unwrap().control, PathBuf::from("/tmp/x"));
        assert!(parse("-D -f x").is_err());
        assert!(parse("-Z").is_err());
        assert!(run(parse("").unwrap()).is_err_and(|e| e.starts_with("usage")));
    }
}
