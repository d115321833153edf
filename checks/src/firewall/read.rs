//! Reads this host's rules, each kind by the program that writes them.

use std::fs::File;
use std::io::Read as _;

use super::ruleset::{Ruleset, TableKind};
use super::walk::{Blame, BlamedRule};
use super::{iptables, nft};
use crate::net::program::{output, path};

/// All rules of this host.
///
/// # Errors
///
/// A sentence that says why they are not known.
pub(super) fn ruleset() -> Result<Ruleset, String> {
    if !nix::unistd::geteuid().is_root() {
        return Err("only root may read this host's rules".to_owned());
    }
    let mut ruleset = Ruleset::default();
    let legacy = LEGACY.map(|(family, names)| (family, !names_in(names).is_empty()));
    let has_legacy = legacy.iter().any(|(_, there)| *there);
    match path("nft") {
        Some(nft) => {
            let foreign = nft::read(&output(&nft, &["-j", "list", "ruleset"])?, &mut ruleset)?;
            read_foreign(&foreign, &mut ruleset)?;
        }
        None => read_without_nft(has_legacy, &mut ruleset)?,
    }
    for (family, _) in legacy.into_iter().filter(|(_, there)| *there) {
        let name = if family == "ip" { "iptables" } else { "ip6tables" };
        let text = saved(&format!("{name}-legacy-save"), &format!("{name}-save"), "legacy")?;
        iptables::read(&text, family, TableKind::IptablesLegacy, |_| true, &mut ruleset);
    }
    Ok(ruleset)
}

/// Tables of the older kind, by family; root alone may read them.
const LEGACY: [(&str, &str); 2] =
    [("ip", "/proc/net/ip_tables_names"), ("ip6", "/proc/net/ip6_tables_names")];

fn names_in(file: &str) -> String {
    let mut names = String::new();
    if let Ok(file) = File::open(file) {
        let _what_there_is = file.take(4096).read_to_string(&mut names);
    }
    names.trim().to_owned()
}

/// Tables that iptables has written into nftables: read as iptables writes them.
fn read_foreign(foreign: &[(String, String)], ruleset: &mut Ruleset) -> Result<(), String> {
    for family in ["ip", "ip6"] {
        let tables: Vec<&str> = foreign
            .iter()
            .filter(|(of, _)| of == family)
            .map(|(_, table)| table.as_str())
            .collect();
        if tables.is_empty() {
            continue;
        }
        let name = if family == "ip" { "iptables" } else { "ip6tables" };
        let text = saved(&format!("{name}-nft-save"), &format!("{name}-save"), "nf_tables")?;
        ruleset.forget(family, &tables);
        iptables::read(
            &text,
            family,
            TableKind::IptablesNft,
            |table| tables.contains(&table),
            ruleset,
        );
    }
    match foreign.iter().find(|(family, _)| family != "ip" && family != "ip6") {
        Some((family, table)) => Err(format!("the table {family} {table} cannot be read")),
        None => Ok(()),
    }
}

/// Without nft, tables that iptables has not written cannot be seen at all.
fn read_without_nft(has_legacy: bool, ruleset: &mut Ruleset) -> Result<(), String> {
    for (family, name) in [("ip", "iptables"), ("ip6", "ip6tables")] {
        match saved(&format!("{name}-nft-save"), &format!("{name}-save"), "nf_tables") {
            Ok(text) if text.contains("is incompatible") => {
                return Err(
                    "there are tables of nftables, and nft is not here to list them".to_owned()
                );
            }
            Ok(text) => iptables::read(&text, family, TableKind::IptablesNft, |_| true, ruleset),
            Err(_) if has_legacy => {}
            Err(_) => return Err("nft is not here to list this host's rules".to_owned()),
        }
    }
    Ok(())
}

/// What the program of that kind has to say: called by its own name, or by the common one.
fn saved(own: &str, common: &str, kind: &str) -> Result<String, String> {
    if let Some(program) = path(own) {
        return output(&program, &[]);
    }
    let missing = || format!("{own} is not here to list this host's rules");
    let program = path(common).ok_or_else(missing)?;
    let version = output(&program, &["-V"])?;
    // Before there were two kinds, a version had no kind.
    let is_kind = version.contains(kind) || (kind == "legacy" && !version.contains("nf_tables"));
    if is_kind { output(&program, &[]) } else { Err(missing()) }
}

/// A rule as its own program shows it.
pub(super) fn text(blame: &Blame) -> String {
    match &blame.rule {
        BlamedRule::Policy => "policy drop".to_owned(),
        BlamedRule::Line(line) => crate::wire::clean(line.as_bytes(), MAX_RULE),
        BlamedRule::Handle(handle) => {
            let id = &blame.id;
            let arguments = ["-a", "list", "chain", &id.family, &id.table, &id.chain];
            let listed = path("nft").and_then(|nft| output(&nft, &arguments).ok());
            let line = listed.as_deref().and_then(|listed| line_of(listed, *handle));
            line.map_or_else(
                || format!("handle {handle}"),
                |line| crate::wire::clean(line.as_bytes(), MAX_RULE),
            )
        }
    }
}

/// The rule of that handle in what `nft -a list chain` writes, without its counter.
fn line_of(listed: &str, handle: u64) -> Option<String> {
    let end = format!(" # handle {handle}");
    let rule = listed.lines().find_map(|line| line.strip_suffix(&end))?.trim();
    let mut words = rule.split(' ');
    let mut kept = Vec::new();
    while let Some(word) = words.next() {
        // `counter packets 12 bytes 720`
        if word == "counter" && words.clone().next() == Some("packets") {
            words.by_ref().take(4).for_each(drop);
        } else {
            kept.push(word);
        }
    }
    Some(kept.join(" "))
}

/// A rule in a sentence; longer ones are cut.
const MAX_RULE: usize = 160;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_found_by_its_handle_and_shown_without_its_counter() {
        let listed = "table inet filter { # handle 3\n\tchain input { # handle 1\n\t\ttype filter hook input priority filter; policy drop;\n\t\ttcp dport 22 counter packets 12 bytes 720 accept # handle 4\n\t\treject with icmpx admin-prohibited # handle 44\n\t}\n}\n";
        assert_eq!(line_of(listed, 4).as_deref(), Some("tcp dport 22 accept"));
        assert_eq!(line_of(listed, 44).as_deref(), Some("reject with icmpx admin-prohibited"));
        assert_eq!(line_of(listed, 5), None);
    }
}
