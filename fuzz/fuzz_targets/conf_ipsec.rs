//! OpenBSD's ipsec.conf.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| coati_fuzz::conf_ipsec::check(data));
