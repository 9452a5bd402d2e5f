//! One call: its attempts, within one deadline.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use lapin::types::ShortString;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::Instrument;
use uuid::Uuid;

use super::{CallOptions, Client, RawMethod, control::CancelOnDrop};
use crate::{
    amqp, backoff,
    codec::Codec,
    deadline,
    error::{CallError, RejectReason},
    link::{Link, LinksEnded},
    pending::PendingCall,
    progress::Inbox,
    publisher::{Outgoing, Receipt},
    status::{Code, MayHaveRun, Retry, RetryAfter, Status},
    trace::TraceContext,
    wire::{Answer, CallId, Properties, RequestHead},
};

/// Most times that one request is sent again because a connection was lost. A request that ends its own connection,
/// which a broker does to what it does not understand, must not end one after another.
pub(super) const RESENT_MAX: u32 = 4;

/// The first pause, and the longest, before a call goes once more to a queue that was lost with the connection.
const FORGOTTEN_PAUSE: Duration = Duration::from_millis(50);
const FORGOTTEN_PAUSE_MAX: Duration = Duration::from_secs(1);

/// What all attempts at a call share.
pub(super) struct Call<'a> {
    pub(super) client: &'a Client,
    pub(super) method: RawMethod<'a>,
    pub(super) queue: ShortString,
    pub(super) codec: Codec,
    pub(super) body: Bytes,
    pub(super) call_id: CallId,
    pub(super) ends_at: Instant,
    pub(super) options: &'a CallOptions,
    /// What a layer says of the trace.
    pub(super) trace: Option<TraceContext>,
    /// Where its progress goes, if anybody wants it.
    pub(super) inbox: Option<&'a Arc<Inbox>>,
}

impl Client {
    /// Makes a call: its reply's body, and how that is written.
    pub(super) async fn make_call(
        &self,
        method: RawMethod<'_>,
        codec: Codec,
        body: Bytes,
        options: &CallOptions,
        inbox: Option<&Arc<Inbox>>,
    ) -> Result<(Codec, Bytes), CallError> {
        if self.layers.is_none() {
            method.check(&body, &options.metadata)?;
        }
        let queue = amqp::name("method's name", method.name).map_err(RejectReason::from)?;
        let call_id = match &options.call_id {
            Some(id) => CallId::Given(amqp::name("call id", id).map_err(RejectReason::from)?),
            None => CallId::New(Uuid::now_v7()),
        };
        let place = self.inner.in_flight.enter()?;
        self.inner.retries.call();
        let span = tracing::debug_span!("rpc.call", method = method.name, %call_id);
        let ends_at = deadline::ends_at(options.deadline, self.handlers_deadline());
        let call = Call { client: self, method, queue, codec, body, call_id, ends_at, options, trace: None, inbox };
        match &self.layers {
            None => {
                let _place = place;
                call.outcome().instrument(span).await
            }
            // Boxed, so that calls without layers are no larger for it.
            Some(layers) => Box::pin(call.pass(layers, place).instrument(span)).await,
        }
    }
}

impl Call<'_> {
    /// The call's end, or its handler's, if that is cancelled.
    pub(super) async fn outcome(&self) -> Result<(Codec, Bytes), CallError> {
        let Some(scope) = &self.client.scope else { return self.attempts().await };
        tokio::select! {
            biased;
            outcome = self.attempts() => outcome,
            () = scope.cancellation.cancelled() => Err(self.cancelled().into()),
        }
    }

    /// Attempt after attempt, until one ends the call.
    async fn attempts(&self) -> Result<(Codec, Bytes), CallError> {
        if self.options.ask_first {
            self.ask().await?;
        }
        let may_repeat = self.method.effect.may_repeat();
        let no_broker = || Status::unavailable("no broker answers").into();
        // The error of the last attempt of which nobody knows what became: it outweighs that later ones did nothing.
        let mut unsure = None;
        let (mut attempts, mut resent, mut forgotten) = (0, 0, 0);
        loop {
            let link = match timeout_at(self.ends_at, self.client.inner.links.up()).await {
                Ok(Ok(link)) => link,
                Ok(Err(LinksEnded(source))) => {
                    return Err(unsure.unwrap_or_else(|| RejectReason::Closed { source }.into()));
                }
                Err(_) => return Err(unsure.unwrap_or_else(no_broker)),
            };
            let Some(pending) = link.pending.begin() else {
                // It was lost just now.
                match timeout_at(self.ends_at, link.lost()).await {
                    Ok(()) => continue,
                    Err(_) => return Err(unsure.unwrap_or_else(no_broker)),
                }
            };
            let error = match self.attempt(&link, pending).await {
                Ok(reply) => return Ok(reply),
                Err(CallError::ConnectionLost { source }) if may_repeat && resent < RESENT_MAX => {
                    resent += 1;
                    tracing::debug!("the connection was lost: the call is sent again");
                    // On another one: this one may not be known to be lost yet, here or to others.
                    link.give_up(source.as_ref());
                    let _ = timeout_at(self.ends_at, link.lost()).await;
                    unsure = Some(CallError::ConnectionLost { source });
                    if let Some(inbox) = self.inbox {
                        inbox.lose();
                    }
                    continue;
                }
                // It may have been in the queue, which the broker may have lost since: its service declares it again.
                Err(error @ CallError::Unroutable { .. }) if unsure.is_some() => {
                    forgotten += 1;
                    let pause = backoff::doubled(FORGOTTEN_PAUSE, FORGOTTEN_PAUSE_MAX, forgotten);
                    if pause >= deadline::remaining(self.ends_at) {
                        return Err(truth(unsure, error));
                    }
                    sleep(pause).await;
                    continue;
                }
                Err(error) => error,
            };
            attempts += 1;
            match self.pause(attempts, &error) {
                Some(pause) => sleep(pause).await,
                None => return Err(truth(unsure, error)),
            }
            if error.may_have_run() {
                unsure = Some(error);
            }
        }
    }

    /// The pause before another attempt, if there is to be one.
    fn pause(&self, attempts: u32, error: &CallError) -> Option<Duration> {
        let (asked, is_unavailable) = match error {
            CallError::Status(status) => {
                (status.detail::<RetryAfter>().and_then(Result::ok), status.code == Code::Unavailable)
            }
            _ => (None, false),
        };
        let helps = match error.retry() {
            Retry::SameCall => true,
            // Its work may be done, and may be done again. Not after the others: a reply that was too large is no
            // smaller the next time, and `aborted` may be what keeps a deadly request from the next instance.
            Retry::OnlyIdempotent => is_unavailable && self.method.effect.may_repeat(),
            Retry::Never => false,
        };
        if !helps {
            return None;
        }
        let pause = self.options.retry.pause_after(attempts, fastrand::f64())?;
        let pause = pause.max(asked.map(RetryAfter::pause).unwrap_or_default());
        (pause < deadline::remaining(self.ends_at) && self.client.inner.retries.retry()).then_some(pause)
    }

    /// One request and its answer.
    async fn attempt(&self, link: &Link, mut pending: PendingCall<Answer>) -> Result<(Codec, Bytes), CallError> {
        link.check_not_blocked()?;
        let number = pending.number();
        let credit = self.inbox.and_then(|inbox| inbox.begin(link.origin.correlation_id(number)));
        let _reader = self.inbox.map(|inbox| link.readers.register(number, inbox));
        let scope = self.client.scope.as_deref();
        let head = RequestHead {
            origin: Arc::clone(&link.origin),
            number,
            call_id: self.call_id.clone(),
            codec: self.codec,
            ends_at: self.ends_at,
            is_durable: self.method.is_durable,
            priority: self.options.priority,
            trace: self.trace.clone().or_else(|| scope.map(|scope| scope.trace.child())),
            path: scope.map(|scope| Arc::clone(&scope.path)),
            credit,
            metadata: self.options.metadata.clone(),
        };
        let request = Outgoing {
            exchange: ShortString::default(),
            routing_key: self.queue.clone(),
            mandatory: true,
            properties: Properties::Request(head),
            body: self.body.clone(),
            receipt: Receipt::Call(number, Arc::clone(&link.pending)),
        };
        let (method, ends_at) = (self.method.name, self.ends_at);
        let inbox = self.inbox.map(|inbox| &**inbox);
        let mut cancel = CancelOnDrop { link, method, number, ends_at, inbox, armed: true };
        let answered = async {
            tokio::select! {
                biased;
                () = link.requests.send(request) => {}
                // Its connection is lost, and there was no room until now.
                outcome = pending.outcome() => return outcome,
            }
            match inbox {
                None => pending.outcome().await,
                Some(inbox) => tokio::select! {
                    biased;
                    outcome = pending.outcome() => outcome,
                    never = self.give_credit(link, inbox) => match never {},
                },
            }
        };
        let outcome = timeout_at(self.ends_at, answered).await;
        // The instance knows the deadline too.
        cancel.armed = false;
        match outcome {
            Ok(answer) => answer?.into_result().map_err(|status| match status.code {
                // The broker's word for it may be faster than our own clock's.
                Code::DeadlineExceeded => self.cycle().unwrap_or(status).into(),
                _ => status.into(),
            }),
            Err(_) => Err(self.too_late().into()),
        }
    }

    /// What is said when the handler that makes the call is cancelled.
    pub(super) fn cancelled(&self) -> Status {
        Status::cancelled(format!("the call that called {} was cancelled", self.method.name))
    }

    /// What is said when the deadline passes.
    pub(super) fn too_late(&self) -> Status {
        let (name, deadline) = (self.method.name, self.options.deadline);
        let within = match self.client.handlers_deadline() {
            Some(handlers) if handlers <= self.ends_at => "the time that its caller's handler had left".to_owned(),
            _ => format!("{deadline:?}"),
        };
        self.cycle().unwrap_or_else(|| Status::deadline_exceeded(format!("no reply of {name} within {within}")))
    }

    /// What is said instead, if the method is one that leads here: with all its instances busy, it waits for itself.
    fn cycle(&self) -> Option<Status> {
        let (name, path) = (self.method.name, &self.client.scope.as_ref()?.path);
        let path = path.split(' ').any(|method| method == name).then(|| path.replace(' ', " > "))?;
        let text = format!("no reply of {name} in time: it may wait for itself: {path} > {name}");
        Some(Status::deadline_exceeded(text))
    }
}

/// The error of a call whose last attempt ended with `error`, while nobody knows what became of the one before that
/// ended with `unsure`: that nothing happened is true of the last one alone. A status that is an answer stands for the
/// call; but what it refuses may be what the earlier attempt has done. Even if answers are remembered: a layer refuses
/// what has one, too.
fn truth(unsure: Option<CallError>, error: CallError) -> CallError {
    match (unsure, error) {
        (Some(_), CallError::Status(status)) if status.retry() == Retry::Never => {
            status.with_detail(&MayHaveRun(true)).into()
        }
        (Some(unsure), error) if !error.may_have_run() => unsure,
        (_, error) => error,
    }
}
