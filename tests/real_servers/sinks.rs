//! A report in which every text is hostile, through every format of every command: what a reader
//! of that format opens is the page it would have been with harmless texts in their place.
//!
//! The readers are real ones: Chromium, GitHub's `cmark-gfm`, Python's `csv`, `ElementTree` and
//! the parser of Prometheus, a shell. Each is given a page with hostile texts and one with the
//! word `plain` in the same places, and has to find the same structure in both.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::html::browser::Browser;
use crate::lab::{Lab, Node, run};
use crate::support::page::{fits, is_inert};
use crate::support::{Ended, FORMATS, preflight};

/// In every hostile text, so that a test knows that it got as far as the page.
const CANARY: &str = "kanari";

/// Classes of hostile text, and two harmless to compare them with.
const CLASSES: [(&str, &str); 15] = [
    ("plain", "kanari"),
    ("plain-url", "kanari http://kanari.invalid/"),
    ("control", "kanari\u{1}\u{7}\u{8}\u{b}\u{7f}\u{85}\u{9b}31m\r\nkanari\tkanari"),
    ("nul", "\0kanari\0"),
    ("bidi", "\u{202e}kanari\u{2066}\u{200b}\u{feff}\u{2028}\u{e0041}"),
    ("terminal", "\u{1b}[2J\u{1b}]0;kanari\u{7}\u{1b}]8;;//kanari.invalid/\u{1b}\\kanari\u{90}q"),
    (
        "markup",
        "</td></title></style><script>window.kanari=1</script><img src=//kanari.invalid/x \
         onerror=window.kanari=1>' onmouseover='window.kanari=1' x=\"",
    ),
    ("attribute", "\" onload=\"window.kanari=1\" style=\"background:url(//kanari.invalid/)\" a='"),
    ("formula", "=HYPERLINK(\"//kanari.invalid/\";\"kanari\")"),
    ("formula-inside", "kanari\",=cmd|' /C calc'!A0,\"\n@SUM(1)\r+1;-1;\u{ff1d}1"),
    (
        "markdown",
        "[kanari](http://kanari.invalid/) ![x](http://kanari.invalid/y) <http://kanari.invalid/> \
         http://kanari.invalid www.kanari.invalid me@kanari.invalid `` ` `` | a | **b** ~~c~~ \
         [^1] &#x3c;b> $x$\n\n# kanari\n- [ ] x\n\n```\n| a | b |\n|---|---|\n",
    ),
    ("prometheus", "kanari\\\"} 1\nkanari_total{a=\"\\"),
    (
        "xml",
        "kanari]]><!--<!DOCTYPE x [<!ENTITY k SYSTEM 'file:///etc/passwd'>]>&k;\u{fffe}--></x>",
    ),
    (
        "shell",
        "kanari$(touch kanari)`touch kanari`'\"; touch kanari; } ; flush ruleset; \\\n\
         touch kanari\n\"' accept comment \"x\" accept; #",
    ),
    ("long", ""),
];

/// A class's text; one is too long to be written here.
fn text(class: &str) -> String {
    let (_, text) = CLASSES.iter().find(|(name, _)| *name == class).unwrap();
    if class == "long" { format!("kanari {}", "kanari".repeat(800)) } else { (*text).to_owned() }
}

/// The harmless class whose pages have the same structure: a text with an address in it is read as one.
fn harmless(class: &str) -> &'static str {
    if ["markdown", "plain-url"].contains(&class) { "plain-url" } else { "plain" }
}

/// Its name, what stays as it was, and which reports of [`REPORTS`] it is tried with.
type Part = (&'static str, &'static [&'static str], &'static [(usize, usize)]);

/// What of a report is hostile: all of it; all but what decides how it is read, so that a page
/// shows its causes; all but that and who is meant, so that it shows rules for a firewall.
const PARTS: [Part; 3] =
    [("all", &[], &[(0, 1)]), ("words", &DECIDES, &[(0, 1), (2, 1)]), ("prose", &MEANS, &[(0, 1)])];

const DECIDES: [&str; 9] =
    ["code", "flow", "from", "to", "id", "protocol", "protocols", "transports", "because_of"];

const MEANS: [&str; 15] = [
    "code",
    "flow",
    "from",
    "to",
    "id",
    "protocol",
    "protocols",
    "transports",
    "because_of",
    "host",
    "address",
    "source",
    "destination",
    "group",
    "shown",
];

/// The reports that become hostile: of real runs, with most of what a report can hold.
const REPORTS: [&str; 3] = ["poller1", "central1", "poller2-blocked"];

fn example(name: &str) -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/examples/{name}.json"));
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

/// Calls `leaf` with the place of each text of a report, as `/steps/*/why`, and the text.
fn each_text(value: &mut Value, place: &str, leaf: &mut impl FnMut(&str, &mut String)) {
    match value {
        Value::String(text) => leaf(place, text),
        Value::Array(all) => {
            for one in all {
                each_text(one, &format!("{place}/*"), leaf);
            }
        }
        Value::Object(all) => {
            for (key, one) in all.iter_mut() {
                each_text(one, &format!("{place}/{key}"), leaf);
            }
        }
        _ => {}
    }
}

/// The report with this text in these places.
fn with(report: &Value, places: &[String], text: &str) -> Value {
    let mut report = report.clone();
    each_text(&mut report, "", &mut |place, leaf| {
        if places.iter().any(|one| one == place) {
            text.clone_into(leaf);
        }
    });
    report
}

/// Is this taken for a report?
fn is_taken(report: &Value, folder: &Path) -> bool {
    let file = folder.join("asked.json");
    fs::write(&file, report.to_string()).unwrap();
    let ended = preflight(&["show", file.to_str().unwrap(), "--format", "centreon"]);
    let is_taken = !ended.stdout.contains("no report");
    if !is_taken {
        shows_nothing_that_acts(&ended.stdout, "a report that is refused");
        shows_nothing_that_acts(&ended.stderr, "a report that is refused");
    }
    is_taken
}

/// Those of the places that may hold this text without the report being refused.
fn free(report: &Value, places: &[String], text: &str, folder: &Path) -> Vec<String> {
    if places.is_empty() || is_taken(&with(report, places, text), folder) {
        return places.to_vec();
    }
    if places.len() == 1 {
        return Vec::new();
    }
    let (one, other) = places.split_at(places.len() / 2);
    [free(report, one, text, folder), free(report, other, text, folder)].concat()
}

#[track_caller]
fn shows_nothing_that_acts(text: &str, context: &str) {
    let text = text.replace("\r\n", "\n");
    assert!(text.len() < 6_000_000, "{context}: {} bytes", text.len());
    is_inert(&text);
}

/// One page that a command wrote.
struct Page {
    /// Its class, and what of the report was hostile.
    of: String,
    /// The command and the format.
    sink: String,
    format: &'static str,
    text: String,
}

/// Every command that reads a report, with its formats; `A` and `B` are two reports.
fn sinks() -> Vec<(Vec<&'static str>, &'static [&'static str])> {
    const COMPARED: [&str; 3] = ["table", "json", "markdown"];
    const MERGED: [&str; 5] = ["table", "html", "json", "markdown", "csv"];
    vec![
        (vec!["show", "A", "--verbose"], &FORMATS),
        (vec!["redact", "A"], &FORMATS),
        (vec!["show", "A"], &["table"]),
        (vec!["redact", "A", "--redact-keep-text"], &["table"]),
        (vec!["merge", "A", "B"], &MERGED),
        (vec!["diff", "A", "healthy"], &COMPARED),
        (vec!["diff", "healthy", "A"], &COMPARED),
        (vec!["request", "A", "B"], &REQUEST_FORMATS),
        (vec!["request", "A", "B", "--all"], &REQUEST_FORMATS),
        (vec!["explain", "A", EXPLAINED], &[]),
    ]
}

/// The formats of a change request.
const REQUEST_FORMATS: [&str; 5] = ["text", "markdown", "csv", "nft", "firewalld"];

/// A flow of each report, of which `explain` tells what it says.
const EXPLAINED: &str = "poller.bbdo";

/// Every page of the reports `A` and `B`, two commands at a time.
fn pages(of: &str, folder: &Path, into: &mut Vec<Page>) {
    let mut sinks = sinks();
    // Where the flows are hostile too, no flow is called so.
    sinks.retain(|(words, _)| words[0] != "explain" || !of.ends_with("/all"));
    let (one, other) = sinks.split_at(1);
    std::thread::scope(|scope| {
        let halves = [one, other].map(|half| {
            scope.spawn(move || {
                half.iter()
                    .flat_map(|(words, formats)| pages_of(of, folder, words, formats))
                    .collect::<Vec<_>>()
            })
        });
        into.extend(halves.into_iter().flat_map(|half| half.join().unwrap()));
    });
}

/// What one command writes of two reports.
fn pages_of(
    of: &str,
    folder: &Path,
    words: &[&str],
    formats: &'static [&'static str],
) -> Vec<Page> {
    let file = |name: &str| folder.join(format!("{name}.json")).to_str().unwrap().to_owned();
    let is_report = |word: &str| ["A", "B", "healthy"].contains(&word);
    let given = words
        .iter()
        .map(|word| if is_report(word) { file(word) } else { (*word).to_owned() })
        .collect();
    let (ended, pages) = written(given, of, &words.join(" "), formats);
    assert!(ended.code.is_some(), "{of}: {words:?}: {ended:#?}");
    for page in &pages {
        assert!(!page.text.is_empty(), "{of}: {words:?} as {}: {}", page.format, ended.stderr);
    }
    pages
}

/// How a command ended and what it wrote: its first format to its output, the others into files. Without a format it
/// has one of its own.
fn written(
    mut given: Vec<String>,
    of: &str,
    sink: &str,
    formats: &'static [&'static str],
) -> (Ended, Vec<Page>) {
    let folder = tempfile::tempdir().unwrap();
    for (number, format) in formats.iter().enumerate() {
        let to = folder.path().join(format);
        let to = if number == 0 { "-" } else { to.to_str().unwrap() };
        given.extend(["--format".to_owned(), format!("{format}={to}")]);
    }
    let ended = preflight(&given.iter().map(String::as_str).collect::<Vec<_>>());
    shows_nothing_that_acts(&ended.stderr, &format!("{of}: {sink}"));
    let all = if formats.is_empty() { &[""] } else { formats };
    let pages = all.iter().enumerate().map(|(number, &format)| {
        let text = match number {
            0 => ended.stdout.clone(),
            _ => fs::read_to_string(folder.path().join(format)).unwrap_or_default(),
        };
        shows_nothing_that_acts(&text, &format!("{of}: {sink} as {format}"));
        Page { of: of.to_owned(), sink: sink.to_owned(), format, text }
    });
    let pages = pages.collect();
    (ended, pages)
}

/// All pages of all classes.
fn all_pages() -> Vec<Page> {
    let folder = tempfile::tempdir().unwrap();
    let there = folder.path();
    fs::write(there.join("healthy.json"), example("poller1").to_string()).unwrap();
    let reports: Vec<(Value, Vec<String>)> = REPORTS
        .iter()
        .map(|name| {
            let mut report = example(name);
            // What a later version may know besides.
            report["steps"][0]["evidence"]["own words"] = json!("kanari");
            let mut places = Vec::new();
            each_text(&mut report, "", &mut |place, _| {
                if !places.iter().any(|one| one == place) {
                    places.push(place.to_owned());
                }
            });
            let mut open = free(&report, &places, "kanari", there);
            // The same places in every class, or their pages could not be compared.
            for (class, _) in CLASSES {
                open = free(&report, &open, &text(class), there);
            }
            assert!(open.len() > 80, "{name}: {} places take every text", open.len());
            (report, open)
        })
        .collect();
    let mut pages_of_all = Vec::new();
    for (part, but, pairs) in PARTS {
        // The machine's own name decides nothing, and stands in comments of rules.
        let chosen = |place: &&String| {
            *place == "/host/name" || !place.split('/').any(|part| but.contains(&part))
        };
        let places: Vec<Vec<String>> =
            reports.iter().map(|(_, open)| open.iter().filter(chosen).cloned().collect()).collect();
        for left in &places {
            assert!(left.len() > 40, "{part}: {} places are hostile", left.len());
        }
        for (class, _) in CLASSES {
            let hostile = |number: usize| {
                let (report, _) = &reports[number];
                let mut hostile = with(report, &places[number], &text(class));
                // Or they would be one machine.
                hostile["host"]["name"] = json!(format!("{}{number}", text(class)));
                hostile
            };
            for &(a, b) in pairs {
                fs::write(there.join("A.json"), hostile(a).to_string()).unwrap();
                fs::write(there.join("B.json"), hostile(b).to_string()).unwrap();
                let of = format!("{class}/{}/{part}", REPORTS[a]);
                pages(&of, there, &mut pages_of_all);
            }
        }
    }
    pages_of_all
}

#[test]
fn no_text_of_a_report_acts_in_what_opens_it() {
    let pages = all_pages();
    // For whoever wants to look at what was tested.
    if let Some(kept) = std::env::var_os("KEEP_PAGES") {
        for (number, page) in pages.iter().enumerate() {
            let name = format!("{number} {} {}.{}", page.of, page.sink, page.format);
            fs::write(Path::new(&kept).join(name.replace('/', "-")), &page.text).unwrap();
        }
    }
    let mut reached: BTreeMap<&str, usize> = BTreeMap::new();
    for page in &pages {
        *reached.entry(page.format).or_default() += usize::from(page.text.contains(CANARY));
        let context = format!("{}: {} as {}", page.of, page.sink, page.format);
        match page.format {
            "table" if !page.sink.starts_with("merge") => fits(&page.text, 80),
            "" => fits(&page.text, 80),
            "json" => drop(serde_json::from_str::<Value>(&page.text).expect(&context)),
            "ndjson" => page.text.lines().for_each(|line| {
                drop(serde_json::from_str::<Value>(line).expect(&context));
            }),
            "centreon" => is_one_state(&page.text, &context),
            _ => {}
        }
    }
    // What none of these texts reaches is not tested: nft and firewalld write none of them but
    // into comments.
    for (format, count) in &reached {
        assert!(*count > 0, "{format} shows no text of a report");
    }
    let folder = tempfile::tempdir().unwrap();
    same_structure(&pages, folder.path());
    in_a_browser(&pages, folder.path());
    only_rules(&pages);
    the_kernel_takes_them(&pages);
}

/// A site file in which every text is hostile: what `request --site` writes of it, where it takes it at all.
#[test]
fn no_text_of_a_site_file_acts_in_a_request() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("site.toml");
    let mut pages = Vec::new();
    let mut taken: BTreeMap<&str, usize> = BTreeMap::new();
    for place in SITE_TEXTS {
        for (class, _) in CLASSES {
            // A basic string of JSON is one of TOML.
            let hostile = serde_json::to_string(&text(class)).unwrap().replace('\u{7f}', "\\u007f");
            assert!(SITE.contains(place), "{place}");
            fs::write(&file, SITE.replacen(place, &hostile, 1)).unwrap();
            let given = ["request", "--site", file.to_str().unwrap()].map(str::to_owned);
            let of = format!("{class}/site/{place}");
            let (ended, written) = written(given.to_vec(), &of, "request --site", &REQUEST_FORMATS);
            match ended.code {
                Some(0) => {
                    *taken.entry(place).or_default() += 1;
                    pages.extend(written);
                }
                Some(2) => {}
                _ => panic!("{of}: {ended:#?}"),
            }
        }
    }
    // A text that is refused in every class tests the refusal alone.
    assert!(taken.len() > 1, "{taken:?}");
    let scripts = |page: &&Page| ["nft", "firewalld"].contains(&page.format);
    assert!(pages.iter().filter(scripts).count() > 20, "{taken:?}");
    only_rules(&pages);
    the_kernel_takes_them(&pages);
}

/// A platform of three machines.
const SITE: &str = r#"
[platform]
name = "Corp"
profile = "i-vertix"
[services]
ntp = ["ntp1.example.test"]
http = ["https://mirror.example.test/packages"]
[machine.central1]
role = "central"
address = "10.3.0.7"
[machine."poller1"]
role = "poller"
address = "10.4.0.7"
central = "central1"
nat = "198.51.100.7"
skip = { "poller.ntp" = "the radio clock" }
[machine.poller2]
role = "poller"
address = "poller2.example.test"
central = "central1"
[[check]]
name = "erp"
url = "postgresql://db.example.test:5432"
from = ["central1"]
why = "The inventory import reads from this database."
"#;

/// Texts of [`SITE`], as they stand there.
const SITE_TEXTS: [&str; 11] = [
    "\"Corp\"",
    "\"ntp1.example.test\"",
    "\"https://mirror.example.test/packages\"",
    "\"poller1\"",
    "\"10.4.0.7\"",
    "\"198.51.100.7\"",
    "\"poller2.example.test\"",
    "\"the radio clock\"",
    "\"erp\"",
    "\"postgresql://db.example.test:5432\"",
    "\"The inventory import reads from this database.\"",
];

/// The output of a plugin: a line of state first, one bar in all of it, and behind that labels without a quote of
/// their own.
#[track_caller]
fn is_one_state(text: &str, context: &str) {
    let first = text.lines().next().unwrap();
    assert!(
        ["OK: ", "WARNING: ", "CRITICAL: ", "UNKNOWN: "]
            .iter()
            .any(|state| first.starts_with(state)),
        "{context}: {first}"
    );
    assert_eq!(text.matches('|').count(), 1, "{context}: {text}");
    let (_, mut data) = text.trim_end().split_once(" | ").unwrap();
    while let Some(rest) = data.strip_prefix('\'') {
        let (label, rest) = rest.split_once("'=").unwrap();
        assert!(!label.is_empty() && !label.contains(['\'', '=', '|']), "{context}: {data}");
        let (value, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let is_number = |c: char| c.is_ascii_digit() || ".;:@~sm%cB-".contains(c);
        assert!(value.chars().all(is_number), "{context}: {data}");
        data = rest;
    }
    assert_eq!(data, "", "{context}");
}

/// What a file of each format is made of, without its texts, one line a file.
const STRUCTURES: &str = r#"
import csv, json, os, re, subprocess, sys, unicodedata
import xml.etree.ElementTree as tree
from prometheus_client.openmetrics.parser import text_string_to_metric_families as families

def of_csv(path):
    rows = list(csv.reader(open(path, newline=""), strict=True))
    for row in rows:
        for cell in row:
            start = unicodedata.normalize("NFKC", cell.lstrip())[:1]
            is_number = re.fullmatch(r"-?[0-9.]+", cell)
            assert is_number or not start or start not in "=+-@\t\r", f"a formula: {cell[:60]!r}"
    return [len(row) for row in rows]

def of_junit(path):
    return [(one.tag, sorted(one.attrib)) for one in tree.parse(path).iter()]

def of_openmetrics(path):
    return [(one.name, one.type, [sorted(it.labels) for it in one.samples]) for one in families(open(path).read())]

def of_markdown(path):
    for_table = ["-e", "table", "-e", "autolink", "-e", "strikethrough", "-e", "tasklist", "-e", "footnotes"]
    made = subprocess.run(["cmark-gfm", "-t", "xml", *for_table, path], check=True, capture_output=True).stdout
    # Of texts the parser makes as many as it likes.
    plain = ("text", "softbreak", "linebreak", "html_inline")
    # Which XML cannot hold, and Markdown can.
    made = made.replace("\ufffe".encode(), b"").replace("\uffff".encode(), b"")
    found = [one.tag.split("}")[1] for one in tree.fromstring(made).iter()]
    # A break inside of a cell, and what keeps an address from being a link, is ours; no other HTML is.
    for one in tree.fromstring(made).iter():
        if one.tag.endswith("}html_inline"): assert one.text in ("<br>", "<!-- -->"), one.text
        if one.tag.split("}")[1] in ("link", "image"): assert "kanari" not in one.get("destination"), one.attrib
    return [one for one in found if one not in plain]

for path in sys.argv[1:]:
    kind = os.path.basename(path).split(".")[-1]
    try:
        found = globals()["of_" + kind](path)
    except Exception as error:
        found = f"BROKEN {type(error).__name__}: {error}"
    print(json.dumps(found))
"#;

/// The readers of CSV, XML, `OpenMetrics` and Markdown find in each page what they find in the
/// harmless one.
fn same_structure(pages: &[Page], folder: &Path) {
    let read = ["csv", "junit", "openmetrics", "markdown"];
    let read: Vec<&Page> = pages.iter().filter(|page| read.contains(&page.format)).collect();
    let files: Vec<PathBuf> = read
        .iter()
        .enumerate()
        .map(|(number, page)| {
            let file = folder.join(format!("{number}.{}", page.format));
            fs::write(&file, &page.text).unwrap();
            file
        })
        .collect();
    let judged = Command::new("/usr/bin/python3").args(["-c", STRUCTURES]).args(&files).output();
    let judged = judged.unwrap();
    assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stderr));
    let found = String::from_utf8(judged.stdout).unwrap();
    let found: Vec<&str> = found.lines().collect();
    assert_eq!(found.len(), read.len());
    let mut different = Vec::new();
    for (page, &this) in read.iter().zip(&found) {
        let (class, rest) = page.of.split_once('/').unwrap();
        let is_plain = |one: &Page| {
            one.of == format!("{}/{rest}", harmless(class))
                && (&one.sink, one.format) == (&page.sink, page.format)
        };
        let plain = found[read.iter().position(|one| is_plain(one)).unwrap()];
        if this.contains("BROKEN") || structure(page, this) != structure(page, plain) {
            let context = format!("{class}/{rest}: {} as {}", page.sink, page.format);
            different.push(format!("{context}\n  {this:.2000}\n  {plain:.2000}"));
        }
    }
    assert!(different.is_empty(), "{} pages:\n{}", different.len(), different.join("\n"));
}

/// What a reader found, in its order; of a merge, which groups machines and causes by what they are called, the kinds
/// of it alone.
fn structure(page: &Page, found: &str) -> Vec<String> {
    let found: Vec<Value> = serde_json::from_str(found).unwrap();
    let mut found: Vec<String> = found.iter().map(Value::to_string).collect();
    if page.sink.starts_with("merge") {
        found.sort();
        found.dedup();
    }
    found
}

/// Chromium makes the same elements of each page; no script of a text runs, nothing is asked for.
fn in_a_browser(pages: &[Page], folder: &Path) {
    let html: Vec<&Page> = pages.iter().filter(|page| page.format == "html").collect();
    let mut made: BTreeMap<(String, String), Value> = BTreeMap::new();
    // Harmless ones first: the others are compared with them.
    let (plain, hostile): (Vec<&Page>, Vec<&Page>) =
        html.into_iter().partition(|page| page.of.starts_with("plain"));
    let file = folder.join("page.html");
    let mut browser = Browser::start();
    for (number, page) in plain.into_iter().chain(hostile).enumerate() {
        // A browser is given a minute.
        if number % 40 == 39 {
            browser = Browser::start();
        }
        fs::write(&file, &page.text).unwrap();
        let context = format!("{}: {}", page.of, page.sink);
        let mut open = browser.open(&file, 1280, "light");
        assert_eq!(open.value("window.kanari"), Value::Null, "{context}");
        let elements = open.value(
            "[...document.querySelectorAll('*')].map(e => e.localName + [...e.attributes] \
             .map(a => a.name).filter(name => name.startsWith('on')).join()) \
             .filter(name => name != 'tspan').join(' ')",
        );
        assert_eq!(open.complaints(), Vec::<String>::new(), "{context}");
        open.call("Page.close", &json!({}));
        let (class, rest) = page.of.split_once('/').unwrap();
        let key = (format!("{}/{rest}", harmless(class)), page.sink.clone());
        if class.starts_with("plain") {
            made.insert(key, elements);
        } else {
            let names = |elements: &Value| {
                let names = elements.as_str().unwrap().split(' ').map(str::to_owned);
                structure(page, &json!(names.collect::<Vec<String>>()).to_string())
            };
            assert_eq!(names(&elements), names(&made[&key]), "{context}");
        }
    }
}

/// The kernel takes each page's commands, and has as many rules of accept afterwards as the page has commands, none
/// for everybody.
fn the_kernel_takes_them(pages: &[Page]) {
    let lab = Lab::new();
    let mut all = 0;
    for page in pages.iter().filter(|page| page.format == "nft") {
        let context = format!("{}: {}:\n{}", page.of, page.sink, page.text);
        // As in Debian's /etc/nftables.conf.
        lab.nft(
            Node::Client,
            "flush ruleset
             table inet filter {
                 chain input { type filter hook input priority filter; policy drop; }
                 chain output { type filter hook output priority filter; policy drop; }
             }",
        );
        let script = lab.write("request.sh", &page.text);
        let ran = lab.in_client("sh").arg(script).output().unwrap();
        assert!(ran.status.success(), "{}: {context}", String::from_utf8_lossy(&ran.stderr));
        let listed = run(lab.in_client("nft").args(["-j", "list", "ruleset"]));
        let listed: Value = serde_json::from_str(&listed).unwrap();
        let entries = listed["nftables"].as_array().unwrap();
        let chains = entries.iter().filter(|entry| entry.get("chain").is_some()).count();
        assert_eq!(chains, 2, "{context}");
        let rules: Vec<&Value> = entries.iter().filter_map(|entry| entry.get("rule")).collect();
        let given = page.text.lines().filter(|line| line.starts_with("nft 'insert rule ")).count();
        assert_eq!(rules.len(), given, "{context}");
        for rule in rules {
            let expressions = rule["expr"].as_array().unwrap();
            let names_an_address = expressions.iter().any(|one| {
                let field = one["match"]["left"]["payload"]["field"].as_str();
                field.is_some_and(|field| ["saddr", "daddr"].contains(&field))
            });
            let ends_in_accept = expressions.last().unwrap().get("accept").is_some();
            assert!(names_an_address && ends_in_accept, "{rule}: {context}");
        }
        all += given;
    }
    assert!(all > 30, "{all} rules only");
}

/// What a shell makes of the commands: nothing but rules of addresses, ports and quoted comments.
fn only_rules(pages: &[Page]) {
    let mut rules = 0;
    for page in pages.iter().filter(|page| ["nft", "firewalld"].contains(&page.format)) {
        let folder = tempfile::tempdir().unwrap();
        let (bin, here) = (folder.path().join("bin"), folder.path().join("here"));
        fs::create_dir(&bin).unwrap();
        fs::create_dir(&here).unwrap();
        let log = folder.path().join("log");
        for name in ["nft", "firewall-cmd"] {
            // One argument a line; a line feed in one shows as a line that is no rule.
            let script = format!("#!/bin/sh\nprintf '%s\\n' \"$@\" >> {}\n", log.display());
            fs::write(bin.join(name), script).unwrap();
            fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        let script = folder.path().join("script");
        fs::write(&script, &page.text).unwrap();
        let path = format!("{}:/usr/bin:/bin", bin.display());
        let mut run = Command::new("sh");
        run.arg(&script).env_clear().env("PATH", path).current_dir(&here);
        let ran = run.output().unwrap();
        let context = format!("{}: {} as {}:\n{}", page.of, page.sink, page.format, page.text);
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(!said.contains("not found") && !said.contains("yntax error"), "{said}: {context}");
        assert_eq!(fs::read_dir(&here).unwrap().count(), 0, "a command ran: {context}");
        for given in fs::read_to_string(&log).unwrap_or_default().lines() {
            rules += usize::from(is_rule(given));
            let of_ours = ["list", "chain", "chains", "inet", "filter", "input", "output"];
            let of_firewalld = ["--permanent", "--reload"];
            assert!(
                is_rule(given) || of_ours.contains(&given) || of_firewalld.contains(&given),
                "{given:?}: {context}"
            );
        }
    }
    assert!(rules > 50, "{rules} rules only");
}

/// Is it a rule that names addresses, a port and a flow, and no more?
fn is_rule(given: &str) -> bool {
    let nft = given.strip_prefix("insert rule inet filter ").map(|rest| {
        let (rule, comment) = rest.split_once(" accept comment ").unwrap_or((rest, ""));
        let is_flow = |c: char| c.is_ascii_alphanumeric() || ".-_ ".contains(c);
        let comment = comment.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
        comment.is_some_and(|it| it.chars().all(is_flow)) && are_matches(rule)
    });
    let rich = given.strip_prefix("--add-rich-rule=rule ").map(|rest| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || " =\"./:-".contains(c);
        rest.ends_with(" accept") && rest.contains("address=\"") && rest.chars().all(is_plain)
    });
    nft.or(rich).unwrap_or(false)
}

/// `input ip saddr 10.0.0.1 tcp dport 22`, or the same of another hook, family or transport.
fn are_matches(rule: &str) -> bool {
    let mut words = rule.split(' ');
    let hook = words.next();
    let words: Vec<&str> = words.map(|word| word.trim_end_matches(',')).collect();
    ["input", "output"].map(Some).contains(&hook)
        && words.iter().any(|word| word.parse::<std::net::IpAddr>().is_ok())
        && words.iter().all(|word| {
            let keys =
                ["ip", "ip6", "saddr", "daddr", "tcp", "udp", "icmp", "icmpv6", "dport", "type"];
            keys.contains(word)
                || word.parse::<std::net::IpAddr>().is_ok()
                || word.parse::<u16>().is_ok()
                || ["echo-request", "{", "}"].contains(word)
        })
}
