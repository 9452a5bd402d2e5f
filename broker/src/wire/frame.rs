//! Where a frame begins and ends (AMQP 0-9-1, 4.2.3).

/// Bytes around a frame's payload: type, channel and length before it, the end mark after it.
pub(crate) const OVERHEAD: usize = 8;
pub(crate) const END: u8 = 0xCE;
pub(crate) const METHOD: u8 = 1;
pub(crate) const HEADER: u8 = 2;
pub(crate) const BODY: u8 = 3;
pub(crate) const HEARTBEAT: u8 = 8;

/// A frame, still in the buffer that it was read into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) kind: u8,
    pub(crate) channel: u16,
    pub(crate) payload: &'a [u8],
}

/// What [`next`] found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next<'a> {
    /// A frame, and how many bytes it took.
    Frame(Frame<'a>, usize),
    /// The rest of the frame is not there yet.
    Incomplete,
    /// The payload is longer than was agreed on.
    TooLarge { kind: u8, payload_bytes: usize },
    /// The end mark is not where the length says it is.
    NoEnd { kind: u8, found: u8 },
}

/// The first frame in `bytes`. `frame_max` is in bytes, with [`OVERHEAD`].
pub(crate) fn next(bytes: &[u8], frame_max: usize) -> Next<'_> {
    let Some((head, rest)) = bytes.split_first_chunk::<7>() else { return Next::Incomplete };
    let kind = head[0];
    let channel = u16::from_be_bytes([head[1], head[2]]);
    let payload_bytes = u32::from_be_bytes([head[3], head[4], head[5], head[6]]) as usize;
    // As RabbitMQ, which forgives clients that forget to count the overhead.
    if payload_bytes > frame_max {
        return Next::TooLarge { kind, payload_bytes };
    }
    if rest.len() <= payload_bytes {
        return Next::Incomplete;
    }
    if rest[payload_bytes] != END {
        return Next::NoEnd { kind, found: rest[payload_bytes] };
    }
    Next::Frame(Frame { kind, channel, payload: &rest[..payload_bytes] }, payload_bytes + OVERHEAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEAT: [u8; 8] = [8, 0, 0, 0, 0, 0, 0, END];

    #[test]
    fn a_frame_is_found_and_measured() {
        let frame = Frame { kind: HEARTBEAT, channel: 0, payload: &[] };
        assert_eq!(next(&BEAT, 4096), Next::Frame(frame, 8));
        assert_eq!(next(&BEAT[..7], 4096), Next::Incomplete);
        assert_eq!(next(&BEAT[..3], 4096), Next::Incomplete);
    }

    #[test]
    fn a_frame_over_the_limit_is_refused_before_it_is_read() {
        let head = [3, 0, 1, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(next(&head, 4096), Next::TooLarge { kind: 3, payload_bytes: 0xffff_ffff });
    }

    #[test]
    fn a_missing_end_mark_is_noticed() {
        let mut bytes = BEAT;
        bytes[7] = 0;
        assert_eq!(next(&bytes, 4096), Next::NoEnd { kind: 8, found: 0 });
    }
}
