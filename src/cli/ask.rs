//! The verbs that ask the running daemon.

use std::path::Path;
use std::process::ExitCode;

use super::{fail, print};
use crate::daemon::control::{Request, Response, ask};

pub(super) fn status(control: &Path, json: bool) -> ExitCode {
    match ask(control, &Request::Status) {
        Ok(Response::Status { report }) if json => match serde_json::to_string_pretty(&report) {
            Ok(text) => {
                print(&(text + "\n"));
                ExitCode::SUCCESS
            }
            Err(error) => fail("coati status", error),
        },
        Ok(Response::Status { report }) => {
            print(&report.to_string());
            ExitCode::SUCCESS
        }
        other => rest("coati status", other),
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
