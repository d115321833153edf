//! Every probe against a peer that says anything: no panic, bounded memory, an end in time, and a
//! verdict that is printable.
#![no_main]

use libfuzzer_sys::fuzz_target;
use preflight_fuzz::{asked, is_printable, service_of};

fuzz_target!(|input: &[u8]| {
    let Some((service, bare, said)) = service_of(input) else { return };
    let Some(found) = asked(service, bare, said) else { return };
    if let Err(cause) = &found.verdict {
        is_printable(service.name, &cause.to_string());
    }
    is_printable(service.name, &found.seen.headline);
    for concern in &found.seen.concerns {
        is_printable(service.name, &concern.to_string());
    }
    for (name, value) in found.seen.evidence.facts() {
        is_printable(name, &value.to_string());
    }
});
