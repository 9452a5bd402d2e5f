//! How far a connection has come, from its first byte to its last.

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The protocol header is awaited.
    Header,
    StartOk,
    TuneOk,
    Open,
    Running,
    /// A close was sent; its answer is awaited, and nothing else matters.
    Closing,
    /// The client closed the connection, and was answered. It is the client that hangs up: whatever it still had on its
    /// way is read, and not heard, so that no reset overtakes the answer.
    Answered,
    /// Nothing more is said: what is in the outbox goes out, then the connection ends.
    Done,
}

impl Phase {
    /// Whether the handshake is not over.
    pub(super) fn is_opening(self) -> bool {
        matches!(self, Phase::Header | Phase::StartOk | Phase::TuneOk | Phase::Open)
    }

    /// Whether what the client says is not heard any more.
    pub(super) fn is_over(self) -> bool {
        matches!(self, Phase::Answered | Phase::Done)
    }

    /// Whether the connection is to end: it holds nothing any more.
    pub(super) fn is_ending(self) -> bool {
        self == Phase::Closing || self.is_over()
    }
}
