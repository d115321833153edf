//! Manners towards those who count: a password that is refused is not shown again, and no set of
//! flags makes one visit into many.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::support::far::file;
use crate::support::{PROGRAM, finish, preflight, wrapped};

/// A server that keeps what each visitor says, up to a blank line, and says `words` to it.
fn counting(words: &'static str) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&heard);
    thread::spawn(move || {
        while let Ok((visitor, _)) = listener.accept() {
            let kept = Arc::clone(&kept);
            thread::spawn(move || kept.lock().unwrap().push(converse(visitor, words)));
        }
    });
    (address, heard)
}

fn converse(mut visitor: TcpStream, words: &str) -> String {
    visitor.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let (mut said, mut piece) = (String::new(), [0; 1024]);
    while !said.ends_with("\r\n\r\n") {
        match visitor.read(&mut piece) {
            Ok(length @ 1..) => said += &String::from_utf8_lossy(&piece[..length]),
            _ => return said,
        }
    }
    // Whoever is in a hurry has gone.
    let _gone = visitor.write_all(words.as_bytes());
    said
}

const REFUSES: &str = "HTTP/1.1 407 Proxy Authentication Required\r\n\
    Proxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const CANNOT: &str = "HTTP/1.1 503 Service Unavailable\r\nX-Squid-Error: ERR_CONNECT_FAIL 111\r\n\
    Content-Length: 0\r\nConnection: close\r\n\r\n";

/// Twelve websites through one proxy; what each step says, and how often the proxy was shown the
/// password.
fn through_a_proxy(words: &'static str, more: &[&str]) -> (Vec<Value>, usize) {
    let (proxy, heard) = counting(words);
    let password = file("not-a-real-one");
    let proxy = format!("http://{proxy}");
    let mut arguments = vec!["--role", "central", "--only", "*.http,*.proxy", "--phase", "after"];
    arguments.extend(["--proxy", &proxy, "--proxy-user", "someone", "--no-trace"]);
    arguments.extend(["--proxy-password-file", password.path().to_str().unwrap()]);
    let sites: Vec<String> = (1..=6)
        .flat_map(|number| [format!("http://w{number}.test/"), format!("https://s{number}.test/")])
        .collect();
    arguments.extend(sites.iter().flat_map(|site| ["--http", site]));
    arguments.extend(["--format", "json"].iter().chain(more));
    let report = preflight(&arguments).quietly(1).report();
    let steps = report["steps"].as_array().unwrap().iter();
    let steps = steps.filter(|step| step["flow"] == "central.http").cloned().collect();
    let shown = heard.lock().unwrap();
    let shown = shown.iter().filter(|said| said.contains("Proxy-Authorization: ")).count();
    (steps, shown)
}

/// An account of a proxy is locked after a few wrong passwords, and is often the domain's.
#[test]
fn a_proxy_that_refuses_a_password_is_shown_it_once() {
    for more in [&[][..], &["--wait", "3s"]] {
        let (steps, shown) = through_a_proxy(REFUSES, more);
        assert_eq!((steps.len(), shown), (12, 1), "{more:?}");
        for step in steps {
            assert_eq!(step["cause"]["code"], "proxy-authentication", "{step:#}");
            let message = step["cause"]["message"].as_str().unwrap();
            assert!(message.contains("refuses the credentials given"), "{step:#}");
        }
    }
}

/// What it has not refused it is shown for each website.
#[test]
fn a_proxy_that_takes_the_password_is_asked_for_every_website() {
    let (steps, shown) = through_a_proxy(CANNOT, &[]);
    assert_eq!((steps.len(), shown), (12, 12));
    assert!(steps.iter().all(|step| step["cause"]["code"] == "proxy-cannot-reach"), "{steps:#?}");
}

/// Packets to ten thousand devices of which none answers, as their side of the network counts them:
/// three questions each, and what a look at the way costs, which is not taken for each of them.
///
/// The README's section on manners has these bounds.
#[test]
fn ten_thousand_silent_devices_get_three_packets_each() {
    const DEVICES: usize = 10_000;
    const LOOKS: usize = 1_500;
    const TO_ONE: usize = 39;
    let folder = tempfile::tempdir().unwrap();
    let [list, report, rules] =
        ["list", "report", "rules"].map(|name| folder.path().join(name).display().to_string());
    let device = |number: usize| format!("10.20.{}.{}\n", number / 250, number % 250 + 1);
    std::fs::write(&list, (0..DEVICES).map(device).collect::<String>()).unwrap();
    std::fs::write(
        &rules,
        "table inet manners {
             set each { type ipv4_addr; flags dynamic; size 65535; counter; }
             chain input {
                 type filter hook input priority -300;
                 ip daddr 10.20.0.0/16 add @each { ip daddr } drop
             }
         }",
    )
    .unwrap();
    // In a network namespace of its own, whose loopback has all of these addresses.
    let script = format!(
        "ip link set lo up && ip route add local 10.20.0.0/16 dev lo && nft -f {rules} || exit 9
         \"$@\"; code=$?; nft -j list set inet manners each; exit $code"
    );
    let mut shell = Command::new("unshare");
    shell.args(["-n", "sh", "-c", &script, "sh", PROGRAM]);
    let json = format!("json={report}");
    // Every flag that makes a run ask more, or faster.
    let words = ["--role", "poller", "--phase", "after", "--only", "poller.snmp", "--quiet"];
    let more = ["--devices-from", &list, "--all-devices", "--rate", "1000000", "--timeout", "0.1"];
    let mut run = wrapped(shell, &[&words[..], &more, &["--format", &json]].concat());
    run.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    let ended = finish(run);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let counted: Value = serde_json::from_str(&ended.stdout).unwrap();
    let set = counted["nftables"].as_array().unwrap().iter().find_map(|one| one["set"].as_object());
    let each = set.unwrap()["elem"].as_array().unwrap().iter();
    let each: Vec<usize> = each
        .map(|one| one["elem"]["counter"]["packets"].as_u64().unwrap().try_into().unwrap())
        .collect();
    assert_eq!(each.len(), DEVICES, "not every device was asked");
    let (all, most) = (each.iter().sum::<usize>(), each.iter().max().unwrap());
    println!("{all} packets, {most} at most to one device");
    assert!(all <= 3 * DEVICES + LOOKS, "{all} packets");
    assert!(*most <= TO_ONE, "{most} packets to one device");
}
