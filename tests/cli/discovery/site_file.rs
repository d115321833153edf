//! A site file made from each machine plans what the machine's own files do.

use std::process::Command;

use serde_json::Value;

use super::tree::Tree;

/// Runs the program on a tree; with a word on stderr it has failed.
fn run(tree: &Tree, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_preflight"));
    let output = command.env_clear().args(arguments).arg("--root").arg(tree.path()).output();
    let output = output.unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), stderr.as_str()), (Some(0), ""), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Of each step: flow, whether and whom it asks, and how.
fn steps(plan: &str) -> Vec<Vec<String>> {
    let plan: Value = serde_json::from_str(plan).unwrap();
    let step = |step: &Value| {
        // A copied machine's own listeners are not looked at, and known all the same.
        let here =
            Value::from_iter([("host", "0.0.0.0".into()), ("ways", step["skip"]["ways"].clone())]);
        let own = serde_json::json!({ "host": "127.0.0.1" });
        let ask = match step["skip"]["reason"].as_str() {
            Some("not-this-machine") => &here,
            Some("own-of-that-machine") => &own,
            _ => &step["ask"],
        };
        let way = |way: &Value| format!("{}:{}", way["protocol"].as_str().unwrap(), way["port"]);
        let ways = ask["ways"].as_array().into_iter().flatten().map(way).collect::<Vec<_>>();
        let words = [&step["flow"], &ask["host"], &ask["find"], &step["found"]["code"]];
        words.map(|word| word.as_str().unwrap_or("-").to_owned()).into_iter().chain(ways).collect()
    };
    plan["steps"].as_array().unwrap().iter().map(step).collect()
}

#[test]
fn what_init_writes_of_a_machine_plans_the_same_targets() {
    for name in Tree::names("") {
        // The others are parts of machines, or say nothing of their role.
        if !["central-", "poller-", "i-vertix-"].iter().any(|start| name.starts_with(start)) {
            continue;
        }
        let tree = Tree::of(&name);
        let text = run(&tree, &["init"]);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("site.toml");
        std::fs::write(&file, &text).unwrap();
        let (_, rest) = text.split_once("\n[machine.").unwrap();
        let machine = rest.split(']').next().unwrap().trim_matches('"');
        let file = file.to_str().unwrap();
        let with = ["plan", "--format", "json", "--site", file, "--as", machine];
        let found = steps(&run(&tree, &["plan", "--format", "json"]));
        assert_eq!(steps(&run(&tree, &with)), found, "{name}: {text}");
        // The file alone is enough, but for mistakes in others.
        let alone = Command::new(env!("CARGO_BIN_EXE_preflight"))
            .env_clear()
            .args(with)
            .arg("--no-discovery")
            .output()
            .unwrap();
        let alone = steps(&String::from_utf8(alone.stdout).unwrap());
        // From a copy that machine's own loopback is not asked, from the file it is.
        let is_step =
            |step: &&Vec<String>| step[3] == "-" && !step.iter().any(|w| w.contains("127.0.0.1"));
        assert_eq!(
            alone.iter().filter(is_step).collect::<Vec<_>>(),
            found.iter().filter(is_step).collect::<Vec<_>>(),
            "{name}: {text}"
        );
    }
}
