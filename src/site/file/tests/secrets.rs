//! References: where each leads, and what is said when it leads nowhere.

use std::path::Path;
use std::sync::Arc;

use preflight_checks::snmp;
use secrecy::{ExposeSecret, SecretString};

use super::{parsed, refusal};
use crate::catalogue::Party;
use crate::site::Knowledge;
use crate::site::discover::facts::{At, Device, Facts, SnmpMacros, SnmpUser};
use crate::site::file::Vault;

fn device(name: &str, line: u32, macros: SnmpMacros) -> Device {
    Device {
        name: name.to_owned(),
        address: "10.1.1.1".to_owned(),
        template: None,
        snmp: Some(Arc::new(macros)),
        nsclient: false,
        agent: false,
        at: At { file: Arc::from("/etc/centreon-engine/hosts.cfg"), line: Some(line) },
    }
}

/// Two hosts: one with a community, one with a user.
fn facts() -> Facts {
    let community =
        SnmpMacros { community: Some(SecretString::from("fake-c")), ..SnmpMacros::default() };
    let user = SnmpUser {
        name: "u".to_owned(),
        auth: Some(("sha".to_owned(), SecretString::from("fake-a"))),
        privacy: None,
    };
    let user = SnmpMacros { user: Some(user), ..SnmpMacros::default() };
    Facts {
        devices: vec![device("switch1", 3, community), device("switch2", 9, user)],
        ..Facts::default()
    }
}

fn layer(credentials: &str) -> Result<Knowledge, String> {
    let text = format!(
        "[machine.a]\nrole = \"poller\"\ndevices = [{{ host = \"x\", snmp = \"c\" }}]\n\
         [credentials.snmp.c]\n{credentials}"
    );
    let file = parsed(&text);
    let vault = Vault { folder: Path::new(""), facts: Some(&facts()) };
    let layer = file.layer(file.machine("a").unwrap(), |_| false, Some(&vault));
    layer.map_err(|broken| broken.explained().lines().next().unwrap().to_owned())
}

/// What the device is read with.
fn found(credentials: &str) -> snmp::Credentials {
    let layer = layer(credentials).unwrap();
    let targets = layer.targets.get(&Party("device".to_owned())).unwrap();
    targets.first().unwrap().snmp.clone().unwrap()
}

#[test]
fn a_reference_to_a_configuration_leads_to_what_discovery_found() {
    let at = "/etc/centreon-engine/hosts.cfg";
    for config in [format!("{at}:_SNMPCOMMUNITY"), format!("{at}:switch1:_SNMPCOMMUNITY")] {
        let credentials = found(&format!("community = {{ config = \"{config}\" }}"));
        let snmp::Credentials::Community { community, .. } = credentials else {
            panic!("a community")
        };
        assert_eq!(community.expose_secret(), "fake-c");
    }
    let user = "version = \"3\"\nuser = \"u\"\nauth";
    let credentials = found(&format!("{user} = {{ config = \"{at}:switch2:authpassphrase\" }}"));
    let snmp::Credentials::User { auth: Some((protocol, auth)), .. } = credentials else {
        panic!("a user")
    };
    assert_eq!((protocol, auth.expose_secret()), (snmp::AuthProtocol::Sha, "fake-a"));
}

#[test]
fn what_is_not_there_is_said_by_its_reference() {
    let how = "was not found; preflight discover shows what this machine's files say";
    for config in [
        "/etc/centreon-engine/hosts.cfg:switch2:_SNMPCOMMUNITY",
        "/etc/centreon-engine/other.cfg:_SNMPCOMMUNITY",
        "/etc/dnf/dnf.conf:proxy_password",
    ] {
        let message = layer(&format!("community = {{ config = \"{config}\" }}")).unwrap_err();
        assert_eq!(message, format!("{config} {how}"));
    }
}

#[test]
fn what_has_no_target_is_not_looked_up() {
    let text = "[machine.a]\nrole = \"poller\"\n[credentials.snmp.default]\n\
                community = { env = \"NOWHERE\" }\n[credentials.ldap]\nbind_dn = \"cn=x\"\n\
                password = { env = \"NOWHERE\" }";
    let file = parsed(text);
    let vault = Vault { folder: Path::new(""), facts: None };
    let layer = |party: &'static str| {
        file.layer(file.machine("a").unwrap(), move |known| known == party, Some(&vault))
    };
    assert!(layer("none").is_ok());
    for party in ["device", "ldap"] {
        let message = layer(party).unwrap_err().explained();
        assert!(message.starts_with("the environment variable NOWHERE is not set"), "{message}");
    }
    assert!(refusal("[machine.a]").0.contains("has no role"));
}

#[test]
fn a_password_goes_where_it_is_not_safe_only_if_the_file_says_so() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("p"), "fake\n").unwrap();
    for (ldap, nsclient) in [(false, false), (true, false), (false, true)] {
        let switch =
            |key: &str, is_on: bool| if is_on { format!("{key} = true\n") } else { String::new() };
        let file = parsed(&format!(
            "[machine.a]\nrole = \"central\"\n\
             [credentials.ldap]\nbind_dn = \"cn=x\"\npassword = {{ file = \"p\" }}\n{}\
             [credentials.nsclient]\npassword = {{ file = \"p\" }}\n{}",
            switch("plain", ldap),
            switch("insecure", nsclient),
        ));
        let vault = Vault { folder: folder.path(), facts: None };
        let layer = file.layer(file.machine("a").unwrap(), |_| true, Some(&vault)).unwrap();
        assert_eq!((layer.ldap.unwrap().plain, layer.nsclient.unwrap().insecure), (ldap, nsclient));
    }
}
