//! The verbs that ask the running daemon.

use std::path::Path;
use std::process::ExitCode;

use clap::ValueEnum;

use super::{fail, print};
use crate::daemon::control::{Request, Response, ask};
use crate::daemon::status::Report;

pub(super) fn status(control: &Path, is_verbose: bool, format: Format) -> ExitCode {
    match report(is_verbose, |request| ask(control, request)) {
        Ok(Ok(report)) => {
            print(&format.text(&report));
            ExitCode::SUCCESS
        }
        other => rest("coati status", other.map(|report| report.err().unwrap_or(Response::Done))),
    }
}

/// The status, with the timers where that is wanted; or what the daemon answers instead.
pub(super) fn report<E>(
    is_verbose: bool,
    ask: impl Fn(&Request) -> Result<Response, E>,
) -> Result<Result<Box<Report>, Response>, E> {
    let mut report = match ask(&Request::Status)? {
        Response::Status { report } => report,
        other => return Ok(Err(other)),
    };
    if is_verbose {
        match ask(&Request::Schedule)? {
            Response::Schedule { timers } => report.timers = timers,
            other => return Ok(Err(other)),
        }
    }
    Ok(Ok(report))
}

/// How the status is printed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
pub(super) enum Format {
    /// For people
    Text,
    /// For programs: docs/status.md says what is in it
    Json,
}

impl Format {
    /// The report, with its last end of line.
    pub(super) fn text(self, report: &Report) -> String {
        match self {
            Self::Text => report.to_string(),
            Self::Json => serde_json::to_string_pretty(report).expect("plain data has a text") + "\n",
        }
    }
}

pub(super) fn connect(control: &Path, name: String) -> ExitCode {
    rest("coati connect", ask(control, &Request::Connect { name }))
}

pub(super) fn disconnect(control: &Path, name: String) -> ExitCode {
    rest("coati disconnect", ask(control, &Request::Disconnect { name }))
}

pub(super) fn reload(control: &Path) -> ExitCode {
    rest("coati reload", ask(control, &Request::Reload))
}

pub(super) fn shutdown(control: &Path) -> ExitCode {
    rest("coati shutdown", ask(control, &Request::Shutdown))
}

/// What a response means for the exit status.
pub(super) fn rest<E: std::fmt::Display>(who: &str, response: Result<Response, E>) -> ExitCode {
    match response {
        Ok(Response::Done) => ExitCode::SUCCESS,
        Ok(Response::Text { text }) => {
            print(&text);
            ExitCode::SUCCESS
        }
        Ok(Response::Error { message }) => fail(who, message),
        Ok(_) => fail(who, "the daemon answered something else"),
        Err(error) => fail(who, error),
    }
}
