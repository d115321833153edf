//! `preflight flows`: the requirements document, as the vendors print theirs.
//!
//! From, to, protocol, port, and what it is for: the rows of a flow table for people who open
//! firewalls, before any target is known. Nothing is read from this machine, nothing is asked.

mod html;
mod site;
mod table;
#[cfg(test)]
mod tests;

use std::io;

use serde::Serialize;

use crate::catalogue::{Catalogue, Flow, Identity, Party, Role};
use crate::report::OutputFormat;
use crate::report::escape::{csv, markdown};
use crate::report::{Canvas, capitalised};
pub(crate) use site::Planned;

/// The titles of the columns, in the words of the vendors' tables.
const TITLES: [&str; 6] = ["From", "To", "Protocol", "Port", "Application", "Needed"];

/// Over what a reader has to know beside the rows.
const NOTES: &str = "Notes";

/// What of a flow table is wanted.
#[derive(Clone, Debug, Default)]
pub(crate) struct FlowChoice {
    /// The flows of one role's machines only.
    pub(crate) role: Option<Role>,
    /// Groups that are switched on.
    pub(crate) groups: Vec<String>,
}

/// A flow table for a reader.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Requirements {
    /// The flow table: `i-vertix`.
    profile: String,
    /// The product.
    product: String,
    /// SHA-256 of the flow table's text.
    sha256: String,
    /// What the table calls its own version.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// The day it was last compared with the documents it follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    date: Option<String>,
    /// The version of the platform whose rows these are; none: of every version.
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<String>,
    /// The documents it follows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    follows: Vec<String>,
    /// The rows that belong together, in the order in which vendors show them.
    sections: Vec<FlowsSection>,
    /// What a reader has to know beside the rows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

/// Rows under one heading.
#[derive(Clone, Debug, Serialize)]
struct FlowsSection {
    title: String,
    rows: Vec<Requirement>,
}

/// A flow, as somebody who opens a firewall reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Requirement {
    /// The row's stable name: `poller.bbdo`.
    flow: String,
    from: String,
    to: String,
    /// `LDAP, LDAPS`.
    protocol: String,
    /// `TCP 389, 636`.
    port: String,
    application: String,
    /// `yes`, `optional`, or when.
    needed: String,
}

impl Requirements {
    /// The rows of `catalogue` that are wanted.
    pub(crate) fn new(catalogue: &Catalogue, choice: &FlowChoice) -> Self {
        let is_wanted = |flow: &&Flow| {
            let of_role = |role: Role| flow.from.is(role) || flow.to.is(role);
            choice.role.is_none_or(of_role)
                && flow.group.as_ref().is_none_or(|group| {
                    let is_own = choice.role.is_some_and(|role| role.to_string() == *group);
                    is_own || choice.groups.contains(group)
                })
        };
        let wanted: Vec<&Flow> = catalogue.flows.iter().filter(is_wanted).collect();
        let titles = sections_of(wanted.iter().map(|flow| section(flow, catalogue)));
        let section = |title| {
            let of_it = wanted.iter().filter(|flow| section(flow, catalogue) == title);
            let rows = of_it.map(|flow| Requirement::new(flow)).collect();
            FlowsSection { title, rows }
        };
        Self::with(catalogue, titles.into_iter().map(section))
    }

    fn with(catalogue: &Catalogue, sections: impl Iterator<Item = FlowsSection>) -> Self {
        Self {
            profile: catalogue.profile.clone(),
            product: catalogue.title.clone(),
            sha256: catalogue.identity.sha256.clone(),
            version: catalogue.version.clone(),
            date: catalogue.date.clone(),
            platform: catalogue.identity.platform.clone(),
            follows: catalogue.identity.follows.clone(),
            sections: sections.filter(|section| !section.rows.is_empty()).collect(),
            notes: catalogue.notes.clone(),
        }
    }

    fn title(&self) -> String {
        format!("Network flows of {}", self.product)
    }

    /// Which table it is, so that two copies can be told apart.
    fn source(&self) -> String {
        let digest = self.sha256.get(..8).unwrap_or(&self.sha256);
        let identity = Identity {
            version: self.version.clone(),
            date: self.date.clone(),
            ..Identity::default()
        };
        let parts = [identity.edition(), Some(digest.to_owned())];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        let platform = self.platform.as_ref().map(|version| format!(" for {version}"));
        format!(
            "preflight {}, profile {}{} ({})",
            env!("CARGO_PKG_VERSION"),
            self.profile,
            platform.unwrap_or_default(),
            parts.join(", ")
        )
    }
}

const CENTRAL: &str = "Central server";
const POLLER: &str = "Poller";
const REMOTE: &str = "Remote server";
const PLATFORM: &str = "Between the machines of the platform";
const MONITORING: &str = "Monitoring";
/// In the order of the vendors' pages.
const SECTIONS: [&str; 5] = [CENTRAL, POLLER, REMOTE, PLATFORM, MONITORING];

/// The headings of these rows: those of the vendors' pages, then the others as they come.
fn sections_of(headings: impl Iterator<Item = String>) -> Vec<String> {
    let mut titles: Vec<String> = SECTIONS.map(str::to_owned).into();
    for heading in headings {
        if !titles.contains(&heading) {
            titles.push(heading);
        }
    }
    titles
}

/// The heading a row stands under.
fn section(flow: &Flow, catalogue: &Catalogue) -> String {
    const MACHINES: [Role; 3] = [Role::Central, Role::Poller, Role::Remote];
    let role = |party: &Party| MACHINES.into_iter().find(|role| party.is(*role));
    let heading = match (&flow.group, role(&flow.from), role(&flow.to)) {
        _ if flow.by_engine => MONITORING,
        (Some(group), _, _) => return catalogue.title_of(group),
        (_, Some(_), Some(_)) => PLATFORM,
        (_, Some(Role::Central), None) | (_, None, Some(Role::Central)) => CENTRAL,
        (_, Some(Role::Remote), None) | (_, None, Some(Role::Remote)) => REMOTE,
        _ => POLLER,
    };
    heading.to_owned()
}

impl Requirement {
    fn new(flow: &Flow) -> Self {
        let why = flow.why.trim_end_matches('.').to_owned();
        Self {
            flow: flow.id.get_ref().clone(),
            from: flow.words.from.clone().unwrap_or_else(|| capitalised(flow.from.title())),
            to: flow.words.to.clone().unwrap_or_else(|| capitalised(flow.to.title())),
            protocol: flow.words.protocol.clone().unwrap_or_else(|| flow.protocols()),
            port: flow.words.port.clone().unwrap_or_else(|| flow.ports()),
            application: flow.application.clone().unwrap_or(why),
            needed: needed(flow),
        }
    }

    fn cells(&self) -> [&str; 6] {
        [&self.from, &self.to, &self.protocol, &self.port, &self.application, &self.needed]
    }
}

/// Always, or when?
fn needed(flow: &Flow) -> String {
    let mut parts = Vec::new();
    parts.extend(
        flow.mode.filter(|mode| !mode.is_expected()).map(|mode| format!("where {}", mode.clause())),
    );
    parts.extend(flow.versions());
    parts.extend(flow.group.as_ref().map(|group| format!("with {group}")));
    parts.extend(flow.only_with_target.then(|| format!("with a {}", flow.to.title())));
    match (flow.required, parts.is_empty()) {
        (true, true) => "yes".to_owned(),
        (true, false) => parts.join(", "),
        (false, true) => "optional".to_owned(),
        (false, false) => format!("optional, {}", parts.join(", ")),
    }
}

/// How a flow table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum FlowsFormat {
    /// For a reader.
    Table,
    /// For a document or a ticket.
    Markdown,
    /// For a spreadsheet.
    Csv,
    /// One page to hand over.
    Html,
    /// For a program.
    Json,
}

impl OutputFormat for FlowsFormat {
    fn is_page(self) -> bool {
        matches!(self, Self::Table)
    }
}

impl FlowsFormat {
    /// Writes `flows`.
    ///
    /// # Errors
    ///
    /// When `out` cannot be written to.
    pub(crate) fn write(
        self,
        flows: &Requirements,
        canvas: Canvas,
        out: &mut dyn io::Write,
    ) -> io::Result<()> {
        match self {
            Self::Table => table::write(flows, canvas, out),
            Self::Markdown => write_markdown(flows, out),
            Self::Csv => write_csv(flows, out),
            Self::Html => html::write(flows, out),
            Self::Json => crate::report::json::write(flows, out),
        }
    }
}

fn write_markdown(flows: &Requirements, out: &mut dyn io::Write) -> io::Result<()> {
    writeln!(out, "# {}\n\n{}", markdown(&flows.title()), markdown(&flows.source()))?;
    for section in &flows.sections {
        writeln!(out, "\n## {}\n", markdown(&section.title))?;
        writeln!(out, "| {} |\n| {} |", TITLES.join(" | "), TITLES.map(|_| "---").join(" | "))?;
        for row in &section.rows {
            writeln!(out, "| {} |", row.cells().map(markdown).join(" | "))?;
        }
    }
    if !flows.notes.is_empty() {
        writeln!(out, "\n## {NOTES}\n")?;
    }
    flows.notes.iter().try_for_each(|note| writeln!(out, "- {}", markdown(note)))
}

/// Reference: [RFC 4180](https://www.rfc-editor.org/rfc/rfc4180).
fn write_csv(flows: &Requirements, out: &mut dyn io::Write) -> io::Result<()> {
    write!(out, "flow,{}\r\n", TITLES.map(str::to_lowercase).join(","))?;
    for row in flows.sections.iter().flat_map(|section| &section.rows) {
        write!(out, "{},{}\r\n", csv(&row.flow), row.cells().map(csv).join(","))?;
    }
    Ok(())
}
