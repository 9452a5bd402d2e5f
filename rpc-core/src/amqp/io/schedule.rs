//! How the kernel schedules a connection's thread.
//!
//! By default a thread that is woken interrupts one that runs. With broker and callers on all cores that is the worst
//! of times: the thread reads two or three frames, answers them, sleeps, and is woken for the next ones; each wake-up
//! costs as much as the work. Under `SCHED_BATCH` (`man 7 sched`) it has the same share of the processor, and waits for
//! its turn, a few milliseconds at most; meanwhile more arrives. On an idle core nothing changes.

/// Lets the calling thread wait for its turn, unless somebody has chosen how it is scheduled.
#[cfg(target_os = "linux")]
pub(super) fn wait_for_turns() {
    use thread_priority::{
        NormalThreadSchedulePolicy::{Batch, Other},
        ThreadPriority,
        ThreadSchedulePolicy::Normal,
        set_thread_priority_and_policy, thread_native_id, thread_schedule_policy,
    };

    let is_chosen = !matches!(thread_schedule_policy(), Ok(Normal(Other)));
    if is_chosen || niceness() != Some(0) {
        return; // the call below would also set the niceness to 0
    }
    let unchanged = ThreadPriority::Os(Default::default());
    if let Err(error) = set_thread_priority_and_policy(thread_native_id(), unchanged, Normal(Batch)) {
        tracing::debug!(%error, "a connection's thread is scheduled as others are");
    }
}

/// Other systems have nothing like it.
#[cfg(not(target_os = "linux"))]
pub(super) fn wait_for_turns() {}

#[cfg(target_os = "linux")]
fn niceness() -> Option<i32> {
    rustix::process::getpriority_process(None).ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::thread;

    use thread_priority::{NormalThreadSchedulePolicy, ThreadSchedulePolicy, thread_schedule_policy};

    use super::*;

    #[test]
    fn a_thread_waits_for_its_turns_and_others_are_as_they_were() {
        let policy = || thread_schedule_policy().expect("a policy");
        let (before, niceness_before) = (policy(), niceness());
        let scheduled = thread::spawn(move || {
            wait_for_turns();
            (policy(), niceness())
        });
        let (after, niceness_after) = scheduled.join().expect("it ends");
        let is_default = before == ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Other);
        let batch = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Batch);
        assert_eq!(after, if is_default && niceness_before == Some(0) { batch } else { before });
        assert_eq!((policy(), niceness()), (before, niceness_before));
        assert_eq!(niceness_after, niceness_before);
    }
}
