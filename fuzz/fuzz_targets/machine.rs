#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| preflight_fuzz::machine(input));
