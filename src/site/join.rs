//! From what files say to what it means for a machine of this role.

use preflight_checks::{bbdo, gorgone_api, http, smtp, snmp};
use url::Url;

use crate::catalogue::{Mode, Party, Role};

use super::discover::facts::{
    At, Broker, Facts, Gorgone, HostLookup, Listen, Machine, Mail, MailTls, MailTo, Note,
    ProxySetting, Read, Route, Share, SnmpMacros, StreamFacts, TimeSource,
};
use super::discover::route::route;
use super::output::{BrokerLink, BrokerOutput};
use super::sample::{Sampled, Segment, sample};
use super::{Exempt, Find, Knowledge, Nts, Origin, Place, Sourced, Target};

/// With which eyes facts are looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    /// What the machine is.
    pub(crate) role: Role,
    /// Devices asked of each group; none: all.
    pub(crate) per_group: Option<usize>,
    /// Hosts on the Internet that the flow table names, each with its kind of peer.
    pub(crate) internet: &'a [(Party, String)],
}

/// What `facts` mean for a machine of that role.
pub(crate) fn join(facts: &Facts, view: View<'_>) -> Knowledge {
    let role = view.role;
    let mut layer = Knowledge {
        has_engine: role == Role::Poller || !facts.devices.is_empty(),
        ..Knowledge::default()
    };
    basics(facts, &mut layer);
    internet(facts, view.internet, &mut layer);
    devices(facts, view.per_group, &mut layer);
    let brokers: Vec<&Broker> =
        facts.brokers.iter().filter(|broker| is_own(broker, facts)).collect();
    if role != Role::Central {
        towards_central(&brokers, facts.gorgone.as_ref(), &mut layer);
    }
    if role != Role::Poller {
        towards_pollers(&brokers, facts, &mut layer);
    }
    agents(facts, &mut layer);
    listeners(&brokers, facts, &mut layer);
    layer
}

/// Time, names, mail, databases and directories: the same for every role.
fn basics(facts: &Facts, layer: &mut Knowledge) {
    let has_better = facts.time.iter().any(|source| !source.is_fallback);
    for source in facts.time.iter().filter(|source| !(has_better && source.is_fallback)) {
        time_source(source, layer);
    }
    for bound in &facts.time_bounds {
        layer.add(NTP, read(&bound.value, &bound.at));
    }
    if let (Some(clock), []) = (facts.clocks.first(), layer.targets(NTP)) {
        let value = format!("the clock follows {}, no server", clock.value);
        let reason = Sourced { value, origin: Origin::File(clock.at.clone()) };
        layer.unneeded.insert(Party(NTP.to_owned()), reason);
    }
    layer.time_clients.clone_from(&facts.time_clients);
    for server in &facts.names {
        layer.add("dns", read(&server.value, &server.at));
    }
    mail(&facts.mail, layer);
    for database in facts.databases.iter().filter(|database| !is_loopback(&database.value.host)) {
        layer.add("database", read(&database.value, &database.at));
    }
    for directory in &facts.directories {
        let speaks = if directory.ldaps { "ldaps" } else { "ldap" };
        let target = read(&directory.place, &directory.at);
        layer.add("ldap", Target { speaks: Some(speaks), ..target });
    }
}

/// A time server: by NTS the server of its keys, which is asked for both.
fn time_source(source: &TimeSource, layer: &mut Knowledge) {
    let origin = || Origin::File(source.at.clone());
    let from = source.from.map(|own| Sourced { value: vec![own], origin: origin() });
    let target = Target { from, ..read(&source.place, &source.at) };
    if let Some(port) = source.nts {
        let nts = Nts {
            port: source.place.port,
            trusted: source.trusted.clone(),
            only_these: source.only_trusted,
            trust: None,
        };
        let place = Place { port: Some(port), ..source.place.clone() };
        layer.add(NTP, Target { place, speaks: Some("nts"), nts: Some(nts), ..target });
    } else {
        layer.add(NTP, target);
    }
}

/// Relays; and when there are none, why.
fn mail(ways: &[Mail], layer: &mut Knowledge) {
    for mail in ways {
        if let MailTo::Relay { place, by_mx } = &mail.to {
            let lookup = if place.is_name() { mail.lookup } else { HostLookup::System };
            let find = match (by_mx, lookup) {
                (true, HostLookup::Dns | HostLookup::DnsDomain) => Find::MxDns,
                (true, HostLookup::System | HostLookup::DnsFirst) => Find::Mx,
                (false, HostLookup::Dns) => Find::Dns,
                (false, HostLookup::DnsDomain) => Find::DnsDomain,
                (false, HostLookup::DnsFirst) => Find::DnsFirst,
                (false, HostLookup::System) => Find::Host,
            };
            let mail_tls = Some(match mail.tls {
                MailTls::No => smtp::SmtpTls::Never,
                MailTls::IfOffered => smtp::SmtpTls::IfOffered,
                MailTls::StartTls => smtp::SmtpTls::Required,
                MailTls::FromStart => smtp::SmtpTls::FromStart,
            });
            let origin = Origin::File(mail.at.clone());
            let from = Some(Sourced { value: mail.from.clone(), origin })
                .filter(|from| !from.value.is_empty());
            // As its program speaks, whatever the port.
            let speaks = Some(if mail.tls == MailTls::FromStart { "smtps" } else { "smtp" });
            let family = mail.family;
            let own = Target { speaks, find, family, mail_tls, from, ..read(place, &mail.at) };
            layer.add(SMTP, own);
        }
    }
    let without = |mail: &&Mail| mail.relay().is_none() && mail.share == Share::Rest;
    for mail in ways.iter().filter(without) {
        let value = match &mail.to {
            MailTo::Nobody(reason) => format!("no mail leaves this machine: {reason}"),
            _ => "no mail relay is set: mail goes to each receiver's own server; give --smtp HOST if there is a relay".to_owned(),
        };
        if layer.targets(SMTP).is_empty() {
            let origin = Origin::File(mail.at.clone());
            layer.unneeded.insert(Party(SMTP.to_owned()), Sourced { value, origin });
        } else {
            // The relays of some mail are asked; of the rest, that is all there is to say.
            let reason = format!("of mail that no table sends to a relay: {value}");
            layer.notes.push(Note { at: mail.at.clone(), reason, missing: "its servers" });
        }
    }
}

/// Repositories and the profile's own addresses, each by the way its program takes.
fn internet(facts: &Facts, addresses: &[(Party, String)], layer: &mut Knowledge) {
    let usual: Vec<ProxySetting> =
        facts.proxies.iter().filter(|setting| setting.program == "environment").cloned().collect();
    let mut socks = Vec::new();
    if facts.repositories.is_empty() && usual.is_empty() {
        return proxies_of_services(facts, layer);
    }
    for (party, address) in addresses {
        let Ok(place) = address.parse::<Place>() else { continue };
        let Some(secure) = place.as_url("https") else { continue };
        let way = route(&secure, &usual);
        let plain = place.as_url("http").and_then(|url| route(&url, &usual));
        socks.extend(socks_of(way.as_ref()));
        // A target has one way to it: where HTTP would go another, HTTPS counts.
        let is_one = place.url.is_some() || way == plain;
        let place = if is_one { place } else { Place { url: Some(secure), ..place } };
        layer.add(&party.0, by_way(Target::new(place, Origin::Profile), way));
    }
    for repository in &facts.repositories {
        let Ok(place) = Place::from_url(repository.url.as_str()) else { continue };
        let way = repository.proxy.clone().or_else(|| route(&repository.url, &usual));
        socks.extend(socks_of(way.as_ref()));
        let content = repository.is_mirror_list.then_some(http::Content::Mirrors);
        let target = by_way(Target { content, ..read(&place, &repository.at) }, way);
        layer.add(
            "http",
            match &repository.certificate {
                Some(certificate) => by_port(target, certificate),
                None => target,
            },
        );
    }
    let mut kinds: Vec<&str> = addresses.iter().map(|(party, _)| party.0.as_str()).collect();
    kinds.push(INTERNET);
    kinds.sort_unstable();
    kinds.dedup();
    let asked = kinds.iter().flat_map(|kind| layer.targets(kind));
    let proxies: Vec<Target> = asked.filter_map(proxy_of).collect();
    for proxy in proxies.into_iter().chain(socks) {
        layer.add("proxy", proxy);
    }
    proxies_of_services(facts, layer);
}

/// Services go through proxies of their own; wget, curl and users are no service.
fn proxies_of_services(facts: &Facts, layer: &mut Knowledge) {
    const OTHERS: [&str; 4] = ["environment", "services of users", "wget", "curl"];
    let of_services = |setting: &&ProxySetting| !OTHERS.contains(&setting.program.as_str());
    for setting in facts.proxies.iter().filter(of_services) {
        let place = Place::from_url(setting.url.as_str()).ok();
        let spoken = place.filter(|_| setting.url.scheme() == "http");
        let target = match spoken {
            Some(place) => Some(read(&place, &setting.at)),
            None => socks_of(Some(&Route::Proxy(setting.clone()))),
        };
        if let Some(target) = target {
            layer.add("proxy", target);
        }
    }
}

/// A proxy that preflight does not speak to: its port is asked.
fn socks_of(way: Option<&Route>) -> Option<Target> {
    let Some(Route::Proxy(setting)) = way else { return None };
    let is_spoken = setting.url.scheme() == "http";
    let host = setting.url.host_str().filter(|_| !is_spoken)?.trim_matches(['[', ']']);
    let port = setting.url.port_or_known_default().or(Some(SOCKS));
    let place = Place { host: host.to_owned(), port, url: None };
    Some(Target { speaks: Some("tcp"), ..read(&place, &setting.at) })
}

/// A target with the way to it.
fn by_way(target: Target, way: Option<Route>) -> Target {
    match way {
        None => target,
        Some(Route::Straight { token, at }) => {
            let origin = Origin::File(at);
            let exempt = Some(Exempt { word: token, origin: origin.clone() });
            Target { route: Some(Sourced { value: None, origin }), exempt, ..target }
        }
        Some(Route::Proxy(setting)) if setting.url.scheme() == "http" => {
            let ProxySetting { url, user, password, at, .. } = setting;
            let value = Some(http::Proxy { url, user, password });
            Target { route: Some(Sourced { value, origin: Origin::File(at) }), ..target }
        }
        Some(Route::Proxy(setting)) => {
            let scheme = setting.url.scheme();
            let value =
                format!("goes through a proxy of kind {scheme}, which preflight does not speak");
            let origin = Origin::File(setting.at);
            Target { unaskable: Some(Sourced { value, origin }), ..target }
        }
    }
}

/// A target that nobody gets a file from without a certificate: its port is asked, unless
/// a proxy stands before it.
fn by_port(target: Target, certificate: &Read<String>) -> Target {
    if target.route.as_ref().is_some_and(|route| route.value.is_some()) {
        let file = &certificate.value;
        let value = format!("answers only who has {file}; its proxy is asked by itself");
        let origin = Origin::File(certificate.at.clone());
        return Target { unaskable: Some(Sourced { value, origin }), ..target };
    }
    let port = target.place.url.as_ref().and_then(Url::port_or_known_default);
    let place = Place { port, url: None, ..target.place };
    Target { place, speaks: Some("tcp"), ..target }
}

/// The proxy a target is reached through, as a target of its own.
fn proxy_of(target: &Target) -> Option<Target> {
    let route = target.route.as_ref()?;
    let proxy = route.value.as_ref()?;
    let place = Place::from_url(proxy.url.as_str()).ok()?;
    Some(Target::new(place, route.origin.clone()))
}

/// Devices the engine asks by SNMP, and servers it asks through `NSClient++`.
fn devices(facts: &Facts, per_group: Option<usize>, layer: &mut Knowledge) {
    let by_snmp = facts.devices.iter().filter(|device| device.snmp.is_some());
    let by_nsclient = facts.devices.iter().filter(|device| device.nsclient);
    let choices =
        [("device", sample(by_snmp, per_group)), ("nsclient", sample(by_nsclient, per_group))];
    for (party, sample) in choices {
        if sample.groups_left_out > 0 {
            let at = At::file("/etc/centreon-engine/hosts.cfg");
            let reason = format!(
                "{} of {} groups of devices are left out; --all-devices asks all {} addresses",
                sample.groups_left_out, sample.groups, sample.addresses
            );
            layer.notes.push(Note { at, reason, missing: "whether their segments are open" });
        }
        for sampled in sample.devices {
            layer.add(party, device(&sampled));
        }
    }
}

fn device(sampled: &Sampled<'_>) -> Target {
    let device = sampled.device;
    let mut target = named(&device.address, &device.at);
    if let Some(macros) = &device.snmp {
        target.snmp = credentials(macros);
        if let Some(number) = macros.port {
            port(&mut target, "snmp", number, &device.at);
        }
    }
    // One device alone stands for itself.
    let stands_for_others = sampled.of > 1 && sampled.group.segment != Segment::Names;
    target.group = stands_for_others.then(|| sampled.group.to_string());
    target
}

/// What the engine's plugins would ask with; without a version they speak SNMP v1
/// (centreon-plugins, `src/centreon/plugins/snmp.pm`).
fn credentials(macros: &SnmpMacros) -> Option<snmp::Credentials> {
    let is_v3 = macros.version.as_deref() == Some("3");
    if let Some(user) = macros.user.as_ref().filter(|_| is_v3 || macros.community.is_none()) {
        let auth = user
            .auth
            .as_ref()
            .and_then(|(protocol, secret)| Some((protocol.parse().ok()?, secret.clone())));
        let privacy = user
            .privacy
            .as_ref()
            .and_then(|(protocol, secret)| Some((protocol.parse().ok()?, secret.clone())));
        return Some(snmp::Credentials::User { name: user.name.clone(), auth, privacy });
    }
    let version = match macros.version.as_deref() {
        Some("2c" | "2") => snmp::CommunityVersion::V2c,
        _ => snmp::CommunityVersion::V1,
    };
    let community = macros.community.clone()?;
    Some(snmp::Credentials::Community { version, community })
}

/// The central this machine sends to, and how its Gorgone is reached.
fn towards_central(brokers: &[&Broker], gorgone: Option<&Gorgone>, layer: &mut Knowledge) {
    let streams = brokers
        .iter()
        .flat_map(|broker| broker.streams.iter().map(|stream| (generation(broker), stream)));
    for (speaks, output) in streams.filter(|(_, stream)| stream.is_output) {
        match output.host.as_deref() {
            // Its own broker, or a mistake that is reported as such.
            Some(host) if is_loopback(host) => {}
            Some(host) => {
                let mut target = named(host, &output.at);
                port(&mut target, "bbdo", output.port, &output.at);
                let link = BrokerLink { speaks, output: broker_output(output), opened: None };
                target.bbdo = Some(Box::new(link));
                layer.add("central", target);
                layer.modes.push(mode(Mode::Bbdo, &output.at));
            }
            None => layer.modes.push(mode(Mode::BbdoReversed, &output.at)),
        }
    }
    let Some(gorgone) = gorgone else { return };
    if let Some(wss) = &gorgone.pullwss {
        let target = read(&wss.place, &wss.at);
        let websocket = Some(wss.path.clone());
        let only_for = Some("pullwss".to_owned());
        let speaks = Some(if wss.tls { "pullwss-tls" } else { "pullwss" });
        let unaskable = wss.proxy.as_ref().map(|proxy| Sourced {
            value: "goes through a proxy, which its WebSocket is not asked through".to_owned(),
            origin: Origin::File(proxy.at.clone()),
        });
        let token = wss.token.clone();
        layer.add("central", Target { only_for, speaks, unaskable, websocket, token, ..target });
        layer.modes.push(mode(Mode::Pullwss, &wss.at));
    } else if let Some(pull) = &gorgone.pull {
        let target = read(&pull.value, &pull.at);
        layer.add("central", Target { only_for: Some("zmq".to_owned()), ..target });
        layer.modes.push(mode(Mode::Pull, &pull.at));
    } else if let Some((way, at)) = gorgone.puller() {
        layer.modes.push(mode(way, at));
    } else if let Some(listens) = &gorgone.listens {
        layer.modes.push(mode(Mode::Zmq, &listens.at));
    }
}

/// What an output is configured for; its files keep the keys of the old types.
fn broker_output(stream: &StreamFacts) -> BrokerOutput {
    let file = |key: &str| {
        let found = stream.tls_files.iter().find(|(known, _)| known == key);
        found.map(|(_, file)| file.value.clone()).filter(|path| !path.is_empty())
    };
    let setting = |known: Option<bool>| match known {
        Some(true) => bbdo::Extension::Yes,
        Some(false) => bbdo::Extension::No,
        None => bbdo::Extension::Auto,
    };
    BrokerOutput {
        grpc: stream.grpc,
        tls: setting(stream.tls),
        compression: setting(stream.compression),
        ca: file("ca_certificate"),
        certificate: file("public_cert"),
        key: file("private_key"),
        hostname: stream.tls_hostname.clone(),
    }
}

/// The generation of BBDO a broker speaks; without a setting, the oldest.
fn generation(broker: &Broker) -> bbdo::Generation {
    match &broker.bbdo_version {
        Some(version) if !version.value.starts_with("2.") => bbdo::Generation::Three,
        _ => bbdo::Generation::Two,
    }
}

/// Pollers and remote servers this machine knows, and how each is reached.
fn towards_pollers(brokers: &[&Broker], facts: &Facts, layer: &mut Knowledge) {
    let nodes = facts.gorgone.iter().flat_map(|gorgone| &gorgone.nodes);
    for machine in facts.machines.iter().chain(nodes) {
        known_machine(machine, layer);
    }
    // A broker that connects to its poller: BBDO is reversed.
    let inputs = brokers.iter().flat_map(|broker| &broker.streams).filter(|one| !one.is_output);
    for input in inputs {
        let host = input.host.as_deref().filter(|host| !is_loopback(host));
        let Some(host) = host else { continue };
        let mut target = named(host, &input.at);
        let has_port = |known: &Target| known.ports.get("bbdo").map(|port| port.value);
        // Of several peers at one address the next that no broker connects to yet.
        let known = layer.at_host("poller", host);
        let is_free = |known: &&mut Target| has_port(known).is_none_or(|it| it == input.port);
        if let Some(known) = known.into_iter().find(is_free) {
            reversed(known, input);
        } else {
            // All else is known of another peer there.
            if let Some(other) = layer.at_host("poller", host).first() {
                target.ports.clone_from(&other.ports);
                target.ports.remove("bbdo");
                target.modes.clone_from(&other.modes);
            }
            reversed(&mut target, input);
            layer.add("poller", target);
        }
    }
    if let Some(api) = facts.gorgone.as_ref().and_then(|gorgone| gorgone.api.as_ref()) {
        let Listen { host, port, tls } = &api.listens.value;
        let mut target = named(host.as_deref().unwrap_or("127.0.0.1"), &api.listens.at);
        target.place.port = Some(*port);
        target.speaks = tls.then_some("gorgone-api-tls");
        target.api =
            api.login.clone().map(|(user, password)| gorgone_api::GorgoneLogin { user, password });
        layer.add("gorgone", target);
    }
}

/// The broker connects to this peer.
fn reversed(peer: &mut Target, input: &StreamFacts) {
    if peer.modes.iter().all(|known| known.value != Mode::BbdoReversed) {
        peer.modes.push(mode(Mode::BbdoReversed, &input.at));
    }
    port(peer, "bbdo", input.port, &input.at);
}

fn known_machine(machine: &Machine, layer: &mut Knowledge) {
    if machine.place.host.is_empty() {
        // It connects by itself, or another machine does: nobody here knows its address.
        return;
    }
    let mut target = read(&machine.place, &machine.at);
    // The port is Gorgone's or SSH's: other flows to this machine have their own.
    if let Some(number) = target.place.port.take() {
        let service = if machine.mode == Some(Mode::Ssh) { "ssh" } else { "zmq" };
        port(&mut target, service, number, &machine.at);
    }
    target.modes.extend(machine.mode.map(|known| mode(known, &machine.at)));
    layer.add(&machine.role.to_string(), target);
}

/// Where this machine's own daemons listen, which others connect to.
fn listeners(brokers: &[&Broker], facts: &Facts, layer: &mut Knowledge) {
    let waits = |stream: &&StreamFacts| {
        stream.host.is_none() && !stream.listens_on.as_deref().is_some_and(is_loopback)
    };
    let streams = || brokers.iter().flat_map(|broker| &broker.streams).filter(waits);
    // What the platform sends to; a graph server's input is for this machine alone.
    let broker = streams().find(|stream| !stream.is_output || stream.retention);
    if let Some(stream) = broker {
        listens(layer, "bbdo", stream.port, &stream.at);
    }
    let gorgone = facts.gorgone.as_ref();
    let on = |layer: &mut Knowledge, service: &str, listen: Option<&Read<Listen>>| {
        if let Some(listen) = listen {
            listens(layer, service, listen.value.port, &listen.at);
        }
    };
    on(layer, "zmq", gorgone.and_then(|gorgone| gorgone.listens.as_ref()));
    on(layer, "trap", facts.traps.as_ref().and_then(|traps| traps.listens.first()));
    if let Some(rule) = facts.traps.as_ref().and_then(|traps| traps.redirects.first()) {
        let origin = Origin::File(rule.at.clone());
        let arrives = Sourced { value: rule.value.from, origin };
        layer.arrives.insert("trap".to_owned(), arrives);
    }
    on(layer, "agents", facts.agents.as_ref().and_then(|agents| agents.listens.as_ref()));
    match gorgone.and_then(|gorgone| gorgone.pullwss_server.as_ref()) {
        // The web server stands before it, and hands over what comes to its own port.
        Some(server) if server.value.host.as_deref().is_some_and(is_loopback) => {
            listens(layer, "pullwss-tls", HTTPS, &server.at);
        }
        server => on(layer, "pullwss", server),
    }
}

/// Agents connect to this machine's engine, or are connected to.
fn agents(facts: &Facts, layer: &mut Knowledge) {
    let Some(agents) = &facts.agents else { return };
    layer.groups.push("cma".to_owned());
    for agent in &agents.reversed {
        layer.add("agent", read(&agent.value, &agent.at));
    }
}

fn listens(layer: &mut Knowledge, service: &str, value: u16, at: &At) {
    let origin = Origin::File(at.clone());
    layer.listens.entry(service.to_owned()).or_insert(Sourced { value, origin });
}

/// Is it loaded or run here, rather than kept for another machine or left over?
pub(super) fn is_own(broker: &Broker, facts: &Facts) -> bool {
    if broker.is_copy() {
        return false;
    }
    let loaded = facts.engine.as_ref().map(|engine| &engine.broker_files);
    let is_loaded = |files: &Vec<Read<String>>| {
        files.is_empty() || files.iter().any(|file| file.value == *broker.at.file)
    };
    !broker.is_module || loaded.is_none_or(is_loaded)
}

/// This machine, by a name or address that never leaves it.
pub(super) fn is_loopback(host: &str) -> bool {
    let is_local = |address: std::net::IpAddr| address.is_loopback();
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(is_local)
}

/// Where Apache serves the WebSocket of Gorgone.
const HTTPS: u16 = 443;
const INTERNET: &str = "http";
/// The port of a SOCKS proxy that names none.
const SOCKS: u16 = 1_080;
const SMTP: &str = "smtp";
const NTP: &str = "ntp";

fn read(place: &Place, at: &At) -> Target {
    Target::new(place.clone(), Origin::File(at.clone()))
}

fn named(host: &str, at: &At) -> Target {
    let place = Place { host: host.to_owned(), port: None, url: None };
    Target::new(place, Origin::File(at.clone()))
}

fn port(target: &mut Target, service: &str, value: u16, at: &At) {
    let origin = Origin::File(at.clone());
    target.ports.entry(service.to_owned()).or_insert(Sourced { value, origin });
}

fn mode(value: Mode, at: &At) -> Sourced<Mode> {
    Sourced { value, origin: Origin::File(at.clone()) }
}
