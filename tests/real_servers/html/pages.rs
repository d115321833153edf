//! The pages that are looked at: reports of real runs.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::LazyLock;

use tempfile::TempDir;

use crate::lab::{Lab, Node, SERVER};
use crate::support::far::{Far, healthy_at, says};
use crate::support::{PROGRAM, command, finish};

/// A folder for all pages; they are few, and small.
static FOLDER: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());

/// A poller behind two routers. The nearer one rejects BBDO, the farther one drops what goes to a
/// Windows server; no resolver knows the web address; time and mail work.
pub(crate) fn site() -> PathBuf {
    static PAGE: LazyLock<PathBuf> = LazyLock::new(|| {
        let lab = Lab::new();
        lab.add_second_router();
        lab.rule(Node::Router, "forward", "tcp dport 5669 reject with icmpx type admin-prohibited");
        lab.rule(Node::Second, "forward", "tcp dport 8443 drop");
        let far = |name, port| lab.inside(Node::Server, || healthy_at(name, (SERVER, port).into()));
        let _servers: Vec<Far> =
            [("ntp", 123), ("smtp", 25), ("ssh", 22)].map(|(n, p)| far(n, p)).into();
        page("site", |format| {
            let mut run = lab.in_client(PROGRAM);
            run.args(["--role", "poller", "--phase", "before", "--central", "10.0.0.3"]);
            run.args(["--ntp", "10.0.0.3", "--smtp", "10.0.0.3", "--device", "10.1.0.3"]);
            // More than have a row each; nobody is at home there.
            run.args((10..24).flat_map(|n| ["--device".to_owned(), format!("10.1.0.{n}")]));
            run.args(["--http", "https://www.example.test/", "--nsclient", "10.1.0.3"]);
            run.args(["--skip", "poller.dns=no server in this lab", "--format", format]);
            assert_eq!(finish(run).code, Some(1));
        })
    });
    PAGE.clone()
}

/// A poller whose site works as far as it is asked: nothing on the page has to be acted on.
pub(crate) fn good() -> PathBuf {
    static PAGE: LazyLock<PathBuf> = LazyLock::new(|| {
        let ntp = healthy_at("ntp", SocketAddr::from((Ipv4Addr::new(127, 20, 60, 1), 123)));
        page("good", |format| {
            let mut arguments = vec!["--role", "poller", "--only", "poller.ntp"];
            arguments.extend(["--ntp", "127.20.60.1", "--format", format]);
            assert_eq!(finish(command(&arguments)).code, Some(0));
        });
        drop(ntp);
        FOLDER.path().join("good.html")
    });
    PAGE.clone()
}

/// Two hundred devices of which none answers.
pub(crate) fn devices() -> PathBuf {
    static PAGE: LazyLock<PathBuf> = LazyLock::new(|| {
        let devices: Vec<String> = (1..=200).map(|last| format!("127.20.61.{last}")).collect();
        page_of_devices("devices", &devices)
    });
    PAGE.clone()
}

/// The pages of a platform, from the runs of the documentation: its folder.
pub(crate) fn platform() -> PathBuf {
    static PAGES: LazyLock<PathBuf> = LazyLock::new(|| {
        let folder = FOLDER.path().join("platform/");
        let runs = ["central1", "poller1", "poller2"]
            .map(|name| format!("{}/docs/examples/{name}.json", env!("CARGO_MANIFEST_DIR")));
        let format = format!("html={}", folder.display());
        let merged = finish(command(&["merge", &runs[0], &runs[1], &runs[2], "--format", &format]));
        assert_eq!((merged.code, merged.stderr.as_str()), (Some(1), ""));
        if let Some(kept) = std::env::var_os("KEEP_PAGES") {
            let kept = PathBuf::from(kept).join("platform.html");
            std::fs::copy(folder.join("index.html"), kept).unwrap();
        }
        folder
    });
    PAGES.clone()
}

/// A report in which servers speak to the page instead of to us.
pub(crate) fn hostile() -> PathBuf {
    static PAGE: LazyLock<PathBuf> = LazyLock::new(|| {
        let banners = [b"220 ", b"554 "].map(|code| [code, NASTY, b"\r\n"].concat());
        let answer =
            [b"HTTP/1.1 500 ".as_slice(), NASTY, b"\r\nServer: ", NASTY, b"\r\n\r\n"].concat();
        let ssh = [b"SSH-2.0-".as_slice(), NASTY, b"\r\n"].concat();
        let [greets, denies] = banners.map(says);
        let (answers, ssh) = (says(answer), says(ssh));
        let checks = [("smtp", &greets), ("smtp", &denies), ("http", &answers), ("ssh", &ssh)];
        let checks = checks.iter().enumerate();
        let checks: Vec<String> =
            checks.map(|(n, (scheme, far))| format!("n{n}={scheme}://{}", far.at())).collect();
        page("hostile", |format| {
            let mut arguments = vec!["--role", "poller", "--only", "custom.*", "--timeout", "0.1"];
            arguments.extend(checks.iter().flat_map(|check| ["--check", check]));
            arguments.extend(["--format", format]);
            assert_eq!(finish(command(&arguments)).code, Some(1));
        })
    });
    PAGE.clone()
}

/// A script, a picture with a handler, a colour, a reversed reading order.
const NASTY: &[u8] = b"</td><script>window.owned=1</script><img src=http://127.0.0.1/x \
    onerror=window.owned=1>\x1b[31m\xe2\x80\xae'\" onmouseover='window.owned=1'";

/// Ten thousand devices in forty subnets, those of one subnet alive.
pub(crate) fn large() -> PathBuf {
    static PAGE: LazyLock<PathBuf> = LazyLock::new(|| {
        let device = |n: u8, last: u8| Ipv4Addr::new(127, 20, n, last);
        let devices: Vec<String> =
            (0..40).flat_map(|n| (1..=250).map(move |last| device(n, last).to_string())).collect();
        let agent = |last| healthy_at("snmp", SocketAddr::from((device(7, last), 161)));
        let _agents: Vec<Far> = (1..=250).map(agent).collect();
        page_of_devices("large", &devices)
    });
    PAGE.clone()
}

/// The page of a poller after installation that asks these devices alone, some of which fail.
fn page_of_devices(name: &str, devices: &[String]) -> PathBuf {
    page(name, |format| {
        let mut arguments = vec!["--role", "poller", "--only", "poller.snmp", "--phase", "after"];
        arguments.extend(devices.iter().flat_map(|device| ["--device", device]));
        arguments.extend(["--format", format]);
        assert_eq!(finish(command(&arguments)).code, Some(1));
    })
}

/// Has `run` write a page, given the format and its file.
fn page(name: &str, run: impl FnOnce(&str)) -> PathBuf {
    let file = FOLDER.path().join(format!("{name}.html"));
    run(&format!("html={}", file.display()));
    // For whoever wants to look at what was tested.
    if let Some(folder) = std::env::var_os("KEEP_PAGES") {
        std::fs::copy(&file, PathBuf::from(folder).join(format!("{name}.html"))).unwrap();
    }
    file
}
