//! Root's rights, given up by a command that answers strangers.

use nix::unistd::{Gid, Uid, User, geteuid, setgid, setgroups, setuid};

/// Gives up root's rights: what follows needs none, and opens no file.
///
/// # Errors
///
/// When the kernel keeps them.
pub(crate) fn drop() -> nix::Result<()> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let nobody = User::from_name("nobody")?;
    let (user, group) = nobody
        .map_or((Uid::from_raw(NOBODY), Gid::from_raw(NOBODY)), |nobody| (nobody.uid, nobody.gid));
    setgroups(&[])?;
    setgid(group)?;
    setuid(user)
}

/// The user that owns nothing, where the machine has no name for it.
const NOBODY: u32 = 65_534;
