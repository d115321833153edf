//! What to do about a cause: who does it, in words, and by which commands.
//!
//! The words of each cause stand beside it, in the file of its section. `docs/causes.md` has the
//! whole story.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::about::Owner;
use super::facts::Transport;

/// Who acts, and what they do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Remedy {
    /// "network team, device 10.9.0.1"
    pub who: String,
    /// What they do, or are asked for: one line, with the commands in it.
    pub text: String,
    /// The same commands by themselves, in the order of the text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<RemedyCommand>,
}

/// A command of a remedy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RemedyCommand {
    /// Where it is run.
    pub on: RunOn,
    /// For a shell; a word in capitals is one that only who runs it can know ([`Blank`]).
    pub run: String,
}

/// The machine that a command is run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RunOn {
    /// This host.
    Here,
    /// The machine that was asked.
    There,
    /// A device on the way.
    Device,
}

/// A word of a command that preflight does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, strum::EnumIter)]
#[strum(serialize_all = "UPPERCASE")]
pub enum Blank {
    /// The port, where none was asked.
    Port,
    /// The systemd unit of a service that the flow table does not name.
    Unit,
    /// The router that a route should lead to.
    Gateway,
    /// A name server.
    Server,
    /// A file of the reader's choice.
    File,
    /// The page that the reader wants.
    Url,
    /// A name that the reader gives to a question of their own.
    Name,
    /// A user of the service.
    User,
    /// A database of that user.
    Database,
    /// Why a flow is left out, in the reader's words.
    Reason,
    /// An address.
    Address,
}

/// Where a failed question was going; what a request to another team must name.
#[derive(Clone, Debug)]
pub struct Passage<'a> {
    /// The address we ask from, when a socket told.
    pub from: Option<IpAddr>,
    /// The same behind address translation, when that is known.
    pub seen_as: Option<IpAddr>,
    /// Address and port, when the name could be resolved.
    pub to: Option<SocketAddr>,
    /// The target as configured.
    pub target: &'a str,
    /// The flow's id.
    pub flow: &'a str,
    /// The protocol's name.
    pub protocol: &'a str,
    /// What `openssl s_client -starttls` calls the protocol; none: it has no such upgrade to TLS.
    pub starttls: Option<&'static str>,
    /// The setting by which the service asked serves its own machine alone, or others too.
    pub serves_others: Option<&'static str>,
    /// The protocol inside TLS that the service has to be asked for by name (ALPN).
    pub alpn: Option<&'static str>,
    /// TCP, UDP or ICMP.
    pub transport: Transport,
    /// The port, when the flow has one.
    pub port: Option<u16>,
    /// What to run on the far side when nothing listens there; `PORT` in it is the port asked.
    pub look_at: &'a str,
    /// Where the target came from.
    pub origin: String,
    /// What the whole step asks for.
    pub asked_for: &'a [Demand],
    /// The server that is meant, and its port, where the target is a proxy on the way to it.
    pub behind: Option<(String, u16)>,
}

/// Something that a step asks of whoever stands in its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Who is asked for it.
    pub of: Owner,
    /// In words: "allow TCP 5669 from 10.2.0.7 to 10.0.0.5".
    pub what: String,
    /// The firewall's rule in it, when one helps: "TCP 5669 from 10.2.0.7 to 10.0.0.5".
    pub rule: Option<String>,
    /// The same for firewalld on the machine that is asked, a rich rule a port.
    pub rich_rules: Vec<String>,
}

impl Remedy {
    /// A remedy without a command.
    #[must_use]
    pub fn in_words(who: String, text: String) -> Self {
        Self { who, text, commands: Vec::new() }
    }
}

/// What to do, before it is said by whom.
#[derive(Clone, Debug, Default)]
pub(super) struct Advice {
    /// Who does it, where that is not simply the cause's owner.
    pub(super) who: Option<String>,
    pieces: Vec<AdvicePiece>,
}

/// A piece of an advice.
#[derive(Clone, Debug)]
enum AdvicePiece {
    Words(String),
    /// What follows is run on the machine asked, which the reader may have to be told.
    OnThatMachine,
    Command(RemedyCommand),
}

/// What a firewall has to let pass for a ping.
pub const ECHO_REQUEST: &str = "ICMP echo request (ping)";

/// Against a certificate that nobody here vouches for.
pub(super) const TRUST: &str = "if it is the right one, trust it: preflight --ca FILE, and for the \
    platform the system's store (update-ca-trust, update-ca-certificates); ";

/// Begins an advice with words.
pub(super) fn say(words: impl Into<String>) -> Advice {
    Advice { who: None, pieces: vec![AdvicePiece::Words(words.into())] }
}

/// One word of a command, whatever it holds: names and addresses of strangers and of files are
/// among them, and the command is there to be copied into a shell.
pub(super) fn word(text: &str) -> Cow<'_, str> {
    let is_plain = |it: char| it.is_alphanumeric() || "@%_+=:,./-[]".contains(it);
    if !text.is_empty() && text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("'{}'", text.replace('\'', r"'\''")))
}

/// A question as `dig` takes it: the name, and the type if one is given.
pub(super) fn question_for_dig(text: &str) -> String {
    match text.rsplit_once(' ') {
        Some((name, kind)) if kind.chars().all(|it| it.is_ascii_alphanumeric()) => {
            format!("{} {kind}", word(name))
        }
        _ => word(text).into_owned(),
    }
}

/// The name of a table, zone or interface in a command whose program has a language of its own,
/// so that quotes for the shell are not enough: what is not a name is left for the reader to fill in.
pub(super) fn name_of(text: &str) -> Cow<'_, str> {
    let is_plain = |it: char| it.is_ascii_alphanumeric() || "_.@:+/-".contains(it);
    if !text.is_empty() && !text.starts_with('-') && text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(Blank::Name.to_string())
}

impl Advice {
    /// Goes on with words.
    pub(super) fn then(self, words: &str) -> Self {
        self.with(AdvicePiece::Words(words.to_owned()))
    }

    /// Goes on with a command for this host.
    pub(super) fn here(self, run: impl Into<String>) -> Self {
        self.run(RunOn::Here, run.into())
    }

    /// Goes on with a command for the machine that was asked.
    pub(super) fn there(self, run: impl Into<String>) -> Self {
        self.run(RunOn::There, run.into())
    }

    /// Goes on with a command for the machine that was asked, and says that it is for that one:
    /// "", or a colon where it is this host.
    pub(super) fn on_that_machine(self, run: impl Into<String>) -> Self {
        self.with(AdvicePiece::OnThatMachine).there(run)
    }

    /// Goes on with a command for a device on the way.
    pub(super) fn on_device(self, run: impl Into<String>) -> Self {
        self.run(RunOn::Device, run.into())
    }

    fn run(self, on: RunOn, run: String) -> Self {
        self.with(AdvicePiece::Command(RemedyCommand { on, run }))
    }

    fn with(mut self, piece: AdvicePiece) -> Self {
        self.pieces.push(piece);
        self
    }

    /// The same commands, all of them for that machine.
    pub(super) fn moved_to(mut self, on: RunOn) -> Self {
        for piece in &mut self.pieces {
            if let AdvicePiece::Command(command) = piece {
                command.on = on;
            }
        }
        self
    }

    /// Names who does it.
    pub(super) fn by(self, who: String) -> Self {
        Self { who: Some(who), ..self }
    }

    /// The whole remedy; `owner` does it at `target`, if the advice names nobody else.
    pub(super) fn of(self, owner: Owner, target: &str) -> Remedy {
        let Self { who, pieces } = self;
        let who = who.unwrap_or_else(|| owner.who(target));
        let is_here = owner == Owner::ThisHost;
        let mut remedy = Remedy::in_words(who, String::new());
        for piece in pieces {
            match piece {
                AdvicePiece::Words(words) => remedy.text.push_str(&words),
                AdvicePiece::OnThatMachine if is_here => remedy.text.push_str(": "),
                AdvicePiece::OnThatMachine => remedy.text.push_str("; on that machine: "),
                AdvicePiece::Command(mut command) => {
                    if is_here {
                        command.on = RunOn::Here;
                    }
                    remedy.text.push_str(&command.run);
                    remedy.commands.push(command);
                }
            }
        }
        remedy
    }
}

impl Owner {
    /// Who that is, in words; `target` is what the far side is called.
    #[must_use]
    pub fn who(self, target: &str) -> String {
        use super::about::Whereabouts::{At, AtOrBefore, AtOrBehind, Unknown};
        match self {
            Self::ThisHost => "you, on this host".to_owned(),
            Self::FarSide => format!("the administrator of {target}"),
            Self::Network(At(device)) => format!("network team, device {device}"),
            Self::Network(AtOrBehind(last)) => format!("network team, at {last} or behind it"),
            Self::Network(AtOrBefore(first)) => format!("network team, at {first} or before it"),
            Self::Network(Unknown) => "network team".to_owned(),
            Self::Nobody => "nobody".to_owned(),
        }
    }
}

impl<'a> Passage<'a> {
    /// Does the question stay on this host? An address of its own is asked from that same address.
    #[must_use]
    pub fn is_here(&self) -> bool {
        self.to.is_some_and(|to| to.ip().is_loopback() || self.from == Some(to.ip()))
    }

    /// Who acts where elsewhere `owner` would: nothing on the way to this host itself, and nobody
    /// else at its end.
    pub(super) fn owner(&self, owner: Owner) -> Owner {
        match owner {
            Owner::FarSide | Owner::Network(_) if self.is_here() => Owner::ThisHost,
            elsewhere => elsewhere,
        }
    }

    /// What `owner` has to open: "TCP 5669 from 10.2.0.7 to 10.0.0.5".
    pub(super) fn rule(&self, owner: Owner) -> String {
        let rules: Vec<&str> =
            self.demands_of(owner).filter_map(|demand| demand.rule.as_deref()).collect();
        if rules.is_empty() { self.own_rule() } else { rules.join(" and ") }
    }

    fn demands_of(&self, owner: Owner) -> impl Iterator<Item = &'a Demand> {
        self.asked_for.iter().filter(move |demand| demand.of == owner)
    }

    /// What lets this one question pass, for a cause that is no firewall's.
    pub(super) fn own_rule(&self) -> String {
        let to = self.address();
        let seen = self.seen_as.map(|seen| format!(" (seen as {seen})")).unwrap_or_default();
        let what = match self.transport {
            Transport::Icmp => ECHO_REQUEST.to_owned(),
            over => format!("{over} {}", self.port()),
        };
        format!("{what} from {}{seen} to {to}", self.from())
    }

    /// What tcpdump has to look for.
    pub(super) fn filter(&self) -> String {
        match self.transport {
            Transport::Icmp => "icmp or icmp6".to_owned(),
            Transport::Tcp | Transport::Udp => format!("port {}", self.port()),
        }
    }

    /// Our address, or words for it.
    pub(super) fn from(&self) -> String {
        self.from.map_or_else(|| "this host".to_owned(), |from| from.to_string())
    }

    /// The address asked, or the target as it was given.
    pub(super) fn address(&self) -> String {
        self.to.map_or_else(|| self.target.to_owned(), |to| to.ip().to_string())
    }

    /// The port that was asked, or its blank.
    pub(super) fn port(&self) -> String {
        let port = self.to.map(|to| to.port()).or(self.port);
        port.map_or_else(|| Blank::Port.to_string(), |port| port.to_string())
    }

    /// "tcp" and "udp" as the flags of `ss`, with the port that was asked.
    pub(super) fn listeners(&self) -> String {
        let flag = if self.transport == Transport::Udp { 'u' } else { 't' };
        format!("ss -l{flag}np 'sport = :{}'", self.port())
    }

    /// What starts the service and shows that it listens, on the machine it belongs to.
    pub(super) fn start(&self) -> String {
        match self.look_at {
            "" => format!("systemctl enable --now {}; {}", Blank::Unit, self.listeners()),
            look_at => look_at.replace(&Blank::Port.to_string(), &self.port()),
        }
    }

    /// Shows what certificates the server sends.
    pub(super) fn openssl(&self) -> String {
        let starttls = self.starttls.map(|name| format!(" -starttls {name}")).unwrap_or_default();
        let alpn = self.alpn.map(|name| format!(" -alpn {name}")).unwrap_or_default();
        let (target, port) = (word(self.target), self.port());
        format!("openssl s_client -connect {target}:{port}{starttls}{alpn} -showcerts")
    }

    /// The commands for firewalld on the machine that is asked, each for our address alone.
    pub(super) fn firewalld(&self, owner: Owner) -> Option<String> {
        let rules = self.demands_of(owner).flat_map(|demand| &demand.rich_rules);
        let mut commands: Vec<String> = rules
            .map(|rule| format!("firewall-cmd --permanent --add-rich-rule='{rule}'"))
            .collect();
        if commands.is_empty() {
            return None;
        }
        commands.push("firewall-cmd --reload".to_owned());
        Some(commands.join("; "))
    }

    /// The passage of a question to a name server of this host.
    pub(super) fn to_name_server(&self, server: IpAddr) -> Self {
        let (transport, port, look_at) = (Transport::Udp, 53, "");
        let to = Some(SocketAddr::new(server, port));
        Self { to, protocol: "dns", transport, port: Some(port), look_at, ..self.clone() }
    }

    /// The same question over that transport alone.
    pub(super) fn over(&self, transport: Transport) -> Self {
        Self { transport, look_at: "", ..self.clone() }
    }

    /// The passage to the server that is meant, behind the proxy that was asked.
    pub(super) fn to_server(&'a self) -> Option<Passage<'a>> {
        let (server, port) = self.behind.as_ref()?;
        Some(Passage { target: server, to: None, port: Some(*port), ..self.clone() })
    }
}

#[cfg(test)]
mod tests;
