use std::time::{Duration, Instant};

use serde_json::json;

use super::program::{Platform, warren};

#[test]
fn a_call_prints_its_reply_and_nothing_else() {
    let platform = Platform::shared();
    let sum = platform.run(&["call", "calculator.sum", "a:=2", "b:=3"]);
    assert_eq!((sum.code, sum.stdout.as_str(), sum.stderr.as_str()), (0, "5\n", ""));
    assert_eq!(platform.run(&["call", "calculator.mean", "[10,20,30,40]"]).stdout, "25.0\n");
    let person = platform.json(&["call", "calculator.lookup", "nome=joao"]);
    assert_eq!(person, json!({"idade": 22, "cidade": "São Paulo"}));
}

#[test]
fn the_repl_runs_a_pipes_lines_and_ends_with_the_first_failure() {
    let platform = Platform::shared();
    let lines = "# a comment\ncalculator.sum a:=2 b:=3\ncalculator.sum a:=2\n\ncalculator.mean [1, 2] -o json\n";
    let url = platform.url();
    let ended = platform.run_with_input(&["--url", &url], lines);
    assert_eq!(ended.stdout, "5\n1.5\n", "what comes after a failure is still run");
    assert_eq!(ended.code, 64, "{}", ended.stderr);
    assert!(ended.stderr.contains("error[invalid_argument]: missing field `b`"), "{}", ended.stderr);
}

#[test]
fn requests_come_from_files_and_standard_input() {
    let platform = Platform::shared();
    let file = platform.file("sum.json", br#"{"a": 1, "b": 0.5}"#);
    assert_eq!(platform.run(&["call", "calculator.sum", "-f", &file]).stdout, "1.5\n");
    assert_eq!(platform.run_with_input(&["call", "calculator.sum", "-"], r#"{"a":1,"b":2}"#).stdout, "3\n");
}

#[test]
fn an_unknown_method_is_unroutable_at_once_and_told_near_names() {
    let platform = Platform::shared();
    // Ten seconds is the deadline; a broker's return takes milliseconds. The bound is wide, for machines are loaded.
    let started = Instant::now();
    let ended = platform.run(&["call", "calculator.summ"]);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!((ended.code, ended.stdout.as_str()), (5, ""));
    assert!(ended.stderr.contains("did you mean calculator.sum"), "{}", ended.stderr);
    let ended = platform.run(&["call", "nosuch.method", "-o", "json"]);
    let told: serde_json::Value = serde_json::from_str(&ended.stderr).unwrap();
    assert_eq!((ended.code, &told["error"]["code"], &told["error"]["exit"]), (5, &json!("unroutable"), &json!(5)));
}

#[test]
fn without_a_broker_it_ends_6_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["call", "calculator.sum"][..], &["--url", "amqp://127.0.0.1:1", "call", "calculator.sum"]] {
        let output = warren(folder.path()).args(arguments).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(6), "{told}");
        assert!(told.contains("hint: ") && told.contains("--embedded"), "{told}");
    }
}

#[test]
fn a_typing_error_is_reported_in_the_form_that_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let output = warren(folder.path()).args(["-o", "json", "sumbit"]).env("WARREN_URL", "").output().unwrap();
    let told: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!((output.status.code(), &told["error"]["code"]), (Some(2), &json!("usage")), "{told}");
    assert!(told["error"]["message"].as_str().unwrap().contains("sumbit"), "{told}");
}

#[test]
fn an_embedded_call_ends_as_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let output = warren(folder.path()).args(["--embedded", "call", "nosuch.method"]).output().unwrap();
    assert_eq!(output.status.code(), Some(5), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn methods_are_listed_one_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let output = warren(folder.path()).arg("methods").output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    assert!(lines.lines().any(|line| line.contains("\"scoreboard.compute\"")), "{lines}");
}
