//! For tests: texts, trees of files, and texts as a broken disk or a stranger would leave them.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};
use nix::unistd::geteuid;

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

/// The settings of a section that a daemon of systemd knows: in its program each stands as
/// `Section.Setting`.
///
/// # Panics
///
/// When the program is not there.
pub(super) fn settings_of(daemon: &str, section: &str) -> Vec<String> {
    let search = std::env::var("PATH").unwrap_or_default();
    // Where tests/run unpacks what is not installed, or the machine's own.
    let unpacked = std::env::split_paths(&search).map(|folder| folder.join("../../lib/systemd"));
    let folders = unpacked.chain(["/lib/systemd", "/usr/lib/systemd"].map(PathBuf::from));
    let paths: Vec<PathBuf> = folders.map(|folder| folder.join(daemon)).collect();
    let path = paths.iter().find(|path| path.is_file());
    let path = path.unwrap_or_else(|| panic!("{daemon} is missing: tests/run unpacks it"));
    let bytes = std::fs::read(path).unwrap();
    let words = bytes.split(|&byte| byte == 0).filter_map(|word| std::str::from_utf8(word).ok());
    let own = words.filter_map(|word| word.strip_prefix(section)?.strip_prefix('.'));
    let is_name = |name: &&str| name.chars().all(|c| c.is_ascii_alphanumeric());
    own.filter(is_name).map(str::to_owned).collect()
}

/// A network of its own with nothing but a loopback, on which others are listened for, and
/// mounts of its own. What is run in it cannot reach this machine's network.
pub(super) struct Cell {
    heard: Arc<(Mutex<Vec<Visit>>, Condvar)>,
}

/// Who came to a listener of a [`Cell`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Visit {
    /// Where it came from.
    pub(super) from: SocketAddr,
    /// The listener.
    pub(super) to: SocketAddr,
    /// Every line it said.
    pub(super) said: Vec<String>,
}

/// What a listener answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaks {
    /// Mail is taken.
    Smtp,
    /// Every request fails.
    Http,
}

impl Cell {
    /// Runs `inside` in a new one, where files of `etc` lie over those of `/etc`.
    ///
    /// # Panics
    ///
    /// When `inside` does, and without root.
    pub(super) fn run<T: Send + 'static>(
        etc: &[(&str, &str)],
        inside: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> T {
        assert!(geteuid().is_root(), "namespaces need root: tests/run asks sudo");
        let (dir, _) = tree(etc);
        let paths: Vec<String> = etc.iter().map(|(path, _)| (*path).to_owned()).collect();
        // Namespaces are a thread's own, and its children's.
        let work = thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).unwrap();
            let sh = |script: &str| {
                let mut command = Command::new("sh");
                assert!(command.args(["-ec", script]).status().unwrap().success(), "{script}");
            };
            // Others are at an address that is no interface's: mail to oneself would not leave.
            sh("mount --make-rprivate /; ip link set lo up; ip addr add 192.0.2.8/32 dev lo
                ip -6 addr add 2001:db8::8/128 dev lo nodad
                echo 1 > /proc/sys/net/ipv6/ip_nonlocal_bind
                ip route add local 192.0.2.1/32 dev lo src 192.0.2.8
                ip -6 route add local 2001:db8::1/128 dev lo src 2001:db8::8");
            // The folder as a whole, so that files can be there that this machine lacks.
            let own = dir.path().display();
            sh(&format!(
                "cp -a /etc {own}/under; cp -a {own}/etc/. {own}/under 2>/dev/null || true"
            ));
            sh(&format!("mount --bind {own}/under /etc"));
            for path in &paths {
                assert!(Path::new(path).exists(), "{path}");
            }
            inside(&Self { heard: Arc::default() })
        });
        work.join().unwrap()
    }

    /// Listens at `address` until the test is over.
    pub(super) fn listen(&self, address: &str, speaks: Speaks) {
        let listener = TcpListener::bind(address).unwrap();
        let heard = Arc::clone(&self.heard);
        thread::spawn(move || {
            while let Ok((stream, from)) = listener.accept() {
                let to = stream.local_addr().unwrap();
                let index = {
                    let mut visits = heard.0.lock().unwrap();
                    visits.push(Visit { from, to, said: Vec::new() });
                    heard.1.notify_all();
                    visits.len() - 1
                };
                let heard = Arc::clone(&heard);
                thread::spawn(move || {
                    drop(serve(&stream, speaks, |line| {
                        heard.0.lock().unwrap()[index].said.push(line.to_owned());
                    }));
                });
            }
        });
    }

    /// The visit with this number, counted from 0; none when nobody came within ten seconds.
    pub(super) fn visit(&self, number: usize) -> Option<Visit> {
        let (visits, news) = &*self.heard;
        let visits = visits.lock().unwrap();
        let patience = Duration::from_secs(10);
        let waited = news.wait_timeout_while(visits, patience, |all| all.len() <= number);
        waited.unwrap().0.get(number).cloned()
    }

    /// Who came so far.
    pub(super) fn heard(&self) -> Vec<Visit> {
        self.heard.0.lock().unwrap().clone()
    }
}

/// What a name server says of every name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dns {
    /// 192.0.2.50 is its address.
    Knows,
    /// The same of names with a dot; there is no other.
    KnowsDotted,
    /// There is no such name.
    KnowsNot,
    /// Nothing.
    Silent,
}

impl Dns {
    /// Answers questions of one record over UDP, as long as somebody may ask.
    fn serve(self, socket: &UdpSocket) {
        let mut question = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut question) {
            let asked = &question[..length];
            let name_ends = 12 + asked[12..].iter().position(|&byte| byte == 0).unwrap();
            let is_address = asked[name_ends + 1..name_ends + 3] == [0, 1];
            let first_label = usize::from(asked[12]);
            let (code, count) = match self {
                Self::Silent => continue,
                Self::KnowsDotted if asked[13 + first_label] == 0 => (3, 0),
                Self::KnowsNot => (3, 0),
                Self::Knows | Self::KnowsDotted => (0, u8::from(is_address)),
            };
            let mut answer = asked[..name_ends + 5].to_vec();
            answer[2..12].copy_from_slice(&[0x81, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0]);
            if count > 0 {
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 50]);
            }
            socket.send_to(&answer, from).unwrap();
        }
    }

    /// Runs `inside` in a network of its own, where such a server is at an address of the loopback.
    ///
    /// # Panics
    ///
    /// When `inside` does, and without root.
    pub(super) fn with<T: Send + 'static>(
        self,
        at: &'static str,
        inside: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        let work = thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            assert!(
                Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap().success()
            );
            // Who has the loopback's own address only is taken for a machine without IPv4.
            let mut own = Command::new("ip");
            own.args(["address", "add", "192.0.2.8/32", "dev", "lo"]);
            assert!(own.status().unwrap().success());
            let socket = UdpSocket::bind(at).unwrap();
            thread::spawn(move || self.serve(&socket));
            inside()
        });
        work.join().unwrap()
    }
}

/// Speaks with one client until it goes.
fn serve(stream: &TcpStream, speaks: Speaks, mut heard: impl FnMut(&str)) -> std::io::Result<()> {
    let mut out = stream;
    if speaks == Speaks::Smtp {
        out.write_all(b"220 judge.example ESMTP\r\n")?;
    }
    let mut is_data = false;
    for line in BufReader::new(stream.take(1 << 16)).lines() {
        let line = line?;
        heard(&line);
        let answer: &[u8] = match speaks {
            Speaks::Http if line.is_empty() => {
                b"HTTP/1.1 502 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            }
            Speaks::Http => continue,
            Speaks::Smtp if is_data => {
                is_data = line != ".";
                if is_data {
                    continue;
                }
                b"250 taken\r\n"
            }
            Speaks::Smtp if line.eq_ignore_ascii_case("data") => {
                is_data = true;
                b"354 go on\r\n"
            }
            Speaks::Smtp if line.eq_ignore_ascii_case("starttls") => b"502 no\r\n",
            Speaks::Smtp if line.eq_ignore_ascii_case("quit") => b"221 bye\r\n",
            Speaks::Smtp => b"250 judge.example\r\n",
        };
        out.write_all(answer)?;
    }
    Ok(())
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
