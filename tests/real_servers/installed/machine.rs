//! A machine made from Debian's packages: an `/etc` of its own, seen only by what runs on it.
//!
//! The packages' own files come from `/usr/share` and from this machine's `/etc`; a test edits
//! them as an administrator would. Centreon's, which Debian has not, come from `tests/fixtures`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::lab::{Lab, Node, find, run, servers};

/// What runs on the client's node of a lab sees its `/etc` in the place of the real one.
pub(crate) struct Machine<'l> {
    lab: &'l Lab,
    etc: PathBuf,
}

/// Who runs the program.
#[derive(Clone, Copy, Debug)]
pub(crate) enum User {
    Root,
    /// A user of no group, who may read what everybody may read.
    Nobody,
}

impl<'l> Machine<'l> {
    /// A machine on which chrony, postfix and snmptrapd were installed, and nothing set up.
    pub(crate) fn new(lab: &'l Lab) -> Self {
        let machine = Self { lab, etc: lab.folder("machine/etc") };
        let mut copy = Command::new("cp");
        run(copy.current_dir("/etc").args(["-a", "--parents"]).args(KEPT).arg(&machine.etc));
        for (path, program, template) in TEMPLATES {
            // tests/run may have unpacked the package elsewhere than below `/usr`.
            let installed = find(program);
            let usr = installed.ancestors().nth(2).unwrap();
            machine.write(path, &fs::read_to_string(usr.join(template)).unwrap());
        }
        // Anybody may run it, wherever it was built.
        servers::copied(lab, Path::new(env!("CARGO_BIN_EXE_preflight")));
        machine
    }

    /// Writes a file below `/etc`.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Replaces what is in a file; it has to be there.
    pub(crate) fn edit(&self, path: &str, changes: &[(&str, &str)]) {
        let mut text = self.text(path);
        for (from, to) in changes {
            assert!(text.contains(from), "no `{from}` in {path}:\n{text}");
            text = text.replace(from, to);
        }
        self.write(path, &text);
    }

    /// Adds lines to the end of a file.
    pub(crate) fn append(&self, path: &str, lines: &str) {
        self.write(path, &(self.text(path) + lines));
    }

    /// Cuts a file off in the middle, as a full disk or a broken copy does.
    pub(crate) fn cut(&self, path: &str) {
        let text = self.text(path);
        self.write(path, &text[..text.len() / 2]);
    }

    /// From now on only root may read it.
    pub(crate) fn close(&self, path: &str) {
        fs::set_permissions(self.path(path), fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Copies folders and files below `/etc` from a machine of `tests/fixtures`.
    pub(crate) fn install(&self, fixture: &str, paths: &[&str]) {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(fixture);
        for path in paths {
            run(Command::new("cp").arg("-a").arg(from.join("etc").join(path)).arg(&self.etc));
        }
    }

    /// `/etc/FILE:LINE` of the first line that contains `text`: where an administrator finds it.
    pub(crate) fn line(&self, path: &str, text: &str) -> String {
        let all = self.text(path);
        let line = all.lines().position(|line| line.contains(text));
        format!("/etc/{path}:{}", line.unwrap_or_else(|| panic!("no `{text}` in {path}")) + 1)
    }

    /// The same for the block with `text` in it: the line that begins it.
    pub(crate) fn block(&self, path: &str, begin: &str, text: &str) -> String {
        let all = self.text(path);
        let (before, _) = all.split_once(text).unwrap_or_else(|| panic!("no `{text}` in {path}"));
        let line = before.lines().enumerate().filter(|(_, line)| line.contains(begin)).last();
        format!("/etc/{path}:{}", line.unwrap().0 + 1)
    }

    /// The program, as somebody starts it on this machine.
    pub(crate) fn preflight(&self, user: User) -> Command {
        // `ip netns exec` gives each command a mount namespace of its own.
        let mut command = self.lab.command(Node::Client, "sh");
        let prepared = servers::chrony_in_usr() + "mount --bind \"$0\" /etc && exec \"$@\"";
        command.args(["-c", &prepared]).arg(&self.etc);
        if matches!(user, User::Nobody) {
            command.args(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]);
        }
        command.arg(self.lab.path("bin/preflight"));
        command
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    fn path(&self, path: &str) -> PathBuf {
        self.etc.join(path)
    }
}

/// What every program needs, and what the packages have put there and nobody edits.
const KEPT: [&str; 7] =
    ["alternatives", "default", "group", "nsswitch.conf", "os-release", "passwd", "ssl/certs"];
/// Files that a package makes from a template when it is installed: each with a program of the
/// package, and where the template is beside it.
const TEMPLATES: [(&str, &str, &str); 2] = [
    ("chrony/chrony.conf", "chronyd", "share/chrony/chrony.conf"),
    ("postfix/main.cf", "postfix", "share/postfix/main.cf.debian"),
];
