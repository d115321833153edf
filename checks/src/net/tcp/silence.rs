//! Silence on a connection that was accepted: what does the kernel know of it?
//!
//! Whatever a peer does, its kernel acknowledges what arrives: bytes of ours that nobody ever
//! acknowledged were lost on the way. That answers are lost shows itself by the end of a connection:
//! its last packet carries no data, passes where data does not, and arrives behind a hole. So
//! after a silence from the first byte on, the first words are said once more, with the end of
//! what we have to say right behind them.
//!
//! Reference: `tcp(7)` `TCP_INFO`, RFC 9293 §3.4 (sequence numbers), RFC 4898 (what is counted).

use std::net::SocketAddr;
use std::time::Duration;

use super::again::are_answers_lost;
use super::{A_LINE, LARGE};
use crate::cause::{Cause, Millis, PathCause, Phase, SmtpCause, TalkCause};
use crate::net::Ask;
use crate::net::ledger::ConnectionAccount;

/// The cause that the kernel's knowledge makes of `cause`, if it was a silence or a connection
/// that ended without a word; any other stays.
pub(crate) async fn explain(ask: &Ask, cause: Cause) -> Cause {
    let waited = match &cause {
        Cause::Talk(TalkCause::Silent { waited, .. } | TalkCause::Incomplete { waited, .. })
        | Cause::Smtp(SmtpCause::SmtpGreetingLate { waited, .. }) => *waited,
        // Who hears nothing of us gives up before we do.
        Cause::Talk(TalkCause::HungUp { .. } | TalkCause::Reset { .. }) => ask.deadline.waited(),
        _ => return cause,
    };
    let to = ask.address();
    let Some(account) = ask.ledger.account() else { return cause };
    if let Some(told) = judge(&account, to, waited) {
        return told;
    }
    if let Some(told) = repeats(&account, to, waited) {
        return told;
    }
    let asked = account.asked.map(Into::into);
    let is_begun = matches!(cause, Cause::Talk(TalkCause::Incomplete { .. }));
    let is_silent = matches!(cause, Cause::Talk(TalkCause::Silent { .. }));
    let is_mute = is_silent || matches!(cause, Cause::Smtp(SmtpCause::SmtpGreetingLate { .. }));
    if is_begun || (is_mute && account.received == 0) {
        let words = ask.ledger.first_words().unwrap_or_default();
        // A server that is to speak first closes on the end alone; on a line of nonsense it may reset.
        let words = words.strip_suffix(A_LINE).unwrap_or(&words);
        // Who was waited for that long may begin a process for each visit.
        let busy = if is_silent || is_begun { BUSY } else { BUSY_MAILER };
        let wait = ask.deadline.renewed(busy + AGAIN);
        if are_answers_lost(&ask.peer, words, busy, wait).await {
            return Cause::Path(PathCause::AnswersLost { to, asked, waited });
        }
    }
    match came(&account).filter(|_| is_silent) {
        Some(came) => Cause::Talk(TalkCause::SilentAfter { to, came: came.into(), asked, waited }),
        None => cause,
    }
}

/// Could this be a matter of size: of our words, or of the answers? Whose packets are lost then, ours?
///
/// A peer that never said a byte to a few small words is not asked again for that.
pub(crate) fn is_bound_to_size(ask: &Ask, cause: &Cause) -> Option<bool> {
    let account = ask.ledger.account()?;
    match cause {
        Cause::Path(PathCause::Unacknowledged { missing, .. }) => {
            (*missing >= LARGE).then_some(true)
        }
        Cause::Path(PathCause::AnswersLost { .. })
        | Cause::Talk(
            TalkCause::SilentAfter { .. }
            | TalkCause::Incomplete { .. }
            | TalkCause::Silent { phase: Phase::Tls, .. },
        ) => Some(false),
        _ => (account.sent >= LARGE && matches!(cause, Cause::Talk(TalkCause::Silent { .. })))
            .then_some(false),
    }
}

/// A pass that rests on nothing: what was said last was never acknowledged, however often it was repeated, or
/// the connection was reset for it while the answer to smaller words had come already.
pub(crate) fn doubt(ask: &Ask) -> Option<Cause> {
    let account = ask.ledger.account()?;
    let waited = ask.deadline.waited();
    if is_reset_unheard(ask) {
        let received = usize::try_from(account.received).unwrap_or(usize::MAX);
        return Some(Cause::Talk(TalkCause::Reset {
            to: ask.address(),
            phase: Phase::Reply,
            received,
        }));
    }
    judge(&account, ask.address(), waited).filter(|_| account.info.timeouts >= DOUBTED)
}

/// Was the last connection reset before its peer had acknowledged what we said, which was large?
pub(crate) fn is_reset_unheard(ask: &Ask) -> bool {
    ask.ledger.account().is_some_and(|account| account.missing() >= LARGE && account.info.is_gone)
}

/// Decides from what the kernel knows alone.
fn judge(account: &ConnectionAccount, to: SocketAddr, waited: Millis) -> Option<Cause> {
    let &ConnectionAccount { sent, info, .. } = account;
    let missing = account.missing();
    if missing > 0 && info.window == Some(0) {
        return Some(Cause::Talk(TalkCause::WindowClosed { to, missing, waited }));
    }
    if missing > 0 && info.timeouts > 0 {
        let repeats = info.timeouts.into();
        return Some(Cause::Path(PathCause::Unacknowledged { to, missing, sent, repeats, waited }));
    }
    // What is too large for the path never comes, however often it is repeated; smaller segments do.
    let is_hole = missing == 0 && info.out_of_order > 0;
    let (segments, ours) = (info.out_of_order, false);
    is_hole.then_some(Cause::Path(PathCause::MtuBlackHole { to, segments, ours, waited }))
}

/// The cause when the peer says the same again and again, though we have it and say so.
///
/// After the last byte that was new, a peer only acknowledges what we say; where all of that was acknowledged, what it
/// sends more often than we spoke are repeats, of its words or of its part of the handshake.
fn repeats(account: &ConnectionAccount, to: SocketAddr, waited: Millis) -> Option<Cause> {
    let ConnectionAccount { later, received, info, .. } = account;
    // Who floods us, or whom we have stopped reading, says something new.
    let is_new = info.bytes_received > received + 1;
    let is_held_back = info.out_of_order > 0 || account.missing() > 0 || info.is_gone || is_new;
    let repeats = later.saturating_sub(info.went);
    let is_told = !is_held_back && repeats >= FEWEST_REPEATS;
    is_told.then_some(PathCause::AcknowledgementsLost { to, repeats, waited }.into())
}

/// The last that came, in a word.
fn came(account: &ConnectionAccount) -> Option<&'static str> {
    account.came.or((account.received > 0).then_some("its first bytes"))
}

/// A peer may also say that it takes more, or that it is still there.
const FEWEST_REPEATS: u32 = 3;
/// Repetitions of our last words after which a pass is doubted: three take 1.4 s on a local network.
const DOUBTED: u8 = 3;
/// Longer than a busy server takes to answer and to close.
const BUSY: Duration = Duration::from_secs(1);
/// The same for a mail server, which was waited for fifteen seconds already.
const BUSY_MAILER: Duration = Duration::from_secs(5);
/// Longest second visit without that.
const AGAIN: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::sys::TcpInfo;

    const WAITED: Millis = Millis(Duration::from_secs(5));

    fn account(sent: u64, info: TcpInfo) -> ConnectionAccount {
        ConnectionAccount { sent, received: 0, later: 0, came: None, asked: None, info }
    }

    fn verdict(sent: u64, info: TcpInfo) -> Option<Cause> {
        judge(&account(sent, info), ([192, 0, 2, 1], 5432).into(), WAITED)
    }

    #[test]
    fn what_was_repeated_and_never_acknowledged_was_lost() {
        let to = ([192, 0, 2, 1], 5432).into();
        let info = TcpInfo { bytes_acked: 1, timeouts: 4, ..TcpInfo::default() };
        let lost = Cause::Path(PathCause::Unacknowledged {
            to,
            missing: 8,
            sent: 8,
            repeats: 4,
            waited: WAITED,
        });
        assert_eq!(verdict(8, info), Some(lost));
        // The first words arrived, the last did not.
        let info = TcpInfo { bytes_acked: 22, ..info };
        let Some(Cause::Path(PathCause::Unacknowledged { missing: 1_400, sent: 1_421, .. })) =
            verdict(1_421, info)
        else {
            panic!("1,400 bytes are missing")
        };
    }

    #[test]
    fn a_process_that_is_stopped_acknowledges_all() {
        let info = TcpInfo { bytes_acked: 9, ..TcpInfo::default() };
        assert_eq!(verdict(8, info), None);
        // What is on its way has not been repeated yet.
        let info = TcpInfo { bytes_acked: 1, ..TcpInfo::default() };
        assert_eq!(verdict(8, info), None);
    }

    #[test]
    fn a_window_of_nothing_is_the_peers_own_word() {
        let info = TcpInfo { bytes_acked: 1, window: Some(0), ..TcpInfo::default() };
        let to = ([192, 0, 2, 1], 5432).into();
        let closed = Cause::Talk(TalkCause::WindowClosed { to, missing: 8, waited: WAITED });
        assert_eq!(verdict(8, info), Some(closed));
        // Before Linux 5.4 nobody tells the window.
        assert_eq!(verdict(8, TcpInfo { window: None, ..info }), None);
    }

    #[test]
    fn who_says_the_same_again_and_again_does_not_hear_that_we_have_it() {
        let to = ([192, 0, 2, 1], 25).into();
        let told = |later, sent, info| {
            let account = ConnectionAccount { later, ..account(sent, info) };
            repeats(&account, to, WAITED)
        };
        let info = TcpInfo { bytes_acked: 1, ..TcpInfo::default() };
        let lost =
            |repeats| Some(PathCause::AcknowledgementsLost { to, repeats, waited: WAITED }.into());
        assert_eq!(told(5, 0, info), lost(5));
        // It is still there, or has acknowledged what we said.
        assert_eq!(told(2, 0, info), None);
        let acknowledged = TcpInfo { bytes_acked: 1441, went: 3, ..info };
        assert_eq!(told(5, 1440, acknowledged), None);
        assert_eq!(told(7, 1440, acknowledged), lost(4));
        // That is a hole, and that our own loss.
        assert_eq!(told(9, 0, TcpInfo { out_of_order: 1, ..info }), None);
        assert_eq!(told(9, 7, info), None);
        // Those bring bytes that nobody here has read yet.
        assert_eq!(told(9, 0, TcpInfo { bytes_received: 4096, ..info }), None);
    }

    #[test]
    fn smaller_segments_behind_a_hole_name_the_path() {
        let info = TcpInfo { bytes_acked: 9, out_of_order: 2, ..TcpInfo::default() };
        let to = ([192, 0, 2, 1], 5432).into();
        assert_eq!(
            verdict(8, info),
            Some(Cause::Path(PathCause::MtuBlackHole {
                to,
                segments: 2,
                ours: false,
                waited: WAITED
            }))
        );
    }
}
