//! amqplib of Node.js: its own tests, as they come in its package.

use std::path::PathBuf;

use tokio::process::Command;

use crate::stage::{Stage, folder, on_both, run};

on_both!(amqplibs_own_tests);

/// A `node_modules` with the packages of `node/package.json`, as `cargo xtask test` sets it.
const MODULES: &str = "WARREN_NODE_MODULES";

async fn amqplibs_own_tests(stage: &Stage) {
    let Some(modules) = std::env::var_os(MODULES) else {
        return warren_debian::skip_test(&format!("{MODULES} names no directory with amqplib"));
    };
    let tests = PathBuf::from(modules).join("amqplib").join("test");
    let mut files: Vec<PathBuf> = std::fs::read_dir(tests).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "js"));
    let mut node = Command::new("node");
    node.arg("--require").arg(folder("node").join("redirect.cjs")).args(["--test-reporter=tap", "--test"]).args(files);
    // Both end in the vhost; `URL` is what some of the tests read themselves.
    let (_, printed) = run(node.env("AMQP_URL", &stage.url).env("URL", &stage.url)).await;
    let passed = printed.lines().find_map(|line| line.strip_prefix("# pass ")).expect("a summary");
    assert!(passed.parse::<usize>().unwrap() >= 200, "only {passed} tests of amqplib ran\n{printed}");
    // It looks whether the server's product is RabbitMQ.
    let expected: &[&str] = if stage.broker.is_some() { &["serverProperties"] } else { &[] };
    assert_eq!(failures(&printed), expected, "{printed}");
}

/// The names of the tests that failed by themselves, and not because one in them did.
fn failures(tap: &str) -> Vec<&str> {
    let reports = tap.split("not ok ").skip(1);
    let of_itself = reports.filter(|report| {
        let details = report.split("...").next().unwrap_or(report);
        !details.contains("failureType: 'subtestsFailed'")
    });
    let heads = of_itself.filter_map(|report| report.lines().next());
    heads.map(|line| line.split_once(" - ").map_or(line, |(_, name)| name)).collect()
}
