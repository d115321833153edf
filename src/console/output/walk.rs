//! The way to a file: which folder is it in, and what bears its name there?
//!
//! Each folder on the way is opened once and held, so nobody can exchange one between the look and the
//! use. Links are followed here and not by the kernel: never one that another user may have planted.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};
use nix::unistd::{Uid, geteuid};

/// Links followed for one path, as the kernel does.
const MOST_LINKS: usize = 40;

/// Why nothing is written to what a path names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unwritable {
    /// A symbolic link on the way.
    #[error("`{name}` is a symbolic link of another user (uid {owner}); it is not followed")]
    Link { name: String, owner: u32 },
    /// A pipe or a device.
    #[error("another user (uid {owner}) made this pipe or device; nothing is written to it")]
    Foreign { owner: u32 },
    /// A disk or a socket.
    #[error("this is a disk or a socket; nothing is written to it")]
    Special,
    /// A pipe without a reader.
    #[error("nobody reads this pipe")]
    Unread,
    /// A pipe whose name was given to something else while it was opened.
    #[error("something else took its name meanwhile")]
    Exchanged,
    /// A file in a sticky folder.
    #[error(
        "it belongs to another user (uid {owner}), and only its owner may replace it in this folder"
    )]
    Sticky { owner: u32 },
}

impl From<Unwritable> for io::Error {
    fn from(reason: Unwritable) -> Self {
        Self::other(reason)
    }
}

/// Where a path leads.
#[derive(Debug)]
pub(super) enum WalkEnd {
    /// A name in a folder.
    Named(OpenedPlace),
    /// A descriptor of this program itself: `/dev/stdout`, `/dev/fd/63`.
    Descriptor(i32),
}

/// A name in a folder that is held open.
#[derive(Debug)]
pub(super) struct OpenedPlace {
    pub(super) folder: OwnedFd,
    pub(super) name: OsString,
    /// What bears the name; never a link or a folder.
    pub(super) there: Option<FileStat>,
}

/// Follows `path` to its last name.
///
/// # Errors
///
/// A folder on the way is missing or closed to us, the path names a folder, or somebody else's link is on it.
pub(super) fn walk(path: &Path) -> io::Result<WalkEnd> {
    if path.as_os_str().as_bytes().ends_with(b"/") {
        return Err(Errno::EISDIR.into());
    }
    let mut folder = open(AT_FDCWD, if path.is_absolute() { "/" } else { "." })?;
    let mut ahead = parts(path);
    let mut links = 0;
    loop {
        let Some(name) = ahead.pop() else { return Err(Errno::EISDIR.into()) };
        let is_last = ahead.is_empty();
        let entry = match open(&folder, &*name) {
            Ok(entry) => entry,
            Err(Errno::ENOENT) if is_last => {
                return Ok(WalkEnd::Named(OpenedPlace { folder, name, there: None }));
            }
            Err(errno) => return Err(errno.into()),
        };
        let stat = fstat(&entry)?;
        match kind(&stat) {
            SFlag::S_IFLNK => {
                if is_last && let Some(number) = own_descriptor(&folder, &name) {
                    return Ok(WalkEnd::Descriptor(number));
                }
                links += 1;
                if links > MOST_LINKS {
                    return Err(Errno::ELOOP.into());
                }
                if !is_trusted(&stat) && !is_guarded(&fstat(&folder)?) {
                    let owner = stat.st_uid;
                    return Err(Unwritable::Link { name: printable(&name), owner }.into());
                }
                // The very link that was looked at, whatever bears its name by now.
                let target = readlinkat(&entry, "")?;
                let target = Path::new(&target);
                if target.is_absolute() {
                    folder = open(AT_FDCWD, "/")?;
                }
                ahead.extend(parts(target));
            }
            SFlag::S_IFDIR if is_last => return Err(Errno::EISDIR.into()),
            SFlag::S_IFDIR => folder = entry,
            _ if is_last => {
                return Ok(WalkEnd::Named(OpenedPlace { folder, name, there: Some(stat) }));
            }
            _ => return Err(Errno::ENOTDIR.into()),
        }
    }
}

/// What kind of file it is.
pub(super) fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT
}

/// Is it this user's?
pub(super) fn is_own(stat: &FileStat) -> bool {
    stat.st_uid == geteuid().as_raw()
}

/// This user's or root's: nobody planted it.
pub(super) fn is_trusted(stat: &FileStat) -> bool {
    is_own(stat) || Uid::from_raw(stat.st_uid).is_root()
}

/// May nobody but root and us put anything into this folder?
fn is_guarded(folder: &FileStat) -> bool {
    is_trusted(folder)
        && !Mode::from_bits_truncate(folder.st_mode).intersects(Mode::S_IWGRP | Mode::S_IWOTH)
}

/// Opens what bears the name, and only to look at it: neither a device nor a pipe notices.
fn open(
    folder: impl std::os::fd::AsFd,
    name: &(impl nix::NixPath + ?Sized),
) -> nix::Result<OwnedFd> {
    openat(folder, name, OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty())
}

/// The names of a path, the last one first.
fn parts(path: &Path) -> Vec<OsString> {
    let named = path
        .components()
        .filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir));
    named.rev().map(|part| part.as_os_str().to_owned()).collect()
}

/// The number of a descriptor that this program itself has open.
fn own_descriptor(folder: &OwnedFd, name: &OsString) -> Option<i32> {
    let own = fstat(open(AT_FDCWD, "/proc/self/fd").ok()?).ok()?;
    let folder = fstat(folder).ok()?;
    let is_own = (folder.st_dev, folder.st_ino) == (own.st_dev, own.st_ino);
    name.to_str().filter(|_| is_own)?.parse().ok()
}

fn printable(name: &OsString) -> String {
    preflight_checks::printable(&name.to_string_lossy())
}
