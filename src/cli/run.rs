//! `coati run`.

use std::process::ExitCode;

use super::args::{LogFormat, Run};
use super::fail;
use crate::daemon::load::Front;
use crate::daemon::log::Level;
use crate::daemon::run::{Options, run};

pub(super) fn main(arguments: Run) -> ExitCode {
    match run(&options(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail("coati", error),
    }
}

fn options(arguments: Run) -> Options {
    let Run { racoon, setkey, ipsec_conf, isakmpd_dir, socket, tun, listen, port, natt_port, .. } = arguments;
    let LogFormat::Plain = arguments.log_format;
    let front = match (racoon, ipsec_conf) {
        (_, Some(ipsec_conf)) => Front::OpenBsd { ipsec_conf, isakmpd_dir },
        (conf, None) => Front::Racoon { conf: conf.unwrap_or_default(), setkey },
    };
    let level = match arguments.debug {
        0 => Level::Info,
        1 => Level::Debug,
        _ => Level::Trace,
    };
    let natt_port = Some(natt_port).filter(|port| *port != 0);
    Options { front, control: socket.control, tun, listen, port, natt_port, level }
}
