//! Files that flags name: lists of devices, an inventory, a key, certificates, a secret.
#![no_main]

use std::fs;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((which, content)) = input.split_first() else { return };
    let Ok(file) = tempfile::Builder::new().suffix(suffix(*which)).tempfile_in("/dev/shm") else {
        return;
    };
    if fs::write(file.path(), content).is_ok() {
        preflight::fuzzing::flag_file(*which, file.path());
    }
});

/// An inventory is read as its name says.
fn suffix(which: u8) -> &'static str {
    match which / 5 % 3 {
        0 => ".csv",
        1 => ".json",
        _ => ".yml",
    }
}
