//! A client, a router and a server, each in a network namespace of its own.
//!
//! ```text
//! client 10.2.0.7 ── 10.2.0.1 router 10.0.0.1 ── 10.0.0.3 server
//!        fd00:2::7    fd00:2::1      fd00::1     fd00::3
//! ```
//!
//! Nothing leaves the three. Dropping the lab, also by a panic, ends its processes and removes
//! its namespaces and files; what a killed test left behind is removed by the next one.

#![allow(dead_code)] // each test binary uses its part

pub(crate) mod servers;

use std::fs::{self, File};
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};
use tempfile::TempDir;

pub(crate) const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 2, 0, 7));
pub(crate) const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 3));
pub(crate) const SERVER_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 3));
/// The router, as the client sees it: what it says no with.
pub(crate) const ROUTER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 2, 0, 1));

/// One of the three namespaces, or one that is added: by [`Lab::add_second_router`], by
/// [`Lab::add_machine`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum Node {
    Client,
    Router,
    Server,
    Second,
    Central,
    Other,
}

/// A port that a server is ready on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Port {
    Tcp(u16),
    Udp(u16),
}

/// The three namespaces, what runs in them, and a folder for its files.
pub(crate) struct Lab {
    name: String,
    folder: TempDir,
    children: Mutex<Vec<(String, Child)>>,
}

impl Lab {
    /// Builds the network of the module's drawing; needs root, iproute2 and nftables.
    pub(crate) fn new() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);

        assert!(
            nix::unistd::geteuid().is_root(),
            "these tests make network namespaces and need root: run tests/run, which asks sudo"
        );
        run(&mut Command::new(SWEEP));
        // The sweep reads the maker's process id from the name.
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("pf-{}-{number}", std::process::id());
        let folder = tempfile::Builder::new().prefix(&format!("{name}.")).tempdir().unwrap();
        // Daemons that give up root must still reach their files.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let lab = Self { name, folder, children: Mutex::default() };
        lab.build();
        lab
    }

    fn build(&self) {
        use Node::{Client, Router, Server};

        let names = [Client, Router, Server].map(|node| self.namespace(node));
        for name in &names {
            let made = Command::new(find("ip")).args(["netns", "add", name]).output().unwrap();
            let errors = String::from_utf8_lossy(&made.stderr);
            assert!(made.status.success(), "no network namespaces can be made here: {errors}");
        }
        for node in [Client, Router, Server] {
            self.etc(node, "nsswitch.conf", "hosts: files dns\n");
            self.etc(node, "hosts", "127.0.0.1 localhost\n::1 localhost\n");
            self.etc(node, "resolv.conf", "");
            // Duplicate address detection would keep the addresses unusable for a second.
            self.sysctl(node, "net/ipv6/conf/default/accept_dad", "0");
        }
        self.sysctl(Router, "net/ipv4/ip_forward", "1");
        self.sysctl(Router, "net/ipv6/conf/all/forwarding", "1");
        self.ip(Router, &format!("link add client type veth peer name eth0 netns {}", names[0]));
        self.ip(Router, &format!("link add server type veth peer name eth0 netns {}", names[2]));
        self.ip(
            Router,
            "link set lo up
             address add 10.2.0.1/24 dev client
             address add fd00:2::1/64 dev client
             address add 10.0.0.1/24 dev server
             address add fd00::1/64 dev server
             link set client up
             link set server up",
        );
        self.host(Client, "10.2.0.7/24", "fd00:2::7/64", "10.2.0.1", "fd00:2::1");
        self.host(Server, "10.0.0.3/24", "fd00::3/64", "10.0.0.1", "fd00::1");
    }

    fn host(&self, node: Node, v4: &str, v6: &str, gateway_v4: &str, gateway_v6: &str) {
        self.ip(
            node,
            &format!(
                "link set lo up
                 address add {v4} dev eth0
                 address add {v6} dev eth0
                 link set eth0 up
                 route add default via {gateway_v4}
                 route add default via {gateway_v6}"
            ),
        );
    }

    /// Adds another way to the server, `10.1.0.0/16`, with a second router on it.
    ///
    /// ```text
    /// client ── router 10.9.0.1 ── 10.9.0.2 second 10.1.0.1 ── 10.1.0.3 server
    /// ```
    pub(crate) fn add_second_router(&self) {
        use Node::{Router, Second, Server};

        let (second, server) = (self.namespace(Second), self.namespace(Server));
        run(Command::new(find("ip")).args(["netns", "add", &second]));
        self.sysctl(Second, "net/ipv4/ip_forward", "1");
        self.ip(Router, &format!("link add second type veth peer name router netns {second}"));
        self.ip(Second, &format!("link add server type veth peer name eth1 netns {server}"));
        self.ip(
            Router,
            "address add 10.9.0.1/24 dev second
             link set second up
             route add 10.1.0.0/16 via 10.9.0.2",
        );
        self.ip(
            Second,
            "link set lo up
             address add 10.9.0.2/24 dev router
             address add 10.1.0.1/16 dev server
             link set router up
             link set server up
             route add default via 10.9.0.1",
        );
        self.ip(
            Server,
            "address add 10.1.0.3/16 dev eth1
             link set eth1 up
             route add default via 10.1.0.1 table 9
             rule add from 10.1.0.0/16 table 9",
        );
    }

    /// Adds a machine behind the router, as the client is: `10.NUMBER.0.7`, `fd00:NUMBER::7`.
    pub(crate) fn add_machine(&self, node: Node, number: u8) {
        let namespace = self.namespace(node);
        run(Command::new(find("ip")).args(["netns", "add", &namespace]));
        self.sysctl(node, "net/ipv6/conf/default/accept_dad", "0");
        let link = format!("link add {node} type veth peer name eth0 netns {namespace}");
        self.ip(Node::Router, &link);
        let [v4, v6] = [format!("10.{number}.0"), format!("fd00:{number}:")];
        self.ip(
            Node::Router,
            &format!(
                "address add {v4}.1/24 dev {node}
                 address add {v6}:1/64 dev {node}
                 link set {node} up"
            ),
        );
        let [address_v4, address_v6] = [format!("{v4}.7/24"), format!("{v6}:7/64")];
        self.host(node, &address_v4, &address_v6, &format!("{v4}.1"), &format!("{v6}:1"));
    }

    /// A command in the client's namespace, as [`Lab::command`] makes it.
    pub(crate) fn in_client(&self, program: impl AsRef<Path>) -> Command {
        self.command(Node::Client, program)
    }

    /// A command in a namespace, with an environment that is the same on every machine.
    pub(crate) fn command(&self, node: Node, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(find("ip"));
        command
            .args(["netns", "exec", &self.namespace(node)])
            .arg(find(program))
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", self.folder.path())
            .env("LC_ALL", "C.UTF-8")
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    /// Does `work` on a thread inside a namespace, for sockets of our own.
    pub(crate) fn inside<T: Send>(&self, node: Node, work: impl FnOnce() -> T + Send) -> T {
        let namespace = File::open(Path::new("/run/netns").join(self.namespace(node))).unwrap();
        let entered = || {
            setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
            work()
        };
        thread::scope(|scope| scope.spawn(entered).join().unwrap())
    }

    /// Lines of `ip`: addresses, links, routes.
    pub(crate) fn ip(&self, node: Node, lines: &str) {
        feed(self.command(node, "ip").args(["-batch", "-"]), lines);
    }

    /// Loads an nftables ruleset on top of what is there.
    pub(crate) fn nft(&self, node: Node, rules: &str) {
        feed(self.command(node, "nft").args(["-f", "-"]), rules);
    }

    /// Adds a rule to a hook: `input`, `forward` or `output`.
    pub(crate) fn rule(&self, node: Node, hook: &str, rule: &str) {
        let chain = format!("chain inet lab {hook} {{ type filter hook {hook} priority 0; }}");
        let rule = format!("rule inet lab {hook} {rule}");
        self.nft(node, &format!("add table inet lab\nadd {chain}\nadd {rule}\n"));
    }

    /// Sets a kernel parameter by its path below `/proc/sys`.
    pub(crate) fn sysctl(&self, node: Node, key: &str, value: &str) {
        self.inside(node, || fs::write(Path::new("/proc/sys").join(key), value)).unwrap();
    }

    /// Puts `text` in the place of `/etc/FILE` for commands that start in this namespace.
    pub(crate) fn etc(&self, node: Node, file: &str, text: &str) {
        let folder = Path::new("/etc/netns").join(self.namespace(node));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(file), text).unwrap();
    }

    /// Where `name` lies, or would lie, in the lab's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file into the lab's folder; the indentation of its lines is the source's, not its own.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        let lines: String = text.lines().flat_map(|line| [line.trim_start(), "\n"]).collect();
        fs::write(&path, lines).unwrap();
        path
    }

    /// Makes a folder in the lab's folder.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap();
        path
    }

    /// Starts `command`, whose output goes to `NAME.log`, and returns when it is bound to `ports`.
    pub(crate) fn start(&self, node: Node, name: &str, command: &mut Command, ports: &[Port]) {
        let log = self.path(&format!("{name}.log"));
        let log = File::options().create(true).append(true).open(log).unwrap();
        let mut child = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let mut ended = None;
        self.eventually(name, || {
            ended = child.try_wait().unwrap();
            ended.is_some() || self.inside(node, || ports.iter().all(|port| port.is_bound()))
        });
        self.children.lock().unwrap().push((name.to_owned(), child));
        if let Some(status) = ended {
            panic!("{name} ended at once, {status}:\n{}", self.log(name));
        }
    }

    /// Ends what was started by that name, and returns when it has ended.
    pub(crate) fn stop(&self, name: &str) {
        let mut children = self.children.lock().unwrap();
        let index = children.iter().position(|(started, _)| started == name).unwrap();
        let (_, mut child) = children.swap_remove(index);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Waits until `ready` holds; `name` is the server whose log explains why it never did.
    pub(crate) fn eventually(&self, name: &str, mut ready: impl FnMut() -> bool) {
        let deadline = Instant::now() + READY_WITHIN;
        while !ready() {
            assert!(Instant::now() < deadline, "{name} is not ready:\n{}", self.log(name));
            // A daemon tells nobody when it is ready.
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// What a server has written so far.
    pub(crate) fn log(&self, name: &str) -> String {
        fs::read_to_string(self.path(&format!("{name}.log"))).unwrap_or_default()
    }

    fn namespace(&self, node: Node) -> String {
        format!("{}-{node}", self.name)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // No unwrap here: a panic during a panic aborts, and then nothing is removed.
        let _ = Command::new(SWEEP).arg(&self.name).status();
        for (_, child) in self.children.get_mut().into_iter().flatten() {
            let _ = child.wait();
        }
    }
}

impl Port {
    /// Whether a socket of the calling thread's namespace is bound here; the server notices nothing.
    pub(crate) fn is_bound(self) -> bool {
        // The state of a listening TCP and of an unconnected UDP socket, see proc_net_tcp(5).
        let (protocol, port, state) = match self {
            Self::Tcp(port) => ("tcp", port, "0A"),
            Self::Udp(port) => ("udp", port, "07"),
        };
        let suffix = format!(":{port:04X}");
        [protocol, &format!("{protocol}6")].iter().any(|table| {
            let sockets =
                fs::read_to_string(format!("/proc/thread-self/net/{table}")).unwrap_or_default();
            sockets.lines().any(|line| {
                let mut columns = line.split_whitespace().skip(1);
                columns.next().is_some_and(|local| local.ends_with(&suffix))
                    && columns.nth(1) == Some(state)
            })
        })
    }
}

/// Runs `command` to its end and returns what it printed.
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

/// Runs `command` with `input`.
///
/// # Panics
///
/// When it fails, with what it was given and all it printed.
fn feed(command: &mut Command, input: &str) {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} with\n{input}\n{}:\n{errors}", output.status);
}

/// The program's path; also in the folders that an ordinary user's PATH lacks.
pub(crate) fn find(program: impl AsRef<Path>) -> PathBuf {
    let program = program.as_ref();
    let search = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    std::env::split_paths(&search)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
        .unwrap_or_else(|| {
            panic!("{} is missing: run tests/run, which installs it", program.display())
        })
}

const SWEEP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/sweep");
/// Two busy cores and a cold disk; a healthy server needs a tenth of it.
const READY_WITHIN: Duration = Duration::from_secs(30);
