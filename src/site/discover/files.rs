//! A machine's files, read below a root: this machine's own, or a copy of another's.
//!
//! Every file is hostile: only regular ones are opened, at most [`MOST`] bytes of
//! one ([`MOST_OBJECTS`] of the engine's) and [`MOST_OF_ALL`] of all are read, and a
//! symbolic link of a copied tree never leads out of it.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use nix::fcntl::OFlag;

use super::facts::At;

/// Bytes of one file; what people write has a thousandth of it, and what reads it
/// may look at each line more than once.
const MOST: u64 = 1 << 20;
/// Bytes of one file of an engine's objects; ten thousand hosts are about four million.
const MOST_OBJECTS: u64 = 24 << 20;
/// Bytes of all files together.
const MOST_OF_ALL: u64 = 64 << 20;
/// Entries of one folder.
const MOST_ENTRIES: usize = 4_096;
/// Symbolic links followed for one path, as the kernel does.
const MOST_LINKS: usize = 40;

/// The files below a root.
#[derive(Debug)]
pub(crate) struct Files {
    root: PathBuf,
    left: Cell<u64>,
}

/// A file's text, and the name the machine itself has for it.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    /// `/etc/chrony.conf`, whatever the root.
    pub(crate) file: Arc<str>,
    /// What is in it; bytes that are no UTF-8 are replaced.
    pub(crate) text: String,
}

impl Text {
    /// The line with this number, counted from 1.
    pub(crate) fn at(&self, line: usize) -> At {
        At { file: Arc::clone(&self.file), line: u32::try_from(line).ok() }
    }

    /// Its lines with their numbers, counted from 1.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }
}

/// Why a file or folder was not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unread {
    /// There is none of that name.
    #[error("there is no such file")]
    Missing,
    /// This user may not read it.
    #[error("permission denied; run as root, or as a user of its group")]
    Denied,
    /// A device, a pipe, a folder.
    #[error("it is not a regular file")]
    NotAFile,
    /// More than is read of one file, or of all.
    #[error("it is too large to be a configuration file")]
    TooLarge,
    /// The kernel's word.
    #[error("{0}")]
    Failed(String),
}

impl From<io::Error> for Unread {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::Missing,
            io::ErrorKind::PermissionDenied => Self::Denied,
            _ => Self::Failed(error.to_string()),
        }
    }
}

impl Files {
    /// The files of this machine.
    pub(crate) fn here() -> Self {
        Self::below(Path::new("/"))
    }

    /// The files of a copied tree.
    pub(crate) fn below(root: &Path) -> Self {
        Self { root: root.to_owned(), left: Cell::new(MOST_OF_ALL) }
    }

    /// Is it this machine, not a copy of another?
    pub(crate) fn is_here(&self) -> bool {
        self.root == Path::new("/")
    }

    /// Is there anything of that name, as far as this user can tell? What lies in a
    /// folder closed to us is not missing.
    pub(crate) fn exists(&self, path: &str) -> bool {
        let found = self.resolve(path).and_then(|place| Ok(fs::symlink_metadata(place)?));
        !matches!(found, Err(Unread::Missing))
    }

    /// The name behind every link of `path`: `/usr/sbin/sendmail.postfix`; without a
    /// link the path itself.
    pub(crate) fn follow(&self, path: &str) -> String {
        let resolved = self.resolve(path).ok();
        let inside = resolved.as_deref().and_then(|place| place.strip_prefix(&self.root).ok());
        inside.map_or_else(|| path.to_owned(), |inside| format!("/{}", inside.display()))
    }

    /// The text of a file.
    ///
    /// # Errors
    ///
    /// [`Unread`], which says why.
    pub(crate) fn read(&self, path: &str) -> Result<Text, Unread> {
        self.read_most(path, MOST)
    }

    /// The text of a file with objects of the engine, which may be larger than others.
    ///
    /// # Errors
    ///
    /// [`Unread`], which says why.
    pub(crate) fn read_objects(&self, path: &str) -> Result<Text, Unread> {
        self.read_most(path, MOST_OBJECTS)
    }

    fn read_most(&self, path: &str, most: u64) -> Result<Text, Unread> {
        let place = self.resolve(path)?;
        if !fs::symlink_metadata(&place)?.is_file() {
            return Err(Unread::NotAFile);
        }
        // Should a pipe take the file's place meanwhile, opening it must not wait.
        let opened =
            File::options().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(&place)?;
        let may = most.min(self.left.get());
        let mut bytes = Vec::new();
        opened.take(may + 1).read_to_end(&mut bytes)?;
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if length > may {
            return Err(Unread::TooLarge);
        }
        self.left.set(self.left.get() - length);
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        };
        Ok(Text { file: Arc::from(path), text })
    }

    /// How many bytes a file has.
    ///
    /// # Errors
    ///
    /// [`Unread`], which says why.
    pub(crate) fn size(&self, path: &str) -> Result<u64, Unread> {
        Ok(fs::symlink_metadata(self.resolve(path)?)?.len())
    }

    /// The files of a folder whose names end in `suffix`, by their whole paths, sorted.
    ///
    /// # Errors
    ///
    /// [`Unread`], which says why.
    pub(crate) fn list(&self, folder: &str, suffix: &str) -> Result<Vec<String>, Unread> {
        let mut paths = self.list_all(folder)?;
        let is_hidden = |path: &String| path.rsplit('/').next().is_some_and(|n| n.starts_with('.'));
        paths.retain(|path| path.ends_with(suffix) && !is_hidden(path));
        Ok(paths)
    }

    /// All files of a folder, hidden ones too, by their whole paths, sorted.
    ///
    /// # Errors
    ///
    /// [`Unread`], which says why.
    pub(crate) fn list_all(&self, folder: &str) -> Result<Vec<String>, Unread> {
        let names = fs::read_dir(self.resolve(folder)?)?
            .take(MOST_ENTRIES)
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut paths: Vec<String> =
            names.map(|name| format!("{}/{name}", folder.trim_end_matches('/'))).collect();
        paths.sort();
        Ok(paths)
    }

    /// Where a path of the machine lies on this disk: links are followed as on
    /// the machine itself, so an absolute one begins at the root again.
    fn resolve(&self, path: &str) -> Result<PathBuf, Unread> {
        let mut links = 0;
        let mut rest: Vec<PathBuf> = vec![PathBuf::from(path)];
        let mut inside: Vec<std::ffi::OsString> = Vec::new();
        while let Some(next) = rest.pop() {
            let mut components = next.components();
            let Some(first) = components.next() else { continue };
            rest.push(components.as_path().to_owned());
            match first {
                Component::RootDir | Component::Prefix(_) => inside.clear(),
                Component::CurDir => {}
                Component::ParentDir => {
                    inside.pop();
                }
                Component::Normal(name) => {
                    inside.push(name.to_owned());
                    if let Ok(link) = fs::read_link(self.on_disk(&inside)) {
                        links += 1;
                        if links > MOST_LINKS {
                            return Err(Unread::Failed("too many symbolic links".to_owned()));
                        }
                        inside.pop();
                        rest.push(link);
                    }
                }
            }
        }
        Ok(self.on_disk(&inside))
    }

    /// Is there a folder of this name?
    pub(super) fn is_folder(&self, path: &str) -> bool {
        self.resolve(path).is_ok_and(|path| path.is_dir())
    }

    fn on_disk(&self, inside: &[std::ffi::OsString]) -> PathBuf {
        let mut path = self.root.clone();
        path.extend(inside);
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn tree() -> (tempfile::TempDir, Files) {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("etc/chrony")).unwrap();
        fs::write(dir.path().join("etc/chrony/chrony.conf"), "server 10.0.0.3\n").unwrap();
        let files = Files::below(dir.path());
        (dir, files)
    }

    #[test]
    fn a_file_keeps_the_name_the_machine_has_for_it() {
        let (_dir, files) = tree();
        let text = files.read("/etc/chrony/chrony.conf").unwrap();
        assert_eq!(text.at(1).to_string(), "/etc/chrony/chrony.conf:1");
        assert_eq!(text.lines().collect::<Vec<_>>(), [(1, "server 10.0.0.3")]);
    }

    #[test]
    fn links_stay_inside_the_root() {
        let (dir, files) = tree();
        let link = |target: &str, name: &str| symlink(target, dir.path().join(name)).unwrap();
        link("/etc/chrony/chrony.conf", "etc/absolute");
        link("../../../../../../etc/chrony/chrony.conf", "etc/upwards");
        link("loop", "etc/loop");
        link("/etc/passwd", "etc/elsewhere");
        for name in ["/etc/absolute", "/etc/upwards", "/etc/../../etc/absolute"] {
            assert_eq!(files.read(name).unwrap().text, "server 10.0.0.3\n", "{name}");
        }
        assert!(matches!(files.read("/etc/loop"), Err(Unread::Failed(_))));
        assert_eq!(files.read("/etc/elsewhere").unwrap_err(), Unread::Missing);
    }

    #[test]
    fn only_what_is_known_to_be_missing_does_not_exist() {
        let (dir, files) = tree();
        symlink("loop", dir.path().join("etc/loop")).unwrap();
        symlink("none", dir.path().join("etc/nowhere")).unwrap();
        // Longer than any name: the kernel cannot say whether it is there.
        let long = format!("/etc/{}", "x".repeat(300));
        for (name, exists) in [
            ("/etc/chrony", true),
            ("/etc/loop", true),
            (&long, true),
            ("/etc/nowhere", false),
            ("/etc/chrony/chrony.conf/x", false),
        ] {
            assert_eq!(files.exists(name), exists, "{name}");
        }
    }

    #[test]
    fn a_link_is_followed_to_the_name_the_machine_has_for_its_end() {
        let (dir, files) = tree();
        symlink("/etc/alternatives/mta", dir.path().join("etc/sendmail")).unwrap();
        fs::create_dir(dir.path().join("etc/alternatives")).unwrap();
        symlink("../chrony/none", dir.path().join("etc/alternatives/mta")).unwrap();
        assert_eq!(files.follow("/etc/sendmail"), "/etc/chrony/none");
        assert_eq!(files.follow("/etc/none"), "/etc/none");
    }

    #[test]
    fn only_regular_files_of_a_sane_size_are_read() {
        let (dir, files) = tree();
        assert_eq!(files.read("/etc").unwrap_err(), Unread::NotAFile);
        assert_eq!(files.read("/etc/none").unwrap_err(), Unread::Missing);
        assert_eq!(Files::here().read("/dev/zero").unwrap_err(), Unread::NotAFile);
        let huge = File::create(dir.path().join("etc/huge")).unwrap();
        huge.set_len(100 << 20).unwrap();
        assert_eq!(files.read("/etc/huge").unwrap_err(), Unread::TooLarge);
    }

    #[test]
    fn all_files_together_have_a_bound_too() {
        let (dir, files) = tree();
        let large = File::create(dir.path().join("etc/large")).unwrap();
        large.set_len(MOST_OBJECTS).unwrap();
        assert_eq!(files.read("/etc/large").unwrap_err(), Unread::TooLarge);
        let read = (0..4).map(|_| files.read_objects("/etc/large").is_ok());
        assert_eq!(read.collect::<Vec<_>>(), [true, true, false, false]);
    }

    #[test]
    fn a_folder_lists_the_files_that_end_so() {
        let (dir, files) = tree();
        for name in ["b.conf", "a.conf", "c.bak", ".hidden.conf"] {
            fs::write(dir.path().join("etc/chrony").join(name), "").unwrap();
        }
        let conf = files.list("/etc/chrony/", ".conf").unwrap();
        let all = ["/etc/chrony/a.conf", "/etc/chrony/b.conf", "/etc/chrony/chrony.conf"];
        assert_eq!(conf, all);
        assert_eq!(files.list("/etc/none", "").unwrap_err(), Unread::Missing);
    }
}
