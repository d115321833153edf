use std::io::Write;
use std::process::{Command, Stdio};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value as Json, json};

use super::*;

fn document(text: &str) -> Result<Document, TreeError> {
    parse(&Text { file: "/etc/x.yaml".into(), text: text.to_owned() })
}

fn tree(text: &str) -> Node {
    document(text).unwrap().root
}

/// A tree as the judge writes it.
fn canonical(node: &Node) -> Json {
    match &node.value {
        TreeValue::Nothing => Json::Null,
        TreeValue::Scalar(text) => json!(text),
        TreeValue::List(items) => items.iter().map(canonical).collect(),
        TreeValue::Map(map) => {
            json!(map.iter().map(|(k, v)| (k.clone(), canonical(v))).collect::<BTreeMap<_, _>>())
        }
        TreeValue::Include(files) => json!({ "!include": files }),
        TreeValue::Unknown(_) => json!("!unknown"),
    }
}

/// What Perl's `YAML::XS` makes of each text, as gorgoned sets it up; null where it dies.
/// Values that gorgoned could do nothing with are `!unknown`, and so is what holds itself.
const JUDGE: &str = r#"
use strict; use warnings; no warnings 'recursion';
use YAML::XS (); use JSON::PP (); use Scalar::Util qw(refaddr reftype);
$YAML::XS::Boolean = 'JSON::PP'; $YAML::XS::LoadBlessed = 1;
my $json = JSON::PP->new->allow_nonref->canonical->utf8;
sub told {
    my ($value, %open) = @_;
    return undef unless defined $value;
    return "$value" unless ref $value;
    return $$value ? 'true' : 'false' if ref $value eq 'JSON::PP::Boolean';
    if (ref $value eq 'include' && reftype $value eq 'SCALAR') {
        # A name of files, hence bytes.
        utf8::decode(my $files = "$$value");
        return { '!include' => $files };
    }
    return '!unknown' if $open{refaddr $value}++;
    return [map { told($_, %open) } @$value] if ref $value eq 'ARRAY';
    return '!unknown' if ref $value ne 'HASH';
    my @named = grep { !/^[\w:]+=?[A-Z]*\(0x[0-9a-f]+\)$/ } keys %$value;
    return { map { $_ => told($value->{$_}, %open) } @named };
}
local $/;
my $texts = $json->decode(<STDIN>);
print $json->encode([map {
    my $text = $_; utf8::encode($text);
    my $value = eval { local $SIG{__WARN__} = sub {}; scalar YAML::XS::Load($text) };
    $@ ? undef : [told($value)];
} @$texts]);
"#;

/// Asks the judge about all `texts` at once.
fn judged(texts: &[String]) -> Vec<Json> {
    let mut perl = Command::new("perl")
        .args(["-e", JUDGE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("perl, with Debian's libyaml-libyaml-perl");
    let mut input = perl.stdin.take().unwrap();
    let texts = serde_json::to_vec(texts).unwrap();
    let writer = std::thread::spawn(move || input.write_all(&texts).unwrap());
    let output = perl.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success(), "the judge died");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[track_caller]
fn agree(texts: &[String]) {
    for (text, theirs) in texts.iter().zip(judged(texts)) {
        let ours = match document(text) {
            Ok(document) => json!([canonical(&document.root)]),
            Err(broken) if broken.is_refused => Json::Null,
            // Nothing is claimed of what a bound stops.
            Err(_) => continue,
        };
        assert_eq!(ours, theirs, "{text:?}");
    }
}

#[test]
fn every_construct_is_read_as_yaml_xs_reads_it() {
    let texts = [
        // documents
        "",
        "# c\n",
        "just a text\n",
        "[1, 2]",
        "a: 1\n---\nb: 2\n",
        "---\na: 1\n---\n",
        "---\n...\n---\na: 1\n",
        "a: &x 1\n---\nb: *x\n",
        "%YAML 1.2\n---\na: 1\n",
        "%YAML 2.0\n---\na: 1\n",
        "%FOO x\n---\na: b\n",
        "\u{feff}a: 1\n",
        // keys
        "a: 1\na: 2\n",
        "{a: 1, a: 2}",
        "? [a]\n: 1\n? {b: 1}\n: 2\nc: 3\n",
        "true: 1\n~: 2\n\"\": 3\n\"true\": 4\nfalse: 5\n",
        "&k a: b\n*k : d\n",
        "a: ? b\n",
        // merges and aliases
        "base: &b {x: 1, y: 2}\nd:\n  <<: *b\n  y: 3\n",
        "base: &b {x: 1}\nd:\n  <<: [*b, *b]\n",
        "a: &x [1]\nb: *x\nc: [*x, *x]\n",
        "a: &x true\nb: *x\n",
        "a: &x\nb: *x\n",
        "a: &x 1\nb: &x 2\nc: *x\n",
        "a: &x {b: &x 1, c: *x}\nd: *x\n",
        "a: &x [b, *x]\nc: *x\n",
        "a: *nope\n",
        "a: &x {b: *y}\nc: &y 1\n",
        "x: &listen\n  id: 2\n  path: \"*:5556\"\ncore: *listen\n",
        // booleans, nothing, numbers
        "a: true\nb: True\nc: TRUE\nd: yes\ne: on\nf: false\ng: False\nh: \"true\"\ni: no\n",
        "a: ~\nb: null\nc: Null\nd: NULL\ne:\nf: \"\"\ng: '~'\n",
        "a: 0x10\nb: 010\nc: 1_000\nd: 1e3\ne: 1.50\nf: 0o17\ng: 08\nh: -1\ni: +5\nj: .5\n",
        "a: true#x\nb: true # x\n",
        // tags
        "a: !!str 123\nb: !!int \"5\"\nc: !!float 1.5\nd: !!str true\ne: !!str\n",
        "a: !!int x\n",
        "a: !!bool true\n",
        "a: !!null x\n",
        "a: !!binary aGk=\n",
        "a: !!map {}\nb: !!seq []\n",
        "a: !!seq {}\n",
        "a: !!set {x}\n",
        "a: !include b/*.yaml\nb: !include \"~\"\nc: !include\n",
        "a: !include [b]\nb: !include {c: d}\n",
        "a: !<!include> b\nb: !!perl/scalar:include c\n",
        "a: !!include b\n",
        "a: !<include> b\n",
        "%TAG ! !x\n---\na: !foo b\n",
        "%TAG !e! !inc\n---\na: !e!lude b\n",
        "a: !foo bar\nb: ! c\n",
        "a: !foo {b: true, c: !include x}\n",
        "a: !!perl/hash:X {b: 1}\nb: !!perl/array:X [1]\n",
        "a: !perl/include b\n",
        // styles
        "a: |\n  x\n  y\nb: >-\n  x\n  y\n",
        "a: |",
        "a: \"x\\ty\\x41\\/\\u00e9\"\n",
        "a: \"\\ud800\"\n",
        "a: 'it''s'\n",
        "a: x\n  y\n",
        "- a\n b\n",
        "{\"a\":1}",
        "\"a\":b\n",
        "a: {b:1}\n",
        "a: {b: c, d}\n",
        "a: [http://x.example/, b]\n",
        "a: [*:5556]\n",
        "a: \"*:5556\"\r\nb: c\r\n",
        // what is not YAML
        "a: @x@\n",
        "a:\n\tb: 1\n",
        "a: [x, y\n",
        "a: 1\nb\n",
        "a: x: y\n",
        "a: b\n c: d\n",
        "a: \"b\" c\n",
        "\na: \u{1}\n",
        "a: \u{0}\n",
    ];
    agree(&texts.map(str::to_owned));
}

/// As Ansible's `to_nice_yaml` writes what it has twice.
const ANSIBLE: &str = "x-listen: &id001\n    external_com_path: '*:5556'\n    \
    external_com_type: tcp\ngorgone:\n    gorgonecore: *id001\n    modules:\n    -   &id002\n        \
    enable: true\n        name: engine\n        list: !include cron.d/*.yaml\n    - *id002\n    \
    - {a: \"b\", 'c': ~}\n    text: |\n        a\n";

/// Texts put together from what YAML consists of, and the sample with mistakes in it.
fn hostile() -> impl Strategy<Value = String> {
    const PIECES: [&str; 52] = [
        "a",
        "b",
        "c: ",
        "- ",
        ": ",
        "? ",
        "&x ",
        "*x",
        "!t ",
        "!!str ",
        "! ",
        "!include ",
        "{",
        "}",
        "[",
        "]",
        ",",
        "\n",
        "\n  ",
        "\n    ",
        "\n- ",
        "\"",
        "'",
        "\"q\"",
        "'s'",
        "|",
        ">",
        "|\n  ",
        ">-\n ",
        "#c\n",
        " #",
        "---\n",
        "...\n",
        "%YAML 1.2\n",
        "~",
        "null",
        "true",
        "1",
        "x: y",
        "*:5556",
        "\t",
        " ",
        "<<: ",
        "\\",
        "@",
        "`",
        "%",
        "é",
        "\r\n",
        "k:v",
        "&",
        "!",
    ];
    let pieces = vec(proptest::sample::select(&PIECES[..]), 1..14).prop_map(|some| some.concat());
    let changes = vec((0..ANSIBLE.len(), 0..6usize, proptest::sample::select(&PIECES[..])), 1..4);
    let altered = changes.prop_map(|changes| {
        let mut text = ANSIBLE.to_owned();
        for (at, gone, piece) in changes {
            let start =
                (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap();
            let end = (start + gone).min(text.len());
            let end = (end..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap();
            text.replace_range(start..end, piece);
        }
        text
    });
    prop_oneof![pieces, altered]
}

#[test]
fn whatever_a_file_holds_is_read_as_yaml_xs_reads_it() {
    let mut runner = TestRunner::deterministic();
    let texts: Vec<String> =
        (0..3_000).map(|_| hostile().new_tree(&mut runner).unwrap().current()).collect();
    agree(&texts);
}

#[test]
fn values_keep_their_lines() {
    let text = "---\n# a comment\na:\n  - b: \"*:5556\"\n    c: true\n  - 7\nd: ~\n";
    let tree = tree(text);
    let items = tree.of("a").unwrap().items();
    assert_eq!(items[0].text("b"), Some("*:5556"));
    assert_eq!(items[0].at("b").to_string(), "/etc/x.yaml:4");
    assert_eq!(items[0].at("c").line, Some(5));
    assert_eq!(items[1].scalar(), Some("7"));
    assert!(matches!(tree.of("d").unwrap().value, TreeValue::Nothing));
}

#[test]
fn an_alias_keeps_the_line_of_what_it_names() {
    let tree = tree(ANSIBLE);
    let core = tree.below(&["gorgone", "gorgonecore"]).unwrap();
    assert_eq!(core.text("external_com_path"), Some("*:5556"));
    assert_eq!(core.at("external_com_path").line, Some(2));
    let modules = tree.below(&["gorgone", "modules"]).unwrap().items();
    assert_eq!(modules[1].text("name"), Some("engine"));
}

#[test]
fn what_is_no_yaml_says_where() {
    let broken = document("a:\n  key: @THUMBPRINT@\n").unwrap_err();
    assert_eq!(broken.at.to_string(), "/etc/x.yaml:2");
    assert_eq!(broken.reason, "this is not YAML: found character that cannot start any token");
    assert!(broken.is_refused);
    let broken = document("a: b\nc: \u{fffd}\n").unwrap_err();
    assert_eq!((broken.at.line, broken.is_refused), (Some(2), true));
}

#[test]
fn what_people_read_otherwise_is_a_doubt() {
    for (text, line, part) in [
        ("a: 1\n---\nb: 2\n", 1, "a later document"),
        ("a: 1\nb: 2\na: 3\n", 3, "this later value counts"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", 1, "`<<` merges nothing"),
    ] {
        let doubts = document(text).unwrap().doubts;
        assert_eq!(doubts.len(), 1, "{text}");
        assert_eq!(doubts[0].at.line, Some(line), "{text}");
        assert!(doubts[0].reason.contains(part), "{text}");
    }
    assert_eq!(document("---\n---\na: 1\n").unwrap().doubts, []);
    let many = "a: 1\n".repeat(5_000);
    assert_eq!(document(&many).unwrap().doubts.len(), MOST_DOUBTS);
}

#[test]
fn a_bomb_of_aliases_is_unknown_where_it_would_burst() {
    let lines = ('b'..='z').zip('a'..).map(|(name, of)| {
        let many = vec![format!("*{of}"); 9].join(", ");
        format!("{name}: &{name} [{many}]\n")
    });
    let bomb = format!("a: &a [x, x, x]\n{}", lines.collect::<Vec<_>>().concat());
    let tree = tree(&bomb);
    assert!(tree.extent().0 <= 2 * MOST_VALUES, "{:?}", tree.extent());
    assert!(matches!(tree.of("z").unwrap().items()[0].value, TreeValue::Unknown(_)));
    assert_eq!(tree.of("b").unwrap().items()[8].items().len(), 3);
}

#[test]
fn aliases_never_nest_deeper_than_values_do() {
    let lines = (1..2_000).map(|n| format!("- &a{n} [*a{}]\n", n - 1));
    let tree = tree(&format!("- &a0 x\n{}", lines.collect::<Vec<_>>().concat()));
    assert!(tree.extent().1 <= MOST_DEPTH, "{:?}", tree.extent());
    assert!(!tree.unknown().is_empty());
}

#[test]
fn nesting_number_and_directives_are_bounded() {
    for deep in ["[".repeat(100_000), "- ".repeat(100_000), "? ".repeat(100_000)] {
        assert!(!document(&deep).unwrap_err().is_refused);
    }
    let many = document(&"- x\n".repeat(MOST_VALUES + 1)).unwrap_err();
    assert!(many.reason.contains("too many values") && !many.is_refused);
    for large in ["a".repeat(MOST_BYTES + 1), "%TAG !a! b\n".repeat(100)] {
        assert!(document(&large).unwrap_err().reason.contains("too large"));
    }
}

#[test]
fn what_the_parser_cannot_take_is_a_bound() {
    let broken = document("a: [!x, b]\n").unwrap_err();
    assert!(!broken.is_refused && broken.reason.contains("too strange"), "{}", broken.reason);
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[\\[\\]{}:,\"'&*!|>?%@`#\\-~\\\\a-c0-9 \\t\\n\u{fe00}-\u{10ffff}]{0,80}") {
        let _ = document(&text);
    }
}
