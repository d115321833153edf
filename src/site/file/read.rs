//! From tables to sections: each value parsed where it stands.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use preflight_checks::{Dialogue, MASK, quoted};
use toml::Spanned;
use toml::de::DeTable;

use super::key::SiteKey;
use super::keys::{
    BBDO_TLS, CHECK, CREDENTIALS, DEVICE, HOST, LINKS, LISTENERS, MACHINE, NTS, SECTIONS, SERVER,
};
use super::platform::platform;
use super::secret::{LDAP, Login, LoginKeys, NSCLIENT, PROXY_LOGIN, SecretPlace, reference, snmp};
use super::vocabulary::{BBDO, FINDS, MODES, MUSTS, ROLES, UNTIL};
use super::walk::{SiteText, SiteValue, Table, names, unknown};
use super::{Check, CredentialsTable, Server, ServersByKind, SiteFile, SiteMachine};
use crate::catalogue::{Broken, service, service_names};
use crate::site::discover::At;
use crate::site::output::BrokerOutput;
use crate::site::place::{address_of, parse_proxy};
use crate::site::{Custom, Find, Nts, Origin, Place};

type ReadResult<T> = std::result::Result<T, Box<Broken>>;

pub(super) fn file(source: SiteText, tree: &DeTable<'_>) -> ReadResult<SiteFile> {
    let whole = Table::whole(&source, tree);
    whole.only(SECTIONS)?;
    let platform = whole.table("platform")?.as_ref().map(platform).transpose()?;
    let services_of = |table: &Table<'_>| services(table);
    let servers = whole.table("services")?.as_ref().map(services_of).transpose()?;
    let machines = whole.table("machine")?.as_ref().map(machines).transpose()?;
    let credentials = whole.table("credentials")?.as_ref().map(credentials).transpose()?;
    let checks = whole.map("check", checks)?;
    Ok(SiteFile {
        platform: platform.unwrap_or_default(),
        services: servers.unwrap_or_default(),
        machines: machines.unwrap_or_default(),
        credentials: credentials.unwrap_or_default(),
        checks: checks.unwrap_or_default(),
        source,
    })
}

fn services(table: &Table<'_>) -> ReadResult<ServersByKind> {
    let list = |(kind, value): (Spanned<String>, SiteValue<'_>)| {
        let read = if kind.get_ref() == "proxy" { proxy_server } else { server };
        let all = value.list();
        if kind.get_ref() == "proxy" && all.len() > 1 {
            return Err(value.refuse("there is one proxy on the way to the Internet"));
        }
        let servers: Vec<Server> = all.into_iter().map(read).collect::<ReadResult<_>>()?;
        Ok((kind, Spanned::new(value.span(), servers)))
    };
    table.entries().into_iter().map(list).collect()
}

/// `HOST`, `HOST:PORT`, a URL, or a table with more.
fn server(value: SiteValue<'_>) -> ReadResult<Server> {
    if !value.is_table() {
        return Ok(plain(value.parsed()?));
    }
    let table = value.table(format!("a server of `{}`", value.key))?;
    table.only(SERVER)?;
    let protocol = |value: SiteValue<'_>| {
        let name = value.text()?;
        let known = service(name).map(|service| service.name);
        known.ok_or_else(|| value.refuse(unknown("protocol", name, &service_names())))
    };
    Ok(Server {
        protocol: table.map("protocol", protocol)?,
        find: table
            .map("find", |value| value.one_of(&FINDS))?
            .map_or(Find::Host, Spanned::into_inner),
        proxy: table.map("proxy", way)?,
        nts: nts(&table)?,
        secret: url_secret(&table)?,
        ..plain(place(&table)?)
    })
}

/// `nts = { port = 123, trusted = ["FILE"], only_trusted = true }`
fn nts(server: &Table<'_>) -> ReadResult<Option<Nts>> {
    let Some(table) = server.table("nts")? else { return Ok(None) };
    table.only(NTS)?;
    if let Some(protocol) = server.value("protocol").filter(|it| it.text().ok() != Some("nts")) {
        return Err(protocol.refuse("`nts` beside it is for a server that is asked by nts"));
    }
    let trusted = table.map("trusted", names)?.unwrap_or_default();
    let only = table.map("only_trusted", |value| value.boolean())?.unwrap_or_default();
    Ok(Some(Nts {
        port: table.map("port", |value| value.port())?.map(Spanned::into_inner),
        trusted: trusted.into_iter().map(Spanned::into_inner).collect(),
        only_these: only,
        trust: None,
    }))
}

/// Where the secret stands that `***` in the URL stands for.
fn url_secret(table: &Table<'_>) -> ReadResult<Option<Spanned<SecretPlace>>> {
    let has_mask = |value: &SiteValue<'_>| value.text().is_ok_and(|text| text.contains(MASK));
    let url = table.value("url").filter(has_mask);
    let secret = table.map("secret", reference)?;
    match (url, &secret) {
        (Some(url), None) => {
            let message = format!("`{MASK}` stands for a secret; `secret` says where that is");
            Err(url.refuse(message))
        }
        (None, Some(secret)) => {
            let message = format!("`secret` is what `{MASK}` in the `url` beside it stands for");
            Err(table.source.broken(Some(secret.span()), message))
        }
        _ => Ok(secret),
    }
}

fn plain(place: Spanned<Place>) -> Server {
    Server {
        place,
        protocol: None,
        find: Find::Host,
        proxy: None,
        nts: None,
        snmp: None,
        secret: None,
    }
}

/// `host` with or without `port`, or `url`.
fn place(table: &Table<'_>) -> ReadResult<Spanned<Place>> {
    if let Some(url) = table.value("url") {
        if let Some(host) = table.value("host").or_else(|| table.value("port")) {
            return Err(host.refuse(format!("`url` has its `{}` in it", host.key)));
        }
        let place: Spanned<Place> = url.parsed()?;
        let is_url = place.get_ref().url.is_some();
        return is_url
            .then_some(place)
            .ok_or_else(|| url.refuse("this is not a URL: SCHEME://HOST"));
    }
    let host = table.need("host")?;
    let mut place: Spanned<Place> = host.parsed()?;
    if let Some(port) = table.map("port", |value| value.port())? {
        if place.get_ref().port.is_some() || place.get_ref().url.is_some() {
            return Err(host.refuse("`host` with a port of its own, and `port` beside it"));
        }
        place.get_mut().port = Some(port.into_inner());
    }
    Ok(place)
}

/// The proxy of one server: a URL, or `false` for the straight way.
fn way(value: SiteValue<'_>) -> ReadResult<Spanned<Option<url::Url>>> {
    if value.is_text() {
        let url = parse_proxy(value.text()?).map_err(|reason| value.refuse(reason))?;
        return Ok(Spanned::new(value.span(), Some(url)));
    }
    match value.boolean() {
        Ok(false) => Ok(Spanned::new(value.span(), None)),
        _ => Err(value.refuse("`proxy` takes a URL, or false for the straight way")),
    }
}

/// The proxy on the way to the Internet.
fn proxy_server(value: SiteValue<'_>) -> ReadResult<Server> {
    let url = parse_proxy(value.text()?).map_err(|reason| value.refuse(reason))?;
    Ok(plain(Spanned::new(value.span(), of_proxy(&url))))
}

/// Where a proxy stands.
pub(super) fn of_proxy(url: &url::Url) -> Place {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    Place { host, port: url.port(), url: Some(url.clone()) }
}

fn machines(table: &Table<'_>) -> ReadResult<Vec<SiteMachine>> {
    let machine = |(name, value): (Spanned<String>, SiteValue<'_>)| {
        let is_name = |name: &str| !name.trim().is_empty() && !name.chars().any(char::is_control);
        if !is_name(name.get_ref()) {
            return Err(table.source.broken(Some(name.span()), "this is not a name for a machine"));
        }
        let table = value.table(format!("[machine.{}]", name.get_ref()))?;
        machine(&table, name)
    };
    table.entries().into_iter().map(machine).collect()
}

fn machine(table: &Table<'_>, name: Spanned<String>) -> ReadResult<SiteMachine> {
    table.only(MACHINE)?;
    let role = table.value("role").ok_or_else(|| {
        let message = format!("{} has no role; give role = \"poller\" or \"central\"", table.name);
        table.source.broken(Some(name.span()), message)
    })?;
    let nested = |key: &str| table.table(key);
    Ok(SiteMachine {
        role: role.one_of(&ROLES)?,
        address: table.map("address", address)?,
        nat: table.map("nat", outside)?,
        central: table.map("central", |value| value.placed_text())?,
        remote: table.map("remote", |value| value.placed_text())?,
        mode: table.map("mode", |value| value.one_of(&MODES))?,
        bbdo: table.map("bbdo", |value| value.one_of(&BBDO))?,
        bbdo_tls: nested("bbdo_tls")?.as_ref().map(bbdo_tls).transpose()?,
        connects_to: table.map("connects_to", |value| value.parsed())?,
        ports: nested("ports")?.map(|table| ports(&table, LINKS)).transpose()?.unwrap_or_default(),
        listens: nested("listens")?
            .map(|table| ports(&table, LISTENERS))
            .transpose()?
            .unwrap_or_default(),
        services: nested("services")?.as_ref().map(services).transpose()?.unwrap_or_default(),
        devices: each(table, "devices", |value| monitored(value, DEVICE))?,
        nsclient: each(table, "nsclient", |value| monitored(value, HOST))?.unwrap_or_default(),
        from: table.map("from", departures)?.unwrap_or_default(),
        skip: nested("skip")?.as_ref().map(skip).transpose()?.unwrap_or_default(),
        name,
    })
}

/// `bbdo_tls = { ca = "FILE", … }`
fn bbdo_tls(table: &Table<'_>) -> ReadResult<BrokerOutput> {
    table.only(BBDO_TLS)?;
    let mut output = BrokerOutput::with_tls();
    for value in BBDO_TLS.iter().filter_map(|key| table.value(key.name)) {
        output.set(value.key, value.text()?).map_err(|reason| value.refuse(reason))?;
    }
    Ok(output)
}

fn each(
    table: &Table<'_>,
    key: &str,
    read: impl Fn(SiteValue<'_>) -> ReadResult<Server>,
) -> ReadResult<Option<Vec<Server>>> {
    table.map(key, |value| value.list().into_iter().map(read).collect())
}

/// A name or address; the ports are those of the services.
fn address(value: SiteValue<'_>) -> ReadResult<Spanned<Place>> {
    let place: Spanned<Place> = value.parsed()?;
    if place.get_ref().port.is_some() || place.get_ref().url.is_some() {
        return Err(value.refuse("a machine's address has no port; its services have"));
    }
    Ok(place)
}

fn outside(value: SiteValue<'_>) -> ReadResult<Spanned<IpAddr>> {
    let text = value.text()?;
    let address = text
        .parse()
        .map_err(|_| value.refuse(format!("{text} is not an IP address", text = quoted(text))))?;
    Ok(Spanned::new(value.span(), address))
}

/// An address of a machine's own; that of a link may come with its interface.
fn departure(value: SiteValue<'_>) -> ReadResult<Spanned<IpAddr>> {
    let text = value.text()?;
    let refused = || value.refuse(format!("{text} is not an IP address", text = quoted(text)));
    Ok(Spanned::new(value.span(), address_of(text).ok_or_else(refused)?))
}

/// One address for every flow, or a table with one for each.
fn departures(value: SiteValue<'_>) -> ReadResult<Vec<(Spanned<String>, Spanned<IpAddr>)>> {
    if !value.is_table() {
        return Ok(vec![(Spanned::new(value.span(), "*".to_owned()), departure(value)?)]);
    }
    let table = value.table("`from` of a machine")?;
    let entry = |(flow, value): (Spanned<String>, SiteValue<'_>)| Ok((flow, departure(value)?));
    let mut known: Vec<_> = table.entries().into_iter().map(entry).collect::<ReadResult<_>>()?;
    // What is said of one flow goes before what is said of all.
    known.sort_by_key(|(flow, _)| std::cmp::Reverse(flow.get_ref().len()));
    Ok(known)
}

fn ports(table: &Table<'_>, known: &[SiteKey]) -> ReadResult<BTreeMap<String, Spanned<u16>>> {
    table.only(known)?;
    let port =
        |(name, value): (Spanned<String>, SiteValue<'_>)| Ok((name.into_inner(), value.port()?));
    table.entries().into_iter().map(port).collect()
}

fn monitored(value: SiteValue<'_>, known: &[SiteKey]) -> ReadResult<Server> {
    let server = if value.is_table() {
        let table = value.table(format!("a host of `{}`", value.key))?;
        table.only(known)?;
        let snmp = table.map("snmp", |value| value.placed_text())?;
        Server { snmp, ..plain(place(&table)?) }
    } else {
        plain(value.parsed()?)
    };
    if server.place.get_ref().url.is_some() {
        return Err(value.refuse("a monitored host is a name or address, no URL"));
    }
    Ok(server)
}

fn skip(table: &Table<'_>) -> ReadResult<Vec<(Spanned<String>, String)>> {
    let entry =
        |(flow, value): (Spanned<String>, SiteValue<'_>)| Ok((flow, value.text()?.to_owned()));
    table.entries().into_iter().map(entry).collect()
}

fn credentials(table: &Table<'_>) -> ReadResult<CredentialsTable> {
    table.only(CREDENTIALS)?;
    let mut known = BTreeMap::new();
    if let Some(all) = table.table("snmp")? {
        for (name, value) in all.entries() {
            let one = value.table(format!("[credentials.snmp.{}]", name.get_ref()))?;
            known.insert(name.into_inner(), snmp(&one)?);
        }
    }
    let needed = |key: &str, keys: &LoginKeys, needs: &[&str]| -> ReadResult<Option<Login>> {
        let Some(table) = table.table(key)? else { return Ok(None) };
        let login = keys.login(&table)?;
        needs.iter().try_for_each(|key| table.need(key).map(|_| ()))?;
        Ok(Some(login))
    };
    Ok(CredentialsTable {
        snmp: known,
        ldap: needed("ldap", &LDAP, &["bind_dn", "password"])?,
        nsclient: needed("nsclient", &NSCLIENT, &["password"])?,
        proxy: needed("proxy", &PROXY_LOGIN, &["user"])?,
        far_side_code: table.map("far_side_code", one_time_code)?,
    })
}

/// Each start of the far side makes a new code: no configuration has it.
fn one_time_code(value: SiteValue<'_>) -> ReadResult<Spanned<SecretPlace>> {
    let place = reference(value)?;
    match place.get_ref() {
        SecretPlace::Config(_) => {
            Err(value.refuse("each start makes a new code: `env` or `file` says where it is put"))
        }
        SecretPlace::Env(_) | SecretPlace::File(_) => Ok(place),
    }
}

fn checks(value: SiteValue<'_>) -> ReadResult<Vec<Check>> {
    if !value.is_list() {
        return Err(value.refuse("a flow of your own begins with [[check]]"));
    }
    let mut known = BTreeSet::new();
    let mut checks = Vec::new();
    for item in value.list() {
        let check = check(&item.table("[[check]]")?)?;
        if !known.insert(check.name.get_ref().clone()) {
            let message = format!("the name `{}` is used twice", check.name.get_ref());
            return Err(value.source.broken(Some(check.name.span()), message));
        }
        checks.push(check);
    }
    Ok(checks)
}

fn check(table: &Table<'_>) -> ReadResult<Check> {
    table.only(CHECK)?;
    let (name, url) = (table.need("name")?, table.need("url")?);
    let placed = name.placed_text()?;
    Custom::check_name(placed.get_ref()).map_err(|reason| name.refuse(reason))?;
    let at: At = table.source.at(&url.span());
    let given = Custom::new(placed.get_ref(), url.text()?, Origin::SiteFile(at))
        .map_err(|reason| url.refuse(reason))?;
    let words = |key, of_url: &[u8]| -> ReadResult<Vec<u8>> {
        let text = table.map(key, |value| value.text().map(|text| text.as_bytes().to_vec()))?;
        Ok(text.unwrap_or_else(|| of_url.to_vec()))
    };
    let must = table.map("must", |value| value.one_of(&MUSTS))?.map(Spanned::into_inner);
    let custom = Custom {
        must_be_closed: must.unwrap_or(given.must_be_closed),
        dialogue: Dialogue {
            send: words("send", &given.dialogue.send)?,
            expect: words("expect", &given.dialogue.expect)?,
        },
        required: table.map("required", |value| value.boolean())?.unwrap_or(true),
        until: table.map("until", |value| value.one_of(&UNTIL))?.map(Spanned::into_inner),
        why: table
            .map("why", |value| value.text().map(str::to_owned))?
            .unwrap_or_else(|| "Asked for in the site file.".to_owned()),
        ..given
    };
    custom.check_what_is_asked().map_err(|reason| url.refuse(reason))?;
    Ok(Check { name: placed, custom, from: table.map("from", names)?.unwrap_or_default() })
}
