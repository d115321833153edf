//! Real servers, as Debian packages them, each on a loopback address of its own.
//!
//! Each runs in the foreground with its own configuration and data. When the test ends, by a panic
//! too, the server ends and its folder goes; when the test is killed, the kernel ends the server.

use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, User, geteuid};
use preflight_checks::{
    Deadline, Finding, KeyedCertificate, Peer, Probe, Trust, examine, params_for,
};
use rcgen::CertificateParams;
use rustls::pki_types::CertificateDer;
use tempfile::TempDir;

/// A folder and a loopback address for one server.
///
/// Nobody else is on that address, so any port of it is free, and stays free.
pub(crate) struct Home {
    folder: TempDir,
    pub(crate) address: Ipv4Addr,
}

impl Home {
    pub(crate) fn new() -> Self {
        static MADE: AtomicU8 = AtomicU8::new(2);

        let number = MADE.fetch_add(1, Ordering::Relaxed);
        assert!(number >= 2, "more than 253 servers: these tests are out of addresses");
        let process = std::process::id();
        let [.., high, low] = process.to_be_bytes();
        // Named as tests/lab/sweep looks for what a killed test left.
        let name = format!("pf-{process}-{number}.");
        let folder = tempfile::Builder::new().prefix(&name).tempdir().unwrap();
        // Servers that give up root must still reach their files.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder, address: Ipv4Addr::new(127, high, low, number) }
    }

    pub(crate) fn at(&self, port: u16) -> SocketAddr {
        SocketAddr::from((self.address, port))
    }

    /// Where `name` lies, or would lie, as text for a configuration.
    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// A folder that belongs to `user`, when there is a choice.
    pub(crate) fn folder_of(&self, user: &str, name: &str) -> String {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap();
        give(&path, user);
        path
    }

    /// A copy of a program: `AppArmor` confines some, by their path, to folders that are not ours.
    pub(crate) fn unconfined(&self, program: &str) -> String {
        let copy = self.path(&format!("{program}.copy"));
        fs::copy(find(program), &copy).unwrap();
        copy
    }

    /// A command that ends when this test does.
    pub(crate) fn command(&self, program: &str) -> Command {
        self.command_with(program, &[])
    }

    /// The same as `user`, for programs that refuse to be root.
    pub(crate) fn command_as(&self, user: &str, program: &str) -> Command {
        if !geteuid().is_root() {
            return self.command(program);
        }
        let (user, group) = (format!("--reuid={user}"), format!("--regid={user}"));
        self.command_with(program, &[&user, &group, "--init-groups"])
    }

    fn command_with(&self, program: &str, options: &[&str]) -> Command {
        let mut command = Command::new(find("setpriv"));
        command
            .args(options)
            .args(["--pdeathsig", "TERM"])
            .arg(find(program))
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C.UTF-8")
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    /// Starts `command` and returns once a line of its output contains `ready`.
    pub(crate) fn start(self, command: Command, ready: &str) -> Server {
        let mut server = self.begin(command);
        server.wait_for(ready);
        server.said.clear();
        server
    }

    /// Starts `command`, for servers that say nothing when they are ready.
    pub(crate) fn begin(self, mut command: Command) -> Server {
        let (output, into) = io::pipe().unwrap();
        let errors = into.try_clone().unwrap();
        let child = command.process_group(0).stdout(into).stderr(errors).spawn().unwrap();
        // It holds the other end of the pipe, which ends with the last process that does.
        drop(command);
        let (lines, stopped_by) = (follow(output), Signal::SIGTERM);
        let said = Vec::new();
        Server { child, lines, said, stopped_by, ended: false, home: self }
    }
}

/// Lines as they come: a server must never wait for a reader.
fn follow(output: impl Read + Send + 'static) -> Receiver<String> {
    let (to, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            let _nobody_asks_any_more = to.send(String::from_utf8_lossy(&line).into_owned());
        }
    });
    lines
}

/// A server that runs; dropping it ends it.
pub(crate) struct Server {
    child: Child,
    lines: Receiver<String>,
    said: Vec<String>,
    stopped_by: Signal,
    ended: bool,
    pub(crate) home: Home,
}

impl Server {
    /// Returns once it listens on a TCP port, for servers that say so a moment too early.
    pub(crate) fn listening_on(self, port: u16) -> Self {
        let deadline = Instant::now() + READY_WITHIN;
        while TcpStream::connect(self.home.at(port)).is_err() {
            assert!(Instant::now() < deadline, "the server does not listen on port {port}");
            thread::yield_now();
        }
        self
    }

    /// Ends with `signal` instead of SIGTERM.
    pub(crate) fn stopped_by(mut self, signal: Signal) -> Self {
        self.stopped_by = signal;
        self
    }

    /// Asks it, under the name of its certificate.
    pub(crate) async fn ask(&self, probe: Probe, port: u16, trust: &Trust) -> Finding {
        let deadline = Deadline::scaled(probe.service().budget, PATIENCE);
        let peer = Peer { host: NAME.to_owned(), address: self.home.at(port), from: None };
        examine(&probe, peer, deadline, trust).await
    }

    /// Returns once it has said a line with these `words`.
    pub(crate) fn wait_for(&mut self, words: &str) {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let why = match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.said.push(line);
                    if self.said.last().is_some_and(|line| line.contains(words)) {
                        return;
                    }
                    continue;
                }
                Err(RecvTimeoutError::Timeout) => "goes on without",
                Err(RecvTimeoutError::Disconnected) => "ended without",
            };
            panic!("the server {why} \"{words}\":\n{}", self.said.join("\n"));
        }
    }

    /// Ends it; what it said since it was ready.
    pub(crate) fn end(mut self) -> String {
        self.stop();
        self.said.join("\n")
    }

    fn stop(&mut self) {
        self.ended = true;
        let Ok(id) = i32::try_from(self.child.id()) else { return };
        let _gone_already = kill(Pid::from_raw(id), self.stopped_by);
        // Its output ends with the last of its processes.
        let deadline = Instant::now() + ENDED_WITHIN;
        while let Ok(line) =
            self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            self.said.push(line);
        }
        // Its id is taken until it is waited for: the group is its own.
        let _gone_already = killpg(Pid::from_raw(id), Signal::SIGKILL);
        let _reaped = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !self.ended {
            self.stop();
        }
    }
}

/// Makes `user` the owner of a file, when there is a choice.
///
/// # Panics
///
/// When there is no such user: the package that makes it is not there.
pub(crate) fn give(path: &str, user: &str) {
    if geteuid().is_root() {
        let known = User::from_name(user).unwrap();
        let User { uid, gid, .. } = known.unwrap_or_else(|| not_installed(user));
        chown(path, Some(uid.as_raw()), Some(gid.as_raw())).unwrap();
    }
}

/// Runs `command` to its end.
///
/// # Panics
///
/// When it fails, with all it printed.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}, {}:\n{text}{errors}", output.status);
    text
}

/// The program's path; also in the folders that an ordinary user's PATH lacks.
///
/// # Panics
///
/// When it is not there.
pub(crate) fn find(program: &str) -> PathBuf {
    let search = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    let path = std::env::split_paths(&search).map(|folder| folder.join(program));
    let found = path.into_iter().find(|path| path.is_file());
    found.unwrap_or_else(|| not_installed(program))
}

/// Fails the test.
pub(crate) fn not_installed(program: &str) -> ! {
    panic!("{program} is not installed: tests/run installs what the tests need")
}

/// Who signs the certificates of one test.
pub(crate) struct Authority(preflight_checks::Authority);

impl Authority {
    pub(crate) fn new() -> Self {
        Self(preflight_checks::Authority::named("Authority of the tests").unwrap())
    }

    /// Whoever trusts this authority, and nobody else.
    pub(crate) fn trust(&self) -> Trust {
        Trust::only([self.der()])
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.0.der()
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// Puts `NAME.pem` and `NAME.key` into `home`, signed.
    pub(crate) fn sign(&self, home: &Home, name: &str, params: &CertificateParams) {
        write_pair(home, name, &self.0.sign(params).unwrap());
    }
}

/// What the certificate of a server called `name` says.
pub(crate) fn certificate_for(name: &str) -> CertificateParams {
    params_for(&[name]).unwrap()
}

/// Puts `NAME.pem` and `NAME.key` into `home`.
pub(crate) fn write_pair(home: &Home, name: &str, own: &KeyedCertificate) {
    home.write(&format!("{name}.pem"), &own.certificate.pem());
    let key = home.write(&format!("{name}.key"), &own.key.serialize_pem());
    // Servers refuse a key that others may read.
    fs::set_permissions(key, fs::Permissions::from_mode(0o600)).unwrap();
}

/// What the servers are called; no resolver is asked for it.
pub(crate) const NAME: &str = "server.example.test";
/// Of what a network far away is given: some servers' answer is silence.
const PATIENCE: f64 = 0.3;
/// Two busy cores and a cold disk; a healthy server needs a tenth of it.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// Then it is killed.
const ENDED_WITHIN: Duration = Duration::from_secs(5);
