//! Datagrams to messages and back.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| coati_fuzz::wire_message::check(data));
