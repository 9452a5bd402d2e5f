use super::program::Platform;

/// Runs the program on something wrong; what it says must name the place, and the services must go on.
fn refused(arguments: &[&str], code: i32, told: &[&str]) {
    let platform = Platform::shared();
    let ended = platform.run(arguments);
    assert_eq!((ended.code, ended.stdout.as_str()), (code, ""), "{arguments:?}: {}", ended.stderr);
    for part in told {
        assert!(ended.stderr.contains(part), "{arguments:?}: {part:?} is missing in\n{}", ended.stderr);
    }
    assert_eq!(platform.run(&["call", "calculator.sum", "a:=2", "b:=3"]).stdout, "5\n");
}

#[test]
fn a_missing_field_and_a_text_for_a_number_are_named() {
    refused(&["call", "calculator.sum", "a:=2"], 64, &["missing field `b`"]);
    refused(&["call", "calculator.sum", "a=two", "b:=3"], 64, &["a: invalid type: string \"two\", expected a number"]);
    refused(&["call", "calculator.sum", "a:=2", "b:=3", "c:=4"], 64, &["unknown field `c`"]);
}

#[test]
fn what_is_typed_wrong_is_told_before_it_is_sent() {
    refused(&["call", "calculator.sum", "a:=two", "b:=3"], 2, &["a: \"two\" is not JSON"]);
    refused(&["call", "calculator.sum", "-f", "/nonexistent.json"], 2, &["/nonexistent.json"]);
    refused(&["nonsense"], 2, &["nonsense"]);
}

#[test]
fn an_unknown_problem_is_told_by_name() {
    let platform = Platform::shared();
    let source = platform.file("a.py", b"print(1)");
    refused(&["submit", "nosuch", &source, "--wait"], 65, &["problem", "nosuch"]);
}

#[test]
fn an_unknown_contest_is_told_before_a_run_is_lost() {
    let platform = Platform::shared();
    let source = platform.file("b.py", b"print(1)");
    let arguments = ["submit", "sum", &source, "--contest", "nosuch", "--contestant", "joe"];
    refused(&arguments, 65, &["contest", "nosuch"]);
}

#[test]
fn a_source_of_10_mb_is_refused_by_either_way() {
    let platform = Platform::shared();
    let source = platform.file("big.py", &vec![b'#'; 10_000_000]);
    refused(&["submit", "sum", &source], 2, &["source: ", "10000000 bytes", "at most 262144"]);
    let argument = format!("source=@{source}");
    refused(&["call", "grading.submit", "problem=sum", "language=python", &argument], 3, &["source: ", "1048576"]);
    let source = platform.file("large.py", &vec![b'#'; 300_000]);
    let argument = format!("source=@{source}");
    refused(&["call", "grading.submit", "problem=sum", "language=python", &argument], 64, &["source: "]);
}

#[test]
fn a_broken_zip_is_told_as_such() {
    let platform = Platform::shared();
    let broken = platform.file("broken.zip", b"PK\x03\x04 this is no zip");
    refused(&["problem", "import", &broken], 64, &["zip"]);
    let empty = platform.file("empty.zip", b"");
    refused(&["problem", "import", &empty], 64, &["zip"]);
}

#[test]
fn a_boards_mistakes_are_told_with_their_place() {
    let platform = Platform::shared();
    let board = |runs: &str| {
        let text = format!(
            r#"{{"rules": {{"kind": "icpc", "penalty_minutes": 20, "penalize_compile_errors": false}},
            "duration_ms": 18000000, "freeze_ms": null, "audience": "jury", "problems": [{{"id": "A", "points": 100}}],
            "contestants": [{{"id": "t1", "name": "Team"}}], "runs": [{runs}]}}"#
        );
        platform.file("board.json", text.as_bytes())
    };
    let run = r#"{"id": "r1", "contestant": "t1", "problem": "A", "time_ms": 1.5, "verdict": "AC"}"#;
    refused(&["call", "scoreboard.compute", "-f", &board(run)], 64, &["runs[0].time_ms"]);
    let run = r#"{"id": "r1", "contestant": "t9", "problem": "A", "time_ms": 1, "verdict": "AC"}"#;
    refused(&["call", "scoreboard.compute", "-f", &board(run)], 64, &["runs[0].contestant", "t9"]);
    let run = r#"{"id": "r1", "contestant": "t1", "problem": "A", "time_ms": 1, "verdict": "AC", "tiem": 1}"#;
    refused(&["call", "scoreboard.compute", "-f", &board(run)], 64, &["unknown field `tiem`"]);
}
