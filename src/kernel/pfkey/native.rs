//! Fields of a PF_KEY structure: integers in the order of the host, a few in network order, arrays.

use crate::wire::codec::{Reader, WireError, Writer};

/// A field that knows how it stands in a structure.
pub(super) trait Field: Sized {
    /// Octets.
    const LEN: usize;
    /// Reads it; `name` is for the error.
    fn read(reader: &mut Reader<'_>, name: &'static str) -> Result<Self, WireError>;
    /// Writes it.
    fn write(&self, writer: &mut Writer);
}

/// An integer that stands in network order: an SPI or a port.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Network<T>(pub T);

macro_rules! integer {
    ($($int:ty),*) => {$(
        impl Field for $int {
            const LEN: usize = size_of::<Self>();
            fn read(reader: &mut Reader<'_>, name: &'static str) -> Result<Self, WireError> {
                reader.array(name).map(Self::from_ne_bytes)
            }
            fn write(&self, writer: &mut Writer) {
                writer.bytes(&self.to_ne_bytes());
            }
        }

        impl Field for Network<$int> {
            const LEN: usize = size_of::<$int>();
            fn read(reader: &mut Reader<'_>, name: &'static str) -> Result<Self, WireError> {
                reader.array(name).map(<$int>::from_be_bytes).map(Self)
            }
            fn write(&self, writer: &mut Writer) {
                writer.bytes(&self.0.to_be_bytes());
            }
        }
    )*};
}
integer!(u8, u16, u32, u64);

impl<const N: usize> Field for [u8; N] {
    const LEN: usize = N;
    fn read(reader: &mut Reader<'_>, name: &'static str) -> Result<Self, WireError> {
        reader.array(name)
    }
    fn write(&self, writer: &mut Writer) {
        writer.bytes(self);
    }
}

/// The next multiple of eight: what an extension's length counts in.
pub(super) const fn round_up(octets: usize) -> usize {
    octets.next_multiple_of(8)
}

/// What is left of an extension behind its last field. Nothing, where it is the padding that [`pad`] makes.
pub(super) fn take_padding(reader: &mut Reader<'_>) -> Vec<u8> {
    let rest = reader.rest();
    if rest.len() < 8 && rest.iter().all(|&octet| octet == 0) { Vec::new() } else { rest.to_vec() }
}

/// Fills up to a multiple of eight octets with zeros.
pub(super) fn pad(writer: &mut Writer) {
    let missing = round_up(writer.len()) - writer.len();
    writer.bytes(&[0; 8][..missing]);
}
