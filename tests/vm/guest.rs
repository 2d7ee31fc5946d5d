//! Inside: the kernel's modules, and the scenarios, some at a time.

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Mutex;

use crate::Outcome;
use crate::coati::Backend;
use crate::pki::Pki;
use crate::process::run as run_command;
use crate::report::{Filter, Report};
use crate::scenarios::{SCENARIOS, Scenario};
use crate::scene::Scene;

/// What Linux has for IPsec, and what the hosts are made of.
const MODULES: &str = "esp4 esp6 ah4 ah6 ipcomp ipcomp6 xfrm_user af_key tunnel4 tunnel6 xfrm4_tunnel xfrm6_tunnel \
    authenc authencesn echainiv seqiv cbc ctr gcm ccm hmac cmac md5 sha1_generic sha256_generic sha512_generic rmd160 \
    ghash_generic aes_generic blowfish_generic des_generic cast5_generic camellia_generic chacha20poly1305 drbg \
    jitterentropy_rng ansi_cprng deflate veth nf_tables nft_objref nft_chain_nat nft_masq tun";

/// The kernel asks this program for modules.
const MODPROBE: &str = "/proc/sys/kernel/modprobe";

/// Scenarios that are played at the same time. Most of them wait most of the time.
const AT_ONCE: usize = 6;

/// The interfaces.
pub(crate) const BACKENDS: [Backend; 2] = [Backend::Xfrm, Backend::AfKey];

/// The tests of tests/kernel that need a kernel with ESP.
const KERNEL_TESTS: &str = "tests_of_the_kernel_module";

/// One scenario over one interface.
struct Case {
    name: String,
    backend: Backend,
    scenario: &'static Scenario,
}

/// Every scenario over every interface that it is for.
fn cases() -> Vec<Case> {
    let mut all: Vec<Case> = Vec::new();
    for scenario in &SCENARIOS {
        for backend in BACKENDS {
            if let Some(name) = scenario.name_over(backend) {
                all.push(Case { name, backend, scenario });
            }
        }
    }
    all
}

/// The names of all tests.
pub(crate) fn names() -> Vec<String> {
    let kernel = [KERNEL_TESTS.to_owned()];
    kernel.into_iter().chain(cases().into_iter().map(|case| case.name)).collect()
}

/// Plays what the filter takes. The results are what it prints.
pub(crate) fn run(filter: &Filter, certificates: PathBuf) -> ExitCode {
    load_modules();
    let report = Report::default();
    let pki = Pki { dir: certificates };
    let chosen: Vec<Case> = cases().into_iter().filter(|case| filter.takes(&case.name)).collect();
    let queue = Mutex::new(chosen.iter());
    std::thread::scope(|scope| {
        if filter.takes(KERNEL_TESTS) {
            scope.spawn(|| report.add(KERNEL_TESTS, kernel_tests()));
        }
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(case) = queue.lock().expect("nobody panics with it").next() else { return };
                    report.add(&case.name, play(case, &pki));
                }
            });
        }
    });
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
    println!("the guest has been up for {} s", uptime.split('.').next().unwrap_or_default());
    ExitCode::SUCCESS
}

/// Loads all that will be used. After that the kernel has nobody to ask for more: it would, for every algorithm that is
/// made of others, and each time it would take a second here.
fn load_modules() {
    // Which modules there are, and which are built in, differs from one kernel to the next.
    for module in MODULES.split_ascii_whitespace() {
        let _ = run_command(Command::new("modprobe").args(["-q", module]));
    }
    if let Err(why) = std::fs::write(MODPROBE, "\n") {
        println!("{MODPROBE}: {why}");
    }
}

fn play(case: &Case, pki: &Pki) -> Outcome<()> {
    let mut scene = Scene::new(case.backend, case.scenario.net, pki)?;
    let outcome = (case.scenario.act)(&mut scene).and_then(|()| scene.lab.demand_nothing_in_clear());
    outcome.map_err(|why| scene.explain(&why))
}

/// Runs the ignored tests of the binary of tests/kernel, which cargo has built beside this one.
fn kernel_tests() -> Outcome<()> {
    let ours = std::env::current_exe().map_err(|e| e.to_string())?;
    let folder = ours.parent().ok_or("this program is in no folder")?;
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| e.to_string())?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("kernel-") && !name.contains('.') {
            let changed = entry.metadata().and_then(|m| m.modified()).map_err(|e| e.to_string())?;
            found.push((changed, entry.path()));
        }
    }
    let (_, newest) = found.into_iter().max().ok_or("the tests of tests/kernel are not built")?;
    let said = run_command(Command::new(newest).args(["--ignored", "--test-threads", "2"]))?;
    if said.contains("test result: ok. 0 passed") {
        Err("none of its tests is ignored".into())
    } else {
        Ok(())
    }
}
