//! Programs that spread or hide what they use.

use std::time::Duration;

use warren_runner::sandbox::{End, Limit};

use super::harness::{python, run_python, sandbox};

#[tokio::test]
async fn memory_spread_over_children_counts_together() {
    let spread = "
import os, time
for _ in range(10):
    if os.fork() == 0:
        x = bytearray(20 << 20)
        time.sleep(1000)
time.sleep(1000)";
    let scratch = sandbox().await.scratch().unwrap();
    let (outcome, _) = run_python(&scratch, spread).await;
    assert_eq!(outcome.end, End::Killed(Limit::Memory), "{outcome:?}");
}

#[tokio::test]
async fn cpu_time_spread_over_children_counts_together() {
    let spread = "
import os
while True:
    if os.fork() == 0:
        for _ in range(10 ** 6): pass
        os._exit(0)
    os.wait()";
    let scratch = sandbox().await.scratch().unwrap();
    let mut command = python(spread, "");
    command.limits.cpu = Duration::from_millis(500);
    let outcome = sandbox().await.run(&scratch, &command).await.unwrap();
    assert_eq!(outcome.end, End::Killed(Limit::Cpu), "{outcome:?}");
    assert!(outcome.cpu > command.limits.cpu, "{outcome:?}");
}

#[tokio::test]
async fn cpu_time_of_children_that_nobody_waits_for_counts() {
    let forgetful = "
import os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for _ in range(60):
    if os.fork() == 0:
        while time.process_time() < 0.05: pass
        os._exit(0)
    try: os.wait()
    except ChildProcessError: pass";
    let scratch = sandbox().await.scratch().unwrap();
    let mut command = python(forgetful, "");
    command.limits.cpu = Duration::from_millis(500);
    let outcome = sandbox().await.run(&scratch, &command).await.unwrap();
    assert_eq!(outcome.end, End::Killed(Limit::Cpu), "{outcome:?}");
    assert!(outcome.cpu > command.limits.cpu, "{outcome:?}");
}

/// Traces process 1 and has it map 64 MiB eight times.
#[cfg(target_arch = "x86_64")]
const HOARD: &str = r#"
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
int main() {
    struct user_regs_struct kept, call;
    if (ptrace(PTRACE_ATTACH, 1, 0, 0)) return 1;
    waitpid(1, NULL, __WALL);
    ptrace(PTRACE_GETREGS, 1, 0, &kept);
    long code = ptrace(PTRACE_PEEKTEXT, 1, kept.rip, 0);
    for (int i = 0; i < 8; i++) {
        call = kept;
        call.rax = SYS_mmap, call.orig_rax = -1;
        call.rdi = 0, call.rsi = 64 << 20, call.rdx = PROT_READ | PROT_WRITE;
        call.r10 = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, call.r8 = -1, call.r9 = 0;
        ptrace(PTRACE_POKETEXT, 1, kept.rip, (code & ~0xffffL) | 0x050f);
        ptrace(PTRACE_SETREGS, 1, 0, &call);
        ptrace(PTRACE_SINGLESTEP, 1, 0, 0);
        waitpid(1, NULL, __WALL);
        ptrace(PTRACE_POKETEXT, 1, kept.rip, code);
    }
    ptrace(PTRACE_SETREGS, 1, 0, &kept);
    ptrace(PTRACE_DETACH, 1, 0, 0);
    puts("5");
}"#;

#[cfg(target_arch = "x86_64")]
#[tokio::test]
async fn memory_that_the_boxs_first_process_is_made_to_take_counts() {
    use warren_proto::grading::{Language, Verdict};

    use super::harness::{judged, package};

    let settings = r#"{"Limits": {"MemoryLimit": "64MiB"}}"#;
    let package = package(&[("cases/1.in", ""), ("cases/1.out", "5"), ("settings.json", settings)]);
    let judgement = judged(&package, Language::C, HOARD).await;
    // Some systems forbid tracing whatever is no descendant.
    let scope = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    let expected = if ["", "0"].contains(&scope.trim()) { Verdict::Mle } else { Verdict::Rte };
    assert_eq!(judgement.verdict, expected, "{judgement:?}");
}
