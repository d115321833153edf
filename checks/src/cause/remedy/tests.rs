use super::*;
use crate::cause::{
    Because, Cause, Concern, LdapCause, PathCause, Plea, PortCause, TlsCause, WebCause,
    Whereabouts, samples,
};

const LOOK_AT: &str = "systemctl enable --now cbd; ss -ltnp 'sport = :PORT'";

/// A passage of that protocol, asked on a port that is not its usual one.
fn passage<'a>(protocol: &'a str, transport: Transport, look_at: &'a str) -> Passage<'a> {
    let service = crate::SERVICES.iter().find(|service| service.name == protocol);
    Passage {
        from: Some([10, 2, 0, 7].into()),
        seen_as: None,
        to: Some(([10, 0, 0, 5], 15_669).into()),
        target: "central",
        flow: "poller.bbdo",
        protocol,
        starttls: service.and_then(|service| service.hints.starttls),
        alpn: service.and_then(|service| service.hints.alpn),
        serves_others: service.and_then(|service| service.hints.serves_others),
        transport,
        port: Some(15_669),
        look_at,
        origin: "--central".to_owned(),
        asked_for: &[],
        behind: None,
    }
}

#[test]
fn a_request_names_both_addresses_of_a_host_behind_address_translation() {
    let passage = |seen_as| Passage {
        seen_as,
        to: Some(([10, 0, 0, 5], 5669).into()),
        ..passage("bbdo", Transport::Tcp, "")
    };
    assert_eq!(passage(None).own_rule(), "TCP 5669 from 10.2.0.7 to 10.0.0.5");
    let seen = passage(Some([198, 51, 100, 7].into())).own_rule();
    assert_eq!(seen, "TCP 5669 from 10.2.0.7 (seen as 198.51.100.7) to 10.0.0.5");
}

#[test]
fn the_rules_that_a_cause_asks_for_are_those_of_its_owner() {
    let at = |device| Owner::Network(Whereabouts::At([10, 9, 0, device].into()));
    let demand = |device: u8| Demand {
        of: at(device),
        what: format!("allow TCP {device}"),
        rule: Some(format!("TCP {device}")),
        rich_rules: vec![format!("rule {device}")],
    };
    let demands = [demand(1), demand(2)];
    let passage = Passage { asked_for: &demands, ..passage("bbdo", Transport::Tcp, "") };
    assert_eq!(passage.rule(at(2)), "TCP 2");
    assert_eq!(passage.rule(Owner::FarSide), "TCP 15669 from 10.2.0.7 to 10.0.0.5");
    let run = "firewall-cmd --permanent --add-rich-rule='rule 1'; firewall-cmd --reload";
    assert_eq!(passage.firewalld(at(1)).as_deref(), Some(run));
    assert_eq!(passage.firewalld(Owner::FarSide), None);
}

/// Where those may have to run something whose turn it is.
fn may_run(owner: Owner) -> &'static [RunOn] {
    match owner {
        Owner::ThisHost => &[RunOn::Here],
        // A loss on the way shows from this host too.
        Owner::Network(_) => &[RunOn::Device, RunOn::Here],
        Owner::FarSide => &[RunOn::There],
        Owner::Nobody => &[],
    }
}

/// What is wrong with a remedy of `owner`, in words.
fn faults_of(owner: Owner, remedy: &Remedy) -> Vec<&'static str> {
    let Remedy { who, text, commands } = remedy;
    let is_here = owner == Owner::ThisHost;
    let is_program = |run: &str| {
        let program = run.split_whitespace().next().unwrap_or_default();
        !program.is_empty() && !program.contains(char::is_uppercase)
    };
    let is_shell = |run: &str| !run.contains(['\n', '`', '…', '?']) && run.trim() == run;
    let rules = [
        (text.trim().is_empty() || text.contains("preflight explain"), "no remedy of its own"),
        (text.contains('?'), "a question, not a request"),
        (text.contains("PORT") || text.contains("sport = :5669"), "not the port that was asked"),
        (is_here != (who == "you, on this host"), "the owner's words are another's"),
        (is_here && text.contains("that machine"), "this host's remedy is for another machine"),
        (
            commands.iter().any(|command| !may_run(owner).contains(&command.on)),
            "a command that its owner cannot run there",
        ),
        (
            commands.iter().any(|command| !text.contains(&command.run)),
            "a command that the words do not have",
        ),
        (
            commands.iter().any(|command| !is_program(&command.run) || !is_shell(&command.run)),
            "a command that no shell takes",
        ),
    ];
    rules.into_iter().filter(|(is_broken, _)| *is_broken).map(|(_, said)| said).collect()
}

#[test]
fn owner_and_action_agree_for_every_cause_and_protocol() {
    let mut wrong = std::collections::BTreeSet::new();
    for service in crate::SERVICES {
        let far = passage(service.name, service.transport, LOOK_AT);
        let here = Passage { to: Some(([127, 0, 0, 1], 15_669).into()), ..far.clone() };
        for (cause, passage) in
            samples::causes().into_iter().flat_map(|cause| [(cause.clone(), &far), (cause, &here)])
        {
            if passage.is_here() && is_inside_vpn(&cause) {
                continue;
            }
            let remedy = cause.remedy(passage);
            let mut faults = faults_of(cause.owner_on(passage), &remedy);
            let is_over_udp = service.transport == Transport::Udp || cause.code() == "dns-tcp-only";
            let runs = |words: &str| remedy.commands.iter().any(|it| it.run.contains(words));
            let is_for_no_firewall = cause.plea() == Plea::Nothing;
            let asks_one = ["allow TCP", "allow UDP"].iter().any(|it| remedy.text.contains(it));
            let starts = remedy.text.starts_with("start the service");
            faults.extend(
                [
                    (!is_over_udp && runs("ss -lunp"), "looks for UDP where TCP was asked"),
                    (starts && !runs("systemctl enable --now"), "starts without a command"),
                    (is_for_no_firewall && asks_one, "a firewall's rule where none helps"),
                    (is_for_no_firewall && runs("firewall-cmd"), "opens what is not closed"),
                ]
                .into_iter()
                .filter(|(is_broken, _)| *is_broken)
                .map(|(_, said)| said),
            );
            wrong.extend(faults.iter().map(|it| format!("{}: {it}: {remedy:?}", cause.code())));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// No VPN carries packets to this host itself.
fn is_inside_vpn(cause: &Cause) -> bool {
    matches!(cause, Cause::Path(PathCause::FailsInsideVpn { .. }))
}

/// By loopback, and by the address that other hosts know it by.
#[test]
fn what_fails_at_an_address_of_this_host_is_this_hosts() {
    let own = IpAddr::from([10, 2, 0, 7]);
    let causes = samples::causes();
    for to in [IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 1, 1]), own] {
        let here = Passage {
            to: Some((to, 15_669).into()),
            from: Some(own),
            ..passage("bbdo", Transport::Tcp, LOOK_AT)
        };
        for cause in causes.iter().filter(|cause| !is_inside_vpn(cause)) {
            let (owner, who) = (cause.owner_on(&here), cause.remedy(&here).who);
            assert!(matches!(owner, Owner::ThisHost | Owner::Nobody), "{}", cause.code());
            assert!(owner != Owner::ThisHost || who == "you, on this host", "{who}: {cause:?}");
        }
        for concern in samples::concerns() {
            let (owner, _) = concern.remedy(&here);
            assert!(matches!(owner, Owner::ThisHost | Owner::Nobody), "{concern:?}");
        }
    }
}

#[test]
fn every_warning_has_an_owner_and_something_to_do_about_it() {
    let mut wrong = Vec::new();
    let passage = passage("snmp", Transport::Udp, "");
    for concern in samples::concerns() {
        let (owner, remedy) = concern.remedy(&passage);
        let faults = faults_of(owner, &remedy);
        wrong.extend(faults.iter().map(|it| format!("{}: {it}: {remedy:?}", concern.code())));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let (_, remedy) = Concern::SnmpNotRead.remedy(&passage);
    assert!(remedy.text.contains("--snmp-community-file"), "{}", remedy.text);
}

#[test]
fn what_a_warning_asks_for_is_asked_of_whoever_stands_in_the_way() {
    let at = Owner::Network(Whereabouts::At([10, 9, 0, 1].into()));
    let demands = [Demand {
        of: at,
        what: "allow TCP 53 from 10.2.0.7 to 10.0.0.53".to_owned(),
        rule: None,
        rich_rules: Vec::new(),
    }];
    let passage = Passage { asked_for: &demands, ..passage("dns", Transport::Udp, "") };
    let (owner, remedy) =
        Concern::DnsUdpOnly { because: Because::Sentence("no answer".to_owned()) }.remedy(&passage);
    assert_eq!((owner, remedy.who.as_str()), (at, "network team, device 10.9.0.1"));
    assert_eq!(remedy.text, demands[0].what);
    assert_eq!(Concern::DnsOwnZonesOnly.remedy(&passage).0, Owner::FarSide);
}

#[test]
fn the_port_of_a_command_is_the_one_that_was_asked() {
    let closed = Cause::Port(PortCause::PortClosed { to: ([10, 0, 0, 5], 15_669).into() });
    let passage = passage("bbdo", Transport::Tcp, LOOK_AT);
    let remedy = closed.remedy(&passage);
    let run = "systemctl enable --now cbd; ss -ltnp 'sport = :15669'";
    assert_eq!(remedy.text, format!("start the service; on that machine: {run}"));
    assert_eq!(remedy.commands, [RemedyCommand { on: RunOn::There, run: run.to_owned() }]);
    // Without a port the word for it stays.
    let nowhere = closed.remedy(&Passage { to: None, port: None, ..passage });
    assert!(nowhere.text.ends_with("'sport = :PORT'"), "{}", nowhere.text);
}

#[test]
fn what_a_server_behind_a_proxy_gets_wrong_is_not_the_proxys() {
    let behind = Some(("www.example.org".to_owned(), 443));
    let passage = Passage { behind, ..passage("https", Transport::Tcp, "") };
    let missing = Cause::Web(WebCause::HttpNotFound { path: "/x".to_owned() }).remedy(&passage);
    assert_eq!(missing.who, "the administrator of www.example.org");
    let tls = Cause::Tls(TlsCause::TlsVersion { peer: "1.1".to_owned() }).remedy(&passage);
    assert!(tls.text.contains("s_client -connect www.example.org:443"), "{}", tls.text);
    let closed = Cause::Port(PortCause::PortClosed { to: ([10, 0, 0, 5], 15_669).into() });
    let proxy = Cause::Web(WebCause::ProxyUnreachable {
        proxy: "http://central:15669".to_owned(),
        because: Box::new(closed),
    });
    assert_eq!(proxy.remedy(&passage).who, "the administrator of central");
}

#[test]
fn a_locked_account_is_for_whoever_unlocks_it() {
    let passage = passage("ldap", Transport::Tcp, "");
    for (code, who, what) in [
        ("52e", "you, on this host", "check bind DN"),
        ("775", "the administrator of central", "Unlock-ADAccount"),
        ("533", "the administrator of central", "Enable-ADAccount"),
        ("701", "the administrator of central", "Clear-ADAccountExpiration"),
        ("532", "the administrator of central", "Set-ADAccountPassword"),
        ("531", "the administrator of central", "10.2.0.7"),
    ] {
        let sub_code = Some(code.to_owned());
        let cause = LdapCause::LdapBindRefused { sub_code, text: "no".to_owned() };
        let remedy = Cause::from(cause).remedy(&passage);
        assert_eq!(remedy.who, who, "{code}");
        assert!(remedy.text.contains(what), "{code}: {}", remedy.text);
    }
}

/// What somebody else may have written in the place of a name, an address or a file.
const NOT_A_WORD: [&str; 4] =
    ["x; rm -rf /", "$(rm -rf /)", "x' | rm -rf / #", "x\" & rm `rm` > /etc/passwd"];

/// The same value with `text` in the place of every text in it.
fn with_texts(value: &serde_json::Value, text: &str) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::String(_) => text.into(),
        Value::Array(items) => items.iter().map(|item| with_texts(item, text)).collect(),
        Value::Object(map) => {
            map.iter().map(|(key, value)| (key.clone(), with_texts(value, text))).collect()
        }
        other => other.clone(),
    }
}

/// Every one that is left when one of the texts of its facts after the other is `text`.
fn poisoned<T>(saved: &serde_json::Value, text: &str) -> Vec<T>
where
    T: serde::de::DeserializeOwned,
{
    let serde_json::Value::Object(facts) = &saved["facts"] else { return Vec::new() };
    let one = |key: &String, value: &serde_json::Value| {
        let mut saved = saved.clone();
        saved["facts"][key] = with_texts(value, text);
        // A text that is an address or a word of ours takes no other.
        serde_json::from_value(saved).ok()
    };
    let mut all: Vec<T> = facts.iter().filter_map(|(key, value)| one(key, value)).collect();
    for (key, value) in facts {
        let serde_json::Value::Object(inner) = value else { continue };
        for (name, value) in inner {
            let mut saved = saved.clone();
            saved["facts"][key][name] = with_texts(value, text);
            all.extend(serde_json::from_value::<T>(saved).ok());
        }
    }
    all
}

/// The words that a shell makes of a command; none: more than words.
fn shell_words(run: &str) -> Option<Vec<String>> {
    let mut words = vec![String::new()];
    let mut letters = run.chars();
    while let Some(letter) = letters.next() {
        let last = words.last_mut()?;
        match letter {
            ' ' => words.push(String::new()),
            '\'' => loop {
                match letters.next()? {
                    '\'' => break,
                    quoted => last.push(quoted),
                }
            },
            '\\' => last.push(letters.next()?),
            '$' | '`' | '>' | '<' | '&' | '#' | '(' => return None,
            other => last.push(other),
        }
    }
    Some(words)
}

/// A redirect's address, an alias, a file's name: strangers write them, and a reader copies the
/// command into a shell.
#[test]
fn nothing_that_a_stranger_wrote_is_more_than_a_word_of_a_command() {
    for text in NOT_A_WORD {
        let passage =
            Passage { target: text, to: None, ..passage("ldap", Transport::Tcp, LOOK_AT) };
        let mut seen = 0;
        let mut holds = |code: &str, remedy: &Remedy| {
            for RemedyCommand { run, .. } in &remedy.commands {
                let Some(words) = shell_words(run) else { panic!("{code}: {run}") };
                let is_whole = words.iter().any(|word| word.contains(text));
                assert!(
                    is_whole || !run.contains("rm -rf") && !run.contains("`rm"),
                    "{code}: {run}"
                );
                // The last piece of the text stands in no word by itself, for `nft` and for a shell.
                assert!(!words.iter().any(|word| word == "rm" || word == "-rf"), "{code}: {run}");
                seen += usize::from(is_whole);
            }
        };
        for cause in samples::causes() {
            holds(cause.code(), &cause.remedy(&passage));
            let saved = serde_json::to_value(&cause).unwrap();
            for cause in poisoned::<Cause>(&saved, text) {
                holds(cause.code(), &cause.remedy(&passage));
            }
        }
        for concern in samples::concerns() {
            holds("a warning", &concern.remedy(&passage).1);
            let saved = serde_json::to_value(&concern).unwrap();
            for concern in poisoned::<Concern>(&saved, text) {
                holds("a warning", &concern.remedy(&passage).1);
            }
        }
        assert!(seen > 20, "{text}: {seen}");
    }
}
