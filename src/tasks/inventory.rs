//! `preflight discover`: everything a machine's files say, each with its line.
//!
//! A stranger may read it over the administrator's shoulder: of a secret only
//! that there is one is shown.

mod page;

use preflight_checks::{discreet, discreet_text, discreet_value, printable};
use serde::Serialize;

use crate::site::Place;
use crate::site::discover::facts::{
    Broker, Device, Facts, Gorgone, HostLookup, Listen, Machine, Mail, MailTo, ProxySetting, Read,
    Repository, Route, Share, StreamFacts,
};
use crate::site::discover::{At, Note};
use crate::site::mistake::Mistake;
pub(crate) use page::write;

/// Everything that was found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Inventory {
    /// The copy of another machine's files, when it is not this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) root: Option<String>,
    /// One entry a fact.
    pub(crate) found: Vec<InventoryEntry>,
    /// What contradicts itself.
    pub(crate) mistakes: Vec<Mistake>,
    /// What could not be read.
    pub(crate) notes: Vec<Note>,
}

/// One fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct InventoryEntry {
    /// What it is: `time server`.
    pub(crate) what: &'static str,
    /// Its value: `10.0.0.3`.
    pub(crate) value: String,
    /// More about it: `chrony, pool`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) more: String,
    /// Where it was read.
    pub(crate) origin: At,
}

impl Inventory {
    /// What `facts` say, in the order of the flow tables.
    pub(crate) fn of(facts: &Facts, mistakes: Vec<Mistake>, root: Option<String>) -> Self {
        let mut found = Vec::new();
        found.extend(
            facts
                .roles
                .iter()
                .map(|sign| entry("role", sign.role.to_string(), sign.because.clone(), &sign.at)),
        );
        found.extend(facts.vendors.iter().map(|sign| {
            let version = sign.version.map(|version| format!(" {version}")).unwrap_or_default();
            entry("vendor", format!("{}{version}", sign.profile), &sign.because, &sign.at)
        }));
        found.extend(basics(facts));
        found.extend(facts.proxies.iter().map(|setting| proxy("proxy", setting)));
        found.extend(facts.repositories.iter().map(repository));
        found.extend(platform(facts));
        found.extend(facts.devices.iter().map(device));
        Self { root, found, mistakes, notes: facts.notes.clone() }
    }
}

fn entry(
    what: &'static str,
    value: impl AsRef<str>,
    more: impl AsRef<str>,
    at: &At,
) -> InventoryEntry {
    let value = printable(&discreet_value(value.as_ref()));
    let more = printable(&discreet_text(more.as_ref()));
    InventoryEntry { what, value, more, origin: at.clone() }
}

/// Words that hold, with commas between.
fn words<const N: usize>(words: [(bool, &str); N]) -> String {
    let held: Vec<&str> = words.iter().filter(|(holds, _)| *holds).map(|(_, word)| *word).collect();
    held.join(", ")
}

fn basics(facts: &Facts) -> Vec<InventoryEntry> {
    let time = facts.time.iter().map(|source| {
        let keys = source.nts.map(|port| format!("keys by NTS from {port}/tcp"));
        let from = source.from.map(|own| format!("from {own}"));
        let more = words([
            (true, source.daemon),
            (source.is_pool, "pool"),
            (source.is_once, "at the start only"),
            (keys.is_some(), keys.as_deref().unwrap_or_default()),
            (from.is_some(), from.as_deref().unwrap_or_default()),
            (source.is_fallback, "only if no other is known"),
        ]);
        entry("time server", shown(&source.place), more, &source.at)
    });
    let names =
        facts.names.iter().map(|server| entry("name server", shown(&server.value), "", &server.at));
    let clocks =
        facts.clocks.iter().map(|clock| entry("reference clock", &clock.value, "", &clock.at));
    let bounds = facts.time_bounds.iter().map(|bound| {
        entry("time server", shown(&bound.value), "asked for the time of day", &bound.at)
    });
    time.chain(bounds).chain(clocks).chain(names).chain(facts.mail.iter().map(mail)).collect()
}

fn mail(mail: &Mail) -> InventoryEntry {
    let value = match &mail.to {
        MailTo::Relay { place, .. } => shown(place),
        MailTo::Receivers => "none: each mail goes to its receiver's server".to_owned(),
        MailTo::Nobody(_) => "none: no mail leaves this machine".to_owned(),
    };
    let share = match &mail.share {
        Share::Rest => String::new(),
        Share::Some(which) => format!("mail {which}"),
        Share::Fallback => "if the one before cannot be reached".to_owned(),
    };
    let why = if let MailTo::Nobody(reason) = &mail.to { reason.as_str() } else { "" };
    let tls = format!("TLS {}", mail.tls);
    let family = mail.family.map(|family| format!("by {family} only")).unwrap_or_default();
    let own: Vec<String> = mail.from.iter().map(ToString::to_string).collect();
    let own = format!("from {}", own.join(" "));
    let is_named = mail.relay().is_some_and(Place::is_name);
    let more = words([
        (true, mail.program),
        (!share.is_empty(), &share),
        (!why.is_empty(), why),
        (matches!(mail.to, MailTo::Relay { by_mx: true, .. }), "its mail servers (MX)"),
        (why.is_empty(), &tls),
        (mail.login, "with a login"),
        (
            matches!(mail.lookup, HostLookup::Dns | HostLookup::DnsDomain) && is_named,
            "found by the DNS alone",
        ),
        (mail.lookup == HostLookup::DnsFirst && is_named, "found by the DNS before /etc/hosts"),
        (!family.is_empty(), &family),
        (!mail.from.is_empty(), &own),
    ]);
    entry("mail relay", value, more, &mail.at)
}

fn proxy(what: &'static str, setting: &ProxySetting) -> InventoryEntry {
    let scheme = setting.scheme.as_ref().map(|scheme| format!("for {scheme}"));
    let except: Vec<&str> = setting.except.iter().map(|token| token.value.as_str()).collect();
    let except = format!("not for {}", except.join(" "));
    let more = words([
        (true, setting.program.as_str()),
        (scheme.is_some(), scheme.as_deref().unwrap_or_default()),
        (setting.user.is_some(), "with a login"),
        (!setting.except.is_empty(), &except),
    ]);
    entry(what, discreet(&setting.url), more, &setting.at)
}

fn repository(repository: &Repository) -> InventoryEntry {
    let way = match &repository.proxy {
        Some(Route::Proxy(setting)) => format!(", through {}", discreet(&setting.url)),
        Some(Route::Straight { token, .. }) => format!(", without a proxy ({token})"),
        None => String::new(),
    };
    let certificate = repository.certificate.as_ref();
    let certificate = certificate.map(|file| format!(", for who has {}", file.value));
    let more = format!("{}{way}{}", repository.name, certificate.unwrap_or_default());
    entry("repository", discreet(&repository.url), more, &repository.at)
}

fn platform(facts: &Facts) -> Vec<InventoryEntry> {
    let mut found: Vec<InventoryEntry> = facts.brokers.iter().flat_map(broker).collect();
    found.extend(facts.gorgone.iter().flat_map(gorgone));
    found.extend(facts.machines.iter().map(machine));
    if let Some(engine) = &facts.engine {
        found.extend(engine.broker_files.iter().map(|file| {
            entry("broker file", file.value.clone(), "loaded by the engine", &file.at)
        }));
        found.extend(engine.notifies.iter().map(|notifies| {
            let value =
                if notifies.value { "sent by this engine" } else { "not sent by this engine" };
            entry("notifications", value, "", &notifies.at)
        }));
    }
    if let Some(traps) = &facts.traps {
        let all = || entry("trap receiver", "*:162", "", &traps.at);
        let some = traps.listens.iter().map(|one| listener("trap receiver", one));
        found.extend(some.chain(traps.listens.is_empty().then(all)));
        found.extend(traps.redirects.iter().map(|rule| {
            let value = format!("port {}", rule.value.from);
            entry("traps arrive at", value, format!("handed on to {}", rule.value.to), &rule.at)
        }));
    }
    if let Some(agents) = &facts.agents {
        found.extend(agents.listens.iter().map(|one| listener("agents connect to", one)));
        found.extend(
            agents
                .reversed
                .iter()
                .map(|agent| entry("agent", shown(&agent.value), "connected to", &agent.at)),
        );
    }
    found.extend(facts.own_agent.iter().map(|agent| {
        let more = words([(agent.waits, "waits for its poller"), (agent.tls, "TLS")]);
        entry("own agent", shown(&agent.endpoint.value), more, &agent.endpoint.at)
    }));
    if let Some(server) = &facts.nsclient {
        found.extend(server.listens.iter().map(|(module, one)| {
            let value = at_port(one.value.host.as_deref().unwrap_or("*"), one.value.port);
            let more = words([(true, *module), (one.value.tls, "TLS")]);
            entry("NSClient++ listens on", value, more, &one.at)
        }));
        let allowed = server.allowed.iter();
        found.extend(allowed.map(|host| entry("NSClient++ lets in", &host.value, "", &host.at)));
    }
    found.extend(
        facts
            .databases
            .iter()
            .map(|database| entry("database", shown(&database.value), "", &database.at)),
    );
    found.extend(facts.directories.iter().map(|directory| {
        let more = words([(directory.ldaps, "LDAPS"), (directory.start_tls, "StartTLS")]);
        entry("directory", shown(&directory.place), more, &directory.at)
    }));
    found
}

fn broker(broker: &Broker) -> Vec<InventoryEntry> {
    let version = broker.bbdo_version.as_ref();
    let version = version.map(|version| {
        entry("BBDO version", version.value.clone(), broker.name.clone(), &version.at)
    });
    version.into_iter().chain(broker.streams.iter().map(stream)).collect()
}

fn stream(stream: &StreamFacts) -> InventoryEntry {
    let what = if stream.is_output { "broker output" } else { "broker input" };
    let value = match &stream.host {
        Some(host) => format!("to {}", at_port(host, stream.port)),
        None => format!(
            "listens on {}",
            at_port(stream.listens_on.as_deref().unwrap_or("*"), stream.port)
        ),
    };
    let more = words([
        (true, stream.name.as_str()),
        (stream.grpc, "gRPC"),
        (stream.tls == Some(true), "TLS"),
        (stream.retention, "keeps its data for one peer"),
    ]);
    entry(what, value, more, &stream.at)
}

fn gorgone(gorgone: &Gorgone) -> Vec<InventoryEntry> {
    let mut found = Vec::new();
    found.extend(gorgone.listens.iter().map(|one| listener("Gorgone listens on", one)));
    found.extend(gorgone.api.iter().map(|one| listener("Gorgone's interface", &one.listens)));
    found.extend(gorgone.pullwss_server.iter().map(|one| listener("WebSocket pollers", one)));
    found.extend(
        gorgone.pull.iter().map(|central| {
            entry("Gorgone connects to", shown(&central.value), "pull", &central.at)
        }),
    );
    found.extend(gorgone.pullwss.iter().map(|wss| {
        let scheme = if wss.tls { "wss" } else { "ws" };
        let value = format!("{scheme}://{}{}", shown(&wss.place), wss.path);
        entry("Gorgone connects to", value, "pullwss", &wss.at)
    }));
    found.extend(gorgone.nodes.iter().map(machine));
    let modules: Vec<&str> = gorgone.modules.iter().map(|module| module.value.as_str()).collect();
    found.push(entry("Gorgone's modules", modules.join(" "), "", &gorgone.at));
    found
}

fn machine(machine: &Machine) -> InventoryEntry {
    let named = |id: &u64| !machine.name.ends_with(&id.to_string());
    let id = machine.id.filter(named).map(|id| format!("number {id}"));
    let way = machine.mode.map(|mode| mode.clause().to_owned());
    let more = [Some(machine.name.clone()), id, way].into_iter().flatten();
    let what =
        if machine.role == crate::catalogue::Role::Remote { "remote server" } else { "poller" };
    entry(what, shown(&machine.place), more.collect::<Vec<_>>().join(", "), &machine.at)
}

fn listener(what: &'static str, listen: &Read<Listen>) -> InventoryEntry {
    let value = at_port(listen.value.host.as_deref().unwrap_or("*"), listen.value.port);
    let more = if listen.value.tls { "TLS" } else { "" };
    entry(what, value, more, &listen.at)
}

fn device(device: &Device) -> InventoryEntry {
    let snmp = device.snmp.as_ref().map(|snmp| match (&snmp.user, &snmp.community) {
        (Some(_), _) => "SNMP v3 (a user)".to_owned(),
        (None, community) => {
            let version = snmp.version.as_deref().unwrap_or("1");
            let secret = if community.is_some() { " (a community)" } else { "" };
            format!("SNMP v{version}{secret}")
        }
    });
    let nsclient = device.nsclient.then(|| "NSClient++".to_owned());
    let template = device.template.as_ref().map(ToString::to_string);
    let agent = device.agent.then(|| "monitoring agent".to_owned());
    let more = [Some(device.name.clone()), template, snmp, nsclient, agent].into_iter().flatten();
    entry("host", device.address.clone(), more.collect::<Vec<_>>().join(", "), &device.at)
}

fn shown(place: &Place) -> String {
    match (place.discreet_url(), place.port) {
        (Some(url), _) => url,
        (None, Some(port)) => at_port(&place.host, port),
        (None, None) => place.host.clone(),
    }
}

fn at_port(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}
