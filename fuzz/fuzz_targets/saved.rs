//! A saved report of anybody's: what is read is written without a control character, and reads
//! back as the same; redacted, it names nobody.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|json: &str| {
    preflight::fuzzing::saved_report(json);
    preflight::fuzzing::redacted_report(json);
});
