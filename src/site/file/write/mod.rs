//! `preflight init`: a site file made from what a machine's files say.
//!
//! Behind each value stands where it was read. Of a secret only where it lives is
//! written. What was not found is an example, behind a `#` without a space.

mod credentials;
mod machines;
mod page;

use std::net::IpAddr;

use preflight_checks::{discreet, secrets_of};

use super::keys::LINKS;
use super::secret::{ConfigPlace, URL};
use crate::catalogue::{Asker, Catalogue, Kept, PARTIES, Party, Role, is_service};
use crate::site::discover::Facts;
use crate::site::{Find, Knowledge, Nts, Origin, Place, Sourced, Target};
use credentials::CredentialNames;
use page::{Page, inline, origin, quoted};

/// The machine the file is made on.
#[derive(Clone, Debug)]
pub(crate) struct Subject<'a> {
    /// Its name in the file.
    pub(crate) name: String,
    /// Its role.
    pub(crate) role: Role,
    /// Its addresses, when it is the machine preflight runs on.
    pub(crate) addresses: Vec<IpAddr>,
    /// The flow table: services that no flow goes to are left out.
    pub(crate) catalogue: &'a Catalogue,
    /// Whose files were read: `this machine`, or the folder of a copy.
    pub(crate) whose: String,
}

/// The site file of a machine whose files say `facts`, which mean `layer`.
pub(crate) fn write(facts: &Facts, layer: &Knowledge, subject: &Subject<'_>) -> String {
    let mut page = Page::default();
    let mut known = CredentialNames::new(facts);
    let (layer, left_out) = sound(layer);
    head(&mut page, &layer, subject);
    services(&mut page, &layer, subject);
    machines::own(&mut page, facts, &layer, subject, &mut known);
    machines::others(&mut page, facts, &layer, subject);
    known.write(&mut page, &layer);
    page.gap();
    page.prose("Flows of your own.");
    page.example_line("[[check]]");
    page.example("name", "\"erp\"", "");
    page.example("url", "\"postgresql://db.corp.example:5432\"", "");
    page.example("from", &format!("[{}]", quoted(&subject.name)), "");
    page.example("why", "\"The inventory import reads from this database.\"", "");
    for target in left_out {
        page.gap();
        page.prose(&format!(
            "Left out, since it is not a host: {} ({})",
            target.place.host, target.origin
        ));
    }
    page.text
}

/// What a site file can say: programs take hosts and ports for granted that it refuses.
fn sound(layer: &Knowledge) -> (Knowledge, Vec<Target>) {
    let mut layer = layer.clone();
    let mut left_out = Vec::new();
    for targets in layer.targets.values_mut() {
        let (sound, unsound) = std::mem::take(targets).into_iter().partition(is_sound);
        *targets = sound;
        left_out.extend::<Vec<Target>>(unsound);
        for target in targets {
            target.place.port = target.place.port.filter(|port| *port != 0);
            target.ports.retain(|_, port| port.value != 0);
        }
    }
    layer.listens.retain(|_, port| port.value != 0);
    (layer, left_out)
}

fn is_sound(target: &Target) -> bool {
    let host = &target.place.host;
    let is_host = |place: Place| place.host == *host && place.port.is_none() && place.url.is_none();
    // A machine of which only the number is known has none.
    host.is_empty() || host.parse().is_ok_and(is_host)
}

fn head(page: &mut Page, layer: &Knowledge, subject: &Subject<'_>) {
    page.prose(&format!("A site file for preflight, made from the files of {}.", subject.whose));
    page.prose(
        "Behind each value stands where it was read; a line that begins with # and no space",
    );
    page.prose("is an example. `preflight plan --site FILE --all` shows what would be asked.");
    page.section("platform");
    page.example("name", "\"Corp\"", "");
    page.value("profile", &quoted(&subject.catalogue.profile), "");
    let has_flow = |group: &&String| {
        subject.catalogue.flows.iter().any(|flow| flow.group.as_ref() == Some(*group))
    };
    let groups: Vec<String> =
        layer.groups.iter().filter(has_flow).map(|group| quoted(group)).collect();
    if !groups.is_empty() {
        page.value("groups", &format!("[{}]", groups.join(", ")), "");
    }
    page.example("phase", "\"before\"", "before or after installation; auto: as it looks");
    page.example("timeout", "1.5", "every wait times this");
    page.example("max_offset", "\"500ms\"", "largest clock difference that passes");
}

/// Kinds of servers every platform has, and what an entry looks like.
fn usual() -> impl Iterator<Item = (&'static str, &'static str)> {
    PARTIES.iter().filter_map(|kind| match kind.kept {
        Kept::UsualService(example) => Some((kind.id, example)),
        Kept::Service | Kept::Apart => None,
    })
}

fn services(page: &mut Page, layer: &Knowledge, subject: &Subject<'_>) {
    page.section("services");
    let has_flow = |kind: &str| subject.catalogue.flows.iter().any(|flow| flow.to.0 == kind);
    let asker = asker(layer, subject);
    for (kind, example) in usual().filter(|(kind, _)| has_flow(kind)) {
        let is_asked = subject.catalogue.asks(&asker, kind);
        if !(is_asked && service(page, layer, kind, kind)) {
            page.example(kind, example, "");
        }
    }
}

/// What decides which servers this machine asks.
fn asker<'a>(layer: &'a Knowledge, subject: &Subject<'_>) -> Asker<'a> {
    Asker {
        role: subject.role,
        has_engine: layer.has_engine,
        groups: layer.groups.iter().map(String::as_str).collect(),
    }
}

/// What only this machine has: its own interfaces, agents it connects to.
fn own_services(page: &mut Page, layer: &Knowledge, subject: &Subject<'_>) {
    let kinds = layer.targets.keys().chain(layer.unneeded.keys()).map(|party| party.0.as_str());
    let asker = asker(layer, subject);
    let is_other = |kind: &&str| {
        is_service(kind)
            && usual().all(|(usual, _)| usual != *kind)
            && subject.catalogue.asks(&asker, kind)
    };
    for kind in kinds.filter(is_other) {
        service(page, layer, kind, &format!("services.{kind}"));
    }
}

/// `false`: nobody says anything of this kind.
fn service(page: &mut Page, layer: &Knowledge, kind: &str, key: &str) -> bool {
    if kind == "proxy" {
        // Otherwise each server that is reached through one says so itself.
        if let Some(proxy) = &layer.proxy {
            page.value(key, &quoted(&discreet(&proxy.value.url)), &origin(&proxy.origin));
        }
        return layer.proxy.is_some();
    }
    let party = Party(kind.to_owned());
    if let Some(reason) = layer.unneeded.get(&party) {
        page.value(key, "[]", &format!("{} ({})", reason.value, origin(&reason.origin)));
        return true;
    }
    let targets = layer.targets.get(&party).map(Vec::as_slice).unwrap_or_default();
    let entries: Vec<(String, String)> =
        targets.iter().map(|target| (server(target), origin(&target.origin))).collect();
    page.list(key, &entries);
    !entries.is_empty()
}

/// A server as short as it can be said.
fn server(target: &Target) -> String {
    let mut more = Vec::new();
    more.extend(target.speaks.map(|protocol| ("protocol", quoted(protocol))));
    match target.find {
        Find::Host => {}
        Find::Dns => more.push(("find", quoted("dns"))),
        Find::DnsDomain => more.push(("find", quoted("dns-domain"))),
        Find::DnsFirst => more.push(("find", quoted("dns-first"))),
        Find::Mx => more.push(("find", quoted("mx"))),
        Find::MxDns => more.push(("find", quoted("mx-dns"))),
        Find::Srv => more.push(("find", quoted("srv"))),
    }
    more.extend(target.route.as_ref().map(|route| {
        let way = route.value.as_ref().map(|proxy| quoted(&discreet(&proxy.url)));
        ("proxy", way.unwrap_or_else(|| "false".to_owned()))
    }));
    more.extend(
        target.nts.as_ref().filter(|nts| nts.is_special()).map(|nts| ("nts", keys_of(nts))),
    );
    more.extend(url_secret(target));
    placed(&target.place, target.place.port, more)
}

/// How keys for the time are taken from it.
fn keys_of(nts: &Nts) -> String {
    let files: Vec<String> = nts.trusted.iter().map(|file| quoted(file)).collect();
    let port = nts.port.filter(|port| *port != 0).map(|port| ("port", port.to_string()));
    let files = (!files.is_empty()).then(|| ("trusted", format!("[{}]", files.join(", "))));
    let only = nts.only_these.then(|| ("only_trusted", "true".to_owned()));
    inline(port.into_iter().chain(files).chain(only))
}

/// Where the secret of its URL stands.
fn url_secret(target: &Target) -> Option<(&'static str, String)> {
    let url = target.place.url.as_ref().filter(|url| !secrets_of(url).is_empty())?;
    let config = line_of(&target.origin).map(|at| format!("{}:{URL}", at.file));
    let leads_back =
        |text: &String| text.parse::<ConfigPlace>().is_ok() && !text.chars().any(char::is_control);
    let reference = if let Some(config) = config.filter(leads_back) {
        inline([("config", quoted(&config))].into_iter())
    } else {
        let host = url.host_str().unwrap_or_default().to_ascii_uppercase();
        let name: String =
            host.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        inline([("env", quoted(&format!("URL_{name}")))].into_iter())
    };
    Some(("secret", reference))
}

/// A place as text, or as a table when there is more to say.
fn placed(place: &Place, port: Option<u16>, more: Vec<(&str, String)>) -> String {
    match (place.discreet_url(), port, more.as_slice()) {
        (Some(url), _, []) => quoted(&url),
        (Some(url), _, _) => inline([("url", quoted(&url))].into_iter().chain(more)),
        (None, Some(port), []) if place.host.contains(':') => {
            quoted(&format!("[{}]:{port}", place.host))
        }
        (None, Some(port), []) => quoted(&format!("{}:{port}", place.host)),
        (None, None, []) => quoted(&place.host),
        (None, port, _) => {
            let port = port.map(|port| ("port", port.to_string()));
            inline([("host", quoted(&place.host))].into_iter().chain(port).chain(more))
        }
    }
}

/// The ports of a link, each on a line of its own.
fn ports<'a>(page: &mut Page, ports: impl Iterator<Item = (&'a str, &'a Sourced<u16>)>) {
    for (service, port) in
        ports.filter(|(service, _)| LINKS.iter().any(|link| link.name == *service))
    {
        page.value(&format!("ports.{service}"), &port.value.to_string(), &origin(&port.origin));
    }
}

/// A line of a machine's file, when it is one.
fn line_of(origin: &Origin) -> Option<&crate::site::discover::At> {
    match origin {
        Origin::File(at) => Some(at),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
