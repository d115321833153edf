//! Whose device is it? Private enterprise numbers, as the IANA gives them out.

/// The maker's name, or its number when the table does not know it.
///
/// `None` for number 0, which is reserved and says nothing.
pub(super) fn name(enterprise: u32) -> Option<String> {
    let known = VENDORS.iter().find(|(number, _)| *number == enterprise);
    match known {
        Some((_, name)) => Some((*name).to_owned()),
        None => (enterprise != 0).then(|| format!("enterprise {enterprise}")),
    }
}

/// The maker in a sysObjectID: the number behind 1.3.6.1.4.1.
pub(super) fn of_object(arcs: &[u32]) -> Option<String> {
    arcs.strip_prefix(&ENTERPRISES)?.first().and_then(|number| name(*number))
}

const ENTERPRISES: [u32; 6] = [1, 3, 6, 1, 4, 1];

/// What hangs in a customer's racks, by number.
const VENDORS: &[(u32, &str)] = &[
    (2, "IBM"),
    (9, "Cisco"),
    (11, "HP"),
    (43, "3Com"),
    (94, "Nokia"),
    (111, "Oracle"),
    (171, "D-Link"),
    (193, "Ericsson"),
    (207, "Allied Telesis"),
    (232, "HPE (Compaq)"),
    (248, "Hirschmann"),
    (253, "Xerox"),
    (311, "Microsoft"),
    (318, "APC"),
    (343, "Intel"),
    (368, "Axis"),
    (476, "Vertiv"),
    (534, "Eaton"),
    (641, "Lexmark"),
    (674, "Dell"),
    (705, "MGE"),
    (789, "NetApp"),
    (850, "Tripp Lite"),
    (890, "Zyxel"),
    (1347, "Kyocera"),
    (1588, "Brocade"),
    (1602, "Canon"),
    (1916, "Extreme"),
    (1991, "Foundry"),
    (2011, "Huawei"),
    (2021, "net-snmp"),
    (2435, "Brother"),
    (2620, "Check Point"),
    (2636, "Juniper"),
    (3224, "NetScreen"),
    (3375, "F5"),
    (3417, "Blue Coat"),
    (3808, "CyberPower"),
    (3902, "ZTE"),
    (4329, "Siemens"),
    (4526, "Netgear"),
    (6027, "Force10"),
    (6486, "Alcatel-Lucent"),
    (6527, "Nokia"),
    (6574, "Synology"),
    (6876, "VMware"),
    (7779, "Infoblox"),
    (8072, "net-snmp"),
    (8691, "Moxa"),
    (8741, "SonicWall"),
    (11863, "TP-Link"),
    (12325, "FreeBSD"),
    (12356, "Fortinet"),
    (13742, "Raritan"),
    (14179, "Cisco"),
    (14823, "Aruba"),
    (14988, "MikroTik"),
    (17163, "Riverbed"),
    (19046, "Lenovo"),
    (20632, "Barracuda"),
    (24681, "QNAP"),
    (25053, "Ruckus"),
    (25461, "Palo Alto"),
    (25506, "H3C"),
    (29671, "Meraki"),
    (30065, "Arista"),
    (30155, "OpenBSD"),
    (33049, "Mellanox"),
    (41112, "Ubiquiti"),
    (47196, "Aruba"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_maker_is_named_by_its_number() {
        assert_eq!(name(9).as_deref(), Some("Cisco"));
        assert_eq!(name(8072).as_deref(), Some("net-snmp"));
        assert_eq!(name(4_000_000).as_deref(), Some("enterprise 4000000"));
        assert_eq!(name(0), None);
    }

    #[test]
    fn an_object_outside_the_enterprises_names_nobody() {
        assert_eq!(of_object(&[1, 3, 6, 1, 4, 1, 14988, 1]).as_deref(), Some("MikroTik"));
        assert_eq!(of_object(&[1, 3, 6, 1, 4, 1]), None);
        assert_eq!(of_object(&[1, 3, 6, 1, 2, 1]), None);
    }

    #[test]
    fn the_table_is_in_order() {
        assert!(VENDORS.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
