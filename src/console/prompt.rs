//! Asks whoever sits at the terminal.

use std::io::{self, IsTerminal as _, Read as _, Write as _};

use crate::far_side::PairingCode;

/// How often a slip is forgiven.
const TRIES: usize = 3;
/// More than any code.
const LONGEST: u64 = 256;

/// The code that the other machine shows.
///
/// It is seen while it is typed: it is of use for minutes, and a slip is seen too.
///
/// # Errors
///
/// Where nobody can be asked, or no code is given.
pub(crate) fn code() -> Result<PairingCode, String> {
    if !io::stdin().is_terminal() {
        return Err("the code of the other machine is missing: give it in \
            PREFLIGHT_FAR_SIDE_CODE or --far-side-code-file FILE, or run this at a terminal"
            .to_owned());
    }
    let mut last = String::new();
    for _ in 0..TRIES {
        let mut stderr = io::stderr();
        let _nobody_reads = write!(stderr, "The code that the other machine shows: ");
        let _nobody_reads = stderr.flush();
        let text = line().map_err(|error| error.to_string())?;
        match PairingCode::read(&text) {
            Ok(code) => return Ok(code),
            Err(reason) => {
                last = reason.to_string();
                let _nobody_reads = writeln!(stderr, "  {last}");
            }
        }
    }
    Err(last)
}

/// A line of standard input, byte by byte: what follows it is somebody else's.
fn line() -> io::Result<String> {
    let mut text = Vec::new();
    for byte in io::stdin().lock().take(LONGEST).bytes() {
        match byte? {
            b'\n' => break,
            byte => text.push(byte),
        }
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}
