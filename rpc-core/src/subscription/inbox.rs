//! What has come and is not read: between who consumes and who reads. No I/O. The prefetch bounds it.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

#[derive(Debug)]
pub(super) struct Inbox<T, E>(Mutex<State<T, E>>);

#[derive(Debug)]
struct State<T, E> {
    unread: VecDeque<T>,
    ended: Option<E>,
    reader: Option<Waker>,
}

impl<T, E> Default for Inbox<T, E> {
    fn default() -> Self {
        Self(Mutex::new(State { unread: VecDeque::new(), ended: None, reader: None }))
    }
}

impl<T, E: Clone> Inbox<T, E> {
    pub(super) fn push(&self, message: T) {
        let mut state = self.lock();
        state.unread.push_back(message);
        state.wake();
    }

    /// What was unread: it is not to be read any more.
    pub(super) fn take(&self) -> VecDeque<T> {
        std::mem::take(&mut self.lock().unread)
    }

    /// Nothing more will come.
    pub(super) fn end(&self, error: E) {
        let mut state = self.lock();
        state.ended = Some(error);
        state.wake();
    }

    pub(super) fn ended(&self) -> Option<E> {
        self.lock().ended.clone()
    }

    pub(super) fn poll(&self, context: &mut Context<'_>) -> Poll<Option<T>> {
        let mut state = self.lock();
        if let Some(message) = state.unread.pop_front() {
            return Poll::Ready(Some(message));
        }
        if state.ended.is_some() {
            return Poll::Ready(None);
        }
        state.reader = Some(context.waker().clone());
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, State<T, E>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T, E> State<T, E> {
    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}
