use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    path::Path,
    process::Stdio,
};

use serde_json::Value;
use warren_testing::{OwnOptions, own_broker};

use super::program::{Ended, Process, example, warren};

/// Starts a `warren serve`, and returns when its instances serve.
fn serve(folder: &Path, url: &str, arguments: &[&str], instances: usize) -> Process {
    let mut command = warren(folder);
    command.args(["--url", url, "serve"]).args(arguments).stderr(Stdio::piped());
    let mut process = Process(command.spawn().unwrap());
    let mut lines = BufReader::new(process.0.stderr.take().unwrap()).lines();
    for _ in 0..instances {
        let line = lines.next().expect("serve goes on").unwrap();
        assert!(line.starts_with("serving as "), "{line}");
    }
    std::thread::spawn(move || lines.for_each(drop));
    process
}

#[test]
fn forty_submissions_are_spread_over_four_runners() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let Some(broker) = runtime.block_on(warren_testing::broker("spread")) else { return };
    let url = broker.url.clone();
    let folder = tempfile::tempdir().unwrap();
    let grading = serve(folder.path(), &url, &["grading"], 1);
    let runners = serve(folder.path(), &url, &["runner", "--instances", "4"], 4);

    let run = |arguments: &[&str]| -> Value {
        let output = warren(folder.path()).args(["--url", &url, "-o", "json"]).args(arguments).output().unwrap();
        let ended = Ended::from(output);
        assert_eq!(ended.code, 0, "{arguments:?}: {}", ended.stderr);
        serde_json::from_str(&ended.stdout).unwrap()
    };
    run(&["problem", "import", &example("problems/sum")]);
    let source = example("submissions/sum/nino.AC.py");
    let submissions: Vec<Value> = (0..40).map(|_| run(&["submit", "sum", &source])).collect();
    let mut judged_by = BTreeMap::<String, usize>::new();
    for submission in submissions {
        let argument = format!("submission={}", submission["submission"].as_str().unwrap());
        let judged = run(&["call", "grading.wait", &argument, "--timeout", "2m"]);
        assert_eq!(judged["judgement"]["verdict"], "AC", "{judged}");
        *judged_by.entry(judged["judgement"]["judged_by"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    assert_eq!(judged_by.len(), 4, "{judged_by:?}");
    assert!(judged_by.values().all(|&runs| runs >= 5), "{judged_by:?}");
    assert_eq!((runners.terminate(), grading.terminate()), (0, 0), "a stop in order is a success");
}

#[test]
fn serve_outlives_a_restart_of_its_broker() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let Some(broker) = runtime.block_on(own_broker(OwnOptions::default())) else { return };
    let folder = tempfile::tempdir().unwrap();
    let served = serve(folder.path(), &broker.url, &["calculator"], 1);
    runtime.block_on(broker.restart());
    let call = ["--url", &broker.url, "--timeout", "60s", "call", "calculator.sum", "a:=2", "b:=3"];
    let ended = Ended::from(warren(folder.path()).args(call).output().unwrap());
    assert_eq!((ended.stdout.trim(), ended.code), ("5", 0), "{}", ended.stderr);
    assert_eq!(served.terminate(), 0);
}
