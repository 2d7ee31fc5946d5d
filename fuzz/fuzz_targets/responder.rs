//! Any datagrams at a fresh endpoint.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| coati_fuzz::responder::check(data));
