//! What was discovered, on a page for a reader: file by file, line by line.

use std::io;

use preflight_checks::printable;
use unicode_width::UnicodeWidthStr;

use super::{Inventory, InventoryEntry};
use crate::report::groups::in_order;
use crate::report::{Canvas, NoteReport, own_files};
use crate::text::{MIN_WIDTH, at_slashes, pad, wrap};

/// Writes what each file says, then what is wrong with them.
pub(crate) fn write(
    inventory: &Inventory,
    canvas: Canvas,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let width = canvas.width.max(MIN_WIDTH);
    let root = inventory.root.as_deref().map(printable);
    let whose = root.as_deref().unwrap_or("this machine");
    for line in wrap(&format!("discovered in the files of {whose}; nothing was sent"), width) {
        writeln!(out, "{line}")?;
    }
    let widest = inventory.found.iter().map(|entry| entry.what.width()).max().unwrap_or(0);
    for (file, entries) in in_order(&inventory.found, |entry| &entry.origin.file) {
        // What one file says, in the order of its lines.
        let widths = (widest, width);
        writeln!(out, "\n  {}", printable(file))?;
        let kinds = in_order(entries, |entry| entry.what);
        let listed = kinds.iter().flat_map(|(_, entries)| entries.iter().take(LISTED));
        let mut listed: Vec<&&InventoryEntry> = listed.collect();
        listed.sort_by_key(|entry| entry.origin.line);
        for entry in listed {
            write_entry(entry, widths, out)?;
        }
        for (what, entries) in kinds.iter().filter(|(_, entries)| entries.len() > LISTED) {
            let more = entries.len() - LISTED;
            writeln!(out, "          {what}: {more} more; --format json has them all")?;
        }
    }
    if inventory.found.is_empty() {
        writeln!(out, "\n  nothing")?;
    }
    own_files::mistakes(&inventory.mistakes, width, out)?;
    if !inventory.notes.is_empty() {
        writeln!(out)?;
    }
    own_files::notes(inventory.notes.iter().map(NoteReport::from), width, out)
}

/// Entries of one kind in one file: hosts by the thousand would bury the rest.
const LISTED: usize = 20;

fn write_entry(
    entry: &InventoryEntry,
    (widest, width): (usize, usize),
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let line = entry.origin.line.map_or_else(String::new, |line| line.to_string());
    let room = width.saturating_sub(8 + widest + 4);
    let texts = match (entry.value.as_str(), entry.more.as_str()) {
        (value, "") => at_slashes(value, room),
        ("", more) => wrap(more, room),
        (url, more) if url.width() > room => {
            [at_slashes(url, room), wrap(&format!("({more})"), room)].concat()
        }
        (value, more) => wrap(&format!("{value} ({more})"), room),
    };
    for (index, text) in texts.iter().enumerate() {
        let (line, what) = if index == 0 { (line.as_str(), entry.what) } else { ("", "") };
        writeln!(out, "  {line:>6}  {}  {text}", pad(what, widest))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::discover::{At, Note};

    fn entry(what: &'static str, value: &str, file: &str, line: u32) -> InventoryEntry {
        let origin = At { line: Some(line), ..At::file(file) };
        InventoryEntry { what, value: value.to_owned(), more: String::new(), origin }
    }

    fn page(found: Vec<InventoryEntry>, notes: Vec<Note>) -> String {
        let inventory = Inventory { root: None, found, mistakes: Vec::new(), notes };
        let mut out = anstream::StripStream::new(Vec::new());
        write(&inventory, Canvas { width: 80, verbose: false }, &mut out).unwrap();
        String::from_utf8(out.into_inner()).unwrap()
    }

    #[test]
    fn a_file_is_named_once_and_its_lines_are_in_order() {
        let found = vec![
            entry("broker output", "to 10.0.0.5:5669", "/etc/a.json", 16),
            entry("name server", "10.0.0.53", "/etc/resolv.conf", 3),
            entry("BBDO version", "3.0.1", "/etc/a.json", 13),
        ];
        insta::assert_snapshot!(page(found, Vec::new()), @r"
        discovered in the files of this machine; nothing was sent

          /etc/a.json
              13  BBDO version   3.0.1
              16  broker output  to 10.0.0.5:5669

          /etc/resolv.conf
               3  name server    10.0.0.53
        ");
    }

    #[test]
    fn of_very_many_hosts_and_notes_some_are_shown_and_the_rest_is_counted() {
        let hosts = (1..=500).map(|line| entry("host", "10.0.0.1", "/etc/hosts.cfg", line));
        let first = entry("role", "poller", "/etc/hosts.cfg", 600);
        let note = |line| Note {
            at: At { line: Some(line), ..At::file("/etc/x") },
            reason: "garbage".to_owned(),
            missing: "the hosts",
        };
        let page = page([first].into_iter().chain(hosts).collect(), (1..=500).map(note).collect());
        assert!(page.contains("host: 480 more; --format json has them all"), "{page}");
        assert!(page.contains("   600  role"), "{page}");
        assert!(page.contains("and 480 more notes; --format json has them all"), "{page}");
        assert_eq!(page.lines().count(), 47, "{page}");
    }
}
