//! The variables of jobs: lines `name = value` of crontabs, before the jobs they are for.
//!
//! Nothing in a value is replaced, quotes around it are taken off, and a line further down counts
//! for what stands below it. As most jobs of a platform fetch nothing, the last value of a file is
//! said for the file as a whole.
//!
//! Reference: crontab(5).

use super::super::include::list;
use super::super::{Facts, Files, Text};
use super::{MISSING, ProxyVariables};

const TABLE: &str = "/etc/crontab";
/// Jobs of packages; Debian's crontabs of users, then those of everybody else.
const FOLDERS: [&str; 3] = ["/etc/cron.d", "/var/spool/cron/crontabs", "/var/spool/cron"];

pub(super) fn read(files: &Files, facts: &mut Facts) {
    let mut paths = vec![TABLE.to_owned()];
    for folder in FOLDERS {
        paths.extend(list(files, folder, "", facts, MISSING));
    }
    for path in paths {
        if !files.exists(&path) {
            continue;
        }
        if let Ok(text) = files.read(&path) {
            let settings = variables(&text, facts).settings("cron", facts);
            facts.proxies.extend(settings);
        }
    }
}

fn variables(text: &Text, facts: &mut Facts) -> ProxyVariables {
    let mut variables = ProxyVariables::default();
    for (line, content) in text.lines() {
        let Some((name, value)) = content.trim_start().split_once('=') else { continue };
        let bare = |word: &str| {
            let word = word.trim();
            let quoted = |quote: char| word.strip_prefix(quote)?.strip_suffix(quote);
            quoted('"').or_else(|| quoted('\'')).unwrap_or(word).to_owned()
        };
        let (name, value) = (bare(name), bare(value));
        if ProxyVariables::knows(&name) && value.contains('$') {
            let reason = format!("cron replaces nothing: the `$` in {name} stays as it is");
            facts.note(text.at(line), reason, MISSING);
            continue;
        }
        variables.set(&name, value, text.at(line));
    }
    variables
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::tree;
    use super::*;

    #[test]
    fn jobs_have_a_proxy_of_their_own() {
        let job = "SHELL=/bin/sh\n# https_proxy=http://no:1\n https_proxy = \"http://10.0.0.9:3128\"\n\
            no_proxy=localhost\n* * * * * root x https_proxy=http://no:2\n";
        let (_dir, files) = tree(&[
            ("/etc/cron.d/centreon", job),
            ("/etc/crontab", "'https_proxy'='$X'\n17 * * * * root run-parts /etc/cron.hourly\n"),
        ]);
        let mut facts = Facts::default();
        read(&files, &mut facts);
        let found: Vec<_> = facts
            .proxies
            .iter()
            .map(|it| (it.program.as_str(), &it.url, it.at.to_string()))
            .collect();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].0, found[0].2.as_str()), ("cron", "/etc/cron.d/centreon:3"));
        assert_eq!(found[0].1.as_str(), "http://10.0.0.9:3128/");
        assert_eq!(facts.proxies[0].except.len(), 1);
        let notes: Vec<&str> = facts.notes.iter().map(|note| note.reason.as_str()).collect();
        assert_eq!(notes, ["cron replaces nothing: the `$` in https_proxy stays as it is"]);
    }
}
