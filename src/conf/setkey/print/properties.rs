//! Whatever a setkey file can say is read again as it was printed.

use std::net::IpAddr;

use proptest::prelude::*;
use proptest::sample::select;

use super::{Secrets, print};
use crate::conf::setkey::ast::{
    Action, Command, Host, Keyed, Level, ManualSa, Packets, Padding, Place, Policy, Rule, SaName, SaOption,
    SetkeyConfig, Way,
};
use crate::conf::setkey::{load, tables};
use crate::conf::span::{SourceFile, Spanned};
use crate::conf::{NoFiles, diagnostic};
use crate::crypto::secret::Secret;
use crate::sadb::Mode;

fn spanned<T>(value: T) -> Spanned<T> {
    Spanned::new(value, SourceFile::new("generated", "").end())
}

fn host() -> impl Strategy<Value = Host> {
    // A name that begins with a letter is no number and no option, and none of these is an address.
    let name = "[g-z][a-z0-9.]{0,8}".prop_map(Host::Name);
    prop_oneof![any::<IpAddr>().prop_map(Host::Address), name, Just(Host::Name("fe80::1%lo0".to_owned()))]
}

fn place() -> impl Strategy<Value = Place> {
    (host(), any::<Option<u8>>(), any::<u16>()).prop_map(|(host, prefix, port)| {
        let most = if matches!(host, Host::Address(IpAddr::V4(_))) { 32 } else { 128 };
        Place { prefix: prefix.map(|len| len % (most + 1)), host, port }
    })
}

/// `-4`, `-6` and `-n`, as they go together.
fn family() -> impl Strategy<Value = String> {
    select(vec!["", "4", "6", "n", "4n", "n6", "44"]).prop_map(str::to_owned)
}

fn sa_name(with_spi: bool) -> impl Strategy<Value = SaName> {
    let original = any::<Option<IpAddr>>();
    (family(), place(), place(), select(tables::SA_PROTOCOLS), original, any::<u32>()).prop_map(
        move |(family, src, dst, protocol, original, spi)| SaName {
            family,
            src: spanned(src),
            dst: spanned(dst),
            protocol: spanned(protocol),
            original: original.filter(|_| protocol == "esp-udp"),
            spi: with_spi.then(|| spanned(spi)),
        },
    )
}

/// An algorithm with a key of a length that it takes.
fn keyed(known: &'static [tables::Algorithm]) -> impl Strategy<Value = Keyed> {
    let lengths = known.iter().flat_map(|algorithm| {
        (0..=256_usize).filter(|octets| algorithm.takes(octets * 8)).map(|octets| (algorithm.name, octets))
    });
    select(lengths.collect::<Vec<_>>()).prop_flat_map(|(name, octets)| {
        prop::collection::vec(any::<u8>(), octets)
            .prop_map(move |key| Keyed { algorithm: spanned(name), key: Secret::new(key) })
    })
}

/// A word as options have it.
fn word() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9][a-z0-9-]{0,6}", "\"[a-z ]{0,6}\""]
}

fn option() -> impl Strategy<Value = SaOption> {
    let mode = select(vec![None, Some(Mode::Transport), Some(Mode::Tunnel)]);
    let padding = select(vec![Padding::Zero, Padding::Random, Padding::Sequential]);
    prop_oneof![
        mode.prop_map(SaOption::Mode),
        any::<u32>().prop_map(SaOption::Replay),
        any::<u32>().prop_map(SaOption::RequestId),
        padding.prop_map(SaOption::Padding),
        Just(SaOption::NoCyclicSequence),
        any::<u64>().prop_map(SaOption::HardTime),
        any::<u64>().prop_map(SaOption::SoftTime),
        any::<u64>().prop_map(SaOption::HardOctets),
        any::<u64>().prop_map(SaOption::SoftOctets),
        [word(), word(), word()].prop_map(SaOption::Context),
        (place(), place()).prop_map(|ends| SaOption::Nat(Box::new(ends))),
        any::<u16>().prop_map(SaOption::NatMtu),
        Just(SaOption::ExtendedSequence),
        word().prop_map(SaOption::Hardware),
    ]
}

/// `-C` alone, or one of the others or both.
fn manual_sa() -> impl Strategy<Value = ManualSa> {
    let options = prop::collection::vec(option().prop_map(spanned), 0..4);
    let encryption = || keyed(tables::ENCRYPTION).prop_map(Some);
    let authentication = || keyed(tables::AUTHENTICATION).prop_map(Some);
    let compression = (select(tables::COMPRESSION), any::<bool>()).prop_map(Some);
    let transforms = prop_oneof![
        encryption().prop_map(|encryption| (encryption, None, None)),
        authentication().prop_map(|authentication| (None, authentication, None)),
        (encryption(), authentication()).prop_map(|(encryption, authentication)| (
            encryption,
            authentication,
            None
        )),
        compression.prop_map(|compression| (None, None, compression)),
    ];
    (sa_name(true), options, transforms).prop_map(
        |(name, options, (encryption, authentication, compression))| ManualSa {
            name,
            options,
            encryption,
            authentication,
            compression,
        },
    )
}

fn packets() -> impl Strategy<Value = Packets> {
    let detail = prop::option::of(select(vec!["8", "8,0", "135+4", "0x1f"]).prop_map(str::to_owned));
    prop_oneof![
        "[a-z ]{0,8}".prop_map(Packets::Tagged),
        (family(), place(), place(), any::<u8>(), detail).prop_map(|(family, src, dst, upper, detail)| {
            Packets::Between { family, src: spanned(src), dst: spanned(dst), upper: spanned(upper), detail }
        }),
    ]
}

fn rule() -> impl Strategy<Value = Rule> {
    let end = || (any::<IpAddr>(), any::<u16>());
    let place = |(address, port)| Place { host: Host::Address(address), prefix: None, port };
    let level = prop_oneof![
        Just(Level::Default),
        Just(Level::Use),
        Just(Level::Require),
        Just(Level::Unique(None)),
        (1..=32_767_u16).prop_map(|number| Level::Unique(Some(number))),
    ];
    let shape = prop_oneof![
        Just((None, None)),
        Just((Some(false), None)),
        (any::<bool>(), end(), end())
            .prop_map(move |(tunnel, src, dst)| (Some(tunnel), Some((place(src), place(dst))))),
    ];
    (select(tables::RULE_PROTOCOLS), shape, level).prop_map(|(protocol, (tunnel, ends), level)| {
        // Without a mode there is no level to write.
        let level = if tunnel.is_none() { Level::Default } else { level };
        Rule { protocol, tunnel, ends, level }
    })
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        Just(Action::Discard),
        Just(Action::None),
        Just(Action::Entrust),
        Just(Action::Bypass),
        prop::collection::vec(rule().prop_map(spanned), 1..4).prop_map(Action::Ipsec),
    ]
}

fn policy(needs_action: bool) -> impl Strategy<Value = Box<Policy>> {
    let context = prop::option::of([word(), word(), word()]);
    let way = select(vec![Way::In, Way::Out, Way::Forward]);
    let priority = prop::option::of(
        select(vec!["100", "-5", "low", "def", "high + 5", "low - 20"]).prop_map(str::to_owned),
    );
    let action = prop::option::of(action());
    (packets(), context, way, priority, action)
        .prop_filter("spdadd says what to do", move |(.., action)| action.is_some() || !needs_action)
        .prop_map(|(packets, context, way, priority, action)| {
            Box::new(Policy { packets, context, way: spanned(way), priority, action })
        })
}

fn command() -> impl Strategy<Value = Command> {
    let protocol = || prop::option::of(select(tables::SA_PROTOCOLS));
    prop_oneof![
        4 => manual_sa().prop_map(|sa| Command::Add(Box::new(sa))),
        1 => sa_name(true).prop_map(Command::Get),
        1 => sa_name(true).prop_map(Command::Delete),
        1 => sa_name(false).prop_map(Command::DeleteAll),
        1 => protocol().prop_map(Command::Flush),
        1 => protocol().prop_map(Command::Dump),
        4 => policy(true).prop_map(Command::SpdAdd),
        1 => policy(true).prop_map(Command::SpdUpdate),
        2 => policy(false).prop_map(Command::SpdDelete),
        1 => Just(Command::SpdFlush),
        1 => Just(Command::SpdDump),
    ]
}

proptest! {
    #[test]
    fn what_is_printed_is_read_again(
        commands in prop::collection::vec(command(), 0..5),
        exits in any::<bool>(),
    ) {
        // Nothing is read behind `exit`.
        let commands = commands.into_iter().chain(exits.then_some(Command::Exit)).map(spanned).collect();
        let config = SetkeyConfig { commands };
        let printed = print(&config, Secrets::Shown);
        let (read, said) = load("printed", &printed, &NoFiles);
        prop_assert_eq!(read.as_ref(), Some(&config), "{}\n{}", printed, diagnostic::render(&said));
    }
}
