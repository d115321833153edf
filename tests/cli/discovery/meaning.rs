//! What a configuration means: small files whose programs do something a quick reader misses.

use super::run;
use super::tree::Tree;

/// The plan of a poller with these files, one line a step, without what is nobody's matter here.
fn plan_of(files: &[(&str, &str)], flow: &str) -> String {
    let tree = Tree::with(files);
    let (code, text) = run(&tree, &["plan", "--role", "poller", "--format", "json"]);
    assert_eq!(code, Some(0), "{text}");
    let plan: serde_json::Value = serde_json::from_str(&text).unwrap();
    let step = |step: &serde_json::Value| {
        let ways = step["ask"]["ways"].as_array().cloned().unwrap_or_default();
        let way = |way: &serde_json::Value| {
            format!("{} {}", way["protocol"].as_str().unwrap(), way["port"])
        };
        let ways: Vec<String> = ways.iter().map(way).collect();
        let why = step["skip"]["why"].as_str().unwrap_or_default();
        let id = step["id"].as_str().unwrap();
        format!("{id} {}{why}\n", ways.join(" or "))
    };
    let is_meant = |step: &&serde_json::Value| {
        let name = step["flow"].as_str().unwrap();
        name == flow || name.starts_with("config.")
    };
    plan["steps"].as_array().unwrap().iter().filter(is_meant).map(step).collect()
}

#[test]
fn mail_goes_where_the_program_sends_it() {
    for (files, plan) in [
        (
            vec![("etc/postfix/main.cf", "default_transport = smtp:[192.0.2.25]:587\n")],
            "poller.smtp@192.0.2.25:587 smtp 587\n",
        ),
        (
            vec![(
                "etc/postfix/main.cf",
                "relayhost = [192.0.2.99]\ndefault_transport = smtp:[192.0.2.25]:587\n",
            )],
            "poller.smtp@192.0.2.25:587 smtp 587\n",
        ),
        (
            vec![("etc/postfix/main.cf", "default_transport = error:no mail here\n")],
            "poller.smtp no mail leaves this machine: its transport is `error`\n",
        ),
        (
            vec![
                (
                    "etc/dma/dma.conf",
                    "SMARTHOST relay.example.com\nPORT 587\nSECURETRANSFER\nSTARTTLS\n",
                ),
                ("usr/sbin/dma", ""),
                ("usr/sbin/sendmail", "dma"),
            ],
            "poller.smtp@relay.example.com:587 smtp 587\n",
        ),
        (
            vec![
                ("etc/ssmtp/ssmtp.conf", "mailhub=relay.example.com:587\nUseSTARTTLS=YES\n"),
                ("usr/sbin/ssmtp", ""),
            ],
            "poller.smtp@relay.example.com:587 smtp 587\n",
        ),
        (
            vec![("etc/mail.rc", "set smtp=smtp://relay.example.com:587\nset smtp-use-starttls\n")],
            "poller.smtp@relay.example.com:587 smtp 587\n",
        ),
    ] {
        assert_eq!(plan_of(&files, "poller.smtp"), plan, "{files:?}");
    }
}

#[test]
fn the_relay_is_asked_as_postfix_would() {
    let ask = |settings: &str| {
        let main = format!("relayhost = [relay.example.com]\n{settings}");
        let tree = Tree::with(&[("etc/postfix/main.cf", main.as_str())]);
        let (code, text) = run(&tree, &["plan", "--role", "poller", "--format", "json"]);
        assert_eq!(code, Some(0), "{text}");
        let plan: serde_json::Value = serde_json::from_str(&text).unwrap();
        let steps = plan["steps"].as_array().unwrap();
        let step = steps.iter().find(|step| step["flow"] == "poller.smtp").unwrap();
        let ask = &step["ask"];
        [ask["find"].clone(), ask["family"].clone(), ask["source"]["value"].clone()]
            .map(|word| word.to_string().replace('"', ""))
    };
    assert_eq!(ask(""), ["dns", "null", "null"]);
    assert_eq!(ask("smtp_host_lookup = native\n"), ["null", "null", "null"]);
    assert_eq!(ask("inet_protocols = ipv4\n"), ["dns", "IPv4", "null"]);
    assert_eq!(ask("smtp_bind_address = 192.0.2.7\n"), ["dns", "null", "[192.0.2.7]"]);
}

#[test]
fn a_word_adds_a_flow_moves_it_or_takes_it_away() {
    for (conf, plan) in [
        (
            "server time.example.com iburst nts\nserver time2.example.com iburst nts ntsport 8443\n",
            "poller.ntp@time.example.com:4460 nts 4460\n\
             poller.ntp@time2.example.com:8443 nts 8443\n",
        ),
        (
            "refclock PHC /dev/ptp_hyperv poll 3 dpoll -2 offset 0\nmakestep 1.0 -1\n",
            "poller.ntp the clock follows PHC /dev/ptp_hyperv, no server\n",
        ),
        (
            "initstepslew 30 ntp1.example.com ntp2.example.com\nlocal stratum 8\n",
            "poller.ntp@ntp1.example.com ntp 123\npoller.ntp@ntp2.example.com ntp 123\n",
        ),
        (
            "server 192.0.2.3 iburst # rack clock\n",
            "poller.ntp@192.0.2.3 ntp 123\nconfig.line-refused@/etc/chrony.conf:1 \n",
        ),
    ] {
        assert_eq!(plan_of(&[("etc/chrony.conf", conf)], "poller.ntp"), plan, "{conf}");
    }
}

#[test]
fn a_daemons_own_source_address_is_used() {
    let conf = "server 192.0.2.3\nbindacqaddress 192.0.2.7\n";
    let tree = Tree::with(&[("etc/chrony.conf", conf)]);
    let (_, text) = run(&tree, &["plan", "--role", "poller", "--only", "poller.ntp"]);
    assert!(text.contains("\n      from 192.0.2.7\n"), "{text}");
}

#[test]
fn a_profile_of_another_vendor_is_said_above_the_plan_and_above_the_report() {
    let dnf = "[centreon]\nname=Centreon\nenabled=1\n\
               baseurl=https://packages.centreon.com/rpm-standard/24.10/el9/stable/x86_64/\n";
    let tree = Tree::with(&[("etc/yum.repos.d/centreon-24.10.repo", dnf)]);
    let said = "this machine is of centreon 24.10";
    let asked = ["--role", "central", "--profile", "i-vertix", "--ntp", "127.0.0.1:1"];
    let quickly = ["--only", "central.ntp", "--timeout", "0.1", "--no-trace"];
    let report = [&asked[..], &quickly].concat();
    let plan = [&["plan"][..], &asked].concat();
    for words in [&report, &plan] {
        let (_, page) = run(&tree, words);
        let head: Vec<&str> = page.split("central.ntp").next().unwrap().lines().collect();
        let head = head.join(" ");
        assert!(head.contains(said), "{page}");
        assert!(head.contains("give --profile centreon"), "{page}");
    }
    let (_, json) = run(&tree, &[&report[..], &["--format", "json"]].concat());
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let misfit = json["catalogue"]["misfit"].as_str().unwrap_or_default();
    assert!(misfit.starts_with(said), "{json:#}");
    let fitting = [&["plan", "--role", "central", "--profile", "centreon"][..]].concat();
    assert!(!run(&tree, &fitting).1.contains("this machine is of"));
}
