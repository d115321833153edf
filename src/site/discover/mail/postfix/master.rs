//! `master.cf`: which program a transport is, and the settings its line puts over `main.cf`.
//!
//! Reference: master(5).

use super::super::super::Text;
use super::super::super::facts::Read;
use super::settings::{enclosed, logical_lines};

/// Lines of services; Debian's file has 26.
const MOST_SERVICES: usize = 512;

/// One line of `master.cf`.
#[derive(Clone, Debug)]
pub(super) struct MasterService {
    name: String,
    /// `unix`: one that the queue manager may hand mail to.
    kind: String,
    /// `smtp`, `trivial-rewrite`, `pipe`.
    program: String,
    /// What its `-o` arguments set.
    pub(super) overrides: Vec<(String, Read<String>)>,
}

/// What becomes of mail that is handed to a transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MailCarrier {
    /// It goes to another host by SMTP.
    Smtp,
    /// It goes to another host by LMTP.
    Lmtp,
    /// It is sent back, kept or thrown away.
    Nowhere,
    /// It stays on this machine.
    Here,
    /// A program takes it.
    Program,
    /// There is no such transport: it waits until there is one.
    Missing,
}

/// The transports of a `master.cf` that nobody has changed.
const USUAL: [(&str, &str); 9] = [
    ("smtp", "smtp"),
    ("relay", "smtp"),
    ("lmtp", "lmtp"),
    ("error", "error"),
    ("retry", "error"),
    ("discard", "discard"),
    ("local", "local"),
    ("virtual", "virtual"),
    ("rewrite", "trivial-rewrite"),
];

/// The services of this machine.
#[derive(Clone, Debug)]
pub(super) struct MasterServices(Vec<MasterService>);

impl MasterServices {
    /// Those that postfix is shipped with.
    pub(super) fn usual() -> Self {
        let service = |(name, program): &(&str, &str)| MasterService {
            name: (*name).to_owned(),
            kind: "unix".to_owned(),
            program: (*program).to_owned(),
            overrides: Vec::new(),
        };
        Self(USUAL.iter().map(service).collect())
    }

    /// Reads `master.cf`; a line that postfix refuses, with why.
    pub(super) fn parse(text: &Text) -> (Self, Option<Read<String>>) {
        let mut services = Vec::new();
        let mut refused = None;
        for line in logical_lines(text).into_iter().take(MOST_SERVICES) {
            if let Some(service) = service(&line) {
                services.push(service);
            } else {
                let value = "a service has eight columns".to_owned();
                refused = refused.or(Some(Read { value, at: line.at }));
            }
        }
        (Self(services), refused)
    }

    /// The service of that name that mail can be handed to; of two the last.
    pub(super) fn of(&self, name: &str) -> Option<&MasterService> {
        self.0.iter().rfind(|service| service.name == name && service.kind == "unix")
    }

    pub(super) fn carrier(&self, transport: &str) -> MailCarrier {
        match self.of(transport).map(|service| service.program.as_str()) {
            Some("smtp") => MailCarrier::Smtp,
            Some("lmtp") => MailCarrier::Lmtp,
            Some("error" | "discard") => MailCarrier::Nowhere,
            Some("local" | "virtual") => MailCarrier::Here,
            Some(_) => MailCarrier::Program,
            None => MailCarrier::Missing,
        }
    }

    /// What every line sets for its process.
    pub(super) fn overrides(&self) -> impl Iterator<Item = &(String, Read<String>)> {
        self.0.iter().flat_map(|service| &service.overrides)
    }

    /// What the processes set that every mail of this machine's own passes on its way out.
    pub(super) fn on_the_way(&self) -> impl Iterator<Item = &(String, Read<String>)> {
        let passed = ["pickup", "cleanup", "qmgr", "oqmgr", "trivial-rewrite"];
        let services = self.0.iter().filter(move |one| passed.contains(&one.program.as_str()));
        services.flat_map(|service| &service.overrides)
    }
}

/// Name, type, five columns of no matter here, program and arguments.
fn service(line: &Read<String>) -> Option<MasterService> {
    let mut rest = line.value.as_str();
    let mut column = || {
        let (word, after) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
        rest = after.trim_start();
        Some(word.to_owned()).filter(|word| !word.is_empty())
    };
    let [name, kind] = [column()?, column()?];
    for _ in 0..5 {
        column()?;
    }
    let program = column()?;
    Some(MasterService { name, kind, program, overrides: overrides(rest, line) })
}

/// `-o name=value`, `-oname=value`, `-o { name = value }`.
fn overrides(arguments: &str, line: &Read<String>) -> Vec<(String, Read<String>)> {
    let mut found = Vec::new();
    let mut rest = arguments.trim_start();
    while !rest.is_empty() {
        let (argument, after) = argument(rest);
        rest = after;
        let Some(setting) = argument.strip_prefix("-o") else { continue };
        let setting = if setting.is_empty() {
            let (setting, after) = self::argument(rest);
            rest = after;
            setting
        } else {
            setting
        };
        if let Some((name, value)) = setting.split_once('=') {
            let value = Read { value: value.trim().to_owned(), at: line.at.clone() };
            found.push((name.trim().to_owned(), value));
        }
    }
    found
}

/// The argument at the start of `text`, without the braces around it, and what follows it.
fn argument(text: &str) -> (&str, &str) {
    if text.starts_with('{')
        && let Ok((inside, after)) = enclosed(text)
    {
        return (inside.trim(), after.trim_start());
    }
    let (word, after) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    (word, after.trim_start())
}
