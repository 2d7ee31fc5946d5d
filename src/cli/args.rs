//! The command line of `coati`.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use super::ask::Format;
use crate::daemon::control::DEFAULT_PATH;
use crate::daemon::kernel_choice::KernelOptions;
use crate::kernel::pfkey::Dialect;
use crate::kernel::system::SystemKernel;

/// An IKEv1 keying daemon that reads racoon's and OpenBSD's files.
#[derive(Parser, Debug)]
#[command(name = "coati", version, about, max_term_width = 100)]
pub(super) struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub(super) verb: Verb,
}

#[derive(Subcommand, Debug)]
pub(super) enum Verb {
    /// Run as a gateway, in the foreground
    Run(Run),
    /// Check configuration files and say what is wrong, with file, line and column
    Check(Check),
    /// Show ISAKMP SAs, IPsec SAs and the last failures of the running daemon
    Status {
        /// As JSON, like -f json
        #[arg(long)]
        json: bool,
        /// For people or for programs
        #[arg(short = 'f', long, value_enum, default_value_t = Format::Text)]
        format: Format,
        /// Show timers too
        #[arg(short = 'v', long)]
        verbose: bool,
        #[command(flatten)]
        socket: Socket,
    },
    /// Negotiate a connection now
    Connect {
        /// Its name, as `coati status` and the log show it
        name: String,
        #[command(flatten)]
        socket: Socket,
    },
    /// Delete the SAs of a connection
    Disconnect {
        /// Its name
        name: String,
        #[command(flatten)]
        socket: Socket,
    },
    /// Read the configuration again; where it is wrong the old one stays
    Reload(Socket),
    /// Delete all SAs and end the daemon
    Shutdown(Socket),
    /// Show two gateways, a tunnel and a ping through it, on this machine
    Demo(Demo),
    /// Load policies into the system's kernel, empty it, dump it, as setkey does
    #[command(disable_help_flag = true)]
    Setkey {
        /// -f FILE, -c, -D, -DP, -F, -FP
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Show flows and SAs of the running daemon (-sa), as ipsecctl does
    #[command(disable_help_flag = true)]
    Ipsecctl {
        /// -sa, -sf, -ss
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Run with racoon's own command line: -F, -f FILE, -d ...
    #[command(disable_help_flag = true)]
    Racoon {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Ask and command the running daemon in racoon's words, as racoonctl does
    #[command(disable_help_flag = true)]
    Racoonctl {
        /// [-dl] [-s SOCKET] COMMAND ...
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// isakmpd's own command line (not built yet)
    #[command(disable_help_flag = true, hide = true)]
    Isakmpd {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

/// Which daemon.
#[derive(Args, Debug)]
pub(super) struct Socket {
    /// The daemon's control socket
    #[arg(long, value_name = "PATH", default_value = DEFAULT_PATH)]
    pub(super) control: PathBuf,
}

#[derive(Args, Debug)]
pub(super) struct Run {
    /// Run with this racoon.conf
    #[arg(long, value_name = "FILE", required_unless_present = "ipsec_conf", conflicts_with = "ipsec_conf")]
    pub(super) racoon: Option<PathBuf>,
    /// Load these policies, written for setkey
    #[arg(long, value_name = "FILE", requires = "racoon")]
    pub(super) setkey: Option<PathBuf>,
    /// Run with this OpenBSD ipsec.conf
    #[arg(long, value_name = "FILE")]
    pub(super) ipsec_conf: Option<PathBuf>,
    /// Where ca, certs and private are
    #[arg(long, value_name = "DIR", default_value = "/etc/isakmpd")]
    pub(super) isakmpd_dir: PathBuf,
    /// The control socket [default: what racoon.conf says, else /var/run/coati.sock]
    #[arg(long, value_name = "PATH")]
    pub(super) control: Option<PathBuf>,
    #[command(flatten)]
    pub(super) kernel: KernelArguments,
    /// Use the embedded stack, with a TUN device of this name [default: chosen by the system]
    #[arg(long, value_name = "NAME", conflicts_with = "pfkey")]
    pub(super) tun: Option<String>,
    /// Listen on this address; may be repeated [default: what the files say, else all]
    #[arg(long, value_name = "ADDR")]
    pub(super) listen: Vec<IpAddr>,
    /// ISAKMP port
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub(super) port: u16,
    /// NAT-T port; 0 turns NAT traversal off
    #[arg(long, value_name = "N", default_value_t = 4500)]
    pub(super) natt_port: u16,
    /// Log more; twice logs everything
    #[arg(short = 'd', long = "debug", action = ArgAction::Count)]
    pub(super) debug: u8,
    /// How log lines look
    #[arg(long, value_enum, default_value_t = LogFormat::Plain)]
    pub(super) log_format: LogFormat,
}

/// Which kernel holds the SAs and policies.
#[derive(Args, Debug)]
pub(super) struct KernelArguments {
    /// Where SAs go
    #[arg(long, value_enum, default_value_t = KernelName::Auto)]
    pub(super) kernel: KernelName,
    /// Speak PF_KEY with the kernel behind this socket (SOCK_SEQPACKET) instead of the system's own
    #[arg(long, value_name = "unix:PATH", value_parser = unix_path)]
    pub(super) pfkey: Option<PathBuf>,
    /// How the kernel speaks PF_KEY [default: as this system does]
    #[arg(long, value_enum, value_name = "SYSTEM")]
    pub(super) pfkey_dialect: Option<DialectName>,
}

impl KernelArguments {
    /// What they mean together with `--tun`.
    pub(super) fn with_tun(self, tun: Option<String>) -> Result<KernelOptions, String> {
        match tun {
            None => self.options(),
            Some(_) if matches!(self.kernel, KernelName::Auto | KernelName::Embedded) => {
                Ok(KernelOptions::Embedded { tun })
            }
            Some(_) => Err("--tun is for the embedded stack, which --kernel excludes".to_owned()),
        }
    }

    /// What they mean together.
    pub(super) fn options(self) -> Result<KernelOptions, String> {
        let dialect = self.pfkey_dialect.map(DialectName::dialect);
        let is_pfkey = self.pfkey.is_some() || dialect.is_some();
        match self.kernel {
            KernelName::Auto if !is_pfkey => Ok(KernelOptions::Auto),
            KernelName::Auto | KernelName::Pfkey => {
                Ok(KernelOptions::System(SystemKernel::PfKey { socket: self.pfkey, dialect }))
            }
            _ if is_pfkey => Err("--pfkey and --pfkey-dialect are for --kernel pfkey".to_owned()),
            KernelName::Embedded => Ok(KernelOptions::Embedded { tun: None }),
            KernelName::Xfrm => Ok(KernelOptions::System(SystemKernel::Xfrm)),
        }
    }
}

/// Where SAs go.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
pub(super) enum KernelName {
    /// The system's kernel where it can do IPsec, else the embedded stack
    Auto,
    /// The embedded stack
    Embedded,
    /// Linux, by XFRM netlink
    Xfrm,
    /// PF_KEY: FreeBSD, OpenBSD, or Linux with af_key
    Pfkey,
}

/// Whose PF_KEY.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
pub(super) enum DialectName {
    /// FreeBSD, and NetBSD's relatives of it
    Freebsd,
    /// OpenBSD
    Openbsd,
    /// Linux
    Linux,
}

impl DialectName {
    const fn dialect(self) -> Dialect {
        match self {
            Self::Freebsd => Dialect::FreeBsd,
            Self::Openbsd => Dialect::OpenBsd,
            Self::Linux => Dialect::Linux,
        }
    }
}

fn unix_path(text: &str) -> Result<PathBuf, String> {
    match text.strip_prefix("unix:") {
        Some(path) if !path.is_empty() => Ok(path.into()),
        _ => Err("expected unix:PATH".to_owned()),
    }
}

/// How log lines look.
#[derive(Clone, Copy, ValueEnum, Debug)]
pub(super) enum LogFormat {
    /// As the daemon that the files are written for
    Plain,
}

#[derive(Args, Debug)]
pub(super) struct Check {
    /// The dialect of the files [default: told by each file's name]
    #[arg(long = "as", value_name = "DIALECT")]
    pub(super) dialect: Option<String>,
    /// Do not open what a file names: certificates, keys, scripts, interfaces, host names
    #[arg(long)]
    pub(super) no_files: bool,
    /// The files
    #[arg(required = true)]
    pub(super) files: Vec<PathBuf>,
}

#[derive(Args, Debug)]
pub(super) struct Demo {
    /// Leave both gateways running and say how to look at them and how to remove them
    #[arg(long)]
    pub(super) keep: bool,
    /// Stay in one process, without network namespaces, also as root
    #[arg(long)]
    pub(super) in_process: bool,
    /// Only send echo requests, from the first address to the second
    #[arg(long, hide = true, num_args = 2)]
    pub(super) echo: Vec<IpAddr>,
}
