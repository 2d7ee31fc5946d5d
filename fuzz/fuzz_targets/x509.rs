//! Certificates, chains, names and keys.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| coati_fuzz::x509::check(data));
