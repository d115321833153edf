//! The engine's main file: which broker configuration does it load, and does it notify?
//!
//! `/etc/centreon-engine/centengine.cfg`, a `key=value` a line; of two lines with
//! one key the last counts, but `broker_module` may stand many times
//! (centreon-collect, `common/engine_conf/parser.cc`). The objects it names are
//! another source's.

use super::address::MOST_TEXT;
use super::constructs::Constructs;
use super::facts::{Engine, Read};
use super::{At, Facts, Files, Text};

const MAIN: &str = "/etc/centreon-engine/centengine.cfg";
const MISSING: &str = "which broker configuration the engine loads";
/// Broker configurations of one engine; it has one, or two.
const MOST_BROKERS: usize = 64;

/// Its modules, by the names of their files.
pub(super) const CONSTRUCTS: Constructs = Constructs {
    program: "centengine",
    files: "centengine.cfg: the file of a broker_module",
    missing: "whom the engine connects to",
    understood: &["*cbmod.so", "*libopentelemetry.so"],
    noted: &[
        ("*livestatus*", "lets others ask for the state of all hosts"),
        ("*mod_gearman*", "hands checks to a Gearman server"),
        ("*ndomod*", "sends its data to ndo2db"),
    ],
    aside: &["", "*externalcmd.so"],
};

pub(super) fn read(files: &Files, facts: &mut Facts) {
    match files.read(MAIN) {
        Ok(text) => {
            meet(&text, facts);
            facts.engine = Some(parse(&text));
        }
        Err(why) => facts.unread(MAIN, &why, MISSING),
    }
}

/// Notes modules that may connect to others.
fn meet(text: &Text, facts: &mut Facts) {
    for (number, line) in text.lines() {
        if let Some(("broker_module", value)) = key_value(line) {
            let path = value.split_ascii_whitespace().next().unwrap_or_default();
            let name = path.rsplit('/').next().unwrap_or_default();
            CONSTRUCTS.meet(name, text.at(number), facts);
        }
    }
}

fn parse(text: &Text) -> Engine {
    let mut engine = Engine {
        at: At::file(&text.file),
        broker_files: Vec::new(),
        notifies: None,
        agents_file: None,
    };
    // It takes the place of what `broker_module` says.
    let mut named = None;
    for (number, line) in text.lines() {
        let Some((key, value)) = key_value(line) else { continue };
        let read = |value: &str| Read { value: value.to_owned(), at: text.at(number) };
        match key {
            "broker_module" if engine.broker_files.len() < MOST_BROKERS => {
                engine.broker_files.extend(loaded(value, "cbmod.so").map(read));
                let agents_file = loaded(value, "libopentelemetry.so").map(read);
                engine.agents_file = agents_file.or(engine.agents_file);
            }
            "broker_module_cfg_file" if !value.is_empty() => named = Some(read(value)),
            "enable_notifications" => {
                engine.notifies = Some(Read { value: value != "0", at: text.at(number) });
            }
            _ => {}
        }
    }
    if let Some(named) = named {
        engine.broker_files = vec![named];
    }
    engine
}

fn key_value(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let (key, value) = line.split_once('=').filter(|_| !line.starts_with(['#', ';']))?;
    Some((key.trim_end(), value.trim_start())).filter(|(_, value)| value.len() <= MOST_TEXT)
}

/// The file that a module is given: the first word after its own path.
fn loaded<'a>(line: &'a str, module: &str) -> Option<&'a str> {
    let mut words = line.split_ascii_whitespace();
    words.next().filter(|path| path.contains(module)).and_then(|_| words.next())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As the web interface writes it.
    const SAMPLE: &str = "\
###################################################################
#  broker_module=/usr/lib64/nagios/cbmod.so /etc/centreon-broker/old.json
cfg_file=/etc/centreon-engine/hosts.cfg
resource_file=/etc/centreon-engine/resource.cfg
broker_module=/usr/lib64/centreon-engine/externalcmd.so
broker_module=/usr/lib64/nagios/cbmod.so /etc/centreon-broker/poller1-module.json
broker_module=/usr/lib64/centreon-engine/libopentelemetry.so /etc/centreon-engine/otl_server.json
event_broker_options=-1
enable_notifications=1
";

    fn engine(text: &str) -> Engine {
        parse(&Text { file: MAIN.into(), text: text.to_owned() })
    }

    fn files(engine: &Engine) -> Vec<String> {
        let files = engine.broker_files.iter();
        files.map(|file| format!("{} {}", file.at.line.unwrap(), file.value)).collect()
    }

    #[test]
    fn the_file_of_the_broker_module_alone_counts() {
        let engine = engine(SAMPLE);
        assert_eq!(files(&engine), ["6 /etc/centreon-broker/poller1-module.json"]);
        let notifies = engine.notifies.unwrap();
        assert_eq!((notifies.value, notifies.at.line), (true, Some(9)));
    }

    #[test]
    fn the_newer_key_replaces_the_older() {
        let text =
            "broker_module_cfg_file = /etc/b/x.json\nbroker_module=/x/cbmod.so /etc/b/y.json\n";
        assert_eq!(files(&engine(text)), ["1 /etc/b/x.json"]);
    }

    #[test]
    fn no_engine_loads_brokers_by_the_thousand() {
        let line = |n| format!("broker_module=/x/cbmod.so /etc/b/{n}.json\n");
        let text: String = (0..1_000).map(line).collect();
        assert_eq!(engine(&text).broker_files.len(), MOST_BROKERS);
    }

    #[test]
    fn notifications_may_be_off() {
        assert!(!engine("enable_notifications=0").notifies.unwrap().value);
        assert_eq!(engine("").notifies, None);
    }

    #[test]
    fn a_machine_without_an_engine_has_no_notes() {
        let root = tempfile::tempdir().unwrap();
        let mut facts = Facts::default();
        read(&Files::below(root.path()), &mut facts);
        assert!(facts.engine.is_none() && facts.notes.is_empty());
    }

    #[test]
    fn half_a_file_is_no_reason_to_panic() {
        for end in 0..SAMPLE.len() {
            engine(&SAMPLE[..end]);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            engine(&String::from_utf8_lossy(&bytes));
        }
    }
}
