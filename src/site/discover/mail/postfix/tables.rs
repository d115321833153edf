//! Tables that send some mail elsewhere: which of them can be read, and what they hold.
//!
//! A table has a type and a name (`hash:/etc/postfix/transport`). Indexed ones are made by
//! postmap from a text file of the same name, which is read here; a table that lies on a
//! server, or computes its answers, is noted.
//!
//! Reference: `DATABASE_README`, postmap(1), transport(5).

use super::super::super::facts::Read;
use super::super::super::{At, Facts, Files};
use super::settings::{enclosed, logical_lines};

/// Entries of one table that are read; each may be a relay of its own.
const MOST_ENTRIES: usize = 4_096;
/// Made by postmap from a text file.
const INDEXED: [&str; 6] = ["hash", "btree", "lmdb", "cdb", "dbm", "sdbm"];

/// A key, and what stands for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TableEntry {
    /// In lower case.
    pub(super) key: String,
    pub(super) value: Read<String>,
}

/// What a setting that names tables holds, in the order they are asked; what cannot be
/// read of it is noted as `missing`.
pub(super) fn entries(
    files: &Files,
    facts: &mut Facts,
    setting: &Read<String>,
    default_type: &str,
    missing: &'static str,
) -> Vec<TableEntry> {
    let mut found: Vec<TableEntry> = Vec::new();
    for table in names(&setting.value) {
        let (kind, name) = kind_and_name(table, default_type);
        let more = match kind {
            "inline" => inline(name, &setting.at),
            "static" => {
                let value = Read { value: name.to_owned(), at: setting.at.clone() };
                vec![TableEntry { key: "*".to_owned(), value }]
            }
            "texthash" => text(files, facts, name, missing),
            indexed if INDEXED.contains(&indexed) => {
                let made = [format!("{name}.db"), format!("{name}.{indexed}")];
                if !made.iter().any(|made| files.exists(made)) {
                    let reason = format!(
                        "{table} has no compiled table: postfix keeps all mail until postmap {table} is run"
                    );
                    facts.note(setting.at.clone(), reason, missing);
                }
                text(files, facts, name, missing)
            }
            _ => {
                let reason = format!("it asks {kind}:{name}, which is not read");
                facts.note(setting.at.clone(), reason, missing);
                Vec::new()
            }
        };
        // Of one key the first counts.
        for entry in more {
            if found.len() < MOST_ENTRIES && !found.iter().any(|known| known.key == entry.key) {
                found.push(entry);
            }
        }
    }
    found
}

/// The keys of all tables; none when one of them cannot be read. Values stay where they are:
/// they may be passwords.
pub(super) fn keys(files: &Files, tables: &str, default_type: &str) -> Option<Vec<String>> {
    let mut keys = Vec::new();
    for table in names(tables) {
        let (kind, name) = kind_and_name(table, default_type);
        match kind {
            "static" => keys.push("*".to_owned()),
            "inline" => keys.extend(inline(name, &At::file("")).into_iter().map(|it| it.key)),
            kind if kind == "texthash" || INDEXED.contains(&kind) => {
                let text = files.read(name).ok()?;
                let lines = logical_lines(&text).into_iter();
                let first = |line: Read<String>| {
                    line.value.split([' ', '\t']).next().map(str::to_ascii_lowercase)
                };
                keys.extend(lines.filter_map(first).take(MOST_ENTRIES));
            }
            _ => return None,
        }
    }
    (!keys.is_empty()).then_some(keys)
}

/// `proxy:hash:/a` is what `hash:/a` is.
fn kind_and_name<'a>(table: &'a str, default_type: &'a str) -> (&'a str, &'a str) {
    match table.split_once(':') {
        Some(("proxy", table)) => table.split_once(':').unwrap_or(("proxy", table)),
        Some(parts) => parts,
        None => (default_type, table),
    }
}

/// `hash:/a, inline:{b=c, d=e}`: the tables one by one.
fn names(value: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let (mut from, mut depth) = (0, 0_usize);
    for (at, c) in value.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' | ' ' | '\t' if depth == 0 => {
                names.extend(value.get(from..at));
                from = at + 1;
            }
            _ => {}
        }
    }
    names.extend(value.get(from..));
    names.retain(|name| !name.is_empty());
    names
}

/// `{key=value, {other = value with spaces}}`.
fn inline(table: &str, at: &At) -> Vec<TableEntry> {
    let inside = enclosed(table).map_or(table, |(inside, _)| inside);
    let entry = |pair: &str| {
        let pair = if pair.starts_with('{') { enclosed(pair).ok()?.0 } else { pair };
        let (key, value) = pair.split_once('=')?;
        let value = Read { value: value.trim().to_owned(), at: at.clone() };
        Some(TableEntry { key: key.trim().to_ascii_lowercase(), value })
    };
    names(inside).into_iter().filter_map(entry).collect()
}

/// The file a table is made from: a key, white space, a value.
fn text(files: &Files, facts: &mut Facts, path: &str, missing: &'static str) -> Vec<TableEntry> {
    let text = match files.read(path) {
        Ok(text) => text,
        Err(why) => {
            facts.note(At::file(path), why.to_string(), missing);
            return Vec::new();
        }
    };
    let entry = |line: Read<String>| {
        let (key, value) = line.value.split_once([' ', '\t'])?;
        let value = Read { value: value.trim().to_owned(), at: line.at };
        Some(TableEntry { key: key.to_ascii_lowercase(), value })
    };
    logical_lines(&text).into_iter().filter_map(entry).collect()
}
