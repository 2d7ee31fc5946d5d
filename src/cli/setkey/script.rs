//! Commands out of a file or from standard input.

use std::process::ExitCode;

use super::arguments::Wish;
use super::look;
use super::target::Target;
use crate::cli::print;
use crate::conf::SystemEnvironment;
use crate::conf::diagnostic::{Diagnostic, render};
use crate::conf::racoon::print::Secrets;
use crate::conf::setkey::{self, NumberedStep, Step};
use crate::daemon::network::HostNetwork;

/// What setkey says of something that is not there. It is not told by the exit status.
const NO_ENTRY: &str = "No entry";

/// Carries out what the text says. A text with an error changes nothing.
///
/// # Errors
/// There is nobody who could.
pub(super) fn run(name: &str, octets: &[u8], wish: &Wish) -> Result<ExitCode, String> {
    let text = zeroize::Zeroizing::new(String::from_utf8_lossy(octets).into_owned());
    let Some(steps) = read(name, &text) else { return Ok(ExitCode::FAILURE) };
    if wish.only_check {
        if wish.is_verbose {
            steps.iter().for_each(|NumberedStep { step, .. }| tell(step));
        }
        return Ok(ExitCode::SUCCESS);
    }
    if steps.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let mut target = Target::find(wish.control.as_deref(), &wish.kernel)?;
    let mut code = ExitCode::SUCCESS;
    for NumberedStep { line, step } in steps {
        if wish.is_verbose {
            tell(&step);
        }
        match target.carry_out(step, look(wish)) {
            Ok(shown) => print(&shown),
            Err(why) => {
                print(&format!("The result of line {line}: {why}.\n"));
                if why != NO_ENTRY {
                    code = ExitCode::FAILURE;
                }
            }
        }
    }
    Ok(code)
}

/// Says what is about to be done.
pub(super) fn tell(step: &Step) {
    print(&(step.say(Secrets::Redacted) + ";\n"));
}

/// The steps; where there is an error it has been told.
fn read(name: &str, text: &str) -> Option<Vec<NumberedStep>> {
    let env = SystemEnvironment::new(HostNetwork);
    let (config, mut found) = setkey::load(name, text, &env);
    let (steps, more) = config.map_or((None, Vec::new()), |config| setkey::steps(&config, &env));
    found.extend(more);
    if steps.is_none() {
        eprint!("{}", refusal(&found));
        eprintln!("setkey: nothing is changed");
    } else if !found.is_empty() {
        eprint!("{}", render(&found));
    }
    steps
}

/// `line N: MESSAGE at [TOKEN]` and `parse failed, line N.` as setkey says it, for the first error, where it stops;
/// then every error with its place and what to do.
fn refusal(found: &[Diagnostic]) -> String {
    let first = found.iter().find(|finding| finding.is_error());
    let line = first.and_then(|error| error.span.as_ref().map(|span| (error, span)));
    let said = line.map_or_else(String::new, |(error, span)| {
        let line = span.position().line;
        let token = span.shown_word();
        format!("line {line}: {} at [{token}]\nparse failed, line {line}.\n", error.message)
    });
    said + &render(found)
}
