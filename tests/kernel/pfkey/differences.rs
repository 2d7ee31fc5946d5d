//! Where a request of ours is not octet for octet the recorded one: every difference has a name, and nothing else differs.

use coati::kernel::pfkey::{
    Address, AddressRole, Dialect, Extension, ExtensionType, KeyUse, LifetimeKind, Message, MessageType,
    ProtocolRole, SaType,
};

/// A difference: what it takes away from the recorded message (first) and from ours (second). Says whether it was there.
pub(super) struct Difference {
    pub(super) name: &'static str,
    take: fn(Dialect, &mut Message, &mut Message) -> bool,
}

/// All differences there may be. The last one is about order, when everything else is equal.
pub(super) const DIFFERENCES: [Difference; 24] = [
    Difference { name: "a policy is written with SPDUPDATE, which also replaces one", take: spd_update },
    Difference { name: "a policy has no lifetime", take: policy_lifetime },
    Difference { name: "a flow is never static", take: static_flow },
    Difference { name: "a flow between hosts names both", take: flow_source },
    Difference { name: "DELFLOW takes no addresses", take: delete_flow_address },
    Difference { name: "an SA is tied to its flow by the flow's selectors", take: sa_flow },
    Difference { name: "a message that only names an SA leaves the state 0", take: naming_state },
    Difference { name: "GETSPI always has a range", take: range },
    Difference { name: "ADD always says the mode", take: sa2 },
    Difference { name: "the state is always MATURE", take: state },
    Difference { name: "an address of an SA is a whole host of any protocol and port", take: plain_address },
    Difference { name: "FreeBSD takes no notice of identities", take: identities },
    Difference { name: "a window up to 2040 packets needs no extension", take: short_window },
    Difference { name: "a window on OpenBSD is 64 packets at most", take: window_64 },
    Difference { name: "HARD and SOFT come together on FreeBSD", take: both_lifetimes },
    Difference { name: "lifetimes do not count from the first use", take: use_time },
    Difference { name: "LIFETIME_CURRENT is the kernel's to say", take: current },
    Difference { name: "the authenticator of AES-GCM is the kernel's to choose", take: gmac },
    Difference { name: "NULL has an empty key on FreeBSD and none on OpenBSD", take: null_key },
    Difference { name: "IKEv1 negotiates no extended sequence numbers", take: esn },
    Difference { name: "sec(4) interfaces are not used", take: interface },
    Difference { name: "OpenBSD is asked protocol by protocol", take: by_protocol },
    Difference { name: "version, errno and reserved field of a header are right", take: header },
    Difference { name: "extensions come in another order", take: order },
];

/// The names of all differences between a recorded request and ours; `Err` where something has no name.
pub(super) fn between(
    dialect: Dialect,
    recorded: &Message,
    ours: &Message,
) -> Result<Vec<&'static str>, String> {
    if recorded.emit(dialect) == ours.emit(dialect) {
        return Ok(Vec::new());
    }
    let (mut left, mut right) = (recorded.clone(), ours.clone());
    let names = DIFFERENCES.iter().filter(|difference| (difference.take)(dialect, &mut left, &mut right));
    let names: Vec<_> = names.map(|difference| difference.name).collect();
    if left.emit(dialect) == right.emit(dialect) {
        Ok(names)
    } else {
        Err(format!("recorded {left}\nours {right}\nafter {names:?}"))
    }
}

fn has(message: &Message, kind: ExtensionType) -> bool {
    message.extensions.iter().any(|extension| extension.kind() == kind)
}

/// Takes an extension out of `from` that `other` does not have.
fn take_alone(from: &mut Message, other: &Message, kind: ExtensionType) -> bool {
    let alone = has(from, kind) && !has(other, kind);
    if alone {
        from.extensions.retain(|extension| extension.kind() != kind);
    }
    alone
}

fn is_install(message: &Message) -> bool {
    matches!(message.header.kind, MessageType::Add | MessageType::Update)
}

fn names_an_sa(message: &Message) -> bool {
    matches!(message.header.kind, MessageType::Delete | MessageType::Get | MessageType::GroupSpis)
}

fn set<T: PartialEq>(field: &mut T, from: T, to: T) -> bool {
    let differs = *field == from && from != to;
    if differs {
        *field = to;
    }
    differs
}

fn spd_update(_: Dialect, recorded: &mut Message, _: &mut Message) -> bool {
    set(&mut recorded.header.kind, MessageType::SpdAdd, MessageType::SpdUpdate)
}

fn policy_lifetime(_: Dialect, recorded: &mut Message, ours: &mut Message) -> bool {
    recorded.header.kind == MessageType::SpdUpdate && take_alone(recorded, ours, ExtensionType::LifetimeHard)
}

fn static_flow(_: Dialect, recorded: &mut Message, _: &mut Message) -> bool {
    recorded.extensions.iter_mut().any(|extension| match extension {
        Extension::Protocol(ProtocolRole::FlowType, body) => set(&mut body.flags, 1, 0),
        _ => false,
    })
}

fn flow_source(_: Dialect, recorded: &mut Message, ours: &mut Message) -> bool {
    recorded.header.kind == MessageType::AddFlow && take_alone(ours, recorded, ExtensionType::AddressSrc)
}

fn delete_flow_address(_: Dialect, recorded: &mut Message, ours: &mut Message) -> bool {
    recorded.header.kind == MessageType::DelFlow && take_alone(recorded, ours, ExtensionType::AddressDst)
}

fn sa_flow(_: Dialect, recorded: &mut Message, ours: &mut Message) -> bool {
    let kinds = [
        ExtensionType::Protocol,
        ExtensionType::FlowType,
        ExtensionType::SrcFlow,
        ExtensionType::SrcMask,
        ExtensionType::DstFlow,
        ExtensionType::DstMask,
    ];
    is_install(recorded) && kinds.map(|kind| take_alone(ours, recorded, kind)).into_iter().all(|taken| taken)
}

fn naming_state(_: Dialect, recorded: &mut Message, _: &mut Message) -> bool {
    let names = names_an_sa(recorded);
    recorded.extensions.iter_mut().any(|extension| match extension {
        Extension::Sa(body) if names => set(&mut body.state, 1, 0),
        _ => false,
    })
}

fn range(_: Dialect, recorded: &mut Message, ours: &mut Message) -> bool {
    take_alone(ours, recorded, ExtensionType::SpiRange)
}

fn sa2(_: Dialect, recorded: &mut Message, ours: &mut Message) -> bool {
    take_alone(ours, recorded, ExtensionType::Sa2)
}

fn state(_: Dialect, recorded: &mut Message, _: &mut Message) -> bool {
    let installs = is_install(recorded);
    recorded.extensions.iter_mut().any(|extension| match extension {
        Extension::Sa(body) if installs => set(&mut body.state, 0, 1),
        _ => false,
    })
}

/// In both, so that only an address itself can still differ.
fn plain_address(_: Dialect, recorded: &mut Message, ours: &mut Message) -> bool {
    if !is_install(recorded) && !names_an_sa(recorded) {
        return false;
    }
    let before = recorded.clone();
    let plain = |message: &mut Message, like: Option<&Address>| {
        for extension in &mut message.extensions {
            if let (Extension::Address(AddressRole::Src | AddressRole::Dst, body), Some(like)) =
                (extension, like)
            {
                let socket = body.socket.ip().map(|ip| coati::kernel::pfkey::SocketAddress::new(ip, 0));
                *body = Address { socket: socket.unwrap_or_else(|| body.socket.clone()), ..like.clone() };
            }
        }
    };
    plain(recorded, ours.address(AddressRole::Dst));
    *recorded != before
}

fn identities(dialect: Dialect, recorded: &mut Message, ours: &mut Message) -> bool {
    dialect == Dialect::FreeBsd
        && take_alone(recorded, ours, ExtensionType::IdentitySrc)
        && take_alone(recorded, ours, ExtensionType::IdentityDst)
}

fn short_window(_: Dialect, recorded: &mut Message, ours: &mut Message) -> bool {
    let wide = recorded.extensions.iter().find_map(|extension| match extension {
        Extension::SaReplay(packets) if *packets <= 2040 => u8::try_from(packets / 8).ok(),
        _ => None,
    });
    let taken = wide.is_some() && take_alone(recorded, ours, ExtensionType::SaReplay);
    if let (Some(octets), true) = (wide, taken) {
        set_window(recorded, octets);
    }
    taken
}

fn set_window(message: &mut Message, window: u8) {
    for extension in &mut message.extensions {
        if let Extension::Sa(body) = extension {
            body.replay = window;
        }
    }
}

fn window_64(dialect: Dialect, recorded: &mut Message, _: &mut Message) -> bool {
    let wider = dialect == Dialect::OpenBsd && recorded.association().is_some_and(|body| body.replay > 64);
    if wider {
        set_window(recorded, 64);
    }
    wider
}

fn both_lifetimes(dialect: Dialect, recorded: &mut Message, ours: &mut Message) -> bool {
    let empty = ours.lifetime(LifetimeKind::Soft).is_some_and(|soft| *soft == Default::default());
    dialect == Dialect::FreeBsd && empty && take_alone(ours, recorded, ExtensionType::LifetimeSoft)
}

fn use_time(_: Dialect, recorded: &mut Message, ours: &mut Message) -> bool {
    let counts =
        |which| recorded.lifetime(which).is_some_and(|body| body.use_time != 0 && body.add_time == 0);
    (counts(LifetimeKind::Hard) && counts(LifetimeKind::Soft))
        && take_alone(recorded, ours, ExtensionType::LifetimeHard)
        && take_alone(recorded, ours, ExtensionType::LifetimeSoft)
}

fn current(_: Dialect, recorded: &mut Message, ours: &mut Message) -> bool {
    take_alone(recorded, ours, ExtensionType::LifetimeCurrent)
}

fn gmac(_: Dialect, recorded: &mut Message, ours: &mut Message) -> bool {
    let gcm = recorded.association().is_some_and(|body| body.encrypt == 20 && body.auth == 11);
    let taken = gcm && take_alone(recorded, ours, ExtensionType::KeyAuth);
    for extension in &mut recorded.extensions {
        if let (Extension::Sa(body), true) = (extension, taken) {
            body.auth = 0;
        }
    }
    taken
}

fn null_key(dialect: Dialect, recorded: &mut Message, ours: &mut Message) -> bool {
    let empty = |message: &Message| {
        message.extensions.iter().any(|e| matches!(e, Extension::Key(KeyUse::Encrypt, key) if key.bits == 0))
    };
    match dialect {
        Dialect::OpenBsd => empty(recorded) && take_alone(recorded, ours, ExtensionType::KeyEncrypt),
        _ => empty(ours) && take_alone(ours, recorded, ExtensionType::KeyEncrypt),
    }
}

fn esn(_: Dialect, recorded: &mut Message, _: &mut Message) -> bool {
    recorded.extensions.iter_mut().any(|extension| match extension {
        Extension::Sa(body) => set(&mut body.flags, 0x404, 0x4),
        _ => false,
    })
}

fn interface(_: Dialect, recorded: &mut Message, ours: &mut Message) -> bool {
    take_alone(recorded, ours, ExtensionType::Interface)
}

fn by_protocol(dialect: Dialect, recorded: &mut Message, ours: &mut Message) -> bool {
    let whole = matches!(recorded.header.kind, MessageType::Dump | MessageType::Flush);
    let asked = dialect == Dialect::OpenBsd && whole && ours.header.satype.protocol().is_some();
    asked && set(&mut recorded.header.satype, SaType::Unspec, ours.header.satype)
}

fn header(_: Dialect, recorded: &mut Message, ours: &mut Message) -> bool {
    let before = recorded.header;
    if recorded.header.kind != MessageType::Acquire {
        recorded.header.errno = ours.header.errno;
    }
    recorded.header.version = ours.header.version;
    recorded.header.reserved = ours.header.reserved;
    recorded.header != before
}

fn order(_: Dialect, recorded: &mut Message, ours: &mut Message) -> bool {
    let kinds = |message: &Message| message.extensions.iter().map(Extension::kind).collect::<Vec<_>>();
    let differ = kinds(recorded) != kinds(ours);
    recorded.extensions.sort_by_key(Extension::kind);
    ours.extensions.sort_by_key(Extension::kind);
    differ
}

/// Keeps the names in the list honest: each is told apart from the others.
#[test]
fn names_are_distinct() {
    let mut names: Vec<_> = DIFFERENCES.iter().map(|difference| difference.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), DIFFERENCES.len());
}
