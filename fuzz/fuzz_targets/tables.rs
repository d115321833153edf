//! A site file and a flow table of anybody's.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    preflight::fuzzing::site_file(text);
    preflight::fuzzing::catalogue(text);
});
