//! The schema and the program know the same file.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::key::SiteKey;
use super::super::{SiteFile, keys};
use super::{EXAMPLE, example};
use crate::catalogue::Catalogue;

fn schema() -> Value {
    serde_json::from_str(&keys::schema()).unwrap()
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

/// The flag of the same values has the same keys, and what may stand for a secret is no secret.
#[test]
fn keys_that_stand_in_two_places_are_the_same() {
    let names = |keys: &[SiteKey]| keys.iter().map(|key| key.name).collect::<Vec<_>>();
    assert_eq!(names(keys::BBDO_TLS), crate::site::output::KEYS);
    assert_eq!(names(keys::REFERENCE), super::super::mask::REFERENCES);
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
