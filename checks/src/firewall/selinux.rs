//! `SELinux`: is it enforcing, and which type has this machine's administrator given to a port?
//!
//! Where it keeps a process from a port that reads as "permission denied" and nothing more. Read without its
//! tools, which are not everywhere: is it enforcing, in which domain does this process run, and which type stands in
//! the list of what was added to the policy? What the distribution's own policy says of a port stands in a binary.

use std::fs;
use std::path::Path;

use crate::cause::Transport;
use crate::wire::printable;

/// Why `SELinux` may be what refuses this process a port; none: it is not enforcing.
#[must_use]
pub fn selinux_refusal(root: &Path, transport: Transport, port: u16) -> Option<String> {
    if !is_enforcing(root) {
        return None;
    }
    let context = read(root, "proc/self/attr/current").unwrap_or_default();
    let domain = context.trim_end_matches('\0').split(':').nth(2).unwrap_or("this process");
    let of_port = match added_type(root, transport, port) {
        AddedType::Given(name) => format!(", whose type here is {name}"),
        AddedType::None | AddedType::Unread => String::new(),
    };
    Some(format!(
        "is refused by SELinux, perhaps: {} may not listen there{of_port} (semanage port -l | grep -w {port}; ausearch -m avc -ts recent);",
        printable(domain)
    ))
}

/// What is known of a port on which a service is still to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PortLabel {
    /// The type that the administrator has given to the port.
    pub(crate) given: Option<String>,
    /// All of it, for a reader.
    pub(crate) words: String,
}

/// None: `SELinux` is not enforcing, or not there.
pub(crate) fn label(root: &Path, transport: Transport, port: u16) -> Option<PortLabel> {
    if !is_enforcing(root) {
        return None;
    }
    let at = format!("{transport} {port}");
    let look = format!("semanage port -l | grep -w {port}");
    Some(match added_type(root, transport, port) {
        AddedType::Given(name) => PortLabel {
            words: format!("enforcing; {at} was given the type {name} here: {look}"),
            given: Some(name),
        },
        AddedType::None => PortLabel {
            given: None,
            words: format!(
                "enforcing; {at} was given no type here beside the policy's own: {look}"
            ),
        },
        AddedType::Unread => PortLabel {
            given: None,
            words: format!("enforcing; which type {at} has is not known: {look}"),
        },
    })
}

fn is_enforcing(root: &Path) -> bool {
    read(root, "sys/fs/selinux/enforce").is_some_and(|text| text.trim() == "1")
}

fn read(root: &Path, name: &str) -> Option<String> {
    fs::read_to_string(root.join(name)).ok()
}

/// The type that an administrator has added for a port.
#[derive(Clone, Debug, PartialEq, Eq)]
enum AddedType {
    Given(String),
    None,
    /// The list is root's alone, or lies elsewhere.
    Unread,
}

fn added_type(root: &Path, transport: Transport, port: u16) -> AddedType {
    let stores = ["targeted", "mls", "minimum"]
        .map(|policy| root.join(format!("var/lib/selinux/{policy}/active")));
    // Without anything added there is no list; whoever may not look into its folder knows nothing.
    if !stores.iter().any(|store| fs::read_dir(store).is_ok()) {
        return AddedType::Unread;
    }
    let mut lists =
        stores.iter().filter_map(|store| fs::read_to_string(store.join("ports.local")).ok());
    lists
        .find_map(|list| port_type(&list, transport, port))
        .map_or(AddedType::None, AddedType::Given)
}

/// The type in lines as `portcon tcp 8443 system_u:object_r:http_port_t:s0`, or with a range: `8000-8010`.
fn port_type(list: &str, transport: Transport, port: u16) -> Option<String> {
    let transport = transport.to_string().to_lowercase();
    let mut found = list.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (Some("portcon"), Some(protocol), Some(ports), Some(context)) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return None;
        };
        let (from, to) = ports.split_once('-').unwrap_or((ports, ports));
        let range = from.parse::<u16>().ok()?..=to.parse::<u16>().ok()?;
        let is_it = protocol == transport && range.contains(&port);
        is_it.then(|| printable(context.split(':').nth(2).unwrap_or(context)))
    });
    found.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(enforce: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("sys/fs/selinux/enforce", enforce),
            ("proc/self/attr/current", "system_u:system_r:httpd_t:s0\0"),
            (
                "var/lib/selinux/targeted/active/ports.local",
                "# semanage\nportcon tcp 8000-8010 system_u:object_r:http_port_t:s0\nportcon udp 5669 system_u:object_r:other_t:s0\n",
            ),
        ] {
            let file = root.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        root
    }

    #[test]
    fn the_domain_and_the_type_of_the_port_are_named() {
        let root = machine("1");
        let why = selinux_refusal(root.path(), Transport::Tcp, 8005).unwrap();
        assert!(
            why.contains("httpd_t may not listen there, whose type here is http_port_t"),
            "{why}"
        );
        let why = selinux_refusal(root.path(), Transport::Tcp, 5669).unwrap();
        assert!(why.contains("httpd_t may not listen there (semanage"), "{why}");
    }

    #[test]
    fn a_port_is_told_with_the_type_it_was_given_and_without_one_as_such() {
        let root = machine("1");
        let told = |port| label(root.path(), Transport::Tcp, port).unwrap();
        assert_eq!(told(8005).given.as_deref(), Some("http_port_t"));
        assert_eq!(
            told(8005).words,
            "enforcing; TCP 8005 was given the type http_port_t here: semanage port -l | grep -w 8005"
        );
        assert_eq!(told(5669).given, None);
        assert!(told(5669).words.contains("given no type here beside the policy's own"));
        let udp = label(root.path(), Transport::Udp, 5669).unwrap();
        assert_eq!(udp.given.as_deref(), Some("other_t"));
    }

    #[test]
    fn a_list_that_cannot_be_read_is_not_taken_for_an_empty_one() {
        let root = machine("1");
        fs::remove_dir_all(root.path().join("var")).unwrap();
        let told = label(root.path(), Transport::Tcp, 5669).unwrap();
        assert!(told.words.contains("which type TCP 5669 has is not known"), "{}", told.words);
    }

    #[test]
    fn where_it_only_warns_or_is_not_there_it_refuses_nothing() {
        assert_eq!(selinux_refusal(machine("0").path(), Transport::Tcp, 8005), None);
        assert_eq!(label(machine("0").path(), Transport::Tcp, 8005), None);
        let nothing = tempfile::tempdir().unwrap();
        assert_eq!(selinux_refusal(nothing.path(), Transport::Tcp, 8005), None);
        assert_eq!(label(nothing.path(), Transport::Tcp, 8005), None);
    }
}
