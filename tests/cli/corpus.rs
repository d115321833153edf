//! Every input of `fuzz/corpus` and every file of the tests through the fuzzers' functions, and
//! inputs like them: what a fuzzer found once stays found, without a fuzzer.
//!
//! The inputs like them are others in each run. One that breaks a promise is written to a file
//! whose name is in the message; it belongs into `fuzz/corpus` with what mends it.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use preflight_checks::SERVICES;
use serde_json::{Value, json};

// The fuzzers' own crate is built with their counters; its functions need none.
#[allow(unreachable_pub, dead_code)]
#[path = "../../fuzz/src/lib.rs"]
mod fuzzers;

use fuzzers::record::{machine_inputs, record};
use fuzzers::{FUZZERS, Keeps};

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The inputs of a fuzzer, each with where it comes from.
fn inputs(fuzzer: &str) -> Vec<(String, Vec<u8>)> {
    let mut inputs = Vec::new();
    let mut take = |folder: PathBuf, suffix: &str| {
        for entry in
            fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if name.ends_with(suffix) && !name.starts_with('.') {
                inputs.push((path.display().to_string(), fs::read(path).unwrap()));
            }
        }
    };
    if fuzzer != "machine" {
        take(repository("fuzz/corpus").join(fuzzer), "");
    }
    match fuzzer {
        "machine" => inputs = machine_inputs(&repository("tests/fixtures")).unwrap(),
        "saved" => take(repository("docs/examples"), ".json"),
        "tables" => take(repository("src/catalogue"), ".toml"),
        _ => {}
    }
    // A conversation is named after its service, whose number moves when a service is added.
    if ["peer", "far_side"].contains(&fuzzer) {
        for (name, input) in &mut inputs {
            let name = name.rsplit('/').next().unwrap_or_default();
            let number = SERVICES.iter().position(|service| service.name == name);
            if let (Some(number), Some(first)) = (number, input.first_mut()) {
                *first = u8::try_from(number).unwrap();
            }
        }
    }
    inputs.sort();
    inputs
}

/// Gives an input to a fuzzer's function; what does not hold names the input.
fn holds(fuzzer: &str, keeps: Keeps, from: &str, input: &[u8]) {
    let begun = Instant::now();
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| keeps(input))) {
        let said = payload.downcast_ref::<String>().cloned().unwrap_or_default();
        let kept = repository("target").join(format!("broken-{fuzzer}"));
        let _not_kept = fs::write(&kept, input);
        panic!("{fuzzer}, {from}, kept as {}: {said}", kept.display());
    }
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(20), "{fuzzer}, {from}: {took:?}");
}

#[test]
fn every_input_that_was_kept_keeps_what_is_promised() {
    for (fuzzer, keeps) in FUZZERS {
        let inputs = inputs(fuzzer);
        assert!(inputs.len() >= 4, "{fuzzer} has {} inputs", inputs.len());
        for (from, input) in inputs {
            holds(fuzzer, keeps, &from, &input);
        }
    }
    // Of every service there is a conversation.
    for fuzzer in ["peer", "far_side"] {
        for service in SERVICES {
            let there = repository("fuzz/corpus").join(fuzzer).join(service.name);
            assert!(there.exists(), "{} is missing: see records_the_corpus", there.display());
        }
    }
}

#[test]
fn inputs_like_them_keep_what_is_promised() {
    /// For each fuzzer; `fuzz/run` is for hours.
    const LONGEST: Duration = Duration::from_secs(4);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let mut random =
        Random(now.as_nanos().to_le_bytes()[..8].try_into().map(u64::from_le_bytes).unwrap());
    for (fuzzer, keeps) in FUZZERS {
        let inputs = inputs(fuzzer);
        let (begun, mut count) = (Instant::now(), 0);
        while begun.elapsed() < LONGEST {
            let (from, input) = &inputs[random.below(inputs.len())];
            let (_, other) = &inputs[random.below(inputs.len())];
            let like = match serde_json::from_slice(input) {
                Ok(report) if fuzzer == "saved" => random.like_report(report).into_bytes(),
                _ => random.like(input, other),
            };
            holds(fuzzer, keeps, &format!("like {from}"), &like);
            count += 1;
        }
        println!("{fuzzer}: {count} inputs");
        assert!(count > 10, "{fuzzer}: {count} inputs");
    }
}

/// Numbers that nobody has to guess: xorshift.
struct Random(u64);

/// What breaks decoders.
const PIECES: [&[u8]; 16] = [
    b"\x1b[2J",
    "\u{202e}".as_bytes(),
    "\u{9b}".as_bytes(),
    b"\0",
    b"\r\n",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\x80\0\0\0",
    b"99999999999999999999",
    b"-1",
    b"{{{{{{{{[[[[[[[[",
    b"\"",
    b"\\u0000",
    b"%00%0a",
    b"$(x)`x`",
    b"\xc3\x28",
];

impl Random {
    fn next(&mut self) -> u64 {
        self.0 |= 1;
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }

    /// An input with one to four changes.
    fn like(&mut self, input: &[u8], other: &[u8]) -> Vec<u8> {
        let mut like = input.to_vec();
        for _ in 0..=self.below(4) {
            // The first byte says whom an input is for.
            let at = 1 + self.below(like.len().saturating_sub(1));
            let at = at.min(like.len());
            let until = (at + self.below(40)).min(like.len());
            match self.below(7) {
                0 if at < like.len() => like[at] ^= 1 << self.below(8),
                1 if at < like.len() => like[at] = [0, 1, 0x7f, 0x80, 0xff][self.below(5)],
                2 => drop(like.drain(at..until)),
                3 => like.truncate(at),
                4 => {
                    let again = like[at..until].repeat(1 + self.below(30));
                    drop(like.splice(at..at, again));
                }
                5 => drop(like.splice(at..at, other.iter().copied().skip(self.below(other.len())))),
                _ => {
                    let piece = PIECES[self.below(PIECES.len())];
                    drop(like.splice(at..until.min(at + piece.len()), piece.iter().copied()));
                }
            }
            like.truncate(100_000);
        }
        like
    }

    /// A report in which a few values are others: bytes that change would mostly be no JSON.
    fn like_report(&mut self, mut report: Value) -> String {
        for _ in 0..=self.below(6) {
            let (count, wanted) = (leaves(&mut report, usize::MAX, &mut Value::Null), self.next());
            let wanted = usize::try_from(wanted % u64::try_from(count.max(1)).unwrap()).unwrap();
            let text = String::from_utf8_lossy(PIECES[self.below(PIECES.len())]).into_owned();
            let mut other = match self.below(8) {
                0 => Value::Null,
                1 => json!(-1),
                2 => json!(u64::MAX),
                3 => json!(1e300),
                4 => json!([]),
                5 => json!({}),
                6 => json!(text.repeat(1 + self.below(2_000))),
                _ => json!(text),
            };
            leaves(&mut report, wanted, &mut other);
        }
        report.to_string()
    }
}

/// Counts the leaves of a value, and puts `other` in the place of that one.
fn leaves(value: &mut Value, wanted: usize, other: &mut Value) -> usize {
    fn walk(value: &mut Value, wanted: usize, other: &mut Value, seen: &mut usize) {
        match value {
            Value::Array(all) => all.iter_mut().for_each(|one| walk(one, wanted, other, seen)),
            Value::Object(all) => all.values_mut().for_each(|one| walk(one, wanted, other, seen)),
            leaf => {
                if *seen == wanted {
                    *leaf = other.take();
                }
                *seen += 1;
            }
        }
    }
    let mut seen = 0;
    walk(value, wanted, other, &mut seen);
    seen
}

/// `cargo test --test cli -- --ignored records_the_corpus`, when a service was added.
#[test]
#[ignore = "writes fuzz/corpus"]
fn records_the_corpus() {
    record(&repository("fuzz/corpus")).unwrap();
}
