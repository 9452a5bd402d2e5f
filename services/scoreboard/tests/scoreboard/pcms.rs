//! Boards that PCMS2 published: every official total must come out of the runs.

use roxmltree::{Document, Node};
use warren_proto::{
    grading::Verdict,
    scoreboard::{ComputeRequest, PenaltyPolicy, PenaltyType, Row, Rules, Run, ScoreMode},
};
use warren_scoreboard::compute;

use super::contests;

fn children<'a, 'input>(node: Node<'a, 'input>, tag: &'static str) -> impl Iterator<Item = Node<'a, 'input>> {
    node.children().filter(move |child| child.has_tag_name(tag))
}

fn text<'a>(node: Node<'a, '_>, attribute: &str) -> &'a str {
    node.attribute(attribute).unwrap_or_else(|| panic!("<{}> without {attribute}", node.tag_name().name()))
}

fn number<N: std::str::FromStr<Err: std::fmt::Debug>>(node: Node<'_, '_>, attribute: &str) -> N {
    text(node, attribute).parse().expect("a number")
}

fn verdict(outcome: &str) -> Verdict {
    match outcome {
        "accepted" => Verdict::Ac,
        "compilation-error" => Verdict::Ce,
        "memory-limit-exceeded" => Verdict::Mle,
        "runtime-error" => Verdict::Rte,
        "time-limit-exceeded" | "idleness-limit-exceeded" => Verdict::Tle,
        "wrong-answer" => Verdict::Wa,
        other => panic!("outcome {other}"),
    }
}

/// The contest of a file, each run made by `judge` from its element and verdict.
fn request(document: &Document<'_>, rules: Rules, judge: impl Fn(Node<'_, '_>, Run) -> Run) -> ComputeRequest {
    let contest = children(document.root_element(), "contest").next().expect("a contest");
    let mut request = contests::contest(rules, number(contest, "length"));
    let challenge = children(contest, "challenge").next().expect("a challenge");
    request.problems =
        children(challenge, "problem").map(|problem| contests::problem(text(problem, "alias"))).collect();
    for session in children(contest, "session") {
        request.contestants.push(contests::contestant(text(session, "id")));
        for problem in children(session, "problem") {
            request.runs.extend(children(problem, "run").map(|run| {
                let (id, time_ms) = (text(run, "run-id"), number(run, "time"));
                let verdict = verdict(text(run, "outcome"));
                judge(run, contests::run(id, text(session, "id"), text(problem, "alias"), time_ms, verdict))
            }));
        }
    }
    request
}

/// Each official session with our row.
fn compared<'a>(document: &'a Document<'a>, rows: &'a [Row]) -> impl Iterator<Item = (Node<'a, 'a>, &'a Row)> {
    let contest = children(document.root_element(), "contest").next().expect("a contest");
    children(contest, "session").map(move |session| {
        let row = rows.iter().find(|row| row.contestant == text(session, "id"));
        (session, row.expect("a row for each session"))
    })
}

#[test]
fn nerc_2020_has_every_official_total() {
    let xml = contests::read("nerc-2020.xml");
    let document = Document::parse(&xml).expect("XML");
    let request = request(&document, contests::ICPC, |_, run| run);
    assert_eq!((request.contestants.len(), request.runs.len()), (50, 804));

    let board = compute(&request).expect("a valid contest");
    let mut teams = 0;
    for (session, row) in compared(&document, &board.rows) {
        let official: (u32, u64) = (number(session, "solved"), number(session, "penalty"));
        assert_eq!((row.solved, row.penalty), official, "{}", text(session, "id"));
        for (problem, cell) in children(session, "problem").zip(&row.problems) {
            assert_eq!(cell.problem, text(problem, "alias"));
            assert_eq!(u32::from(cell.solved), number::<u32>(problem, "accepted"));
            if cell.solved {
                assert_eq!(cell.time_ms, Some(number(problem, "time")));
            }
        }
        teams += 1;
    }
    assert_eq!(teams, 50);

    // The file lists the teams as they stood; equal ones in an order of its own.
    let ranks: Vec<_> = compared(&document, &board.rows).map(|(_, row)| row.rank).collect();
    assert!(ranks.is_sorted(), "{ranks:?}");
}

#[test]
fn it_sequel_2023_has_every_official_score() {
    let xml = contests::read("it-sequel-2023.xml");
    let document = Document::parse(&xml).expect("XML");
    let rules = Rules::Points {
        score_mode: ScoreMode::Partial,
        penalty_type: PenaltyType::None,
        penalty_minutes: 0,
        penalty_policy: PenaltyPolicy::Sum,
    };
    let request = request(&document, rules, |element, mut run| {
        let percent: i64 = number(element, "score");
        run.score = Some(format!("{percent}e-2").parse().expect("a share"));
        run
    });
    assert_eq!((request.contestants.len(), request.runs.len()), (92, 821));

    let board = compute(&request).expect("a valid contest");
    let mut contestants = 0;
    for (session, row) in compared(&document, &board.rows) {
        assert_eq!(row.points.to_string(), text(session, "score"), "{}", text(session, "id"));
        for (problem, cell) in children(session, "problem").zip(&row.problems) {
            assert_eq!(cell.points.to_string(), text(problem, "score"), "{}", text(session, "id"));
        }
        contestants += 1;
    }
    assert_eq!(contestants, 92);
}
