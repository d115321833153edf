//! `_SNMPEXTRAOPTIONS`: the options a plugin gets besides community and version.
//!
//! They stand in a command line, so they are split as a shell does, and read as
//! Perl's `Getopt::Long` does: `--name=value` or `--name value`.
//!
//! Reference: centreon-plugins, `src/centreon/plugins/snmp.pm`.

use secrecy::SecretString;

use super::super::facts::SnmpUser;
use crate::site::parse_port;

/// What the options say; passwords among it, so there is no `Debug`.
#[derive(Default)]
pub(super) struct PluginOptions {
    /// `--snmp-version`
    pub(super) version: Option<String>,
    /// `--snmp-community`
    pub(super) community: Option<SecretString>,
    /// `--snmp-port`
    pub(super) port: Option<u16>,
    /// `--snmp-username`, and what belongs to it.
    pub(super) user: Option<SnmpUser>,
}

impl PluginOptions {
    /// Reads options; those that are not known are skipped.
    pub(super) fn parse(text: &str) -> Self {
        let mut options = Self::default();
        let (mut user, mut auth, mut privacy) =
            (None, ProtocolPair::default(), ProtocolPair::default());
        let mut words = words(text).into_iter().peekable();
        while let Some(word) = words.next() {
            let Some(option) = word.strip_prefix("--") else { continue };
            let (name, value) = match option.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                // The value may be left out: then the next option follows.
                None => (option, words.next_if(|next| !next.starts_with("--"))),
            };
            let value = value.filter(|value| !value.is_empty());
            match name {
                "snmp-version" => options.version = value,
                "snmp-community" => options.community = value.map(SecretString::from),
                "snmp-port" => options.port = value.and_then(|port| parse_port(&port).ok()),
                "snmp-username" => user = value,
                "authprotocol" => auth.protocol = value,
                "authpassphrase" => auth.passphrase = value.map(SecretString::from),
                "privprotocol" => privacy.protocol = value,
                "privpassphrase" => privacy.passphrase = value.map(SecretString::from),
                _ => {}
            }
        }
        let (auth, privacy) = (auth.both(), privacy.both());
        options.user = user.map(|name| SnmpUser { name, auth, privacy });
        options
    }
}

/// The plugin refuses one without the other.
#[derive(Default)]
struct ProtocolPair {
    protocol: Option<String>,
    passphrase: Option<SecretString>,
}

impl ProtocolPair {
    fn both(self) -> Option<(String, SecretString)> {
        self.protocol.zip(self.passphrase)
    }
}

/// Words as a shell splits them: quotes and backslashes keep spaces together.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match (quote, c) {
            (Some(begun), _) if c == begun => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => word.get_or_insert_default().extend(rest.next()),
            (None, _) if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}
