//! The role: what does this machine's own installation say it is?
//!
//! `/etc/centreon/conf.pm` says it in words (`$instance_mode`; centreon,
//! `www/install/var/configFilePmTemplate`); else the brokers that run here tell:
//! cbd runs on a central and on a remote server, on a poller it does not.

use super::address::MOST_TEXT;
use super::facts::RoleSign;
use super::{At, Facts, Files, Text, watchdog};
use crate::catalogue::Role;
use crate::site::Place;

const CONF: &str = "/etc/centreon/conf.pm";
const BROKERS: &str = "/etc/centreon-broker";
/// The file of a central's broker, as the installation writes it.
const CENTRAL: &str = "/central-broker.json";
const MISSING: &str = "which role this machine has";

pub(super) fn read(files: &Files, facts: &mut Facts) {
    match files.read(CONF) {
        Ok(text) => parse(&text, facts),
        Err(why) => facts.unread(CONF, &why, MISSING),
    }
    let sign = match watchdog::read(files, BROKERS, facts) {
        Some(daemons) => Some(by_daemons(&daemons)),
        None => by_names(&files.list(BROKERS, ".json").unwrap_or_default()),
    };
    facts.roles.extend(sign);
}

/// The mode, and the database unless it is a file of a poller.
fn parse(text: &Text, facts: &mut Facts) {
    let mut database = None;
    let mut is_file = false;
    for (number, line) in text.lines() {
        let at = text.at(number);
        if let Some(mode) = assigned(line, "$instance_mode", "=") {
            sign(mode, at, facts);
        } else if let Some(host) = assigned(line, "db_host", "=>") {
            database = Some((host, at));
        } else if let Some(kind) = assigned(line, "db_type", "=>") {
            is_file = kind.eq_ignore_ascii_case("sqlite");
        }
    }
    // Without a host, DBI takes the socket of this machine.
    let Some((host, at)) = database.filter(|(host, _)| !is_file && !host.is_empty()) else {
        return;
    };
    match host.parse::<Place>() {
        Ok(place) => facts.database(place, at),
        Err(wrong) => facts.note(at, format!("db_host: {wrong}"), "the database"),
    }
}

fn sign(mode: &str, at: At, facts: &mut Facts) {
    let because = "$instance_mode".to_owned();
    match mode.parse() {
        Ok(role) => {
            // Perl keeps what was assigned last.
            facts.roles.retain(|sign| !sign.is_explicit);
            facts.roles.insert(0, RoleSign { role, at, because, is_explicit: true });
        }
        Err(_) => facts.note(at, format!("$instance_mode names no role: {mode}"), MISSING),
    }
}

/// The text that a line of Perl gives to `name`: `$x = "…";`, `"x" => '…',`, `x => "…"`.
fn assigned<'a>(line: &'a str, name: &str, by: &str) -> Option<&'a str> {
    let line = line.trim_start().trim_start_matches(['"', '\'']);
    let rest = line.strip_prefix(name)?.trim_start_matches(['"', '\'']).trim_start();
    let value = rest.strip_prefix(by)?.trim_start();
    let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    value.get(1..)?.split(quote).next().filter(|value| value.len() <= MOST_TEXT)
}

fn by_daemons(daemons: &[watchdog::WatchedBroker]) -> RoleSign {
    let conclude = |role, at, because| RoleSign { role, at, because, is_explicit: false };
    let is_central = |daemon: &&watchdog::WatchedBroker| daemon.name.starts_with("central-");
    match (daemons.iter().find(is_central), daemons.first()) {
        (Some(broker), _) => {
            conclude(Role::Central, broker.file.at.clone(), format!("cbd runs {}", broker.name))
        }
        (None, Some(broker)) => {
            conclude(Role::Remote, broker.file.at.clone(), format!("cbd runs {}", broker.name))
        }
        (None, None) => {
            let at = At::file(&format!("{BROKERS}/{}", watchdog::NAME));
            conclude(Role::Poller, at, "cbd runs nothing".to_owned())
        }
    }
}

/// Where nothing says what cbd runs: a poller has the engine's module alone, and the broker of a central
/// is called so by the installation.
fn by_names(paths: &[String]) -> Option<RoleSign> {
    let first = paths.first()?;
    let conclude = |role, path: &str, because: &str| RoleSign {
        role,
        at: At::file(path),
        because: because.to_owned(),
        is_explicit: false,
    };
    if let Some(path) = paths.iter().find(|path| path.ends_with(CENTRAL)) {
        return Some(conclude(Role::Central, path, "the broker of a central"));
    }
    let is_alone = paths.iter().all(|path| path.ends_with("-module.json"));
    is_alone.then(|| conclude(Role::Poller, first, "a module of the engine, and no broker of cbd"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    /// As the installer writes it on a central.
    const CENTRAL: &str = r#"#############################################
$centreon_config = {
       VarLib => "/var/lib/centreon",
       "centreon_db" => "centreon",
       "db_host" => "10.0.0.8:3306",
       "db_user" => "centreon",
       "db_passwd" => 's3cret'
};

# Central, Remote or Poller ?
$instance_mode = "central";
$mysql_passwd = 's3cret';
1;
"#;

    /// As a poller's package has it.
    const POLLER: &str = "$centreon_config = {\n  db_type => 'SQLite',\n  db_host => 'x',\n};\n\
                          $instance_mode = 'poller';\n";

    fn facts(text: &str) -> Facts {
        let mut facts = Facts::default();
        parse(&Text { file: CONF.into(), text: text.to_owned() }, &mut facts);
        facts
    }

    fn roles(files: &[(&str, &str)]) -> Vec<(Role, String)> {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let mut facts = Facts::default();
        read(&Files::below(root.path()), &mut facts);
        assert_eq!(facts.notes, []);
        facts.roles.into_iter().map(|sign| (sign.role, sign.because)).collect()
    }

    fn watchdog(name: &str) -> String {
        format!(
            "{{\"centreonBroker\": {{\"cbd\": [{{\"name\": \"{name}\", \"run\": true, \
             \"configuration_file\": \"/etc/centreon-broker/x.json\"}}]}}}}"
        )
    }

    #[test]
    fn a_central_says_so_and_names_its_database() {
        let facts = facts(CENTRAL);
        let [sign] = &*facts.roles else { panic!("one role") };
        assert_eq!((sign.role, sign.is_explicit), (Role::Central, true));
        assert_eq!(sign.at.to_string(), "/etc/centreon/conf.pm:11");
        let database = &facts.databases[0];
        assert_eq!((database.value.host.as_str(), database.value.port), ("10.0.0.8", Some(3306)));
        assert_eq!(database.at.line, Some(5));
        assert!(!format!("{facts:?}").contains("s3cret"));
    }

    #[test]
    fn a_poller_keeps_its_data_in_a_file() {
        let facts = facts(POLLER);
        assert_eq!(facts.roles[0].role, Role::Poller);
        assert_eq!(facts.databases, []);
    }

    #[test]
    fn comments_and_words_of_other_names_say_nothing() {
        assert!(
            facts("# $instance_mode = \"central\";\n$instance_mode_old = 'x';\n").roles.is_empty()
        );
    }

    #[test]
    fn the_last_mode_counts_and_an_unknown_one_is_noted() {
        let twice = facts("$instance_mode = 'central';\n$instance_mode='remote';\n");
        assert_eq!(twice.roles.len(), 1);
        assert_eq!(twice.roles[0].role, Role::Remote);
        let unknown = facts("\n$instance_mode = \"--INSTANCEMODE--\";\n");
        assert_eq!(unknown.notes[0].at.line, Some(2));
        assert_eq!(unknown.notes[0].reason, "$instance_mode names no role: --INSTANCEMODE--");
    }

    #[test]
    fn the_brokers_of_cbd_tell_central_remote_and_poller_apart() {
        let path = "etc/centreon-broker/watchdog.json";
        for (text, role, because) in [
            (watchdog("central-broker-master"), Role::Central, "cbd runs central-broker-master"),
            (watchdog("paris-broker"), Role::Remote, "cbd runs paris-broker"),
            ("{\"centreonBroker\": {}}".to_owned(), Role::Poller, "cbd runs nothing"),
        ] {
            assert_eq!(roles(&[(path, &text)]), [(role, because.to_owned())]);
        }
    }

    #[test]
    fn a_module_alone_is_a_pollers() {
        let module = ("etc/centreon-broker/poller1-module.json", "{}");
        assert_eq!(roles(&[module])[0].0, Role::Poller);
        assert_eq!(roles(&[module, ("etc/centreon-broker/paris-broker.json", "{}")]), []);
        assert_eq!(roles(&[]), []);
    }

    #[test]
    fn the_broker_of_a_central_tells_it_where_nothing_says_what_cbd_runs() {
        let module = ("etc/centreon-broker/central-module.json", "{}");
        let broker = ("etc/centreon-broker/central-broker.json", "{}");
        let because = "the broker of a central".to_owned();
        assert_eq!(roles(&[module, broker]), [(Role::Central, because)]);
    }

    #[test]
    fn its_own_word_comes_first() {
        let seen = roles(&[
            ("etc/centreon/conf.pm", "$instance_mode = \"remote\";\n"),
            ("etc/centreon-broker/watchdog.json", &watchdog("central-broker-master")),
        ]);
        assert_eq!(
            seen.into_iter().map(|(role, _)| role).collect::<Vec<_>>(),
            [Role::Remote, Role::Central]
        );
    }

    #[test]
    fn half_a_file_is_no_reason_to_panic() {
        for end in 0..CENTRAL.len() {
            facts(&CENTRAL[..end]);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            facts(&String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn no_value_makes_it_panic(value in "[ =>\"'a-z\u{e9}:0-9]{0,40}") {
            facts(&format!("\"db_host{value}\n$instance_mode{value}"));
        }
    }
}
