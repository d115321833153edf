//! `SELinux`, where it keeps this process from a port: that reads as "permission denied" and nothing more.
//!
//! Read without its tools, which are not everywhere: is it enforcing, in which domain does this process run, and which
//! type has the administrator given to the port? What the distribution's own policy says of it stands in a binary.

use std::fs;
use std::path::Path;

use preflight_checks::{Transport, printable};

/// Why `SELinux` may be what refuses a port; none: it is not enforcing.
pub(super) fn refusal(root: &Path, transport: Transport, port: u16) -> Option<String> {
    let read = |name: &str| fs::read_to_string(root.join(name)).ok();
    if read("sys/fs/selinux/enforce")?.trim() != "1" {
        return None;
    }
    let context = read("proc/self/attr/current").unwrap_or_default();
    let domain = context.trim_end_matches('\0').split(':').nth(2).unwrap_or("this process");
    let of_port = ["targeted", "mls", "minimum"]
        .iter()
        .filter_map(|policy| read(&format!("var/lib/selinux/{policy}/active/ports.local")))
        .find_map(|list| port_type(&list, transport, port));
    let of_port = of_port.map(|name| format!(", whose type here is {name}")).unwrap_or_default();
    Some(format!(
        "is refused by SELinux, perhaps: {} may not listen there{of_port} (semanage port -l | grep -w {port}; ausearch -m avc -ts recent);",
        printable(domain)
    ))
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
        let why = refusal(root.path(), Transport::Tcp, 8005).unwrap();
        assert!(
            why.contains("httpd_t may not listen there, whose type here is http_port_t"),
            "{why}"
        );
        let why = refusal(root.path(), Transport::Tcp, 5669).unwrap();
        assert!(why.contains("httpd_t may not listen there (semanage"), "{why}");
    }

    #[test]
    fn where_it_only_warns_or_is_not_there_it_refuses_nothing() {
        assert_eq!(refusal(machine("0").path(), Transport::Tcp, 8005), None);
        let nothing = tempfile::tempdir().unwrap();
        assert_eq!(refusal(nothing.path(), Transport::Tcp, 8005), None);
    }
}
