//! What is wrong with a request, told by its place: `runs[3].contestant: "t9" is not among the contestants`.

use std::{collections::HashSet, fmt::Display};

use warren_host::ids::{check_person, quoted};
use warren_proto::{
    Decimal,
    scoreboard::{ComputeRequest, Contestant, Problem, Rules, Run},
};
use warren_rpc::Status;

use crate::limits::{
    BOARD_BYTES_MAX, CONTESTANTS_MAX, NAME_BYTES_MAX, PENALTY_MINUTES_MAX, POINTS_MAX, PROBLEMS_MAX, RUNS_MAX,
    SPAN_MS_MAX, board_bytes_max,
};

/// Checks everything that computing relies on.
pub(crate) fn request(request: &ComputeRequest) -> Result<(), Status> {
    rules(&request.rules)?;
    span(request.duration_ms, request.freeze_ms)?;
    participants(&request.problems, &request.contestants)?;
    runs(request)
}

/// Checks a contest's rules.
pub(crate) fn rules(rules: &Rules) -> Result<(), Status> {
    let (Rules::Icpc { penalty_minutes, .. } | Rules::Points { penalty_minutes, .. }) = rules;
    at_most("rules.penalty_minutes", *penalty_minutes, PENALTY_MINUTES_MAX)
}

/// Checks a contest's length and when its freeze starts.
pub(crate) fn span(duration_ms: u64, freeze_ms: Option<u64>) -> Result<(), Status> {
    if duration_ms == 0 {
        return Err(wrong("duration_ms", "a contest takes at least 1 ms"));
    }
    at_most("duration_ms", duration_ms, SPAN_MS_MAX)?;
    match freeze_ms {
        Some(freeze_ms) if freeze_ms > duration_ms => {
            Err(wrong("freeze_ms", format!("{freeze_ms} is after the contest's end, {duration_ms}")))
        }
        _ => Ok(()),
    }
}

/// Checks a contest's problems and contestants, and that their board fits a message.
pub(crate) fn participants(problems: &[Problem], contestants: &[Contestant]) -> Result<(), Status> {
    at_most("problems", problems.len(), PROBLEMS_MAX)?;
    at_most("contestants", contestants.len(), CONTESTANTS_MAX)?;
    ids("problems", problems.iter().map(|problem| problem.id.as_str()))?;
    ids("contestants", contestants.iter().map(|contestant| contestant.id.as_str()))?;
    for (index, problem) in problems.iter().enumerate() {
        within(|| format!("problems[{index}].points"), &problem.points, POINTS_MAX)?;
    }
    for (index, contestant) in contestants.iter().enumerate() {
        let name_bytes = contestant.name.as_ref().map_or(0, String::len);
        if name_bytes > NAME_BYTES_MAX {
            let place = format!("contestants[{index}].name");
            return Err(wrong(place, format!("at most {NAME_BYTES_MAX} bytes, not {name_bytes}")));
        }
    }

    let board_bytes = board_bytes_max(contestants, problems);
    if board_bytes > BOARD_BYTES_MAX {
        let (rows, columns) = (contestants.len(), problems.len());
        return Err(Status::invalid_argument(format!(
            "contestants and problems: a board of {rows} x {columns} cells may take {board_bytes} bytes, and at most \
             {BOARD_BYTES_MAX} are allowed"
        )));
    }
    Ok(())
}

fn runs(request: &ComputeRequest) -> Result<(), Status> {
    at_most("runs", request.runs.len(), RUNS_MAX)?;
    ids("runs", request.runs.iter().map(|run| run.id.as_str()))?;
    let contestants: HashSet<&str> = request.contestants.iter().map(|contestant| contestant.id.as_str()).collect();
    let problems: HashSet<&str> = request.problems.iter().map(|problem| problem.id.as_str()).collect();
    for (index, run) in request.runs.iter().enumerate() {
        let place = |field: &str| format!("runs[{index}].{field}");
        if !contestants.contains(run.contestant.as_str()) {
            let shown = quoted(&run.contestant);
            return Err(wrong(place("contestant"), format!("{shown} is not among the contestants")));
        }
        if !problems.contains(run.problem.as_str()) {
            return Err(wrong(place("problem"), format!("{} is not among the problems", quoted(&run.problem))));
        }
        run_values(run, place)?;
    }
    Ok(())
}

fn run_values(run: &Run, place: impl Fn(&str) -> String) -> Result<(), Status> {
    runtime(|| place("runtime_ms"), run.runtime_ms)?;
    if let Some(score) = &run.score {
        share(|| place("score"), score)?;
    }
    for (group, score) in &run.groups {
        share(|| place(&format!("groups[{}]", quoted(group))), score)?;
    }
    Ok(())
}

/// Checks how long a run took.
pub(crate) fn runtime(place: impl FnOnce() -> String, runtime_ms: u64) -> Result<(), Status> {
    if runtime_ms > SPAN_MS_MAX {
        return Err(wrong(place(), format!("at most {SPAN_MS_MAX}, not {runtime_ms}")));
    }
    Ok(())
}

/// Checks a share of points: 0 to 1.
pub(crate) fn share(place: impl FnOnce() -> String, share: &Decimal) -> Result<(), Status> {
    within(place, share, 1)
}

fn within(place: impl FnOnce() -> String, value: &Decimal, most: i64) -> Result<(), Status> {
    if !(Decimal::zero()..=Decimal::from(most)).contains(value) {
        return Err(wrong(place(), format!("{value} is not between 0 and {most}")));
    }
    Ok(())
}

/// Checks that ids can be shown and differ. Those of problems and runs follow the rule of people's: any text that fits.
fn ids<'a>(list: &str, ids: impl Iterator<Item = &'a str>) -> Result<(), Status> {
    let mut seen = HashSet::new();
    for (index, id) in ids.enumerate() {
        check_person(format_args!("{list}[{index}].id"), id)?;
        if !seen.insert(id) {
            return Err(wrong(format!("{list}[{index}].id"), format!("{} is there twice", quoted(id))));
        }
    }
    Ok(())
}

fn at_most<N: PartialOrd + Display + Copy>(place: &str, value: N, most: N) -> Result<(), Status> {
    if value > most { Err(wrong(place, format!("at most {most}, not {value}"))) } else { Ok(()) }
}

/// `invalid_argument` for what stands at a place.
pub(crate) fn wrong(place: impl Display, what: impl Display) -> Status {
    Status::invalid_argument(format!("{place}: {what}"))
}

#[cfg(test)]
mod tests;
