//! What files say: the facts every source hands on, each with the line it was read from.
//!
//! Plain values, no judgement: what follows from them for a role is decided in
//! [`mod@super::super::join`], and what contradicts itself in [`super::super::mistake`].

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

pub(crate) use crate::catalogue::Mode;
use crate::catalogue::{Release, Role};
pub(crate) use crate::site::Family;
use crate::site::Place;

/// A file of the machine, and a line of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct At {
    /// `/etc/chrony.conf`; also the name of a variable (`$https_proxy`) or command.
    pub(crate) file: Arc<str>,
    /// Counted from 1; none: the file as a whole.
    pub(crate) line: Option<u32>,
}

impl At {
    /// A file as a whole.
    pub(crate) fn file(file: &str) -> Self {
        Self { file: Arc::from(file), line: None }
    }
}

impl serde::Serialize for At {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// Reads what it is written as: a number behind the last colon is the line.
impl<'de> serde::Deserialize<'de> for At {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let line = text.rsplit_once(':').and_then(|(file, line)| Some((file, line.parse().ok()?)));
        Ok(match line {
            Some((file, line)) => Self { file: Arc::from(file), line: Some(line) },
            None => Self::file(&text),
        })
    }
}

impl fmt::Display for At {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whoever can make a file there chose its name.
        let file = preflight_checks::printable(&self.file);
        match self.line {
            Some(line) => write!(out, "{file}:{line}"),
            None => out.write_str(&file),
        }
    }
}

/// A value, and where it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Read<T> {
    /// The value.
    pub(crate) value: T,
    /// Where it was read.
    pub(crate) at: At,
}

/// Something that could not be read, and what it would have told.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Note {
    /// The file, and the line when one is at fault.
    pub(crate) at: At,
    /// What is wrong with it: "permission denied; …", "line 7: no host after `server`".
    pub(crate) reason: String,
    /// What it would have told, as a noun phrase: "the time servers".
    pub(crate) missing: &'static str,
}

/// Everything that was found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// What says which role this machine has; the first is the best word.
    pub(crate) roles: Vec<RoleSign>,
    /// What says whose product is installed, and in which version; the first is the best word.
    pub(crate) vendors: Vec<VendorSign>,
    /// Time servers.
    pub(crate) time: Vec<TimeSource>,
    /// Clocks that are attached to this machine: `PHC /dev/ptp0`.
    pub(crate) clocks: Vec<Read<String>>,
    /// Web servers that are asked for the time of day, as a bound for what time servers say.
    pub(crate) time_bounds: Vec<Read<Place>>,
    /// The programs that may set this machine's clock.
    pub(crate) time_clients: Vec<TimeClient>,
    /// Name servers, as programs of this machine use them.
    pub(crate) names: Vec<Read<Place>>,
    /// How mail leaves this machine, in the order it is tried.
    pub(crate) mail: Vec<Mail>,
    /// Lines that their programs refuse.
    pub(crate) refused: Vec<RefusedLine>,
    /// Enabled package repositories.
    pub(crate) repositories: Vec<Repository>,
    /// Proxies that programs of this machine are told to use.
    pub(crate) proxies: Vec<ProxySetting>,
    /// Gorgone's configuration.
    pub(crate) gorgone: Option<Gorgone>,
    /// Each broker configuration: of cbd and of the engine's module.
    pub(crate) brokers: Vec<Broker>,
    /// The engine's main file.
    pub(crate) engine: Option<Engine>,
    /// Monitored hosts with an address, templates resolved.
    pub(crate) devices: Vec<Device>,
    /// Who receives traps.
    pub(crate) traps: Option<TrapReceiver>,
    /// Monitoring agents (OpenTelemetry).
    pub(crate) agents: Option<AgentReceiver>,
    /// The monitoring agent of this machine itself.
    pub(crate) own_agent: Option<OwnAgent>,
    /// `NSClient++` of this machine itself.
    pub(crate) nsclient: Option<NsclientServer>,
    /// Databases of the platform, wherever they are.
    pub(crate) databases: Vec<Read<Place>>,
    /// Directories users log in with.
    pub(crate) directories: Vec<Directory>,
    /// Pollers and remote servers this central knows.
    pub(crate) machines: Vec<Machine>,
    /// The proxy entered in the web interface, as it was entered.
    pub(crate) web_proxy: Option<Read<String>>,
    /// What could not be read.
    pub(crate) notes: Vec<Note>,
}

impl Facts {
    /// The version of the platform, as the best sign that tells one says.
    pub(crate) fn platform_version(&self) -> Option<Release> {
        self.vendors.iter().find_map(|sign| sign.version)
    }
}

/// A sign of the vendor, and perhaps of the version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VendorSign {
    /// The profile with the vendor's flow tables.
    pub(crate) profile: &'static str,
    /// The version of the platform.
    pub(crate) version: Option<Release>,
    /// Where it was read.
    pub(crate) at: At,
    /// What tells it: a host, a package and its version.
    pub(crate) because: String,
}

/// A sign of the role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RoleSign {
    /// The role.
    pub(crate) role: Role,
    /// File and line.
    pub(crate) at: At,
    /// What says so: `$instance_mode`, `module nodes`.
    pub(crate) because: String,
    /// Is it the product's own word (`$instance_mode`), or concluded from what is there?
    pub(crate) is_explicit: bool,
}

/// A time server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "words of its line, each by itself")]
pub(crate) struct TimeSource {
    /// Where it stands.
    pub(crate) place: Place,
    /// Where it was read.
    pub(crate) at: At,
    /// Whose configuration it is: `chrony`, `ntp`, `ntpsec`, `timesyncd`.
    pub(crate) daemon: &'static str,
    /// A name behind which there are many servers, or only asked when no other is known.
    pub(crate) is_pool: bool,
    /// Only asked when no other is known: `FallbackNTP=`.
    pub(crate) is_fallback: bool,
    /// Asked at the start only: `initstepslew`.
    pub(crate) is_once: bool,
    /// Its keys come by NTS, over TCP from this port.
    pub(crate) nts: Option<u16>,
    /// The files of certificates that its client trusts for that.
    pub(crate) trusted: Vec<String>,
    /// Are those the only ones? Else the system's too.
    pub(crate) only_trusted: bool,
    /// The address of ours it is asked from.
    pub(crate) from: Option<IpAddr>,
}

impl TimeSource {
    /// A server of which nothing else is said.
    pub(crate) fn of(place: Place, daemon: &'static str, at: At) -> Self {
        Self {
            place,
            at,
            daemon,
            is_pool: false,
            is_fallback: false,
            is_once: false,
            nts: None,
            trusted: Vec::new(),
            only_trusted: false,
            from: None,
        }
    }
}

/// A program that may set this machine's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeClient {
    /// What the program is called.
    pub(crate) name: &'static str,
    /// How far from a good clock a server may be for it (root distance).
    pub(crate) max_distance: Duration,
}

/// A way mail leaves this machine, and which mail takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mail {
    /// The mail program: `postfix`, `exim`, `msmtp`.
    pub(crate) program: &'static str,
    /// To whom it is handed.
    pub(crate) to: MailTo,
    /// The part of the mail that goes there.
    pub(crate) share: Share,
    /// When TLS begins.
    pub(crate) tls: MailTls,
    /// Does it log in there?
    pub(crate) login: bool,
    /// The addresses of ours it leaves from; empty: as the kernel chooses.
    pub(crate) from: Vec<IpAddr>,
    /// Only addresses of this kind are connected to; none: of both.
    pub(crate) family: Option<Family>,
    /// Who is asked for its relay's name.
    pub(crate) lookup: HostLookup,
    /// Where it was read.
    pub(crate) at: At,
}

/// Who is asked for the name of a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum HostLookup {
    /// The system, as `/etc/nsswitch.conf` has it.
    #[default]
    System,
    /// The DNS alone.
    Dns,
    /// The DNS alone, where a name without a dot is first one of this machine's own domain.
    DnsDomain,
    /// The DNS, and the system where the DNS does not know the name.
    DnsFirst,
}

/// To whom mail is handed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MailTo {
    /// A relay.
    Relay {
        /// Where it stands.
        place: Place,
        /// It is a domain whose mail servers (MX) are asked, not a host.
        by_mx: bool,
    },
    /// Each receiver's own server, on port 25.
    Receivers,
    /// Nobody, and why: "its transport is `error`".
    Nobody(String),
}

/// Which mail goes a way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    /// All that no other way takes.
    Rest,
    /// Some of it: "to corp.example", "from alerts@corp.example".
    Some(String),
    /// What the way before it could not take.
    Fallback,
}

impl Mail {
    /// A way of all mail, of which nothing else is said: TLS when it is offered.
    pub(crate) fn of(program: &'static str, to: MailTo, at: At) -> Self {
        let (share, tls) = (Share::Rest, MailTls::IfOffered);
        Self {
            program,
            to,
            share,
            tls,
            login: false,
            from: Vec::new(),
            family: None,
            lookup: HostLookup::System,
            at,
        }
    }

    /// The relay, if mail goes to one.
    pub(crate) fn relay(&self) -> Option<&Place> {
        match &self.to {
            MailTo::Relay { place, .. } => Some(place),
            MailTo::Receivers | MailTo::Nobody(_) => None,
        }
    }
}

/// A line for which its program does not start, or stops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RefusedLine {
    /// The program: `chronyd`, `postfix`.
    pub(crate) program: &'static str,
    /// Why, as a clause: "a comment needs a line of its own".
    pub(crate) reason: String,
    /// The line that the program refuses.
    pub(crate) at: At,
}

impl RefusedLine {
    /// The line that `program` refuses, whose value is the reason.
    pub(crate) fn of(program: &'static str, reason: Read<String>) -> Self {
        Self { program, reason: reason.value, at: reason.at }
    }
}

/// When TLS begins with a mail relay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, strum::Display)]
pub(crate) enum MailTls {
    /// Never.
    #[strum(serialize = "off")]
    No,
    /// If the server offers it.
    #[default]
    #[strum(serialize = "if offered")]
    IfOffered,
    /// Always, by STARTTLS.
    #[strum(serialize = "by STARTTLS")]
    StartTls,
    /// Always, from the first byte.
    #[strum(serialize = "from the first byte")]
    FromStart,
}

/// An enabled package repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Repository {
    /// Its name: `[baseos]`, `bookworm-security`.
    pub(crate) name: String,
    /// A small file in it that must be there: `…/repodata/repomd.xml`, `…/InRelease`,
    /// or the mirror list itself.
    pub(crate) url: Url,
    /// Is it a list of mirrors?
    pub(crate) is_mirror_list: bool,
    /// Where it was read.
    pub(crate) at: At,
    /// The proxy its own configuration names; none: as for every other program.
    pub(crate) proxy: Option<Route>,
    /// The certificate that its server asks a client for: nothing is fetched without it.
    pub(crate) certificate: Option<Read<String>>,
}

/// Through which proxy something goes, or why through none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// Through this one.
    Proxy(ProxySetting),
    /// Straight, though there is a proxy: a setting says so, and its token (`.corp.example`).
    Straight {
        /// The token of `no_proxy`, or `DIRECT`, or `_none_`.
        token: String,
        /// Where it was read.
        at: At,
    },
}

/// A proxy a program is told to use; user and password are kept apart from the address.
#[derive(Clone, Debug)]
pub(crate) struct ProxySetting {
    /// Its address, without user and password: `http://proxy.corp.example:3128`.
    pub(crate) url: Url,
    /// The user, when one was set.
    pub(crate) user: Option<String>,
    /// The user's password.
    pub(crate) password: Option<SecretString>,
    /// For URLs of which scheme (`http`, `https`); none: all.
    pub(crate) scheme: Option<String>,
    /// Whose setting it is: `environment`, `dnf`, `apt`, `gorgoned`.
    pub(crate) program: String,
    /// Hosts that are not asked through it, each as written.
    pub(crate) except: Vec<Read<String>>,
    /// Where it was read.
    pub(crate) at: At,
}

impl PartialEq for ProxySetting {
    fn eq(&self, other: &Self) -> bool {
        (&self.url, &self.user, &self.scheme, &self.program, &self.at)
            == (&other.url, &other.user, &other.scheme, &other.program, &other.at)
    }
}

impl Eq for ProxySetting {}

/// Gorgone's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gorgone {
    /// Its main file.
    pub(crate) at: At,
    /// Where it listens for other Gorgones (`external_com_path`); none: nowhere.
    pub(crate) listens: Option<Read<Listen>>,
    /// Its HTTP interface, for this machine only (`httpserver`).
    pub(crate) api: Option<Api>,
    /// The central it fetches its orders from (module `pull`).
    pub(crate) pull: Option<Read<Place>>,
    /// The same by WebSocket (module `pullwss`).
    pub(crate) pullwss: Option<Pullwss>,
    /// Where a central listens for WebSocket pollers (`proxy.httpserver`).
    pub(crate) pullwss_server: Option<Read<Listen>>,
    /// Nodes named in a file (module `register`).
    pub(crate) nodes: Vec<Machine>,
    /// Modules that are switched on: `action`, `nodes`, `engine`, …
    pub(crate) modules: Vec<Read<String>>,
    /// Where a part of its configuration could not be read: what is not above may be there.
    pub(crate) unknown: Option<At>,
}

impl Gorgone {
    /// The module by which it connects to its central instead of waiting for it, whether or not its address
    /// could be read.
    pub(crate) fn puller(&self) -> Option<(Mode, &At)> {
        let module = |name, mode| {
            let found = self.modules.iter().find(|module| module.value == name)?;
            Some((mode, &found.at))
        };
        module("pullwss", Mode::Pullwss).or_else(|| module("pull", Mode::Pull))
    }
}

/// Gorgone's HTTP interface.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    /// Where it listens.
    pub(crate) listens: Read<Listen>,
    /// User and password, when a caller needs them.
    pub(crate) login: Option<(String, SecretString)>,
}

impl PartialEq for Api {
    fn eq(&self, other: &Self) -> bool {
        self.listens == other.listens
    }
}

impl Eq for Api {}

/// Where something listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listen {
    /// The address; none: on all of them.
    pub(crate) host: Option<String>,
    /// The port.
    pub(crate) port: u16,
    /// With TLS?
    pub(crate) tls: bool,
}

/// Module `pullwss`: the central fetched from by WebSocket.
#[derive(Clone, Debug)]
pub(crate) struct Pullwss {
    /// The central.
    pub(crate) place: Place,
    /// Over TLS?
    pub(crate) tls: bool,
    /// The path of the WebSocket; `/` when none is set.
    pub(crate) path: String,
    /// The proxy, when one is set; its scheme is kept as written.
    pub(crate) proxy: Option<Read<String>>,
    /// What it proves itself with.
    pub(crate) token: Option<SecretString>,
    /// Where it was read.
    pub(crate) at: At,
}

impl PartialEq for Pullwss {
    fn eq(&self, other: &Self) -> bool {
        (&self.place, self.tls, &self.path, &self.proxy, &self.at)
            == (&other.place, other.tls, &other.path, &other.proxy, &other.at)
    }
}

impl Eq for Pullwss {}

/// A poller or remote server, as a central knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Machine {
    /// Its number in the platform.
    pub(crate) id: Option<u64>,
    /// The name it goes by.
    pub(crate) name: String,
    /// Poller or remote.
    pub(crate) role: Role,
    /// Its address; the host is empty where only its number is named: it connects
    /// by itself, or is reached through a remote server.
    pub(crate) place: Place,
    /// How it is reached, when that is known; the port is in `place`.
    pub(crate) mode: Option<Mode>,
    /// Where it was read.
    pub(crate) at: At,
}

/// A broker configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broker {
    /// File and line.
    pub(crate) at: At,
    /// `central-broker-master`
    pub(crate) name: String,
    /// Is it loaded by the engine, rather than run by cbd?
    pub(crate) is_module: bool,
    /// The poller it belongs to.
    pub(crate) poller_id: Option<NonZeroU64>,
    /// `3.1.0`; none: the default of this broker's version.
    pub(crate) bbdo_version: Option<Read<String>>,
    /// Inputs and outputs that speak BBDO over a network; files and databases are not here.
    pub(crate) streams: Vec<StreamFacts>,
}

/// One BBDO input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StreamFacts {
    /// `central-broker-master-input`
    pub(crate) name: String,
    /// Does data leave through it?
    pub(crate) is_output: bool,
    /// The peer connected to; none: it listens.
    pub(crate) host: Option<String>,
    /// The address it listens on, when it listens on one only.
    pub(crate) listens_on: Option<String>,
    /// The port.
    pub(crate) port: u16,
    /// gRPC instead of plain TCP?
    pub(crate) grpc: bool,
    /// TLS: yes, no, or as the peer wants.
    pub(crate) tls: Option<bool>,
    /// Files that TLS needs, by their key: `public_cert`, `private_key`, `ca_certificate`.
    pub(crate) tls_files: Vec<(String, Read<String>)>,
    /// The name that the peer's certificate has to have.
    pub(crate) tls_hostname: Option<String>,
    /// Compression: yes, no, or as the peer wants.
    pub(crate) compression: Option<bool>,
    /// `one_peer_retention_mode`: it keeps its data for one peer, who connects.
    pub(crate) retention: bool,
    /// Where it was read: the line of its name.
    pub(crate) at: At,
}

/// The engine's main file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Engine {
    /// The file.
    pub(crate) at: At,
    /// The broker configurations it loads.
    pub(crate) broker_files: Vec<Read<String>>,
    /// Does it send notifications itself (`enable_notifications`)?
    pub(crate) notifies: Option<Read<bool>>,
    /// The file of its OpenTelemetry module, if it loads one.
    pub(crate) agents_file: Option<Read<String>>,
}

/// A monitored host.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    /// `host_name`
    pub(crate) name: String,
    /// `address`
    pub(crate) address: String,
    /// The template it directly uses, if any.
    pub(crate) template: Option<Arc<str>>,
    /// Is it asked by SNMP, and with what?
    pub(crate) snmp: Option<Arc<SnmpMacros>>,
    /// Is it asked through the API of `NSClient++`?
    pub(crate) nsclient: bool,
    /// Where it was read.
    pub(crate) at: At,
    /// Has it Centreon's own monitoring agent, which connects to the poller?
    pub(crate) agent: bool,
}

/// What the engine would ask an agent with; own macros first, then the templates'.
#[derive(Clone, Debug, Default)]
pub(crate) struct SnmpMacros {
    /// `_SNMPVERSION`: 1, 2c, 3.
    pub(crate) version: Option<String>,
    /// `_SNMPCOMMUNITY`
    pub(crate) community: Option<SecretString>,
    /// The port, when an option names one.
    pub(crate) port: Option<u16>,
    /// Of `_SNMPEXTRAOPTIONS`: `--snmp-username` and what belongs to it.
    pub(crate) user: Option<SnmpUser>,
}

/// A user of SNMP v3, as the plugins' options name it.
#[derive(Clone, Debug)]
pub(crate) struct SnmpUser {
    /// `--snmp-username`
    pub(crate) name: String,
    /// `--authprotocol` and `--authpassphrase`
    pub(crate) auth: Option<(String, SecretString)>,
    /// `--privprotocol` and `--privpassphrase`
    pub(crate) privacy: Option<(String, SecretString)>,
}

/// Who receives traps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TrapReceiver {
    /// Where it listens, as `snmpTrapdAddr` or its options say; empty: all addresses, UDP 162.
    pub(crate) listens: Vec<Read<Listen>>,
    /// Are traps handed on to Centreon (`traphandle … centreontrapdforward`)?
    pub(crate) forwards: Option<Read<String>>,
    /// Rules that hand on what devices send to a port it listens on.
    pub(crate) redirects: Vec<Read<Redirect>>,
    /// Where it was read.
    pub(crate) at: At,
}

/// What comes to one port is handed on to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Redirect {
    /// The port others send to.
    pub(crate) from: u16,
    /// The port something listens on.
    pub(crate) to: u16,
}

/// `otl_server.json`: agents connect here, or are connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AgentReceiver {
    /// Where agents connect to.
    pub(crate) listens: Option<Read<Listen>>,
    /// Agents that are connected to (`reverse_connections`).
    pub(crate) reversed: Vec<Read<Place>>,
    /// Where it was read.
    pub(crate) at: At,
}

/// `centagent.json`: the monitoring agent of this machine itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OwnAgent {
    /// The poller, or where the agent waits for it.
    pub(crate) endpoint: Read<Place>,
    /// Does the poller connect to it?
    pub(crate) waits: bool,
    /// With TLS?
    pub(crate) tls: bool,
}

/// `nsclient.ini`: who may ask this machine, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NsclientServer {
    /// Each server that is switched on, by its module: `WEBServer`.
    pub(crate) listens: Vec<(&'static str, Read<Listen>)>,
    /// Hosts that are let in.
    pub(crate) allowed: Vec<Read<String>>,
}

/// A directory users log in with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Directory {
    /// Where it stands; the port is the configured one.
    pub(crate) place: Place,
    /// TLS from the first byte.
    pub(crate) ldaps: bool,
    /// TLS by StartTLS.
    pub(crate) start_tls: bool,
    /// Where it was read.
    pub(crate) at: At,
}
