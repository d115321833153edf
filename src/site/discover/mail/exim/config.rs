//! A configuration in its sections: settings, named lists, routers and transports.
//!
//! Reference: The Exim Specification, 6.3, 6.10 to 6.16 and 10.5.

use std::collections::BTreeMap;

use super::super::super::constructs::Constructs;
use super::super::super::{At, Facts};
use super::super::MISSING;
use super::constructs::{MAIN, ROUTERS, TRANSPORTS};
use super::text::LogicalLine;

/// Routers or transports of one configuration; Debian's has about twenty of each.
const MOST_BLOCKS: usize = 256;

/// What an option is set to.
#[derive(Clone, Debug)]
pub(super) struct EximSetting {
    pub(super) name: String,
    /// Without the quotes around it; `true` and `false` of a switch.
    pub(super) value: String,
    /// Where its value was written, be it as a macro.
    pub(super) at: At,
    /// Where the macro was set that has it read at all.
    pub(super) because: Option<At>,
}

/// A router or a transport.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) name: String,
    /// Where it begins.
    pub(super) at: At,
    settings: Vec<EximSetting>,
}

impl Block {
    pub(super) fn of(&self, name: &str) -> Option<&EximSetting> {
        self.settings.iter().find(|setting| setting.name == name)
    }

    /// The value; empty when nobody sets it.
    pub(super) fn says(&self, name: &str) -> &str {
        self.of(name).map_or("", |setting| setting.value.as_str())
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &EximSetting> {
        self.settings.iter()
    }

    /// Is the switch on? `usual` when nobody sets it.
    pub(super) fn is_on(&self, name: &str, usual: bool) -> bool {
        self.of(name).map_or(usual, |setting| is_true(&setting.value))
    }
}

/// What exim makes of its files.
#[derive(Clone, Debug, Default)]
pub(super) struct EximConfig {
    /// Its first file.
    pub(super) file: Option<At>,
    main: BTreeMap<String, EximSetting>,
    /// `domainlist local_domains`, by kind and name.
    lists: BTreeMap<(String, String), EximSetting>,
    pub(super) routers: Vec<Block>,
    pub(super) transports: Vec<Block>,
}

impl EximConfig {
    /// Sorts the lines into their sections, and notes what of them is not understood.
    pub(super) fn parse(lines: &[LogicalLine], facts: &mut Facts) -> Self {
        let file = lines.first().map(|line| At { line: None, ..line.at.clone() });
        let mut config = Self { file, ..Self::default() };
        let mut section = "main".to_owned();
        for line in lines {
            let begun = line.text.split_at_checked(6);
            if let Some((_, name)) = begun.filter(|(word, _)| word.eq_ignore_ascii_case("begin ")) {
                section = name.trim().to_ascii_lowercase();
                continue;
            }
            match section.as_str() {
                "main" => config.main(line, facts),
                "routers" => block(line, &mut config.routers, &ROUTERS, facts),
                "transports" => block(line, &mut config.transports, &TRANSPORTS, facts),
                "rewrite" => rewrite(line, facts),
                // Who may send to this machine, and how often it tries again.
                _ => {}
            }
        }
        config
    }

    fn main(&mut self, line: &LogicalLine, facts: &mut Facts) {
        let (kind, rest) = line.text.split_once([' ', '\t']).unwrap_or((&line.text, ""));
        let kind = kind.trim_end_matches("_cache");
        if ["domainlist", "hostlist", "addresslist", "localpartlist"].contains(&kind)
            && let Some((name, value)) = rest.split_once('=')
        {
            let name = name.trim().to_owned();
            let setting = EximSetting::of(line, &name, value);
            self.lists.insert((kind.to_owned(), name), setting);
            return;
        }
        let setting = setting(line);
        meet(&MAIN, line, &setting, facts);
        self.main.insert(setting.name.clone(), setting);
    }

    pub(super) fn of(&self, name: &str) -> Option<&EximSetting> {
        self.main.get(name)
    }

    /// The list that `+name` stands for.
    pub(super) fn list(&self, kind: &str, name: &str) -> Option<&EximSetting> {
        self.lists.get(&(kind.to_owned(), name.to_owned()))
    }

    pub(super) fn transport(&self, name: &str) -> Option<&Block> {
        self.transports.iter().find(|transport| transport.name == name)
    }
}

impl EximSetting {
    fn of(line: &LogicalLine, name: &str, value: &str) -> Self {
        Self {
            name: name.to_owned(),
            value: dequoted(value.trim()),
            at: line.from.clone().unwrap_or_else(|| line.at.clone()),
            because: line.because.clone(),
        }
    }
}

/// `name = value`, `name`, `no_name`, `not_name`, each perhaps after `hide`.
fn setting(line: &LogicalLine) -> EximSetting {
    let text = line.text.strip_prefix("hide ").map_or(line.text.as_str(), str::trim_start);
    if let Some((name, value)) = text.split_once('=') {
        return EximSetting::of(line, name.trim(), value);
    }
    let name = text.trim();
    let off = name.strip_prefix("no_").or_else(|| name.strip_prefix("not_"));
    EximSetting::of(line, off.unwrap_or(name), if off.is_some() { "false" } else { "true" })
}

fn meet(constructs: &Constructs, line: &LogicalLine, setting: &EximSetting, facts: &mut Facts) {
    use super::super::super::constructs::Reading;
    let reading = constructs.reading(&setting.name);
    // An empty value switches a setting off, as does `false`.
    let is_off = ["", "false", "no"].contains(&setting.value.as_str());
    if !is_off || reading == Reading::Unknown {
        constructs.meet(&setting.name, line.at.clone(), facts);
    }
    if line.depends_on_build && reading != Reading::Aside {
        let reason = format!("`{}` depends on how exim was built; it is read", setting.name);
        facts.note(line.at.clone(), reason, MISSING);
    }
}

/// A line of routers or transports: a name with a colon begins one, all else is its options.
fn block(line: &LogicalLine, blocks: &mut Vec<Block>, constructs: &Constructs, facts: &mut Facts) {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let end = line.text.find(|c| !is_part(c)).unwrap_or(line.text.len());
    let (name, rest) = line.text.split_at(end);
    if let Some(rest) = rest.trim_start().strip_prefix(':') {
        if blocks.len() >= MOST_BLOCKS {
            facts.note(line.at.clone(), "from here on nothing more is read", MISSING);
            return;
        }
        let at = line.at.clone();
        blocks.push(Block { name: name.to_owned(), at, settings: Vec::new() });
        if rest.trim().is_empty() {
            return;
        }
        let text = rest.trim_start().to_owned();
        return block(&LogicalLine { text, ..line.clone() }, blocks, constructs, facts);
    }
    let Some(last) = blocks.last_mut() else { return };
    let setting = setting(line);
    meet(constructs, line, &setting, facts);
    last.settings.push(setting);
}

/// A rule that changes the address of a receiver moves its mail, too.
fn rewrite(line: &LogicalLine, facts: &mut Facts) {
    let text = line.text.as_str();
    let after_quote = text.rsplit_once('"').map(|(_, flags)| flags);
    let flags = after_quote.or_else(|| text.split_whitespace().nth(2)).unwrap_or_default().trim();
    let is_of_receivers = flags.is_empty() || flags.contains(['E', 'T', 'S']);
    if is_of_receivers {
        facts.note(
            line.at.clone(),
            "it rewrites addresses of receivers, which is not read",
            MISSING,
        );
    }
}

/// A value in double quotes loses them, and its backslashes their meaning.
fn dequoted(value: &str) -> String {
    let Some(rest) = value.strip_prefix('"') else { return value.to_owned() };
    let mut out = String::new();
    let mut chars = rest.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => match chars.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                other => out.extend(other),
            },
            c => out.push(c),
        }
    }
    out
}

pub(super) fn is_true(value: &str) -> bool {
    ["true", "yes", "1"].iter().any(|yes| value.eq_ignore_ascii_case(yes))
}
