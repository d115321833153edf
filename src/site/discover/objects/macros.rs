//! The SNMP macros of a host as what they say, `$USERn$` put in.
//!
//! Ten thousand hosts have a handful of different sets: each is kept once.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use secrecy::SecretString;

use super::super::facts::{At, SnmpMacros};
use super::super::files::Text;
use super::options::PluginOptions;
use super::templates::{SnmpTexts, Values};
use crate::site::parse_port;

/// `$USER1$=…` of the resource files; passwords among them, so there is no `Debug`.
pub(super) struct Resources<'t> {
    values: HashMap<&'t str, &'t str>,
    /// Was every file of them read?
    are_all: bool,
}

impl<'t> Resources<'t> {
    /// The macros of all resource files; the last of a name counts. `are_all` says
    /// whether each file could be read.
    pub(super) fn of(texts: &'t [Text], are_all: bool) -> Self {
        let lines = texts.iter().flat_map(|text| text.text.lines());
        let pairs = lines.filter_map(|line| {
            let (name, value) = line.trim().split_once('=')?;
            let name = name.trim_end().strip_prefix('$')?.strip_suffix('$')?;
            Some((name, value.trim_start()))
        });
        Self { values: pairs.collect(), are_all }
    }

    /// `text` with each `$NAME$` that is known put in, once; too long a text is
    /// left unfinished, longer than [`MOST_EXPANDED`].
    ///
    /// # Errors
    ///
    /// The first `USERn` that no resource file has. Anything else between two `$`
    /// may well be a part of a password, and stays.
    fn expand(&self, text: &str) -> Result<String, String> {
        let mut expanded = String::new();
        let mut rest = text;
        while let Some((before, name, after)) = next_macro(rest)
            && expanded.len() <= MOST_EXPANDED
        {
            let value = self.values.get(name);
            if value.is_none() && is_user(name) {
                return Err(name.to_owned());
            }
            expanded.push_str(before);
            let Some(value) = value else {
                // Its second `$` may begin a name.
                expanded.push('$');
                expanded.push_str(name);
                rest = rest.get(before.len() + 1 + name.len()..).unwrap_or_default();
                continue;
            };
            expanded.push_str(value);
            rest = after;
        }
        Ok(expanded + rest)
    }
}

/// What is before the first `$NAME$`, its name, and what is behind it.
fn next_macro(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('$')?;
    let (name, after) = rest.split_once('$')?;
    Some((before, name, after))
}

fn is_user(name: &str) -> bool {
    let number = name.strip_prefix("USER").unwrap_or_default();
    !number.is_empty() && number.chars().all(|c| c.is_ascii_digit())
}

/// Makes SNMP macros and shares them.
pub(super) struct Interned<'r, 't> {
    resources: &'r Resources<'r>,
    names: HashMap<String, Arc<str>>,
    sets: HashMap<SnmpTexts<'t>, Option<Arc<SnmpMacros>>>,
    /// Of hosts that have none, and a template that is for SNMP.
    none: Arc<SnmpMacros>,
    /// Why a value is not known, each reason once, with one place.
    unreadable: BTreeMap<String, At>,
    /// Bytes that values may still have in all.
    left: usize,
}

impl<'r, 't> Interned<'r, 't> {
    pub(super) fn new(resources: &'r Resources<'r>) -> Self {
        Self {
            resources,
            names: HashMap::new(),
            sets: HashMap::new(),
            none: Arc::default(),
            unreadable: BTreeMap::new(),
            left: MOST_VALUES,
        }
    }

    /// The shared name.
    pub(super) fn name(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.names.get(name) {
            return Arc::clone(known);
        }
        let shared: Arc<str> = Arc::from(name);
        self.names.insert(name.to_owned(), Arc::clone(&shared));
        shared
    }

    /// What the host at `at` is asked with; none: it is not asked by SNMP. A
    /// version alone is no sign of it: the web interface's form has one set.
    pub(super) fn snmp(
        &mut self,
        values: &Values<'t>,
        at: impl Fn() -> At,
    ) -> Option<Arc<SnmpMacros>> {
        let texts = &values.snmp;
        let made = if let Some(known) = self.sets.get(texts) {
            known.clone()
        } else {
            let telling = [&texts.community, &texts.options, &texts.port];
            let is_set = telling.into_iter().flatten().any(|text| !text.is_empty());
            let made = is_set.then(|| Arc::new(self.make(texts, at)));
            self.sets.insert(texts.clone(), made.clone());
            made
        };
        made.or_else(|| values.hints.snmp.then(|| Arc::clone(&self.none)))
    }

    /// Why values are not known, each with a place where it is so.
    pub(super) fn unreadable(self) -> impl Iterator<Item = (String, At)> {
        self.unreadable.into_iter()
    }

    fn make(&mut self, texts: &SnmpTexts<'t>, at: impl Fn() -> At) -> SnmpMacros {
        let mut text = |text: &Option<Cow<'t, str>>| self.readable(text.as_deref()?, &at);
        let (community, version) = (text(&texts.community), text(&texts.version));
        let (options, port) = (text(&texts.options), text(&texts.port));
        // The options come last on the plugin's command line, so they count.
        let options = PluginOptions::parse(&options.unwrap_or_default());
        SnmpMacros {
            version: options.version.or(version).and_then(|text| version_of(&text)),
            community: options.community.or(community.map(SecretString::from)),
            port: options.port.or(port.and_then(|port| parse_port(&port).ok())),
            user: options.user,
        }
    }

    /// The value itself, if it is here and not encrypted or in a vault.
    fn readable(&mut self, text: &str, at: impl Fn() -> At) -> Option<String> {
        let text = text.strip_prefix(PLAIN).unwrap_or(text);
        if text.is_empty() {
            return None;
        }
        // That there is too much has been said.
        if self.left == 0 {
            return None;
        }
        let reason = if SEALED.iter().any(|mark| text.starts_with(mark)) {
            "its SNMP macros are encrypted or in a vault".to_owned()
        } else {
            match self.resources.expand(text) {
                Ok(value) if value.len() > MOST_EXPANDED => {
                    "its SNMP macros are too long".to_owned()
                }
                Ok(value) if value.len() <= self.left => {
                    self.left -= value.len();
                    return Some(value);
                }
                Ok(_) => {
                    self.left = 0;
                    "from here on the SNMP macros are longer than any can be".to_owned()
                }
                // That a file cannot be read has been said.
                Err(_) if !self.resources.are_all => return None,
                Err(name) => format!("no resource file has ${name}$, an SNMP macro of this host"),
            }
        };
        if self.unreadable.len() < MOST_REASONS {
            self.unreadable.entry(reason).or_insert_with(at);
        }
        None
    }
}

/// `1`, `2c` or `3`, as the plugins take it.
fn version_of(text: &str) -> Option<String> {
    let version = match text.trim().trim_start_matches(['v', 'V']) {
        "1" => "1",
        "2" | "2c" | "2C" => "2c",
        "3" => "3",
        _ => return None,
    };
    Some(version.to_owned())
}

/// Marks a value that is as it stands, where others are encrypted.
const PLAIN: &str = "raw::";
/// Marks one that only the engine can read.
const SEALED: [&str; 2] = ["encrypt::", "secret::"];
/// A value with its macros put in; a command line has no more.
const MOST_EXPANDED: usize = 64 << 10;
/// The values of all hosts that differ; a hundred thousand communities have less.
const MOST_VALUES: usize = 16 << 20;
const MOST_REASONS: usize = 20;
