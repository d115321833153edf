//! Program: what does a program of this host write, when it is let run for a moment?
//!
//! For what the kernel shows to no library in words that mean the same on every version: the rules
//! of its firewall. The program comes from the system's own folders, and gets no environment.

use std::io::{self, Read as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Where the programs of a system are; never where a user's `PATH` leads.
const FOLDERS: [&str; 4] = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];
/// A large rule set is listed within a second.
const PATIENCE: Duration = Duration::from_secs(5);
/// About 100,000 rules.
const MAX_OUTPUT: usize = 64 << 20;
/// Enough for the sentence that says why a program failed.
const MAX_ERRORS: u64 = 4096;

/// Where the program is, if this host has it.
pub(crate) fn path(name: &str) -> Option<PathBuf> {
    FOLDERS.iter().map(|folder| Path::new(folder).join(name)).find(|path| path.is_file())
}

/// What `program` writes to its stdout. Blocks for as long as it runs, at most five seconds.
///
/// # Errors
///
/// A sentence: it does not start, does not end, writes too much, or says itself that it failed.
pub(crate) fn output(program: &Path, arguments: &[&str]) -> Result<String, String> {
    let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let said = |error: &dyn std::fmt::Display| format!("{name}: {error}");
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("LC_ALL", "C")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| said(&error))?;
    let read = read(&mut child);
    if read.is_err() {
        let _already_ended = child.kill();
    }
    let mut errors = String::new();
    if let Some(stderr) = child.stderr.take().filter(|_| read.is_ok()) {
        let _what_there_is = stderr.take(MAX_ERRORS).read_to_string(&mut errors);
    }
    let status = child.wait().map_err(|error| said(&error))?;
    let bytes = read.map_err(|error| said(&error))?;
    if !status.success() {
        let first = errors.lines().find(|line| !line.trim().is_empty()).unwrap_or("it failed");
        return Err(said(&crate::wire::clean(first.as_bytes(), 120)));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn read(child: &mut std::process::Child) -> io::Result<Vec<u8>> {
    let Some(stdout) = child.stdout.as_mut() else { return Ok(Vec::new()) };
    let end = Instant::now() + PATIENCE;
    let mut bytes = Vec::new();
    let mut chunk = vec![0; 64 << 10];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let wait = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
        let ready = poll(&mut [PollFd::new(stdout.as_fd(), PollFlags::POLLIN)], wait)?;
        if ready == 0 {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "it does not end"));
        }
        let count = stdout.read(&mut chunk)?;
        if count == 0 {
            return Ok(bytes);
        }
        bytes.extend(chunk.get(..count).unwrap_or_default());
        if bytes.len() > MAX_OUTPUT {
            return Err(io::Error::other("it writes too much"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Result<String, String> {
        output(&path("sh").unwrap(), &["-c", script])
    }

    #[test]
    fn a_program_is_heard_to_its_end_and_its_failure_is_told_in_its_words() {
        assert_eq!(shell("echo one; echo two"), Ok("one\ntwo\n".to_owned()));
        assert_eq!(shell("echo not for you >&2; exit 3"), Err("sh: not for you".to_owned()));
        assert_eq!(shell("exit 3"), Err("sh: it failed".to_owned()));
        let large = shell("head -c 3000000 /dev/zero").unwrap();
        assert_eq!(large.len(), 3_000_000);
    }

    #[test]
    fn nothing_of_the_environment_is_handed_on() {
        assert_eq!(shell("echo $HOME$USER$LC_ALL"), Ok("C\n".to_owned()));
        assert_eq!(path("no-such-program"), None);
    }
}
