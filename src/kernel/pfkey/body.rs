//! Structures of a fixed size: fields one behind the other, each said once.

use super::native::{Field, Network};
use crate::wire::codec::{Reader, WireError, Writer};

macro_rules! layout {
    ($(
        $(#[$doc:meta])*
        $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }
    )*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl $name {
            /// Octets, without the four of the extension's head.
            pub const LEN: usize = 0 $(+ <$type as Field>::LEN)*;
        }

        impl Field for $name {
            const LEN: usize = Self::LEN;
            fn read(reader: &mut Reader<'_>, _: &'static str) -> Result<Self, WireError> {
                Ok(Self { $($field: Field::read(reader, stringify!($field))?,)* })
            }
            fn write(&self, writer: &mut Writer) {
                $(self.$field.write(writer);)*
            }
        }
    )*};
}

layout! {
    /// `sadb_sa`: what an SA is (RFC 2367 section 2.3.1).
    Association {
        /// The index; a CPI for IPComp.
        spi: Network<u32>,
        /// The anti-replay window: octets of bitmap on FreeBSD, packets elsewhere.
        replay: u8,
        /// Larval 0, mature 1, dying 2, dead 3.
        state: u8,
        /// The authenticator's number.
        auth: u8,
        /// The cipher's number, or the compression's.
        encrypt: u8,
        /// `SADB_SAFLAGS_*`.
        flags: u32,
    }

    /// `sadb_x_sa2` (KAME): mode and request id.
    KameMode {
        /// Any 0, transport 1, tunnel 2.
        mode: u8,
        /// Reserved.
        reserved1: u8,
        /// Reserved.
        reserved2: u16,
        /// The sequence number that ESP or AH has come to.
        sequence: u32,
        /// The policy's request id.
        reqid: u32,
    }

    /// `sadb_lifetime` (RFC 2367 section 2.3.2).
    LifetimeBody {
        /// Packets on FreeBSD, flows on OpenBSD.
        allocations: u32,
        /// Octets.
        octets: u64,
        /// Seconds since creation; in `CURRENT` the time of creation.
        add_time: u64,
        /// Seconds since the first use; in `CURRENT` its time, in `LASTUSE` that of the last.
        use_time: u64,
    }

    /// `sadb_comb`: one alternative of a proposal (RFC 2367 section 2.3.7).
    Combination {
        /// The authenticator's number.
        auth: u8,
        /// The cipher's number.
        encrypt: u8,
        /// `SADB_SAFLAGS_*`.
        flags: u16,
        /// Lowest key length of the authenticator in bits.
        auth_min_bits: u16,
        /// Highest.
        auth_max_bits: u16,
        /// Lowest key length of the cipher in bits.
        encrypt_min_bits: u16,
        /// Highest.
        encrypt_max_bits: u16,
        /// Reserved.
        reserved: u32,
        /// Soft limit of allocations.
        soft_allocations: u32,
        /// Hard one.
        hard_allocations: u32,
        /// Soft limit of octets.
        soft_octets: u64,
        /// Hard one.
        hard_octets: u64,
        /// Soft limit of seconds since creation.
        soft_add_time: u64,
        /// Hard one.
        hard_add_time: u64,
        /// Soft limit of seconds since the first use.
        soft_use_time: u64,
        /// Hard one.
        hard_use_time: u64,
    }

    /// `sadb_alg`: an algorithm that the kernel has (RFC 2367 section 2.3.8).
    SupportedAlgorithm {
        /// Its number.
        id: u8,
        /// Length of its IV: octets on FreeBSD and Linux, bits on OpenBSD.
        iv_len: u8,
        /// Lowest key length in bits.
        min_bits: u16,
        /// Highest.
        max_bits: u16,
        /// Reserved.
        reserved: u16,
    }

    /// `sadb_spirange` (RFC 2367 section 2.3.9); the numbers are in host order.
    SpiRange {
        /// The lowest SPI wanted.
        min: u32,
        /// The highest.
        max: u32,
        /// Reserved.
        reserved: u32,
    }

    /// `sadb_x_nat_t_type` (KAME).
    NatType {
        /// 2 is ESP in UDP (RFC 3948).
        kind: u8,
        /// Reserved.
        reserved: [u8; 3],
    }

    /// `sadb_x_nat_t_port` (KAME).
    NatPort {
        /// The port.
        port: Network<u16>,
        /// Reserved.
        reserved: u16,
    }

    /// `sadb_x_nat_t_frag` (FreeBSD).
    NatFragment {
        /// Length of a fragment.
        length: u16,
        /// Reserved.
        reserved: u16,
    }

    /// `sadb_protocol` (OpenBSD).
    ProtocolBody {
        /// An upper-layer protocol, a flow type or an SA type, as the extension says.
        protocol: u8,
        /// In 1, out 2.
        direction: u8,
        /// 1: the policy is static.
        flags: u8,
        /// Reserved.
        reserved: u8,
    }

    /// `sadb_x_udpencap` (OpenBSD): the peer's port of ESP in UDP.
    UdpPort {
        /// The port.
        port: Network<u16>,
        /// Reserved.
        reserved: u16,
    }

    /// `sadb_x_counter` (OpenBSD).
    Counters {
        /// Padding.
        reserved: u32,
        /// Packets received.
        input_packets: u64,
        /// Packets sent.
        output_packets: u64,
        /// Octets received.
        input_octets: u64,
        /// Octets sent.
        output_octets: u64,
        /// Packets dropped that were received.
        input_drops: u64,
        /// Packets dropped that were to be sent.
        output_drops: u64,
        /// Octets received, decompressed.
        input_decompressed: u64,
        /// Octets sent, before compression.
        output_uncompressed: u64,
    }

    /// `sadb_x_replay` (OpenBSD): the sequence number that the SA has come to.
    ReplayCounter {
        /// Reserved.
        reserved: u32,
        /// The number.
        count: u64,
    }

    /// `sadb_x_rdomain` (OpenBSD).
    RoutingDomains {
        /// Where the encrypted side is looked up.
        first: u16,
        /// Where decapsulated packets go.
        second: u16,
    }

    /// `sadb_x_iface` (OpenBSD): the sec(4) interface of an SA.
    Interface {
        /// Its number.
        unit: u32,
        /// In 1, out 2.
        direction: u8,
        /// Reserved.
        reserved: [u8; 7],
    }
}
