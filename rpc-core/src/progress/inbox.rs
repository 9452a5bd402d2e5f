//! What a caller holds of a call's progress: at most a window of items, all of one run of the handler. No I/O.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use dashmap::DashMap;
use futures::task::AtomicWaker;
use lapin::types::ShortString;
use tokio::sync::Notify;

use super::{PROGRESS_WINDOW_MAX, ProgressError};
use crate::wire::{ItemBody, Progress, RunId};

/// Most runs that wait to be told that nobody reads them; what is beyond waits for its deadline.
const RELEASES_MAX: usize = 16;

/// Most runs of one attempt that are told apart from a new one. A request is rarely handed out twice.
const PAST_MAX: usize = 16;

/// The inboxes of a connection, by the numbers of their attempts.
#[derive(Debug, Default)]
pub(crate) struct Readers(DashMap<u64, Arc<Inbox>>);

/// An inbox that gets what comes for an attempt, until it is dropped.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    readers: &'a Readers,
    number: u64,
}

impl Readers {
    pub(crate) fn register(&self, number: u64, inbox: &Arc<Inbox>) -> Reader<'_> {
        self.0.insert(number, Arc::clone(inbox));
        Reader { readers: self, number }
    }

    /// A progress message has come for an attempt.
    pub(crate) fn deliver(&self, number: u64, progress: Progress) {
        // Within the map's lock: what an attempt gets, it gets before it ends.
        match self.0.get(&number) {
            Some(inbox) => inbox.deliver(progress),
            None => tracing::debug!("progress came after its call had ended"),
        }
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        self.readers.0.remove(&self.number);
    }
}

/// The items of a call that are not read, and what its instance is to be told.
#[derive(Debug)]
pub(crate) struct Inbox {
    window: u32,
    state: Mutex<State>,
    /// Who reads.
    reader: AtomicWaker,
    /// Something is to be told.
    due: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// The attempt's correlation id.
    attempt: Option<ShortString>,
    /// The run that is read, once it is known.
    run: Option<RunId>,
    /// Those that are not read any more.
    past: VecDeque<RunId>,
    next_seq: u64,
    items: VecDeque<Entry>,
    /// How many were read, or lost, and there is no new credit for them yet.
    owed: u32,
    releases: Vec<Grant>,
    /// Whether an item was read since the last [`ProgressError::Restarted`].
    has_read: bool,
    is_restarted: bool,
    /// Nobody will read any more.
    is_discarding: bool,
    is_ended: bool,
}

#[derive(Debug)]
struct Entry {
    /// How many were lost before it.
    missed: u64,
    item: ItemBody,
}

/// What an instance is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    /// The attempt's correlation id.
    pub(crate) attempt: ShortString,
    /// None: whichever it is.
    pub(crate) run: Option<RunId>,
    /// 0: nobody reads it any more.
    pub(crate) credit: u32,
}

impl Inbox {
    /// At most `window` items are on their way and unread; 0 counts as 1.
    pub(crate) fn new(window: u32) -> Self {
        let window = window.clamp(1, PROGRESS_WINDOW_MAX);
        Self { window, state: Mutex::default(), reader: AtomicWaker::new(), due: Notify::new() }
    }

    /// An attempt begins. The credit of its request, if any progress is wanted.
    pub(crate) fn begin(&self, attempt: ShortString) -> Option<u32> {
        let mut state = self.lock();
        state.start_over();
        state.run = None;
        state.past.clear();
        state.attempt = Some(attempt);
        let credit = (!state.is_discarding).then_some(self.window);
        drop(state);
        self.reader.wake();
        credit
    }

    /// The connection of the attempt is lost. Its handler must not wait for a reader.
    pub(crate) fn lose(&self) {
        self.lock().release();
    }

    fn deliver(&self, Progress { run, seq, item }: Progress) {
        let mut state = self.lock();
        if state.run.as_ref() != Some(&run) {
            if state.past.contains(&run) {
                return tracing::debug!("progress came of a run that is not read any more");
            }
            state.switch_to(run);
            if state.is_discarding {
                state.release();
            }
        }
        if seq < state.next_seq {
            return tracing::debug!(seq, "progress came twice");
        }
        if !state.is_discarding {
            if state.items.len() >= self.window as usize {
                return tracing::warn!(seq, "progress came for which there was no credit: it is lost");
            }
            let missed = seq - state.next_seq;
            state.items.push_back(Entry { missed, item });
        }
        state.next_seq = seq.saturating_add(1);
        drop(state);
        self.due.notify_one();
        self.reader.wake();
    }

    /// The next item, or what is to be known before it. None after the call's end.
    pub(crate) fn poll(&self, context: &mut Context<'_>) -> Poll<Option<Result<ItemBody, ProgressError>>> {
        // Before the look: what comes meanwhile wakes.
        self.reader.register(context.waker());
        let mut state = self.lock();
        let next = state.next(self.window);
        let is_due = state.is_due(self.window);
        let is_ended = state.is_ended;
        drop(state);
        if is_due {
            self.due.notify_one();
        }
        match next {
            Some(next) => Poll::Ready(Some(next)),
            None if is_ended => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    /// From now on nobody reads: the handler goes on without it.
    pub(crate) fn discard(&self) {
        let mut state = self.lock();
        state.is_discarding = true;
        state.items.clear();
        if state.run.is_some() {
            state.release();
        }
        drop(state);
        self.due.notify_one();
    }

    /// The call has ended.
    pub(crate) fn end(&self) {
        self.lock().is_ended = true;
        self.reader.wake();
    }

    /// Waits for what an instance is to be told.
    ///
    /// Cancel safe.
    pub(crate) async fn due(&self) -> Grant {
        loop {
            if let Some(grant) = self.lock().take_due(self.window) {
                return grant;
            }
            self.due.notified().await;
        }
    }

    /// Where the instance that handles the attempt takes credit and cancels, once it is known.
    pub(crate) fn control_queue(&self) -> Option<ShortString> {
        self.lock().run.as_ref()?.control_queue.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Another run begins: nothing of the one before is read any more.
    fn start_over(&mut self) {
        self.items.clear();
        (self.next_seq, self.owed) = (0, 0);
        self.is_restarted |= std::mem::take(&mut self.has_read);
    }

    /// Another run of the same attempt is read from now on: of two that go on together, the one that began last.
    fn switch_to(&mut self, run: RunId) {
        if self.run.is_some() {
            self.release();
            self.start_over();
        }
        if let Some(past) = self.run.replace(run) {
            if self.past.len() >= PAST_MAX {
                self.past.pop_front();
            }
            self.past.push_back(past);
        }
    }

    /// The run, or the attempt whose run is not known, is not read any more.
    fn release(&mut self) {
        if let Some(attempt) = self.attempt.clone()
            && self.releases.len() < RELEASES_MAX
        {
            self.releases.push(Grant { attempt, run: self.run.clone(), credit: 0 });
        }
    }

    fn next(&mut self, window: u32) -> Option<Result<ItemBody, ProgressError>> {
        if std::mem::take(&mut self.is_restarted) {
            return Some(Err(ProgressError::Restarted));
        }
        let missed = std::mem::take(&mut self.items.front_mut()?.missed);
        self.has_read = true;
        let count = if missed > 0 { missed } else { 1 };
        // What was lost took credit too. Never more than there was.
        self.owed = u32::try_from(count).unwrap_or(window).saturating_add(self.owed).min(window);
        if missed > 0 {
            return Some(Err(ProgressError::Missed { count: missed }));
        }
        self.items.pop_front().map(|entry| Ok(entry.item))
    }

    /// Whether there is something to tell: a release, or credit for half of the window.
    fn is_due(&self, window: u32) -> bool {
        let is_credit_due = self.owed >= window.div_ceil(2) && !self.is_discarding;
        !self.releases.is_empty() || is_credit_due
    }

    fn take_due(&mut self, window: u32) -> Option<Grant> {
        if !self.is_due(window) {
            return None;
        }
        if let Some(release) = self.releases.pop() {
            return Some(release);
        }
        // Whoever does not say where cannot be given more.
        self.run.as_ref()?.control_queue.as_ref()?;
        let (attempt, run) = (self.attempt.clone()?, self.run.clone());
        Some(Grant { attempt, run, credit: std::mem::take(&mut self.owed) })
    }
}

#[cfg(test)]
mod tests;
