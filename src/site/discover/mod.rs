//! Discovery: what a machine's own files say of its role, its peers and their ports.
//!
//! One source a file, each text in, facts out. A source tolerates what it does
//! not know and never fails the run: what it could not read becomes a [`Note`].

mod address;
mod agents;
mod broker;
pub(crate) mod clapi;
mod constructs;
mod database;
mod dsn;
mod engine;
pub(crate) mod facts;
pub(crate) mod files;
mod gorgone;
mod include;
mod json;
mod lines;
mod mail;
mod names;
mod nsclient;
mod objects;
mod proxies;
mod repositories;
mod role;
pub(crate) mod route;
#[cfg(test)]
mod testing;
mod time;
mod traps;
mod tree;
pub(crate) mod vendor;
mod watchdog;
mod yaml;

pub(crate) use facts::{At, Facts, Note};
pub(crate) use files::{Files, Text, Unread};

/// Of which language what is understood, and what is only noted: a row each in `docs/discovery.md`.
#[cfg(test)]
const CONSTRUCTS: &[&constructs::Constructs] = &[
    &names::CONSTRUCTS,
    &names::network::NETWORKD_CONSTRUCTS,
    &names::network::RESOLVED_CONSTRUCTS,
    &names::forwarders::dnsmasq::CONSTRUCTS,
    &names::forwarders::unbound::CONSTRUCTS,
    &names::forwarders::bind::CONSTRUCTS,
    &time::chrony::CONSTRUCTS,
    &time::ntp::CONSTRUCTS,
    &time::openntpd::CONSTRUCTS,
    &time::timesyncd::CONSTRUCTS,
    &traps::CONSTRUCTS,
    &mail::postfix::CONSTRUCTS,
    &mail::exim::MAIN,
    &mail::exim::ROUTERS,
    &mail::exim::TRANSPORTS,
    &mail::msmtp::CONSTRUCTS,
    &mail::nullmailer::CONSTRUCTS,
    &mail::dma::CONSTRUCTS,
    &mail::ssmtp::CONSTRUCTS,
    &mail::sendmail::CONSTRUCTS,
    &mail::mailrc::CONSTRUCTS,
    &gorgone::CONSTRUCTS,
    &broker::stream::CONSTRUCTS,
    &engine::CONSTRUCTS,
    &agents::CONSTRUCTS,
    &nsclient::CONSTRUCTS,
    &repositories::apt::CONSTRUCTS,
    &repositories::apt_conf::CONSTRUCTS,
    &repositories::dnf::CONSTRUCTS,
    &repositories::zypper::CONSTRUCTS,
    &repositories::zypper::OF_MAIN,
    &repositories::rhsm::CONSTRUCTS,
    &proxies::services::CONSTRUCTS,
    &proxies::sudo::CONSTRUCTS,
    &proxies::tools::WGET_CONSTRUCTS,
    &proxies::tools::CURL_CONSTRUCTS,
];

/// What a link leads to that switches a file off.
const OFF: &str = "/dev/null";
/// Notes that are kept: a file of garbage has a bad line for each of its lines.
const MOST_NOTES: usize = 512;

/// Looks at everything there is below the root of `files`.
pub(crate) fn discover(files: &Files) -> Facts {
    let mut facts = Facts::default();
    time::read(files, &mut facts);
    names::read(files, environment(), &mut facts);
    mail::read(files, &mut facts);
    proxies::read(files, environment(), &mut facts);
    repositories::read(files, &mut facts);
    role::read(files, &mut facts);
    engine::read(files, &mut facts);
    broker::read(files, &mut facts);
    gorgone::read(files, &mut facts);
    database::read(files, &mut facts);
    traps::read(files, &mut facts);
    agents::read(files, &mut facts);
    nsclient::read(files, &mut facts);
    objects::read(files, &mut facts);
    vendor::read(files, &mut facts);
    facts
}

/// The variables of this process, of which proxies are a few.
fn environment() -> impl Iterator<Item = (String, String)> {
    let pairs = std::env::vars_os();
    pairs.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

impl Facts {
    /// Notes that `file` could not be read, unless there is none: most machines
    /// lack most of the files looked for.
    pub(crate) fn unread(&mut self, file: &str, why: &Unread, missing: &'static str) {
        if *why != Unread::Missing {
            self.note(At::file(file), why.to_string(), missing);
        }
    }

    /// The text of a file; why it cannot be read is noted. A file that is a link to
    /// `/dev/null` is switched off: it has none.
    fn text(&mut self, files: &Files, path: &str, missing: &'static str) -> Option<Text> {
        match files.read(path) {
            Ok(text) => Some(text),
            Err(Unread::NotAFile) if files.follow(path) == OFF => None,
            Err(why) => {
                self.unread(path, &why, missing);
                None
            }
        }
    }

    /// Notes what of `tree` cannot be told.
    fn note_unknown(&mut self, tree: &tree::Node, missing: &'static str) {
        for (at, reason) in tree.unknown() {
            self.note(at.clone(), reason, missing);
        }
    }

    /// The value of a YAML file; what is doubtful in it is noted, as is why it has none.
    fn yaml(&mut self, text: &Text, missing: &'static str) -> Option<tree::Node> {
        match yaml::parse(text) {
            Ok(document) => {
                for doubt in document.doubts {
                    self.note(doubt.at, doubt.reason, missing);
                }
                self.note_unknown(&document.root, missing);
                Some(document.root)
            }
            Err(wrong) => {
                self.note(wrong.at, wrong.reason, missing);
                None
            }
        }
    }

    /// The value of a JSON file; why it has none is noted.
    fn json(&mut self, text: &Text, missing: &'static str) -> Option<tree::Node> {
        match json::parse(text) {
            Ok(tree) => {
                self.note_unknown(&tree, missing);
                Some(tree)
            }
            Err(wrong) => {
                self.note(wrong.at, wrong.reason, missing);
                None
            }
        }
    }

    /// Adds the notes and refused lines that were kept apart.
    fn take(&mut self, other: Self) {
        self.refused.extend(other.refused);
        self.notes.extend(other.notes);
        self.notes.truncate(MOST_NOTES);
    }

    /// Notes that something could not be read.
    pub(crate) fn note(&mut self, at: At, reason: impl Into<String>, missing: &'static str) {
        if self.notes.len() < MOST_NOTES {
            let reason =
                preflight_checks::discreet_text(&preflight_checks::printable(&reason.into()));
            // What is met on several ways is said once.
            let note = Note { at, reason, missing };
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
    }
}
