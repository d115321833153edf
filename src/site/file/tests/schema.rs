//! The schema and the program know the same file.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::read;
use super::super::{SCHEMA, SiteFile};
use super::{EXAMPLE, example};
use crate::catalogue::{Catalogue, is_service, profile_names};

fn schema() -> Value {
    serde_json::from_str(SCHEMA).unwrap()
}

fn errors(text: &str) -> Vec<String> {
    let file: toml::Table = text.parse().unwrap();
    let file = serde_json::to_value(file).unwrap();
    let validator = jsonschema::draft202012::new(&schema()).unwrap();
    let errors = validator.iter_errors(&file);
    errors.map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[track_caller]
pub(crate) fn fits(text: &str) {
    let errors = errors(text);
    assert!(errors.is_empty(), "{errors:#?}\n{text}");
}

#[test]
fn the_schema_is_one_and_the_example_fits_it() {
    jsonschema::draft202012::meta::validate(&schema()).unwrap();
    fits(example());
}

#[test]
fn what_the_program_refuses_does_not_fit_the_schema_either() {
    for text in [
        "[platfrom]",
        "[platform]\ntimeout = 21",
        "[platform]\nphase = \"later\"",
        "[services]\nnpt = \"x\"",
        "[services]\nntp = { hots = \"x\" }",
        "[services]\nntp = { url = \"http://x\", host = \"x\" }",
        "[services]\nproxy = [\"x\", \"y\"]",
        "[services]\nproxy = \"http://me:hunter2@x\"",
        "[machine.x]",
        "[machine.x]\nrole = \"boss\"",
        "[machine.x]\nrole = \"poller\"\nports = { zmq = 0 }",
        "[machine.x]\nrole = \"poller\"\nmode = \"zmp\"",
        "[credentials.snmp.x]\ncommunity = \"hunter2\"",
        "[credentials.snmp.x]\nversion = \"3\"",
        "[credentials.snmp.x]\ncommunity = { env = \"A\" }\nuser = \"u\"",
        "[credentials.snmp.x]\ncommunity = { env = \"A\", file = \"b\" }",
        "[credentials.snmp.x]\ncommunity = { config = \"hosts.cfg:KEY\" }",
        "[credentials.ldap]\nbind_dn = \"cn=x\"",
        "[[check]]\nname = \"a b\"\nurl = \"tcp://x:1\"",
    ] {
        let catalogue = Catalogue::profile("centreon").unwrap();
        let refused = SiteFile::parse("x", text).and_then(|file| file.check(&catalogue, &[]));
        assert!(refused.is_err() && !errors(text).is_empty(), "{text}");
    }
}

/// The keys of an object in the schema.
fn keys(path: &str) -> BTreeSet<String> {
    let schema = schema();
    let object = schema.pointer(path).unwrap_or_else(|| panic!("no {path}"));
    object["properties"].as_object().unwrap().keys().cloned().collect()
}

#[test]
fn the_schema_has_the_keys_the_program_knows_and_no_other() {
    for (path, known) in [
        ("", read::SECTIONS.as_slice()),
        ("/properties/platform", &read::PLATFORM),
        ("/properties/credentials", &read::CREDENTIALS),
        ("/$defs/machine", &read::MACHINE),
        ("/$defs/machine/properties/ports", &read::LINKS),
        ("/$defs/machine/properties/bbdo_tls", &crate::site::output::KEYS),
        ("/$defs/machine/properties/listens", &read::LISTENERS),
        ("/$defs/server/anyOf/1", &read::SERVER),
        ("/$defs/device/anyOf/1", &read::DEVICE),
        ("/$defs/check", &read::CHECK),
        ("/$defs/snmp", &super::super::secret::SNMP),
        ("/properties/credentials/properties/ldap", &super::super::secret::LDAP.all()),
        ("/properties/credentials/properties/nsclient", &super::super::secret::NSCLIENT.all()),
        ("/properties/credentials/properties/proxy", &super::super::secret::PROXY_LOGIN.all()),
        ("/$defs/secret", &super::super::mask::REFERENCES),
    ] {
        let known: BTreeSet<String> = known.iter().map(ToString::to_string).collect();
        assert_eq!(keys(path), known, "{path}");
    }
    let tables = profile_names().into_iter().filter_map(Catalogue::profile);
    let kinds: BTreeSet<String> = tables
        .flat_map(|table| table.flows.into_iter().map(|flow| flow.to.0))
        .filter(|kind| is_service(kind))
        .collect();
    assert_eq!(keys("/$defs/services"), kinds);
}

fn words<T>(path: &str, known: &[(&str, T)]) {
    let schema = schema();
    let known: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
    assert_eq!(schema.pointer(path).unwrap()["enum"], serde_json::json!(known), "{path}");
}

#[test]
fn the_schema_has_the_words_the_program_knows() {
    words("/$defs/machine/properties/role", &read::ROLES);
    words("/$defs/machine/properties/mode", &read::MODES);
    words("/$defs/machine/properties/bbdo", &read::BBDO);
    words("/properties/platform/properties/phase", &read::PHASES);
    words("/$defs/server/anyOf/1/properties/find", &read::FINDS);
    let profiles = schema()["properties"]["platform"]["properties"]["profile"]["enum"].clone();
    assert_eq!(profiles, serde_json::json!(profile_names()));
}

/// Every key of the schema is named in the documentation.
#[test]
fn every_key_of_the_schema_is_documented() {
    fn collect(schema: &Value, names: &mut BTreeSet<String>) {
        if let Some(properties) = schema["properties"].as_object() {
            names.extend(properties.keys().cloned());
        }
        match schema {
            Value::Object(map) => map.values().for_each(|value| collect(value, names)),
            Value::Array(values) => values.iter().for_each(|value| collect(value, names)),
            _ => {}
        }
    }
    let mut names = BTreeSet::new();
    collect(&schema(), &mut names);
    let is_missing = |name: &&String| {
        let forms = [format!("`{name}`"), format!("[{name}"), format!("{{ {name} =")];
        !forms.iter().any(|form| EXAMPLE.contains(form))
    };
    let missing: Vec<&String> = names.iter().filter(is_missing).collect();
    assert!(missing.is_empty(), "not in docs/site-file.md: {missing:?}");
}
