//! Trees nobody set up with good intent: whatever stands where a file is looked for, the program
//! ends soon, in little memory, by a documented code, and what it says acts on no terminal.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::stat::Mode;
use nix::unistd::{geteuid, mkfifo};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::Value;

use super::tree::Tree;
use crate::support::page::is_inert;

/// Most of the time goes into a debug build's parsing of 64 MiB.
const LONGEST: Duration = Duration::from_secs(5);
/// Address space, in KiB: everything that may be read, as text and as what became of it.
const MOST_MEMORY: u32 = 512 << 10;

/// What a run left behind.
struct Ended {
    code: Option<i32>,
    stdout: String,
}

/// Runs the program on a tree, within bounds; stdout and stderr are inert, and nothing panicked.
#[track_caller]
fn bounded(tree: &Path, arguments: &[&str]) -> Ended {
    let mut command = Command::new("sh");
    // Should it hang after all, the test fails instead of hanging too.
    let limits = format!("ulimit -v {MOST_MEMORY} && exec timeout 30 \"$0\" \"$@\"");
    command.args(["-c", &limits]);
    if geteuid().is_root() {
        command.args(["setpriv", "--bounding-set=-dac_override,-dac_read_search"]);
    }
    command.arg(env!("CARGO_BIN_EXE_preflight"));
    command.args(arguments).arg("--root").arg(tree);
    command.env_clear().env("PATH", "/usr/bin:/bin");
    let started = Instant::now();
    let output = command.output().unwrap();
    let took = started.elapsed();
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|out| String::from_utf8(out).unwrap());
    assert!(took < LONGEST, "{arguments:?} took {took:?}");
    assert!(!stderr.contains("panicked"), "{arguments:?}: {stderr}");
    assert!([Some(0), Some(2)].contains(&output.status.code()), "{}: {stderr}", output.status);
    assert_eq!(output.status.code() == Some(2), !stderr.is_empty(), "{stderr}");
    is_inert(&stdout);
    is_inert(&stderr);
    Ended { code: output.status.code(), stdout }
}

/// The same for each way to look at a tree; returns the files that are noted or refused.
#[track_caller]
fn look(tree: &Path) -> BTreeSet<String> {
    bounded(tree, &["plan"]);
    bounded(tree, &["plan", "--verbose", "--role", "central"]);
    bounded(tree, &["plan", "--format", "json", "--role", "poller"]);
    bounded(tree, &["discover"]);
    let json = bounded(tree, &["discover", "--format", "json"]);
    assert_eq!(json.code, Some(0));
    let found: Value = serde_json::from_str(&json.stdout).unwrap();
    let notes = found["notes"].as_array().unwrap();
    assert!(notes.len() <= 512, "{} notes", notes.len());
    let mistakes = found["mistakes"].as_array().unwrap();
    assert!(mistakes.len() <= 64, "{} mistakes", mistakes.len());
    let refused = mistakes.iter().filter_map(|mistake| mistake["facts"]["at"].as_str());
    let left_out = notes.iter().map(|note| note["at"].as_str().unwrap());
    left_out.chain(refused).map(file_of).collect()
}

/// `/etc/chrony.conf:3` without its line.
fn file_of(at: &str) -> String {
    match at.rsplit_once(':') {
        Some((file, line)) if line.parse::<u32>().is_ok() => file.to_owned(),
        _ => at.to_owned(),
    }
}

/// Every file of a poller becomes what `make` makes; each is noted.
fn each_becomes(make: impl Fn(&Path)) {
    let tree = Tree::of("poller-zmq");
    let files: Vec<PathBuf> = tree.files();
    for file in &files {
        fs::remove_file(file).unwrap();
        make(file);
    }
    let noted = look(tree.path());
    for file in
        ["/etc/chrony.conf", "/etc/resolv.conf", "/etc/postfix/main.cf", "/etc/dnf/dnf.conf"]
            .into_iter()
            .chain(["/etc/centreon/conf.pm", "/etc/centreon-gorgone/config.yaml"])
            .chain(["/etc/centreon-engine/centengine.cfg", "/etc/snmp/snmptrapd.conf"])
            .chain(["/etc/centreon-broker/poller1-module.json"])
            .chain(["/etc/yum.repos.d/almalinux-baseos.repo"])
    {
        assert!(noted.contains(file), "{file} is not among {noted:?}");
    }
}

#[test]
fn a_folder_in_the_place_of_a_file_is_noted() {
    each_becomes(|path| fs::create_dir(path).unwrap());
}

#[test]
fn a_pipe_is_noted_and_not_waited_for() {
    each_becomes(|path| mkfifo(path, Mode::S_IRWXU).unwrap());
}

#[test]
fn a_link_to_itself_is_noted() {
    each_becomes(|path| symlink(path.file_name().unwrap(), path).unwrap());
}

#[test]
fn a_file_of_a_hundred_megabytes_is_noted() {
    each_becomes(|path| File::create(path).unwrap().set_len(100 << 20).unwrap());
}

/// Root may read everything; here the program runs without that privilege.
#[test]
fn a_file_this_user_may_not_read_is_noted() {
    each_becomes(|path| {
        fs::write(path, "").unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o000)).unwrap();
    });
}

/// Upwards, away and to devices: below the tree there is nothing of that name.
#[test]
fn links_that_lead_out_of_the_tree_lead_nowhere() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    fs::write(secret.path(), "nameserver 192.0.2.66\nserver 192.0.2.66\n").unwrap();
    let outside = secret.path().to_str().unwrap();
    let upwards = format!("{}{}", "../".repeat(40), outside.trim_start_matches('/'));
    for target in ["/dev/zero", "../../../../../../dev/zero", "/proc/self/mem", outside, &upwards] {
        let tree = Tree::of("poller-zmq");
        for file in tree.files() {
            fs::remove_file(&file).unwrap();
            symlink(target, &file).unwrap();
        }
        look(tree.path());
        let found = bounded(tree.path(), &["discover", "--format", "json"]).stdout;
        assert!(!found.contains("192.0.2.66"), "{target}: {found}");
    }
}

#[test]
fn what_includes_itself_ends() {
    let chrony = "include /etc/chrony.conf\nconfdir /etc\nsourcedir /etc\nserver 10.0.0.3\n";
    let tree = Tree::with(&[
        ("etc/chrony.conf", chrony),
        ("etc/chrony.d.conf", "confdir /etc\ninclude /etc/*.conf\n"),
        ("etc/ntp.conf", "includefile /etc/ntp.conf\nserver 10.0.0.3\n"),
        ("etc/postfix/main.cf", "relayhost = $a\na = $b$b\nb = $a$a\n"),
        ("etc/apt/apt.conf", "#include \"/etc/apt/apt.conf\";\n#include \"/etc/apt\";\n"),
        ("etc/apt/sources.list", "deb http://x.example/ a b\n"),
        ("etc/centreon-gorgone/config.yaml", "a: !include ./*.yaml\nb: !include ../*/*.yaml\n"),
        (
            "etc/centreon-engine/centengine.cfg",
            "cfg_file=centengine.cfg\ncfg_dir=.\nresource_file=centengine.cfg\n",
        ),
        (
            "etc/centreon-engine/a.cfg",
            "define host {\nname a\nuse a,b\n}\ndefine host {\nname b\nuse b,a\nhost_name h\naddress h\n}\n",
        ),
        ("etc/msmtprc", "account a : a\nhost h\naccount default : default\n"),
    ]);
    let noted = look(tree.path());
    for file in ["/etc/postfix/main.cf", "/etc/centreon-gorgone/config.yaml"] {
        assert!(noted.contains(file), "{file} is not among {noted:?}");
    }
}

#[test]
fn what_multiplies_itself_stays_small() {
    // Each line ten of the line before: 10^26 in the end.
    let names: Vec<char> = ('a'..='z').collect();
    let lines = |line: &dyn Fn(char, char) -> String| -> String {
        names.windows(2).map(|pair| line(pair[1], pair[0])).collect()
    };
    let aliases =
        lines(&|name, of| format!("{name}: &{name} [{}]\n", vec![format!("*{of}"); 10].join(", ")));
    let settings = lines(&|name, of| format!("{name} = {}\n", format!("${of}").repeat(10)));
    let macros = lines(&|name, of| format!("${name}$={}\n", format!("${of}$").repeat(10)));
    let templates = lines(&|name, of| {
        format!(
            "define host {{\nname {name}\nuse {}\nregister 0\n}}\n",
            vec![of.to_string(); 10].join(",")
        )
    });
    let host = "define host {\nhost_name h\naddress 10.0.0.9\nuse z\n_SNMPCOMMUNITY $z$\n}\n";
    let tree = Tree::with(&[
        ("etc/centreon-gorgone/config.yaml", &format!("a: &a [x]\n{aliases}gorgone: *z\n")),
        ("etc/postfix/main.cf", &format!("a = 10.0.0.1\n{settings}relayhost = $z\n")),
        ("etc/centreon-engine/centengine.cfg", "cfg_file=hosts.cfg\nresource_file=resource.cfg\n"),
        ("etc/centreon-engine/resource.cfg", &format!("$a$=x\n{macros}")),
        (
            "etc/centreon-engine/hosts.cfg",
            &format!("define host {{\nname a\nregister 0\n}}\n{templates}{host}"),
        ),
        ("etc/exim4/exim4.conf", &format!("a = 10.0.0.1\n{}", settings.replace(" = ", "="))),
    ]);
    look(tree.path());
}

/// More files than a folder is read for, in every folder that is.
#[test]
fn thousands_of_small_files_are_read_as_far_as_is_sane() {
    let tree = Tree::of("poller-zmq");
    let chrony = "confdir /etc/chrony.d\nsourcedir /etc/chrony.d\nserver 10.0.0.3\n";
    fs::write(tree.path().join("etc/chrony.conf"), chrony).unwrap();
    for (folder, suffix, text) in [
        ("etc/chrony.d", "conf", "server 10.0.0.4\n"),
        ("etc/chrony.d", "sources", "server 10.0.0.5\n"),
        ("etc/yum.repos.d", "repo", "[a]\nbaseurl=http://x.example/\nenabled=1\n"),
        ("etc/apt/sources.list.d", "list", "deb http://x.example/ a b\n"),
        ("etc/apt/apt.conf.d", "conf", "Acquire::http::Proxy \"http://10.0.0.6:3128\";\n"),
        ("etc/profile.d", "sh", "export http_proxy=http://10.0.0.6:3128\n"),
        ("etc/centreon-broker", "json", "{\"centreonBroker\": {}}"),
        ("etc/centreon-gorgone/config.d", "yaml", "a: !include *.yaml\n"),
    ] {
        let folder = tree.path().join(folder);
        fs::create_dir_all(&folder).unwrap();
        for number in 0..2_000 {
            fs::write(folder.join(format!("{number}.{suffix}")), text).unwrap();
        }
    }
    assert!(look(tree.path()).contains("/etc/centreon-gorgone/config.d/0.yaml"));
}

/// Line ends of another system change nothing, but for glibc, to which they are no address.
#[test]
fn lines_may_end_as_windows_ends_them() {
    for name in ["poller-zmq", "central-22.10", "central-24.10", "poller-pullwss"] {
        let tree = Tree::of(name);
        let before = bounded(tree.path(), &["plan", "--format", "json"]);
        assert_eq!(before.code, Some(0), "{}", before.stdout);
        for file in tree.files().into_iter().filter(|file| !file.ends_with("resolv.conf")) {
            let text = fs::read_to_string(&file).unwrap().replace('\n', "\r\n");
            fs::write(file, text).unwrap();
        }
        let after = bounded(tree.path(), &["plan", "--format", "json"]);
        assert_eq!(before.stdout, after.stdout, "{name}");
    }
}

/// Names of files are a stranger's words too.
#[test]
fn a_name_that_acts_on_the_terminal_is_escaped() {
    let tree = Tree::of("poller-zmq");
    let repo = format!("etc/yum.repos.d/{NASTY}.repo");
    fs::write(tree.path().join(repo), "[a]\nbaseurl=http://x.example/\n").unwrap();
    let broker = format!("etc/centreon-broker/{NASTY}-module.json");
    fs::write(tree.path().join(broker), "{").unwrap();
    let main = format!("broker_module=/x/cbmod.so /etc/centreon-broker/{NASTY}-module.json\n");
    fs::write(tree.path().join("etc/centreon-engine/centengine.cfg"), main).unwrap();
    look(tree.path());
    let plan = bounded(tree.path(), &["plan", "--format", "json"]).stdout;
    assert!(plan.contains(r"/etc/yum.repos.d/a\\x1b[31m\\u{202e}b"), "{plan}");
}

/// At every path that a source names, and in every folder it may be.
#[test]
fn random_bytes_wherever_a_source_looks() {
    let paths = paths_of_sources();
    assert!(paths.contains("/etc/chrony/chrony.conf") && paths.contains("/etc/apt/apt.conf.d"));
    for seed in 1..=4 {
        let mut noise = Noise(seed);
        let (files, folders) = (Tree::with(&[]), Tree::with(&[]));
        for path in &paths {
            let place = files.path().join(path.trim_start_matches('/'));
            // A path that is also a folder of another stays one.
            fs::create_dir_all(place.parent().unwrap()).ok();
            fs::write(&place, noise.bytes()).ok();
            let folder = folders.path().join(path.trim_start_matches('/'));
            fs::create_dir_all(&folder).unwrap();
            for suffix in
                ["conf", "cfg", "json", "list", "repo", "service", "sh", "sources", "yaml"]
            {
                fs::write(folder.join(format!("x.{suffix}")), noise.bytes()).unwrap();
            }
        }
        look(files.path());
        look(folders.path());
    }
}

/// What a crash, a broken disk, a careless hand or a stranger makes of a file.
#[derive(Clone, Debug)]
enum Damage {
    /// Cut off there, in thousandths of its length.
    Cut(usize),
    /// One bit of each of these bytes is another.
    Flipped(Vec<(usize, u8)>),
    /// The terminal is spoken to after each n-th of these characters.
    Nasty(char, usize),
    /// The same in JSON's own spelling.
    NastyJson(usize),
    /// Lines from there on stand before the others.
    Turned(usize),
}

impl Damage {
    fn any() -> impl Strategy<Value = Self> {
        prop_oneof![
            (0..1_000_usize).prop_map(Self::Cut),
            vec((0..1_000_usize, 0..8_u8), 1..6).prop_map(Self::Flipped),
            (select(vec!['"', '=', ':', ' ', '\n', '/', 'a', '1']), 1..4_usize)
                .prop_map(|(after, each)| Self::Nasty(after, each)),
            (1..6_usize).prop_map(Self::NastyJson),
            (0..1_000_usize).prop_map(Self::Turned),
        ]
    }

    fn done_to(&self, text: &[u8]) -> Vec<u8> {
        let place = |thousandths: usize| text.len() * thousandths / 1_000;
        match self {
            Self::Cut(at) => text[..place(*at)].to_vec(),
            Self::Flipped(bits) => {
                let mut bytes = text.to_vec();
                for (at, bit) in bits {
                    bytes[place(*at)] ^= 1 << bit;
                }
                bytes
            }
            Self::Nasty(after, each) => inserted(text, *after, *each, NASTY),
            Self::NastyJson(each) => inserted(text, '"', *each, r"a\u001b[31m\u202eb"),
            Self::Turned(at) => {
                let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
                let (head, tail) = lines.split_at(lines.len() * at / 1_000);
                [tail.concat(), head.concat()].concat()
            }
        }
    }
}

/// `text` with `piece` behind each `each`-th `after`.
fn inserted(text: &[u8], after: char, each: usize, piece: &str) -> Vec<u8> {
    let text = std::str::from_utf8(text).unwrap();
    let mut seen = 0;
    let pieces = text.split_inclusive(after).map(|part| {
        seen += 1;
        if seen % each == 0 { format!("{part}{piece}") } else { part.to_owned() }
    });
    pieces.collect::<String>().into_bytes()
}

proptest! {
    // Each case starts the program.
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_damaged_file_costs_what_it_says_and_no_more(
        machine in select(vec!["central-22.10", "central-24.10", "central-26.10", "poller-grpc", "poller-pullwss", "poller-zmq"]),
        file in any::<Index>(),
        damage in Damage::any(),
        look in select(vec![&["plan"][..], &["plan", "--verbose"], &["discover"], &["discover", "--format", "json"]]),
    ) {
        let tree = Tree::of(machine);
        let files = tree.files();
        let file = file.get(&files);
        let text = fs::read(file).unwrap();
        if !text.is_empty() {
            fs::write(file, damage.done_to(&text)).unwrap();
            bounded(tree.path(), look);
        }
    }
}

/// The paths in the sources' own text, but for their tests'.
fn paths_of_sources() -> BTreeSet<String> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/site")];
    let mut paths = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().unwrap() != "tests.rs" {
                let text = fs::read_to_string(path).unwrap();
                let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
                let literals = code.split('"').skip(1).step_by(2);
                let is_path = |text: &&str| ABSOLUTE.iter().any(|top| text.starts_with(top));
                paths.extend(literals.filter(is_path).map(str::to_owned));
            }
        }
    }
    paths
}

const ABSOLUTE: [&str; 5] = ["/etc/", "/run/", "/usr/", "/var/", "/lib/"];
/// A colour, and a reversed reading order.
const NASTY: &str = "a\u{1b}[31m\u{202e}b\u{200b}";

/// Bytes that look random and are the same in every run (xorshift64).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self) -> Vec<u8> {
        let length = self.next() % 2_000;
        (0..length).map(|_| self.next().to_le_bytes()[0]).collect()
    }
}
