//! Every number that IANA, the RFCs or the vendors gave a meaning: open newtypes, so that any value survives and prints.

use std::fmt;

mod notify;
mod phase1;
mod phase2;

pub use notify::NotifyMessageType;
pub use phase1::{
    AuthenticationMethod, EncryptionAlgorithm, GroupDescription, GroupType, HashAlgorithm, LifeType,
    Phase1Attribute,
};
pub use phase2::{
    AhTransform, AuthenticationAlgorithm, EncapsulationMode, EspTransform, IpcompTransform, Phase2Attribute,
};

/// Makes an open newtype with named values.
macro_rules! registry {
    ($(#[$doc:meta])* $name:ident($int:ty) { $($konst:ident = $value:literal, $text:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub $int);

        impl $name {
            $(
                #[doc = concat!($text, " (", stringify!($value), ").")]
                pub const $konst: Self = Self($value);
            )*

            /// Every value that has a name.
            pub const ALL: &[Self] = &[$(Self::$konst),*];

            /// The name, in the spelling of the document that defines it; `None` for a value without one.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some($text),)*
                    _ => None,
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self.name() {
                    Some(name) => f.pad(name),
                    None => self.0.fmt(f),
                }
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self.name() {
                    Some(name) => write!(f, "{}({} {})", stringify!($name), self.0, name),
                    None => write!(f, "{}({})", stringify!($name), self.0),
                }
            }
        }
    };
}
use registry;

registry! {
    /// Payload types (RFC 2408 section 3.1, RFC 3947, the vendors).
    PayloadType(u8) {
        NONE = 0, "NONE";
        SA = 1, "SA";
        PROPOSAL = 2, "P";
        TRANSFORM = 3, "T";
        KE = 4, "KE";
        ID = 5, "ID";
        CERT = 6, "CERT";
        CERTREQ = 7, "CR";
        HASH = 8, "HASH";
        SIG = 9, "SIG";
        NONCE = 10, "NONCE";
        NOTIFY = 11, "N";
        DELETE = 12, "D";
        VENDOR_ID = 13, "VID";
        ATTRIBUTES = 14, "ATTR";
        SAK = 15, "SAK";
        SAT = 16, "SAT";
        KD = 17, "KD";
        SEQ = 18, "SEQ";
        POP = 19, "POP";
        NAT_D = 20, "NAT-D";
        NAT_OA = 21, "NAT-OA";
        GAP = 22, "GAP";
        NAT_D_DRAFT = 130, "NAT-D-draft";
        NAT_OA_DRAFT = 131, "NAT-OA-draft";
        FRAGMENT = 132, "FRAG";
    }
}

registry! {
    /// Exchange types (RFC 2408 section 3.1, RFC 2409, draft-dukes-ike-mode-cfg-02).
    ExchangeType(u8) {
        NONE = 0, "NONE";
        BASE = 1, "Base";
        IDENTITY_PROTECTION = 2, "Identity Protection";
        AUTHENTICATION_ONLY = 3, "Authentication Only";
        AGGRESSIVE = 4, "Aggressive";
        INFORMATIONAL = 5, "Informational";
        TRANSACTION = 6, "Transaction";
        QUICK_MODE = 32, "Quick Mode";
        NEW_GROUP_MODE = 33, "New Group Mode";
        IKE_SA_INIT = 34, "IKE_SA_INIT";
        IKE_AUTH = 35, "IKE_AUTH";
        CREATE_CHILD_SA = 36, "CREATE_CHILD_SA";
        INFORMATIONAL_V2 = 37, "INFORMATIONAL";
    }
}

registry! {
    /// Domains of interpretation (RFC 2408 section 3.4, RFC 2407).
    Doi(u32) {
        ISAKMP = 0, "ISAKMP";
        IPSEC = 1, "IPSEC";
        GDOI = 2, "GDOI";
    }
}

registry! {
    /// Security protocols (RFC 2407 section 4.4.1).
    ProtocolId(u8) {
        ISAKMP = 1, "PROTO_ISAKMP";
        AH = 2, "PROTO_IPSEC_AH";
        ESP = 3, "PROTO_IPSEC_ESP";
        IPCOMP = 4, "PROTO_IPCOMP";
        GIGABEAM_RADIO = 5, "PROTO_GIGABEAM_RADIO";
    }
}

impl ProtocolId {
    /// The lowest and highest number of octets that an SPI of the protocol has (RFC 2408 section 3.15, RFC 2407 section
    /// 4.6.1, RFC 3173 section 3.3: a CPI in two octets or in four).
    pub const fn spi_sizes(self) -> (usize, usize) {
        match self {
            Self::ISAKMP => (16, 16),
            Self::AH | Self::ESP => (4, 4),
            Self::IPCOMP => (2, 4),
            _ => (1, 255),
        }
    }
}

registry! {
    /// Transforms of [`ProtocolId::ISAKMP`] (RFC 2407 section 4.4.2).
    IsakmpTransform(u8) {
        KEY_IKE = 1, "KEY_IKE";
    }
}

registry! {
    /// Identification types (RFC 2407 section 4.6.2.1, RFC 3554).
    IdType(u8) {
        IPV4_ADDR = 1, "ID_IPV4_ADDR";
        FQDN = 2, "ID_FQDN";
        USER_FQDN = 3, "ID_USER_FQDN";
        IPV4_ADDR_SUBNET = 4, "ID_IPV4_ADDR_SUBNET";
        IPV6_ADDR = 5, "ID_IPV6_ADDR";
        IPV6_ADDR_SUBNET = 6, "ID_IPV6_ADDR_SUBNET";
        IPV4_ADDR_RANGE = 7, "ID_IPV4_ADDR_RANGE";
        IPV6_ADDR_RANGE = 8, "ID_IPV6_ADDR_RANGE";
        DER_ASN1_DN = 9, "ID_DER_ASN1_DN";
        DER_ASN1_GN = 10, "ID_DER_ASN1_GN";
        KEY_ID = 11, "ID_KEY_ID";
        LIST = 12, "ID_LIST";
    }
}

registry! {
    /// Certificate encodings (RFC 2408 section 3.9, RFC 4945).
    CertEncoding(u8) {
        NONE = 0, "NONE";
        PKCS7 = 1, "PKCS #7 wrapped X.509 certificate";
        PGP = 2, "PGP Certificate";
        DNS_SIGNED_KEY = 3, "DNS Signed Key";
        X509_SIGNATURE = 4, "X.509 Certificate - Signature";
        X509_KEY_EXCHANGE = 5, "X.509 Certificate - Key Exchange";
        KERBEROS_TOKENS = 6, "Kerberos Tokens";
        CRL = 7, "Certificate Revocation List (CRL)";
        ARL = 8, "Authority Revocation List (ARL)";
        SPKI = 9, "SPKI Certificate";
        X509_ATTRIBUTE = 10, "X.509 Certificate - Attribute";
    }
}

registry! {
    /// Kinds of configuration messages (draft-dukes-ike-mode-cfg-02 section 3.2).
    ConfigType(u8) {
        REQUEST = 1, "ISAKMP_CFG_REQUEST";
        REPLY = 2, "ISAKMP_CFG_REPLY";
        SET = 3, "ISAKMP_CFG_SET";
        ACK = 4, "ISAKMP_CFG_ACK";
    }
}

registry! {
    /// Attributes of configuration messages (draft-dukes-ike-mode-cfg-02 section 3.3, draft-beaulieu-ike-xauth-02, Unity).
    ConfigAttribute(u16) {
        INTERNAL_IP4_ADDRESS = 1, "INTERNAL_IP4_ADDRESS";
        INTERNAL_IP4_NETMASK = 2, "INTERNAL_IP4_NETMASK";
        INTERNAL_IP4_DNS = 3, "INTERNAL_IP4_DNS";
        INTERNAL_IP4_NBNS = 4, "INTERNAL_IP4_NBNS";
        INTERNAL_ADDRESS_EXPIRY = 5, "INTERNAL_ADDRESS_EXPIRY";
        INTERNAL_IP4_DHCP = 6, "INTERNAL_IP4_DHCP";
        APPLICATION_VERSION = 7, "APPLICATION_VERSION";
        INTERNAL_IP6_ADDRESS = 8, "INTERNAL_IP6_ADDRESS";
        INTERNAL_IP6_NETMASK = 9, "INTERNAL_IP6_NETMASK";
        INTERNAL_IP6_DNS = 10, "INTERNAL_IP6_DNS";
        INTERNAL_IP6_NBNS = 11, "INTERNAL_IP6_NBNS";
        INTERNAL_IP6_DHCP = 12, "INTERNAL_IP6_DHCP";
        INTERNAL_IP4_SUBNET = 13, "INTERNAL_IP4_SUBNET";
        SUPPORTED_ATTRIBUTES = 14, "SUPPORTED_ATTRIBUTES";
        INTERNAL_IP6_SUBNET = 15, "INTERNAL_IP6_SUBNET";
        XAUTH_TYPE = 16_520, "XAUTH-TYPE";
        XAUTH_USER_NAME = 16_521, "XAUTH-USER-NAME";
        XAUTH_USER_PASSWORD = 16_522, "XAUTH-USER-PASSWORD";
        XAUTH_PASSCODE = 16_523, "XAUTH-PASSCODE";
        XAUTH_MESSAGE = 16_524, "XAUTH-MESSAGE";
        XAUTH_CHALLENGE = 16_525, "XAUTH-CHALLENGE";
        XAUTH_DOMAIN = 16_526, "XAUTH-DOMAIN";
        XAUTH_STATUS = 16_527, "XAUTH-STATUS";
        XAUTH_NEXT_PIN = 16_528, "XAUTH-NEXT-PIN";
        XAUTH_ANSWER = 16_529, "XAUTH-ANSWER";
        UNITY_BANNER = 28_672, "UNITY_BANNER";
        UNITY_SAVE_PASSWD = 28_673, "UNITY_SAVE_PASSWD";
        UNITY_DEF_DOMAIN = 28_674, "UNITY_DEF_DOMAIN";
        UNITY_SPLITDNS_NAME = 28_675, "UNITY_SPLITDNS_NAME";
        UNITY_SPLIT_INCLUDE = 28_676, "UNITY_SPLIT_INCLUDE";
        UNITY_NATT_PORT = 28_677, "UNITY_NATT_PORT";
        UNITY_LOCAL_LAN = 28_678, "UNITY_LOCAL_LAN";
        UNITY_PFS = 28_679, "UNITY_PFS";
        UNITY_FW_TYPE = 28_680, "UNITY_FW_TYPE";
        UNITY_BACKUP_SERVERS = 28_681, "UNITY_BACKUP_SERVERS";
        UNITY_DDNS_HOSTNAME = 28_682, "UNITY_DDNS_HOSTNAME";
    }
}

/// The bits of a situation (RFC 2407 section 4.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Situation(pub u32);

impl Situation {
    /// SIT_IDENTITY_ONLY: identified by the ID payloads, and no more.
    pub const IDENTITY_ONLY: u32 = 1;
    /// SIT_SECRECY: labelled; further fields follow.
    pub const SECRECY: u32 = 2;
    /// SIT_INTEGRITY: labelled; further fields follow.
    pub const INTEGRITY: u32 = 4;
}

impl fmt::Display for Situation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Self::IDENTITY_ONLY => f.write_str("SIT_IDENTITY_ONLY"),
            other => write!(f, "{other:#x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_it_knows_and_prints_the_rest() {
        assert_eq!(PayloadType::SA.to_string(), "SA");
        assert_eq!(PayloadType(200).name(), None);
        assert_eq!(PayloadType(200).to_string(), "200");
        assert_eq!(format!("{:?}", ExchangeType(32)), "ExchangeType(32 Quick Mode)");
        assert_eq!(format!("{:?}", ExchangeType(99)), "ExchangeType(99)");
        assert_eq!(NotifyMessageType::R_U_THERE.0, 36_136);
    }

    #[test]
    fn names_are_unique() {
        fn assert_unique(names: Vec<Option<&str>>) {
            let all: std::collections::BTreeSet<_> = names.iter().flatten().collect();
            assert_eq!(all.len(), names.len());
        }
        assert_unique(NotifyMessageType::ALL.iter().map(|v| v.name()).collect());
        assert_unique(EspTransform::ALL.iter().map(|v| v.name()).collect());
        assert_unique(PayloadType::ALL.iter().map(|v| v.name()).collect());
        assert_unique(ConfigAttribute::ALL.iter().map(|v| v.name()).collect());
    }
}
