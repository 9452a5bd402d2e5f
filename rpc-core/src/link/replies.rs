//! The replies of a connection, on its thread.

use std::sync::Arc;

use futures::StreamExt;
use lapin::{Consumer, message::Delivery};
use tokio::sync::oneshot;

use crate::{
    error::BrokerError,
    pending::PendingCalls,
    progress::Readers,
    wire::{self, Answer, Progress},
};

/// Most replies that are read before any of them is handed over.
const BATCH: usize = 64;

/// Fires when no more replies come: why, if it is known. The consumer comes along, for whoever closes the connection to
/// drop: what lapin closes by itself on drop may run into a state error, and it takes those for errors of the
/// connection.
pub(super) type RepliesEnd = oneshot::Receiver<(Option<BrokerError>, Consumer)>;

/// Who waits for replies, and for what comes before them.
pub(super) struct Waiting {
    pub(super) pending: Arc<PendingCalls<Answer>>,
    pub(super) readers: Arc<Readers>,
}

/// Hands replies to their calls until there can be no more.
pub(super) async fn read(waiting: Waiting, replies: Consumer, ended: oneshot::Sender<(Option<BrokerError>, Consumer)>) {
    let mut chunks = replies.ready_chunks(BATCH);
    let mut source = None;
    while source.is_none()
        && let Some(chunk) = chunks.next().await
    {
        // All that are here are read, and handed over then: the first one wakes its caller, who would go to sleep again
        // before the second.
        let mut answers = Vec::with_capacity(chunk.len());
        for reply in chunk {
            match reply {
                Ok(reply) => answers.extend(waiting.answer(reply)),
                Err(error) => source = Some(error.into()),
            }
        }
        for (number, answer) in answers {
            if !waiting.pending.end(number, Ok(answer)) {
                tracing::debug!("a reply came after its call had ended");
            }
        }
    }
    // An error means that the connection is closed already.
    let _ = ended.send((source, chunks.into_inner()));
}

impl Waiting {
    /// A final reply, and the number of its attempt; progress has gone to its reader.
    fn answer(&self, reply: Delivery) -> Option<(u64, Answer)> {
        let number = reply.properties.correlation_id().as_ref().and_then(|id| self.pending.number(id.as_str()));
        let Some(number) = number else {
            tracing::warn!("a reply came without a correlation id of ours");
            return None;
        };
        if !wire::is_progress(&reply.properties) {
            return Some((number, Answer::read(&reply.properties, reply.data)));
        }
        match Progress::read(&reply.properties, reply.data) {
            Some(progress) => self.readers.deliver(number, progress),
            None => tracing::debug!("progress came that is not understood"),
        }
        None
    }
}
