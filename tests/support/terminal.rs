//! A terminal of our own, to see what a person would.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::process::Stdio;

use nix::pty::{Winsize, openpty};

/// A terminal: the program writes to one side, the test reads the other.
pub(crate) struct Terminal {
    ours: File,
    theirs: OwnedFd,
}

/// What appears on a terminal once nobody but the program holds the other side.
pub(crate) struct Screen(File);

impl Terminal {
    pub(crate) fn new(columns: u16) -> Self {
        let size = Winsize { ws_row: 25, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(Some(&size), None).unwrap();
        Self { ours: pair.master.into(), theirs: pair.slave }
    }

    /// The program's side.
    pub(crate) fn stdio(&self) -> Stdio {
        self.theirs.try_clone().unwrap().into()
    }

    /// Our side, after the program was started.
    pub(crate) fn screen(self) -> Screen {
        Screen(self.ours)
    }
}

impl Screen {
    /// Everything up to and including the first chunk in which `text` is complete.
    #[track_caller]
    pub(crate) fn until(&mut self, text: &str) -> String {
        let mut seen = String::new();
        while !seen.contains(text) {
            let chunk = self.chunk();
            assert!(!chunk.is_empty(), "no `{text}` in {seen:?}");
            seen.push_str(&chunk);
        }
        seen
    }

    /// Everything until the program is gone.
    pub(crate) fn rest(mut self) -> String {
        let chunks = std::iter::from_fn(|| Some(self.chunk()).filter(|chunk| !chunk.is_empty()));
        chunks.collect()
    }

    fn chunk(&mut self) -> String {
        let mut chunk = [0; 4096];
        // The end of a terminal is an error: nobody holds the other side any more.
        let length = self.0.read(&mut chunk).unwrap_or(0);
        String::from_utf8_lossy(&chunk[..length]).into_owned()
    }
}
