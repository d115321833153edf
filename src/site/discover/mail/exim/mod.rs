//! exim: Debian's answers to its questions, or a configuration of exim itself.
//!
//! exim's file is a program: macros and conditions make its text, and routers decide, one
//! after the other, who takes an address. Both are followed here, as far as files alone
//! decide; where a message, a server or a program decides, a note says so.
//!
//! On Debian exim reads `exim4.conf` if there is one, and else what `update-exim4.conf` made
//! of the answers when it last ran.

mod config;
mod constructs;
mod debian;
mod expand;
mod lists;
mod routes;
#[cfg(test)]
mod tests;
mod text;

use super::super::facts::Mail;
use super::super::{At, Facts, Files};
use super::{MISSING, MailFound};
use config::EximConfig;
#[cfg(test)]
pub(in crate::site::discover) use constructs::{MAIN, ROUTERS, TRANSPORTS};
use debian::{ANSWERS, MADE};
use routes::Exim;
use text::UnreadText;

/// exim reads the first of these.
const WHOLE: [&str; 3] = ["/etc/exim4/exim4.conf", "/etc/exim/exim.conf", "/etc/exim.conf"];

pub(super) fn read(files: &Files, facts: &mut Facts) -> MailFound {
    let paths = WHOLE.into_iter().chain([ANSWERS, MADE]);
    let Some(path) = paths.into_iter().find(|path| files.exists(path)) else {
        return MailFound::Nothing;
    };
    let text = match files.read(path) {
        Ok(text) => text,
        Err(why) => {
            facts.unread(path, &why, MISSING);
            return MailFound::Said(Vec::new());
        }
    };
    if path != ANSWERS {
        return MailFound::Said(ways(vec![UnreadText { text, origin: None }], files, facts));
    }
    let pieces = debian::pieces(&text, files, facts);
    let mut answered = Facts::default();
    let now = ways(pieces, files, &mut answered);
    if let Ok(made) = files.read(MADE) {
        let mut older = Facts::default();
        let before = ways(vec![UnreadText { text: made, origin: None }], files, &mut older);
        if !is_same(&now, &before) {
            let reason = format!(
                "exim still reads {MADE}, which says otherwise: \
                `update-exim4.conf` was not run since the last change"
            );
            facts.note(At::file(ANSWERS), reason, MISSING);
            facts.take(older);
            return MailFound::Said(before);
        }
    }
    facts.take(answered);
    MailFound::Said(now)
}

/// The ways that a configuration gives mail.
fn ways(pieces: Vec<UnreadText>, files: &Files, facts: &mut Facts) -> Vec<Mail> {
    let lines = text::lines(pieces, files, facts);
    let config = EximConfig::parse(&lines, facts);
    let host_name = super::host_name(files);
    Exim { files, facts, config: &config, host_name }.ways()
}

/// Do both send the same mail to the same hosts?
fn is_same(one: &[Mail], other: &[Mail]) -> bool {
    let what = |mail: &Mail| (mail.to.clone(), mail.share.clone(), mail.tls, mail.from.clone());
    one.iter().map(what).eq(other.iter().map(what))
}
