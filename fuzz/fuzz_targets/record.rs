//! `record FOLDER REPOSITORY` writes the first inputs below FOLDER: what healthy far sides and
//! probes say to each other, certificates, and the files of the tests.
//!
//! It is built as a fuzzer, since everything it is linked with counts for one.
#![no_main]

use std::path::PathBuf;
use std::{env, fs, io};

use libfuzzer_sys::fuzz_target;
use preflight_fuzz::record::{machine_inputs, record};

fuzz_target!(
    init: {
        let written = write();
        if let Err(error) = &written {
            eprintln!("record: {error}");
        }
        std::process::exit(i32::from(written.is_err()));
    },
    |_input: &[u8]| {}
);

fn write() -> io::Result<()> {
    let arguments: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [folder, repository] = arguments.as_slice() else {
        return Err(io::Error::other("usage: record FOLDER REPOSITORY"));
    };
    record(folder)?;
    let machine = folder.join("machine");
    fs::create_dir_all(&machine)?;
    for (number, (_, input)) in
        machine_inputs(&repository.join("tests/fixtures"))?.into_iter().enumerate()
    {
        fs::write(machine.join(number.to_string()), input)?;
    }
    Ok(())
}
