//! The command line of setkey, of FreeBSD's own and of ipsec-tools'.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Parser, ValueEnum};

use crate::cli::args::KernelArguments;
use crate::daemon::kernel_choice::KernelOptions;
use crate::kernel::dump::setkey::Flavour;
use crate::kernel::keysock;
use crate::kernel::pfkey::Dialect;
use crate::kernel::system::SystemKernel;

const USAGE: &str = "\
usage: setkey [-v] file ...
       setkey [-nv] -c
       setkey [-nv] -f filename
       setkey [-Paglptv] -D
       setkey [-Pv] -F
       setkey [-H] -x
       setkey [-V] [-h]
with any of them: --control PATH, --kernel auto|embedded|xfrm|pfkey, --style freebsd|ipsec-tools
";

/// Manipulate SAs and policies, in the words of setkey(8).
#[derive(Parser, Debug)]
#[command(name = "setkey", disable_version_flag = true, disable_help_flag = true)]
#[expect(clippy::struct_excessive_bools, reason = "a flag is a letter of setkey's")]
struct Arguments {
    #[arg(short = 'D')]
    dump: bool,
    #[arg(short = 'F')]
    flush: bool,
    #[arg(short = 'c')]
    standard_input: bool,
    #[arg(short = 'f', value_name = "FILE")]
    files: Vec<PathBuf>,
    #[arg(short = 'x', action = ArgAction::Count)]
    watch: u8,
    #[arg(short = 'P')]
    policies: bool,
    #[arg(short = 'a')]
    dead: bool,
    #[arg(short = 'l')]
    forever: bool,
    #[arg(short = 'p')]
    ports: bool,
    #[arg(short = 'g', conflicts_with = "of_interfaces")]
    global: bool,
    #[arg(short = 't')]
    of_interfaces: bool,
    #[arg(short = 'n')]
    only_check: bool,
    #[arg(short = 'v', action = ArgAction::Count)]
    verbose: u8,
    #[arg(short = 'H')]
    hex: bool,
    #[arg(short = 'h', long = "help", action = ArgAction::Count)]
    help: u8,
    #[arg(short = 'k')]
    kernel_semantics: bool,
    #[arg(short = 'r')]
    rfc_semantics: bool,
    #[arg(short = 'V')]
    version: bool,
    #[arg(long, value_name = "PATH")]
    control: Option<PathBuf>,
    /// Whose words dumps are in; by default those of this system's setkey
    #[arg(long, value_enum)]
    style: Option<Style>,
    #[command(flatten)]
    kernel: KernelArguments,
    #[arg(value_name = "FILE")]
    more_files: Vec<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
enum Style {
    Freebsd,
    IpsecTools,
}

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Mode {
    /// The commands in these files, one after the other.
    Script(Vec<PathBuf>),
    /// Those on standard input.
    StandardInput,
    /// `-D`.
    Dump,
    /// `-F`.
    Flush,
    /// `-x`; twice has another form of the time.
    Watch { since_1970: bool },
}

/// Everything that is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "a flag is a letter of setkey's")]
pub(super) struct Wish {
    pub(super) mode: Mode,
    pub(super) policies: bool,
    pub(super) dead: bool,
    pub(super) forever: bool,
    pub(super) ports: bool,
    /// Only policies of this scope, as FreeBSD numbers them.
    pub(super) scope: Option<u8>,
    pub(super) only_check: bool,
    pub(super) is_verbose: bool,
    pub(super) hex: bool,
    /// `None` where nobody has said.
    pub(super) control: Option<PathBuf>,
    pub(super) kernel: KernelOptions,
    pub(super) flavour: Flavour,
}

/// What comes of a command line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Task {
    Do(Box<Wish>),
    Print(String),
}

/// Reads the command line.
///
/// # Errors
/// It is none.
pub(super) fn read(arguments: &[OsString]) -> Result<Task, String> {
    let name = OsString::from("setkey");
    let given = Arguments::try_parse_from(std::iter::once(&name).chain(arguments));
    let given = given
        .map_err(|error| format!("{}\n{USAGE}", error.to_string().lines().next().unwrap_or_default()))?;
    if given.version {
        return Ok(Task::Print(format!("setkey @(#) coati {}\n", env!("CARGO_PKG_VERSION"))));
    }
    // In FreeBSD's setkey the small letter is what the big one is elsewhere.
    let has_mode =
        given.dump || given.flush || given.standard_input || given.watch > 0 || !given.files.is_empty();
    if given.help > 0 && !has_mode {
        return Ok(Task::Print(USAGE.to_owned()));
    }
    let mode = mode(&given)?;
    let hex = given.hex || given.help > 0;
    if hex && !matches!(mode, Mode::Watch { .. }) {
        return Err("-H shows the octets of the messages that -x shows\n".to_owned() + USAGE);
    }
    let kernel = given.kernel.options()?;
    let flavour = flavour(given.style, &kernel);
    if given.kernel_semantics && flavour == Flavour::IpsecTools {
        eprintln!("setkey: policies `in` are for forwarded packets as well, also with -k");
    } else if (given.kernel_semantics || given.rfc_semantics) && flavour == Flavour::FreeBsd {
        eprintln!("warning: -r and -k options are not supported in this environment");
    }
    Ok(Task::Do(Box::new(Wish {
        mode,
        policies: given.policies,
        dead: given.dead,
        forever: given.forever,
        ports: given.ports,
        scope: match (given.global, given.of_interfaces) {
            (true, _) => Some(1),
            (_, true) => Some(2),
            _ => None,
        },
        only_check: given.only_check,
        is_verbose: given.verbose > 0,
        hex,
        control: given.control.or_else(|| std::env::var_os("COATI_CONTROL").map(PathBuf::from)),
        kernel,
        flavour,
    })))
}

fn mode(given: &Arguments) -> Result<Mode, String> {
    let files: Vec<_> = given.files.iter().chain(&given.more_files).cloned().collect();
    let modes = [
        given.dump.then_some(Mode::Dump),
        given.flush.then_some(Mode::Flush),
        given.standard_input.then_some(Mode::StandardInput),
        (given.watch > 0).then_some(Mode::Watch { since_1970: given.watch > 1 }),
        (!files.is_empty()).then_some(Mode::Script(files)),
    ];
    let mut asked = modes.into_iter().flatten();
    match (asked.next(), asked.next()) {
        (Some(mode), None) => Ok(mode),
        (Some(_), Some(_)) => Err(format!("only one of -c, -f, -D, -F and -x\n{USAGE}")),
        (None, _) => Err(USAGE.to_owned()),
    }
}

/// In whose words dumps are: as on the system whose kernel it is.
fn flavour(style: Option<Style>, kernel: &KernelOptions) -> Flavour {
    let dialect = match kernel {
        KernelOptions::System(SystemKernel::PfKey { dialect: Some(dialect), .. }) => *dialect,
        _ => keysock::system_dialect(),
    };
    match (style, dialect) {
        (Some(Style::Freebsd), _) => Flavour::FreeBsd,
        (Some(Style::IpsecTools), _) | (None, Dialect::Linux) => Flavour::IpsecTools,
        (None, Dialect::FreeBsd | Dialect::OpenBsd) => Flavour::FreeBsd,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(text: &str) -> Result<Wish, String> {
        let words: Vec<OsString> = text.split_whitespace().map(OsString::from).collect();
        match read(&words)? {
            Task::Do(wish) => Ok(*wish),
            Task::Print(text) => Err(text),
        }
    }

    #[test]
    fn letters_may_stand_together_or_apart() {
        for text in ["-DP", "-D -P", "-PD"] {
            let wish = wish(text).unwrap();
            assert_eq!((wish.mode, wish.policies), (Mode::Dump, true), "{text}");
        }
        assert_eq!(wish("-FP").map(|wish| (wish.mode, wish.policies)), Ok((Mode::Flush, true)));
        let wish = wish("-Dalpv --style freebsd").unwrap();
        assert!(wish.dead && wish.forever && wish.ports && wish.is_verbose && wish.scope.is_none());
        assert_eq!(wish.flavour, Flavour::FreeBsd);
    }

    #[test]
    fn scripts_come_from_files_or_from_standard_input() {
        let files = |text| wish(text).map(|wish| wish.mode);
        assert_eq!(files("-nf a"), Ok(Mode::Script(vec!["a".into()])));
        assert_eq!(files("-v a b"), Ok(Mode::Script(vec!["a".into(), "b".into()])));
        assert_eq!(files("-cn"), Ok(Mode::StandardInput));
        assert!(wish("-cn").is_ok_and(|wish| wish.only_check));
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        for text in ["", "-D -f x", "-DF", "-Z", "-f", "-DH", "-Dgt", "--kernel xfrm --pfkey unix:/x -D"] {
            assert!(wish(text).is_err(), "{text}");
        }
        assert!(wish("").is_err_and(|why| why.starts_with("usage: setkey [-v] file ...\n")));
        assert!(wish("-V").is_err_and(|text| text.starts_with("setkey @(#) coati ")));
        assert!(wish("-h").is_err_and(|text| text.starts_with("usage")));
    }

    #[test]
    fn messages_are_watched_with_their_octets_or_without() {
        let watch = |text| wish(text).map(|wish| (wish.mode, wish.hex));
        assert_eq!(watch("-x"), Ok((Mode::Watch { since_1970: false }, false)));
        assert_eq!(watch("-xxH"), Ok((Mode::Watch { since_1970: true }, true)));
        assert_eq!(watch("-hx"), Ok((Mode::Watch { since_1970: false }, true)));
    }
}
