//! Two hosts on this machine: network namespaces joined by a cable (veth). They have no names and vanish with the
//! thread that made them.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::process::Command;

use nix::sched::{CloneFlags, setns, unshare};

/// Which host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    Ours,
    Theirs,
}

/// The two hosts, as the thread sees them that made them.
pub(crate) struct Hosts {
    ours: File,
    theirs: File,
}

/// Runs a test on a thread that may leave this machine's network for one of its own. What it lacks for that (root, a
/// program, a kernel with IPsec) is a failure with `COATI_REQUIRE_PEERS=1`, and otherwise a reason to leave the test
/// out.
pub(crate) fn with_hosts(test: impl FnOnce(&Hosts) + Send + 'static) {
    let run = || {
        let hosts = Hosts::new()?;
        test(&hosts);
        Ok::<(), String>(())
    };
    let ended = std::thread::spawn(run).join();
    let made = ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    if let Err(missing) = made {
        assert!(std::env::var_os("COATI_REQUIRE_PEERS").is_none(), "{missing}");
        // The macro's output is kept from the operator when a test passes.
        let told = writeln!(std::io::stderr(), "left out: {missing}");
        told.expect("standard error is there");
    }
}

impl Hosts {
    /// The address of a host.
    pub(crate) fn address(side: Side, is_v4: bool) -> &'static str {
        match (side, is_v4) {
            (Side::Ours, true) => "10.77.0.1",
            (Side::Theirs, true) => "10.77.0.2",
            (Side::Ours, false) => "fd77::1",
            (Side::Theirs, false) => "fd77::2",
        }
    }

    fn new() -> Result<Self, String> {
        let theirs = new_namespace()?;
        let ours = new_namespace()?;
        let hosts = Self { ours, theirs };
        let (process, far) = (std::process::id(), hosts.theirs.as_raw_fd());
        ip(&format!("link add wire type veth peer name wire netns /proc/{process}/fd/{far}"))?;
        for side in [Side::Theirs, Side::Ours] {
            hosts.enter(side);
            ip("link set wire up")?;
            ip(&format!("addr add {}/24 dev wire", Self::address(side, true)))?;
            // Used at once: nobody else can have it.
            ip(&format!("addr add {}/64 dev wire nodad", Self::address(side, false)))?;
        }
        ip("xfrm policy flush")?;
        Ok(hosts)
    }

    /// Goes to that host: sockets and programs of this thread begin there from now on.
    pub(crate) fn enter(&self, side: Side) {
        let namespace = if side == Side::Ours { &self.ours } else { &self.theirs };
        setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
    }
}

/// Where the thread is from now on.
fn new_namespace() -> Result<File, String> {
    unshare(CloneFlags::CLONE_NEWNET).map_err(|error| format!("a network namespace: {error}"))?;
    File::open("/proc/thread-self/ns/net").map_err(|error| format!("the network namespace: {error}"))
}

/// Runs ip(8) on the host where the thread is.
pub(crate) fn ip(arguments: &str) -> Result<(), String> {
    let done = Command::new("ip").args(arguments.split(' ')).output();
    let output = done.map_err(|error| format!("ip: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("ip {arguments}: {said}")) }
}
