//! Certificates that a server shows, one after the other, each with its length before it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use preflight_checks::fuzzing::certificates;
use preflight_checks::{Seen, Trust};
use preflight_fuzz::{PKI, is_printable};
use rustls::pki_types::CertificateDer;

fuzz_target!(|input: &[u8]| {
    let mut shown: Vec<CertificateDer<'static>> = Vec::new();
    let mut rest = input;
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length)).min(after.len());
        let (der, behind) = after.split_at(length);
        shown.push(der.to_vec().into());
        rest = behind;
    }
    for host in ["localhost", "127.0.0.1", "\u{fc}.example"] {
        let mut seen = Seen::default();
        let verdict = certificates(&shown, host, &Trust::only([PKI.0.clone()]), &mut seen);
        if let Err(cause) = verdict {
            is_printable("certificate", &cause.to_string());
        }
        for (name, value) in seen.evidence.facts() {
            is_printable(name, &value.to_string());
        }
    }
});
