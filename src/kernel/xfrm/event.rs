//! What the kernel says without being asked.

use super::layout::{RawAddress, RawId, Traffic, family_of, no_address};
use super::netlink::{Attributes, Message, native_u32};
use super::policy::{DELPOLICY, FLUSHPOLICY, NEWPOLICY, POLEXPIRE, PolicyInfo, UPDPOLICY, parse_rules};
use super::sa::{DELSA, FLUSHSA, NEWSA, SaInfo, UPDSA, parse_name};
use crate::sadb::{AcquireId, Direction, Endpoints, SaId, SecurityRule, Selector};
use crate::wire::codec::{Reader, WireError};

const ACQUIRE: u16 = 0x17;
const EXPIRE: u16 = 0x18;

/// The multicast groups of ACQUIRE, EXPIRE, changes of SAs and of policies: `1 << (XFRMNLGRP_x - 1)`.
pub(super) const GROUPS: u32 = 0b1111;

/// The wish for an SA.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Wish {
    pub(super) selector: Selector,
    pub(super) endpoints: Endpoints,
    pub(super) rules: Vec<SecurityRule>,
}

/// What was said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Heard {
    /// A packet met a policy and found no SA.
    Acquire(AcquireId, Wish),
    /// An SA has reached a lifetime.
    Expire { sa: SaId, hard: bool },
    /// A wish has waited too long: the next packet will make a new one.
    WishExpired(AcquireId),
    /// Somebody has removed an SA.
    Removed(SaId),
    /// Somebody has removed all SAs, or all of one protocol.
    Flushed,
    /// Policies have come, gone or changed.
    Policies,
    /// Nothing that matters here.
    Nothing,
}

impl Heard {
    pub(super) fn parse(message: &Message<'_>) -> Result<Self, WireError> {
        let mut reader = Reader::new(message.body);
        match message.kind {
            ACQUIRE => parse_acquire(&mut reader),
            EXPIRE => {
                let info = SaInfo::parse(&mut reader)?;
                let hard = reader.u8("hard")? != 0;
                Ok(match info.id {
                    Some(sa) => Self::Expire { sa, hard },
                    None => Self::WishExpired(AcquireId(info.sequence)),
                })
            }
            DELSA => Ok(parse_name(&mut reader)?.map_or(Self::Nothing, Self::Removed)),
            FLUSHSA => Ok(Self::Flushed),
            NEWPOLICY | UPDPOLICY | DELPOLICY | FLUSHPOLICY | POLEXPIRE => Ok(Self::Policies),
            // What others add is theirs. An `UPDSA` of theirs for one of ours changes lifetimes at most.
            NEWSA | UPDSA => Ok(Self::Nothing),
            _ => Ok(Self::Nothing),
        }
    }
}

/// `struct xfrm_user_acquire`, and the policy's templates:
///
/// ```text
/// id 24 | saddr 16 | selector of the packet 56 | policy 168 | aalgos 4 | ealgos 4 | calgos 4 | seq 4
/// ```
fn parse_acquire(reader: &mut Reader<'_>) -> Result<Heard, WireError> {
    let id = RawId::parse(reader)?;
    let saddr = RawAddress::parse(reader, "saddr")?;
    let packet = Traffic::parse(reader)?;
    let policy = PolicyInfo::parse(reader)?;
    reader.take(12, "aalgos")?;
    let sequence = native_u32(reader, "seq")?;
    let attributes = Attributes::parse(reader)?;
    let rules = parse_rules(&attributes, Direction::Out)?.unwrap_or_default();
    // The policy of a socket selects by being that socket's; then it is the packet that says what for.
    let (Some(traffic), false) = (policy.traffic.or(packet), rules.is_empty()) else {
        return Ok(Heard::Nothing);
    };
    // The tunnel's ends may be of another family than the packets.
    let tunnel = rules.iter().find_map(|rule| rule.endpoints);
    let family = family_of(tunnel.map_or_else(|| traffic.dst.address(), |ends| ends.remote));
    let (Some(local), Some(remote)) = (saddr.with_family(family), id.daddr.with_family(family)) else {
        return Err(no_address(reader, "family", family));
    };
    let selector = traffic.selector(Direction::Out);
    let wish = Wish { selector, endpoints: Endpoints { local, remote }, rules };
    Ok(Heard::Acquire(AcquireId(sequence), wish))
}
