//! May this process still open files and sockets of its own host, and start threads? Asked before a run.
//!
//! Without them the runtime panics in its middle, or waits for a thread that never began. What a
//! run needs at least is tried for a moment and given back; what fails is named with its limit.

use std::fs::{self, File};
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Descriptors of a run that asks one peer: the runtime's own, a socket, a file it is reported to.
const FILES: usize = 20;
/// More than any run opens at once; some systems set no limit at all.
const MOST_FILES: u64 = 65_536;
/// Threads of a run: two that work, the one for signals, one for the system's resolver.
const THREADS: usize = 4;

/// Descriptors that questions and looks may have open, after this process has taken all that the system gives it.
///
/// A soft limit is there for programs that use `select`, and this one does not.
pub(crate) fn files() -> usize {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return FILES };
    let all = hard.min(MOST_FILES).max(soft);
    let taken = soft >= all || setrlimit(Resource::RLIMIT_NOFILE, all, hard).is_ok();
    let files = usize::try_from(if taken { all } else { soft }).unwrap_or(usize::MAX);
    files.saturating_sub(FILES).max(FILES)
}

/// From now on a crash leaves no image of the memory, which holds what this run was given in confidence.
///
/// Children inherit it, and a handler of crashes such as systemd-coredump keeps none either.
pub(crate) fn keep_no_image() {
    // Nobody is refused a lower limit.
    let _lowered = setrlimit(Resource::RLIMIT_CORE, 0, 0);
}

/// # Errors
///
/// A sentence that names the limit.
pub(crate) fn room() -> Result<(), String> {
    opens_files()?;
    opens_unix_sockets()?;
    threads()
}

fn opens_files() -> Result<(), String> {
    let open: io::Result<Vec<File>> = (0..FILES).map(|_| File::open("/")).collect();
    match open {
        Err(error) if matches!(errno(&error), Some(Errno::EMFILE | Errno::ENFILE)) => Err(format!(
            "this process may not open enough files at once (ulimit -n{}): 64 do for a small run, \
             1024 for any",
            limit("Max open files")
        )),
        // Another error says nothing of the limit.
        _ => Ok(()),
    }
}

/// The runtime hears of signals through one, and a web server's answer passes through another.
fn opens_unix_sockets() -> Result<(), String> {
    let Err(error) = UnixStream::pair() else { return Ok(()) };
    Err(format!(
        "this process may not open Unix sockets, which never leave this host ({}); a service needs \
         AF_UNIX in its RestrictAddressFamilies=, a container a seccomp profile that allows them",
        errno(&error).map_or("no reason given", Errno::desc)
    ))
}

fn threads() -> Result<(), String> {
    let (release, wait) = channel::<()>();
    let wait = Arc::new(Mutex::new(wait));
    let until_released = |wait: Arc<Mutex<Receiver<()>>>| {
        move || {
            let wait = wait.lock().unwrap_or_else(PoisonError::into_inner);
            let _released = wait.recv();
        }
    };
    let spawn = |_| thread::Builder::new().spawn(until_released(Arc::clone(&wait)));
    // All of them at once: one after the other proves nothing.
    let started: Vec<_> = (0..THREADS).map(spawn).collect();
    drop(release);
    let mut refused = None;
    for thread in started {
        match thread {
            Ok(thread) => drop(thread.join()),
            Err(error) => refused = Some(error),
        }
    }
    let Some(error) = refused else { return Ok(()) };
    let limit = limit("Max processes");
    Err(format!(
        "this user may not start enough threads (ulimit -u{limit}; a service's TasksMax and a \
         container's limit count too): {}",
        errno(&error).map_or("no more threads", Errno::desc)
    ))
}

fn errno(error: &io::Error) -> Option<Errno> {
    error.raw_os_error().map(Errno::from_raw)
}

/// ` is 6`, as far as the kernel tells.
fn limit(name: &str) -> String {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix(name));
    let soft = line.and_then(|line| line.split_whitespace().next());
    soft.map(|soft| format!(" is {soft}")).unwrap_or_default()
}
