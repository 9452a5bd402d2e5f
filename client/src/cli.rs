//! What can be typed: flags and commands, as typed. What they mean is the commands' to say.

mod bench;
mod broker;

use std::{ffi::OsString, path::PathBuf, process::ExitCode, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use self::{
    bench::{Bench, Echo},
    broker::{Broker, NewUser},
};
use crate::{failure::Failure, output::Output};

const EXIT_CODES: &str = "\
Exit codes:
  0 ok, 1 internal, 2 usage, 3 rejected, 4 deadline, 5 unroutable, 6 broker unreachable,
  7 something to install is missing, 8 connection lost, 130 interrupted; a service's status:
  64 invalid_argument, 65 not_found, 66 already_exists, 67 failed_precondition,
  68 permission_denied, 69 unimplemented, 70 internal, 71 unavailable, 72 resource_exhausted,
  73 aborted, 74 deadline_exceeded, 75 cancelled

Standard output holds data only; messages go to standard error.";

/// RPC over AMQP, and a programming contest on it.
///
/// Without a command: an embedded broker, every service, and a REPL. In the REPL a line is a command line without
/// `warren`, and a first word with a dot means `call`.
#[derive(Debug, Parser)]
#[command(name = "warren", version, after_help = EXIT_CODES, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Reads the command line. Help and version are printed, and mistakes reported in the form that was asked for: then
/// there is only an exit code left.
pub(crate) fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Cli, ExitCode> {
    let arguments: Vec<OsString> = arguments.collect();
    match Cli::try_parse_from(&arguments) {
        Ok(mut cli) => {
            cli.globals.url = cli.globals.url.filter(|url| !url.is_empty());
            Ok(cli)
        }
        Err(shown) if !shown.use_stderr() => {
            // Nobody is left to tell if standard output is closed.
            let _ = shown.print();
            Err(ExitCode::SUCCESS)
        }
        Err(mistake) => {
            let json = arguments.windows(2).any(|pair| (pair[0] == "-o" || pair[0] == "--output") && pair[1] == "json")
                || arguments.iter().any(|word| word == "-ojson" || word == "--output=json");
            let form = if json { Form::Json } else { Form::Auto };
            let failure = mistaken(&mistake);
            Output { form }.failure(&failure);
            Err(ExitCode::from(failure.exit.code()))
        }
    }
}

/// clap's message as one of ours: what is wrong, and the rest of it as the hint.
pub(crate) fn mistaken(mistake: &clap::Error) -> Failure {
    let text = mistake.to_string();
    let text = text.trim_start_matches("error: ").trim_end();
    match text.split_once("\n\n") {
        Some((message, rest)) => Failure::usage(message).with_hint(rest.trim()),
        None => Failure::usage(text),
    }
}

/// Flags that every command takes.
#[derive(Args, Clone, Debug)]
pub(crate) struct Globals {
    /// The broker's address; without it, the one left by a running `warren`.
    #[arg(long, global = true, env = "WARREN_URL", hide_env_values = true, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Start an embedded broker and all services for this command, whatever WARREN_URL says.
    #[arg(long, global = true)]
    pub(crate) embedded: bool,
    /// How results are written.
    #[arg(short, long, global = true, value_enum, default_value_t, value_name = "FORM")]
    pub(crate) output: Form,
    /// Longest a call may take: 500ms, 10s, 2m. [default: 10s; submit --wait: 2m]
    #[arg(long, global = true, value_parser = humantime::parse_duration, value_name = "TIME")]
    pub(crate) timeout: Option<Duration>,
    /// Where the services keep what they store. [default: warren in the user's data directory]
    #[arg(long, global = true, env = "WARREN_DATA", value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// What stands before the code on new certificates: the address of a page that verifies them.
    #[arg(long, global = true, env = "WARREN_LINK_PREFIX", value_name = "URL")]
    pub(crate) link_prefix: Option<String>,
}

/// How results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// Tables on a terminal; in a pipe one line per item.
    #[default]
    Auto,
    /// Tables.
    Table,
    /// JSON, as it came.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Call a method: `warren call calculator.sum a:=2 b:=3`.
    Call(Call),
    /// List the methods that this program knows.
    Methods,
    /// Run instances of services until told to stop.
    Serve(Serve),
    /// Hand in a program.
    Submit(Submit),
    /// Problem packages.
    #[command(subcommand)]
    Problem(Problem),
    /// Show a contest's board.
    Board(Board),
    /// Save a certificate's PDF.
    Certificate(Certificate),
    /// A small contest from end to end: submissions, verdicts, board, certificates.
    Demo(Demo),
    /// Run the embedded broker alone, for any AMQP program: in memory, for development and tests.
    Broker(Broker),
    /// Measure calls over a broker.
    #[command(subcommand)]
    Bench(Bench),
}

/// Call a method.
#[derive(Args, Debug)]
pub(crate) struct Call {
    /// The method: `calculator.sum`.
    pub(crate) method: String,
    /// key=text, key:=json, key=@FILE, a JSON text, or - for standard input.
    #[arg(allow_negative_numbers = true)]
    pub(crate) arguments: Vec<String>,
    /// Read the request from a JSON file.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

/// Run instances of services.
#[derive(Args, Debug)]
pub(crate) struct Serve {
    /// Which services.
    #[arg(required = true, value_enum)]
    pub(crate) services: Vec<ServiceName>,
    /// How many of each.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) instances: u16,
    /// Requests that an instance holds at a time, where the method does not say otherwise.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) prefetch: u16,
    /// Longest a stop waits for what is being handled.
    #[arg(long, default_value = "30s", value_parser = humantime::parse_duration, value_name = "TIME")]
    pub(crate) drain_timeout: Duration,
}

/// The services of this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum)]
pub(crate) enum ServiceName {
    Calculator,
    Grading,
    Runner,
    Scoreboard,
    Certificates,
}

/// Hand in a program.
#[derive(Args, Debug)]
pub(crate) struct Submit {
    /// The problem's name.
    pub(crate) problem: String,
    /// The program's source.
    pub(crate) file: PathBuf,
    /// c, cpp or python; without it, by the file's ending.
    #[arg(short, long)]
    pub(crate) language: Option<String>,
    /// The contest it counts for.
    #[arg(long, requires = "contestant")]
    pub(crate) contest: Option<String>,
    /// Who hands it in.
    #[arg(long)]
    pub(crate) contestant: Option<String>,
    /// Wait for the verdict.
    #[arg(short, long)]
    pub(crate) wait: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Problem {
    /// Store a package, a folder or a zip file in omegaUp's form.
    Import {
        /// The folder or zip file.
        package: PathBuf,
        /// The problem's name; without it, the folder's or file's.
        #[arg(long)]
        name: Option<String>,
    },
    /// List the stored problems.
    Ls,
}

/// Show a contest's board.
#[derive(Args, Debug)]
pub(crate) struct Board {
    /// The contest's id.
    pub(crate) contest: String,
    /// With the verdicts of the freeze.
    #[arg(long)]
    pub(crate) jury: bool,
}

/// Save a certificate's PDF.
#[derive(Args, Debug)]
pub(crate) struct Certificate {
    /// Its code.
    pub(crate) code: String,
    /// Where to; without it, CODE.pdf here.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// A small contest from end to end.
#[derive(Args, Debug)]
pub(crate) struct Demo {
    /// Where the certificates go.
    #[arg(long, default_value = "demo-out", value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Stay in the REPL with the contest afterwards.
    #[arg(long)]
    pub(crate) repl: bool,
}
