use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    path::Path,
    process::Stdio,
};

use nix::sys::signal::Signal;
use serde_json::Value;

use super::program::{Ended, Process, warren};

/// Starts a `warren broker` on a free port, and reads the line that it prints.
fn broker(folder: &Path, flags: &[&str]) -> (Process, String) {
    let mut command = warren(folder);
    command.args(["broker", "--listen", "127.0.0.1:0"]).args(flags).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut process = Process(command.spawn().unwrap());
    let mut line = String::new();
    BufReader::new(process.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (process, line.trim_end().to_owned())
}

fn run(folder: &Path, arguments: &[&str]) -> Ended {
    warren(folder).args(arguments).output().unwrap().into()
}

#[test]
fn a_broker_of_its_own_is_found_by_other_commands_until_it_stops() {
    let folder = tempfile::tempdir().unwrap();
    let (process, url) = broker(folder.path(), &[]);
    assert!(url.starts_with("amqp://guest:guest@127.0.0.1:") && url.ends_with("/%2f"), "{url}");
    let ended = run(folder.path(), &["call", "calculator.sum", "a:=2", "b:=3"]);
    assert_eq!(ended.code, 5, "it runs no services: {}", ended.stderr);
    assert!(ended.stderr.contains("warren serve calculator"), "{}", ended.stderr);
    let connected = run(folder.path(), &["--url", &url, "call", "calculator.sum"]);
    assert_eq!(connected.code, 5, "{}", connected.stderr);
    assert_eq!(process.terminate(), 0, "a stop in order is a success");
    let ended = run(folder.path(), &["call", "calculator.sum"]);
    assert_eq!(ended.code, 6, "{}", ended.stderr);
}

#[test]
fn a_broker_has_the_users_and_vhosts_that_it_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let flags = ["--user", "ana:a b@c", "--user", "joe:x", "--vhost", "tests", "-o", "json"];
    let (process, line) = broker(folder.path(), &flags);
    let printed: Value = serde_json::from_str(&line).unwrap();
    let url = printed["url"].as_str().unwrap();
    assert!(url.starts_with("amqp://ana:a%20b%40c@127.0.0.1:"), "{url}");
    let (_, server) = url.split_once('@').unwrap();
    let vhost = server.replace("%2f", "tests");
    let call = |address: &str| run(folder.path(), &["--url", address, "call", "calculator.sum"]).code;
    assert_eq!(call(&format!("amqp://joe:x@{vhost}")), 5, "only unroutable");
    assert_eq!(call(&format!("amqp://guest:guest@{server}")), 6);
    assert_eq!(call(&format!("amqp://joe:x@{}", server.replace("%2f", "nosuch"))), 6);
    assert_eq!(process.end_by(Signal::SIGINT), 0, "Ctrl-C is how it is meant to end");
}

#[test]
fn a_wrong_flag_of_the_broker_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (flags, told) in [
        (["--listen", taken.as_str()], ["--listen", "in use"]),
        (["--listen", "5672"], ["--listen", "an address is like 127.0.0.1:5672"]),
        (["--listen", "203.0.113.1:5672"], ["--listen", "assign"]),
        (["--user", "ana"], ["--user", "a colon"]),
        (["--vhost", ""], ["--vhost", "1 to 255 bytes"]),
        (["--body-bytes-max", "many"], ["--body-bytes-max", "invalid digit"]),
    ] {
        let ended = run(folder.path(), &[&["broker"], &flags[..]].concat());
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{flags:?}: {}", ended.stderr);
        assert!(told.iter().all(|part| ended.stderr.contains(part)), "{flags:?}: {}", ended.stderr);
    }
    let own = format!("127.0.0.1:{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port());
    let wrong = folder.path().join("wrong.pem").display().to_string();
    std::fs::write(&wrong, "no certificate").unwrap();
    let tls = ["--tls-listen", "127.0.0.1:0", "--tls-key", &wrong, "--tls-certificate"];
    for (flags, told) in [
        (vec!["--http", &taken], "--http"),
        (vec!["--http", &own], "--http"),
        (vec!["--tls-listen", "127.0.0.1:0"], "--tls-certificate"),
        ([&tls[..], &["/nonexistent.pem"]].concat(), "--tls-certificate /nonexistent.pem: No such file"),
        ([&tls[..], &[&wrong]].concat(), "--tls-"),
    ] {
        let ended = run(folder.path(), &[&["broker", "--listen", &own], &flags[..]].concat());
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{flags:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(told), "{flags:?}: {}", ended.stderr);
    }
    let ended = run(folder.path(), &["broker", "--embedded"]);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
}

#[test]
fn a_broker_shows_itself_over_http() {
    let folder = tempfile::tempdir().unwrap();
    let (process, line) = broker(folder.path(), &["--http", "127.0.0.1:0", "-o", "json"]);
    let printed: Value = serde_json::from_str(&line).unwrap();
    let (_, address) = printed["http_url"].as_str().unwrap().split_once('@').unwrap();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.0 200") && answer.contains("rabbitmq_connections"), "{answer}");
    assert_eq!(process.terminate(), 0);
}

#[test]
fn in_a_repl_broker_tells_the_address() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = warren(folder.path());
    let mut repl = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    repl.stdin.as_mut().unwrap().write_all(b"broker\n").unwrap();
    let ended: Ended = repl.wait_with_output().unwrap().into();
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    let (_, url) = ended.stderr.lines().next().unwrap().split_once("development): ").unwrap();
    assert!(ended.stderr.contains(&format!("the broker of this REPL is {url}")), "{}", ended.stderr);
}
