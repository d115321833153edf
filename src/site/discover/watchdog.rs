//! `watchdog.json`: which broker configurations does cbd run?
//!
//! `centreonBroker.cbd[]` with `name`, `configuration_file` and `run`
//! (centreon-collect, `broker/watchdog/src/configuration_parser.cc`). On a poller,
//! whose engine loads the broker, the list is empty or the file is not there.

use super::facts::Read;
use super::{Facts, Files, Text, json};

/// Its name in each folder.
pub(super) const NAME: &str = "watchdog.json";
const MISSING: &str = "which brokers run here";

/// A broker that cbd runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WatchedBroker {
    /// `central-broker-master`
    pub(super) name: String,
    /// The text of its configuration.
    pub(super) file: Read<String>,
}

/// The brokers that cbd runs by the `watchdog.json` of a folder; none when there is no such file.
pub(super) fn read(files: &Files, folder: &str, facts: &mut Facts) -> Option<Vec<WatchedBroker>> {
    let path = format!("{folder}/{NAME}");
    let known = facts.notes.iter().any(|note| *note.at.file == path);
    match files.read(&path) {
        Ok(text) => parse(&text, facts, known),
        Err(why) => {
            if !known {
                facts.unread(&path, &why, MISSING);
            }
            None
        }
    }
}

/// `known`: another source has said already what is wrong with it.
fn parse(text: &Text, facts: &mut Facts, known: bool) -> Option<Vec<WatchedBroker>> {
    let tree = match json::parse(text) {
        Ok(tree) => tree,
        Err(wrong) => {
            if !known {
                facts.note(wrong.at, wrong.reason, MISSING);
            }
            return None;
        }
    };
    let broker = tree.of("centreonBroker").unwrap_or(&tree);
    let all = broker.of("cbd").map_or(&[][..], |list| list.items());
    let running = all.iter().filter(|daemon| daemon.text("run") == Some("true"));
    let daemon = running.filter_map(|daemon| {
        let name = daemon.text("name").unwrap_or_default().to_owned();
        let mut file = daemon.read("configuration_file")?;
        file.value = tidy(&file.value);
        Some(WatchedBroker { name, file })
    });
    Some(daemon.collect())
}

/// A path with one slash between its parts: the folder is configured with or without.
pub(super) fn tidy(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the web interface writes it, on several lines.
    const SAMPLE: &str = r#"{"centreonBroker": {"cbd": [
        {"name": "central-rrd-master", "run": true, "reload": true,
         "configuration_file": "\/etc\/centreon-broker\/\/central-rrd.json"},
        {"name": "old", "configuration_file": "\/etc\/centreon-broker\/old.json",
         "run": false, "reload": true}
    ], "log": "\/var\/log\/centreon-broker\/watchdog.log"}}"#;

    fn daemons(text: &str) -> (Option<Vec<WatchedBroker>>, Facts) {
        let mut facts = Facts::default();
        let text =
            Text { file: "/etc/centreon-broker/watchdog.json".into(), text: text.to_owned() };
        (parse(&text, &mut facts, false), facts)
    }

    #[test]
    fn only_what_is_to_run_runs() {
        let all = daemons(SAMPLE).0.unwrap();
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].name, "central-rrd-master");
        assert_eq!(all[0].file.value, "/etc/centreon-broker/central-rrd.json");
        assert_eq!(all[0].file.at.line, Some(3));
    }

    #[test]
    fn on_a_poller_nothing_runs() {
        let (all, facts) = daemons(r#"{"centreonBroker": {"log": "\/var\/log\/x.log"}}"#);
        assert_eq!((all, facts.notes.len()), (Some(Vec::new()), 0));
    }

    #[test]
    fn half_a_file_is_a_note() {
        for end in 0..SAMPLE.len() {
            let (all, facts) = daemons(&SAMPLE[..end]);
            assert_eq!((all, facts.notes.len()), (None, 1), "{end}");
        }
    }
}
