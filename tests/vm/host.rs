//! Outside: makes what is slow to make inside, boots the guest, and runs this program there.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use crate::Outcome;
use crate::pki::Pki;
use crate::process::run as run_command;
use crate::report::{Filter, Report};
use crate::{charon, guest, table};

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
    let report = Report::default();
    let seen = boot(&script, &report).unwrap_or_else(|why| {
        println!("{why}");
        Vec::new()
    });
    for name in guest::names().into_iter().filter(|name| filter.takes(name) && !seen.contains(name)) {
        report.add(&name, Err("the guest has ended without a result of it".into()));
    }
    if filter.is_open() {
        report.add("docs_kernels_md_says_the_same", table::write_or_compare(&report.passed()));
    }
    if report.close() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
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

/// Runs this program in the guest with the same arguments, prints what it prints, and notes its results. Gives their names.
fn boot(script: &Path, report: &Report) -> Outcome<Vec<String>> {
    let folder = tempfile::Builder::new().prefix("coati-vm-").tempdir().map_err(|e| e.to_string())?;
    let pki = Pki::new(folder.path())?;
    pki.leaf("ca", "b", "b.test", "IP:10.99.0.2")?;
    let program: PathBuf = std::env::current_exe().map_err(|e| e.to_string())?;
    let mut command = Command::new(script);
    command
        .args(["-t", LIMIT, "-m", MEMORY, "-e"])
        .arg(format!("{CERTIFICATES}={}", folder.path().display()));
    command.args(["-e", "RUST_BACKTRACE=1"]).arg(program).args(std::env::args_os().skip(1));
    let say = |e: std::io::Error| format!("{}: {e}", script.display());
    let mut guest = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(say)?;
    let said = guest.stdout.take().expect("stdout is piped");
    let mut seen = Vec::new();
    for line in BufReader::new(said).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        let result = line.strip_prefix("test ").and_then(|line| line.split_once(" ... "));
        if let Some((name, word @ ("ok" | "FAILED"))) = result {
            report.note(name, word == "ok");
            seen.push(name.to_owned());
        }
    }
    guest.wait().map_err(say)?;
    Ok(seen)
}
