//! Problem packages: kept by grading, fetched by runners. A package is a zip in omegaUp's form
//! (`cases/*.in`, `cases/*.out`, optional `testplan` and `settings.json`).

use serde::{Deserialize, Serialize};
use warren_rpc::{Effect, Method};

use crate::Blob;

/// Most bytes of a package in [`Put`]: under RabbitMQ 4's largest message of 16 MiB.
pub const PACKAGE_BYTES_MAX: usize = 15 << 20;

/// Most bytes of a package that one [`Fetch`] answers.
pub const CHUNK_BYTES: usize = 512 << 10;

/// Stores a problem package, or replaces the one of that name. Submissions judged before keep their verdicts.
#[derive(Debug)]
pub struct Put;

impl Method for Put {
    const NAME: &'static str = "problems.put";
    const EFFECT: Effect = Effect::Repeatable;
    const BODY_BYTES_MAX: usize = PACKAGE_BYTES_MAX + (64 << 10);
    type Request = PutRequest;
    type Reply = Problem;
}

/// What [`Put`] takes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutRequest {
    /// The name it is submitted to: 1 to 32 of `A-Z a-z 0-9 _ -`.
    pub problem: String,
    /// A zip file, at most [`PACKAGE_BYTES_MAX`].
    pub package: Blob,
}

/// What is known of a stored problem: the answer of [`Put`] and [`Get`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Its name.
    pub problem: String,
    /// SHA-256 of the package, in hexadecimal: the version that runners fetch.
    pub package_sha256: String,
    /// Size of the package.
    pub package_bytes: u64,
    /// How its test data is divided, in the order of judging.
    pub cases: Vec<CaseInfo>,
    /// What a submission may use on each case.
    pub limits: Limits,
    /// How an answer is compared with the expected one: `token`, ...
    pub validator: String,
}

/// A case's name, group and weight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseInfo {
    /// The name of its files, without the ending: `easy.1`.
    pub name: String,
    /// The name up to the first dot: `easy`.
    pub group: String,
    /// Its share of the score as a fraction of all weights: `1/4`.
    pub weight: String,
}

/// What one run may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// CPU time a case. Its wall time is bounded too, generously: a machine with other work must not cost a verdict.
    pub time_ms: u64,
    /// Memory a case.
    pub memory_bytes: u64,
    /// Bytes a case may print.
    pub output_bytes: u64,
    /// Wall time of all cases together; cases after it are `TLE`, unrun.
    pub overall_wall_ms: u64,
}

/// Tells what is known of a stored problem.
#[derive(Debug)]
pub struct Get;

impl Method for Get {
    const NAME: &'static str = "problems.get";
    const EFFECT: Effect = Effect::Repeatable;
    type Request = GetRequest;
    type Reply = Problem;
}

/// What [`Get`] takes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GetRequest {
    /// The problem's name.
    pub problem: String,
}

/// Lists the names of the stored problems.
#[derive(Debug)]
pub struct List;

impl Method for List {
    const NAME: &'static str = "problems.list";
    const EFFECT: Effect = Effect::Repeatable;
    type Request = ListRequest;
    type Reply = ListReply;
}

/// What [`List`] takes: nothing.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListRequest {}

/// What [`List`] answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ListReply {
    /// Names in alphabetical order.
    pub problems: Vec<String>,
}

/// Reads a piece of a package, for a runner that has not got it yet.
#[derive(Debug)]
pub struct Fetch;

impl Method for Fetch {
    const NAME: &'static str = "problems.fetch";
    const EFFECT: Effect = Effect::Repeatable;
    type Request = FetchRequest;
    type Reply = FetchReply;
}

/// What [`Fetch`] takes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FetchRequest {
    /// [`Problem::package_sha256`].
    pub package_sha256: String,
    /// Where the piece begins.
    pub offset_bytes: u64,
}

/// What [`Fetch`] answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FetchReply {
    /// At most [`CHUNK_BYTES`]; fewer only at the end.
    pub chunk: Blob,
    /// Size of the whole package.
    pub package_bytes: u64,
}
