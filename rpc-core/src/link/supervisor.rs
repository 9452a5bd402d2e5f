//! Keeps a link up: connects, notices the loss, and connects again, to whichever of the addresses answers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{sync::watch, time::Instant};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    Link, RepliesEnd,
    lost_replies::{self, LostReplies},
};
use crate::{
    amqp,
    client::{ClientOptions, ReconnectOptions},
    error::{BrokerError, ConnectError, ServeError, SubscribeError},
    progress::Runs,
};

/// The links of a client, one after another.
#[derive(Debug)]
pub(crate) struct Links {
    state: watch::Receiver<State>,
    connector: Connector,
    reconnect: ReconnectOptions,
    stop: CancellationToken,
    /// Stops the supervisor with the last clone of the client.
    _dropped: DropGuard,
}

#[derive(Clone, Debug)]
pub(super) enum State {
    Up(Arc<Link>),
    Down,
    /// Closed, or given up.
    Ended(Option<BrokerError>),
}

/// There will be no link any more: the client was closed, or the broker given up.
#[derive(Clone, Debug)]
pub(crate) struct LinksEnded(pub(crate) Option<BrokerError>);

impl From<LinksEnded> for ServeError {
    fn from(LinksEnded(source): LinksEnded) -> Self {
        Self::Closed { source }
    }
}

impl From<LinksEnded> for SubscribeError {
    fn from(LinksEnded(source): LinksEnded) -> Self {
        Self::Closed { source }
    }
}

impl Links {
    /// Connects, and keeps connected.
    pub(crate) async fn start(urls: &str, options: &ClientOptions) -> Result<Self, ConnectError> {
        let (lost_replies, resting) = LostReplies::new();
        let connector = Connector {
            addresses: amqp::Address::parse_all(urls)?,
            greeting: amqp::Greeting {
                name: options.name.clone(),
                app_id: amqp::name("client's name", &options.name)?,
                heartbeat: options.heartbeat,
                tls: options.tls.clone(),
            },
            timeout: options.connect_timeout,
            lost_replies,
            runs: Arc::default(),
            reconnects: Arc::default(),
        };
        let (link, replies_end) = connector.connect().await?;
        let stop = CancellationToken::new();
        let (supervisor, links) = Supervisor::new(connector, options.reconnect, State::Up(Arc::clone(&link)), stop);
        tokio::spawn(supervisor.run(link, replies_end, 0));
        tokio::spawn(lost_replies::publish_again(resting, links.state.clone()));
        Ok(links)
    }

    /// Connects once more, beside this one, and keeps connected. Each ends with the other: a client with half of them
    /// would do half of its work.
    pub(crate) fn beside(&self, what: &str) -> Self {
        let mut connector = self.connector.clone();
        connector.greeting.name = format!("{} ({what})", connector.greeting.name);
        let (supervisor, links) = Supervisor::new(connector, self.reconnect, State::Down, self.stop.clone());
        tokio::spawn(supervisor.run_from_nothing());
        links
    }

    /// The link, as soon as there is one.
    ///
    /// Cancel safe.
    pub(crate) async fn up(&self) -> Result<Arc<Link>, LinksEnded> {
        match self.now() {
            Some(link) => Ok(link),
            None => up(&self.state).await,
        }
    }

    /// What is opened on the link that is up: on the next one, if that is lost meanwhile, for it may never answer.
    /// `blamed` says what the broker said, if an error is its.
    ///
    /// Cancel safe, if `open` is.
    pub(crate) async fn open_on<T, E, F>(
        &self,
        open: impl Fn(Arc<Link>) -> F,
        blamed: impl Fn(&E) -> Option<&BrokerError>,
    ) -> Result<Result<T, E>, LinksEnded>
    where
        F: Future<Output = Result<T, E>>,
    {
        loop {
            let link = self.up().await?;
            tokio::select! {
                opened = open(Arc::clone(&link)) => match opened {
                    // It is not known yet that the connection is lost, and nothing else is to blame.
                    Err(error) if blamed(&error).is_some_and(BrokerError::is_of_connection) => {
                        link.give_up(blamed(&error));
                    }
                    opened => return Ok(opened),
                },
                () = link.lost() => {}
            }
            link.lost().await;
        }
    }

    /// The link, if there is one now.
    pub(crate) fn now(&self) -> Option<Arc<Link>> {
        match &*self.state.borrow() {
            State::Up(link) if !link.is_lost() => Some(Arc::clone(link)),
            _ => None,
        }
    }

    /// How many replies came back, because their callers' queues were not there.
    pub(crate) fn lost_replies(&self) -> u64 {
        self.connector.lost_replies.count()
    }

    /// The handlers of this client's instances whose progress is read.
    pub(crate) fn runs(&self) -> &Arc<Runs> {
        &self.connector.runs
    }

    /// How often a connection was made again, of all that are beside each other.
    pub(crate) fn reconnects(&self) -> u64 {
        self.connector.reconnects.load(Ordering::Relaxed)
    }

    /// Waits until there will be no link any more.
    pub(crate) async fn ended(&self) {
        // An error means that the supervisor has ended.
        let _ = self.state.clone().wait_for(|state| matches!(state, State::Ended(_))).await;
    }

    /// Closes the connection in order, and waits for it.
    pub(crate) async fn close(&self) {
        self.stop.cancel();
        self.ended().await;
    }
}

/// The link, as soon as there is one.
///
/// Cancel safe.
pub(super) async fn up(state: &watch::Receiver<State>) -> Result<Arc<Link>, LinksEnded> {
    let mut state = state.clone();
    let state = state.wait_for(|state| match state {
        State::Up(link) => !link.is_lost(),
        State::Down => false,
        State::Ended(_) => true,
    });
    match state.await.as_deref() {
        Ok(State::Up(link)) => Ok(Arc::clone(link)),
        Ok(State::Ended(source)) => Err(LinksEnded(source.clone())),
        // The supervisor says that it ends before it does.
        Ok(State::Down) | Err(_) => Err(LinksEnded(None)),
    }
}

/// Knows how to open a link.
#[derive(Clone, Debug)]
struct Connector {
    addresses: Vec<amqp::Address>,
    greeting: amqp::Greeting,
    /// For each address.
    timeout: Duration,
    /// Of all its links.
    lost_replies: Arc<LostReplies>,
    runs: Arc<Runs>,
    /// How often a connection was made again.
    reconnects: Arc<AtomicU64>,
}

impl Connector {
    /// Tries each address once.
    async fn connect(&self) -> Result<(Arc<Link>, RepliesEnd), ConnectError> {
        let mut errors = Vec::new();
        for address in &self.addresses {
            let (lost_replies, runs) = (Arc::clone(&self.lost_replies), Arc::clone(&self.runs));
            let opening = Link::open(address, &self.greeting, lost_replies, runs);
            let error = match tokio::time::timeout(self.timeout, opening).await {
                Ok(Ok(opened)) => return Ok(opened),
                Ok(Err(source)) if source.is_refusal() => {
                    ConnectError::Refused { address: address.host_and_port(), source }
                }
                Ok(Err(source)) => ConnectError::Unreachable { address: address.host_and_port(), source },
                Err(_) => ConnectError::TimedOut { address: address.host_and_port() },
            };
            errors.push(error);
        }
        Err(if errors.len() == 1 { errors.remove(0) } else { ConnectError::Several { errors } })
    }
}

struct Supervisor {
    connector: Connector,
    reconnect: ReconnectOptions,
    state: watch::Sender<State>,
    stop: CancellationToken,
}

impl Supervisor {
    fn new(connector: Connector, reconnect: ReconnectOptions, first: State, stop: CancellationToken) -> (Self, Links) {
        let (state_tx, state) = watch::channel(first);
        let links = Links {
            state,
            connector: connector.clone(),
            reconnect,
            stop: stop.clone(),
            _dropped: stop.clone().drop_guard(),
        };
        (Self { connector, reconnect, state: state_tx, stop }, links)
    }

    async fn run_from_nothing(self) {
        let mut rested = 0;
        match self.connect_again(self.reconnect.attempts_max.max(1), &mut rested).await {
            Ok((link, replies_end)) => {
                self.state.send_replace(State::Up(Arc::clone(&link)));
                self.run(link, replies_end, rested).await;
            }
            Err(error) => self.end(error),
        }
    }

    /// Keeps a link up that was opened after so many pauses.
    async fn run(self, mut link: Arc<Link>, mut replies_end: RepliesEnd, mut rested: u32) {
        loop {
            let opened_at = Instant::now();
            let (source, replies) = tokio::select! {
                () = self.stop.cancelled() => (None, None),
                source = link.ends.failed.fired() => (source, None),
                ended = &mut replies_end => ended.map_or((None, None), |(source, replies)| (source, Some(replies))),
            };
            if !self.stop.is_cancelled() {
                tracing::warn!(
                    source = source.as_ref().map(tracing::field::display),
                    "the connection to the broker is lost"
                );
                self.state.send_replace(State::Down);
            }
            link.lose(source.as_ref());
            let closing = {
                let link = Arc::clone(&link);
                async move {
                    link.close().await;
                    drop(replies);
                }
            };
            if self.stop.is_cancelled() {
                closing.await;
                break self.end(source);
            }
            tokio::spawn(closing);
            // What is lost again and again is not to be made again and again without a pause.
            if opened_at.elapsed() > self.reconnect.pause_max {
                rested = 0;
            }
            match self.connect_again(self.reconnect.attempts_max, &mut rested).await {
                Ok(opened) => (link, replies_end) = opened,
                Err(error) => break self.end(error.or(source)),
            }
            tracing::info!("connected to the broker again");
            self.connector.reconnects.fetch_add(1, Ordering::Relaxed);
            self.state.send_replace(State::Up(Arc::clone(&link)));
        }
    }

    fn end(&self, source: Option<BrokerError>) {
        // For the other connection of the client.
        self.stop.cancel();
        self.state.send_replace(State::Ended(source));
    }

    /// Tries until it works, as often as is allowed, with a pause before each attempt; counts the pauses.
    async fn connect_again(
        &self,
        attempts_max: u32,
        rested: &mut u32,
    ) -> Result<(Arc<Link>, RepliesEnd), Option<BrokerError>> {
        let mut last = None;
        for attempt in 0..attempts_max {
            let pause = self.reconnect.pause_before(*rested, fastrand::f64());
            *rested = rested.saturating_add(1);
            let connecting = async {
                tokio::time::sleep(pause).await;
                self.connector.connect().await
            };
            let error = tokio::select! {
                () = self.stop.cancelled() => return Err(last),
                opened = connecting => match opened {
                    Ok(opened) => return Ok(opened),
                    Err(error) => error,
                },
            };
            tracing::debug!(attempt, %error, "not connected");
            last = error.blamed().cloned().or(last);
        }
        tracing::error!(attempts = attempts_max, "the broker is given up");
        Err(last)
    }
}
