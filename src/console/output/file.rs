//! A file that is written: whole or not at all, for its owner alone, and never what another user put in its place.
//!
//! A report tells the topology of a network, and root writes it into folders that everybody may write to.
//! So a file is made under a name that nobody can guess, in the folder that [`walk`] holds open, and renamed
//! over its name when it is on the disk: whatever stands there is replaced, and nothing behind it is touched.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, renameat};
use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, fstat};
use nix::unistd::{Gid, UnlinkatFlags, fchown, unlinkat};
use ring::rand::{SecureRandom, SystemRandom};

use super::pipe;
use super::walk::{OpenedPlace, Unwritable, WalkEnd, is_own, kind, walk};
use crate::console::interrupt::HeldSignals;

/// Writes `file` anew. `mode`: its permissions; without it those of our own file that it
/// replaces, and no one else's.
///
/// # Errors
///
/// What `write` said, or why the file cannot be made; then what was there is still there.
pub(crate) fn replace(
    file: &Path,
    mode: Option<Mode>,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    match walk(file)? {
        WalkEnd::Descriptor(number) => {
            pipe::descriptor(number).and_then(|to| write_to(to, write).map(drop))
        }
        WalkEnd::Named(place) => match place.there {
            Some(there) if kind(&there) != SFlag::S_IFREG => {
                write_to(pipe::open(&place, &there)?, write).map(drop)
            }
            there => make(&place, Access::new(mode, there.filter(is_own).as_ref()), write),
        },
    }
}

/// Makes `file`, which its owner alone may read; never over one that is there.
///
/// # Errors
///
/// Something of that name exists, or the file cannot be made.
pub(crate) fn create(
    file: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    match walk(file)? {
        WalkEnd::Named(place) if place.there.is_none() => {
            make(&place, Access::new(None, None), write)
        }
        WalkEnd::Named(_) | WalkEnd::Descriptor(_) => Err(Errno::EEXIST.into()),
    }
}

/// Who may read a file.
#[derive(Clone, Copy, Debug)]
struct Access {
    mode: Mode,
    /// The group of the file that is replaced.
    group: Option<Gid>,
}

impl Access {
    fn new(asked: Option<Mode>, own: Option<&FileStat>) -> Self {
        let before = own.map(|own| Mode::from_bits_truncate(own.st_mode) & PERMISSIONS);
        let group = own.map(|own| Gid::from_raw(own.st_gid));
        Self { mode: asked.or(before).unwrap_or(PRIVATE), group }
    }

    fn give(self, file: &File) -> io::Result<()> {
        let group =
            self.group.filter(|group| fstat(file).is_ok_and(|now| now.st_gid != group.as_raw()));
        let is_kept = group.is_none_or(|group| fchown(file, None, Some(group)).is_ok());
        // What a group was allowed is not for another group.
        let mode = if is_kept { self.mode } else { self.mode - Mode::S_IRWXG };
        Ok(fchmod(file, mode)?)
    }
}

fn make(
    place: &OpenedPlace,
    access: Access,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    // From here on there is something to take away again.
    let _held = HeldSignals::stops();
    let part = part_name()?;
    let flags =
        OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let made = File::from(openat(&place.folder, &*part, flags, PRIVATE)?);
    let finished = || {
        access.give(&made)?;
        write_to(made, write)?.sync_all()?;
        renameat(&place.folder, &*part, &place.folder, &*place.name).map_err(|errno| {
            match place.there {
                Some(there) if errno == Errno::EPERM && !is_own(&there) => {
                    Unwritable::Sticky { owner: there.st_uid }.into()
                }
                _ => io::Error::from(errno),
            }
        })
    };
    finished().inspect_err(|_| {
        let _best_effort = unlinkat(&place.folder, &*part, UnlinkatFlags::NoRemoveDir);
    })
}

/// A name that nobody has put a file under before.
fn part_name() -> io::Result<OsString> {
    let mut random = [0; 8];
    let filled = SystemRandom::new().fill(&mut random);
    filled.map_err(|_| io::Error::other("the system has no random numbers"))?;
    let mut name = ".preflight.".to_owned();
    for byte in random {
        let _infallible = write!(name, "{byte:02x}");
    }
    name.push_str(".part");
    Ok(name.into())
}

/// Writes without colours; the file is whole when it comes back.
fn write_to(file: File, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<File> {
    let mut out = BufWriter::new(anstream::StripStream::new(file));
    write(&mut out)?;
    let stripped = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    Ok(stripped.into_inner())
}

/// Of a new file: its owner's.
const PRIVATE: Mode = Mode::S_IRUSR.union(Mode::S_IWUSR);
/// What of a file's mode says who may use it.
const PERMISSIONS: Mode = Mode::S_IRWXU.union(Mode::S_IRWXG).union(Mode::S_IRWXO);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_document_replaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("report");
        std::fs::write(&file, "the one before").unwrap();
        let half = |out: &mut dyn Write| {
            out.write_all(b"half of the next")?;
            Err(io::ErrorKind::StorageFull.into())
        };
        let error = replace(&file, None, half).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "the one before");
        let new = folder.path().join("new");
        assert_eq!(create(&new, half).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    }

    #[test]
    fn what_is_made_replaces_nothing_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join("taken");
        std::fs::write(&taken, "kept").unwrap();
        std::os::unix::fs::symlink(&taken, folder.path().join("link")).unwrap();
        for file in [taken.as_path(), &folder.path().join("link"), Path::new("/dev/stdout")] {
            let error = create(file, |out| out.write_all(b"new")).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists, "{}", file.display());
        }
        assert_eq!(std::fs::read_to_string(&taken).unwrap(), "kept");
    }

    #[test]
    fn a_path_that_names_no_file_says_so() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        std::os::unix::fs::symlink("loop", folder.path().join("loop")).unwrap();
        for (path, errno) in [
            ("", Errno::EISDIR),
            (".", Errno::EISDIR),
            ("file/", Errno::EISDIR),
            ("file/x", Errno::ENOTDIR),
            ("none/x", Errno::ENOENT),
            ("loop", Errno::ELOOP),
            ("..", Errno::EISDIR),
        ] {
            let error = replace(&folder.path().join(path), None, |_| Ok(())).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(errno as i32), "{path}");
        }
    }
}
