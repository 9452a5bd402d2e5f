use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    process::{Child, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use warren_rabbitmq::{Node, NodeOptions, testing::skip_without_rabbitmq};

use super::program::{Ended, example, warren};

/// A `warren serve` of its own process.
struct Served(Child);

impl Served {
    fn start(folder: &std::path::Path, url: &str, arguments: &[&str], instances: usize) -> Self {
        let mut command = warren(folder);
        command.args(["--url", url, "serve"]).args(arguments).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        for _ in 0..instances {
            let line = lines.next().expect("serve goes on").unwrap();
            assert!(line.starts_with("serving as "), "{line}");
        }
        std::thread::spawn(move || lines.for_each(drop));
        Self(child)
    }

    /// Asks it to stop, and waits.
    fn terminate(mut self) -> i32 {
        kill(Pid::from_raw(self.0.id().cast_signed()), Signal::SIGTERM).unwrap();
        self.0.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // On the way out of a failed test.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn forty_submissions_are_spread_over_four_runners() {
    if skip_without_rabbitmq() {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let node = runtime.block_on(Node::start(NodeOptions::default())).unwrap();
    let url = node.url();
    let folder = tempfile::tempdir().unwrap();
    let grading = Served::start(folder.path(), &url, &["grading"], 1);
    let runners = Served::start(folder.path(), &url, &["runner", "--instances", "4"], 4);

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
    drop(node);
}

#[test]
fn a_lost_broker_ends_serve_with_8() {
    if skip_without_rabbitmq() {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let node = runtime.block_on(Node::start(NodeOptions::default())).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut served = Served::start(folder.path(), &node.url(), &["calculator"], 1);
    runtime.block_on(node.kill()).unwrap();
    assert_eq!(served.0.wait().unwrap().code(), Some(8));
}
