//! What the library logs while a test runs.

use std::{
    cell::RefCell,
    io::{self, Write},
    sync::Once,
};

thread_local! {
    static LOG: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// The log of this thread, which is all of a test whose runtime has no other. It ends when this is dropped.
pub(crate) struct Logs(());

/// One subscriber for all threads: with one for each, what a thread without one meets first is never logged by any.
struct ThisThread;

impl Write for ThisThread {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.with_borrow_mut(|log| log.as_mut().map_or(Ok(bytes.len()), |log| log.write(bytes)))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Logs {
    pub(crate) fn begin() -> Logs {
        static SUBSCRIBER: Once = Once::new();
        SUBSCRIBER.call_once(|| tracing_subscriber::fmt().with_ansi(false).with_writer(|| ThisThread).init());
        LOG.set(Some(Vec::new()));
        Logs(())
    }

    /// How many lines of this thread's log say this.
    pub(crate) fn count(words: &str) -> usize {
        LOG.with_borrow(|log| {
            let log = log.as_deref().unwrap_or_default();
            String::from_utf8_lossy(log).lines().filter(|line| line.contains(words)).count()
        })
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        LOG.set(None);
    }
}
