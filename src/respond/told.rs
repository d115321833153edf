//! Who asked what: a line when it is new, and a sum at the end.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};

/// Pairs of source and flow that are kept; forged sources must not fill the memory.
const MOST: usize = 1000;

/// Lines that wait for a reader who has stopped reading; what is one too many is in the sum alone.
const WAITING: usize = 64;

/// What became of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub(super) enum What {
    /// It was answered.
    Answered,
    /// Its answer is longer than the question, so it waits for another one.
    #[strum(serialize = "asked, and is answered when it asks again")]
    Owed,
    /// A mark of a conversation, which was answered.
    #[strum(serialize = "mark, answered")]
    Marked,
    /// A mark that came to a port somebody else has.
    #[strum(serialize = "mark, seen")]
    Overheard,
    /// A caller who knows the code.
    #[strum(serialize = "knows the code")]
    Paired,
    /// A caller whose code was refused.
    #[strum(serialize = "refused: a wrong code")]
    WrongCode,
    /// The flows towards it were opened from here.
    #[strum(serialize = "asked back, as it wished")]
    AskedBack,
    /// They were opened towards an address that nobody but a caller calls its own.
    #[strum(serialize = "asked too: a caller with the code says it has this address")]
    AskedAtClaim,
    /// It connected, and hung up without a word.
    #[strum(serialize = "connected, and said nothing")]
    SaidNothing,
    /// It came, and was none that the protocol has an answer to.
    #[strum(serialize = "came, and was not understood")]
    Came,
    /// There were too many.
    #[strum(serialize = "refused: too many at once")]
    Refused,
}

/// Everything that was asked, counted.
#[derive(Debug)]
pub(super) struct Told {
    counts: Mutex<BTreeMap<(String, IpAddr, What), u64>>,
    /// Says what is new, where somebody wants to hear it.
    speaker: Mutex<Option<Speaker>>,
}

/// Writes beside those who answer: a terminal that is stopped stops none of them.
#[derive(Debug)]
struct Speaker {
    lines: SyncSender<String>,
    writer: JoinHandle<()>,
}

impl Speaker {
    /// None, where this host allows no further thread.
    fn start(say: impl Fn(&str) + Send + 'static) -> Option<Self> {
        let (lines, waiting) = sync_channel::<String>(WAITING);
        let writer = thread::Builder::new()
            .name("told".to_owned())
            .spawn(move || waiting.iter().for_each(|line| say(&line)))
            .ok()?;
        Some(Self { lines, writer })
    }
}

impl Told {
    /// Counts; aloud, it also says what is new.
    pub(super) fn new(is_aloud: bool) -> Self {
        let speaker = if is_aloud { Speaker::start(super::say) } else { None };
        Self { counts: Mutex::default(), speaker: Mutex::new(speaker) }
    }

    /// Who has asked questions of a port's own protocol: "TCP 5669" is its name's beginning.
    pub(super) fn askers(&self, port: &str) -> Vec<IpAddr> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let of_port = counts.keys().filter(|(flow, _, what)| {
            let rest = flow.strip_prefix(port);
            rest.is_some_and(|rest| rest.starts_with(' '))
                && matches!(
                    what,
                    What::Answered | What::Owed | What::Came | What::SaidNothing | What::Refused
                )
        });
        of_port.map(|(_, from, _)| *from).collect()
    }

    /// Counts a question; says it the first time.
    pub(super) fn tell(&self, flow: &str, from: IpAddr, what: What) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (flow.to_owned(), from.to_canonical(), what);
        if let Some(count) = counts.get_mut(&key) {
            *count += 1;
        } else if counts.len() < MOST {
            if let Some(speaker) = &*self.speaker.lock().unwrap_or_else(PoisonError::into_inner) {
                let now = jiff::Timestamp::now().strftime("%H:%M:%S");
                let line = format!("{now} UTC  {flow}  {}  {what}", key.1);
                let _one_too_many = speaker.lines.try_send(line);
            }
            counts.insert(key, 1);
        }
    }

    /// All of it, a line each. What is new is said no more.
    pub(super) fn sum(&self) -> Vec<String> {
        let speaker = self.speaker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Speaker { lines, writer }) = speaker {
            drop(lines);
            let _panicked = writer.join();
        }
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.is_empty() {
            return vec!["  nobody came".to_owned()];
        }
        counts
            .iter()
            .map(|((flow, from, what), count)| format!("  {flow}  from {from}: {count} {what}"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn a_reader_who_stops_reading_stops_nobody() {
        let (read_on, is_stopped) = channel::<()>();
        let (write, written) = channel();
        let speaker = Speaker::start(move |line| {
            let _until_it_is_gone = is_stopped.recv();
            write.send(line.to_owned()).unwrap();
        });
        let told = Told { counts: Mutex::default(), speaker: Mutex::new(speaker) };
        for last in 0..=255 {
            told.tell("TCP 5669 BBDO", Ipv4Addr::new(10, 0, 0, last).into(), What::Answered);
        }
        drop(read_on);
        assert_eq!(told.sum().len(), 256);
        let lines: Vec<String> = written.try_iter().collect();
        assert!((WAITING..256).contains(&lines.len()), "{} lines", lines.len());
        assert!(lines[0].ends_with("TCP 5669 BBDO  10.0.0.0  answered"), "{}", lines[0]);
    }
}
