//! What a program's files can say of its peers: each construct is understood or noted.
//!
//! A parser that skips what it does not know takes half a configuration for a whole one. So
//! each source lists, beside its parser, what of its program's language can name a peer, move
//! it, stop it or add a flow. What a file holds and no list knows is noted as well: discovery
//! never says "none" of something it did not understand.
//!
//! The table in `docs/discovery.md` is made from these lists.

use super::include::fits;
use super::{At, Facts};

/// What one program's language has; in each list `*` stands for any text.
#[derive(Debug)]
pub(super) struct Constructs {
    /// Whose language: `postfix`.
    pub(super) program: &'static str,
    /// Where it is written: `main.cf`.
    #[cfg_attr(not(test), expect(dead_code, reason = "only the page names them"))]
    pub(super) files: &'static str,
    /// What one that is not understood hides, as a noun phrase: "the mail relay".
    pub(super) missing: &'static str,
    /// Part of the facts.
    pub(super) understood: &'static [&'static str],
    /// Could change who is asked; that it stands there is all that is told. With what it does,
    /// as a clause: "hands all mail to a filter".
    pub(super) noted: &'static [(&'static str, &'static str)],
    /// Changes no peer. Somebody looked, so it is not noted.
    pub(super) aside: &'static [&'static str],
}

/// What discovery makes of a construct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// Its meaning is part of the facts.
    Understood,
    /// It stands there, and does this.
    Noted(&'static str),
    /// It changes no peer.
    Aside,
    /// It stands in no table: nobody has decided what it means.
    Unknown,
}

impl Constructs {
    /// A whole name in any list goes before a pattern; of two patterns, the one that says more.
    pub(super) fn reading(&self, name: &str) -> Reading {
        let understood = self.understood.iter().map(|known| (*known, Reading::Understood));
        let noted = self.noted.iter().map(|(known, does)| (*known, Reading::Noted(does)));
        let aside = self.aside.iter().map(|known| (*known, Reading::Aside));
        let all = || understood.clone().chain(noted.clone()).chain(aside.clone());
        let exact = all().find(|(known, _)| *known == name);
        let fitting = || all().filter(|(known, _)| fits(known, name)).max_by_key(|(k, _)| k.len());
        exact.or_else(fitting).map_or(Reading::Unknown, |(_, reading)| reading)
    }

    /// Notes that `name` stands there, unless it is understood or changes no peer.
    pub(super) fn meet(&self, name: &str, at: At, facts: &mut Facts) {
        let reason = match self.reading(name) {
            Reading::Understood | Reading::Aside => return,
            Reading::Noted(does) => format!("`{name}` {does}, which is not read"),
            Reading::Unknown => {
                let program = self.program;
                format!("`{name}` is nothing of {program} that preflight knows; it may move a peer")
            }
        };
        facts.note(at, reason, self.missing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: Constructs = Constructs {
        program: "sample",
        files: "sample.conf",
        missing: "the samples",
        understood: &["server", "server_*"],
        noted: &[("server_hook", "runs a program"), ("server_hook_*", "feeds a program")],
        aside: &["log*", "server_log*"],
    };

    #[test]
    fn a_whole_name_goes_before_a_pattern_and_a_long_pattern_before_a_short_one() {
        for (name, reading) in [
            ("server", Reading::Understood),
            ("server_port", Reading::Understood),
            ("server_hook", Reading::Noted("runs a program")),
            ("server_hook_2", Reading::Noted("feeds a program")),
            ("server_log_2", Reading::Aside),
            ("logfile", Reading::Aside),
            ("peer", Reading::Unknown),
        ] {
            assert_eq!(SAMPLE.reading(name), reading, "{name}");
        }
    }

    #[test]
    fn what_is_not_understood_and_what_is_not_known_are_noted() {
        let mut facts = Facts::default();
        for name in ["server", "logfile", "server_hook", "peer"] {
            SAMPLE.meet(name, At::file("/etc/sample.conf"), &mut facts);
        }
        let notes: Vec<&str> = facts.notes.iter().map(|note| note.reason.as_str()).collect();
        let want = [
            "`server_hook` runs a program, which is not read",
            "`peer` is nothing of sample that preflight knows; it may move a peer",
        ];
        assert_eq!(notes, want);
    }

    /// `UPDATE_DOCS=1 cargo test --bin preflight constructs` writes the table anew.
    #[test]
    fn the_page_lists_the_constructs_of_every_source() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/discovery.md");
        let page = std::fs::read_to_string(path).unwrap();
        let (before, rest) = page.split_once(BEGIN).unwrap();
        let (_, after) = rest.split_once(END).unwrap();
        let made = format!("{before}{BEGIN}\n{}{END}{after}", table());
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, &made).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), made, "run it with UPDATE_DOCS=1");
    }

    const BEGIN: &str = "<!-- constructs: made from the code -->";
    const END: &str = "<!-- end of constructs -->";

    fn table() -> String {
        let mut table = "| source | construct | |\n| --- | --- | --- |\n".to_owned();
        for source in super::super::CONSTRUCTS {
            let row = |construct: &str, reading: &str| {
                let (program, files) = (source.program, source.files);
                format!("| {program} ({files}) | {construct} | {reading} |\n")
            };
            let understood: Vec<String> =
                source.understood.iter().map(|name| format!("`{name}`")).collect();
            if !understood.is_empty() {
                table += &row(&understood.join(", "), "understood");
            }
            for (name, does) in source.noted {
                table += &row(&format!("`{name}`: {does}"), "noted");
            }
        }
        table
    }

    #[test]
    fn no_construct_stands_in_two_lists() {
        for source in super::super::CONSTRUCTS {
            let noted = source.noted.iter().map(|(name, _)| name);
            let mut all: Vec<_> =
                source.understood.iter().chain(noted).chain(source.aside).collect();
            let count = all.len();
            all.sort();
            all.dedup();
            assert_eq!(all.len(), count, "{} names something twice", source.program);
        }
    }
}
