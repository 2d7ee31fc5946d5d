//! Telling apart what arrives on UDP port 4500 (RFC 3948 section 2), and framing what leaves.

/// The four zero octets before an IKE message on port 4500, where ESP has its SPI (RFC 3948 section 2.2).
pub const NON_ESP_MARKER: [u8; 4] = [0; 4];

/// The whole of a NAT keepalive (RFC 3948 section 2.3).
pub const KEEPALIVE: [u8; 1] = [0xff];

/// What a datagram on port 4500 is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Natt4500<'a> {
    /// An IKE message, without its marker.
    Ike(&'a [u8]),
    /// An ESP packet, from its SPI on.
    Esp(&'a [u8]),
    /// A keepalive, which a receiver ignores.
    Keepalive,
    /// Too short for any of them.
    Short,
}

/// Says what a datagram that arrived on port 4500 is.
pub fn demux(datagram: &[u8]) -> Natt4500<'_> {
    if datagram == KEEPALIVE {
        return Natt4500::Keepalive;
    }
    match datagram.split_first_chunk::<4>() {
        None => Natt4500::Short,
        Some((&NON_ESP_MARKER, ike)) => Natt4500::Ike(ike),
        Some(_) => Natt4500::Esp(datagram),
    }
}

/// An IKE message as it is sent on port 4500.
pub fn frame(ike: &[u8]) -> Vec<u8> {
    [&NON_ESP_MARKER, ike].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_four_apart() {
        assert_eq!(demux(&[0xff]), Natt4500::Keepalive);
        assert_eq!(demux(&[]), Natt4500::Short);
        assert_eq!(demux(&[0, 0, 0]), Natt4500::Short);
        assert_eq!(demux(&[0, 0, 0, 0, 7]), Natt4500::Ike(&[7]));
        assert_eq!(demux(&[0, 0, 1, 0, 7]), Natt4500::Esp(&[0, 0, 1, 0, 7]));
        assert_eq!(demux(&[0xff, 0xff, 0xff, 0xff]), Natt4500::Esp(&[0xff; 4]));
    }

    #[test]
    fn frames_what_it_reads() {
        assert_eq!(demux(&frame(b"ike")), Natt4500::Ike(b"ike"));
    }
}
