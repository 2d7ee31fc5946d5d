//! Attributes with the names of their classes and values.

use std::fmt;

use super::super::attribute::{Attribute, AttributeValue};
use super::super::registry::{
    AhTransform, AuthenticationAlgorithm, AuthenticationMethod, ConfigAttribute, EncapsulationMode,
    EncryptionAlgorithm, EspTransform, GroupDescription, GroupType, HashAlgorithm, IpcompTransform,
    IsakmpTransform, LifeType, Phase1Attribute, Phase2Attribute, ProtocolId,
};
use super::Hex;

/// Whose numbers the attribute classes are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Classes {
    /// Those of phase 1.
    Phase1,
    /// Those of phase 2.
    Phase2,
    /// Those of the transaction exchange.
    Config,
}

impl Classes {
    /// The classes that transforms of a protocol have.
    pub(super) const fn of(protocol: ProtocolId) -> Self {
        match protocol {
            ProtocolId::ISAKMP => Self::Phase1,
            _ => Self::Phase2,
        }
    }

    const fn name(self, kind: u16) -> Option<&'static str> {
        match self {
            Self::Phase1 => Phase1Attribute(kind).name(),
            Self::Phase2 => Phase2Attribute(kind).name(),
            Self::Config => ConfigAttribute(kind).name(),
        }
    }

    /// The name of a value, where values of the class have names.
    const fn value_name(self, kind: u16, value: u16) -> Option<&'static str> {
        match self {
            Self::Phase1 => match Phase1Attribute(kind) {
                Phase1Attribute::ENCRYPTION_ALGORITHM => EncryptionAlgorithm(value).name(),
                Phase1Attribute::HASH_ALGORITHM => HashAlgorithm(value).name(),
                Phase1Attribute::AUTHENTICATION_METHOD => AuthenticationMethod(value).name(),
                Phase1Attribute::GROUP_DESCRIPTION => GroupDescription(value).name(),
                Phase1Attribute::GROUP_TYPE => GroupType(value).name(),
                Phase1Attribute::LIFE_TYPE => LifeType(value).name(),
                _ => None,
            },
            Self::Phase2 => match Phase2Attribute(kind) {
                Phase2Attribute::SA_LIFE_TYPE => LifeType(value).name(),
                Phase2Attribute::GROUP_DESCRIPTION => GroupDescription(value).name(),
                Phase2Attribute::ENCAPSULATION_MODE => EncapsulationMode(value).name(),
                Phase2Attribute::AUTHENTICATION_ALGORITHM => AuthenticationAlgorithm(value).name(),
                _ => None,
            },
            Self::Config => None,
        }
    }

    /// Whether the value is for the peer's eyes only.
    fn is_secret(self, kind: u16) -> bool {
        self == Self::Config
            && matches!(
                ConfigAttribute(kind),
                ConfigAttribute::XAUTH_USER_PASSWORD
                    | ConfigAttribute::XAUTH_PASSCODE
                    | ConfigAttribute::XAUTH_NEXT_PIN
                    | ConfigAttribute::XAUTH_ANSWER
            )
    }
}

/// Attributes in one line, separated by commas.
pub(super) struct PrettyAttributes<'a>(pub(super) &'a [Attribute], pub(super) Classes);

impl fmt::Display for PrettyAttributes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, attribute) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            write_attribute(f, attribute, self.1)?;
        }
        Ok(())
    }
}

fn write_attribute(f: &mut fmt::Formatter<'_>, attribute: &Attribute, classes: Classes) -> fmt::Result {
    let kind = attribute.kind;
    let Some(name) = classes.name(kind) else {
        return write!(f, "attribute {kind} = 0x{}", Hex(&attribute.to_bytes()));
    };
    f.write_str(name)?;
    match &attribute.value {
        _ if classes.is_secret(kind) => f.write_str(" = <redacted>"),
        AttributeValue::Short(value) => match classes.value_name(kind, *value) {
            Some(text) => write!(f, " = {text}"),
            None => write!(f, " = {value}"),
        },
        AttributeValue::Long(bytes) if classes == Classes::Config => write_config_value(f, kind, bytes),
        AttributeValue::Long(bytes) => match attribute.number() {
            Some(number) => write!(f, " = {number} ({} octets)", bytes.len()),
            None => write!(f, " = 0x{}", Hex(bytes)),
        },
    }
}

fn write_config_value(f: &mut fmt::Formatter<'_>, kind: u16, bytes: &[u8]) -> fmt::Result {
    let is_text = matches!(
        ConfigAttribute(kind),
        ConfigAttribute::APPLICATION_VERSION
            | ConfigAttribute::XAUTH_USER_NAME
            | ConfigAttribute::XAUTH_MESSAGE
            | ConfigAttribute::XAUTH_DOMAIN
            | ConfigAttribute::UNITY_BANNER
            | ConfigAttribute::UNITY_DEF_DOMAIN
            | ConfigAttribute::UNITY_SPLITDNS_NAME
    );
    match bytes {
        [] => Ok(()),
        _ if is_text => write!(f, " = \"{}\"", bytes.escape_ascii()),
        &[a, b, c, d] => write!(f, " = {}", std::net::Ipv4Addr::new(a, b, c, d)),
        _ => write!(f, " = 0x{}", Hex(bytes)),
    }
}

/// Writes the name of a transform ID, or its number.
pub(super) fn write_transform_id(f: &mut fmt::Formatter<'_>, protocol: ProtocolId, id: u8) -> fmt::Result {
    let name = match protocol {
        ProtocolId::ISAKMP => IsakmpTransform(id).name(),
        ProtocolId::AH => AhTransform(id).name(),
        ProtocolId::ESP => EspTransform(id).name(),
        ProtocolId::IPCOMP => IpcompTransform(id).name(),
        _ => None,
    };
    match name {
        Some(name) => f.write_str(name),
        None => write!(f, "transform {id}"),
    }
}
