//! What the program is built from: one TLS, one provider, one source, licences that allow it.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

/// What must never come in, whoever asks for it: a second TLS or a second crypto provider.
const BANNED: &[&str] =
    &["openssl", "openssl-sys", "native-tls", "aws-lc-rs", "aws-lc-sys", "boring", "mbedtls"];

/// What must be there once: two versions of these would be two judges of a stranger's bytes.
const ONCE: &[&str] = &[
    "rustls",
    "rustls-webpki",
    "ring",
    "tokio",
    "tokio-rustls",
    "hickory-proto",
    "h2",
    "hyper",
    "x509-parser",
    "ldap3",
    "async-snmp",
    "serde",
    "serde_json",
    "toml",
    "libyaml-safer",
    "url",
    "idna",
    "percent-encoding",
    "lettre",
    "reqwest",
    "httparse",
    "asn1-rs",
    "der-parser",
    "lber",
    "p521",
    "aes-siv",
    "toml_parser",
];

/// Licences under which the program may be handed on with what it is made of.
const LICENCES: &[&str] = &[
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "0BSD",
    "ISC",
    "Zlib",
    "Unicode-3.0",
    "Unlicense",
    "CDLA-Permissive-2.0",
];

/// All packages of the program as it is built for Linux, by cargo's own account.
fn packages() -> Vec<Value> {
    let platform = "x86_64-unknown-linux-gnu";
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .args(["--filter-platform", platform])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    match metadata["packages"].take() {
        Value::Array(packages) => packages,
        other => panic!("no packages: {other}"),
    }
}

#[test]
fn there_is_one_tls_one_provider_and_one_version_of_what_judges() {
    let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in packages() {
        let [name, version] = ["name", "version"].map(|key| package[key].as_str().unwrap());
        versions.entry(name.to_owned()).or_default().push(version.to_owned());
    }
    assert!(versions.len() > 100, "cargo names {} packages only", versions.len());
    for name in BANNED {
        assert_eq!(versions.get(*name), None, "{name} came in");
    }
    for name in ONCE {
        assert_eq!(versions.get(*name).map_or(0, Vec::len), 1, "{name}: {:?}", versions.get(*name));
    }
}

#[test]
fn every_crate_comes_from_the_registry_under_a_licence_that_allows_it() {
    for package in packages() {
        let name = package["name"].as_str().unwrap();
        let Some(source) = package["source"].as_str() else {
            // Ours.
            assert!(name.contains("preflight"), "{name} has no source");
            continue;
        };
        assert!(source.starts_with("registry+"), "{name} comes from {source}");
        // One names a file in the place of an expression.
        let by_file = package["license_file"].as_str().filter(|file| *file == "LICENSE-MIT");
        let licence = package["license"].as_str().or(by_file.map(|_| "MIT")).unwrap_or_default();
        assert!(is_allowed(licence), "{name} is under {licence:?}");
    }
}

/// Does an SPDX expression leave a choice that is allowed? Also in the old form with a slash.
fn is_allowed(expression: &str) -> bool {
    let expression = expression.replace(['(', ')'], "").replace(" / ", "/").replace('/', " OR ");
    let all = expression.split(" AND ");
    all.into_iter().all(|any| any.split(" OR ").any(|one| LICENCES.contains(&one)))
}

#[test]
fn a_licence_is_read_as_it_is_meant() {
    assert!(is_allowed("MIT OR GPL-3.0-only") && is_allowed("MIT/Apache-2.0"));
    assert!(is_allowed("(MIT OR Apache-2.0) AND Unicode-3.0"));
    assert!(!is_allowed("MIT AND GPL-3.0-only") && !is_allowed("GPL-3.0-only"));
    assert!(!is_allowed(""));
}

/// The texts of a list in `deny.toml`.
fn denied(table: &str, key: &str) -> Vec<String> {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("deny.toml");
    let all: toml::Table = std::fs::read_to_string(file).unwrap().parse().unwrap();
    let list = all[table][key].as_array().unwrap();
    let mut list: Vec<String> = list.iter().map(|one| one.as_str().unwrap().to_owned()).collect();
    list.sort();
    list
}

#[test]
fn cargo_deny_is_told_the_same() {
    let sorted = |list: &[&str]| {
        let mut list: Vec<String> = list.iter().map(|one| (*one).to_owned()).collect();
        list.sort();
        list
    };
    assert_eq!(denied("licenses", "allow"), sorted(LICENCES));
    assert_eq!(denied("bans", "deny"), sorted(BANNED));
}

/// Unsafe code is in one file, and each piece of it says why it is sound.
#[test]
fn what_is_unsafe_stands_in_one_file_with_its_reasons() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("src"), root.join("checks/src")];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let lines: Vec<&str> = text.lines().map(str::trim).collect();
            for (at, line) in lines.iter().enumerate() {
                if !line.starts_with("//")
                    && (line.contains("unsafe {") || line.contains("unsafe fn"))
                {
                    let reasons = lines[..at].iter().rev().take(6);
                    let has_reason = reasons.into_iter().any(|line| line.starts_with("// SAFETY:"));
                    found.push((path.clone(), has_reason));
                }
            }
        }
    }
    assert!(!found.is_empty());
    for (path, has_reason) in found {
        assert!(path.ends_with("checks/src/net/sys.rs"), "{} has unsafe code", path.display());
        assert!(has_reason, "{} has unsafe code without its reasons", path.display());
    }
}
