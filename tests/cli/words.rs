//! No sentence that a user meets is built as `docs/words.md` says not to.

use std::fs;
use std::path::Path;

use preflight_checks::samples;
use preflight_checks::{Passage, Transport};
use proc_macro2::{TokenStream, TokenTree};

/// The patterns of `docs/words.md`.
fn banned() -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/words.md");
    let text = fs::read_to_string(page).unwrap();
    let list = text.split("```banned\n").nth(1).unwrap().split("```").next().unwrap();
    list.lines().map(str::to_owned).collect()
}

/// The places of `text` that have one of `banned`, each with some words around it.
fn found(banned: &[String], text: &str) -> Vec<String> {
    let text = text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
    let is_part = |c: char| c.is_alphanumeric() || c == '-' || c == '/';
    let mut places = Vec::new();
    for words in banned {
        for (at, _) in text.match_indices(words) {
            let (before, from) = text.split_at(at);
            let after = &from[words.len()..];
            let is_whole = !before.ends_with(is_part) && !after.starts_with(is_part);
            if is_whole && !before.ends_with("there ") && !after.starts_with(" longer") {
                let lead: String = before.chars().rev().take(30).collect();
                let lead: String = lead.chars().rev().collect();
                places.push(format!("{lead}{}", from.chars().take(50).collect::<String>()));
            }
        }
    }
    places
}

#[test]
fn the_list_finds_what_it_is_for() {
    let banned = banned();
    assert!(banned.len() > 10, "{banned:?}");
    assert_eq!(found(&banned, "This is no tunnel, and there is no route.").len(), 1);
    assert_eq!(found(&banned, "ask\nwhoever\nruns it"), ["ask whoever runs it"]);
    assert!(found(&banned, "a marshalled list").is_empty());
}

#[test]
fn every_cause_warning_and_remedy_is_plain() {
    let banned = banned();
    let passage = Passage {
        from: Some([10, 2, 0, 7].into()),
        seen_as: None,
        to: Some(([10, 0, 0, 5], 5669).into()),
        target: "central",
        flow: "poller.bbdo",
        protocol: "bbdo",
        starttls: None,
        serves_others: None,
        alpn: None,
        transport: Transport::Tcp,
        port: Some(5669),
        look_at: "systemctl status cbd",
        origin: "--central".to_owned(),
        asked_for: &[],
        behind: None,
    };
    let mut wrong = Vec::new();
    for cause in samples::causes() {
        let remedy = cause.remedy(&passage);
        for text in [cause.to_string(), remedy.who, remedy.text] {
            wrong.extend(found(&banned, &text).iter().map(|it| format!("{}: {it}", cause.code())));
        }
    }
    for concern in samples::concerns() {
        let (_, remedy) = concern.remedy(&passage);
        for text in [concern.to_string(), remedy.who, remedy.text] {
            let code = concern.code();
            wrong.extend(found(&banned, &text).iter().map(|it| format!("{code}: {it}")));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_page_is_plain() {
    let banned = banned();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut wrong = Vec::new();
    let pages = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    for page in pages.chain([root.join("README.md"), root.join("CHANGELOG.md")]) {
        let name = page.file_name().unwrap().to_string_lossy().into_owned();
        // What servers answered is quoted there; and the list itself is there.
        let is_quoted = ["accuracy.md", "words.md"].contains(&name.as_str());
        if is_quoted || page.extension().is_none_or(|end| end != "md") {
            continue;
        }
        let text = fs::read_to_string(&page).unwrap();
        wrong.extend(found(&banned, &text).iter().map(|it| format!("{name}: {it}")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Every sentence in the source of both packages, and every line of the help: whatever a file, a
/// format or a flag says, it is written there.
#[test]
fn every_sentence_of_the_source_is_plain() {
    let banned = banned();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut sentences, mut wrong) = (0, Vec::new());
    let mut folders = vec![root.join("src"), root.join("checks/src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            let is_test = name.ends_with("tests.rs") || name.contains("/tests/");
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") && !is_test {
                let tokens: TokenStream = fs::read_to_string(&path).unwrap().parse().unwrap();
                // The comments of flags are their help.
                let of = sentences_of(tokens, name.starts_with("src/cli"));
                sentences += of.len();
                let found = of.iter().flat_map(|text| found(&banned, text));
                wrong.extend(found.map(|it| format!("{name}: {it}")));
            }
        }
    }
    assert!(sentences > 2_000, "{sentences}");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The texts of more than one word outside of tests; with `comments` those of doc comments too.
fn sentences_of(tokens: TokenStream, comments: bool) -> Vec<String> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut found = Vec::new();
    let mut rest = tokens.as_slice();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        let is = |it: Option<&TokenTree>, mark| matches!(it, Some(TokenTree::Punct(punct)) if punct.as_char() == mark);
        // `#![…]` is read as `#[…]` is.
        let behind =
            if is(Some(first), '#') && is(behind.first(), '!') { &behind[1..] } else { behind };
        match (first, behind) {
            // An attribute, and what it keeps for tests alone.
            (TokenTree::Punct(mark), [TokenTree::Group(attribute), after @ ..])
                if mark.as_char() == '#' =>
            {
                let text = attribute.stream().to_string();
                rest = after;
                if text.replace(' ', "") == "cfg(test)" {
                    let is_end = |it: &TokenTree| match it {
                        TokenTree::Group(body) => body.delimiter() == proc_macro2::Delimiter::Brace,
                        TokenTree::Punct(mark) => mark.as_char() == ';',
                        _ => false,
                    };
                    let end = after.iter().position(is_end).map_or(after.len(), |end| end + 1);
                    rest = &after[end..];
                } else if text.starts_with("error") || comments && text.starts_with("doc") {
                    found.extend(sentences_of(attribute.stream(), comments));
                }
            }
            (TokenTree::Group(group), _) => found.extend(sentences_of(group.stream(), comments)),
            (TokenTree::Literal(literal), _) => {
                let text = literal.to_string();
                if text.starts_with(['"', 'r']) && text.contains(' ') {
                    found.push(text);
                }
            }
            _ => {}
        }
    }
    found
}

#[test]
fn the_source_is_read_as_a_reader_meets_it() {
    let source = "//! This is no map.\n/// It is no tunnel.\nfn f() { say(\"worse is this\"); }\n\
                  #[cfg(test)]\nmod tests { fn t() { say(\"whoever runs it\"); } }\n\
                  #[error(\"the trail ends\")] struct A;";
    let banned = banned();
    let of = |comments| {
        let all = sentences_of(source.parse().unwrap(), comments);
        all.iter().flat_map(|text| found(&banned, text)).count()
    };
    assert_eq!((of(false), of(true)), (2, 4));
}

/// The sentences that once had to be read twice, and what stands in their place.
#[test]
fn what_had_to_be_read_twice_is_gone() {
    let gone = [
        "after a silence it is looked where",
        "the trail ends at or after",
        "gave the packet to",
        "1 of 1 required flows fails",
        "nothing answers; cannot be told from here",
        "where does this device send packets for it, and does it drop them?",
        "the way here is not tested",
        "mail goes straight to each receiver's server",
        "whoever runs 10.0.0.5",
        "cannot be told: {",
    ];
    let gone = gone.map(str::to_owned);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut wrong = Vec::new();
    let mut folders = vec![root.join("src"), root.join("checks/src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = fs::read_to_string(&path).unwrap().to_lowercase();
                let has = gone.iter().filter(|sentence| text.contains(*sentence));
                wrong.extend(has.map(|it| format!("{}: {it}", path.display())));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let causes: Vec<String> = samples::causes().iter().map(ToString::to_string).collect();
    for said in ["routing loop: ", "no reply: a firewall, ", "cannot tell whether "] {
        assert!(causes.iter().any(|cause| cause.starts_with(said)), "{said}");
    }
}
