//! A short storm: what `cargo xtask storm` does for a minute, in some seconds.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

fn storm(arguments: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_warren-storm")).arg("run").args(arguments).output().unwrap();
    let (counts, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{counts}\n{errors}");
}

#[test]
fn a_short_storm_breaks_no_promise() {
    storm(&["--seed", "3", "--calls", "500", "--seconds", "8"]);
}

#[test]
#[ignore = "long: three minutes, on RabbitMQ"]
fn three_storms_on_rabbitmq_break_no_promise() {
    if !warren_rabbitmq::missing_packages().is_empty() {
        return warren_debian::skip_test("RabbitMQ is not installed");
    }
    for seed in ["1", "2", "3"] {
        storm(&["--seed", seed, "--rabbitmq", "3"]);
    }
}
