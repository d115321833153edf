//! A terminal of our own, to see what a person would.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::Stdio;

use nix::pty::{Winsize, openpty};

/// A terminal: the program writes to one side, the test reads the other.
pub(crate) struct Terminal {
    ours: File,
    theirs: OwnedFd,
}

/// What appears on a terminal once nobody but the program holds the other side.
pub(crate) struct Screen {
    terminal: File,
    /// The first bytes of a character whose others have not come yet.
    begun: Vec<u8>,
}

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
        Screen { terminal: self.ours, begun: Vec::new() }
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

    /// Presses keys.
    pub(crate) fn press(&mut self, keys: &str) {
        self.terminal.write_all(keys.as_bytes()).unwrap();
    }

    /// Some whole characters; none at the end.
    fn chunk(&mut self) -> String {
        let mut chunk = [0; 4096];
        loop {
            // The end of a terminal is an error: nobody holds the other side any more.
            let length = self.terminal.read(&mut chunk).unwrap_or(0);
            self.begun.extend_from_slice(&chunk[..length]);
            let whole = match str::from_utf8(&self.begun) {
                Ok(text) => text.len(),
                Err(error) => error.valid_up_to(),
            };
            if whole > 0 || length == 0 {
                let rest = self.begun.split_off(whole);
                return String::from_utf8(std::mem::replace(&mut self.begun, rest)).unwrap();
            }
        }
    }
}

/// What a terminal of so many columns shows after `written`.
pub(crate) fn shown(written: &str, columns: usize) -> Vec<String> {
    let rows = replay(written, columns);
    let rows = rows.iter().map(|row| row.iter().collect::<String>().trim_end().to_owned());
    let mut rows: Vec<String> = rows.collect();
    while rows.last().is_some_and(String::is_empty) {
        rows.pop();
    }
    rows
}

/// How many lines of the terminal were ever used.
pub(crate) fn height(written: &str, columns: usize) -> usize {
    replay(written, columns).len()
}

/// The lines of a terminal without a lower edge: enough of ECMA-48 for progress and tables.
fn replay(written: &str, columns: usize) -> Vec<Vec<char>> {
    let mut rows = vec![Vec::new()];
    let (mut row, mut column) = (0, 0);
    let mut characters = written.chars();
    while let Some(character) = characters.next() {
        match character {
            '\r' => column = 0,
            '\n' => row += 1,
            '\u{1b}' => {
                assert_eq!(characters.next(), Some('['), "{written:?}");
                let mut number = String::new();
                let command = characters.by_ref().find(|c| {
                    number.push(*c);
                    c.is_ascii_alphabetic()
                });
                number.pop();
                let count: usize = number.parse().unwrap_or(1);
                match command.unwrap() {
                    'A' => row -= count.min(row),
                    'B' => row += count,
                    'K' if number == "2" => rows[row].clear(),
                    'K' => rows[row].truncate(column),
                    'J' => {
                        rows[row].truncate(column);
                        rows[row + 1..].iter_mut().for_each(Vec::clear);
                    }
                    'm' | 'h' | 'l' => {}
                    other => panic!("unknown command {other} in {written:?}"),
                }
            }
            other => {
                if column == columns {
                    (row, column) = (row + 1, 0);
                    rows.resize_with(rows.len().max(row + 1), Vec::new);
                }
                let line: &mut Vec<char> = &mut rows[row];
                line.resize(line.len().max(column + 1), ' ');
                line[column] = other;
                column += 1;
            }
        }
        rows.resize_with(rows.len().max(row + 1), Vec::new);
    }
    rows
}
