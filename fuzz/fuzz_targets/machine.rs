//! A machine whose files hold anything: discovery ends, and the site file made of it can be read.
//!
//! An input is lines `=PATH`, each followed by what that file holds.
#![no_main]

use std::fs;

use libfuzzer_sys::fuzz_target;
use preflight_fuzz::MACHINE_FILES;

fuzz_target!(|input: &[u8]| {
    let Ok(root) = tempfile::tempdir_in("/dev/shm") else { return };
    for file in input.split(|byte| *byte == 0x1c) {
        let Some((which, content)) = file.split_first() else { continue };
        let Some(path) = MACHINE_FILES.get(usize::from(*which)) else { continue };
        let path = root.path().join(path);
        let Some(folder) = path.parent() else { continue };
        if fs::create_dir_all(folder).is_ok() {
            let _not_there = fs::write(path, content);
        }
    }
    preflight::fuzzing::machine(root.path());
});
