//! Bytes to values and back: ISAKMP (RFC 2408) with the IPsec DOI (RFC 2407). No state, no crypto, no clock.
