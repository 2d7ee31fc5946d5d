//! The numbers of each dialect: one table a registry, one column a kernel.
//!
//! From `net/pfkeyv2.h` of FreeBSD (15) and OpenBSD (7.9) and `linux/pfkeyv2.h`. `-` is: no such number there.

/// Whose PF_KEY.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Dialect {
    /// FreeBSD: KAME's.
    FreeBsd,
    /// OpenBSD: its own.
    OpenBsd,
    /// Linux (`af_key`): KAME's, with a few layouts of its own.
    Linux,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::FreeBsd, Self::OpenBsd, Self::Linux];

    /// The domain of the socket: `PF_KEY` of that system.
    pub const fn domain(self) -> i32 {
        match self {
            Self::FreeBsd => 27,
            Self::OpenBsd => 30,
            Self::Linux => 15,
        }
    }

    /// `AF_INET6` there. (`AF_INET` is 2 everywhere.)
    pub(super) const fn family_v6(self) -> u8 {
        match self {
            Self::FreeBsd => 28,
            Self::OpenBsd => 24,
            Self::Linux => 10,
        }
    }

    /// Whether it has policies in KAME's form; otherwise it has OpenBSD's flows.
    pub const fn is_kame(self) -> bool {
        !matches!(self, Self::OpenBsd)
    }
}

impl std::fmt::Display for Dialect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::FreeBsd => "freebsd",
            Self::OpenBsd => "openbsd",
            Self::Linux => "linux",
        })
    }
}

macro_rules! number {
    (-) => {
        None
    };
    ($value:literal) => {
        Some($value)
    };
}

macro_rules! numbers {
    ($(#[$doc:meta])* $name:ident($int:ty) {
        $($variant:ident $text:literal $freebsd:tt $openbsd:tt $linux:tt;)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum $name {
            $(
                #[doc = concat!("`", $text, "`.")]
                $variant,
            )*
            /// A number that the dialect has no name for. Reading never gives a named one in this form.
            Other($int),
        }

        impl $name {
            /// Everything that has a name, with its numbers in the order of [`Dialect::ALL`].
            pub const TABLE: &[(Self, &'static str, [Option<$int>; 3])] =
                &[$((Self::$variant, $text, [number!($freebsd), number!($openbsd), number!($linux)]),)*];

            /// What a number means there.
            pub fn from_number(dialect: Dialect, number: $int) -> Self {
                let row = Self::TABLE.iter().find(|row| row.2[dialect as usize] == Some(number));
                row.map_or(Self::Other(number), |row| row.0)
            }

            /// Its number there; `None` where the dialect has none.
            pub fn number(self, dialect: Dialect) -> Option<$int> {
                match self {
                    Self::Other(number) => Some(number),
                    named => Self::TABLE.iter().find(|row| row.0 == named).and_then(|row| row.2[dialect as usize]),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self {
                    Self::Other(number) => number.fmt(f),
                    named => f.pad(Self::TABLE.iter().find(|row| row.0 == *named).map_or("", |row| row.1)),
                }
            }
        }
    };
}

numbers! {
    /// What a message is about (`sadb_msg_type`, RFC 2367 section 3.1).
    MessageType(u8) {
        Reserved "RESERVED" 0 0 0;
        GetSpi "GETSPI" 1 1 1;
        Update "UPDATE" 2 2 2;
        Add "ADD" 3 3 3;
        Delete "DELETE" 4 4 4;
        Get "GET" 5 5 5;
        Acquire "ACQUIRE" 6 6 6;
        Register "REGISTER" 7 7 7;
        Expire "EXPIRE" 8 8 8;
        Flush "FLUSH" 9 9 9;
        Dump "DUMP" 10 10 10;
        Promisc "X_PROMISC" 11 11 11;
        PChange "X_PCHANGE" 12 - 12;
        SpdUpdate "X_SPDUPDATE" 13 - 13;
        SpdAdd "X_SPDADD" 14 - 14;
        SpdDelete "X_SPDDELETE" 15 - 15;
        SpdGet "X_SPDGET" 16 - 16;
        SpdAcquire "X_SPDACQUIRE" 17 - 17;
        SpdDump "X_SPDDUMP" 18 16 18;
        SpdFlush "X_SPDFLUSH" 19 - 19;
        SpdSetIdx "X_SPDSETIDX" 20 - 20;
        SpdExpire "X_SPDEXPIRE" 21 - 21;
        SpdDelete2 "X_SPDDELETE2" 22 - 22;
        NewMapping "X_NAT_T_NEW_MAPPING" - - 23;
        Migrate "X_MIGRATE" - - 24;
        AddFlow "X_ADDFLOW" - 12 -;
        DelFlow "X_DELFLOW" - 13 -;
        GroupSpis "X_GRPSPIS" - 14 -;
        AskPolicy "X_ASKPOLICY" - 15 -;
    }
}

numbers! {
    /// Which protocol a message is about (`sadb_msg_satype`).
    SaType(u8) {
        Unspec "UNSPEC" 0 0 0;
        Ah "AH" 2 1 2;
        Esp "ESP" 3 2 3;
        Rsvp "RSVP" 5 3 5;
        OspfV2 "OSPFV2" 6 4 6;
        RipV2 "RIPV2" 7 5 7;
        Mip "MIP" 8 6 8;
        IpComp "X_IPCOMP" 9 9 9;
        TcpSignature "X_TCPSIGNATURE" 11 8 -;
        IpIp "X_IPIP" - 7 -;
    }
}

numbers! {
    /// What an extension is (`sadb_ext_type`, RFC 2367 section 2.3).
    ExtensionType(u16) {
        Reserved "RESERVED" 0 0 0;
        Sa "SA" 1 1 1;
        LifetimeCurrent "LIFETIME_CURRENT" 2 2 2;
        LifetimeHard "LIFETIME_HARD" 3 3 3;
        LifetimeSoft "LIFETIME_SOFT" 4 4 4;
        AddressSrc "ADDRESS_SRC" 5 5 5;
        AddressDst "ADDRESS_DST" 6 6 6;
        AddressProxy "ADDRESS_PROXY" 7 7 7;
        KeyAuth "KEY_AUTH" 8 8 8;
        KeyEncrypt "KEY_ENCRYPT" 9 9 9;
        IdentitySrc "IDENTITY_SRC" 10 10 10;
        IdentityDst "IDENTITY_DST" 11 11 11;
        Sensitivity "SENSITIVITY" 12 12 12;
        Proposal "PROPOSAL" 13 13 13;
        SupportedAuth "SUPPORTED_AUTH" 14 14 14;
        SupportedEncrypt "SUPPORTED_ENCRYPT" 15 15 15;
        SpiRange "SPIRANGE" 16 16 16;
        KmPrivate "X_KMPRIVATE" 17 - 17;
        Policy "X_POLICY" 18 - 18;
        Sa2 "X_SA2" 19 - 19;
        NatType "X_NAT_T_TYPE" 20 - 20;
        NatSourcePort "X_NAT_T_SPORT" 21 - 21;
        NatDestinationPort "X_NAT_T_DPORT" 22 - 22;
        NatOriginalInitiator "X_NAT_T_OAI" 23 - 23;
        NatOriginalResponder "X_NAT_T_OAR" 24 - -;
        NatFragment "X_NAT_T_FRAG" 25 - -;
        SaReplay "X_SA_REPLAY" 26 - -;
        NewAddressSrc "X_NEW_ADDRESS_SRC" 27 - -;
        NewAddressDst "X_NEW_ADDRESS_DST" 28 - -;
        LifetimeSoftware "X_LFT_CUR_SW_OFFL" 29 - -;
        LifetimeHardware "X_LFT_CUR_HW_OFFL" 30 - -;
        HardwareOffload "X_IF_HW_OFFL" 31 - -;
        SecurityContext "X_SEC_CTX" - - 24;
        KmAddress "X_KMADDRESS" - - 25;
        Filter "X_FILTER" - - 26;
        SrcMask "X_SRC_MASK" - 17 -;
        DstMask "X_DST_MASK" - 18 -;
        Protocol "X_PROTOCOL" - 19 -;
        FlowType "X_FLOW_TYPE" - 20 -;
        SrcFlow "X_SRC_FLOW" - 21 -;
        DstFlow "X_DST_FLOW" - 22 -;
        SecondSa "X_SA2 (second SA)" - 23 -;
        Dst2 "X_DST2" - 24 -;
        AcquireSequence "X_POLICY (sequence)" - 25 -;
        LocalCredentials "X_LOCAL_CREDENTIALS" - 26 -;
        RemoteCredentials "X_REMOTE_CREDENTIALS" - 27 -;
        LocalAuth "X_LOCAL_AUTH" - 28 -;
        RemoteAuth "X_REMOTE_AUTH" - 29 -;
        SupportedComp "X_SUPPORTED_COMP" - 30 -;
        UdpEncap "X_UDPENCAP" - 31 -;
        LifetimeLastUse "X_LIFETIME_LASTUSE" - 32 -;
        Tag "X_TAG" - 33 -;
        Tap "X_TAP" - 34 -;
        SaType2 "X_SATYPE2" - 35 -;
        Counter "X_COUNTER" - 36 -;
        RoutingDomain "X_RDOMAIN" - 37 -;
        Mtu "X_MTU" - 38 -;
        Replay "X_REPLAY" - 39 -;
        Interface "X_IFACE" - 40 -;
    }
}
