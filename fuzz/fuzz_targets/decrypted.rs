//! Any payloads behind the encryption.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| coati_fuzz::decrypted::check(data));
