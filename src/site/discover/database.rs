//! The database: where does the web interface keep its data?
//!
//! `/etc/centreon/config.d/10-database.yaml`, which also Gorgone includes. The
//! password beside the DSN is never kept (centreon,
//! `www/install/var/databaseTemplate.yaml`).

use super::{Facts, Files, Text};

const FILE: &str = "/etc/centreon/config.d/10-database.yaml";
const MISSING: &str = "the database";

pub(super) fn read(files: &Files, facts: &mut Facts) {
    // Gorgone's own files may have led here already.
    if facts.notes.iter().any(|note| &*note.at.file == FILE) {
        return;
    }
    match files.read(FILE) {
        Ok(text) => parse(&text, facts),
        Err(why) => facts.unread(FILE, &why, MISSING),
    }
}

fn parse(text: &Text, facts: &mut Facts) {
    if let Some(tree) = facts.yaml(text, MISSING) {
        facts.databases_of(tree.of("database").unwrap_or(&tree));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As the installer writes it.
    const SAMPLE: &str = r#"database:
  db_configuration:
    dsn: "mysql:host=10.0.0.8:port=3306;dbname=centreon"
    username: "centreon"
    password: "s3cret"
  db_realtime:
    dsn: "mysql:host=10.0.0.9:port=3306;dbname=centreon_storage"
    username: "centreon"
    password: "s3cret"
"#;

    fn facts(text: &str) -> Facts {
        let mut facts = Facts::default();
        parse(&Text { file: FILE.into(), text: text.to_owned() }, &mut facts);
        facts
    }

    #[test]
    fn both_databases_are_found_and_no_password() {
        let facts = facts(SAMPLE);
        let hosts: Vec<_> = facts
            .databases
            .iter()
            .map(|db| (db.value.host.as_str(), db.value.port, db.at.line))
            .collect();
        assert_eq!(hosts, [("10.0.0.8", Some(3306), Some(3)), ("10.0.0.9", Some(3306), Some(7))]);
        assert!(!format!("{facts:?}").contains("s3cret"));
    }

    #[test]
    fn a_server_of_two_databases_is_one() {
        let facts = facts(&SAMPLE.replace("10.0.0.9", "10.0.0.8"));
        assert_eq!(facts.databases.len(), 1);
    }

    #[test]
    fn a_dsn_without_a_server_is_noted_without_its_text() {
        let facts = facts("database: {db_configuration: {dsn: 'password=s3cret'}}");
        assert_eq!(facts.notes[0].reason, "its dsn names no database server");
    }

    #[test]
    fn half_a_file_is_no_reason_to_panic() {
        for end in 0..SAMPLE.len() {
            facts(&SAMPLE[..end]);
        }
    }

    proptest! {
        #[test]
        fn no_dsn_makes_it_panic(dsn in "[a-z:=;.0-9\\[\\]@ ]{0,60}") {
            facts(&format!("database: {{db_realtime: {{dsn: \"{dsn}\"}}}}"));
        }
    }
}
