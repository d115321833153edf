//! The rows on the terminal: drawn at once, and gone at once.
//!
//! Each row ends with a line feed, so the cursor rests in the first column under them. indicatif leaves
//! it in the last column of the last row, where the `^C` that a terminal echoes moves it a line down: the
//! rows that are taken away then are one too low, and the first one stays.

use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use indicatif::TermLike;

/// Columns and lines of the terminal behind stderr.
pub(super) fn size() -> (usize, usize) {
    const UNKNOWN: (usize, usize) = (80, 24);
    terminal_size::terminal_size_of(io::stderr())
        .map_or(UNKNOWN, |(columns, lines)| (columns.0.into(), lines.0.into()))
}

/// The terminal behind stderr, for indicatif.
#[derive(Debug, Default)]
pub(super) struct Screen(Mutex<ScreenRows>);

#[derive(Debug, Default)]
struct ScreenRows {
    /// How many stand there.
    drawn: usize,
    /// What is to stand there next, a line feed behind each.
    next: String,
}

impl ScreenRows {
    /// What takes the rows away that stand there, and puts the next ones in their place.
    fn redraw(&mut self) -> String {
        let up = match self.drawn {
            0 => String::new(),
            lines => format!("\x1b[{lines}A"),
        };
        self.drawn = self.next.matches('\n').count();
        format!("\r{up}\x1b[J{}", std::mem::take(&mut self.next))
    }
}

impl Screen {
    fn rows(&self) -> MutexGuard<'_, ScreenRows> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        u16::try_from(size().0).unwrap_or(u16::MAX)
    }

    fn height(&self) -> u16 {
        u16::try_from(size().1).unwrap_or(u16::MAX)
    }

    /// A row, or the spaces with which indicatif fills the rest of its line.
    fn write_str(&self, text: &str) -> io::Result<()> {
        let is_filler = text.bytes().all(|byte| byte == b' ');
        self.rows().next.push_str(if is_filler { "\n" } else { text });
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        let mut rows = self.rows();
        rows.next.push_str(text);
        rows.next.push('\n');
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        let drawing = self.rows().redraw();
        let mut out = io::stderr().lock();
        out.write_all(drawing.as_bytes())?;
        out.flush()
    }

    // Where indicatif would have the cursor: `redraw` knows by itself where it is.

    fn move_cursor_up(&self, _lines: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _lines: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _columns: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _columns: usize) -> io::Result<()> {
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        Ok(())
    }
}
