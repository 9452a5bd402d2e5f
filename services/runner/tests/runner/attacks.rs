//! Programs that try to get out, to stay, or to take the machine with them.

use std::{
    fs,
    net::TcpListener,
    os::unix::{fs::MetadataExt, process::CommandExt},
    process::Child,
};

use warren_runner::sandbox::{Access, Command, End, Scratch};

use super::harness::{eventually, mark, marked, python, run_python, sandbox};

/// Prints a line for each attempt that works.
const TRY: &str = r#"
import ctypes, os, socket
def attempt(what, action):
    try:
        action()
    except (OSError, PermissionError):
        return
    print(what)
libc = ctypes.CDLL(None, use_errno=True)
def checked(result):
    if result == -1:
        raise OSError(ctypes.get_errno())
"#;

async fn what_works(attempts: &str) -> String {
    let scratch = sandbox().await.scratch().unwrap();
    let (outcome, printed) = run_python(&scratch, &format!("{TRY}{attempts}\nprint('done')")).await;
    assert_eq!(outcome.end, End::Exited(0), "{outcome:?}");
    printed.strip_suffix("done\n").expect("it came to its end").to_owned()
}

#[tokio::test]
async fn the_network_is_out_of_reach() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let attempts = format!(
        "attempt('loopback', lambda: socket.create_connection(('127.0.0.1', {port}), 2))
attempt('outside', lambda: socket.create_connection(('1.1.1.1', 53), 2))
attempt('raw', lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))"
    );
    assert_eq!(what_works(&attempts).await, "");
}

#[tokio::test]
async fn the_hosts_files_are_not_there() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    let attempts = format!(
        "hidden = ['/etc/passwd', '/etc/shadow', '/root', '/home', '/var', '/sys', '/run', '/dev/shm', '/dev/tty']
for path in hidden + ['{}', '{}']:
    attempt(path, lambda: os.stat(path))",
        secret.path().display(),
        env!("CARGO_MANIFEST_DIR"),
    );
    assert_eq!(what_works(&attempts).await, "");
}

#[tokio::test]
async fn nothing_can_be_written_but_the_temporary_folder() {
    let attempts = "
def write(path):
    with open(path, 'ab') as file: file.write(b'x')
settings = ['/proc/sys/kernel/core_pattern', '/proc/sys/vm/drop_caches']
for path in ['/x', '/dev/x', '/usr/x', '/box/x', '/proc/x'] + settings:
    attempt(path, lambda: write(path))
attempt('temporary', lambda: write('/tmp/x'))
def fill():
    for number in range(100):
        with open(f'/tmp/{number}', 'wb') as file: file.write(bytes(1 << 19))
attempt('fill', fill)";
    assert_eq!(what_works(attempts).await, "temporary\n");
}

#[tokio::test]
async fn privileges_cannot_be_gained() {
    let attempts = "
CLONE_NEWUSER = 0x10000000
attempt('user namespace', lambda: checked(libc.unshare(CLONE_NEWUSER)))
attempt('mount', lambda: checked(libc.mount(b'none', b'/tmp', b'tmpfs', 0, None)))
attempt('become root', lambda: os.setuid(0))
attempt('chroot', lambda: os.chroot('/tmp'))
import resource
for limit in [resource.RLIMIT_NPROC, resource.RLIMIT_AS, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE]:
    def raise_limit():
        try: resource.setrlimit(limit, (1 << 50, 1 << 50))
        except ValueError as error: raise OSError(error)
    attempt('raise a limit', raise_limit)
if os.getuid() == 0: print('be root')";
    assert_eq!(what_works(attempts).await, "");
}

#[tokio::test]
async fn only_the_three_standard_files_are_open() {
    assert_eq!(
        what_works("print(sorted(int(name) for name in os.listdir('/proc/self/fd'))[:-1])").await,
        "[0, 1, 2]\n"
    );
}

#[tokio::test]
async fn killing_everybody_reaches_nobody_outside() {
    let scratch = sandbox().await.scratch().unwrap();
    let mut canary = canary(&scratch);
    let canary_id = canary.id().to_string();
    for target in ["-1", "0", "os.getppid()", "1", &canary_id, &format!("-{canary_id}")] {
        let (outcome, _) = run_python(&scratch, &format!("import os, signal; os.kill({target}, signal.SIGKILL)")).await;
        assert!(matches!(outcome.end, End::Exited(_)), "{target}: {outcome:?}");
        assert_eq!(canary.try_wait().unwrap(), None, "{target}: the canary lives");
    }
    canary.kill().unwrap();
    canary.wait().unwrap();
}

/// A process outside, in a group of its own, and the box's own user, so that user ids do not protect it.
fn canary(scratch: &Scratch) -> Child {
    let files = scratch.output().unwrap().with_file_name("files");
    let user = fs::metadata(files).unwrap().uid();
    std::process::Command::new("/usr/bin/sleep").arg("60").uid(user).process_group(0).spawn().unwrap()
}

#[tokio::test]
async fn a_fork_bomb_ends_and_leaves_nothing() {
    let mark = mark();
    let bomb = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass";
    let scratch = sandbox().await.scratch().unwrap();
    let outcome = sandbox().await.run(&scratch, &python(bomb, &mark)).await.unwrap();
    assert!(matches!(outcome.end, End::Killed(_)), "{outcome:?}");
    assert_eq!(marked(&mark, None), [0; 0]);
}

#[tokio::test]
async fn a_process_that_hides_from_its_parent_is_gone_with_it() {
    let mark = mark();
    let daemon = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: time.sleep(1000)";
    let scratch = sandbox().await.scratch().unwrap();
    let outcome = sandbox().await.run(&scratch, &python(daemon, &mark)).await.unwrap();
    assert_eq!(outcome.end, End::Exited(0));
    assert_eq!(marked(&mark, None), [0; 0]);
}

#[tokio::test]
async fn a_link_left_in_the_box_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("kept"), "kept").unwrap();
    let scratch = sandbox().await.scratch().unwrap();
    let plant = format!("import os; os.symlink('{0}', 'main'); os.symlink('{0}', 'output')", folder.path().display());
    let planting = Command { access: Access::Write, ..python(&plant, "") };
    let outcome = sandbox().await.run(&scratch, &planting).await.unwrap();
    assert_eq!(outcome.end, End::Exited(0), "{outcome:?}");
    let (_, printed) = run_python(&scratch, "print('fresh')").await;
    assert_eq!(printed, "fresh\n");
    drop(scratch);
    assert_eq!(fs::read_to_string(folder.path().join("kept")).unwrap(), "kept");
}

#[tokio::test]
async fn a_box_leaves_no_file_behind() {
    let scratch = sandbox().await.scratch().unwrap();
    let output = scratch.output().unwrap();
    let folder = output.parent().unwrap().to_owned();
    drop(scratch);
    eventually("the folder is gone", async || !folder.exists()).await;
}
