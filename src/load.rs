//! From what was typed to what is to be done: the files that are named are read here.

use std::path::PathBuf;
use std::time::Duration;

use crate::cli::{
    self, Cli, Command, Heard, ListenFormat, ManualArgs, RedactArgs, RedactSavedArgs, RequestArgs,
    RunArgs,
};
use crate::console::output::Output;
use crate::far_side::PairingCode;
use crate::listen;
use crate::report;
use crate::respond;
use crate::run::plan::Counterpart;
use crate::run::watch::Patience;
use crate::settings::{
    Job, Purpose, SettingsError, bad, community, duration, far_side_code, formats, init, inventory,
    is_stdin, job, jobs, key, nat, output, pair, patience, plain, requirements, silence, stand_in,
};
use crate::site;
use crate::tasks::flows::{self, Requirements};
use crate::tasks::inventory::Inventory;
use crate::tasks::{Task, diff, matrix};
use crate::version;

/// What the user asked for.
#[derive(Debug)]
pub(crate) enum Request {
    /// Check this machine's flows.
    Run {
        /// What is asked, and how.
        job: Box<Job>,
        /// The code of the far side; none: it is asked for, if a far side is wanted.
        code: Option<PairingCode>,
        /// How often again what does not work; none: once.
        again: Option<Patience>,
        /// How long connections that work are left silent; none: not at all.
        hold: Option<Duration>,
    },
    /// Print what would be checked.
    Plan(Box<Job>),
    /// Print what would be checked on each machine of a site file.
    PlanAll(Vec<Job>),
    /// Print a flow table as a document.
    Flows {
        /// The rows to write.
        flows: Requirements,
        /// Where and how to print it.
        output: Output<flows::FlowsFormat>,
    },
    /// Print what this machine's files say.
    Discover {
        /// What the files say.
        inventory: Box<Inventory>,
        /// Where and how to print it.
        output: Output,
    },
    /// Write a site file.
    Init {
        /// The file's text.
        text: String,
        /// The file; none: stdout.
        output: Option<PathBuf>,
        /// Replace it if it exists?
        force: bool,
    },
    /// Two machines with one code, on loopback.
    DemoPair(Output),
    /// A whole site on loopback.
    Demo {
        /// Flow and kind of each breakage.
        breaks: Vec<(String, String)>,
        /// Where and how to report.
        output: Output,
    },
    /// Listen for the flows that come in.
    Respond(Box<respond::RespondRequest>),
    /// Show what arrives.
    Listen(Box<listen::ListenRequest>),
    /// Print a JSON Schema.
    Schema(String),
    /// List all causes and warnings.
    ExplainAll,
    /// Explain a cause.
    Explain(String),
    /// Show all that a saved run saw of one step.
    ExplainStep {
        /// The report's file.
        report: PathBuf,
        /// The step's id, or its flow.
        step: String,
    },
    /// Print a text that is made from the program itself.
    Print(Vec<u8>),
    /// Write each text into its file of a folder.
    Write(PathBuf, Vec<(String, Vec<u8>)>),
    /// Work on saved reports.
    Afterwards(Box<Task>),
}

/// Reads the files that a command line names; what they say is in the request.
///
/// # Errors
///
/// [`SettingsError`], which ends the program with exit code 2.
pub(crate) fn load(cli: Cli) -> Result<Request, SettingsError> {
    let afterwards = |task| Ok(Request::Afterwards(Box::new(task)));
    match cli.command {
        None if cli.about.brief => Ok(Request::Print(cli::brief().into())),
        None if cli.about.version => {
            let is_whole = cli.run.output.verbose;
            let text = if is_whole { version::whole() } else { version::line() };
            Ok(Request::Print(text.into()))
        }
        None => {
            let again = patience(&cli.again)?;
            let hold = cli.pairing.hold.as_deref().map(silence).transpose()?;
            let mut job = job(&cli.run, Purpose::Run)?;
            let code = far_side_code(&cli.pairing, job.code_place.as_ref())?;
            job.settings.far_side = cli.pairing.far_side.as_deref().map(Counterpart::of);
            Ok(Request::Run { job: Box::new(job), code, again, hold })
        }
        Some(Command::Plan(plan)) if plan.all => Ok(Request::PlanAll(jobs(&plan.run)?)),
        Some(Command::Plan(plan)) => {
            Ok(Request::Plan(Box::new(job(&plan.run, Purpose::Plan)?.planned()?)))
        }
        Some(Command::Init(args)) => {
            let output = args.output.clone().filter(|file| !is_stdin(file));
            Ok(Request::Init { text: init(&args)?, output, force: args.force })
        }
        Some(Command::Flows(args)) => {
            let output = formats(&args.format, &args.files)?;
            Ok(Request::Flows { flows: requirements(&args)?, output })
        }
        Some(Command::Discover(args)) => {
            let output = plain(output(&args.output)?, "what files say")?;
            let inventory = Box::new(inventory(args.root.as_deref())?);
            Ok(Request::Discover { inventory, output })
        }
        Some(Command::Respond(args)) => Ok(Request::Respond(Box::new(respond::RespondRequest {
            within: duration("--for", &args.within)?,
            bind: args.bind,
            stands_for: if args.device.is_empty() {
                respond::StandsFor::Machine(Box::new(job(&args.run(), Purpose::Plan)?))
            } else {
                let services = args.device.iter().map(|text| stand_in(text));
                respond::StandsFor::Device(services.collect::<Result<_, _>>()?)
            },
            community: community(args.snmp_community_file.as_ref())?,
            code_file: args.code_file,
        }))),
        Some(Command::Listen(args)) => {
            let Heard::Traps = args.what;
            Ok(Request::Listen(Box::new(listen::ListenRequest {
                within: duration("--for", &args.within)?,
                count: args.count,
                bind: args.bind,
                port: args.port,
                community: community(args.snmp_community_file.as_ref())?,
                as_lines: args.format == ListenFormat::Ndjson,
            })))
        }
        Some(Command::Schema { of }) => Ok(Request::Schema(schema(of))),
        Some(Command::Explain { subject, step, list: _ }) => Ok(match (subject, step) {
            (None, _) => Request::ExplainAll,
            (Some(code), None) => Request::Explain(code),
            (Some(report), Some(step)) => Request::ExplainStep { report: report.into(), step },
        }),
        Some(Command::Show(args)) => afterwards(Task::Show {
            output: output(&args.output)?,
            redact: key(&args.redact)?,
            report: args.report,
        }),
        Some(Command::Diff(args)) => afterwards(Task::Diff {
            output: formats(&args.format, &args.files)?,
            redact: key(&args.redact)?,
            old: args.old,
            new: args.new,
            strict: args.strict,
        }),
        Some(Command::Redact(args)) => afterwards(redact_task(args)?),
        Some(Command::Merge(args)) => afterwards(Task::Merge {
            output: formats(&args.format, &args.files)?,
            redact: key(&args.redact)?,
            reports: args.reports,
        }),
        Some(Command::Request(args)) => afterwards(request_task(args)?),
        Some(Command::Completions { shell }) => {
            let script = cli::script(shell);
            Ok(Request::Print(script.map_err(|error| bad("completions", error.to_string()))?))
        }
        Some(Command::Manual(args)) => manual(args),
        Some(Command::Demo(demo)) if demo.far_side => Ok(Request::DemoPair(output(&demo.output)?)),
        Some(Command::Demo(demo)) => {
            let breaks =
                demo.breaks.iter().map(|text| pair("--break", text)).collect::<Result<_, _>>()?;
            Ok(Request::Demo { breaks, output: output(&demo.output)? })
        }
    }
}

fn schema(of: cli::Schema) -> String {
    match of {
        cli::Schema::Site => site::file::schema(),
        cli::Schema::Report => report::schema(),
        cli::Schema::Diff => diff::schema(),
        cli::Schema::Merge => matrix::schema(),
    }
}

fn manual(args: ManualArgs) -> Result<Request, SettingsError> {
    let pages = cli::manuals().map_err(|error| bad("manual", error.to_string()))?;
    if let Some(folder) = args.output {
        let files = pages.into_iter().map(|page| (page.file, page.page)).collect();
        return Ok(Request::Write(folder, files));
    }
    let name = args.command.unwrap_or_default();
    let page = pages.into_iter().find(|page| page.command == name);
    let page = page.ok_or_else(|| {
        bad("manual", format!("there is no command {}", preflight_checks::quoted(&name)))
    })?;
    Ok(Request::Print(page.page))
}

fn request_task(args: RequestArgs) -> Result<Task, SettingsError> {
    let output = formats(&args.format, &args.files)?;
    let nat = args.nat.iter().map(|text| nat(text)).collect::<Result<_, _>>()?;
    let redact = key(&args.redact)?;
    let planned = args
        .site
        .as_deref()
        .map(|file| jobs(&RunArgs::of_site(file)))
        .transpose()?
        .unwrap_or_default();
    let all = args.all || args.site.is_some();
    Ok(Task::Request { reports: args.reports, planned, all, nat, redact, output })
}

fn redact_task(args: RedactSavedArgs) -> Result<Task, SettingsError> {
    let output = formats(&args.format, &args.files)?;
    let key = key(&RedactArgs {
        redact: true,
        redact_key: args.redact_key,
        redact_keep_text: args.redact_keep_text,
    })?;
    Ok(Task::Redact { report: args.report, key, names: args.names, output })
}
