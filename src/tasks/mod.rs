//! What is done with reports that were saved: nothing is asked any more.

pub(crate) mod change_request;
pub(crate) mod diff;
pub(crate) mod explain;
pub(crate) mod flows;
pub(crate) mod inventory;
pub(crate) mod matrix;
pub(crate) mod redact;

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::console::output::{Output, complain, deliver, ended_well, file, remark, write_all};
use crate::report::saved::{self, Saved, Unreadable};
use crate::report::{Format, Report, html};
use crate::run::plan;
use crate::settings::Job;
use crate::site::local::Host;
use crate::tasks::change_request::{ChangeRequest, Nat, Wishes};
use crate::tasks::redact::{RedactionKey, Redactor};

/// A command that works on saved reports.
#[derive(Debug)]
pub(crate) enum Task {
    /// What differs between two runs?
    Diff {
        /// The first run.
        old: PathBuf,
        /// The second run.
        new: PathBuf,
        /// A new concern is worse too.
        strict: bool,
        /// The key of the stand-ins, if addresses and names must not be shown.
        redact: Option<RedactionKey>,
        /// Where and how to say it.
        output: Output<diff::DiffFormat>,
    },
    /// What must be allowed, and by whom?
    Request {
        /// The files of the runs, in the order they were named.
        reports: Vec<PathBuf>,
        /// Or the machines of a site file, of which nothing was asked yet.
        planned: Vec<Job>,
        /// What works already too.
        all: bool,
        /// Who is translated to which address.
        nat: Nat,
        /// The key of the stand-ins, if addresses and names must not be shown.
        redact: Option<RedactionKey>,
        /// Where and how to say it.
        output: Output<change_request::RequestFormat>,
    },
    /// Who reaches whom?
    Merge {
        /// The files of the runs, in the order they were named.
        reports: Vec<PathBuf>,
        /// The key of the stand-ins, if addresses and names must not be shown.
        redact: Option<RedactionKey>,
        /// Where and how to say it.
        output: Output<matrix::MatrixFormat>,
    },
    /// What would the run have written in another format?
    Show {
        /// The file of the run.
        report: PathBuf,
        /// The key of the stand-ins, if addresses and names must not be shown.
        redact: Option<RedactionKey>,
        /// Where and how to write it.
        output: Output<Format>,
    },
    /// The same report, with stand-ins.
    Redact {
        /// The file of the run.
        report: PathBuf,
        /// The key of the stand-ins.
        key: Option<RedactionKey>,
        /// Show what the stand-ins stand for instead.
        names: bool,
        /// Where and how to write it.
        output: Output<Format>,
    },
}

/// Performs a task, and says with which code the program ends.
///
/// # Errors
///
/// A file that is not a report; nothing is written then.
pub(crate) fn perform(task: &Task) -> Result<ExitCode, Unreadable> {
    match task {
        Task::Diff { old, new, strict, redact, output } => {
            let mut reader = SavedReader::new(redact.as_ref());
            let diff = diff::diff(&reader.open(old)?, &reader.open(new)?, *strict);
            let written = write_all(output, |format, canvas, out| format.write(&diff, canvas, out));
            Ok(written.map_or_else(|code| code, |()| ExitCode::from(u8::from(diff.worse))))
        }
        Task::Request { reports, planned, all, nat, redact, output } => {
            ask_for(reports, planned, *all, nat, redact.as_ref(), output)
        }
        Task::Merge { reports, redact, output } => merge(reports, redact.as_ref(), output),
        // It ends as its run did.
        Task::Show { report, redact, output } => {
            Ok(deliver(&SavedReader::new(redact.as_ref()).open(report)?, None, output))
        }
        Task::Redact { report, key, names, output } => {
            redacted(report, key.as_ref(), *names, output)
        }
    }
}

/// Reads a saved report; of one that a later preflight wrote, stderr names what is left out.
///
/// # Errors
///
/// [`Unreadable`]: not there, too large, cut off, or no report at all.
pub(crate) fn open(file: &Path) -> Result<Saved, Unreadable> {
    let saved = saved::open(file)?;
    if let Some(later) = saved.later() {
        remark(&format!("{}: {later}", preflight_checks::printable(&file.display().to_string())));
    }
    Ok(saved)
}

/// Saved reports, each as it may be shown.
struct SavedReader {
    redactor: Option<Redactor>,
}

impl SavedReader {
    fn new(key: Option<&RedactionKey>) -> Self {
        Self { redactor: key.cloned().map(Redactor::new) }
    }

    fn open(&mut self, file: &Path) -> Result<Report, Unreadable> {
        open(file).map(|saved| self.shown(saved))
    }

    /// One that was opened before: what there is to remark of it was said.
    fn again(&mut self, file: &Path) -> Result<Report, Unreadable> {
        saved::open(file).map(|saved| self.shown(saved))
    }

    /// What was seen is redacted, if it must be, and every sentence is made anew from that.
    fn shown(&mut self, saved: Saved) -> Report {
        saved.map(|report| self.redacted(report)).judged()
    }

    /// What a run saw, as it may be shown.
    fn redacted(&mut self, report: Report) -> Report {
        match &mut self.redactor {
            Some(redactor) => redactor.seen(report),
            None => report,
        }
    }

    /// A name that somebody typed, as the reports have it.
    fn typed(&mut self, name: &str) -> String {
        match &mut self.redactor {
            Some(redactor) => redactor.typed(name),
            None => name.to_owned(),
        }
    }

    /// What somebody typed, as the reports have it.
    fn nat(&mut self, nat: &Nat) -> Nat {
        let Some(redactor) = &mut self.redactor else { return nat.clone() };
        let pairs = nat.iter().map(|(from, to)| {
            let address = redactor.typed(&to.to_string()).parse();
            (redactor.typed(from), address.unwrap_or(*to))
        });
        pairs.collect()
    }
}

fn ask_for(
    reports: &[PathBuf],
    planned: &[Job],
    all: bool,
    nat: &Nat,
    redact: Option<&RedactionKey>,
    output: &Output<change_request::RequestFormat>,
) -> Result<ExitCode, Unreadable> {
    let mut reader = SavedReader::new(redact);
    let wishes = reports.iter().map(|file| Ok(Wishes::of(&reader.open(file)?, all)));
    let mut wishes = wishes.collect::<Result<Vec<_>, _>>()?;
    let mut nat = nat.clone();
    for job in planned {
        let report = reader.redacted(unasked(job));
        // Under its own name: what is typed and what is planned are redacted together below.
        let called = job.site.host_name.clone().or_else(|| job.site.machine.clone());
        nat.extend(called.zip(job.site.nat));
        let host_name = job.site.host_name.as_deref().map(|name| reader.typed(name));
        wishes.push(Wishes::planned(&report, host_name));
    }
    let request = ChangeRequest::new(wishes, &reader.nat(&nat), all);
    let written = write_all(output, |format, canvas, out| format.write(&request, canvas, out));
    Ok(written.map_or_else(|code| code, |()| ExitCode::SUCCESS))
}

/// What a machine of a site file would ask, under its own name and address.
fn unasked(job: &Job) -> Report {
    let plan = plan::plan(&job.catalogue, &job.site, &job.settings);
    let name = job.site.machine.clone().unwrap_or_default();
    let addresses = job.site.address.into_iter().collect();
    let host = Host { name, addresses, ..Host::default() };
    Report::unasked(&plan, job.catalogue.identity.clone(), host)
}

/// Reads one report after the other, and keeps little of each.
fn merge(
    reports: &[PathBuf],
    redact: Option<&RedactionKey>,
    output: &Output<matrix::MatrixFormat>,
) -> Result<ExitCode, Unreadable> {
    let mut reader = SavedReader::new(redact);
    let mut site = matrix::MatrixSite::default();
    let (output, folder) = beside_each_other(output);
    // Which report a page is of; a newer run takes the page of an older one.
    let mut pages: BTreeMap<String, &PathBuf> = BTreeMap::new();
    for file in reports {
        let report = reader.open(file)?;
        if folder.is_some() {
            pages.extend(site.add_with_page(&report).map(|page| (page, file)));
        } else {
            site.add(&report);
        }
    }
    let matrix = site.matrix();
    if let Some(folder) = folder {
        if let Err(error) = std::fs::create_dir_all(&folder) {
            return Ok(complain(
                &preflight_checks::printable(&folder.display().to_string()),
                &error.to_string(),
            ));
        }
        // Read once more, one after the other: a thousand pages need not be kept until here.
        for (page, file) in pages {
            let report = reader.again(file)?;
            let page = folder.join(page);
            let written = file::replace(&page, output.mode, |out| {
                html::write_in_site(&report, matrix::SITE_PAGE, out)
            });
            let code =
                ended_well(written, &preflight_checks::printable(&page.display().to_string()));
            if code != ExitCode::SUCCESS {
                return Ok(code);
            }
        }
    }
    let written = write_all(&output, |format, canvas, out| format.write(&matrix, canvas, out));
    Ok(written.map_or_else(|code| code, |()| ExitCode::from(matrix.exit_code)))
}

/// `html=FOLDER/` is a folder of pages: that of the site as its `index.html`, and one for each
/// machine; the folder, and where the site's own page goes.
fn beside_each_other(
    output: &Output<matrix::MatrixFormat>,
) -> (Output<matrix::MatrixFormat>, Option<PathBuf>) {
    let mut output = output.clone();
    let mut folder = None;
    for (format, file) in &mut output.formats {
        let Some(named) = file.as_mut().filter(|_| *format == matrix::MatrixFormat::Html) else {
            continue;
        };
        if named.as_os_str().as_encoded_bytes().ends_with(b"/") {
            folder = Some(named.clone());
            named.push(matrix::SITE_PAGE);
        }
    }
    (output, folder)
}

fn redacted(
    file: &Path,
    key: Option<&RedactionKey>,
    names: bool,
    output: &Output<Format>,
) -> Result<ExitCode, Unreadable> {
    let mut reader = SavedReader::new(key);
    let report = reader.open(file)?;
    if let Some(redactor) = reader.redactor.filter(|_| names) {
        return Ok(list(&redactor));
    }
    let written = write_all(output, |format, canvas, out| format.write(&report, canvas, out));
    Ok(written.map_or_else(|code| code, |()| ExitCode::SUCCESS))
}

/// What each stand-in stands for, a line each.
fn list(redactor: &Redactor) -> ExitCode {
    let mut out = BufWriter::new(io::stdout().lock());
    let made = redactor.made();
    let mut lines = made.iter().map(|(stand_in, original)| writeln!(out, "{stand_in}\t{original}"));
    let written = lines.try_for_each(|line| line);
    drop(lines);
    ended_well(written.and_then(|()| out.flush()), "stdout")
}
