//! SIGINT, SIGTERM and SIGHUP: held back where their default action would leave something half done.
//!
//! Everywhere else they end the program at once, as they should: no wait of it outlasts Ctrl-C.

use std::io::{self, PipeWriter};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use tokio::sync::oneshot;

/// What asks a run to stop, or would end a program in the middle of a file: Ctrl-C, a service
/// manager, a terminal that is closed.
const STOPS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// Those of them that this process does not ignore.
///
/// `nohup` ignores SIGHUP and a shell's `&` SIGINT on purpose; held back, both would arrive all the
/// same. Without `/proc` nothing is known to be ignored.
fn stops() -> SigSet {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    // Bit 0 is signal 1.
    let is_heard = |signal: &Signal| (ignored >> (*signal as i32 - 1)) & 1 == 0;
    STOPS.into_iter().filter(is_heard).collect()
}

/// Until this is dropped, signals wait: those to this thread, and to threads that it starts meanwhile.
#[derive(Debug)]
#[must_use = "dropped, it holds nothing back"]
pub(crate) struct HeldSignals {
    /// The mask to go back to; `None` when it could not be changed.
    before: Option<SigSet>,
}

impl HeldSignals {
    /// Holds back what asks a run to stop, and would end a program that writes a file.
    pub(crate) fn stops() -> Self {
        Self { before: stops().thread_swap_mask(SigmaskHow::SIG_BLOCK).ok() }
    }
}

impl Drop for HeldSignals {
    fn drop(&mut self) {
        let _best_effort = self.before.map(|before| before.thread_set_mask());
    }
}

/// What stops a run: while this exists, SIGINT, SIGTERM and SIGHUP end it with a report, not the program.
#[derive(Debug)]
pub(crate) struct Interruption {
    /// `None` when there is no thread or descriptor for it: then they end the program as ever.
    watch: Option<SignalWatch>,
}

/// A thread that waits for the first signal.
#[derive(Debug)]
struct SignalWatch {
    first: oneshot::Receiver<()>,
    signals: Arc<SignalFd>,
    /// Closed, it ends the thread.
    wanted: PipeWriter,
    thread: JoinHandle<()>,
    held: HeldSignals,
}

impl Interruption {
    /// Heard from now on, and in every thread that is started meanwhile.
    pub(crate) fn new() -> Self {
        Self { watch: SignalWatch::start().ok() }
    }

    /// Ready at the first of them.
    pub(crate) async fn heard(&mut self) {
        if let Some(watch) = &mut self.watch
            && (&mut watch.first).await.is_ok()
        {
            return;
        }
        std::future::pending::<()>().await;
    }
}

impl SignalWatch {
    fn start() -> io::Result<Self> {
        let held = HeldSignals::stops();
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let signals = Arc::new(SignalFd::with_flags(&stops(), flags)?);
        let (unwanted, wanted) = io::pipe()?;
        let (tell, first) = oneshot::channel();
        let watched = Arc::clone(&signals);
        let thread = thread::Builder::new().name("signals".to_owned()).spawn(move || {
            let ends = [watched.as_fd(), unwanted.as_fd()];
            let mut ends = ends.map(|end| PollFd::new(end, PollFlags::POLLIN));
            let woken = poll(&mut ends, PollTimeout::NONE);
            let is_signal = ends.first().and_then(PollFd::any).unwrap_or(false);
            if woken.is_ok() && is_signal {
                let _run_is_over = tell.send(());
            }
        })?;
        Ok(Self { first, signals, wanted, thread, held })
    }
}

impl Drop for Interruption {
    fn drop(&mut self) {
        let Some(SignalWatch { signals, wanted, thread, held, .. }) = self.watch.take() else {
            return;
        };
        drop(wanted);
        let _nothing_to_say = thread.join();
        // The one that was heard, and one that came too late: the report is written all the same.
        while let Ok(Some(_)) = signals.read_signal() {}
        drop(held);
    }
}
