//! W3C trace context: which trace a call belongs to (`traceparent`, `tracestate`). No I/O.
//!
//! Source: W3C Trace Context, level 1.

use std::fmt;

/// Longest `tracestate` that is passed on, in bytes: so much must be (section 3.3.1.5). A longer one is dropped, for
/// all headers share a frame.
pub(crate) const STATE_BYTES_MAX: usize = 512;

/// Where a call stands in a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The same over all calls that one has led to. Never 0.
    pub trace_id: u128,
    /// The caller's span. Never 0.
    pub span_id: u64,
    /// Whether the trace is recorded, by bit 0.
    pub flags: u8,
    /// What tracing systems tell each other, as it came. Of more than 512 bytes, it is dropped, on both sides.
    pub state: Option<String>,
}

impl TraceContext {
    /// A new trace, not recorded unless somebody says so.
    #[must_use]
    pub fn new_root() -> Self {
        Self { trace_id: fastrand::u128(1..), span_id: fastrand::u64(1..), flags: 0, state: None }
    }

    /// The same trace, as a new span of it sends it on.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { span_id: fastrand::u64(1..), ..self.clone() }
    }

    /// Reads the two headers; none if `traceparent` is not one.
    #[must_use]
    pub fn parse(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        let mut parts = traceparent.split('-');
        let (version, trace_id, span_id, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        // Later versions may add parts; version ff is forbidden (section 3.2.2.1).
        let more_than_known = version == "00" && parts.next().is_some();
        if version.len() != 2 || version == "ff" || !is_hex(version) || more_than_known {
            return None;
        }
        if trace_id.len() != 32 || span_id.len() != 16 || flags.len() != 2 {
            return None;
        }
        if ![trace_id, span_id, flags].into_iter().all(is_hex) {
            return None;
        }
        let trace_id = u128::from_str_radix(trace_id, 16).ok().filter(|id| *id != 0)?;
        let span_id = u64::from_str_radix(span_id, 16).ok().filter(|id| *id != 0)?;
        let flags = u8::from_str_radix(flags, 16).ok()?;
        let state = tracestate.filter(|state| state.len() <= STATE_BYTES_MAX);
        Some(Self { trace_id, span_id, flags, state: state.map(str::to_owned) })
    }
}

/// As the header `traceparent`.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, self.flags)
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_header_is_read_and_written_back() {
        let context = TraceContext::parse(EXAMPLE, Some("a=1")).unwrap();
        assert_eq!((context.to_string().as_str(), context.flags), (EXAMPLE, 1));
        let child = context.child();
        assert_eq!((child.trace_id, child.state.as_deref()), (context.trace_id, Some("a=1")));
        assert_ne!(child.span_id, context.span_id);
        assert!(TraceContext::parse(&TraceContext::new_root().to_string(), None).is_some());
    }

    #[test]
    fn a_state_that_is_too_long_is_dropped_and_the_trace_is_not() {
        let state = |bytes: usize| TraceContext::parse(EXAMPLE, Some(&"s".repeat(bytes))).unwrap().state;
        assert_eq!(state(STATE_BYTES_MAX).map(|state| state.len()), Some(512));
        assert_eq!(state(STATE_BYTES_MAX + 1), None);
    }

    #[test]
    fn what_is_no_trace_is_none() {
        let wrong = [
            "",
            "00",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ];
        for header in wrong {
            assert_eq!(TraceContext::parse(header, None), None, "{header}");
        }
        assert!(TraceContext::parse(&format!("01{}-more", &EXAMPLE[2..]), None).is_some(), "a later version");
    }
}
