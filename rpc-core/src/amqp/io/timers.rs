//! The timers of a connection's thread: lapin's heartbeat, and acks that are held. Not tokio's, whose timers panic when
//! the runtime ends before the connection does.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use super::Shared;

/// Who is to be woken when. A few at a time.
#[derive(Debug, Default)]
pub(super) struct Timers(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    waiting: Vec<(Instant, Waker)>,
    /// Whether nobody looks at the timers any more: then no time is waited for.
    over: bool,
}

impl Timers {
    /// How long until the next one; none: for ever.
    pub(super) fn remaining(&self) -> Option<Duration> {
        let next = self.lock().waiting.iter().map(|(at, _)| *at).min()?;
        Some(next.saturating_duration_since(Instant::now()))
    }

    /// Wakes whose time has come.
    pub(super) fn fire(&self) {
        let due: Vec<_> = {
            let mut state = self.lock();
            if state.waiting.is_empty() {
                return;
            }
            let now = Instant::now();
            state.waiting.extract_if(.., |(at, _)| *at <= now).collect()
        };
        due.into_iter().for_each(|(_, waker)| waker.wake());
    }

    /// Wakes all: nobody will look again.
    pub(super) fn end(&self) {
        let waiting = {
            let mut state = self.lock();
            state.over = true;
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(|(_, waker)| waker.wake());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits on a connection's thread.
pub(crate) struct Sleep {
    until: Instant,
    shared: Arc<Shared>,
    /// Whether it has waited for the others, after the end.
    has_yielded: bool,
}

impl Sleep {
    pub(super) fn new(until: Instant, shared: Arc<Shared>) -> Self {
        Self { until, shared, has_yielded: false }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.timers.lock();
        if self.until <= Instant::now() || (state.over && self.has_yielded) {
            return Poll::Ready(());
        }
        if state.over {
            drop(state);
            // Others have their turn first: a heartbeat looks for the connection's end, which another task is to note.
            self.has_yielded = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        match state.waiting.iter_mut().find(|(at, waker)| *at == self.until && waker.will_wake(context.waker())) {
            Some(_) => {}
            None => state.waiting.push((self.until, context.waker().clone())),
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;
    use crate::amqp::io::Io;

    #[derive(Default)]
    struct Counter(AtomicUsize);

    impl Wake for Counter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[tokio::test]
    async fn a_sleeper_is_woken_once_and_then_has_slept() {
        let (Io(shared), _tasks) = Io::new();
        let counter = Arc::new(Counter::default());
        let waker = Waker::from(Arc::clone(&counter));
        let mut context = Context::from_waker(&waker);
        let until = Instant::now() + Duration::from_millis(5);
        let mut sleep = Sleep::new(until, Arc::clone(&shared));
        assert!(Pin::new(&mut sleep).poll(&mut context).is_pending());
        assert!(Pin::new(&mut sleep).poll(&mut context).is_pending());
        shared.timers.fire();
        assert_eq!(counter.0.load(Ordering::SeqCst), 0);
        std::thread::sleep(shared.timers.remaining().unwrap());
        shared.timers.fire();
        assert_eq!(counter.0.load(Ordering::SeqCst), 1);
        assert!(Pin::new(&mut sleep).poll(&mut context).is_ready());
        assert_eq!(shared.timers.remaining(), None);
    }

    #[tokio::test]
    async fn nobody_sleeps_when_nobody_would_wake_them() {
        let (Io(shared), _tasks) = Io::new();
        let mut sleep = Sleep::new(Instant::now() + Duration::from_secs(3600), Arc::clone(&shared));
        let counter = Arc::new(Counter::default());
        let waker = Waker::from(Arc::clone(&counter));
        let mut context = Context::from_waker(&waker);
        assert!(Pin::new(&mut sleep).poll(&mut context).is_pending());
        shared.timers.end();
        assert_eq!(counter.0.load(Ordering::SeqCst), 1);
        assert!(Pin::new(&mut sleep).poll(&mut context).is_pending(), "the others come first");
        assert_eq!(counter.0.load(Ordering::SeqCst), 2);
        assert!(Pin::new(&mut sleep).poll(&mut context).is_ready());
    }
}
