//! The proxies of wget and curl, which have files of their own: scripts and plugins use both.
//!
//! Their own files go before the variables of the environment, and root's before wget's for
//! everybody; `use_proxy = off` and `proxy = ""` take both away.
//!
//! Reference: wget(1), "Wgetrc Commands"; curl(1), `-K`.

use super::super::constructs::Constructs;
use super::super::facts::ProxySetting;
use super::super::lines::words;
use super::super::route::{Address, WGET as WGET_NAME, exceptions};
use super::super::{At, Facts, Files, Text, Unread};
use super::{MISSING, ProxyVariables};

const HOME: &str = "/root/";
const WGET: [&str; 2] = ["/etc/wgetrc", "/root/.wgetrc"];
/// The first that is there.
const CURL: [&str; 2] = ["/root/.config/curlrc", "/root/.curlrc"];

/// What of wget's commands names a proxy.
pub(in crate::site::discover) const WGET_CONSTRUCTS: Constructs = Constructs {
    program: "wget",
    files: "/etc/wgetrc, /root/.wgetrc",
    missing: MISSING,
    understood: &["httpproxy", "httpsproxy", "noproxy", "useproxy"],
    noted: &[
        ("bindaddress", "asks from this address"),
        ("dnsservers", "asks other name servers"),
        ("ftpproxy", "names a proxy for FTP"),
        ("chooseconfig", "reads another file"),
        ("input", "reads addresses from a file"),
        ("preferfamily", "prefers one version of IP"),
        ("proxypasswd", "logs in to the proxy"),
        ("proxypassword", "logs in to the proxy"),
        ("proxyuser", "logs in to the proxy"),
    ],
    aside: &[
        "accept",
        "acceptregex",
        "addhostdir",
        "adjustextension",
        "alwaysrest",
        "askpassword",
        "authnochallenge",
        "background",
        "backupconverted",
        "backups",
        "base",
        "bodydata",
        "bodyfile",
        "cacertificate",
        "cache",
        "cadirectory",
        "certificate",
        "certificatetype",
        "checkcertificate",
        "ciphers",
        "compression",
        "connecttimeout",
        "contentdisposition",
        "contentonerror",
        "continue",
        "convertfileonly",
        "convertlinks",
        "cookies",
        "crlfile",
        "cutdirs",
        "debug",
        "defaultpage",
        "deleteafter",
        "dirprefix",
        "dirstruct",
        "dnscache",
        "dnstimeout",
        "domains",
        "dotbytes",
        "dotsinline",
        "dotspacing",
        "dotstyle",
        "egdfile",
        "excludedirectories",
        "excludedomains",
        "followftp",
        "followtags",
        "forcehtml",
        "ftppasswd",
        "ftppassword",
        "ftpscleardataconnection",
        "ftpsfallbacktoftp",
        "ftpsimplicit",
        "ftpsresumessl",
        "ftpuser",
        "glob",
        "header",
        "hsts",
        "hstsfile",
        "htmlextension",
        "htmlify",
        "httpkeepalive",
        "httppasswd",
        "httppassword",
        "httpsonly",
        "httpuser",
        "ifmodifiedsince",
        "ignorecase",
        "ignorelength",
        "ignoretags",
        "includedirectories",
        "iri",
        "keepbadhash",
        "keepsessioncookies",
        "limitrate",
        "loadcookies",
        "localencoding",
        "logfile",
        "login",
        "maxredirect",
        "method",
        "mirror",
        "netrc",
        "noclobber",
        "noconfig",
        "noparent",
        "numtries",
        "outputdocument",
        "pagerequisites",
        "passiveftp",
        "password",
        "pinnedpubkey",
        "postdata",
        "postfile",
        "preservepermissions",
        "privatekey",
        "privatekeytype",
        "progress",
        "protocoldirectories",
        "quiet",
        "quota",
        "randomfile",
        "randomwait",
        "readtimeout",
        "reclevel",
        "recursive",
        "referer",
        "regextype",
        "reject",
        "rejectedlog",
        "rejectregex",
        "relativeonly",
        "remoteencoding",
        "removelisting",
        "reportspeed",
        "restrictfilenames",
        "retrsymlinks",
        "retryconnrefused",
        "retryonhosterror",
        "retryonhttperror",
        "robots",
        "savecookies",
        "saveheaders",
        "secureprotocol",
        "serverresponse",
        "showalldnsentries",
        "showprogress",
        "spanhosts",
        "spider",
        "startpos",
        "strictcomments",
        "timeout",
        "timestamping",
        "tries",
        "trustservernames",
        "unlink",
        "useaskpass",
        "user",
        "useragent",
        "useservertimestamps",
        "verbose",
        "wait",
        "waitretry",
        "warccdx",
        "warccdxdedup",
        "warccompression",
        "warcdigests",
        "warcfile",
        "warcheader",
        "warckeeplog",
        "warcmaxsize",
        "warctempdir",
        "xattr",
    ],
};

/// What of curl's options names a proxy or goes around one.
pub(in crate::site::discover) const CURL_CONSTRUCTS: Constructs = Constructs {
    program: "curl",
    files: "/root/.curlrc",
    missing: MISSING,
    understood: &[
        "noproxy",
        "proxy",
        "proxy-user",
        "socks4",
        "socks4a",
        "socks5",
        "socks5-hostname",
    ],
    noted: &[
        ("abstract-unix-socket", "connects to a socket of this machine"),
        ("config", "reads another file"),
        ("connect-to", "connects to another host"),
        ("dns-interface", "asks for names by this interface"),
        ("dns-ipv4-addr", "asks for names from this address"),
        ("dns-ipv6-addr", "asks for names from this address"),
        ("dns-servers", "asks other name servers"),
        ("doh-url", "asks for names over HTTPS"),
        ("haproxy-protocol", "begins connections with a PROXY header"),
        ("interface", "asks from this interface"),
        ("ipv4", "connects by IPv4 only"),
        ("ipv6", "connects by IPv6 only"),
        ("preproxy", "goes through one more proxy"),
        ("proxy-cacert", "trusts the proxy by other certificates"),
        ("proxy-capath", "trusts the proxy by other certificates"),
        ("proxy-anyauth", "logs in to the proxy otherwise"),
        ("proxy-cert", "logs in to the proxy with a certificate"),
        ("proxy-digest", "logs in to the proxy otherwise"),
        ("proxy-header", "tells the proxy more, perhaps a login"),
        ("proxy-negotiate", "logs in to the proxy otherwise"),
        ("proxy-ntlm", "logs in to the proxy otherwise"),
        ("proxy1.0", "names a proxy that speaks HTTP/1.0"),
        ("resolve", "has its own address for a name"),
        ("unix-socket", "connects to a socket of this machine"),
    ],
    aside: &[
        "connect-timeout",
        "doh-insecure",
        "egd-file",
        "insecure",
        "no-keepalive",
        "proxy-*",
        "proxytunnel",
        "retry-connrefused",
        "socks5-basic",
        "socks5-gssapi*",
        "suppress-connect-headers",
    ],
};

pub(super) fn read(files: &Files, facts: &mut Facts) {
    let mut variables = ProxyVariables::default();
    let mut is_off = false;
    for path in WGET {
        if let Some(text) = text(files, path, facts) {
            is_off = of_wget(&text, &mut variables, facts).unwrap_or(is_off);
        }
    }
    if !is_off {
        let settings = variables.settings(WGET_NAME, facts);
        facts.proxies.extend(settings);
    }
    let curl = CURL.iter().find_map(|path| text(files, path, facts));
    let setting = curl.and_then(|text| of_curl(&text, facts));
    facts.proxies.extend(setting);
}

fn text(files: &Files, path: &str, facts: &mut Facts) -> Option<Text> {
    // To other users root's home does not even show whether the file is there.
    if path.starts_with(HOME) && files.size(path) == Err(Unread::Denied) {
        return None;
    }
    facts.text(files, path, MISSING)
}

/// `name = value`; in a name neither case nor dashes nor underscores count. Says whether the
/// proxy is switched off, where that is said.
fn of_wget(text: &Text, variables: &mut ProxyVariables, facts: &mut Facts) -> Option<bool> {
    let mut is_off = None;
    for (line, content) in text.lines().filter(|(_, line)| !line.trim_start().starts_with('#')) {
        let Some((name, value)) = content.split_once('=') else { continue };
        let value = value.trim();
        let plain: String =
            name.trim().to_ascii_lowercase().chars().filter(|c| !matches!(c, '-' | '_')).collect();
        match plain.as_str() {
            "httpproxy" => variables.set("http_proxy", value.to_owned(), text.at(line)),
            "httpsproxy" => variables.set("https_proxy", value.to_owned(), text.at(line)),
            "noproxy" => variables.set("no_proxy", value.to_owned(), text.at(line)),
            "useproxy" => is_off = Some(matches!(value, "off" | "no" | "0")),
            other if WGET_CONSTRUCTS.noted.iter().any(|(known, _)| *known == other) => {
                WGET_CONSTRUCTS.meet(other, text.at(line), facts);
            }
            _ => {}
        }
    }
    is_off
}

/// `--option value`, `option = value`, `option: value` or `-x value`; of a line the first.
fn of_curl(text: &Text, facts: &mut Facts) -> Option<ProxySetting> {
    let mut proxy: Option<(String, At)> = None;
    let mut user = None;
    let mut except = Vec::new();
    for (line, content) in text.lines().filter(|(_, line)| !line.trim_start().starts_with('#')) {
        let content = content.trim();
        // Behind an option with its dashes only white space parts it from its value.
        let is_dashed = content.starts_with('-');
        let parts = |c: char| c.is_whitespace() || !is_dashed && matches!(c, '=' | ':');
        let end = match content.chars().nth(1) {
            // `-xPROXY`, as on the command line.
            Some(letter) if is_dashed && letter != '-' => Some(1 + letter.len_utf8()),
            _ => content.find(parts),
        };
        let (option, rest) = content.split_at(end.unwrap_or(content.len()));
        let rest = rest.trim_start_matches(parts);
        let value = words(rest).into_iter().next().unwrap_or_default();
        let at = text.at(line);
        let name = match option {
            "-x" => "proxy",
            "-U" => "proxy-user",
            "-K" => "config",
            "-4" => "ipv4",
            "-6" => "ipv6",
            option => option.trim_start_matches('-'),
        };
        match name {
            "proxy" => proxy = Some((value, at)),
            "socks4" | "socks4a" | "socks5" => proxy = Some((format!("{name}://{value}"), at)),
            "socks5-hostname" => proxy = Some((format!("socks5h://{value}"), at)),
            "proxy-user" => user = Some(value),
            "noproxy" => except = exceptions(&value, &at),
            other if CURL_CONSTRUCTS.noted.iter().any(|(known, _)| *known == other) => {
                CURL_CONSTRUCTS.meet(other, at, facts);
            }
            _ => {}
        }
    }
    let (value, at) = proxy.filter(|(value, _)| !value.is_empty())?;
    let Some(mut address) = Address::parse(&value) else {
        facts.note(at, "proxy is not an address of a proxy (http://HOST:PORT)", MISSING);
        return None;
    };
    if !address.names_port {
        // What curl takes for every kind of proxy.
        address.url.set_port(Some(1080)).ok()?;
    }
    let mut setting = ProxySetting { except, ..address.setting("curl", None, at) };
    if let Some((name, password)) = user.as_deref().and_then(|user| user.split_once(':')) {
        setting.user = Some(name.to_owned());
        setting.password = Some(secrecy::SecretString::from(password.to_owned()));
    }
    Some(setting)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use std::process::{Command, Stdio};

    use url::Url;

    use super::super::super::constructs::Reading;
    use super::super::super::facts::Route;
    use super::super::super::route::route;
    use super::super::super::testing::{Cell, Speaks, every_beginning, hostile};
    use super::super::tests::found;
    use super::*;

    const WGETRC: &str = "# http_proxy = http://never:1\nhttps_proxy = http://192.0.2.83:3128\n\
        HTTP-Proxy=http://a:1\nno_proxy = .corp.example\nbind_address = 10.0.0.7\n";
    const CURLRC: &str = "# x\nproxy = \"http://192.0.2.84:3128\"\nproxy-user = u:hunter2\n\
        --noproxy localhost,.corp.example\nconnect-to = ::b:443\nsilent\n";

    #[test]
    fn wget_and_curl_have_their_own() {
        let (proxies, notes) = found(&[(WGET[0], WGETRC), (CURL[1], CURLRC)]);
        let want = [
            "wget http http://a:1/ [.corp.example] /etc/wgetrc:3",
            "wget https http://192.0.2.83:3128/ [.corp.example] /etc/wgetrc:2",
            "curl all http://192.0.2.84:3128/ u:hunter2 [localhost .corp.example] /root/.curlrc:2",
        ];
        assert_eq!(proxies, want);
        let want = [
            "/etc/wgetrc:5: `bindaddress` asks from this address, which is not read",
            "/root/.curlrc:5: `connect-to` connects to another host, which is not read",
        ];
        assert_eq!(notes, want);
    }

    #[test]
    fn a_switch_takes_them_away() {
        let off = "use_proxy = off\n";
        assert_eq!(found(&[(WGET[0], WGETRC), (WGET[1], off)]).0, [""; 0]);
        let empty = format!("{CURLRC}-x \"\"\n");
        assert_eq!(found(&[(CURL[1], &empty)]).0, [""; 0]);
        let socks = found(&[(CURL[1], "socks5-hostname=p:1080\n")]).0;
        assert_eq!(socks, ["curl all socks5h://p:1080 [] /root/.curlrc:1"]);
    }

    #[test]
    fn each_option_of_curl_about_the_way_to_a_server_was_decided() {
        let output = Command::new("curl").args(["--help", "all"]).output().unwrap();
        let help = String::from_utf8(output.stdout).unwrap();
        let about = |line: &&str| {
            let line = line.to_ascii_lowercase();
            let words = [
                "proxy",
                "socks",
                "dns",
                "resolve",
                "connect",
                "interface",
                "socket",
                "read config",
            ];
            words.iter().any(|word| line.contains(word))
        };
        let options = help.lines().filter(about).filter_map(|line| line.split_once("--"));
        let names: Vec<&str> =
            options.filter_map(|(_, option)| option.split([' ', ',', '[']).next()).collect();
        assert!(names.contains(&"doh-url") && names.len() > 40, "{names:?}");
        let is_open = |name: &&&str| CURL_CONSTRUCTS.reading(name) == Reading::Unknown;
        let open: Vec<&&str> = names.iter().filter(is_open).collect();
        assert!(open.is_empty(), "{open:?}");
    }

    #[test]
    fn each_command_of_wget_was_decided() {
        let search = std::env::var_os("PATH").unwrap();
        let mut paths = std::env::split_paths(&search).map(|folder| folder.join("wget"));
        let bytes = std::fs::read(paths.find(|path| path.is_file()).unwrap()).unwrap();
        let is_word = |word: &&[u8]| {
            (3..=24).contains(&word.len()) && word.iter().all(u8::is_ascii_lowercase)
        };
        let words: std::collections::BTreeSet<&str> = bytes
            .split(|&byte| byte == 0)
            .filter(is_word)
            .map(|word| std::str::from_utf8(word).unwrap())
            .collect();
        let is_open = |name: &&str| WGET_CONSTRUCTS.reading(name) == Reading::Unknown;
        // Whatever wget does not call an unknown command is one.
        let folder = tempfile::tempdir().unwrap();
        let is_command = |word: &&str| {
            let file = folder.path().join("wgetrc");
            std::fs::write(&file, format!("{word} = 1\n")).unwrap();
            let output = Command::new("wget").env("WGETRC", &file).env("LC_ALL", "C").output();
            !String::from_utf8_lossy(&output.unwrap().stderr).contains("Unknown command")
        };
        assert!(words.contains("useproxy") && is_command(&"useproxy") && !is_command(&"abcdef"));
        let open: Vec<&str> = words.into_iter().filter(is_open).filter(is_command).collect();
        assert!(open.is_empty(), "{open:?}");
    }

    fn read_both(text: &Text) {
        let (mut variables, mut facts) = (ProxyVariables::default(), Facts::default());
        of_wget(text, &mut variables, &mut facts);
        of_curl(text, &mut facts);
    }

    #[test]
    fn every_beginning_is_read() {
        every_beginning(WGET[0], WGETRC, read_both);
        every_beginning(CURL[1], CURLRC, read_both);
    }

    /// Where the proxies of the tests listen.
    const PROXIES: [&str; 3] = ["127.0.0.1:3128", "127.0.0.1:3129", "127.0.0.1:1080"];

    /// To which of the proxies `command` goes for each URL; none: to none of them.
    fn theirs(
        etc: &[(&str, &str)],
        command: &'static str,
        urls: &'static [&str],
    ) -> Vec<Option<String>> {
        Cell::run(etc, move |cell| {
            for address in PROXIES {
                cell.listen(address, Speaks::Http);
            }
            let one = |url: &&str| {
                let before = cell.heard().len();
                let mut run = Command::new("timeout");
                run.args(["8", "sh", "-c", command, url]).env_clear().env("HOME", "/nonexistent");
                run.env("PATH", "/usr/bin:/bin").stdout(Stdio::null()).stderr(Stdio::null());
                run.status().unwrap();
                cell.heard().get(before).map(|visit| visit.to.to_string())
            };
            urls.iter().map(one).collect()
        })
    }

    fn ours(settings: &[ProxySetting], url: &str) -> Option<String> {
        match route(&Url::parse(url).unwrap(), settings)? {
            Route::Proxy(setting) => {
                Some(format!("{}:{}", setting.url.host_str()?, setting.url.port()?))
            }
            Route::Straight { .. } => None,
        }
    }

    const URLS: [&str; 6] = [
        "http://elsewhere.test/",
        "https://elsewhere.test/",
        "http://corp.test/",
        "http://a.corp.test/",
        "http://xcorp.test/",
        "http://192.0.2.77/",
    ];

    #[test]
    fn wget_goes_where_we_say() {
        for conf in [
            "http_proxy = http://127.0.0.1:3128/\n",
            "https_proxy = 127.0.0.1:3128\n",
            "# http_proxy = http://127.0.0.1:3128/\nHTTP-Proxy=http://127.0.0.1:3129\n",
            "http_proxy = http://127.0.0.1:3128/\nhttps_proxy = http://127.0.0.1:3129/\nno_proxy = .corp.test,192.0.2.77\n",
            "http_proxy = http://127.0.0.1:3128/\nno_proxy = corp.test\n",
            "http_proxy = http://127.0.0.1:3128/\nno_proxy = .CORP.test\n",
            "http_proxy = http://127.0.0.1:3128/\nno_proxy = *.corp.test, 192.0.2.0/24\n",
            "http_proxy = http://127.0.0.1:3128/\nno_proxy = 2.77,orp.test,corp.test:80\n",
            "http_proxy = http://127.0.0.1:3128/\nno_proxy = *\n",
            "http_proxy = http://127.0.0.1:3128/\nuse_proxy = off\n",
            "http_proxy = http://127.0.0.1:3128/\nuse_proxy = off\nuse_proxy = on\n",
            "http_proxy = http://127.0.0.1:3128/\nhttp_proxy = http://127.0.0.1:3129/\n",
            "http_proxy = http://u:p@127.0.0.1:3128/\n",
        ] {
            let etc = [(WGET[0], conf)];
            let (_dir, files) = super::super::super::testing::tree(&etc);
            let mut facts = Facts::default();
            read(&files, &mut facts);
            let command = "exec wget -q -O /dev/null -t 1 -T 2 --no-check-certificate \"$0\"";
            let ours: Vec<_> = URLS.iter().map(|url| ours(&facts.proxies, url)).collect();
            assert_eq!(ours, theirs(&etc, command, &URLS), "{conf} {URLS:?}");
        }
    }

    #[test]
    fn curl_goes_where_we_say() {
        for conf in [
            "proxy = \"http://127.0.0.1:3128\"\n",
            "# x\n-x 127.0.0.1:3129\n",
            "--proxy 127.0.0.1:3128\nnoproxy = corp.test,192.0.2.0/24\n",
            "proxy: http://127.0.0.1:3128\nnoproxy=.corp.test\nproxy-user = u:p\n",
            "proxy http://127.0.0.1:3128\nproxy http://127.0.0.1:3129\n",
            "proxy = http://127.0.0.1:3128\nproxy = \"\"\n",
            "socks5-hostname = 127.0.0.1:1080\n",
            "socks5 127.0.0.1\nnoproxy *\n",
            "proxy=127.0.0.1\n",
            "--proxy=127.0.0.1:3128\n",
            "-x127.0.0.1:3128\n",
        ] {
            let text = super::super::super::testing::text(CURL[1], conf);
            let settings: Vec<ProxySetting> =
                of_curl(&text, &mut Facts::default()).into_iter().collect();
            let etc = [("/etc/preflight-curlrc", conf)];
            let command = "exec curl -s -m 3 -k -K /etc/preflight-curlrc \"$0\"";
            let ours: Vec<_> = URLS.iter().map(|url| ours(&settings, url)).collect();
            assert_eq!(ours, theirs(&etc, command, &URLS), "{conf} {URLS:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in hostile("/root/.curlrc", CURLRC)) {
            read_both(&text);
        }
    }
}
