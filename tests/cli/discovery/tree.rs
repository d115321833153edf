//! A machine's tree, laid from the fixtures it consists of.

use std::fs;
use std::path::{Path, PathBuf};

/// A tree in a folder of its own, which goes with it.
pub(crate) struct Tree {
    folder: tempfile::TempDir,
}

impl Tree {
    /// The machine of that name, with what lies under it.
    pub(crate) fn of(name: &str) -> Self {
        let tree = Self { folder: tempfile::tempdir().unwrap() };
        tree.lay(name);
        tree
    }

    /// A tree of these files alone.
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let tree = Self { folder: tempfile::tempdir().unwrap() };
        for (path, text) in files {
            let path = tree.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        tree
    }

    /// The fixtures in a folder of them.
    pub(crate) fn names(folder: &str) -> Vec<String> {
        let entries = fs::read_dir(fixtures().join(folder)).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The machines without a mistake, and the distributions under them.
    pub(crate) fn healthy() -> Vec<String> {
        let mut names = Self::names("");
        names.retain(|name| !["broken", "exported-objects"].contains(&name.as_str()));
        names
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Every file of it, by its place on this disk, sorted.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut folders = vec![self.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        files.sort();
        files
    }

    fn lay(&self, name: &str) {
        let of = fixtures().join(name);
        let words = |file: &str| -> Vec<String> {
            let text = fs::read_to_string(of.join(file)).unwrap_or_default();
            text.lines().map(str::to_owned).collect()
        };
        for layer in words("layers") {
            self.lay(&layer);
        }
        copy(&of, self.path());
        for gone in words("without") {
            let gone = self.path().join(gone);
            if gone.is_dir() {
                fs::remove_dir_all(gone).unwrap();
            } else {
                fs::remove_file(gone).unwrap();
            }
        }
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy(&entry.path(), &target);
        } else if !["layers", "without"].contains(&entry.file_name().to_str().unwrap()) {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}
