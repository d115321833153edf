//! Files that are written: in whose hands are they, and what may be in their place?

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Read as _;
use std::os::unix::fs::{
    MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, lchown, symlink,
};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::{geteuid, mkfifo};
use tempfile::TempDir;

use crate::support::far::{Quiet, healthy};
use crate::support::terminal::Terminal;
use crate::support::{Ended, PROGRAM, command, finish, preflight, send, start, wait, wrapped};

/// Somebody else: Debian's `nobody`.
const OTHER: u32 = 65534;

/// A folder that everybody may write to, as /tmp.
struct Sticky(TempDir);

impl Sticky {
    fn new() -> Self {
        assert!(geteuid().is_root(), "these tests plant another user's files and need root");
        Self(folder(0o1777))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Gives what bears the name to somebody else.
    fn planted(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        lchown(&path, Some(OTHER), Some(OTHER)).unwrap();
        path
    }
}

fn folder(mode: u32) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(&folder, Permissions::from_mode(mode)).unwrap();
    folder
}

/// Prints a plan to a file of this name.
fn plan(to: &Path) -> Command {
    command(&["plan", "--role", "poller", "--format", &json(to)])
}

fn json(file: &Path) -> String {
    format!("json={}", file.display())
}

/// The program as somebody else, who reaches it in a folder of everybody's.
fn as_other(folder: &Sticky, arguments: &[&str]) -> Command {
    let program = folder.path("preflight");
    if !program.exists() && fs::hard_link(PROGRAM, &program).is_err() {
        fs::copy(PROGRAM, &program).unwrap();
    }
    let mut command = wrapped(Command::new(program), arguments);
    command.uid(OTHER).gid(OTHER);
    command
}

fn mode(file: &Path) -> u32 {
    fs::symlink_metadata(file).unwrap().mode() & 0o7777
}

#[track_caller]
fn refused(ended: &Ended, file: &Path, reason: &str) {
    let said = format!("preflight: {}: {reason}\n", file.display());
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(2), said.as_str()), "{ended:#?}");
}

const FOREIGN_LINK: &str = "is a symbolic link of another user (uid 65534); it is not followed";

#[test]
fn a_link_that_another_user_planted_is_not_followed_by_any_command() {
    let (everybodys, ours) = (Sticky::new(), folder(0o755));
    let precious = ours.path().join("shadow");
    fs::write(&precious, "kept").unwrap();
    symlink(&precious, everybodys.path("report")).unwrap();
    let link = everybodys.planted("report");
    let root = ours.path().to_str().unwrap();
    let saved = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/reports/first.json");
    let to = |format: &str| format!("--format={format}={}", link.display());
    for arguments in [
        &["plan", "--role", "poller", &to("json")][..],
        &["discover", "--root", root, &to("json")],
        &["show", saved, &to("html")],
        &["diff", saved, saved, &to("json")],
        &["request", saved, &to("csv")],
        &["merge", saved, &to("html")],
        &["redact", saved, &to("json")],
        &[
            "init",
            "--role",
            "poller",
            "--root",
            root,
            "--force",
            "--output",
            link.to_str().unwrap(),
        ],
    ] {
        let ended = preflight(arguments);
        refused(&ended, &link, &format!("`report` {FOREIGN_LINK}"));
        assert_eq!(fs::read_to_string(&precious).unwrap(), "kept", "{arguments:?}");
        assert!(link.is_symlink(), "{arguments:?}");
    }
    // Nor as a folder on the way, nor to make what is not there yet.
    symlink(ours.path(), everybodys.path("folder")).unwrap();
    everybodys.planted("folder");
    let file = everybodys.path("folder/new.json");
    refused(&finish(plan(&file)), &file, &format!("`folder` {FOREIGN_LINK}"));
    assert_eq!(fs::read_dir(&ours).unwrap().count(), 1);
}

#[test]
fn a_link_that_nobody_can_have_planted_is_followed() {
    let (everybodys, ours) = (Sticky::new(), folder(0o755));
    let file = ours.path().join("2026.json");
    // Our own, where everybody may write.
    symlink(&file, everybodys.path("latest.json")).unwrap();
    finish(plan(&everybodys.path("latest.json"))).quietly(0);
    report_is_written(&file);
    // Somebody else's, where only root may: root put it there.
    let link = ours.path().join("latest.json");
    symlink("2026.json", &link).unwrap();
    lchown(&link, Some(OTHER), Some(OTHER)).unwrap();
    finish(plan(&link)).quietly(0);
    report_is_written(&file);
    assert!(link.is_symlink());
    // Root's, for somebody else.
    let target = everybodys.path("theirs.json");
    symlink(&target, everybodys.path("of-root")).unwrap();
    let to = json(&everybodys.path("of-root"));
    finish(as_other(&everybodys, &["plan", "--role", "poller", "--format", &to])).quietly(0);
    assert_eq!(fs::metadata(&target).unwrap().uid(), OTHER);
}

#[track_caller]
fn report_is_written(file: &Path) {
    assert!(fs::read_to_string(file).unwrap().starts_with("{\n"));
    fs::remove_file(file).unwrap();
}

#[test]
fn a_file_that_another_user_planted_gets_neither_the_report_nor_keeps_its_mode() {
    let everybodys = Sticky::new();
    fs::write(everybodys.path("report"), "").unwrap();
    let file = everybodys.planted("report");
    fs::set_permissions(&file, Permissions::from_mode(0o666)).unwrap();
    let mut theirs = File::open(&file).unwrap();
    finish(plan(&file)).quietly(0);
    let mut heard = String::new();
    theirs.read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "");
    let written = fs::metadata(&file).unwrap();
    assert_eq!((written.uid(), written.mode() & 0o7777), (geteuid().as_raw(), 0o600));
    assert!(written.len() > 0);
}

#[test]
fn whoever_may_not_replace_a_file_is_told_why() {
    let everybodys = Sticky::new();
    let file = everybodys.path("report");
    fs::write(&file, "root's").unwrap();
    let to = json(&file);
    let ended = finish(as_other(&everybodys, &["plan", "--role", "poller", "--format", &to]));
    let owner =
        "it belongs to another user (uid 0), and only its owner may replace it in this folder";
    refused(&ended, &file, owner);
    assert_eq!(fs::read_to_string(&file).unwrap(), "root's");
    let closed = folder(0o755);
    let file = closed.path().join("report");
    let to = json(&file);
    let ended = finish(as_other(&everybodys, &["plan", "--role", "poller", "--format", &to]));
    refused(&ended, &file, "Permission denied (os error 13)");
    for folder in [everybodys.0.path(), closed.path()] {
        let left = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(left.filter(|name| name.to_string_lossy().ends_with(".part")).count(), 0);
    }
}

#[test]
fn a_new_file_is_its_owners_alone_and_an_own_one_keeps_its_permissions() {
    let folder = folder(0o755);
    let file = folder.path().join("report.json");
    let mut open_to_all = Command::new("sh");
    open_to_all.args(["-c", "umask 0; exec \"$0\" \"$@\"", PROGRAM]);
    let to = json(&file);
    finish(wrapped(open_to_all, &["plan", "--role", "poller", "--format", &to])).quietly(0);
    assert_eq!(mode(&file), 0o600);
    lchown(&file, None, Some(OTHER)).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    finish(plan(&file)).quietly(0);
    assert_eq!((mode(&file), fs::metadata(&file).unwrap().gid()), (0o640, OTHER));
    let mut asked = plan(&file);
    asked.args(["--file-mode", "0644"]);
    finish(asked).quietly(0);
    assert_eq!(mode(&file), 0o644);
    for wrong in ["0o644", "rw-r--r--", "999", "01777", "4755", "6", ""] {
        let mut asked = plan(&file);
        asked.arg(format!("--file-mode={wrong}"));
        let ended = finish(asked);
        let reason = format!(
            "preflight: --file-mode: `{wrong}` is not a file's permissions in octal, as 640 or 0644 are\n"
        );
        assert_eq!((ended.code, ended.stderr), (Some(2), reason));
    }
}

#[test]
fn a_pipe_or_a_device_gets_what_is_written_when_it_is_ours() {
    let everybodys = Sticky::new();
    finish(plan(Path::new("/dev/null"))).quietly(0);
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
    refused(
        &finish(plan(Path::new("/dev/full"))),
        Path::new("/dev/full"),
        "No space left on device (os error 28)",
    );
    let pipe = everybodys.path("pipe");
    mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    let reader = {
        let pipe = pipe.clone();
        std::thread::spawn(move || fs::read_to_string(pipe).unwrap())
    };
    finish(plan(&pipe)).quietly(0);
    assert!(reader.join().unwrap().starts_with("{\n"));
    everybodys.planted("pipe");
    let started = Instant::now();
    let reason = "another user (uid 65534) made this pipe or device; nothing is written to it";
    refused(&finish(plan(&pipe)), &pipe, reason);
    assert!(started.elapsed() < Duration::from_secs(2));
    let socket = everybodys.path("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    refused(
        &finish(plan(&socket)),
        &socket,
        "this is a disk or a socket; nothing is written to it",
    );
    assert_eq!(finish(plan(&everybodys.path(""))).code, Some(2));
}

/// As bash gives one to `>(command)` and to `3>file`.
#[test]
fn a_descriptor_of_our_own_is_written_to_where_it_stands() {
    let folder = folder(0o755);
    let in_shell = |script: &str| {
        let mut bash = Command::new("bash");
        bash.args(["-c", script, "bash", PROGRAM]).current_dir(&folder).env_clear();
        bash.env("PATH", "/usr/bin:/bin").stdin(Stdio::null()).stdout(Stdio::piped());
        finish(bash)
    };
    let plan = "\"$1\" plan --no-discovery --role poller --format";
    let ended = in_shell(&format!("{plan} json=>(tr -d '\\n' >substituted; echo done)"));
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "done\n"));
    assert!(fs::read_to_string(folder.path().join("substituted")).unwrap().starts_with("{ "));
    for (to, redirection) in
        [("/dev/stdout", ">>"), ("/dev/fd/3", "3>>"), ("/proc/self/fd/2", "2>>")]
    {
        let file = folder.path().join("log");
        fs::write(&file, "before\n").unwrap();
        assert_eq!(in_shell(&format!("{plan} json={to} {redirection}log")).code, Some(0));
        let log = fs::read_to_string(&file).unwrap();
        assert!(log.starts_with("before\n{\n") && log.ends_with("}\n"), "{to}: {log}");
    }
    let ended = in_shell(&format!("{plan} json=/dev/fd/9"));
    assert_eq!(ended.code, Some(2), "{ended:#?}");
}

#[test]
fn a_pipe_that_nobody_reads_holds_nothing_up() {
    let folder = folder(0o755);
    let (pipe, file) = (folder.path().join("pipe"), folder.path().join("report.json"));
    mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    let mut run = plan(&pipe);
    run.args(["--format", &json(&file), "--format", "table"]);
    let ended = finish(run);
    refused(&ended, &pipe, "nobody reads this pipe");
    assert!(ended.stdout.starts_with("plan · poller"), "{}", ended.stdout);
    report_is_written(&file);
}

#[test]
fn a_signal_ends_the_wait_for_a_pipes_reader() {
    let folder = folder(0o755);
    let pipe = folder.path().join("pipe");
    mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    let ntp = healthy("ntp");
    // Nobody opens it, and somebody opens it who reads nothing.
    for is_open in [false, true] {
        let reader = is_open.then(|| {
            let mut options = OpenOptions::new();
            let reader = options.read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(&pipe);
            let reader = reader.unwrap();
            // A page is more than it holds.
            fcntl(&reader, FcntlArg::F_SETPIPE_SZ(4096)).unwrap();
            reader
        });
        for signal in [Signal::SIGINT, Signal::SIGTERM] {
            let mut run = vec!["--role", "poller", "--only", "poller.ntp", "--format", "table"];
            let (at, to) = (ntp.at(), format!("html={}", pipe.display()));
            run.extend(["--ntp", &at, "--format", &to]);
            let terminal = Terminal::new(80);
            let mut command = command(&run);
            command.stdout(terminal.stdio());
            let child = start(command);
            // The table comes first: whoever looks at it need not wait.
            terminal.screen().until("required flow works");
            let sent = Instant::now();
            send(signal, &child);
            let ended = wait(child);
            assert_eq!(ended.code, None, "{ended:#?}");
            assert!(sent.elapsed() < Duration::from_secs(1), "{:?}", sent.elapsed());
        }
        drop(reader);
    }
}

#[test]
fn a_signal_leaves_a_whole_file_or_none() {
    for _ in 0..20 {
        let folder = folder(0o755);
        let file = folder.path().join("report.json");
        let child = start(plan(&file));
        // As early as can be: when the first name appears.
        while fs::read_dir(&folder).unwrap().next().is_none() {
            std::thread::yield_now();
        }
        send(Signal::SIGTERM, &child);
        wait(child);
        let left: Vec<_> =
            fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(left, [file.as_path()]);
        report_is_written(&file);
    }
}

/// A log collector that stands still holds up neither the run nor Ctrl-C.
#[test]
fn a_reader_of_live_lines_who_stands_still_holds_up_nothing() {
    let silent = Quiet::new();
    let devices: Vec<String> =
        (1..=200).flat_map(|last| ["--device".to_owned(), format!("127.66.7.{last}:1")]).collect();
    let at = silent.at();
    let mut run =
        vec!["--role", "poller", "--only", "poller.snmp,poller.bbdo", "--format", "ndjson"];
    run.extend(["--central", &at]);
    run.extend(devices.iter().map(String::as_str));
    let terminal = Terminal::new(80);
    let mut command = command(&run);
    command.stderr(terminal.stdio()).env("TERM", "xterm");
    let mut child = start(command);
    let mut screen = terminal.screen();
    screen.until("200/201");
    send(Signal::SIGINT, &child);
    // The first ends the run; then its lines wait for their reader, and one more ends that.
    while child.try_wait().unwrap().is_none() {
        send(Signal::SIGINT, &child);
        std::thread::yield_now();
    }
    assert_eq!(wait(child).code, None);
}
