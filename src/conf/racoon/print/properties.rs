//! Whatever the tables of the grammar allow is read again as it was printed. The trees are made from the tables, so that a
//! new statement is covered when it is written there.

use std::net::IpAddr;

use proptest::prelude::*;
use proptest::sample::select;

use super::{Secrets, print};
use crate::conf::NoFiles;
use crate::conf::racoon::ast::{
    Block, Item, RacoonConfig, Remote, RemoteName, Sainfo, SainfoId, Setting, Value,
};
use crate::conf::racoon::grammar::{self, Class, Rule, Shape, State};
use crate::conf::racoon::load;
use crate::conf::span::{SourceFile, Span, Spanned};

fn nowhere() -> Span {
    SourceFile::new("generated", "").end()
}

fn spanned<T>(value: T) -> Spanned<T> {
    Spanned::new(value, nowhere())
}

type Values = BoxedStrategy<Vec<Value>>;

fn text() -> impl Strategy<Value = String> {
    "[^\"\n]{0,12}"
}

fn address() -> impl Strategy<Value = IpAddr> {
    any::<IpAddr>()
}

fn bits_of(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn network() -> impl Strategy<Value = Value> {
    address()
        .prop_flat_map(|address| (0..=bits_of(address)).prop_map(move |len| Value::Network(address, len)))
}

fn time() -> impl Strategy<Value = Value> {
    (any::<u32>(), select(grammar::TIME_UNITS)).prop_map(|(count, unit)| Value::Time(count, unit))
}

/// An algorithm under its one spelling, with a key length where it may have one.
fn algorithm(class: Class) -> BoxedStrategy<Value> {
    let name = select(class.words()).prop_map(move |word| class.canonical(word).expect("a word of its own"));
    let with_length = name.prop_flat_map(move |name| {
        let lengths: Vec<u32> = match (class, name) {
            (Class::Phase1Cipher | Class::Phase2Cipher, "aes" | "camellia" | "aes_gcm_16" | "aes_ctr") => {
                vec![128, 192, 256]
            }
            (Class::Phase1Cipher | Class::Phase2Cipher, "blowfish") => (40..=448).step_by(8).collect(),
            (Class::Phase1Cipher | Class::Phase2Cipher, "cast128") => (40..=128).step_by(8).collect(),
            (Class::Phase2Cipher, "twofish") => (40..=256).step_by(8).collect(),
            (Class::Phase1Cipher | Class::Phase2Cipher, "rc5") => (40..=2040).step_by(8).collect(),
            _ => Vec::new(),
        };
        let lengths: Vec<_> = lengths.into_iter().map(Some).chain([None]).collect();
        select(lengths).prop_map(move |bits| Value::Algorithm(name, bits))
    });
    with_length.boxed()
}

/// A type of identifier with a value that goes with it. Only a remote knows the words before the value of a key id.
fn identifier(in_remote: bool) -> Values {
    let word = |word| vec![Value::Word(word)];
    let with = move |first: &'static str, value: BoxedStrategy<Value>| {
        value.prop_map(move |value| vec![Value::Word(first), value]).boxed()
    };
    let quoted = || text().prop_map(Value::Text).boxed();
    let named = || "[^\"\n]{1,12}".prop_map(Value::Text).boxed();
    let qualified = (select(vec!["file", "tag"]), text()).prop_map(move |(how, value)| {
        let how = in_remote.then_some(Value::Word(how));
        [Value::Word("keyid")].into_iter().chain(how).chain([Value::Text(value)]).collect()
    });
    prop_oneof![
        select(vec!["address", "subnet", "keyid", "asn1dn"]).prop_map(word),
        select(vec!["address", "subnet", "keyid", "asn1dn"]).prop_flat_map(move |kind| with(kind, quoted())),
        select(vec!["fqdn", "user_fqdn"]).prop_flat_map(move |kind| with(kind, named())),
        with("address", address().prop_map(Value::Address).boxed()),
        with("subnet", address().prop_map(Value::Address).boxed()),
        qualified,
    ]
    .boxed()
}

fn one(value: impl Strategy<Value = Value> + 'static) -> Values {
    value.prop_map(|value| vec![value]).boxed()
}

fn perhaps(value: impl Strategy<Value = Value> + 'static) -> Values {
    prop::option::of(value).prop_map(|value| value.into_iter().collect()).boxed()
}

fn several(value: impl Strategy<Value = Value> + 'static) -> Values {
    prop::collection::vec(value, 1..4).boxed()
}

/// What may follow a keyword.
fn values(shape: Shape) -> Values {
    let number = || any::<u32>().prop_map(Value::Number);
    let quoted = || text().prop_map(Value::Text);
    match shape {
        Shape::Word(words) => one(select(words).prop_map(Value::Word)),
        Shape::Words(words) => several(select(words).prop_map(Value::Word)),
        Shape::OptWord(words) => perhaps(select(words).prop_map(Value::Word)),
        Shape::Number => one(number()),
        Shape::OptNumber => perhaps(number()),
        Shape::NumberOrText => prop_oneof![one(number()), one(quoted())].boxed(),
        Shape::Text => one(quoted()),
        Shape::OptText => perhaps(quoted()),
        Shape::Texts => several(quoted()),
        Shape::Address => one(address().prop_map(Value::Address)),
        Shape::Addresses => several(address().prop_map(Value::Address)),
        Shape::OptPort => perhaps(any::<u16>().prop_map(Value::Port)),
        Shape::Networks => several(network()),
        Shape::Time => one(time()),
        Shape::Lifetime => time().prop_map(|time| vec![Value::Word("time"), time]).boxed(),
        Shape::Algorithm(class) => one(algorithm(class)),
        Shape::Algorithms(class) => several(algorithm(class)),
        Shape::Identifier => identifier(true),
        Shape::Refused(_) => Just(Vec::new()).boxed(),
    }
}

/// A statement of a rule.
fn setting((name, shapes): Rule) -> BoxedStrategy<Setting> {
    let args: Vec<Values> = shapes.iter().copied().map(values).collect();
    args.prop_map(move |args| {
        let args = args.into_iter().flatten().map(spanned).collect();
        Setting { name: spanned(name), args, span: nowhere() }
    })
    .boxed()
}

/// The rules of a state that are not there only to be refused.
fn served(state: State) -> Vec<Rule> {
    let rules = grammar::rules(state).iter().copied();
    rules.filter(|(_, shapes)| !matches!(shapes, [Shape::Refused(_)])).collect()
}

fn settings(state: State) -> impl Strategy<Value = Vec<Setting>> {
    prop::collection::vec(select(served(state)).prop_flat_map(setting), 0..8)
}

fn block(name: &'static str, state: State) -> impl Strategy<Value = Block> {
    settings(state).prop_map(move |settings| Block { name: spanned(name), settings })
}

fn remote_name() -> impl Strategy<Value = RemoteName> {
    prop_oneof![
        Just(RemoteName::Anonymous),
        (address(), any::<Option<u16>>()).prop_map(|(address, port)| RemoteName::Address(address, port)),
        text().prop_map(RemoteName::Named),
    ]
}

fn remote() -> impl Strategy<Value = Remote> {
    let proposals = prop::collection::vec(block("proposal", State::Proposal), 0..3);
    (remote_name(), prop::option::of(remote_name()), settings(State::Remote), proposals).prop_map(
        |(name, inherit, settings, proposals)| Remote {
            name: spanned(name),
            inherit: inherit.map(spanned),
            settings,
            proposals,
        },
    )
}

fn sainfo_address() -> impl Strategy<Value = SainfoId> {
    let whole = (address(), any::<bool>(), any::<Option<u8>>(), any::<Option<IpAddr>>());
    (whole, any::<Option<u16>>(), any::<Option<u8>>()).prop_map(|(whole, port, protocol)| {
        let (address, subnet, prefix, last) = whole;
        let protocol = protocol.filter(|number| *number != 0);
        let prefix = prefix.map(|len| len % (bits_of(address) + 1));
        SainfoId::Address { subnet, address, prefix, last, port, protocol }
    })
}

fn sainfo_id() -> impl Strategy<Value = SainfoId> {
    prop_oneof![
        Just(SainfoId::Anonymous),
        Just(SainfoId::ClientAddress),
        sainfo_address(),
        (select(vec!["", "fqdn", "user_fqdn", "asn1dn"]), text())
            .prop_map(|(kind, text)| SainfoId::Name(kind, text)),
    ]
}

fn sainfo() -> impl Strategy<Value = Sainfo> {
    let from = identifier(false).prop_map(|args| Setting {
        name: spanned("from"),
        args: args.into_iter().map(spanned).collect(),
        span: nowhere(),
    });
    let ids = (sainfo_id(), prop::option::of(sainfo_id()));
    let conditions = (prop::option::of(from), prop::option::of(text()));
    (ids, conditions, settings(State::Sainfo)).prop_map(|((local, remote), (from, group), settings)| Sainfo {
        local: spanned(local),
        remote: remote.map(spanned),
        from,
        group: group.map(spanned),
        settings,
        at: spanned(()),
    })
}

fn item() -> impl Strategy<Value = Item> {
    prop_oneof![
        select(served(State::Top)).prop_flat_map(setting).prop_map(Item::Setting),
        select(grammar::BLOCKS).prop_flat_map(|name| block(name, State::Block(name))).prop_map(Item::Block),
        remote().prop_map(|remote| Item::Remote(Box::new(remote))),
        sainfo().prop_map(|sainfo| Item::Sainfo(Box::new(sainfo))),
    ]
}

/// Printed and read again: the same, and nothing is said.
fn again(items: Vec<Item>) -> Result<(), String> {
    let config = RacoonConfig { items, span: spanned(()) };
    let printed = print(&config, Secrets::Shown);
    let (read, said) = load("printed", &printed, &NoFiles);
    if read.as_ref() == Some(&config) && said.is_empty() {
        return Ok(());
    }
    Err(format!("{printed}\nis read as\n{read:#?}\n{}", crate::conf::diagnostic::render(&said)))
}

proptest! {
    #[test]
    fn what_is_printed_is_read_again(items in prop::collection::vec(item(), 0..4)) {
        again(items).map_err(TestCaseError::fail)?;
    }
}

/// Every statement of every block, some times each: chance alone might leave one out.
#[test]
fn every_statement_is_read_again() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut draw = |rule| setting(rule).new_tree(&mut runner).expect("a statement").current();
    let mut count = 0;
    for state in [State::Top, State::Remote, State::Proposal, State::Sainfo]
        .into_iter()
        .chain(grammar::BLOCKS.iter().map(|name| State::Block(name)))
    {
        for rule in served(state) {
            for _ in 0..16 {
                let settings = vec![draw(rule)];
                let item = match state {
                    State::Top => Item::Setting(settings[0].clone()),
                    State::Block(name) => Item::Block(Block { name: spanned(name), settings }),
                    State::Sainfo => Item::Sainfo(Box::new(Sainfo {
                        local: spanned(SainfoId::Anonymous),
                        remote: None,
                        from: None,
                        group: None,
                        settings,
                        at: spanned(()),
                    })),
                    State::Proposal => {
                        remote_with(Vec::new(), vec![Block { name: spanned("proposal"), settings }])
                    }
                    State::Remote | State::RemoteHead => remote_with(settings, Vec::new()),
                };
                again(vec![item]).expect("the same again");
            }
            count += 1;
        }
    }
    assert!(count > 100, "only {count} statements");
}

fn remote_with(settings: Vec<Setting>, proposals: Vec<Block>) -> Item {
    let name = spanned(RemoteName::Anonymous);
    Item::Remote(Box::new(Remote { name, inherit: None, settings, proposals }))
}
