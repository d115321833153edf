//! `--far-side` where connections go the other way than usual, and where TLS is ended in between.

use std::fs;

use serde_json::Value;

use crate::PREFLIGHT;
use crate::lab::{Lab, Node, Port, run as succeeds};
use crate::pairing::{Paired, result, step};

/// A run on one machine, answered by the other: which is which, and the flags of both.
struct Pair<'a> {
    caller: (Node, [&'a str; 4]),
    responder: (Node, &'a str),
    flags: &'a [&'a str],
}

const POLLER_CALLS: ((Node, [&str; 4]), (Node, &str)) =
    ((Node::Client, ["--role", "poller", "--central", "10.0.0.3"]), (Node::Server, "central"));
const CENTRAL_CALLS: ((Node, [&str; 4]), (Node, &str)) =
    ((Node::Server, ["--role", "central", "--poller", "10.2.0.7"]), (Node::Client, "poller"));

impl Pair<'_> {
    fn report(&self, lab: &Lab, only: &str) -> Value {
        let (node, role) = self.responder;
        let responder = Paired::start_with(lab, node, role, self.flags);
        // It says with which flags the other one is to be started.
        assert!(responder.said().contains(&self.flags.join(" ")), "{}", responder.said());
        let (node, arguments) = self.caller;
        let mut preflight = lab.command(node, PREFLIGHT);
        preflight.args(arguments).args(self.flags);
        preflight.args(["--far-side", "--no-discovery", "--format", "json", "--only", only]);
        let output = preflight.env("PREFLIGHT_FAR_SIDE_CODE", &responder.code).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    }
}

#[test]
fn the_other_directions_are_proved_from_either_end() {
    // Where the broker connects to its poller nothing comes to the central, so that one has to call.
    let all = [POLLER_CALLS, CENTRAL_CALLS];
    let the_central = &all[1..];
    for (flags, flow, ends) in [
        (["--bbdo", "reversed"], "central.bbdo", the_central),
        (["--mode", "pull"], "poller.pull", &all),
        (["--mode", "pullwss"], "poller.pullwss", &all),
    ] {
        for &(caller, responder) in ends {
            let lab = Lab::new();
            let pair = Pair { caller, responder, flags: &flags };
            let report = pair.report(&lab, &format!("{flow},poller.bbdo,central.ssh"));
            let row = step(&report, flow);
            assert!(result(&report, flow).contains("proved end to end"), "{caller:?}: {row:#}");
            assert_ne!(row["outcome"], "fail", "{caller:?}: {row:#}");
        }
    }
}

/// Ends TLS with a certificate of its own, and begins it anew; what is no TLS goes by as it is.
const INSPECTOR: &str = "
import select, socket, ssl, sys, threading
ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
ours.load_cert_chain(sys.argv[1])
theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
theirs.check_hostname, theirs.verify_mode = False, ssl.CERT_NONE
def relay(near, far):
    other = {near: far, far: near}
    # A record may hold no data, as a ticket does: that must not hold up the other direction.
    for one in other: one.settimeout(0.05)
    try:
        while True:
            held = [one for one in other if isinstance(one, ssl.SSLSocket) and one.pending()]
            for one in held or select.select(list(other), [], [])[0]:
                try: data = one.recv(65536)
                except TimeoutError: continue
                if not data: raise EOFError
                other[one].sendall(data)
    except (OSError, EOFError): pass
    near.close()
    far.close()
def handle(near):
    try:
        far = socket.create_connection(('10.0.0.3', 443))
        if near.recv(1, socket.MSG_PEEK) == b'\\x16':
            near = ours.wrap_socket(near, server_side=True)
            far = theirs.wrap_socket(far)
    except OSError: return
    relay(near, far)
server = socket.create_server(('0.0.0.0', 15443))
print('ready', flush=True)
while True:
    threading.Thread(target=handle, args=(server.accept()[0],), daemon=True).start()
";

#[test]
fn tls_that_is_inspected_between_the_two_ends_is_named() {
    for is_inspected in [false, true] {
        let lab = Lab::new();
        if is_inspected {
            let (key, script) = (lab.path("inspector.pem"), lab.path("inspector.py"));
            fs::write(&script, INSPECTOR).unwrap();
            let make = format!(
                "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj '/CN=Branch Gateway' -keyout {0} -out {0}.crt && cat {0}.crt >> {0}",
                key.display()
            );
            succeeds(lab.command(Node::Router, "sh").args(["-c", &make]));
            let mut inspector = lab.command(Node::Router, "python3");
            inspector.arg(&script).arg(&key);
            lab.start(Node::Router, "inspector", &mut inspector, &[Port::Tcp(15_443)]);
            lab.nft(
                Node::Router,
                "table ip inspector { chain pre { type nat hook prerouting priority -100; iif client tcp dport 443 redirect to :15443\n }\n }",
            );
        }
        let (caller, responder) = POLLER_CALLS;
        let pair = Pair { caller, responder, flags: &["--mode", "pullwss"] };
        let report = pair.report(&lab, "poller.pullwss");
        let row = step(&report, "poller.pullwss");
        assert!(result(&report, "poller.pullwss").contains("proved end to end"), "{row:#}");
        // Both of its ways are asked; 8086 has no TLS.
        let secure = row["attempts"].as_array().unwrap();
        let secure = secure.iter().find(|one| one["address"] == "10.0.0.3:443").unwrap();
        let concerns = secure["concerns"].to_string();
        assert_eq!(concerns.contains("\"tls-relayed\""), is_inspected, "{secure:#}");
        assert_eq!(secure.to_string().contains("Branch Gateway"), is_inspected, "{secure:#}");
    }
}
