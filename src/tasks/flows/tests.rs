use super::*;

fn i_vertix() -> Catalogue {
    Catalogue::profile("i-vertix").unwrap()
}

fn written(format: FlowsFormat, choice: &FlowChoice) -> String {
    let flows = Requirements::new(&i_vertix(), choice);
    let mut out = Vec::new();
    format.write(&flows, Canvas { width: 80, verbose: false }, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// The vendor's own tables, word for word: from, to, protocol, port, application. Two words are not
/// taken over: "uptades" is "updates", and the star behind "SSL VPN" is the first note.
#[test]
fn every_row_of_the_vendors_tables_is_there_in_its_words() {
    let flows = Requirements::new(&i_vertix(), &FlowChoice::default());
    let rows: Vec<&Requirement> = flows.sections.iter().flat_map(|section| &section.rows).collect();
    let wanted = "
        Central | NTP server | NTP | UDP 123 | Synchronization of the system clock
        Central | DNS server | DNS | UDP 53 | Domain name resolution
        Central | SMTP server | SMTP | TCP 25 | Notification via email
        Central | LDAP(s) server | LDAP, LDAPS | TCP 389, 636 | Authentication to access the Centreon web interface
        Central | HTTP | HTTP, HTTPS | TCP 80, 443 | System updates, Push Notification
        Poller | NTP server | NTP | UDP 123 | Synchronization of the system clock
        Poller | DNS server | DNS | UDP 53 | Domain name resolution
        Poller | SMTP server | SMTP | TCP 25 | Notification via email
        Poller | HTTP | HTTP, HTTPS | TCP 80, 443 | System updates, Push Notification, SSL VPN
        Central | Poller | ZMQ | TCP 5666 | Export of configuration
        Central | Poller | SSH | TCP 22 | Export of configuration (legacy), NCB, Sync Job
        Poller | Central | BBDO | TCP 5669 | Transfer of collected data
        Poller | Network equipment, servers, etc. | SNMP | UDP 161 | Monitoring
        Network device | Poller | Trap SNMP | UDP 162 | Monitoring
        Poller | Servers | NSClient++ | HTTPS 8443 | Monitoring";
    let wanted: Vec<Vec<&str>> =
        wanted.trim().lines().map(|row| row.trim().split(" | ").collect()).collect();
    assert_eq!(wanted.len(), 15);
    for want in wanted {
        let found = rows.iter().find(|row| row.cells()[..5] == want);
        assert!(found.is_some_and(|row| row.needed == "yes"), "{want:?}\n{rows:#?}");
    }
    let words = flows.notes.join(" ");
    for word in
        ["SSL VPN", "Smart Poller", "Central Manager", "databases", "APIs", "application ports"]
    {
        assert!(words.contains(word), "{word}: {words}");
    }
    for format in [FlowsFormat::Table, FlowsFormat::Markdown, FlowsFormat::Html, FlowsFormat::Json]
    {
        assert!(written(format, &FlowChoice::default()).contains("Smart Poller"), "{format:?}");
    }
}

#[test]
fn rows_stand_under_the_vendors_headings_and_say_when_they_are_needed() {
    let flows = Requirements::new(&i_vertix(), &FlowChoice::default());
    let titles: Vec<&str> = flows.sections.iter().map(|section| section.title.as_str()).collect();
    assert_eq!(titles, SECTIONS);
    let needed = |id: &str| {
        let mut rows = flows.sections.iter().flat_map(|section| &section.rows);
        rows.find(|row| row.flow == id).unwrap().needed.clone()
    };
    assert_eq!(needed("poller.vpn"), "with a VPN gateway");
    assert_eq!(needed("poller.pull"), "where the poller connects by ZMQ (pull)");
    assert_eq!(needed("central.gorgone-api"), "optional, with a Gorgone");
}

#[test]
fn a_role_and_a_group_choose_rows() {
    let poller = FlowChoice { role: Some(Role::Poller), groups: Vec::new() };
    let text = written(FlowsFormat::Csv, &poller);
    assert!(text.contains("central.zmq,") && !text.contains("central.ntp,"), "{text}");
    let centreon = Catalogue::profile("centreon").unwrap();
    let with = |groups: &[&str]| {
        let groups = groups.iter().map(ToString::to_string).collect();
        let flows = Requirements::new(&centreon, &FlowChoice { role: None, groups });
        flows.sections.iter().flat_map(|section| section.rows.clone()).collect::<Vec<_>>()
    };
    let of = |rows: &[Requirement], id: &str| rows.iter().any(|row| row.flow == id);
    assert!(!of(&with(&[]), "map.broker") && of(&with(&["map"]), "map.broker"));
}

#[test]
fn a_table_fits_the_terminal_and_breaks_no_word() {
    for name in crate::catalogue::profile_names() {
        let flows = Requirements::new(&Catalogue::profile(name).unwrap(), &FlowChoice::default());
        let mut out = Vec::new();
        FlowsFormat::Table.write(&flows, Canvas { width: 80, verbose: false }, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        for word in ["Synchronization", "configuration", "collected", "NSClient++"] {
            assert!(text.contains(word) || name != "i-vertix", "{word}\n{text}");
        }
    }
}

#[test]
fn each_format_holds_every_row_and_escapes_a_strangers_words() {
    let all = i_vertix();
    let groups = all.group_ids().into_iter().map(str::to_owned).collect();
    let text = include_str!("../../catalogue/i-vertix.toml")
        .replace("Notification via email", "=cmd|<script>\\u001b[31m");
    let catalogue = Catalogue::parse("site.toml", &text).unwrap();
    let flows = Requirements::new(&catalogue, &FlowChoice { role: None, groups });
    let rows: usize = flows.sections.iter().map(|section| section.rows.len()).sum();
    assert_eq!(rows, all.flows.len(), "every row has a section");
    for format in [
        FlowsFormat::Table,
        FlowsFormat::Markdown,
        FlowsFormat::Csv,
        FlowsFormat::Html,
        FlowsFormat::Json,
    ] {
        let mut out = Vec::new();
        format.write(&flows, Canvas { width: 80, verbose: false }, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(!text.contains('\u{1b}'), "{format:?}: {text}");
        assert!(!text.contains(",=cmd"), "{format:?}: {text}");
        let is_page = matches!(format, FlowsFormat::Html | FlowsFormat::Markdown);
        assert!(!is_page || !text.contains("<script>\\"), "{format:?}: {text}");
    }
}
