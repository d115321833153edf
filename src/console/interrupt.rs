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

/// What asks a run to stop.
const STOPS: [Signal; 2] = [Signal::SIGINT, Signal::SIGTERM];
/// What would end a program in the middle of a file; a terminal that is closed does so too.
const ENDS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// Until this is dropped, signals wait: those to this thread, and to threads that it starts meanwhile.
#[derive(Debug)]
#[must_use = "dropped, it holds nothing back"]
pub(crate) struct HeldSignals {
    /// The mask to go back to; `None` when it could not be changed.
    before: Option<SigSet>,
}

impl HeldSignals {
    /// Holds back what asks a run to stop.
    pub(crate) fn stops() -> Self {
        Self::back(STOPS)
    }

    /// Holds back what would end the program.
    pub(crate) fn ends() -> Self {
        Self::back(ENDS)
    }

    fn back(signals: impl IntoIterator<Item = Signal>) -> Self {
        let signals: SigSet = signals.into_iter().collect();
        Self { before: signals.thread_swap_mask(SigmaskHow::SIG_BLOCK).ok() }
    }
}

impl Drop for HeldSignals {
    fn drop(&mut self) {
        let _best_effort = self.before.map(|before| before.thread_set_mask());
    }
}

/// What stops a run: while this exists, SIGINT and SIGTERM end it with a report, not the program.
#[derive(Debug)]
pub(crate) struct Interruption {
    /// `None` when there is no thread or descriptor for it: then both end the program as ever.
    watch: Option<Watch>,
}

/// A thread that waits for the first signal.
#[derive(Debug)]
struct Watch {
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
        Self { watch: Watch::start().ok() }
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

impl Watch {
    fn start() -> io::Result<Self> {
        let held = HeldSignals::stops();
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let signals = Arc::new(SignalFd::with_flags(&STOPS.into_iter().collect(), flags)?);
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
        let Some(Watch { signals, wanted, thread, held, .. }) = self.watch.take() else { return };
        drop(wanted);
        let _nothing_to_say = thread.join();
        // The one that was heard, and one that came too late: the report is written all the same.
        while let Ok(Some(_)) = signals.read_signal() {}
        drop(held);
    }
}
