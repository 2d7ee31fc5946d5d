//! Messages of OpenBSD's kernel.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| coati_fuzz::pfkey_openbsd::check(data));
