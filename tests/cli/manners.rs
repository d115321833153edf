//! Manners towards those who count: a password that is refused is not shown again, and no set of
//! flags makes one visit into many.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::support::far::file;
use crate::support::preflight;

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
