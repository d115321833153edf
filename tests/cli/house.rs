//! How the files of both packages hang together: who imports whom, and that a type's name is one type's.
//!
//! The files are read as tokens, without what is compiled for tests alone. A name that a module only
//! passes on (`pub use`) leads to the file that defines it, so a folder's `mod.rs` is a door, and imports
//! nothing by that. The rules are those of `docs/design.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// `["preflight", "report", "run"]`; the first is the package.
type ModulePath = Vec<String>;

/// A file of product code.
#[derive(Default)]
struct SourceFile {
    /// From the root of the repository: `src/report/run.rs`.
    name: String,
    /// Paths of more than one name that are written in it, each with the module it is written in.
    paths: Vec<(ModulePath, Vec<String>)>,
    /// Names it mentions outside of `use`.
    words: BTreeSet<String>,
    /// Types it defines.
    types: Vec<String>,
    /// Everything it defines outside of functions and blocks, types among it.
    items: BTreeSet<String>,
    /// Names it brings in or passes on, by module: what each stands for.
    names: BTreeMap<(ModulePath, String), Vec<String>>,
    /// Paths that end in `*`.
    globs: Vec<(ModulePath, Vec<String>)>,
    /// Names that it passes on and mentions nowhere else are no import of its own.
    passed_on: BTreeSet<String>,
}

/// Both packages.
struct House {
    files: Vec<SourceFile>,
    /// The file of each module.
    modules: BTreeMap<ModulePath, usize>,
}

impl House {
    fn read() -> Self {
        let mut house = Self { files: Vec::new(), modules: BTreeMap::new() };
        house.file(Path::new("src/lib.rs"), &["preflight".to_owned()]);
        house.file(Path::new("checks/src/lib.rs"), &["preflight_checks".to_owned()]);
        house
    }

    /// Reads a file and all modules that it declares.
    fn file(&mut self, path: &Path, module: &[String]) {
        let text = fs::read_to_string(root().join(path)).unwrap();
        let tokens: TokenStream = text.parse().unwrap();
        let at = self.files.len();
        self.files.push(SourceFile { name: path.display().to_string(), ..SourceFile::default() });
        self.modules.insert(module.to_vec(), at);
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        self.items(at, path, module, &tokens, false);
    }

    /// Reads tokens that stand in `module`; `inside` a function, its types are its own.
    fn items(
        &mut self,
        at: usize,
        path: &Path,
        module: &[String],
        all: &[TokenTree],
        inside: bool,
    ) {
        let mut rest = all;
        let mut is_passed_on = false;
        while let Some(first) = rest.first() {
            if let Some(after) = without_tests(rest) {
                rest = after;
                continue;
            }
            let next = rest.get(1);
            match (word(first).as_deref(), next.and_then(word)) {
                (Some("mod"), Some(name)) => {
                    let inner = [module, std::slice::from_ref(&name)].concat();
                    match rest.get(2) {
                        Some(TokenTree::Group(body)) => {
                            self.modules.insert(inner.clone(), at);
                            let body: Vec<TokenTree> = body.stream().into_iter().collect();
                            self.items(at, path, &inner, &body, inside);
                        }
                        _ => self.file(&file_of(path, &name), &inner),
                    }
                    rest = &rest[3..];
                }
                (Some("use"), Some(_)) => {
                    let end = rest.iter().position(|it| is_punct(it, ';')).unwrap();
                    self.imported(at, module, &[], &rest[1..end], is_passed_on);
                    rest = &rest[end + 1..];
                }
                (Some(kind @ ("struct" | "enum" | "union" | "trait" | "type")), Some(name)) => {
                    // A type of a trait or of an `impl` is no type by itself.
                    if kind != "type" || !inside {
                        self.files[at].types.push(name.clone());
                        self.files[at].items.insert(name);
                    }
                    rest = &rest[1..];
                }
                (Some("fn" | "const" | "static"), Some(name)) => {
                    if !inside {
                        self.files[at].items.insert(name);
                    }
                    rest = &rest[1..];
                }
                (Some("pub"), _) => {
                    // `pub(super) use`: what is behind the brackets counts.
                    let is_group = |it: &&TokenTree| matches!(it, TokenTree::Group(_));
                    let skipped = if next.is_some_and(|it| is_group(&it)) { 2 } else { 1 };
                    is_passed_on = true;
                    rest = &rest[skipped..];
                    continue;
                }
                _ => rest = self.expression(at, path, module, rest),
            }
            is_passed_on = false;
        }
    }

    /// One token, or one path of several names.
    fn expression<'a>(
        &mut self,
        at: usize,
        path: &Path,
        module: &[String],
        tokens: &'a [TokenTree],
    ) -> &'a [TokenTree] {
        let Some(first) = tokens.first() else { return tokens };
        if let TokenTree::Group(group) = first {
            let body: Vec<TokenTree> = group.stream().into_iter().collect();
            self.items(at, path, module, &body, true);
            return &tokens[1..];
        }
        let Some(name) = word(first) else { return &tokens[1..] };
        let (mut names, mut rest) = (vec![name], &tokens[1..]);
        while let [one, two, next, ..] = rest
            && is_punct(one, ':')
            && is_punct(two, ':')
            && let Some(name) = word(next)
        {
            names.push(name);
            rest = &rest[3..];
        }
        self.files[at].words.extend(names.first().cloned());
        if names.len() > 1 {
            self.files[at].paths.push((module.to_vec(), names));
        }
        rest
    }

    /// A `use` tree behind `front`.
    fn imported(
        &mut self,
        at: usize,
        module: &[String],
        front: &[String],
        tree: &[TokenTree],
        is_passed_on: bool,
    ) {
        for branch in tree.split(|it| is_punct(it, ',')) {
            let mut names = front.to_vec();
            let mut known_as = None;
            let mut tokens = branch.iter().peekable();
            while let Some(token) = tokens.next() {
                match token {
                    TokenTree::Group(inner) if inner.delimiter() == Delimiter::Brace => {
                        let inner: Vec<TokenTree> = inner.stream().into_iter().collect();
                        self.imported(at, module, &names, &inner, is_passed_on);
                        names.clear();
                    }
                    TokenTree::Punct(mark) if mark.as_char() == '*' => {
                        self.files[at].globs.push((module.to_vec(), names.clone()));
                        names.clear();
                    }
                    _ => match word(token).as_deref() {
                        Some("as") => known_as = tokens.next().and_then(word),
                        Some("self") if !names.is_empty() => {}
                        Some(name) => names.push(name.to_owned()),
                        None => {}
                    },
                }
            }
            if let Some(last) = names.last().cloned() {
                let file = &mut self.files[at];
                let name = known_as.unwrap_or(last);
                if is_passed_on {
                    file.passed_on.insert(name.clone());
                }
                file.names.insert((module.to_vec(), name), names.clone());
                file.paths.push((module.to_vec(), names));
            }
        }
    }

    /// The file that defines what `path` names where it is written, and the name of it there.
    fn target(&self, module: &[String], path: &[String], depth: usize) -> Option<(usize, String)> {
        let (mut at, mut rest) = self.start(module, path, depth)?;
        while let [name, after @ ..] = rest.as_slice() {
            let inner = [at.as_slice(), std::slice::from_ref(name)].concat();
            if self.modules.contains_key(&inner) {
                (at, rest) = (inner, after.to_vec());
                continue;
            }
            let file = &self.files[self.modules[&at]];
            if depth > 0
                && let Some(whole) = file.names.get(&(at.clone(), name.clone()))
            {
                let whole = [whole.as_slice(), after].concat();
                return self.target(&at, &whole, depth - 1);
            }
            let globs = file.globs.iter().filter(|(inside, _)| *inside == at && depth > 0);
            let passed_on = globs.filter_map(|(inside, glob)| self.module(inside, glob, depth - 1));
            for behind in passed_on {
                let inner = [behind.as_slice(), std::slice::from_ref(name)].concat();
                if self.modules.contains_key(&inner) {
                    return self.target(&inner, &[&["self".to_owned()], after].concat(), depth - 1);
                }
                if self.files[self.modules[&behind]].items.contains(name) {
                    return Some((self.modules[&behind], name.clone()));
                }
            }
            return Some((self.modules[&at], name.clone()));
        }
        // A module itself is no import; what is taken from it is.
        None
    }

    /// The module that `path` names.
    fn module(&self, module: &[String], path: &[String], depth: usize) -> Option<ModulePath> {
        let (at, rest) = self.start(module, path, depth)?;
        let whole = [at, rest].concat();
        self.modules.contains_key(&whole).then_some(whole)
    }

    /// The module in which the rest of `path` is to be looked for.
    fn start(
        &self,
        module: &[String],
        path: &[String],
        depth: usize,
    ) -> Option<(ModulePath, Vec<String>)> {
        let (first, after) = path.split_first()?;
        let (mut at, mut rest) = match first.as_str() {
            "crate" => (vec![module[0].clone()], after),
            "preflight" | "preflight_checks" => (vec![first.clone()], after),
            "self" => (module.to_vec(), after),
            "super" => (module[..module.len() - 1].to_vec(), after),
            name => {
                let inner = [module, &[name.to_owned()]].concat();
                if self.modules.contains_key(&inner) {
                    return Some((inner, after.to_vec()));
                }
                let file = &self.files[*self.modules.get(module)?];
                let whole = file.names.get(&(module.to_vec(), name.to_owned()))?;
                if depth == 0 || whole.first() == Some(first) {
                    return None;
                }
                let whole = [whole.as_slice(), after].concat();
                return self.start(module, &whole, depth - 1);
            }
        };
        while let [name, after @ ..] = rest
            && name == "super"
        {
            at.pop();
            rest = after;
        }
        Some((at, rest.to_vec()))
    }

    /// Each file with the files it imports, and what of each.
    fn arrows(&self) -> Arrows {
        let mut arrows = Arrows::new();
        for (from, file) in self.files.iter().enumerate() {
            for (module, path) in file.paths.iter().chain(&file.globs) {
                let last = path.last().cloned().unwrap_or_default();
                if file.passed_on.contains(&last) && !file.words.contains(&last) {
                    continue;
                }
                if let Some((to, name)) = self.target(module, path, 8).filter(|it| it.0 != from) {
                    arrows.entry(from).or_default().entry(to).or_default().insert(name);
                }
            }
        }
        arrows
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Where the module `name` of the file `path` is.
fn file_of(path: &Path, name: &str) -> PathBuf {
    let stem = path.file_stem().unwrap();
    let folder = path.parent().unwrap();
    let folder = if stem == "mod" || stem == "lib" { folder.to_owned() } else { folder.join(stem) };
    let file = folder.join(format!("{name}.rs"));
    if root().join(&file).exists() { file } else { folder.join(name).join("mod.rs") }
}

/// What follows an item that only tests have, when `tokens` begin with one.
fn without_tests(tokens: &[TokenTree]) -> Option<&[TokenTree]> {
    let [mark, TokenTree::Group(attribute), rest @ ..] = tokens else { return None };
    let text = attribute.stream().to_string();
    let is_of_tests = text.starts_with("cfg") && text.contains("test") && !text.contains("not");
    if !is_punct(mark, '#') || !is_of_tests {
        return None;
    }
    let is_end = |it: &TokenTree| match it {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        it => is_punct(it, ';') || is_punct(it, ','),
    };
    let is_use =
        rest.iter().take_while(|it| !is_end(it)).any(|it| word(it).as_deref() == Some("use"));
    let end = if is_use {
        rest.iter().position(|it| is_punct(it, ';'))
    } else {
        rest.iter().position(is_end)
    };
    rest.get(end.map_or(rest.len(), |end| end + 1)..)
}

fn word(token: &TokenTree) -> Option<String> {
    match token {
        TokenTree::Ident(name) => Some(name.to_string()),
        _ => None,
    }
}

fn is_punct(token: &TokenTree, mark: char) -> bool {
    matches!(token, TokenTree::Punct(it) if it.as_char() == mark)
}

/// The functions of a file that are not public, and how often their file names each besides.
#[derive(Default)]
struct PrivateFunctions {
    defined: Vec<String>,
    named: BTreeMap<String, usize>,
}

impl PrivateFunctions {
    /// `of_trait`: what a trait asks for is no choice of whoever writes it.
    fn read(&mut self, tokens: &[TokenTree], of_trait: bool) {
        let mut rest = tokens;
        // What stands between here and the last item or block.
        let mut head: Vec<String> = Vec::new();
        while let Some(first) = rest.first() {
            if let Some(after) = without_tests(rest) {
                rest = after;
                continue;
            }
            match first {
                TokenTree::Group(group) => {
                    let is_trait = head.iter().any(|it| it == "trait")
                        || head.iter().any(|it| it == "impl") && head.iter().any(|it| it == "for");
                    let body: Vec<TokenTree> = group.stream().into_iter().collect();
                    self.read(&body, is_trait);
                    if group.delimiter() == Delimiter::Brace {
                        head.clear();
                    }
                }
                TokenTree::Punct(it) if it.as_char() == ';' => head.clear(),
                TokenTree::Ident(name) => {
                    let name = name.to_string();
                    let is_defined = head.last().is_some_and(|it| it == "fn");
                    let is_own = !of_trait && !head.iter().any(|it| it == "pub");
                    match (is_defined, is_own) {
                        (true, true) => self.defined.push(name.clone()),
                        (true, false) => {}
                        (false, _) => *self.named.entry(name.clone()).or_default() += 1,
                    }
                    head.push(name);
                }
                _ => {}
            }
            rest = &rest[1..];
        }
    }
}

/// Arrows from file to file, and what the first takes from the second.
type Arrows = BTreeMap<usize, BTreeMap<usize, BTreeSet<String>>>;

/// Is `parent` the file of a module that `child` stands in? What a folder shares is in its own file.
fn stands_in(child: &str, parent: &str) -> bool {
    let folder = parent.strip_suffix("mod.rs").map(str::to_owned);
    let folder = folder.unwrap_or_else(|| parent.replace(".rs", "/"));
    child.starts_with(&folder) && !parent.ends_with("src/lib.rs")
}

/// The groups of files that import one another in a circle.
fn circles(arrows: &Arrows) -> Vec<BTreeSet<usize>> {
    let reached = |from: usize| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(at) = open.pop() {
            for &next in arrows.get(&at).into_iter().flat_map(BTreeMap::keys) {
                if seen.insert(next) {
                    open.push(next);
                }
            }
        }
        seen
    };
    let all: BTreeMap<usize, BTreeSet<usize>> =
        arrows.keys().map(|&it| (it, reached(it))).collect();
    let mut circles = BTreeSet::new();
    for (&at, reached) in &all {
        let circle: BTreeSet<usize> = reached
            .iter()
            .copied()
            .filter(|other| all.get(other).is_some_and(|back| back.contains(&at)))
            .collect();
        if circle.len() > 1 {
            circles.insert(circle);
        }
    }
    circles.into_iter().collect()
}

impl House {
    /// Each arrow that `is_wrong`, in words.
    fn wrong(&self, is_wrong: impl Fn(&str, &str, &str) -> bool) -> Vec<String> {
        let mut wrong = Vec::new();
        for (from, targets) in self.arrows() {
            for (to, names) in targets {
                let (from, to) = (&self.files[from].name, &self.files[to].name);
                for name in names.iter().filter(|name| is_wrong(from, to, name)) {
                    wrong.push(format!("{from} takes {name} from {to}"));
                }
            }
        }
        wrong
    }

    /// Each path in a file of `is_meant` that begins with one of `fronts`.
    fn mentions(&self, is_meant: impl Fn(&str) -> bool, fronts: &[&str]) -> Vec<String> {
        let mut found = Vec::new();
        for file in self.files.iter().filter(|file| is_meant(&file.name)) {
            for (_, path) in file.paths.iter().chain(&file.globs) {
                let path = path.join("::");
                let begins = |front: &&str| {
                    path.strip_prefix(*front).is_some_and(|it| it.is_empty() || it.starts_with(':'))
                };
                if fronts.iter().any(begins) {
                    found.push(format!("{} names {path}", file.name));
                }
            }
        }
        found
    }
}

const NOTHING: Vec<String> = Vec::new();

#[test]
fn the_arrows_are_those_that_a_reader_sees() {
    let house = House::read();
    assert!(house.files.len() > 350, "{}", house.files.len());
    let has = |from: &str, to: &str, name: &str| {
        !house.wrong(|a, b, it| (a, b, it) == (from, to, name)).is_empty()
    };
    // By its own path, through a folder's door, through two of them, and by an alias.
    assert!(has("src/report/words.rs", "src/report/model.rs", "Report"));
    assert!(has("src/program.rs", "src/report/model.rs", "Report"));
    assert!(has("src/report/judge.rs", "checks/src/cause/name.rs", "NameCause"));
    assert!(has("src/respond/serve.rs", "checks/src/services/mod.rs", "Service"));
    // A door imports nothing that it only passes on; and tests are left out.
    assert!(!has("checks/src/lib.rs", "checks/src/net/names.rs", "Naming"));
    assert!(!house.files.iter().any(|file| file.name.ends_with("/tests.rs")));
}

#[test]
fn no_circle_ties_more_than_two_files() {
    let house = House::read();
    let mut arrows = house.arrows();
    for (from, targets) in &mut arrows {
        targets.retain(|to, _| !stands_in(&house.files[*from].name, &house.files[*to].name));
    }
    let names = |circle: BTreeSet<usize>| {
        let arrow = |from: usize, to: usize| {
            let names = arrows.get(&from)?.get(&to)?;
            let (from, to) = (&house.files[from].name, &house.files[to].name);
            Some(format!("{from} -> {to}: {names:?}"))
        };
        let pairs = circle.iter().flat_map(|from| circle.iter().map(move |to| (*from, *to)));
        pairs.filter_map(|(from, to)| arrow(from, to)).collect::<Vec<_>>()
    };
    let circles = circles(&arrows).into_iter().filter(|circle| circle.len() > 2);
    let circles: Vec<_> = circles.map(names).collect();
    assert!(circles.is_empty(), "{circles:#?}");
}

#[test]
fn a_type_has_a_name_of_its_own() {
    let house = House::read();
    let mut places: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for file in &house.files {
        for name in &file.types {
            places.entry(name).or_default().push(&file.name);
        }
    }
    assert!(places.len() > 600, "{}", places.len());
    // In a service's file the module is the name: `ntp::Probe`, `ssh::Probe`.
    let doubled = places.iter().filter(|(name, files)| files.len() > 1 && **name != "Probe");
    let doubled: Vec<_> = doubled.collect();
    assert!(doubled.is_empty(), "{doubled:#?}");
}

/// A name for what is done once earns its place where it says more than its body. How many there are is
/// measured here; one that is added takes the place of another.
#[test]
fn a_function_that_is_used_once_says_more_than_its_body() {
    let (mut all, mut once) = (0, 0);
    for file in &House::read().files {
        let text = fs::read_to_string(root().join(&file.name)).unwrap();
        let tokens: Vec<TokenTree> = text.parse::<TokenStream>().unwrap().into_iter().collect();
        let mut functions = PrivateFunctions::default();
        functions.read(&tokens, false);
        all += functions.defined.len();
        once += functions.defined.iter().filter(|it| functions.named.get(*it) == Some(&1)).count();
    }
    assert!(all > 1_500, "{all}");
    let share = once * 1_000 / all;
    assert!(share <= 406, "{once} of {all} functions are used once: {share} in a thousand");
}

#[test]
fn the_library_of_checks_knows_no_program() {
    let house = House::read();
    assert_eq!(house.mentions(|file| file.starts_with("checks/"), &["preflight"]), NOTHING);
}

/// The protocol whose file it is: `ntp` of `checks/src/services/ntp/mod.rs`.
fn protocol(file: &str) -> Option<&str> {
    let rest = file.strip_prefix("checks/src/services/")?;
    let name = rest.split(['/', '.']).next()?;
    (name != "mod").then_some(name)
}

#[test]
fn a_protocol_imports_no_other() {
    /// One protocol inside another.
    const INSIDE: [(&str, &str); 6] = [
        ("gorgone_api", "http"),
        ("nsclient", "http"),
        ("nts", "ntp"),
        ("pcsd", "http"),
        ("pullwss", "http"),
        ("trap", "snmp"),
    ];
    const BELOW: [&str; 9] = [
        "net",
        "wire",
        "reader",
        "cause",
        "evidence",
        "recognise",
        "services",
        "dialogue",
        "conceal",
    ];
    let house = House::read();
    let wrong = house.wrong(|from, to, _| {
        let Some(own) = protocol(from) else { return false };
        if let Some(other) = protocol(to) {
            return other != own && !INSIDE.contains(&(own, other));
        }
        let Some(room) = to.strip_prefix("checks/src/") else { return true };
        let room = room.split(['/', '.']).next().unwrap_or_default();
        // The listener is asked about this host's own rules; paths and texts of a user are masked.
        let is_own = (own, room) == ("listener", "firewall") || room == "discreet";
        !BELOW.contains(&room) && !is_own
    });
    assert_eq!(wrong, NOTHING);
}

#[test]
fn causes_import_nothing_above_them() {
    let house = House::read();
    let wrong = house.wrong(|from, to, _| {
        let is_below = ["checks/src/cause/", "checks/src/wire.rs", "checks/src/recognise.rs"];
        from.starts_with("checks/src/cause/") && !is_below.iter().any(|it| to.starts_with(it))
    });
    assert_eq!(wrong, NOTHING);
}

#[test]
fn only_the_network_waits() {
    let house = House::read();
    let waits = ["tokio::time", "tokio::spawn", "tokio::task", "std::thread", "thread"];
    let is_protocol = |file: &str| protocol(file).is_some();
    assert_eq!(house.mentions(is_protocol, &waits), NOTHING);
}

#[test]
fn a_plan_and_a_verdict_have_no_runtime_no_files_and_no_clock() {
    let house = House::read();
    let outside = [
        "tokio",
        "std::fs",
        "fs",
        "std::net::TcpStream",
        "std::net::UdpSocket",
        "std::time::Instant",
        "std::time::SystemTime",
        "Instant",
        "SystemTime",
        "jiff",
    ];
    let is_pure = |file: &str| file.starts_with("src/run/plan/") || file == "src/run/verdict.rs";
    assert!(house.files.iter().filter(|file| is_pure(&file.name)).count() >= 3);
    assert_eq!(house.mentions(is_pure, &outside), NOTHING);
}

fn is_cli(file: &str) -> bool {
    file == "src/cli.rs" || file.starts_with("src/cli/")
}

#[test]
fn only_the_command_line_knows_clap_and_it_opens_no_file() {
    let house = House::read();
    let clap = ["clap", "clap_complete", "clap_mangen"];
    assert_eq!(house.mentions(|file| !is_cli(file), &clap), NOTHING);
    assert!(!house.mentions(is_cli, &clap).is_empty());
    assert_eq!(house.mentions(is_cli, &["std::fs", "fs", "tokio"]), NOTHING);
    // Of what is above it, the catalogue has its words; and every text is made printable.
    let wrong = house.wrong(|from, to, _| {
        let below = ["src/catalogue/", "checks/src/wire.rs", "checks/src/discreet.rs"];
        is_cli(from) && !is_cli(to) && !below.iter().any(|it| to.starts_with(it))
    });
    assert_eq!(wrong, NOTHING);
}

#[test]
fn arrows_between_the_folders_of_the_program_go_down() {
    /// The folders and files of `src` from the top; `demo` and `respond` are commands as those of
    /// `tasks` are; `outcome.rs` is below everything that has one, and the file that proves a flow with
    /// the far side's help opens this machine's doors as `respond` does.
    const FLOORS: [&[&str]; 14] = [
        &["lib", "fuzzing"],
        &["program"],
        &["load"],
        &["demo", "listen"],
        &["respond", "check"],
        &["settings", "tasks"],
        &["cli", "console"],
        &["far_side"],
        &["report"],
        &["run"],
        &["site", "version"],
        &["catalogue"],
        &["text"],
        &["panics", "outcome"],
    ];
    let floor = |file: &str| {
        let room = file.strip_prefix("src/").map(|it| it.split(['/', '.']).next().unwrap_or(it));
        let room = match file {
            "src/run/outcome.rs" => Some("outcome"),
            "src/far_side/check.rs" => Some("check"),
            _ => room,
        };
        let place = |room| FLOORS.iter().position(|floor| floor.contains(&room));
        room.map(|room| place(room).unwrap_or_else(|| panic!("{file} is on no floor")))
    };
    let house = House::read();
    let wrong = house.wrong(|from, to, _| match (floor(from), floor(to)) {
        (Some(from), Some(to)) => from > to,
        (Some(_), None) => false,
        (None, above) => above.is_some(),
    });
    assert_eq!(wrong, NOTHING);
}
