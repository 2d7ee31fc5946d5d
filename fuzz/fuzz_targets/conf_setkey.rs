//! Text to setkey files.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| coati_fuzz::conf_setkey::check(data));
