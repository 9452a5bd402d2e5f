//! A submission's verdict, for people.

use warren_proto::grading::{CaseResult, Judgement, Submission};

use super::value::empty_table;

/// The verdict in a line, what the compiler said, and a row a case.
pub(crate) fn verdict(submission: &Submission) -> String {
    let Some(judgement) = &submission.judgement else {
        return format!("{}: not judged yet", submission.submission);
    };
    let mut parts = vec![headline(judgement)];
    parts.extend(judgement.message.as_ref().map(|message| message.trim_end().to_owned()));
    if !judgement.groups.is_empty() {
        parts.push(cases(judgement));
    }
    parts.join("\n")
}

fn headline(judgement: &Judgement) -> String {
    let Judgement { verdict, score, time_ms, memory_bytes, judged_by, .. } = judgement;
    let memory = mebibytes(*memory_bytes);
    format!("{verdict}: score {score}, {time_ms} ms, {memory} MiB, judged by {judged_by}")
}

fn cases(judgement: &Judgement) -> String {
    let mut table = empty_table();
    table.set_header(["group", "score", "case", "verdict", "ms", "MiB"]);
    for group in &judgement.groups {
        for (place, case) in group.cases.iter().enumerate() {
            let CaseResult { name, verdict, time_ms, memory_bytes, .. } = case;
            // A group's name and score stand once, beside its first case.
            let (group, score) =
                if place == 0 { (group.group.clone(), group.score.to_string()) } else { Default::default() };
            table.add_row([
                group,
                score,
                name.clone(),
                verdict.to_string(),
                time_ms.to_string(),
                mebibytes(*memory_bytes),
            ]);
        }
    }
    table.to_string()
}

/// To a tenth.
#[expect(clippy::cast_precision_loss, reason = "shown to a tenth")]
pub(crate) fn mebibytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / f64::from(1 << 20))
}
