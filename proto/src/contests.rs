//! Contests: what the scoreboard keeps beside the runs.

use serde::{Deserialize, Serialize};
use warren_rpc::{Effect, Method};

use crate::scoreboard::{Contestant, Problem, Rules};

/// Most bytes of an encoded contest: names of some 20,000 contestants.
pub const CONTEST_BYTES_MAX: usize = 15 << 20;

/// Stores a contest, or replaces the one of that id; its runs stay.
#[derive(Debug)]
pub struct Put;

impl Method for Put {
    const NAME: &'static str = "contests.put";
    const EFFECT: Effect = Effect::Repeatable;
    const BODY_BYTES_MAX: usize = CONTEST_BYTES_MAX;
    type Request = Contest;
    type Reply = Contest;
}

/// Tells what is known of a contest.
#[derive(Debug)]
pub struct Get;

impl Method for Get {
    const NAME: &'static str = "contests.get";
    const EFFECT: Effect = Effect::Repeatable;
    const BODY_BYTES_MAX: usize = CONTEST_BYTES_MAX;
    type Request = GetRequest;
    type Reply = Contest;
}

/// What [`Get`] takes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GetRequest {
    /// The contest's id: 1 to 32 of `A-Z a-z 0-9 _ -`.
    pub contest: String,
}

/// A contest: what [`Put`] takes, and what both answer, so it refuses unknown fields in answers too. As JSON, with what
/// was absent filled in, it may take [`CONTEST_BYTES_MAX`] less 64 KiB.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contest {
    /// Its id: 1 to 32 of `A-Z a-z 0-9 _ -`.
    pub contest: String,
    /// Its name, 1 to 200 characters, not only spaces.
    pub title: String,
    /// How runs become ranks.
    pub rules: Rules,
    /// When it starts.
    pub starts_at_ms: i64,
    /// How long it is, 1 ms to ten years.
    pub duration_ms: u64,
    /// From when on the public sees no verdicts, since the start, at most `duration_ms`; absent: never.
    #[serde(default)]
    pub freeze_ms: Option<u64>,
    /// Whether the freeze is over: all may see all.
    #[serde(default)]
    pub thawed: bool,
    /// Problems in the board's order, at most 1,000; a problem's id is its name in grading: 1 to 32 of
    /// `A-Z a-z 0-9 _ -`.
    pub problems: Vec<Problem>,
    /// Who takes part, at most 20,000.
    pub contestants: Vec<Contestant>,
}
