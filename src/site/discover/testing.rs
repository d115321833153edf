//! For tests: texts, trees of files, and texts as a broken disk or a stranger would leave them.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::{Files, Text};

/// A text as if read from `file`.
pub(super) fn text(file: &str, content: &str) -> Text {
    Text { file: Arc::from(file), text: content.to_owned() }
}

/// A root with these files below it.
pub(super) fn tree(contents: &[(&str, &str)]) -> (tempfile::TempDir, Files) {
    let dir = tempfile::tempdir().unwrap();
    for (path, content) in contents {
        let place = dir.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, content).unwrap();
    }
    let files = Files::below(dir.path());
    (dir, files)
}

/// The path of a program that judges; it may lie beside the machine's own, and then PATH says so.
///
/// # Panics
///
/// When it is not there.
pub(super) fn program(name: &str) -> PathBuf {
    let search = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    std::env::split_paths(&search)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("{name} is missing: run tests/run, which installs it"))
}

/// Hands `sample` to `parse` as a whole and cut short after every byte.
pub(super) fn every_beginning(file: &str, sample: &str, mut parse: impl FnMut(&Text)) {
    for end in 0..=sample.len() {
        parse(&text(file, &String::from_utf8_lossy(&sample.as_bytes()[..end])));
    }
}

/// Any bytes, and lines shuffled out of pieces of `sample`, which get further into a parser.
pub(super) fn hostile(file: &'static str, sample: &'static str) -> impl Strategy<Value = Text> {
    let pieces: Vec<&str> =
        sample.split_inclusive(&[' ', '\n', '=', '"', '[', '{', ':'][..]).collect();
    let shuffled = vec(proptest::sample::select(pieces), 0..60).prop_map(|some| some.concat());
    let bytes = vec(any::<u8>(), 0..300);
    let bytes = bytes.prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    prop_oneof![bytes, shuffled].prop_map(move |content| text(file, &content))
}
