//! Prints a message, a line for the header and one for each extension. Keys, and what may be one, are never shown.

use std::fmt;

use super::extension::Extension;
use super::message::{Header, Message};
use super::parts::{AlgorithmKind, Proposal};
use super::policy::{IpsecRequest, KamePolicy};

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Header { kind, errno, satype, seq, pid, .. } = self.header;
        write!(f, "{kind} {satype} seq {seq} pid {pid}")?;
        if errno != 0 {
            write!(f, " errno {errno}")?;
        }
        self.extensions.iter().try_for_each(|extension| write!(f, "\n  {extension}"))
    }
}

impl fmt::Display for Extension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind())?;
        match self {
            Self::Sa(sa) | Self::SecondSa(sa) => {
                write!(f, " spi {:#010x} replay {} state {}", sa.spi.0, sa.replay, sa.state)?;
                write!(f, " auth {} encrypt {} flags {:#x}", sa.auth, sa.encrypt, sa.flags)
            }
            Self::Sa2(sa2) => write!(f, " mode {} sequence {} reqid {}", sa2.mode, sa2.sequence, sa2.reqid),
            Self::Lifetime(_, body) => {
                write!(f, " allocations {} octets {}", body.allocations, body.octets)?;
                write!(f, " add {} use {}", body.add_time, body.use_time)
            }
            Self::Address(_, body) => {
                write!(f, " {}", body.socket)?;
                if body.prefix_len == 0 {
                    Ok(())
                } else {
                    write!(f, "/{} proto {}", body.prefix_len, body.protocol)
                }
            }
            Self::Key(_, key) => write!(f, " {} bits", key.bits),
            Self::Identity(_, identity) => {
                write!(f, " type {} \"{}\"", identity.kind, identity.text().escape_ascii())
            }
            Self::Proposal(Proposal { combinations, .. }) => combinations.iter().try_for_each(|one| {
                write!(f, " [auth {} {}-{}", one.auth, one.auth_min_bits, one.auth_max_bits)?;
                write!(f, " encrypt {} {}-{}]", one.encrypt, one.encrypt_min_bits, one.encrypt_max_bits)
            }),
            Self::Supported(AlgorithmKind::Auth | AlgorithmKind::Encrypt | AlgorithmKind::Comp, _, all) => {
                all.iter().try_for_each(|one| write!(f, " {}:{}-{}", one.id, one.min_bits, one.max_bits))
            }
            Self::SpiRange(range) => write!(f, " {:#x}-{:#x}", range.min, range.max),
            Self::Policy(policy) => policy.fmt(f),
            Self::AcquireSequence(number)
            | Self::SaReplay(number)
            | Self::Tap(number)
            | Self::Mtu(number) => {
                write!(f, " {number}")
            }
            Self::NatType(body) => write!(f, " {}", body.kind),
            Self::NatPort(_, body) => write!(f, " {}", body.port.0),
            Self::NatFragment(body) => write!(f, " {}", body.length),
            Self::Protocol(_, body) => {
                write!(f, " {} direction {} flags {:#x}", body.protocol, body.direction, body.flags)
            }
            Self::UdpEncap(body) => write!(f, " {}", body.port.0),
            Self::Tag(tag) => {
                let name = tag.padded.split(|&octet| octet == 0).next().unwrap_or_default();
                write!(f, " \"{}\"", name.escape_ascii())
            }
            Self::RoutingDomain(body) => write!(f, " {}/{}", body.first, body.second),
            Self::Counter(body) => {
                write!(f, " packets {}/{}", body.input_packets, body.output_packets)?;
                write!(f, " octets {}/{}", body.input_octets, body.output_octets)?;
                write!(f, " drops {}/{}", body.input_drops, body.output_drops)
            }
            Self::Replay(body) => write!(f, " {}", body.count),
            Self::Interface(body) => write!(f, " sec{} direction {}", body.unit, body.direction),
            Self::Copied(body) | Self::Unknown { body, .. } => write!(f, " ({} octets)", body.expose().len()),
        }
    }
}

impl fmt::Display for KamePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            " type {} direction {} id {} priority {}",
            self.kind, self.direction, self.id, self.priority
        )?;
        self.requests.iter().try_for_each(|request| write!(f, " ({request})"))
    }
}

impl fmt::Display for IpsecRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "proto {} mode {} level {} reqid {}", self.protocol, self.mode, self.level, self.reqid)?;
        match &self.addresses {
            Some((source, destination)) => write!(f, " {source} {destination}"),
            None => Ok(()),
        }
    }
}
