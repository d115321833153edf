//! Centreon Broker: between which machines does the collected data travel?
//!
//! `/etc/centreon-broker/*.json`, as far as the engine loads them or cbd runs
//! them: what an earlier installation left behind counts for nothing. A central
//! also keeps what it last exported to each poller, which tells the address of
//! the central that poller was given.

pub(super) mod stream;

use std::collections::BTreeSet;
use std::num::NonZeroU64;

use super::facts::{Broker, Read};
use super::tree::Node;
use super::watchdog::{self, tidy};
use super::{Facts, Files, Text, Unread};

const FOLDER: &str = "/etc/centreon-broker";
/// A folder for each poller, named by its number.
const COPIES: &str = "/var/cache/centreon/config/broker";
/// Pollers whose copies are read.
const MOST_COPIES: usize = 512;
const MISSING: &str = "where collected data goes";

impl Broker {
    /// Is it the central's copy of what it exported to a poller, not this machine's own?
    pub(crate) fn is_copy(&self) -> bool {
        self.at.file.starts_with(COPIES)
    }
}

pub(super) fn read(files: &Files, facts: &mut Facts) {
    own(files, facts);
    let own: Vec<u64> =
        facts.brokers.iter().filter_map(|own| own.poller_id).map(NonZeroU64::get).collect();
    for (id, folder) in copies(files, facts) {
        if !own.contains(&id.get()) {
            exported(files, id, &folder, facts);
        }
    }
}

/// This machine's own brokers.
fn own(files: &Files, facts: &mut Facts) {
    let used = Used {
        loaded: facts.engine.as_ref().map_or_else(Vec::new, |engine| {
            let files = engine.broker_files.iter();
            files.map(|file| Read { value: tidy(&file.value), at: file.at.clone() }).collect()
        }),
        run: watchdog::read(files, FOLDER, facts)
            .map(|daemons| daemons.into_iter().map(|daemon| daemon.file).collect()),
    };
    for path in used.paths(listed(files, FOLDER, facts)) {
        let Some(is_module) = used.is_module(&path) else { continue };
        match (files.read(&path), used.named(&path)) {
            (Ok(text), _) => {
                let broker = parse(&text, is_module, facts);
                facts.brokers.extend(broker);
            }
            (Err(Unread::Missing), Some(named)) => {
                let reason = format!("there is no {path}, which is named here");
                facts.note(named.at.clone(), reason, MISSING);
            }
            (Err(why), _) => facts.unread(&path, &why, MISSING),
        }
    }
}

/// Which configurations are in use here.
struct Used {
    /// By the engine.
    loaded: Vec<Read<String>>,
    /// By cbd; none when nothing says so.
    run: Option<Vec<Read<String>>>,
}

impl Used {
    /// The files of the folder, and those elsewhere that are in use.
    fn paths(&self, listed: Vec<String>) -> BTreeSet<String> {
        let used = self.loaded.iter().chain(self.run.iter().flatten());
        listed.into_iter().chain(used.map(|file| file.value.clone())).collect()
    }

    /// The line that puts it to use.
    fn named(&self, path: &str) -> Option<&Read<String>> {
        self.loaded.iter().chain(self.run.iter().flatten()).find(|file| file.value == path)
    }

    /// Is it loaded by the engine, rather than run by cbd? None: by neither.
    fn is_module(&self, path: &str) -> Option<bool> {
        let among = |files: &[Read<String>]| files.iter().any(|file| file.value == path);
        if among(&self.loaded) {
            return Some(true);
        }
        match &self.run {
            Some(run) if among(run) => Some(false),
            // `poller1-module.json`, `central-module.json`
            _ if path.ends_with("module.json") => self.loaded.is_empty().then_some(true),
            Some(_) => None,
            None => Some(false),
        }
    }
}

/// What was exported to one poller: all of it is in use there.
fn exported(files: &Files, id: NonZeroU64, folder: &str, facts: &mut Facts) {
    let run = watchdog::read(files, folder, facts).unwrap_or_default();
    for path in listed(files, folder, facts) {
        let name = path.rsplit('/').next();
        let is_run = run.iter().any(|daemon| daemon.file.value.rsplit('/').next() == name);
        match files.read(&path) {
            Ok(text) => {
                let broker = parse(&text, !is_run, facts);
                facts.brokers.extend(broker.map(|broker| Broker { poller_id: Some(id), ..broker }));
            }
            Err(why) => facts.unread(&path, &why, MISSING),
        }
    }
}

/// The folders of copies and the numbers they are named by.
fn copies(files: &Files, facts: &mut Facts) -> Vec<(NonZeroU64, String)> {
    let folders = files.list(COPIES, "").unwrap_or_else(|why| {
        facts.unread(COPIES, &why, "what was exported to each poller");
        Vec::new()
    });
    let numbered = folders.into_iter().filter_map(|folder| {
        let id = folder.rsplit('/').next()?.parse().ok()?;
        Some((id, folder))
    });
    numbered.take(MOST_COPIES).collect()
}

/// The configurations of a folder.
fn listed(files: &Files, folder: &str, facts: &mut Facts) -> Vec<String> {
    let mut paths = files.list(folder, ".json").unwrap_or_else(|why| {
        facts.unread(folder, &why, MISSING);
        Vec::new()
    });
    paths.retain(|path| !path.ends_with(&format!("/{}", watchdog::NAME)));
    paths
}

fn parse(text: &Text, is_module: bool, facts: &mut Facts) -> Option<Broker> {
    let tree = facts.json(text, MISSING)?;
    let Some(node) = tree.of("centreonBroker") else {
        facts.note(tree.at, "there is no centreonBroker in it", MISSING);
        return None;
    };
    let mut broker = Broker {
        at: super::At::file(&text.file),
        name: node.text("broker_name").unwrap_or("a broker without a name").to_owned(),
        is_module,
        poller_id: node.text("poller_id").and_then(|id| id.parse().ok()),
        bbdo_version: node.read("bbdo_version"),
        streams: Vec::new(),
    };
    for (key, is_output) in [("input", false), ("output", true)] {
        for node in node.of(key).map_or(&[][..], Node::items) {
            if !broker.is_copy() {
                stream::meet(node, facts);
                stream::database(node, facts);
            }
            broker.streams.extend(stream::parse(node, is_output, facts));
        }
    }
    Some(broker)
}

#[cfg(test)]
mod tests;
