use proptest::prelude::*;

use super::*;

/// `centreon -u admin -p … -o INSTANCE -a show`
const INSTANCES: &str = "\
id;name;localhost;ip address;activate;status;engine restart command;engine reload command;\
broker reload command;bin;stats bin;ssh port;gorgone protocol;gorgone port
1;Central;1;127.0.0.1;1;0;service centengine restart;service centengine reload;\
service cbd reload;/usr/sbin/centengine;/usr/sbin/centenginestats;22;ZMQ;5556
2;paris;0;10.1.0.2;1;1;service centengine restart;service centengine reload;\
service cbd reload;/usr/sbin/centengine;/usr/sbin/centenginestats;22;ZMQ;5556
3;rome;0;rome.example;1;-;service centengine restart;service centengine reload;\
service cbd reload;/usr/sbin/centengine;/usr/sbin/centenginestats;22;SSH;22
4;old;0;10.1.0.4;0;-;service centengine restart;service centengine reload;\
service cbd reload;/usr/sbin/centengine;/usr/sbin/centenginestats;22;ZMQ;5556
Return code end : 0
";

/// `mysql -B -e 'SELECT … FROM nagios_server'`
const QUERY: &str = "\
id\tname\tlocalhost\tns_ip_address\tgorgone_port\tremote_id\tremote_server_use_as_proxy\t\
gorgone_communication_type
1\tCentral\t1\t127.0.0.1\t5556\tNULL\t1\t1
2\tremote\t0\t10.1.0.2\t5556\tNULL\t1\t1
3\tbehind\t0\t10.2.0.3\t5556\t2\t1\t1
4\tbeside\t0\t10.1.0.4\t22\t2\t0\t2
5\tcloud\t0\t10.1.0.5\t5556\tNULL\t1\t4
6\tpulling\t0\t10.1.0.6\t5556\tNULL\t1\t3
";

const SERVERS: &str = "\
id;address;port;ssl;tls;order
1;dc1.corp.example;636;1;0;1
2;10.0.0.12;389;0;1;2
";

fn text(text: &str) -> Text {
    Text { file: "pollers.txt".into(), text: text.to_owned() }
}

fn pollers(of: &str) -> (Vec<String>, Facts) {
    let mut facts = Facts::default();
    machines(&text(of), &mut facts);
    let shown = facts.machines.iter().map(|m| {
        let mode = m.mode.map_or("?".to_owned(), |mode| mode.to_string());
        let place = format!("{}:{}", m.place.host, m.place.port.unwrap_or(0));
        format!("{} {} {} {mode} {place}", m.id.unwrap_or(0), m.name, m.role)
    });
    (shown.collect(), facts)
}

#[test]
fn directories_are_listed_by_name() {
    let listed = "id;name;description;status\n1;corp;the directory;1\n2;branch office;;0\n";
    assert_eq!(directory_names(&text(listed)), ["corp", "branch office"]);
}

#[test]
fn of_the_settings_only_the_proxy_is_kept_as_it_was_entered() {
    let mut facts = Facts::default();
    let shown = "parameter;value\nproxy_password;obviously-fake-secret\nproxy_url;http://proxy.corp.example\n";
    settings(&text(shown), &mut facts);
    let proxy = facts.web_proxy.unwrap();
    assert_eq!(proxy.value, "http://proxy.corp.example");
    assert_eq!(proxy.at.to_string(), "pollers.txt:3");
    settings(&text("parameter;value\nproxy_url;\n"), &mut Facts::default());
}

#[test]
fn the_command_line_lists_pollers_with_protocol_and_port() {
    let (all, facts) = pollers(INSTANCES);
    let expected = ["2 paris poller zmq 10.1.0.2:5556", "3 rome poller ssh rome.example:22"];
    assert_eq!(all, expected);
    assert_eq!(facts.machines[1].at.to_string(), "pollers.txt:4");
    assert_eq!(facts.notes, []);
}

#[test]
fn an_older_list_without_protocol_leaves_mode_and_port_open() {
    let list = "id;name;localhost;ip address;activate;status;init script;bin;stats bin;ssh port\n\
                2;paris;0;10.1.0.2;1;1;centengine;/x;/y;22\n";
    assert_eq!(pollers(list).0, ["2 paris poller ? 10.1.0.2:0"]);
}

#[test]
fn a_query_tells_who_stands_behind_whom() {
    let expected = [
        "2 remote remote zmq 10.1.0.2:5556",
        "3 behind poller through-remote 10.2.0.3:0",
        "4 beside poller ssh 10.1.0.4:22",
        "5 cloud poller pullwss 10.1.0.5:0",
        "6 pulling poller pull 10.1.0.6:0",
    ];
    assert_eq!(pollers(QUERY).0, expected);
    assert_eq!(pollers(&QUERY.replace('\t', ";")).0, expected);
    assert_eq!(pollers(&QUERY.replace('\t', ",").replace("remote\t", "\"remote\"\t")).0, expected);
}

#[test]
fn a_comma_in_quotes_is_part_of_the_field() {
    let list = "\"id\",\"name\",\"ns_ip_address\"\r\n\"2\",\"paris, nord\",\"10.1.0.2\"\r\n";
    assert_eq!(pollers(list).0, ["2 paris, nord poller ? 10.1.0.2:0"]);
}

#[test]
fn what_is_no_list_is_noted() {
    for other in ["", "hello", "name;address\na;b\n", "Invalid credentials.\n"] {
        let (all, facts) = pollers(other);
        assert!(all.is_empty());
        assert_eq!(facts.notes[0].at.line, Some(1));
        let reason = "there is no header line with id;name;ip address";
        assert_eq!(facts.notes[0].reason, reason, "{other}");
    }
}

#[test]
fn a_bad_line_is_noted_and_costs_only_itself() {
    let list = "id;name;ip address\n2;a;10.0.0.2\n3;b\n4;c;not a host\n5;d;10.0.0.5\n";
    let (all, facts) = pollers(list);
    assert_eq!(all.len(), 2);
    let notes: Vec<_> = facts.notes.iter().map(|n| (n.at.line.unwrap(), &*n.reason)).collect();
    assert_eq!(
        notes,
        [(3, "this line has not the fields of its header"), (4, "` ` has no place in a host name"),]
    );
}

#[test]
fn a_long_list_of_bad_lines_has_few_notes() {
    let list = format!("id;name;ip address\n{}", "1;2\n".repeat(1_000));
    assert_eq!(pollers(&list).1.notes.len(), MOST_NOTES);
}

#[test]
fn a_list_without_end_is_cut() {
    let list = format!("id;name;ip address\n{}", "1;a;10.0.0.1\n".repeat(MOST_ROWS + 1));
    let (all, facts) = pollers(&list);
    assert_eq!(all.len(), MOST_ROWS);
    assert_eq!(facts.notes[0].reason, "the list is too long; the rest is not read");
}

#[test]
fn servers_of_a_directory_keep_port_and_kind_of_tls() {
    let mut facts = Facts::default();
    let shown = format!("id;name;description;status\n1;corp;;1\n{SERVERS}");
    directories(&text(&shown), &mut facts);
    let [ssl, tls] = &*facts.directories else { panic!("two servers") };
    assert_eq!((ssl.place.host.as_str(), ssl.place.port), ("dc1.corp.example", Some(636)));
    assert_eq!((ssl.ldaps, ssl.start_tls, ssl.at.line), (true, false, Some(4)));
    assert_eq!((tls.ldaps, tls.start_tls, tls.at.line), (false, true, Some(5)));
    assert_eq!(facts.notes, []);
}

#[test]
fn a_list_of_configurations_names_no_server() {
    let mut facts = Facts::default();
    directories(&text("id;name;description;status\n1;corp;;1\n"), &mut facts);
    let reason = "there is no header line with id;address;port;ssl;tls";
    assert_eq!(facts.notes[0].reason, reason);
}

#[test]
fn half_a_list_is_no_reason_to_panic() {
    for list in [INSTANCES, QUERY, SERVERS] {
        for end in 0..list.len() {
            pollers(&list[..end]);
            directories(&text(&list[..end]), &mut Facts::default());
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let noise = String::from_utf8_lossy(&bytes);
        pollers(&format!("id;name;ip address\n{noise}"));
        directories(&text(&format!("id;address;port;ssl;tls\n{noise}")), &mut Facts::default());
    }
}
