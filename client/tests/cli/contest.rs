use std::path::Path;

use serde_json::json;

use super::program::{Platform, example, warren};

#[test]
fn a_submission_is_judged_and_answered_with_groups_and_cases() {
    let platform = Platform::shared();
    platform.json(&["problem", "import", &example("problems/sum"), "--name", "adding"]);
    let source = example("submissions/sum/nino.AC.py");
    let judged = platform.json(&["submit", "adding", &source, "--wait"]);
    let judgement = &judged["judgement"];
    assert_eq!((&judgement["verdict"], &judgement["score"]), (&json!("AC"), &json!(1)), "{judged}");
    assert!(judgement["time_ms"].as_u64().unwrap() > 0 && judgement["memory_bytes"].as_u64().unwrap() > 0, "{judged}");
    assert!(judgement["groups"][0]["cases"][0]["verdict"] == "AC", "{judged}");
    let wrong = platform.json(&["submit", "adding", &example("submissions/sum/olga.CE.c"), "--wait"]);
    assert_eq!(wrong["judgement"]["verdict"], "CE");
    assert!(wrong["judgement"]["message"].as_str().unwrap().contains("error"), "{wrong}");
}

#[test]
fn a_certificate_is_the_same_again_when_asked_again() {
    let platform = Platform::shared();
    let issue = |title: &str| {
        let title = format!("contest_title={title}");
        platform.json(&[
            "call",
            "certificates.issue",
            "contest=cup",
            &title,
            "person=ana",
            "name=Ána Ñandú",
            "place:=1",
        ])
    };
    let first = issue("The Cup");
    assert_eq!(issue("Another name"), first, "what is printed stays as it was");
    let code = first["code"].as_str().unwrap();
    let out = platform.file("certificate.pdf", b"");
    platform.json(&["certificate", code, "--out", &out]);
    let pdf = std::fs::read(&out).unwrap();
    assert!(pdf.starts_with(b"%PDF-"));
    let argument = format!("code={}", code.to_lowercase());
    assert_eq!(platform.json(&["call", "certificates.verify", &argument])["valid"], true);
}

#[test]
fn the_demo_judges_scores_and_certifies() {
    let folder = tempfile::tempdir().unwrap();
    let output = warren(folder.path()).current_dir(folder.path()).arg("demo").output().unwrap();
    let (told, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{told}\n{stderr}");
    for verdict in ["AC", "PA", "WA", "OLE", "TLE", "RTE", "MLE", "CE"] {
        assert!(told.contains(&format!(" {verdict} ")), "no {verdict} in\n{told}");
    }
    for part in ["The final board", "Łukasz Żółkiewski", "demo-out/wei.pdf"] {
        assert!(told.contains(part), "{part:?} is missing in\n{told}");
    }
    assert!(Path::new(&folder.path().join("demo-out/taro.pdf")).metadata().unwrap().len() > 1000);
}
