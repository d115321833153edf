//! The scripts of a login shell, `/etc/profile` and `/etc/profile.d/*.sh`: what they export.
//!
//! Nothing is run. Assignments are followed where they happen in every shell; what stands in a
//! function, below a condition or in the output of a command may be anything, and is noted.
//!
//! Reference: POSIX.1-2017, Shell Command Language, 2.2 Quoting, 2.6.2 Parameter Expansion,
//! 2.9.1 Simple Commands.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;
use std::str::Chars;

use super::super::{At, Facts, Files, Text};
use super::{MISSING, ProxyVariables};

/// Variables one login may have; a file with more is no script of a proxy.
const MOST_VARIABLES: usize = 4096;
/// Names that one pair of braces may make.
const MOST_BRACED: usize = 16;
/// Scripts that read one another.
const DEEPEST: usize = 4;
/// Bytes of a value; an address is far shorter.
const LONGEST_VALUE: usize = 8192;

/// A shell as far as its variables go; no `Debug`, as values hold passwords.
pub(super) struct ShellVariables {
    /// None: set, and to what is not known.
    by_name: BTreeMap<String, Option<(String, At)>>,
    exported: BTreeSet<String>,
    /// Between `set -a` and `set +a`.
    exports_all: bool,
}

impl ShellVariables {
    /// A shell that was started with these variables.
    pub(super) fn new(environment: ProxyVariables) -> Self {
        let exported = environment.by_name.keys().cloned().collect();
        let by_name = environment.by_name.into_iter().map(|(name, set)| (name, Some(set)));
        Self { by_name: by_name.collect(), exported, exports_all: false }
    }

    /// What the programs get that are started from it.
    pub(super) fn environment(self, facts: &mut Facts) -> ProxyVariables {
        let mut environment = ProxyVariables::default();
        for (name, set) in self.by_name {
            let Some((value, at)) = set else { continue };
            if self.exported.contains(&name) {
                environment.set(&name, value, at);
            } else if ProxyVariables::knows(&name) {
                let reason = format!("{name} is set and not exported: no program sees it");
                facts.note(at, reason, MISSING);
            }
        }
        environment
    }

    /// Does what a script says, as far as that can be known, and what the scripts it reads say.
    pub(super) fn source(&mut self, text: &Text, files: &Files, facts: &mut Facts) {
        self.follow(text, files, true, 0, facts);
    }

    fn follow(&mut self, text: &Text, files: &Files, always: bool, deep: usize, facts: &mut Facts) {
        let (mut depth, mut until) = (0_usize, None::<String>);
        let mut lines = text.lines();
        while let Some((line, first)) = lines.next() {
            if let Some(end) = &until {
                if first.trim() == end {
                    until = None;
                }
                continue;
            }
            let mut content = first.to_owned();
            while content.ends_with('\\') && content.len() < LONGEST_VALUE {
                content.pop();
                match lines.next() {
                    Some((_, more)) => content.push_str(more),
                    None => break,
                }
            }
            for command in commands(&content) {
                until = until.or_else(|| command.here_document());
                let before = depth;
                let rest = command.without_keywords(&mut depth);
                let always = always && before == 0 && depth == 0 && !command.is_conditional;
                match read_by(rest) {
                    Some(path) if deep < DEEPEST => {
                        if let Ok(text) = files.read(path) {
                            self.follow(&text, files, always, deep + 1, facts);
                        }
                    }
                    Some(_) => {}
                    None => self.run(rest, always, &text.at(line), facts),
                }
            }
        }
    }

    fn run(&mut self, words: &[Word], always: bool, at: &At, facts: &mut Facts) {
        let first = words.first().and_then(Word::literal);
        let exports = match first {
            Some("export") => true,
            Some("declare" | "typeset") => words
                .iter()
                .filter_map(Word::literal)
                .any(|word| word.starts_with('-') && word.contains('x')),
            _ => false,
        };
        if let (Some("set"), true) = (first, always) {
            return self.option(words);
        }
        if first == Some("unset") && always {
            for name in words.iter().filter_map(Word::literal) {
                self.by_name.remove(name);
                self.exported.remove(name);
            }
            return;
        }
        let exported: Vec<Word>;
        let words = if exports {
            let names = words.get(1..).unwrap_or_default().iter().flat_map(Word::braced);
            exported = names.flat_map(|word| word.braced()).collect();
            exported.as_slice()
        } else {
            words
        };
        let assigned = words.iter().map_while(Word::assignment);
        // What stands before a command is set for that command only.
        let is_for_one_command = !exports && assigned.clone().count() < words.len();
        if is_for_one_command {
            return;
        }
        for word in words {
            let Some((name, value)) = word.assignment() else {
                if let (true, true, Some(name)) = (exports, always, word.literal()) {
                    self.exported.insert(name.to_owned());
                }
                continue;
            };
            if !always {
                self.may_be_set(&name, at, facts);
                continue;
            }
            let value = value.resolved(&self.by_name);
            if value.is_none() && ProxyVariables::knows(&name) {
                let reason = format!("{name} is computed by the script, which is not run");
                facts.note(at.clone(), reason, MISSING);
            }
            if exports || self.exports_all {
                self.exported.insert(name.clone());
            }
            if self.by_name.len() < MOST_VARIABLES {
                self.by_name.insert(name, value.map(|value| (value, at.clone())));
            }
        }
    }

    /// `set -a`, `set +o allexport`
    fn option(&mut self, words: &[Word]) {
        let words: Vec<&str> = words.iter().filter_map(Word::literal).collect();
        for (index, word) in words.iter().enumerate() {
            let Some(sign) = word.chars().next().filter(|sign| matches!(sign, '-' | '+')) else {
                continue;
            };
            let is_named = word.contains('o') && words.get(index + 1) == Some(&"allexport");
            if is_named || word.contains('a') {
                self.exports_all = sign == '-';
            }
        }
    }

    /// Notes it of a proxy, which keeps the value it has; another variable is unknown from here on.
    fn may_be_set(&mut self, name: &str, at: &At, facts: &mut Facts) {
        if ProxyVariables::knows(name) {
            let reason = format!("the script sets {name} under a condition, which is not run");
            facts.note(at.clone(), reason, MISSING);
        } else {
            self.by_name.insert(name.to_owned(), None);
        }
    }
}

/// The script that a command reads: `. /etc/proxy.env`.
fn read_by(words: &[Word]) -> Option<&str> {
    match words {
        [command, path, ..] if matches!(command.literal(), Some("." | "source")) => {
            path.literal().filter(|path| path.starts_with('/'))
        }
        _ => None,
    }
}

/// A simple command of a line.
#[derive(Default)]
struct SimpleCommand {
    words: Vec<Word>,
    /// Behind `&&`, `||` or `|`, or in brackets: it may not run, or not in this shell.
    is_conditional: bool,
}

impl SimpleCommand {
    /// The words that are left when those of the shell's own grammar are taken off, which open and
    /// close what may not run.
    fn without_keywords(&self, depth: &mut usize) -> &[Word] {
        let mut words = self.words.as_slice();
        while let [first, rest @ ..] = words {
            match first.literal() {
                Some("if" | "while" | "until" | "for" | "select" | "case") => *depth += 1,
                Some("fi" | "done" | "esac" | "}") => *depth = depth.saturating_sub(1),
                Some("then" | "else" | "elif" | "do" | "!" | "time" | "{") => {}
                _ => break,
            }
            words = rest;
        }
        *depth += self.words.iter().filter(|word| word.literal() == Some("{")).count();
        words
    }

    /// The word that ends the text which begins in the next line: `EOF` of `<<EOF`.
    fn here_document(&self) -> Option<String> {
        let mut words = self.words.iter().filter_map(Word::literal);
        let begins = words.find(|word| word.starts_with("<<") && !word.starts_with("<<<"))?;
        let end = begins.trim_start_matches('<').trim_start_matches('-');
        let end = if end.is_empty() { words.next()? } else { end };
        Some(end.to_owned())
    }
}

/// A word of a command, its quotes taken off.
#[derive(Clone, Default)]
struct Word {
    pieces: Vec<WordPiece>,
}

#[derive(Clone)]
enum WordPiece {
    /// Stands for itself.
    Text(String),
    /// A variable by its name.
    Variable(String),
    /// What only running it would tell.
    Computed,
}

impl Word {
    /// The word, if nothing in it has to be worked out.
    fn literal(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [WordPiece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// `{http,https}_proxy=a`, of which bash makes a word each; any other stays one word.
    fn braced(&self) -> Vec<Self> {
        let parted = || {
            let [WordPiece::Text(first), rest @ ..] = self.pieces.as_slice() else { return None };
            let (before, after) = first.split_once('{')?;
            let (inside, behind) = after.split_once('}')?;
            if before.contains('=') || !inside.contains(',') {
                return None;
            }
            let word = |part| {
                let name = WordPiece::Text(format!("{before}{part}{behind}"));
                Self { pieces: [name].into_iter().chain(rest.iter().cloned()).collect() }
            };
            Some(inside.split(',').take(MOST_BRACED).map(word).collect())
        };
        parted().unwrap_or_else(|| vec![self.clone()])
    }

    /// `NAME=value`, or `NAME+=value`, which begins with what `NAME` is.
    fn assignment(&self) -> Option<(String, Self)> {
        let [WordPiece::Text(first), rest @ ..] = self.pieces.as_slice() else { return None };
        let (name, value) = first.split_once('=')?;
        let (name, before) = match name.strip_suffix('+') {
            Some(name) => (name, Some(WordPiece::Variable(name.to_owned()))),
            None => (name, None),
        };
        let is_name =
            name.chars().all(is_of_name) && !name.starts_with(|c: char| c.is_ascii_digit());
        if name.is_empty() || !is_name {
            return None;
        }
        let value = before.into_iter().chain([WordPiece::Text(value.to_owned())]);
        Some((name.to_owned(), Self { pieces: value.chain(rest.iter().cloned()).collect() }))
    }

    fn resolved(&self, by_name: &BTreeMap<String, Option<(String, At)>>) -> Option<String> {
        let mut value = String::new();
        for piece in &self.pieces {
            match piece {
                WordPiece::Text(text) => value.push_str(text),
                WordPiece::Variable(name) => value.push_str(&by_name.get(name)?.as_ref()?.0),
                WordPiece::Computed => return None,
            }
        }
        (value.len() <= LONGEST_VALUE).then_some(value)
    }

    /// Makes one of the last two texts, so that a word without variables is one text.
    fn join(&mut self) {
        if let [.., WordPiece::Text(before), WordPiece::Text(last)] = self.pieces.as_mut_slice() {
            before.push_str(last);
            self.pieces.pop();
        }
    }

    fn push(&mut self, c: char) {
        match self.pieces.last_mut() {
            Some(WordPiece::Text(text)) => text.push(c),
            _ => self.pieces.push(WordPiece::Text(c.into())),
        }
    }
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The simple commands of a line.
fn commands(line: &str) -> Vec<SimpleCommand> {
    let mut commands = Vec::new();
    let mut command = SimpleCommand::default();
    let mut word = None::<Word>;
    let mut in_brackets = 0_usize;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '#' if word.is_none() => break,
            c if c.is_whitespace() => command.words.extend(word.take()),
            ';' | '&' | '|' => {
                command.words.extend(word.take());
                let doubled = chars.next_if_eq(&c).is_some();
                commands.push(std::mem::take(&mut command));
                command.is_conditional = in_brackets > 0 || c == '|' || (c == '&' && doubled);
            }
            '(' => {
                command.words.extend(word.take());
                in_brackets += 1;
                command.is_conditional = true;
            }
            // Without its bracket it ends a pattern of `case`.
            ')' if in_brackets == 0 => (word, command) = (None, SimpleCommand::default()),
            ')' => {
                command.words.extend(word.take());
                in_brackets -= 1;
            }
            c => quoted(c, word.get_or_insert_default(), &mut chars),
        }
    }
    command.words.extend(word);
    commands.push(command);
    commands
}

/// Adds to a word what begins with `c`: a quoted text, a variable, or a character.
fn quoted(c: char, word: &mut Word, chars: &mut Peekable<Chars<'_>>) {
    match c {
        '\'' => {
            // An empty word is a word too.
            word.pieces.push(WordPiece::Text(String::new()));
            chars.by_ref().take_while(|c| *c != '\'').for_each(|c| word.push(c));
        }
        '"' => {
            word.pieces.push(WordPiece::Text(String::new()));
            while let Some(c) = chars.next() {
                match c {
                    '"' => break,
                    '\\' => match chars.next_if(|c| "$`\"\\".contains(*c)) {
                        Some(c) => word.push(c),
                        None => word.push('\\'),
                    },
                    '$' | '`' => expansion(c, word, chars),
                    c => word.push(c),
                }
            }
        }
        '\\' => chars.next().into_iter().for_each(|c| word.push(c)),
        '$' | '`' => expansion(c, word, chars),
        c => word.push(c),
    }
    word.join();
}

/// Adds what stands behind a `$`, or between two backticks.
fn expansion(c: char, word: &mut Word, chars: &mut Peekable<Chars<'_>>) {
    let piece = match (c, chars.peek()) {
        ('`', _) => {
            chars.by_ref().take_while(|c| *c != '`').for_each(drop);
            WordPiece::Computed
        }
        (_, Some('{')) => {
            chars.next();
            let name: String = chars.by_ref().take_while(|c| *c != '}').collect();
            if name.chars().all(is_of_name) {
                WordPiece::Variable(name)
            } else {
                WordPiece::Computed
            }
        }
        (_, Some('(')) => {
            let mut open = 0_usize;
            for c in chars.by_ref() {
                open = if c == '(' { open + 1 } else { open - usize::from(c == ')') };
                if open == 0 {
                    break;
                }
            }
            WordPiece::Computed
        }
        (_, Some(c)) if c.is_ascii_alphabetic() || *c == '_' => {
            let mut name = String::new();
            while let Some(c) = chars.next_if(|c| is_of_name(*c)) {
                name.push(c);
            }
            WordPiece::Variable(name)
        }
        (_, Some(c)) if c.is_ascii_digit() || "?$!#@*-".contains(*c) => {
            chars.next();
            WordPiece::Computed
        }
        _ => WordPiece::Text("$".to_owned()),
    };
    word.pieces.push(piece);
}

#[cfg(test)]
mod tests {
    use std::process::Command as Process;

    use super::super::super::testing::text;
    use super::*;

    /// The proxies' variables after the scripts, and what was noted.
    fn exported(scripts: &[&str]) -> (BTreeMap<String, String>, Vec<String>) {
        let (mut shell, mut facts) =
            (ShellVariables::new(ProxyVariables::default()), Facts::default());
        for script in scripts {
            shell.source(&text("/etc/profile.d/p.sh", script), &Files::here(), &mut facts);
        }
        let environment = shell.environment(&mut facts);
        let known = environment.by_name.into_iter().map(|(name, (value, _))| (name, value));
        (known.collect(), facts.notes.iter().map(|note| note.reason.clone()).collect())
    }

    /// What a shell of this machine exports after them.
    fn by_the_shell(shell: &str, scripts: &[&str]) -> BTreeMap<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let sourced = scripts.iter().enumerate().map(|(index, script)| {
            let path = folder.path().join(format!("{index}.sh"));
            std::fs::write(&path, script).unwrap();
            format!(". {}\n", path.display())
        });
        let run = sourced.collect::<Vec<_>>().concat() + "/usr/bin/env -0";
        let output = Process::new(shell).env_clear().args(["-c", &run]).output().unwrap();
        let environment = String::from_utf8(output.stdout).unwrap();
        let pairs = environment.split('\0').filter_map(|pair| pair.split_once('='));
        let known = pairs.filter(|(name, _)| ProxyVariables::knows(name));
        known.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn what_is_exported_is_what_a_shell_exports() {
        let scripts = [
            "export http_proxy=http://a:1\n",
            "http_proxy=http://a:1 https_proxy='http://b:2'; export http_proxy https_proxy\n",
            "HOST=proxy.example\nPROXY=\"http://${HOST}:8080\"\nexport http_proxy=\"$PROXY\" https_proxy=$PROXY\n",
            "P=http://a\nexport http_proxy=$P:8080/ no_proxy=\"localhost,\"'.example'\n",
            "export http_proxy='http://$HOST:1'\n",
            "A=b; export https_proxy=\"http://\\$A:1\" no_proxy=a\\ b\n",
            "no_proxy=a\nno_proxy=$no_proxy,b\nno_proxy+=,c\nexport no_proxy\n",
            "export http_proxy=http://a:1 # not=this\nexport https_proxy=http://a:1#this\n",
            "export http_proxy=http://a:1\nunset http_proxy\n",
            "http_proxy=http://a:1 true\nhttps_proxy=http://a:1\n",
            "export http_proxy=\\\nhttp://a:1\n",
            "cat >/dev/null <<EOF\nexport http_proxy=http://no:1\nEOF\nexport https_proxy=http://b:1\n",
            "f() {\nexport http_proxy=http://no:1\n}\nexport https_proxy=http://b:1\n",
            "f() { export http_proxy=http://no:1; }; export https_proxy=http://b:1\n",
            "(export http_proxy=http://no:1)\nexport https_proxy=http://b:1\n",
            "export http_proxy=\"\" https_proxy\n",
            "    export http_proxy=http://indented:1\n",
            "export PROXY=http://a:1 && true\nexport http_proxy=$PROXY\n",
            "P=http://a:1\nexport {http,https}_proxy=$P {no,ftp}_proxy\n",
            "export http{,s}_proxy=http://a:1\n",
        ];
        for shell in ["bash", "dash"] {
            for script in scripts {
                // `+=` and names in braces are bash's own.
                if shell == "dash" && (script.contains("+=") || script.contains("}_")) {
                    continue;
                }
                assert_eq!(
                    exported(&[script]).0,
                    by_the_shell(shell, &[script]),
                    "{shell}: {script}"
                );
            }
            let two = ["PROXY=http://a:1\n", "export http_proxy=$PROXY\n"];
            assert_eq!(exported(&two).0, by_the_shell(shell, &two));
        }
    }

    #[test]
    fn a_script_that_reads_another_says_what_that_one_says() {
        let folder = tempfile::tempdir().unwrap();
        let other = folder.path().join("proxy.env");
        std::fs::write(&other, "P=http://b:2\nhttp_proxy=$P\nno_proxy=a\n").unwrap();
        let other = other.display();
        for script in [
            format!(". {other}\nexport http_proxy\n"),
            format!("set -a; . {other}; set +a\nhttps_proxy=$P\n"),
            format!("set -o allexport\n. '{other}'\nset +o allexport\n"),
            format!("export http_proxy=http://a:1\n. {other}\n"),
        ] {
            for shell in ["bash", "dash"] {
                let script = script.as_str();
                assert_eq!(exported(&[script]).0, by_the_shell(shell, &[script]), "{script}");
            }
        }
        let (environment, notes) =
            exported(&[&format!("if [ -f {other} ]; then . {other}; fi\nexport http_proxy\n")]);
        assert!(environment.is_empty() && notes.len() == 2, "{environment:?} {notes:?}");
    }

    #[test]
    fn what_only_running_it_would_tell_is_noted() {
        let computed = "http_proxy is computed by the script, which is not run";
        let condition = "the script sets http_proxy under a condition, which is not run";
        let unseen = "http_proxy is set and not exported: no program sees it";
        for (script, want) in [
            ("export http_proxy=$(cat /x)\n", computed),
            ("export http_proxy=`cat /x`:1\n", computed),
            ("export http_proxy=http://$UNKNOWN:1\n", computed),
            ("export http_proxy=http://${A:-b}:1\n", computed),
            ("if true; then\nP=a\nfi\nexport http_proxy=$P\n", computed),
            ("if x; then\nexport http_proxy=a:1\nfi\n", condition),
            ("if x; then export http_proxy=a:1; fi\n", condition),
            ("[ -n \"$X\" ] && export http_proxy=a:1\n", condition),
            ("case $X in\n a) export http_proxy=a:1 ;;\nesac\n", condition),
            ("http_proxy=a:1\n", unseen),
        ] {
            let (environment, notes) = exported(&[script]);
            assert!(environment.is_empty(), "{script}: {environment:?}");
            assert!(notes.len() == 1 && notes[0].contains(want), "{script}: {notes:?}");
        }
    }
}
