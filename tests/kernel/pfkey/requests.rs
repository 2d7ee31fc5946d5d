//! Each recorded request once more: read as an SA or a policy, and built anew from that.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use coati::kernel::pfkey::{
    AddressRole, Association, Dialect, Extension, Message, MessageType, PfKeyError, SaType,
};
use coati::sadb::{Direction, Endpoints, Mode, Protocol, SaId, Spi};
use coati::time::UnixTime;

/// Where the recorded kernels were: 10.99.0.2 and 2001:db8::2.
pub(super) fn is_local(ip: IpAddr) -> bool {
    [IpAddr::V4(Ipv4Addr::new(10, 99, 0, 2)), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2))]
        .contains(&ip)
}

/// What our builder makes of what the request says; or why it makes nothing.
pub(super) fn again(dialect: Dialect, request: &Message) -> Result<Vec<Message>, String> {
    if request.extensions.iter().any(|extension| matches!(extension, Extension::Unknown { .. })) {
        return Err("an extension without a name is never sent".to_owned());
    }
    let mut built = build(dialect, request)?;
    for message in &mut built {
        (message.header.seq, message.header.pid) = (request.header.seq, request.header.pid);
    }
    Ok(built)
}

fn build(dialect: Dialect, request: &Message) -> Result<Vec<Message>, String> {
    let protocol = request.header.satype.protocol();
    let one = |message: Result<Message, _>| message.map(|message| vec![message]).map_err(unsupported);
    match request.header.kind {
        MessageType::Register => one(dialect.register(protocol.ok_or("no IPsec protocol")?)),
        MessageType::GetSpi => getspi(dialect, request),
        MessageType::Add | MessageType::Update => install(dialect, request),
        kind @ (MessageType::Delete | MessageType::Get) => {
            let sa = dialect.read_sa(request).map_err(unreadable)?;
            let src = sa.src.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
            one(if kind == MessageType::Get { dialect.get(sa.id, src) } else { dialect.delete(sa.id, src) })
        }
        MessageType::Dump | MessageType::Flush
            if protocol.is_none() && request.header.satype != SaType::Unspec =>
        {
            Err("an SA type without a name is never sent".to_owned())
        }
        MessageType::Dump if !request.extensions.is_empty() => Err("a DUMP has no extensions".to_owned()),
        MessageType::Dump => dialect.dump_sad(protocol).map_err(unsupported),
        MessageType::Flush => dialect.flush(protocol).map_err(unsupported),
        MessageType::SpdAdd | MessageType::SpdUpdate | MessageType::AddFlow => {
            dialect.install_policy(&policy(dialect, request)?).map_err(unsupported)
        }
        MessageType::SpdDelete | MessageType::DelFlow => {
            dialect.remove_policy(&policy(dialect, request)?).map_err(unsupported)
        }
        MessageType::SpdDelete2 => one(dialect.remove_policy_by_id(request.policy().unwrap().id)),
        MessageType::SpdGet => one(dialect.spd_get(request.policy().unwrap().id)),
        MessageType::SpdDump => one(dialect.dump_spd()),
        MessageType::SpdFlush => one(dialect.flush_spd()),
        MessageType::GroupSpis => group(dialect, request),
        MessageType::AskPolicy => {
            let Extension::AcquireSequence(seq) = request.extensions[0] else { panic!("no sequence number") };
            one(dialect.ask_policy(seq))
        }
        MessageType::Acquire => {
            one(dialect.acquire_failed(request.header.seq, protocol.unwrap(), request.header.errno))
        }
        MessageType::Promisc => Err("PROMISC is not used".to_owned()),
        _ => Err("a message type without a name is never sent".to_owned()),
    }
}

/// Why a request cannot be said in the vocabulary of SAs.
fn unreadable(error: PfKeyError) -> String {
    match error {
        PfKeyError::Value { field: field @ ("cipher" | "authenticator"), got } => {
            format!("an algorithm that is not negotiated: {field} {got}")
        }
        PfKeyError::Value { field: "SPI", .. } => "there are no SPIs below 256".to_owned(),
        other => format!("cannot be said: {other}"),
    }
}

fn unsupported(error: coati::sadb::KernelError) -> String {
    error.to_string()
}

fn getspi(dialect: Dialect, request: &Message) -> Result<Vec<Message>, String> {
    let ip = |role| request.address(role).and_then(|address| address.socket.ip()).unwrap();
    let endpoints = Endpoints { local: ip(AddressRole::Dst), remote: ip(AddressRole::Src) };
    let mode = match request.sa2().map(|sa2| sa2.mode) {
        Some(1) => Mode::Transport,
        _ => Mode::Tunnel,
    };
    let reqid = request.sa2().map_or(0, |sa2| sa2.reqid);
    let range = request.extensions.iter().find_map(|extension| match extension {
        Extension::SpiRange(range) => Some(range.min..=range.max),
        _ => None,
    });
    let range = range.unwrap_or(256..=u32::MAX);
    let protocol = request.header.satype.protocol().unwrap();
    dialect.getspi(protocol, mode, endpoints, reqid, range).map(|message| vec![message]).map_err(unsupported)
}

fn install(dialect: Dialect, request: &Message) -> Result<Vec<Message>, String> {
    let keys = request.extensions.iter().any(|extension| matches!(extension, Extension::Key(..)));
    if request.header.kind == MessageType::Update && !keys {
        return Err("the lifetimes of a mature SA are not changed".to_owned());
    }
    let entry = dialect.read_sadb_entry(request, UnixTime(0), &is_local);
    let entry = entry.map_err(unreadable)?;
    let direction = if entry.inbound { Direction::In } else { Direction::Out };
    let built = match request.header.kind {
        MessageType::Update => dialect.update(&entry.sa),
        _ => dialect.add(&entry.sa, direction),
    };
    built.map(|message| vec![message]).map_err(unsupported)
}

fn policy(dialect: Dialect, request: &Message) -> Result<coati::sadb::FlowPolicy, String> {
    match dialect.read_policy(request) {
        Ok(Some(entry)) => Ok(entry.policy),
        Ok(None) => Err("a direction that is neither in nor out is not ours".to_owned()),
        Err(error) => Err(unreadable(error)),
    }
}

fn group(dialect: Dialect, request: &Message) -> Result<Vec<Message>, String> {
    let first = dialect.read_sa(request).unwrap().id;
    let second = request.extensions.iter().find_map(|extension| match extension {
        Extension::SecondSa(Association { spi, .. }) => Spi::new(spi.0),
        _ => None,
    });
    let dst = request.address(AddressRole::Dst2).and_then(|address| address.socket.ip()).unwrap();
    let second = SaId { protocol: Protocol::Esp, dst, spi: second.unwrap() };
    dialect.group(first, second).map(|message| vec![message]).map_err(unsupported)
}
