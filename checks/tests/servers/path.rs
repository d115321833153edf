//! Where a silence begins, on a real network: a client, two routers and a server.
//!
//! ```text
//! client 10.91.1.2 ── 10.91.1.1 r1 10.91.2.1 ── 10.91.2.2 r2 10.91.3.1 ── 10.91.3.2 server
//!        fd91:1::2    fd91:1::1    fd91:2::1    fd91:2::2    fd91:3::1    fd91:3::2
//! ```
//!
//! Each node is a network namespace of its own, made by root and removed with its
//! lab, also by a panic. Everything under test runs without a single privilege.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use preflight_checks::{
    Cause, Deadline, HostAnswer, Icmp, Millis, PathCause, Peer, Phase, Probe, RouteCause, SERVICES,
    Trace, Transport, Trust, examine, examine_path, examine_segment, icmp, judge, tcp, tls,
};

const PORT: u16 = 5669;
const NTP: u16 = 123;
const WAITED: Millis = Millis(Duration::from_secs(4));
const CLOSED: HostAnswer = HostAnswer::Closed { transport: Transport::Tcp, port: 443 };
const NODES: [Node; 4] = [Node::Client, Node::R1, Node::R2, Node::Server];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    Client,
    R1,
    R2,
    Server,
}

/// IPv4 or IPv6: the same network twice.
#[derive(Clone, Copy, Debug)]
enum Family {
    V4,
    V6,
}

use Family::{V4, V6};

impl Family {
    fn address(self, net: u8, host: u8) -> IpAddr {
        match self {
            V4 => IpAddr::from([10, 91, net, host]),
            V6 => IpAddr::from([0xfd91, net.into(), 0, 0, 0, 0, 0, host.into()]),
        }
    }

    fn prefix(self) -> u8 {
        match self {
            V4 => 24,
            V6 => 64,
        }
    }

    fn r1(self) -> IpAddr {
        self.address(1, 1)
    }

    fn r2(self) -> IpAddr {
        self.address(2, 2)
    }

    fn server(self) -> IpAddr {
        self.address(3, 2)
    }

    fn port(self) -> SocketAddr {
        (self.server(), PORT).into()
    }
}

#[test]
fn a_port_dropped_at_the_first_router_is_filtered_between_the_two() {
    for family in [V4, V6] {
        let lab = Lab::new();
        lab.drop_at(Node::R1, "forward", "tcp dport 5669");
        let (trace, cause) = lab.trace(family.port(), Transport::Tcp);
        let (to, waited, alive) = (family.port(), WAITED, CLOSED);
        let (after, next) = (Some(family.r1()), family.r2());
        assert_eq!(
            cause,
            Cause::Path(PathCause::FilteredBetween { to, after, hop: 1, next, alive, waited })
        );
        assert!(trace.took < Duration::from_secs(1), "{trace:?}");
    }
}

#[test]
fn a_port_dropped_before_the_first_router_counts_hops_is_its_drop() {
    let lab = Lab::new();
    lab.drop_at(Node::R1, "prerouting", "tcp dport 5669");
    let (_, cause) = lab.trace(V4.port(), Transport::Tcp);
    let (to, waited, alive) = (V4.port(), WAITED, CLOSED);
    let next = V4.r1();
    assert_eq!(
        cause,
        Cause::Path(PathCause::FilteredBetween { to, after: None, hop: 0, next, alive, waited })
    );
}

#[test]
fn a_port_dropped_by_the_last_router_or_the_server_ends_its_trail_there() {
    for family in [V4, V6] {
        for (node, hook) in [(Node::R2, "forward"), (Node::Server, "input")] {
            let lab = Lab::new();
            lab.drop_at(node, hook, "tcp dport 5669");
            let (trace, cause) = lab.trace(family.port(), Transport::Tcp);
            let (to, by, hop, waited, alive) = (family.port(), family.r2(), 2, WAITED, CLOSED);
            let next_is_host = true;
            let expected = Cause::Path(PathCause::PortSilentAfter {
                to,
                by,
                hop,
                next_is_host,
                alive,
                waited,
                beside: 0,
            });
            assert_eq!(cause, expected);
            assert!(trace.took < Duration::from_secs(1), "{trace:?}");
        }
    }
}

#[test]
fn a_host_cut_off_altogether_ends_its_trail_at_the_last_router() {
    for family in [V4, V6] {
        let lab = Lab::new();
        lab.drop_at(Node::R2, "forward", "meta l4proto { tcp, udp, icmp }");
        let (_, cause) = lab.trace(family.port(), Transport::Tcp);
        let (to, by) = (family.port(), family.r2());
        assert_eq!(
            cause,
            Cause::Path(PathCause::HostSilentAfter { to, by, hop: 2, waited: WAITED, beside: 0 })
        );
    }
}

#[test]
fn a_port_dropped_on_our_own_segment_has_no_router_in_between() {
    let lab = Lab::new();
    lab.drop_at(Node::R1, "input", "tcp dport 5669");
    let to = (V4.r1(), PORT).into();
    let (_, cause) = lab.trace(to, Transport::Tcp);
    assert_eq!(
        cause,
        Cause::Path(PathCause::PortSilentOnSegment { to, alive: CLOSED, waited: WAITED })
    );
}

#[test]
fn routers_that_never_name_themselves_are_not_blamed() {
    let lab = Lab::new();
    for router in [Node::R1, Node::R2] {
        lab.drop_at(router, "output", "icmp type time-exceeded");
    }
    lab.drop_at(Node::R2, "forward", "tcp dport 5669");
    let (_, cause) = lab.trace(V4.port(), Transport::Tcp);
    assert_eq!(
        cause,
        Cause::Path(PathCause::PortSilent { to: V4.port(), alive: CLOSED, waited: WAITED })
    );
}

#[test]
fn a_network_that_swallows_everything_begins_at_the_gateway() {
    let lab = Lab::new();
    lab.drop_at(Node::R1, "prerouting", "meta l4proto { tcp, udp, icmp }");
    let (trace, cause) = lab.trace(V4.port(), Transport::Tcp);
    // It names itself to nobody, and answers for its address on our own segment.
    let Cause::Path(PathCause::HostSilentAfter { by, hop: 1, .. }) = cause else {
        panic!("{cause:?}")
    };
    assert_eq!(trace.gateway, Some(by));
}

#[test]
fn root_pings_where_no_group_may_and_hears_its_own_answers_alone() {
    let lab = Lab::new();
    let ping = |to: IpAddr| {
        lab.inside(Node::Client, || {
            fs::write("/proc/sys/net/ipv4/ping_group_range", "1 0").unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let deadline = Duration::from_secs(5);
            runtime.unwrap().block_on(async {
                let probe = Probe::Icmp(icmp::Probe::default());
                let peer = Peer::from(SocketAddr::new(to, 0));
                examine(&probe, peer, Deadline::after(deadline), &Trust::only([])).await
            })
        })
    };
    for family in [V4, V6] {
        let found = ping(family.server());
        assert_eq!(found.verdict, Ok(()), "{family:?}");
        assert!(found.seen.headline.starts_with("answers a ping after "), "{found:?}");
        assert_eq!(found.seen.concerns, []);
    }
    // What others say of their own pings is not said of ours: without a way back there is no answer.
    lab.ip(Node::R1, "route add throw 10.91.3.2/32");
    let to = V4.server();
    let Err(Cause::Path(PathCause::NetUnreachable { by, .. })) = ping(to).verdict else {
        panic!("the router has no route")
    };
    assert_eq!(by, V4.r1());
    // On loopback a raw socket hears our own request, too.
    lab.inside(Node::Client, || {
        fs::write("/proc/sys/net/ipv4/icmp_echo_ignore_all", "1").unwrap();
    });
    let Err(Cause::Path(PathCause::NoAnswer { .. })) = ping([127, 0, 0, 1].into()).verdict else {
        panic!("nobody answers")
    };
}

#[test]
fn nobody_in_particular_pings_where_the_kernel_lets_them() {
    let lab = Lab::new();
    let ping = |to: IpAddr| {
        lab.inside(Node::Client, || {
            unprivileged(async {
                let probe = Probe::Icmp(icmp::Probe::default());
                let peer = Peer::from(SocketAddr::new(to, 0));
                let deadline = Deadline::after(Duration::from_secs(5));
                examine(&probe, peer, deadline, &Trust::only([])).await.verdict
            })
        })
    };
    let range = |range: &str| {
        lab.inside(Node::Client, || {
            fs::write("/proc/sys/net/ipv4/ping_group_range", range).unwrap();
        });
    };
    range("1 0");
    let told = RouteCause::PingNotPermitted { range: "1 0".to_owned() };
    for family in [V4, V6] {
        assert_eq!(ping(family.server()), Err(Cause::Route(told.clone())));
    }
    range("0 2147483647");
    for family in [V4, V6] {
        assert_eq!(ping(family.server()), Ok(()));
    }
}

#[test]
fn a_host_that_answers_nothing_but_ping_is_alive() {
    let lab = Lab::new();
    lab.inside(Node::Client, || {
        fs::write("/proc/sys/net/ipv4/ping_group_range", "0 2147483647").unwrap();
    });
    lab.drop_at(Node::R2, "forward", "meta l4proto { tcp, udp }");
    let (_, cause) = lab.trace(V4.port(), Transport::Tcp);
    let Cause::Path(PathCause::PortSilentAfter {
        alive: HostAnswer::Ping, next_is_host: true, ..
    }) = cause
    else {
        panic!("{cause:?}")
    };
}

#[test]
fn a_dropped_udp_service_is_located_with_its_own_question() {
    for family in [V4, V6] {
        let lab = Lab::new();
        lab.drop_at(Node::R1, "forward", "udp dport 123");
        let to = SocketAddr::from((family.server(), NTP));
        let (_, cause) = lab.trace(to, Transport::Udp);
        let (after, next) = (Some(family.r1()), family.r2());
        let (alive, waited) = (CLOSED, WAITED);
        assert_eq!(
            cause,
            Cause::Path(PathCause::FilteredBetween { to, after, hop: 1, next, alive, waited })
        );
    }
}

#[test]
fn a_port_that_listens_by_now_is_unsteady() {
    let lab = Lab::new();
    let listener = lab.inside(Node::Server, || TcpListener::bind(V4.port()).unwrap());
    let (trace, cause) = lab.trace(V4.port(), Transport::Tcp);
    assert_eq!(cause, Cause::Path(PathCause::Unsteady { to: V4.port(), hop: 3, waited: WAITED }));
    assert_eq!(trace.last, Some((2, V4.r2())));
    drop(listener);
}

#[test]
fn a_host_that_is_down_is_the_last_routers_word_already() {
    let lab = Lab::new();
    let to = SocketAddr::from((V4.address(3, 9), PORT));
    let probe = Probe::Tcp(tcp::Probe::default());
    let cause = lab.examine(&probe, to);
    let (by, icmp) = (V4.r2(), Icmp::V4 { kind: 3, code: 1 });
    assert_eq!(cause, Cause::Path(PathCause::HostUnreachable { to: to.ip(), by, icmp, beside: 0 }));
}

#[test]
fn a_routing_loop_is_told_by_the_probe_and_costs_no_more_than_the_bounds() {
    let lab = Lab::new();
    // Each router takes the other for the way to everything else.
    let to = SocketAddr::from((V4.address(9, 9), PORT));
    let (trace, _) = lab.trace(to, Transport::Tcp);
    assert!(trace.packets > 20, "{trace:?}");
    let cause = lab.examine(&Probe::Tcp(tcp::Probe::default()), to);
    let Cause::Path(PathCause::HopLimitExceeded { icmp, .. }) = cause else { panic!("{cause:?}") };
    assert_eq!(icmp, Icmp::V4 { kind: 11, code: 0 });
}

#[test]
fn a_certificate_too_large_for_the_path_is_a_black_hole() {
    for family in [V4, V6] {
        let lab = Lab::new();
        lab.ip(Node::R2, "link set up mtu 1400 dev left");
        lab.ip(Node::R1, "link set up mtu 1400 dev right");
        let too_big = "icmp type destination-unreachable icmp code frag-needed";
        lab.drop_at(Node::R2, "output", too_big);
        lab.drop_at(Node::R2, "output", "icmpv6 type packet-too-big");
        let listener = lab.inside(Node::Server, || TcpListener::bind(family.port()).unwrap());
        let server = thread::spawn(move || {
            let mut client = listener.accept().unwrap().0;
            // Two full-size segments and a small one, as a certificate makes them.
            client.write_all(&[0x16; 3_500]).unwrap();
            let _until_the_client_leaves = client.read_to_end(&mut Vec::new());
        });
        let cause = lab.examine(&Probe::Tls(tls::Probe::default()), family.port());
        let Cause::Path(PathCause::MtuBlackHole { segments: 1.., .. }) = cause else {
            panic!("{cause:?}")
        };
        server.join().unwrap();
    }
}

#[test]
fn a_service_that_hangs_before_tls_is_no_black_hole() {
    let lab = Lab::new();
    let listener = lab.inside(Node::Server, || TcpListener::bind(V4.port()).unwrap());
    let cause = lab.examine(&Probe::Tls(tls::Probe::default()), V4.port());
    assert_eq!(cause.code(), "silent", "{cause:?}");
    drop(listener);
}

#[test]
fn a_host_of_the_own_segment_that_drops_everything_is_there() {
    for family in [V4, V6] {
        let lab = Lab::new();
        let to = lab.silent_neighbour(family);
        let (trace, cause) = lab.trace(to, Transport::Tcp);
        let (alive, waited) = (HostAnswer::Neighbour, WAITED);
        assert_eq!(
            cause,
            Cause::Path(PathCause::PortSilentOnSegment { to, alive, waited }),
            "{trace:?}"
        );
        // It is still there when it has to be asked for its address once more.
        let link = "dev right nud stale";
        lab.ip(Node::Client, &format!("neighbour change {} {link}", to.ip()));
        let kind = if to.is_ipv4() { "ipv4" } else { "ipv6" };
        lab.inside(Node::Client, || {
            let path = format!("/proc/sys/net/{kind}/neigh/right/delay_first_probe_time");
            fs::write(path, "1").unwrap();
        });
        let cause = lab.examine_segment(to);
        assert_eq!(cause, no_answer(to), "nothing has been sent to it yet");
        let (trace, cause) = lab.trace_again(to);
        assert_eq!(
            cause,
            Cause::Path(PathCause::PortSilentOnSegment { to, alive, waited }),
            "{trace:?}"
        );
    }
}

#[test]
fn a_router_that_answers_for_the_address_of_another_does_not_prove_it() {
    let lab = Lab::new();
    let to = SocketAddr::from((V4.address(1, 77), PORT));
    lab.ip(Node::R1, &format!("route add {} via {}", to.ip(), V4.r2()));
    lab.inside(Node::R1, || fs::write("/proc/sys/net/ipv4/conf/left/proxy_arp", "1").unwrap());
    lab.drop_at(Node::R1, "prerouting", "meta l4proto { tcp, udp, icmp }");
    let (trace, cause) = lab.trace(to, Transport::Tcp);
    assert_eq!(cause, no_answer(to), "{trace:?}");
}

fn no_answer(to: SocketAddr) -> Cause {
    Cause::Path(PathCause::NoAnswer { to, phase: Phase::Connect, waited: WAITED })
}

/// The question the NTP service gives for this purpose.
fn question() -> Vec<u8> {
    let ntp = SERVICES.iter().find(|service| service.name == "ntp").unwrap();
    ntp.question.unwrap()()
}

/// The four namespaces; dropping it removes them.
struct Lab {
    name: String,
}

impl Lab {
    fn new() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        assert!(nix::unistd::geteuid().is_root(), "network namespaces are made by root only");
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let lab = Self { name: format!("pf-path-{}-{number}", std::process::id()) };
        lab.build();
        lab
    }

    fn build(&self) {
        for node in NODES {
            run("ip", &["netns", "add", &self.namespace(node)], "");
            self.inside(node, || {
                // Duplicate address detection would keep the addresses unusable for a second.
                fs::write("/proc/sys/net/ipv6/conf/default/accept_dad", "0").unwrap();
                if matches!(node, Node::R1 | Node::R2) {
                    fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
                    fs::write("/proc/sys/net/ipv6/conf/all/forwarding", "1").unwrap();
                }
            });
            self.ip(node, "link set lo up");
        }
        for (net, left, right) in
            [(1, Node::Client, Node::R1), (2, Node::R1, Node::R2), (3, Node::R2, Node::Server)]
        {
            // "right" leads towards the server, "left" back to the client.
            let far = self.namespace(right);
            self.ip(left, &format!("link add right type veth peer name left netns {far}"));
            let (near_host, far_host) = if net == 1 { (2, 1) } else { (1, 2) };
            for (node, link, host) in [(left, "right", near_host), (right, "left", far_host)] {
                for family in [V4, V6] {
                    let (address, prefix) = (family.address(net, host), family.prefix());
                    self.ip(node, &format!("address add {address}/{prefix} dev {link}"));
                }
                self.ip(node, &format!("link set {link} up"));
            }
        }
        for (node, net, host) in
            [(Node::Client, 1, 1), (Node::R1, 2, 2), (Node::R2, 2, 1), (Node::Server, 3, 1)]
        {
            for family in [V4, V6] {
                self.ip(node, &format!("route add default via {}", family.address(net, host)));
            }
        }
        self.inside(Node::Client, || [V4, V6].map(|family| until_refused(family.server())));
        let count = "table inet count {
            counter sent {}
            chain output {
                type filter hook output priority 0
                tcp flags & (syn | ack) == syn counter name sent
                meta l4proto udp counter name sent
                icmp type echo-request counter name sent
            }
        }";
        self.nft(Node::Client, count);
    }

    /// Examines the path to `to` without privileges, and holds it to its bounds.
    fn trace(&self, to: SocketAddr, transport: Transport) -> (Trace, Cause) {
        let question = question();
        let trace = self.inside(Node::Client, || {
            unprivileged(async {
                let deadline = Deadline::after(Duration::from_secs(9));
                examine_path(to, None, transport, Some(&question), deadline).await
            })
        });
        let sent = self.sent();
        assert_eq!(trace.packets, sent, "what the kernel counted: {trace:?}");
        assert!(sent <= 36, "{trace:?}");
        assert!(trace.took <= Duration::from_millis(2_200), "{trace:?}");
        let cause = judge(&trace, &no_answer(to));
        println!("{to}/{transport}: {} packets, {:.1?}: {cause}", trace.packets, trace.took);
        (trace, cause)
    }

    /// The same once more; the packets of both are counted together.
    fn trace_again(&self, to: SocketAddr) -> (Trace, Cause) {
        self.nft(Node::Client, "reset counter inet count sent");
        self.trace(to, Transport::Tcp)
    }

    /// Looks without sending anything.
    fn examine_segment(&self, to: SocketAddr) -> Cause {
        let trace = self.inside(Node::Client, || {
            unprivileged(examine_segment(
                to,
                None,
                Transport::Tcp,
                Deadline::after(Duration::from_secs(1)),
            ))
        });
        assert_eq!(trace.packets, 0);
        judge(&trace, &no_answer(to))
    }

    /// A host on the client's own segment, beside the router, that drops whatever reaches it.
    fn silent_neighbour(&self, family: Family) -> SocketAddr {
        let (address, prefix) = (family.address(1, 9), family.prefix());
        let host = self.namespace(Node::Server);
        let link = format!("link add link left name beside netns {host} type macvlan mode bridge");
        self.ip(Node::R1, &link);
        self.ip(Node::Server, &format!("address add {address}/{prefix} dev beside"));
        self.ip(Node::Server, "link set beside up");
        let all = "iifname beside meta l4proto { tcp, udp, icmp }";
        self.drop_at(Node::Server, "input", all);
        self.drop_at(Node::Server, "input", "iifname beside icmpv6 type echo-request");
        (address, PORT).into()
    }

    /// Asks a question that fails.
    fn examine(&self, probe: &Probe, to: SocketAddr) -> Cause {
        let finding = self.inside(Node::Client, || {
            unprivileged(async {
                let deadline = Deadline::after(Duration::from_secs(9));
                examine(probe, Peer::from(to), deadline, &Trust::only([])).await
            })
        });
        println!("{to}: {:?} after {:.2?}", finding.verdict, finding.took);
        finding.verdict.unwrap_err()
    }

    /// First packets that left the client so far: repeated SYNs would count too.
    fn sent(&self) -> usize {
        let mut listed =
            self.command(Node::Client, "nft", &["list", "counter", "inet", "count", "sent"]);
        let text =
            String::from_utf8(listed.stdout(Stdio::piped()).output().unwrap().stdout).unwrap();
        let mut words = text.split_whitespace().skip_while(|&word| word != "packets");
        words.nth(1).unwrap().parse().unwrap()
    }

    /// Drops what matches, at one hook of one node.
    fn drop_at(&self, node: Node, hook: &str, packets: &str) {
        let priority = if hook == "prerouting" { "raw" } else { "filter" };
        let kind = format!("type filter hook {hook} priority {priority}");
        let rules =
            format!("table inet faults {{\nchain {hook} {{\n{kind}\n{packets} drop\n}}\n}}");
        self.nft(node, &rules);
    }

    fn nft(&self, node: Node, rules: &str) {
        run("ip", &["netns", "exec", &self.namespace(node), "nft", "-f", "-"], rules);
    }

    fn ip(&self, node: Node, line: &str) {
        run("ip", &["-n", &self.namespace(node), "-batch", "-"], line);
    }

    fn command(&self, node: Node, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace(node), program]).args(arguments);
        command
    }

    /// Does `work` on a thread inside a namespace.
    fn inside<T: Send>(&self, node: Node, work: impl FnOnce() -> T + Send) -> T {
        let namespace = File::open(Path::new("/run/netns").join(self.namespace(node))).unwrap();
        let entered = || {
            setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
            work()
        };
        thread::scope(|scope| scope.spawn(entered).join().unwrap())
    }

    fn namespace(&self, node: Node) -> String {
        format!("{}-{node:?}", self.name).to_lowercase()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for node in NODES {
            // No unwrap here: a panic during a panic would leave the rest behind.
            let _gone = Command::new("ip").args(["netns", "del", &self.namespace(node)]).status();
        }
    }
}

/// Asks a closed port until its host says so: all links are up and all neighbours known.
fn until_refused(host: IpAddr) {
    let socket = UdpSocket::bind(if host.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }).unwrap();
    socket.connect((host, 9)).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let is_refused = || {
        let _reported_below = socket.send(b"?");
        let error = socket.recv(&mut [0; 1]).unwrap_err();
        error.kind() == std::io::ErrorKind::ConnectionRefused
    };
    assert!((0..100).any(|_| is_refused()), "{host} is not ready");
}

/// Runs `work` on this thread, which gives up root first and for good.
#[allow(unsafe_code)]
fn unprivileged<T>(work: impl Future<Output = T>) -> T {
    const NOBODY: libc::c_long = 65_534;
    // SAFETY: plain integers. The bare system call, because the C library's
    // function would take root from the other tests' threads too.
    let status = unsafe { libc::syscall(libc::SYS_setresuid, NOBODY, NOBODY, NOBODY) };
    assert_eq!(status, 0);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(work)
}

fn run(program: &str, arguments: &[&str], input: &str) {
    let mut child = Command::new(program).args(arguments).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{program} {arguments:?}\n{input}");
}
