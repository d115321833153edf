//! Every responder against a client that says anything.
#![no_main]

use libfuzzer_sys::fuzz_target;
use preflight_fuzz::{answered, service_of};

fuzz_target!(|input: &[u8]| {
    if let Some((service, _, said)) = service_of(input) {
        answered(service, said);
    }
});
