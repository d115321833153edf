//! The command `preflight`; see the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    preflight::main()
}
