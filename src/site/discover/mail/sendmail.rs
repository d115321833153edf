//! Sendmail itself: `sendmail.cf`, of it the smart host, and `submit.cf`.
//!
//! `DS` is the smart host, perhaps with a mailer before it: `DSesmtp:[relay.example]`. In
//! brackets it is a host; without them its mail servers (MX) are asked. The port stands in the
//! mailer's own line (`A=TCP $h 587`). Mail of this machine's programs is handed over by the
//! settings of `submit.cf`, as a rule to 127.0.0.1.
//!
//! Reference: the Sendmail Installation and Operation Guide, 5.

use std::borrow::Cow;
use std::net::IpAddr;

use super::super::constructs::Constructs;
use super::super::facts::{Mail, MailTls, MailTo, Read, Share};
use super::super::lines::host;
use super::super::{Facts, Files, Text};
use super::{MISSING, MailFound};
use crate::site::parse_port;

const FILE: &str = "/etc/mail/sendmail.cf";
const SUBMIT: &str = "/etc/mail/submit.cf";
const SOURCE: &str = "/etc/mail/sendmail.mc";
const MAILERTABLE: &str = "/etc/mail/mailertable";

pub(in crate::site::discover) const CONSTRUCTS: Constructs = Constructs {
    program: "sendmail",
    files: "sendmail.cf, submit.cf, mailertable",
    missing: MISSING,
    understood: &["DS", "D{MTAHost}", "Kmailertable", "M*"],
    noted: &[
        ("DH", "sends mail for this machine's own users to a hub"),
        ("DR", "sends unqualified addresses to a relay"),
        ("F*|", "has a program make a list"),
        ("F*@ldap", "asks a directory for a list"),
        ("K dns", "asks the DNS where mail goes"),
        ("K hesiod", "asks Hesiod where mail goes"),
        ("K ldap*", "asks a directory where mail goes"),
        ("K netinfo", "asks NetInfo where mail goes"),
        ("K nis*", "asks NIS where mail goes"),
        ("K ph", "asks a directory where mail goes"),
        ("K program", "has a program say where mail goes"),
        ("K socket", "asks a server where mail goes"),
        ("O ClientPortOptions", "gives connections another source address"),
        ("O ConnectOnlyTo", "connects to one address alone"),
        ("O DeliveryMode", "says when mail is sent"),
        ("O FallbackMXhost", "has another host take what cannot be delivered"),
        ("O FallbackSmartHost", "has another host take what cannot be delivered"),
        ("O HoldExpensive", "keeps mail for some mailers in the queue"),
        ("O HostsFile", "looks names up in another file"),
        ("O InputMailFilters", "has filters look at all mail"),
        ("O ResolverOptions", "changes how names are looked up"),
        ("O ServiceSwitchFile", "changes where names are looked up"),
        ("O TryNullMXList", "tries a domain without other mail servers itself"),
        ("O UserDatabaseSpec", "has a database say where users get their mail"),
        ("X*", "has a filter look at mail"),
    ],
    aside: &[
        // Macros, classes, headers, users, priorities, rules and versions.
        "A*",
        "C*",
        "D*",
        "E*",
        "F*",
        "H*",
        "L*",
        "P*",
        "Q*",
        "R*",
        "S*",
        "T*",
        "V*",
        // Tables of files and of this machine.
        "K arith",
        "K btree",
        "K cdb",
        "K dbm",
        "K dequote",
        "K hash",
        "K host",
        "K implicit",
        "K macro",
        "K null",
        "K regex",
        "K rhs",
        "K sequence",
        "K stab",
        "K switch",
        "K syslog",
        "K text",
        "K user",
        "K userdb",
        "O AliasFile",
        "O AliasWait",
        "O AllowBogusHELO",
        "O AuthMaxBits",
        "O AuthMechanisms",
        "O AuthOptions",
        "O AuthRealm",
        "O BadRcptShutdown",
        "O BadRcptShutdownGood",
        "O BadRcptThrottle",
        "O BlankSub",
        "O CACertFile",
        "O CACertPath",
        "O CRLFile",
        "O CRLPath",
        "O CertFingerprintAlgorithm",
        "O CheckAliases",
        "O CheckpointInterval",
        "O CipherList",
        "O CipherSuites",
        "O ClassFactor",
        "O ClientCertFile",
        "O ClientKeyFile",
        "O ClientSSLOptions",
        "O ColonOkInAddr",
        "O ConnectionCacheSize",
        "O ConnectionCacheTimeout",
        "O ConnectionRateThrottle",
        "O ConnectionRateWindowSize",
        "O ControlSocketName",
        "O DHParameters",
        "O DaemonPortOptions",
        "O DataFileBufferSize",
        "O DeadLetterDrop",
        "O DefaultAuthInfo",
        "O DefaultCharSet",
        "O DefaultUser",
        "O DelayLA",
        "O DeliverByMin",
        "O DialDelay",
        "O DirectSubmissionModifiers",
        "O DontBlameSendmail",
        "O DontExpandCnames",
        "O DontInitGroups",
        "O DontProbeInterfaces",
        "O DontPruneRoutes",
        "O DoubleBounceAddress",
        "O EightBitMode",
        "O ErrorHeader",
        "O ErrorMode",
        "O FastSplit",
        "O ForkEachJob",
        "O ForwardPath",
        "O HasWildcardMX",
        "O HeloName",
        "O HelpFile",
        "O HostStatusDirectory",
        "O IgnoreDots",
        "O LogLevel",
        "O MailboxDatabase",
        "O MatchGECOS",
        "O MaxAliasRecursion",
        "O MaxDaemonChildren",
        "O MaxHeadersLength",
        "O MaxHopCount",
        "O MaxMessageSize",
        "O MaxMimeHeaderLength",
        "O MaxNOOPCommands",
        "O MaxQueueAge",
        "O MaxQueueChildren",
        "O MaxQueueRunSize",
        "O MaxRecipientsPerMessage",
        "O MaxRunnersPerQueue",
        "O MeToo",
        "O MinFreeBlocks",
        "O MinQueueAge",
        "O MustQuoteChars",
        "O NiceQueueRun",
        "O NoRecipientAction",
        "O OldStyleHeaders",
        "O OperatorChars",
        "O PidFile",
        "O PostmasterCopy",
        "O PrivacyOptions",
        "O ProcessTitlePrefix",
        "O QueueDirectory",
        "O QueueFactor",
        "O QueueFileMode",
        "O QueueLA",
        "O QueueSortOrder",
        "O QueueTimeout",
        "O RandFile",
        "O RecipientFactor",
        "O RefuseLA",
        "O RejectLogInterval",
        "O RejectNUL",
        "O RequiresDirfsync",
        "O RetryFactor",
        "O RrtImpliesDsn",
        "O RunAsUser",
        "O SSLEngine",
        "O SSLEnginePath",
        "O SafeFileEnvironment",
        "O SaveFromLine",
        "O SendMimeErrors",
        "O ServerCertFile",
        "O ServerKeyFile",
        "O ServerSSLOptions",
        "O SetCertAltnames",
        "O SevenBitInput",
        "O SharedMemoryKey",
        "O SharedMemoryKeyFile",
        "O SingleLineFromHeader",
        "O SingleThreadDelivery",
        "O SmtpGreetingMessage",
        "O SmtpUTF8",
        "O SoftBounce",
        "O StatusFile",
        "O StrictTransportSecurity",
        "O SuperSafe",
        "O TLSFallbacktoClear",
        "O TLSSrvOptions",
        "O TempFileMode",
        "O TimeZoneSpec",
        "O Timeout*",
        "O TrustedUser",
        "O UnixFromLine",
        "O UnsafeGroupWrites",
        "O UseCompressedIPv6Addresses",
        "O UseErrorsTo",
        "O UseMSP",
        "O Verbose",
        "O WorkAroundBrokenAAAA",
        "O XscriptFileBufferSize",
    ],
};

pub(super) fn read(files: &Files, facts: &mut Facts) -> MailFound {
    let text = match files.read(FILE) {
        Ok(text) => text,
        Err(why) => {
            facts.unread(FILE, &why, MISSING);
            if files.exists(SOURCE) {
                let reason = "sendmail reads what make writes of it, and there is no sendmail.cf";
                facts.note(super::super::At::file(SOURCE), reason, MISSING);
                return MailFound::Said(Vec::new());
            }
            return MailFound::Nothing;
        }
    };
    let mut ways = Vec::new();
    if let Ok(submit) = files.read(SUBMIT) {
        ways.extend(handed_over(&submit, facts));
        if !ways.is_empty() {
            return MailFound::Said(ways);
        }
    }
    let cf = Cf { text: &text };
    for Read { value, at } in cf.lines() {
        // A macro that stands for nothing sends nothing anywhere.
        if named(&value) != value.trim_end() || !value.starts_with('D') {
            CONSTRUCTS.meet(&named(&value), at, facts);
        }
    }
    if cf.lines().any(|line| line.value.starts_with("Kmailertable")) {
        match files.read(MAILERTABLE) {
            Ok(table) => ways.extend(cf.table(&table, facts)),
            Err(why) => facts.unread(MAILERTABLE, &why, "the relays of some mail"),
        }
    }
    ways.extend(cf.smart_host(facts));
    MailFound::Said(ways)
}

/// As far as a construct has a name: `DS`, `D{MTAHost}`, `Kmailertable`, `K hash`, `O FallbackMXhost`.
fn named(line: &str) -> Cow<'_, str> {
    Cow::Borrowed(match line.as_bytes() {
        [b'D', b'{', ..] => line.split_inclusive('}').next().unwrap_or(line),
        [b'D', _, ..] => line.get(..2).unwrap_or(line),
        // Of a table, the kind says whether somebody is asked.
        [b'K', ..] if !line.starts_with("Kmailertable") => {
            let kind = line.split_whitespace().nth(1).unwrap_or_default();
            return format!("K {kind}").into();
        }
        [b'F', ..] if line.contains("@ldap") => "F*@ldap",
        [b'F', ..] if line.contains('|') => "F*|",
        [b'O', b' ', ..] => line.split(['=', ',']).next().unwrap_or(line).trim_end(),
        _ => line.split([' ', '\t', ',']).next().unwrap_or(line),
    })
}

/// `D{MTAHost}[127.0.0.1]`: where mail of this machine's programs is handed over.
fn handed_over(submit: &Text, facts: &mut Facts) -> Option<Mail> {
    let cf = Cf { text: submit };
    let line = cf.lines().find(|line| line.value.starts_with("D{MTAHost}"))?;
    let value = line.value.strip_prefix("D{MTAHost}").unwrap_or_default();
    let name = value.trim_matches(['[', ']']);
    let is_here =
        name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    if is_here {
        return None;
    }
    cf.mail("relay", Read { value: value.to_owned(), at: line.at.clone() }, Share::Rest, facts)
}

struct Cf<'a> {
    text: &'a Text,
}

impl Cf<'_> {
    /// Each line with those that continue it, which begin with white space.
    fn lines(&self) -> impl Iterator<Item = Read<String>> + '_ {
        let mut lines: Vec<Read<String>> = Vec::new();
        for (number, content) in self.text.lines() {
            match lines.last_mut() {
                Some(last) if content.starts_with([' ', '\t']) => last.value.push_str(content),
                _ if content.starts_with('#') || content.trim().is_empty() => {}
                _ => lines.push(Read { value: content.to_owned(), at: self.text.at(number) }),
            }
        }
        lines.into_iter()
    }

    fn smart_host(&self, facts: &mut Facts) -> Option<Mail> {
        // The last definition counts.
        let line = self.lines().filter(|line| line.value.starts_with("DS")).last();
        let value = line.as_ref().and_then(|line| line.value.get(2..)).unwrap_or_default().trim();
        let at = line.as_ref().map_or_else(|| self.text.at(1), |line| line.at.clone());
        if value.is_empty() {
            let (to, share, tls) = (MailTo::Receivers, Share::Rest, MailTls::IfOffered);
            return Some(Mail { share, tls, ..Mail::of("sendmail", to, at) });
        }
        self.mail("relay", Read { value: value.to_owned(), at }, Share::Rest, facts)
    }

    /// Domains whose mail goes elsewhere.
    fn table(&self, table: &Text, facts: &mut Facts) -> Vec<Mail> {
        let mut ways = Vec::new();
        for (line, content) in table.lines() {
            let mut words = content.split('#').next().unwrap_or_default().split_whitespace();
            let (Some(domain), Some(route)) = (words.next(), words.next()) else { continue };
            let is_here =
                ["error:", "local:", "discard:"].iter().any(|kind| route.starts_with(kind));
            if !is_here {
                let value = Read { value: route.to_owned(), at: table.at(line) };
                ways.extend(self.mail("smtp", value, Share::Some(format!("to {domain}")), facts));
            }
        }
        ways
    }

    /// `host`, `[host]`, or either behind a mailer: `esmtp:[host]`.
    fn mail(
        &self,
        mailer: &str,
        route: Read<String>,
        share: Share,
        facts: &mut Facts,
    ) -> Option<Mail> {
        let Read { value, at } = route;
        let (mailer, name) = match value.split_once(':') {
            Some((mailer, name)) if !mailer.starts_with('[') => (mailer, name),
            _ => (mailer, value.as_str()),
        };
        let bare = name.trim_matches(['[', ']']);
        let by_mx = !name.starts_with('[') && bare.parse::<IpAddr>().is_err();
        let place = self.port(mailer).and_then(|port| host(bare, port));
        match place {
            Ok(place) => {
                let to = MailTo::Relay { place, by_mx };
                let tls = MailTls::IfOffered;
                Some(Mail { share, tls, ..Mail::of("sendmail", to, at) })
            }
            Err(reason) => {
                facts.note(at, reason, MISSING);
                None
            }
        }
    }

    /// `Mrelay, P=[IPC], …, A=TCP $h 587`: the port of a mailer, if it names one.
    fn port(&self, mailer: &str) -> Result<Option<u16>, String> {
        let head = format!("M{mailer},");
        let line = self.lines().find(|line| line.value.starts_with(&head));
        let arguments = line.as_ref().and_then(|line| line.value.split("A=TCP").nth(1));
        let port = arguments.and_then(|arguments| arguments.split_whitespace().nth(1));
        port.map(parse_port).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::constructs::Reading;
    use super::super::tests::found;
    use super::*;

    /// As `make -C /etc/mail` writes it, cut down to what names somebody.
    const CF: &str = "# comment\nCwlocalhost\nDj$w\nKmailertable hash -o /etc/mail/mailertable.db\n\
        DSrelay.example\nDR\nDH\nO FallbackMXhost=fallback.example\n\
        Mesmtp,\t\tP=[IPC], F=mDFMuXa, S=EnvFromSMTP/HdrFromSMTP, R=EnvToSMTP,\n\
        \t\tT=DNS/RFC822/SMTP,\n\t\tA=TCP $h\n\
        Mrelay,\t\tP=[IPC], F=mDFMuXa8k,\n\t\tT=DNS/RFC822/SMTP,\n\t\tA=TCP $h 587\n";

    fn told(cf: &str, more: &[(&str, &str)]) -> (String, Vec<String>) {
        let files = [&[(FILE, cf), ("/usr/libexec/sendmail/sendmail", "")], more].concat();
        found(&files)
    }

    #[test]
    fn the_smart_host_is_behind_ds_and_its_port_at_the_mailer() {
        let note =
            "`O FallbackMXhost` has another host take what cannot be delivered, which is not read";
        for (ds, want) in [
            ("relay.example", "relay.example:587 by MX"),
            ("[relay.example]", "relay.example:587"),
            ("esmtp:[10.0.0.25]", "10.0.0.25"),
            ("", "direct"),
        ] {
            let cf = CF.replace("DSrelay.example", &format!("DS{ds}"));
            let ways = format!("sendmail {want}, TLS if offered, {FILE}:5");
            assert_eq!(told(&cf, &[]), (ways, vec![format!("{FILE}:8: {note}")]));
        }
    }

    #[test]
    fn a_table_of_mailers_sends_some_mail_elsewhere() {
        let table = "corp.example esmtp:[mx.corp.example]\nbad.example error:nohost no\n";
        let (ways, _) = told(CF, &[(MAILERTABLE, table)]);
        let want = [
            "sendmail mx.corp.example to corp.example, TLS if offered, /etc/mail/mailertable:1",
            "sendmail relay.example:587 by MX, TLS if offered, /etc/mail/sendmail.cf:5",
        ];
        assert_eq!(ways, want.join("; "));
    }

    #[test]
    fn programs_hand_their_mail_to_whom_submit_cf_names() {
        let submit = |host: &str| format!("D{{MTAHost}}{host}\nMrelay, A=TCP $h\n");
        let here = submit("[127.0.0.1]");
        assert!(told(CF, &[(SUBMIT, &here)]).0.starts_with("sendmail relay.example:587"));
        let there = submit("[hub.example]");
        let want = format!("sendmail hub.example, TLS if offered, {SUBMIT}:1");
        assert_eq!(told(CF, &[(SUBMIT, &there)]).0, want);
    }

    /// The long names of sendmail 8.17.1.9's options: those words of its program that `O NAME=1` in
    /// a file takes without "unknown option name".
    const OPTIONS: &str = "AliasFile AliasWait AllowBogusHELO AuthMaxBits AuthMechanisms AuthOptions AuthRealm BadRcptShutdown \
        BadRcptShutdownGood BadRcptThrottle BlankSub CACertFile CACertPath CRLFile CRLPath CertFingerprintAlgorithm \
        CheckAliases CheckpointInterval CipherList CipherSuites ClassFactor ClientCertFile ClientKeyFile ClientPortOptions \
        ClientSSLOptions ColonOkInAddr ConnectOnlyTo ConnectionCacheSize ConnectionCacheTimeout ConnectionRateThrottle ConnectionRateWindowSize ControlSocketName \
        DHParameters DaemonPortOptions DataFileBufferSize DeadLetterDrop DefaultAuthInfo DefaultCharSet DefaultUser DelayLA \
        DeliverByMin DeliveryMode DialDelay DirectSubmissionModifiers DontBlameSendmail DontExpandCnames DontInitGroups DontProbeInterfaces \
        DontPruneRoutes DoubleBounceAddress EightBitMode ErrorHeader ErrorMode FallbackMXhost FallbackSmartHost FastSplit \
        ForkEachJob ForwardPath HasWildcardMX HeloName HelpFile HoldExpensive HostStatusDirectory HostsFile \
        IgnoreDots InputMailFilters LogLevel MailboxDatabase MatchGECOS MaxAliasRecursion MaxDaemonChildren MaxHeadersLength \
        MaxHopCount MaxMessageSize MaxMimeHeaderLength MaxNOOPCommands MaxQueueAge MaxQueueChildren MaxQueueRunSize MaxRecipientsPerMessage \
        MaxRunnersPerQueue MeToo MinFreeBlocks MinQueueAge MustQuoteChars NiceQueueRun NoRecipientAction OldStyleHeaders \
        OperatorChars PidFile PostmasterCopy PrivacyOptions ProcessTitlePrefix QueueDirectory QueueFactor QueueFileMode \
        QueueLA QueueSortOrder QueueTimeout RandFile RecipientFactor RefuseLA RejectLogInterval RejectNUL \
        RequiresDirfsync ResolverOptions RetryFactor RrtImpliesDsn RunAsUser SSLEngine SSLEnginePath SafeFileEnvironment \
        SaveFromLine SendMimeErrors ServerCertFile ServerKeyFile ServerSSLOptions ServiceSwitchFile SetCertAltnames SevenBitInput \
        SharedMemoryKey SharedMemoryKeyFile SingleLineFromHeader SingleThreadDelivery SmtpGreetingMessage SmtpUTF8 SoftBounce StatusFile \
        StrictTransportSecurity SuperSafe TLSFallbacktoClear TLSSrvOptions TempFileMode Timeout TimeZoneSpec TrustedUser \
        TryNullMXList UnixFromLine UnsafeGroupWrites UseCompressedIPv6Addresses UseErrorsTo UseMSP UserDatabaseSpec Verbose \
        WorkAroundBrokenAAAA XscriptFileBufferSize";

    #[test]
    fn each_option_that_sendmail_has_was_decided() {
        let names = OPTIONS.split_whitespace().map(|name| format!("O {name}"));
        let open: Vec<_> =
            names.filter(|name| CONSTRUCTS.reading(name) == Reading::Unknown).collect();
        assert!(open.is_empty(), "{open:?}");
        // As Debian's and Red Hat's `.cf` set it, with a point behind it.
        assert_eq!(CONSTRUCTS.reading("O Timeout.queuereturn"), Reading::Aside);
    }

    #[test]
    fn who_asks_others_where_mail_goes_is_noted() {
        let cf = "DSrelay.example\nKldap ldap -1 -k x\nKaccess hash /etc/mail/access\nKask socket inet:9@h\n\
            Fw/etc/mail/local-host-names\nF{R}@ldap:x\nXclamav, S=local:/x\nO Frobnicate=1\nRx\t$: $1\n";
        let notes = [
            "2: `K ldap` asks a directory where mail goes, which is not read",
            "4: `K socket` asks a server where mail goes, which is not read",
            "6: `F*@ldap` asks a directory for a list, which is not read",
            "7: `Xclamav` has a filter look at mail, which is not read",
            "8: `O Frobnicate` is nothing of sendmail that preflight knows; it may move a peer",
        ];
        assert_eq!(told(cf, &[]).1, notes.map(|note| format!("{FILE}:{note}")));
    }

    #[test]
    fn a_source_that_was_never_made_is_noted() {
        let (ways, notes) = found(&[(SOURCE, "define(`SMART_HOST', `relay')dnl\n")]);
        let note = "sendmail reads what make writes of it, and there is no sendmail.cf";
        assert_eq!((ways.as_str(), notes), ("none", vec![format!("{SOURCE}: {note}")]));
    }
}
