//! A store of replies in memory: for one instance, or all in one process. What it holds is gone with the process, and
//! with it the promise that nothing is done twice.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Begun, CallKey, Committed, ReplyStore, StoreError, StoredAnswer};
use crate::deadline;

/// What a [`MemoryReplyStore`] holds at most.
#[derive(Clone, Copy, Debug)]
pub struct MemoryReplyStoreOptions {
    /// Most calls, answered or running. Default: 100,000.
    pub calls_max: usize,
    /// Most bytes of answers. Default: 64 MiB.
    pub answers_bytes_max: usize,
    /// How long an answer is kept: longer than any deadline of a call, or a repeat would be done again. Default: 1 h.
    pub keep: Duration,
}

impl Default for MemoryReplyStoreOptions {
    fn default() -> Self {
        Self { calls_max: 100_000, answers_bytes_max: 64 << 20, keep: Duration::from_secs(60 * 60) }
    }
}

/// A [`ReplyStore`] in memory.
#[derive(Debug, Default)]
pub struct MemoryReplyStore {
    options: MemoryReplyStoreOptions,
    state: Arc<Mutex<State>>,
}

/// A call's place while it runs; dropped without a commit, the call may be begun again.
#[derive(Debug)]
pub struct MemoryTransaction {
    state: Arc<Mutex<State>>,
    key: Key,
}

type Key = (&'static str, String);

#[derive(Debug, Default)]
struct State {
    calls: HashMap<Key, Call>,
    /// When answers may be forgotten, the first one first.
    ends: VecDeque<(Instant, Key)>,
    answers_bytes: usize,
}

#[derive(Debug)]
struct Call {
    digest: [u8; 32],
    state: CallState,
}

#[derive(Debug)]
enum CallState {
    /// Fires when the run ends, and stays so: who waits for it may come late.
    Running(CancellationToken),
    Answered(StoredAnswer),
}

impl MemoryReplyStore {
    /// An empty store.
    #[must_use]
    pub fn new(options: MemoryReplyStoreOptions) -> Self {
        Self { options, state: Arc::default() }
    }

    fn look(&self, call: &CallKey, now: Instant) -> Looked {
        let mut state = lock(&self.state);
        state.forget(now);
        let key = (call.method, call.call_id.clone());
        match state.calls.get(&key) {
            Some(known) if known.digest != call.digest => Looked::Begun(Begun::OtherRequest),
            Some(Call { state: CallState::Answered(answer), .. }) => Looked::Begun(Begun::Answered(answer.clone())),
            Some(Call { state: CallState::Running(ended), .. }) => Looked::Wait(ended.clone()),
            None if state.is_full(&self.options) => Looked::Begun(Begun::Full),
            None => {
                let call_state = CallState::Running(CancellationToken::new());
                state.calls.insert(key.clone(), Call { digest: call.digest, state: call_state });
                let transaction = MemoryTransaction { state: Arc::clone(&self.state), key };
                // What ends the process ends the store: no start is left to count.
                Looked::Begun(Begun::Run { transaction, starts: 1 })
            }
        }
    }

    fn store(&self, call: &CallKey, answer: StoredAnswer, now: Instant) -> Committed {
        let mut state = lock(&self.state);
        let key = (call.method, call.call_id.clone());
        if let Some(Call { state: CallState::Answered(answer), .. }) = state.calls.get(&key) {
            return Committed::Before(answer.clone());
        }
        state.answers_bytes += answer.body.len();
        let stored = Call { digest: call.digest, state: CallState::Answered(answer) };
        if let Some(Call { state: CallState::Running(ended), .. }) = state.calls.insert(key.clone(), stored) {
            ended.cancel();
        }
        state.ends.push_back((now + self.options.keep.min(deadline::LONGEST), key));
        Committed::Stored
    }
}

enum Looked {
    Begun(Begun<MemoryTransaction>),
    /// For the end of another run.
    Wait(CancellationToken),
}

impl ReplyStore for MemoryReplyStore {
    type Transaction = MemoryTransaction;

    async fn begin(&self, call: &CallKey) -> Result<Begun<MemoryTransaction>, StoreError> {
        loop {
            match self.look(call, Instant::now()) {
                Looked::Begun(begun) => return Ok(begun),
                Looked::Wait(ended) => ended.cancelled().await,
            }
        }
    }

    async fn commit(
        &self,
        call: &CallKey,
        transaction: Option<MemoryTransaction>,
        answer: StoredAnswer,
    ) -> Result<Committed, StoreError> {
        let committed = self.store(call, answer, Instant::now());
        drop(transaction);
        Ok(committed)
    }

    async fn abandon(&self, _: &CallKey) -> Result<(), StoreError> {
        Ok(())
    }
}

impl State {
    fn is_full(&self, options: &MemoryReplyStoreOptions) -> bool {
        self.calls.len() >= options.calls_max || self.answers_bytes >= options.answers_bytes_max
    }

    /// Forgets what nobody repeats any more.
    fn forget(&mut self, now: Instant) {
        while let Some((_, key)) = self.ends.pop_front_if(|(end, _)| *end <= now) {
            if let Some(Call { state: CallState::Answered(answer), .. }) = self.calls.remove(&key) {
                self.answers_bytes -= answer.body.len();
            }
        }
    }
}

impl Drop for MemoryTransaction {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        if let Some(Call { state: CallState::Running(ended), .. }) = state.calls.get(&self.key) {
            ended.cancel();
            state.calls.remove(&self.key);
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Codec;

    fn call(id: &str, body: &[u8]) -> CallKey {
        CallKey::new("test.once", id, Codec::Json, body)
    }

    fn answer(body: &'static [u8]) -> StoredAnswer {
        StoredAnswer { code: None, body: body.into() }
    }

    async fn run(store: &MemoryReplyStore, call: &CallKey) -> MemoryTransaction {
        match store.begin(call).await.unwrap() {
            Begun::Run { transaction, starts: 1 } => transaction,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_repeat_gets_the_stored_answer_and_another_body_is_refused() {
        let store = MemoryReplyStore::default();
        let transaction = run(&store, &call("a", b"1")).await;
        store.commit(&call("a", b"1"), Some(transaction), answer(b"one")).await.unwrap();
        assert!(
            matches!(store.begin(&call("a", b"1")).await.unwrap(), Begun::Answered(stored) if stored == answer(b"one"))
        );
        assert!(matches!(store.begin(&call("a", b"2")).await.unwrap(), Begun::OtherRequest));
        run(&store, &call("b", b"1")).await;
    }

    #[tokio::test]
    async fn a_concurrent_repeat_waits_for_the_first_and_runs_if_that_gives_up() {
        let store = Arc::new(MemoryReplyStore::default());
        let first = run(&store, &call("a", b"1")).await;
        let second = tokio::spawn({
            let store = Arc::clone(&store);
            async move { store.begin(&call("a", b"1")).await }
        });
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        drop(first);
        let Begun::Run { transaction, .. } = second.await.unwrap().unwrap() else { panic!("it is nobody's now") };
        let third = tokio::spawn({
            let store = Arc::clone(&store);
            async move { store.begin(&call("a", b"1")).await }
        });
        store.commit(&call("a", b"1"), Some(transaction), answer(b"one")).await.unwrap();
        assert!(matches!(third.await.unwrap().unwrap(), Begun::Answered(_)));
    }

    #[tokio::test]
    async fn who_comes_late_to_wait_for_a_run_does_not_wait_for_the_next_one() {
        let store = MemoryReplyStore::default();
        let first = run(&store, &call("a", b"1")).await;
        let Looked::Wait(ended) = store.look(&call("a", b"1"), Instant::now()) else { panic!("it runs") };
        drop(first);
        let second = run(&store, &call("a", b"1")).await;
        assert!(ended.is_cancelled());
        let Looked::Wait(ended) = store.look(&call("a", b"1"), Instant::now()) else { panic!("it runs again") };
        assert!(!ended.is_cancelled());
        drop(second);
    }

    #[tokio::test]
    async fn a_full_store_refuses_and_never_forgets_what_may_be_repeated() {
        let options = MemoryReplyStoreOptions { calls_max: 2, ..MemoryReplyStoreOptions::default() };
        let store = MemoryReplyStore::new(options);
        for id in ["a", "b"] {
            let transaction = run(&store, &call(id, b"1")).await;
            store.commit(&call(id, b"1"), Some(transaction), answer(b"one")).await.unwrap();
        }
        assert!(matches!(store.begin(&call("c", b"1")).await.unwrap(), Begun::Full));
        assert!(matches!(store.begin(&call("a", b"1")).await.unwrap(), Begun::Answered(_)));
        {
            let mut state = lock(&store.state);
            state.forget(Instant::now() + options.keep);
            assert_eq!((state.calls.len(), state.answers_bytes), (0, 0));
        }
        run(&store, &call("c", b"1")).await;
    }
}
