//! `coati run`.

use std::process::ExitCode;

use super::args::{LogFormat, Run};
use super::fail;
use crate::daemon::control::DEFAULT_PATH;
use crate::daemon::load::Front;
use crate::daemon::log::Level;
use crate::daemon::run::{Options, run};
use crate::daemon::service::Service;

pub(super) fn main(arguments: Run) -> ExitCode {
    match options(arguments).map(|options| run(&options)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => fail("coati", error),
        Err(why) => {
            fail("coati", why);
            ExitCode::from(2)
        }
    }
}

fn options(arguments: Run) -> Result<Options, String> {
    let Run {
        racoon, setkey, ipsec_conf, isakmpd_dir, control, kernel, tun, listen, port, natt_port, ..
    } = arguments;
    let LogFormat::Plain = arguments.log_format;
    let kernel = kernel.with_tun(tun)?;
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
    Ok(Options {
        front,
        control,
        default_control: DEFAULT_PATH,
        kernel,
        listen,
        port,
        natt_port,
        level,
        service: Service::default(),
    })
}
