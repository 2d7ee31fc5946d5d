//! Messages of FreeBSD's and Linux's kernels.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| coati_fuzz::pfkey_kame::check(data));
