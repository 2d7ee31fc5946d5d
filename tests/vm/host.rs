//! Outside: makes what is slow to make inside, boots the guest, and runs this program there.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use crate::Outcome;
use crate::pki::Pki;
use crate::process::run as run_command;
use crate::report::Filter;
use crate::{charon, guest};

/// Names the folder of the certificates to this program inside the guest.
pub(crate) const CERTIFICATES: &str = "COATI_VM_CERTIFICATES";

/// Seconds for everything.
const LIMIT: &str = "900";
/// MiB of the guest's memory.
const MEMORY: &str = "1536";

/// Boots the guest for the tests that the filter takes.
pub(crate) fn run(filter: &Filter) -> ExitCode {
    if !guest::names().iter().any(|name| filter.takes(name)) {
        println!("\ntest result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n");
        return ExitCode::SUCCESS;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/vm");
    if let Some(missing) = missing(&script) {
        println!("no kernel of our own can be booted: {missing}");
        let required = std::env::var_os("COATI_REQUIRE_PEERS").is_some();
        return if required { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    }
    match boot(&script) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            println!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// What is not there of what is needed.
fn missing(script: &Path) -> Option<String> {
    if !script.exists() {
        return Some(format!("there is no {}", script.display()));
    }
    for program in
        ["/usr/bin/qemu-system-x86_64", "/bin/busybox", "/usr/bin/cpio", "/usr/sbin/depmod", "/usr/sbin/nft"]
    {
        if !Path::new(program).exists() {
            return Some(format!("{program} is not installed; .ci/install does that"));
        }
    }
    if !charon::is_installed() {
        return Some("charon is not installed; .ci/install does that".into());
    }
    let user = run_command(Command::new("id").arg("-u")).unwrap_or_default();
    (user.trim() != "0").then(|| "it needs root".into())
}

/// Runs this program in the guest with the same arguments; true if all passed.
fn boot(script: &Path) -> Outcome<bool> {
    let folder = tempfile::Builder::new().prefix("coati-vm-").tempdir().map_err(|e| e.to_string())?;
    let pki = Pki::new(folder.path())?;
    pki.leaf("ca", "b", "b.test", "IP:10.99.0.2")?;
    let program: PathBuf = std::env::current_exe().map_err(|e| e.to_string())?;
    let mut command = Command::new(script);
    command
        .args(["-t", LIMIT, "-m", MEMORY, "-e"])
        .arg(format!("{CERTIFICATES}={}", folder.path().display()));
    command.args(["-e", "RUST_BACKTRACE=1"]).arg(program).args(std::env::args_os().skip(1));
    let status = command.stdin(Stdio::null()).status().map_err(|e| format!("{command:?}: {e}"))?;
    Ok(status.success())
}
