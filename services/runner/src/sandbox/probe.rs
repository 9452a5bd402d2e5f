//! Sees whether the sandbox contains, before anything is judged in it.

use std::{net::TcpListener, path::Path, time::Duration};

use super::{Access, Command, End, Limits, Sandbox, SandboxError, bubblewrap};

/// Prints a line for everything that works and should not.
const ATTACKS: &str = r#"
import errno, os, socket, sys

def attack(what, action):
    try:
        action()
    except OSError:
        return
    print(what)

def write(path):
    with open(path, "ab") as file:
        file.write(b"")

def connect():
    socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1).close()

def processes():
    for _ in range(200):
        if os.fork() == 0:
            os._exit(0)

attack("it reaches the host's loopback", connect)
for path in ["/root", "/home", "/etc/passwd", "/var", "/run", "/sys", sys.argv[2]]:
    attack("it sees " + path, lambda: os.stat(path))
for path in ["/usr/probe", "/box/probe", "/probe", "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger"]:
    attack("it can write " + path, lambda: write(path))
attack("it can start any number of processes", processes)
if os.getuid() == 0:
    print("it is root")
for line in open("/proc/self/status"):
    if line.startswith(("CapEff", "CapPrm", "CapBnd")) and int(line.split()[1], 16):
        print("it has capabilities: " + line.strip())
print("done")
"#;

const LIMITS: Limits = Limits {
    cpu: Duration::from_secs(10),
    wall: Duration::from_secs(20),
    memory_bytes: 256 << 20,
    file_bytes: 64 << 10,
    tmp_bytes: 1 << 20,
    processes: 16,
};

/// Runs the attacks inside.
pub(super) async fn probe(sandbox: &Sandbox) -> Result<(), SandboxError> {
    if !Path::new(bubblewrap::BWRAP).exists() {
        let missing = format!("{} is missing: install the package bubblewrap", bubblewrap::BWRAP);
        return Err(SandboxError::NotStarted(missing));
    }
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|error| SandboxError::io("a port to probe", error))?;
    let port = listener.local_addr().map_err(|error| SandboxError::io("a port to probe", error))?.port();
    let scratch = sandbox.scratch()?;
    scratch.put("probe.py", ATTACKS.as_bytes())?;
    let output = scratch.output()?;
    let command = Command {
        program: "/usr/bin/python3".to_owned(),
        args: vec![
            "-I".to_owned(),
            "/box/probe.py".to_owned(),
            port.to_string(),
            scratch.files().display().to_string(),
        ],
        access: Access::Read,
        stdin: None,
        stdout: Some(output.clone()),
        limits: LIMITS,
    };
    let outcome = sandbox.run(&scratch, &command).await?;
    let printed = std::fs::read_to_string(&output).map_err(|error| SandboxError::io("the probe's output", error))?;
    match (outcome.end, printed.trim()) {
        (End::Exited(0), "done") => Ok(()),
        (End::Exited(0), breaches) => {
            Err(SandboxError::NotContained(breaches.trim_end_matches("done").trim().replace('\n', ", ")))
        }
        (end, _) => Err(SandboxError::NotContained(format!("the probe did not end well: {end:?} {}", outcome.stderr))),
    }
}
