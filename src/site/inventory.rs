//! An Ansible inventory as a site file.
//!
//! `ansible-inventory --list` prints groups with their hosts, and the variables of each host. The groups `central`,
//! `pollers` and `remotes` are the machines; a variable `preflight_KEY` is the key of that name in the site file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use preflight_checks::{printable, quoted};
use serde_json::{Map, Value};

use super::file::machine_keys;
use crate::catalogue::Role;

/// What the groups may be called; the first is how this program writes it.
const GROUPS: [(Role, &[&str]); 3] = [
    (Role::Central, &["central", "centrals"]),
    (Role::Poller, &["pollers", "poller"]),
    (Role::Remote, &["remotes", "remote"]),
];

/// What every variable of ours begins with.
const PREFIX: &str = "preflight_";

/// Sections of the site file that are the same for all machines.
const SHARED: [&str; 2] = ["platform", "credentials"];

/// The site file that an inventory makes; `name` is what an error calls the inventory, `profile` the flow table,
/// unless the inventory has one in `preflight_platform`.
///
/// # Errors
///
/// One sentence that names the host or the group, and what to do about it.
pub(crate) fn site_file(name: &str, text: &str, profile: Option<&str>) -> Result<String, String> {
    let inventory: Map<String, Value> = serde_json::from_str(text).map_err(|error| {
        format!(
            "{name} is not what `ansible-inventory --list` prints: {}",
            printable(&error.to_string())
        )
    })?;
    let machines = machines(name, &inventory)?;
    let nothing = Map::new();
    let of_host = |host: &str| {
        let variables = inventory.get("_meta").and_then(|meta| meta.get("hostvars"));
        variables.and_then(|all| all.get(host)).and_then(Value::as_object).unwrap_or(&nothing)
    };
    for (host, role) in &machines {
        needs_no_choice(host, *role, of_host(host), &machines)?;
    }
    let mut page = format!(
        "# A site file for preflight, made from the Ansible inventory {}.\n",
        printable(name)
    );
    for section in SHARED {
        let values = distinct(&machines, section, of_host);
        match values.as_slice() {
            [] => {
                if let Some(profile) = profile.filter(|_| section == "platform") {
                    page.push_str("\n[platform]\n");
                    entry(&mut page, "profile", "--profile", &Value::from(profile))?;
                }
            }
            [(_, value)] => section_of(&mut page, section, value)?,
            [(one, _), (other, _), ..] => {
                return Err(format!(
                    "{one} and {other} differ in {PREFIX}{section}: it is the same for all machines; set it for the group all"
                ));
            }
        }
    }
    let services = distinct(&machines, "services", of_host);
    let shared = match services.as_slice() {
        [(_, value)]
            if machines.keys().all(|host| of_host(host).contains_key("preflight_services")) =>
        {
            section_of(&mut page, "services", value)?;
            true
        }
        _ => false,
    };
    for (host, role) in &machines {
        machine(&mut page, host, *role, of_host(host), shared)?;
    }
    let checks = distinct(&machines, "checks", of_host);
    for check in checks.first().and_then(|(_, value)| value.as_array()).into_iter().flatten() {
        page.push_str("\n[[check]]\n");
        table(&mut page, "checks", check)?;
    }
    Ok(page)
}

/// Each host of our groups, with its role.
fn machines(name: &str, inventory: &Map<String, Value>) -> Result<BTreeMap<String, Role>, String> {
    let mut machines = BTreeMap::new();
    for (role, names) in GROUPS {
        for host in names.iter().flat_map(|group| hosts(inventory, group)) {
            match machines.insert(host.clone(), role) {
                Some(other) if other != role => {
                    return Err(format!(
                        "{name}: the host {host} is {other} and {role}; a machine has one role, leave it in one group"
                    ));
                }
                _ => {}
            }
        }
    }
    if !machines.values().any(|role| *role == Role::Central) {
        return Err(format!("{name} has no central: put its host into the group `central`"));
    }
    Ok(machines)
}

/// The hosts of a group and of the groups in it.
fn hosts(inventory: &Map<String, Value>, group: &str) -> BTreeSet<String> {
    let (mut found, mut seen, mut open) =
        (BTreeSet::new(), BTreeSet::new(), vec![group.to_owned()]);
    while let Some(group) = open.pop() {
        // A group may be in itself, in a file that somebody made.
        if !seen.insert(group.clone()) {
            continue;
        }
        let texts = |key: &str| {
            let list = inventory.get(&group).and_then(|group| group.get(key));
            let list = list.and_then(Value::as_array).into_iter().flatten();
            list.filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
        };
        found.extend(texts("hosts"));
        open.extend(texts("children"));
    }
    found
}

/// A poller of a platform with two centrals must say which is its own.
fn needs_no_choice(
    host: &str,
    role: Role,
    variables: &Map<String, Value>,
    machines: &BTreeMap<String, Role>,
) -> Result<(), String> {
    let centrals: Vec<&str> = machines
        .iter()
        .filter(|(_, role)| **role == Role::Central)
        .map(|(host, _)| host.as_str())
        .collect();
    if role == Role::Central || centrals.len() < 2 || variables.contains_key("preflight_central") {
        return Ok(());
    }
    Err(format!(
        "{host} has {} centrals to choose from ({}): set preflight_central for it",
        centrals.len(),
        crate::text::first_of(&centrals, 5)
    ))
}

/// The different values of a variable, each with the first host that has it.
fn distinct<'a>(
    machines: &'a BTreeMap<String, Role>,
    name: &str,
    of_host: impl Fn(&str) -> &'a Map<String, Value>,
) -> Vec<(&'a str, &'a Value)> {
    let mut values: Vec<(&str, &Value)> = Vec::new();
    for host in machines.keys() {
        let Some(value) = of_host(host).get(&format!("{PREFIX}{name}")) else { continue };
        if values.iter().all(|(_, known)| *known != value) {
            values.push((host, value));
        }
    }
    values
}

fn section_of(page: &mut String, name: &str, value: &Value) -> Result<(), String> {
    let _infallible = write!(page, "\n[{name}]\n");
    table(page, name, value)
}

fn table(page: &mut String, name: &str, value: &Value) -> Result<(), String> {
    let Some(entries) = value.as_object() else {
        return Err(format!("{PREFIX}{name} is not a mapping of keys to values"));
    };
    for (key, value) in entries {
        entry(page, key, &format!("{PREFIX}{name}"), value)?;
    }
    Ok(())
}

fn machine(
    page: &mut String,
    host: &str,
    role: Role,
    variables: &Map<String, Value>,
    shared_services: bool,
) -> Result<(), String> {
    let _infallible = write!(page, "\n[machine.{}]\n", key_of(host));
    entry(page, "role", "role", &Value::from(role.to_string()))?;
    let address = ["preflight_address", "ansible_host", "ansible_ssh_host"];
    let address = address.iter().find_map(|name| variables.get(*name));
    entry(page, "address", host, address.unwrap_or(&Value::from(host)))?;
    for key in machine_keys().filter(|key| !["role", "address"].contains(key)) {
        if key == "services" && shared_services {
            continue;
        }
        if let Some(value) = variables.get(&format!("{PREFIX}{key}")) {
            entry(page, key, host, value)?;
        }
    }
    Ok(())
}

/// `key = value`; an error names where the value stands.
fn entry(page: &mut String, key: &str, place: &str, value: &Value) -> Result<(), String> {
    if value.is_null() {
        return Ok(());
    }
    let text = value.to_string();
    if text.contains("{{") || text.contains("{%") {
        return Err(format!(
            "{place}: {} is a template that `ansible-inventory` does not fill in; the role of the collection does",
            quoted(&printable(key))
        ));
    }
    let value = toml::Value::try_from(value)
        .map_err(|error| format!("{place}: {key} has no form in a site file: {error}"))?;
    let _infallible = writeln!(page, "{} = {value}", key_of(key));
    Ok(())
}

/// A key, quoted if it has to be.
fn key_of(text: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !text.is_empty() && text.chars().all(is_bare) {
        text.to_owned()
    } else {
        toml::Value::from(text).to_string()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::site::file::SiteFile;

    fn of(inventory: &Value) -> Result<String, String> {
        site_file("inventory.json", &inventory.to_string(), None)
    }

    fn three() -> Value {
        json!({
            "_meta": { "hostvars": {
                "c1": { "ansible_host": "10.0.0.5", "preflight_services": { "ntp": ["10.0.0.3"] },
                        "preflight_platform": { "profile": "centreon" } },
                "p1.example": { "ansible_host": "10.2.0.7", "preflight_bbdo": "reversed",
                        "preflight_services": { "ntp": ["10.0.0.3"] },
                        "preflight_devices": ["10.9.0.1", { "host": "10.9.0.2", "port": 1161 }],
                        "preflight_platform": { "profile": "centreon" } },
            } },
            "all": { "children": ["central", "pollers"] },
            "central": { "hosts": ["c1"] },
            "pollers": { "children": ["north"] },
            "north": { "hosts": ["p1.example"], "children": ["pollers"] },
        })
    }

    #[test]
    fn groups_are_machines_and_variables_their_keys() {
        let page = of(&three()).unwrap();
        let file = SiteFile::parse("site.toml", &page).unwrap();
        assert_eq!(file.machines().len(), 2, "{page}");
        for line in [
            "[services]\nntp = [\"10.0.0.3\"]\n",
            "[machine.\"p1.example\"]\nrole = \"poller\"\naddress = \"10.2.0.7\"\n",
            "bbdo = \"reversed\"\n",
            "devices = [\"10.9.0.1\", { host = \"10.9.0.2\", port = 1161 }]\n",
            "[platform]\nprofile = \"centreon\"\n",
        ] {
            assert!(page.contains(line), "`{line}` is not in\n{page}");
        }
        assert_eq!(page.matches("ntp").count(), 1, "{page}");
    }

    #[test]
    fn what_cannot_be_a_site_names_the_host_and_the_remedy() {
        let mut none = three();
        none["central"] = json!({});
        assert!(of(&none).unwrap_err().contains("put its host into the group `central`"));
        let mut two = three();
        two["central"] = json!({ "hosts": ["c1", "c2"] });
        let said = of(&two).unwrap_err();
        assert_eq!(
            said,
            "p1.example has 2 centrals to choose from (c1, c2): set preflight_central for it"
        );
        let mut both = three();
        both["remotes"] = json!({ "hosts": ["p1.example"] });
        assert!(of(&both).unwrap_err().contains("the host p1.example is poller and remote"));
        let mut template = three();
        template["_meta"]["hostvars"]["c1"]["preflight_nat"] = json!("{{ outside }}");
        assert!(of(&template).unwrap_err().starts_with("c1: `nat` is a template"));
        let mut differ = three();
        differ["_meta"]["hostvars"]["c1"]["preflight_platform"] = json!({ "profile": "i-vertix" });
        assert!(
            of(&differ).unwrap_err().starts_with("c1 and p1.example differ in preflight_platform")
        );
        assert!(
            site_file("x", "[all]", None)
                .unwrap_err()
                .contains("is not what `ansible-inventory --list` prints")
        );
    }
}
