//! No sentence that a user meets is built as `docs/words.md` says not to.

use std::fs;
use std::path::Path;

use preflight_checks::samples;
use preflight_checks::{Passage, Transport};

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
