//! Profiles: the flow tables as data, and their types.
//!
//! A catalogue is TOML, embedded or given with `--catalogue`; a broken one is
//! refused with file, line, column and what is wrong, before anything is probed.

mod asked;
mod party;

use std::fmt::Write as _;
use std::ops::Range;
use std::str::FromStr;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceSpan,
    ThemeCharacters, ThemeStyles,
};
use preflight_checks::{SERVICES, Service, quoted};
use serde::{Deserialize, Deserializer, Serialize};
use toml::Spanned;

pub(crate) use asked::Asker;
pub(crate) use party::{Kept, PARTIES, Party, PartyKind, TargetFlag, is_service, party_kind};

/// One vendor's flow table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Catalogue {
    /// Its name: `i-vertix`.
    pub(crate) profile: String,
    /// The product, for a reader.
    pub(crate) title: String,
    /// The roles a machine may have.
    pub(crate) roles: Vec<Role>,
    /// What stands for "the Internet" when nothing else is given: a host, asked in each of a row's
    /// ways, or a URL, which pins one.
    #[serde(default)]
    pub(crate) internet: Vec<Spanned<String>>,
    /// The rows.
    #[serde(rename = "flow")]
    pub(crate) flows: Vec<Flow>,
    /// Which table it is; no key of the file.
    #[serde(skip)]
    pub(crate) identity: Identity,
}

/// Which flow table a run was made with: two runs of one digest asked by the same rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// The file of `--catalogue`; none: it is built in.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) file: Option<String>,
    /// SHA-256 of the table's text, as `sha256sum` prints it.
    pub(crate) sha256: String,
}

impl Identity {
    fn of(file: &str, text: &str) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
        let mut sha256 = String::new();
        for byte in digest.as_ref() {
            let _infallible = write!(sha256, "{byte:02x}");
        }
        Self { file: Some(preflight_checks::printable(file)), sha256 }
    }
}

/// One row: who opens a connection to whom, and what breaks without it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "a row of a table, as it is written")]
pub(crate) struct Flow {
    /// Stable name: `poller.bbdo`.
    pub(crate) id: Spanned<String>,
    /// Who opens the connection.
    pub(crate) from: Party,
    /// To whom.
    pub(crate) to: Party,
    /// Protocols and ports; one that works suffices.
    pub(crate) ways: Vec<Way>,
    /// A port asked once when the profile's own port fails.
    pub(crate) also_try: Option<u16>,
    /// What a reader should know of that port, once the service is found there.
    pub(crate) also_why: Option<String>,
    /// Does its failure fail the run?
    #[serde(default = "yes")]
    pub(crate) required: bool,
    /// What it is for, in the words of the vendor's own table.
    pub(crate) application: Option<String>,
    /// One sentence for the operator.
    pub(crate) why: String,
    /// What starts it there and shows that it listens; `PORT` is the port that was asked.
    #[serde(default)]
    pub(crate) look_at: String,
    /// Off until this group is asked for.
    pub(crate) group: Option<String>,
    /// Not shown at all while it has no target.
    #[serde(default)]
    pub(crate) only_with_target: bool,
    /// With a VPN it goes through the tunnel and needs no rule of its own.
    #[serde(default)]
    pub(crate) through_vpn: bool,
    /// Used only when the two machines find each other in this way.
    pub(crate) mode: Option<Mode>,
    /// The listener of this machine's files that serves it; without, that of the protocol's name.
    pub(crate) listener: Option<String>,
    /// Of every machine whose own engine asks devices, whatever its role.
    #[serde(default)]
    pub(crate) by_engine: bool,
    /// Until then a closed port is no failure.
    pub(crate) until: Option<Until>,
}

fn yes() -> bool {
    true
}

/// One protocol on one port: `ldaps:636`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    /// The protocol.
    pub(crate) service: &'static Service,
    /// The port.
    pub(crate) port: u16,
}

/// Until when a closed port only waits.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::Display, strum::VariantArray,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub(crate) enum Until {
    /// The far side, or what listens on this machine, comes with the installation.
    Installed,
}

/// Before installation the ports of what it brings may be closed; see [`Until`].
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::Display, strum::EnumString,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub(crate) enum Phase {
    /// Nothing is installed yet.
    Before,
    /// The platform runs, or should.
    After,
}

/// How two machines of the platform find each other; the configuration decides.
///
/// The first four and the fifth are about Gorgone's link, the last two about BBDO's
/// (Centreon's `nagios_server.gorgone_communication_type`, and the broker's streams).
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumString,
    strum::VariantNames,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum Mode {
    /// The central connects by ZMQ.
    Zmq,
    /// The central connects by SSH.
    Ssh,
    /// The poller connects by ZMQ.
    Pull,
    /// The poller connects by WebSocket.
    Pullwss,
    /// The central never connects: a remote server in between does.
    ThroughRemote,
    /// The poller connects to the broker.
    Bbdo,
    /// The broker connects to the poller.
    BbdoReversed,
}

impl Mode {
    /// Are both about the same link?
    pub(crate) fn is_alternative_to(self, other: Self) -> bool {
        let is_broker = |mode| matches!(mode, Self::Bbdo | Self::BbdoReversed);
        is_broker(self) == is_broker(other)
    }

    /// Is it what to expect while no file says otherwise?
    pub(crate) fn is_expected(self) -> bool {
        matches!(self, Self::Zmq | Self::Ssh | Self::Bbdo)
    }

    /// Who connects to whom, as a clause.
    pub(crate) fn clause(self) -> &'static str {
        match self {
            Self::Zmq => "the central connects by ZMQ",
            Self::Ssh => "the central connects by SSH",
            Self::Pull => "the poller connects by ZMQ (pull)",
            Self::Pullwss => "the poller connects by WebSocket (pullwss)",
            Self::ThroughRemote => "its remote server connects, not the central",
            Self::Bbdo => "the poller connects to the broker",
            Self::BbdoReversed => "the broker connects to the poller (reversed)",
        }
    }
}

/// What a machine of the platform is.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumString,
    strum::VariantNames,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase", ascii_case_insensitive)]
pub(crate) enum Role {
    /// The server with the web interface.
    Central,
    /// The server that asks the devices.
    Poller,
    /// A server between the central and its pollers.
    Remote,
}

impl FromStr for Way {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, port) = text.split_once(':').ok_or_else(|| {
            format!("{text} is not of the form protocol:port", text = quoted(text))
        })?;
        let service = service(name).ok_or_else(|| {
            format!(
                "unknown protocol {name}; known are {}",
                service_names().join(", "),
                name = quoted(name)
            )
        })?;
        let port = port
            .parse()
            .ok()
            .filter(|&port| port != 0)
            .ok_or_else(|| format!("{port} is no port (1 to 65535)", port = quoted(port)))?;
        Ok(Self { service, port })
    }
}

impl<'de> Deserialize<'de> for Way {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The service of that name.
pub(crate) fn service(name: &str) -> Option<&'static Service> {
    SERVICES.iter().copied().find(|service| service.name == name)
}

/// What people call the service of that name; of one that a saved report made up, the name.
pub(crate) fn title(name: &str) -> &str {
    service(name).map_or(name, |service| service.title)
}

/// What services are called in ways and in URLs.
pub(crate) fn service_names() -> Vec<&'static str> {
    SERVICES.iter().map(|service| service.name).collect()
}

/// The embedded profiles: name and text.
pub(crate) const PROFILES: &[(&str, &str)] =
    &[("i-vertix", include_str!("i-vertix.toml")), ("centreon", include_str!("centreon.toml"))];

impl Catalogue {
    /// The embedded profile of that name, if there is one.
    pub(crate) fn profile(name: &str) -> Option<Self> {
        let text = PROFILES.iter().find_map(|(known, text)| (*known == name).then_some(*text))?;
        // It parses: a test holds every embedded profile to that.
        let mut profile = Self::parse(&format!("{name}.toml"), text).ok()?;
        profile.identity.file = None;
        Some(profile)
    }

    /// Reads a catalogue; `file` is named in errors.
    ///
    /// # Errors
    ///
    /// [`Broken`] with line, column and reason.
    pub(crate) fn parse(file: &str, text: &str) -> Result<Self, Box<Broken>> {
        let broken = |message: String, at: Option<Range<usize>>| {
            Box::new(Broken::new(file, text, message, at))
        };
        let mut catalogue: Self =
            toml::from_str(text).map_err(|e| broken(e.message().to_owned(), e.span()))?;
        if let Some(wrong) = catalogue.internet.iter().find(|it| !is_place(it.get_ref())) {
            let message = format!("`{}` is neither a host nor a URL", wrong.get_ref());
            return Err(broken(message, Some(wrong.span())));
        }
        let mut known = std::collections::HashSet::new();
        for flow in &catalogue.flows {
            let at = Some(flow.id.span());
            if !known.insert(flow.id.get_ref()) {
                return Err(broken(format!("the id `{}` is used twice", flow.id.get_ref()), at));
            }
            if flow.ways.is_empty() {
                return Err(broken(format!("`{}` has no way", flow.id.get_ref()), at));
            }
        }
        catalogue.identity = Identity::of(file, text);
        Ok(catalogue)
    }
}

fn is_place(text: &str) -> bool {
    match url::Url::parse(text) {
        Ok(url) if text.contains("://") => url.has_host(),
        _ => url::Host::parse(text).is_ok(),
    }
}

/// The names of the embedded profiles.
pub(crate) fn profile_names() -> Vec<&'static str> {
    PROFILES.iter().map(|(name, _)| *name).collect()
}

/// A file that cannot be used: which, where, and what is wrong.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Broken {
    place: String,
    message: String,
    source_code: Option<NamedSource<String>>,
    at: Option<SourceSpan>,
}

impl Broken {
    /// `at`: the bytes of `text` that are to blame.
    pub(crate) fn new(file: &str, text: &str, message: String, at: Option<Range<usize>>) -> Self {
        let place = match &at {
            Some(span) => {
                let (line, column) = position(text, span.start);
                format!("{file}:{line}:{column}")
            }
            None => file.to_owned(),
        };
        Self {
            place,
            message,
            source_code: Some(NamedSource::new(file, text.to_owned())),
            at: at.map(SourceSpan::from),
        }
    }

    /// The same, with another text of the same length above the caret; none: no text.
    pub(crate) fn showing(mut self, text: Option<String>) -> Self {
        self.source_code = text.and_then(|text| {
            let file = self.source_code.take()?;
            Some(NamedSource::new(file.name(), text))
        });
        self.at = self.at.filter(|_| self.source_code.is_some());
        self
    }

    /// File, line and column.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// What is wrong, and the line with a caret under it.
    pub(crate) fn explained(&self) -> String {
        let mut text = preflight_checks::printable(&self.message);
        let mut snippet = String::new();
        let plain =
            GraphicalTheme { characters: ThemeCharacters::unicode(), styles: ThemeStyles::none() };
        let drawn = GraphicalReportHandler::new_themed(plain).render_report(&mut snippet, self);
        if self.at.is_some() && drawn.is_ok() {
            // The first line would say the sentence again.
            for line in snippet.lines().skip_while(|line| !line.contains('╭')) {
                text.push('\n');
                text.push_str(&preflight_checks::printable(line));
            }
        }
        text
    }
}

/// Line and column, counted from 1, of a byte offset.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

impl Diagnostic for Broken {
    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        self.source_code.as_ref().map(|source| source as &dyn miette::SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let at = self.at?;
        Some(Box::new(std::iter::once(LabeledSpan::new_with_span(Some("here".to_owned()), at))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(text: &str) -> String {
        let broken = Catalogue::parse("site.toml", text).unwrap_err();
        format!("{}: {}", broken.place(), broken.explained())
    }

    const ROW: &str = r#"
profile = "x"
title = "X"
roles = ["poller"]

[[flow]]
id = "poller.ntp"
from = "poller"
to = "ntp"
ways = ["ntp:123"]
why = "Time."
"#;

    #[test]
    fn every_embedded_profile_parses() {
        for (name, text) in PROFILES {
            let catalogue = Catalogue::parse(name, text).unwrap();
            assert_eq!(catalogue.profile, *name);
            for flow in &catalogue.flows {
                assert!(flow.why.ends_with('.'), "{}: {}", flow.id.get_ref(), flow.why);
            }
        }
    }

    /// The tables this project exists for, row by row.
    #[test]
    fn every_row_of_the_i_vertix_tables_is_there() {
        let catalogue = Catalogue::profile("i-vertix").unwrap();
        for (id, from, to, ways) in [
            ("central.ntp", "central", "ntp", "ntp:123"),
            ("central.dns", "central", "dns", "dns:53"),
            ("central.smtp", "central", "smtp", "smtp:25"),
            ("central.ldap", "central", "ldap", "ldaps:636 ldap:389"),
            ("central.http", "central", "http", "https:443 http:80"),
            ("poller.ntp", "poller", "ntp", "ntp:123"),
            ("poller.dns", "poller", "dns", "dns:53"),
            ("poller.smtp", "poller", "smtp", "smtp:25"),
            ("poller.http", "poller", "http", "https:443 http:80"),
            ("central.zmq", "central", "poller", "zmq:5666"),
            ("central.ssh", "central", "poller", "ssh:22"),
            ("poller.bbdo", "poller", "central", "bbdo:5669"),
            ("poller.snmp", "poller", "device", "snmp:161"),
            ("poller.trap", "device", "poller", "trap:162"),
            ("poller.nsclient", "poller", "nsclient", "nsclient:8443"),
        ] {
            let flow = catalogue.flows.iter().find(|flow| flow.id.get_ref() == id).unwrap();
            let shown: Vec<String> =
                flow.ways.iter().map(|way| format!("{}:{}", way.service.name, way.port)).collect();
            assert_eq!((flow.from.0.as_str(), flow.to.0.as_str()), (from, to), "{id}");
            assert_eq!(shown.join(" "), ways, "{id}");
        }
    }

    #[test]
    fn an_unknown_protocol_is_refused_with_its_place() {
        let message = broken(&ROW.replace("ntp:123", "gopher:70"));
        assert!(message.starts_with("site.toml:10:8: unknown protocol `gopher`"), "{message}");
        assert!(message.contains("ways = [\"gopher:70\"]"), "{message}");
    }

    #[test]
    fn port_zero_an_unknown_field_and_a_double_id_are_refused() {
        let zero = broken(&ROW.replace("ntp:123", "ntp:0"));
        assert!(zero.contains("`0` is no port"), "{zero}");
        let field = broken(&ROW.replace("why =", "reason =\"\"\nwhy ="));
        assert!(field.starts_with("site.toml:11:1: unknown field `reason`"), "{field}");
        let (head, row) = ROW.split_once("[[flow]]").unwrap();
        let internet = broken(&ROW.replace("roles =", "internet = [\"no host\"]\nroles ="));
        assert!(internet.starts_with("site.toml:4:13: `no host` is neither"), "{internet}");
        let double = broken(&format!("{head}[[flow]]{row}[[flow]]{row}"));
        assert!(
            double.starts_with("site.toml:13:6: the id `poller.ntp` is used twice"),
            "{double}"
        );
    }

    /// `UPDATE_DOCS=1 cargo test` writes the file anew.
    #[test]
    fn the_documentation_shows_the_data() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/flows.md");
        let made = flows_page();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, &made).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), made, "run it with UPDATE_DOCS=1");
    }

    fn flows_page() -> String {
        let mut page = FLOWS_INTRODUCTION.to_owned();
        for name in profile_names() {
            let catalogue = Catalogue::profile(name).unwrap();
            let roles: Vec<String> = catalogue.roles.iter().map(ToString::to_string).collect();
            let internet: Vec<&str> =
                catalogue.internet.iter().map(|host| host.get_ref().as_str()).collect();
            page.extend([format!("\n## Profile `{name}`: {}\n\n", catalogue.title)]);
            page.extend([format!("Roles: {}. ", roles.join(", "))]);
            page.extend([format!("\"Internet\" without `--http`: {}\n\n", internet.join(", "))]);
            page.push_str("| flow | from → to | asked | required | may be closed | why |\n");
            page.push_str("| --- | --- | --- | --- | --- | --- |\n");
            for flow in &catalogue.flows {
                page.push_str(&row(flow));
            }
        }
        page
    }

    fn row(flow: &Flow) -> String {
        let way =
            |way: &Way| format!("{} {} {}", way.service.title, way.service.transport, way.port);
        let mut asked: Vec<String> = flow.ways.iter().map(way).collect();
        asked.extend(flow.also_try.map(|port| format!("once {port} when that fails")));
        let mut notes = vec![if flow.required { "yes".to_owned() } else { "no".to_owned() }];
        notes.extend(flow.group.as_ref().map(|group| format!("`--group {group}`")));
        notes.extend(flow.only_with_target.then(|| format!("only with `{}`", flow.to.flag())));
        let until = flow.until.map_or("never".to_owned(), |until| format!("until {until}"));
        format!(
            "| `{}` | {} → {} | {} | {} | {until} | {} |\n",
            flow.id.get_ref(),
            flow.from.title(),
            flow.to.title(),
            asked.join(" or "),
            notes.join(", "),
            flow.why
        )
    }

    const FLOWS_INTRODUCTION: &str = "\
# The flows

Which connections a platform needs, by profile. The data is
`src/catalogue/*.toml`; this page is made from it and a test holds it to that.
`preflight plan --role ROLE …` prints the rows of one machine with its targets
filled in, and sends nothing. `--catalogue FILE` takes a table of your own in
the same form.

Of several ways in one row, one that works suffices; a URL as target pins one.
\"May be closed until installed\": what listens there is part of the platform, so before
installation a closed port waits for it and fails nothing. Every other row fails in every phase.
In a table of your own that is `until = \"installed\"`; `--until-installed ID` says it of any flow.

A row whose connection is opened by others (a device's traps, the central's ZMQ
on a poller) is shown on the receiving machine too: there preflight looks at
what listens, on which address, and says that the way to it is not tested.
";
}
