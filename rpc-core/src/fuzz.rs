//! Anything that a broker can deliver, to all that reads it: no panic, and no more memory than 64 times what came.
//! `cargo test` runs each target for a bounded number of random inputs, `cargo test -- --ignored` for a minute in all;
//! `cargo bolero test -p warren-rpc fuzz::any_body` goes on, led by coverage.
//!
//! What a body takes is its type's own affair as well: one byte may be an element of a kilobyte. So the types here are
//! usual ones, and those that travel in every contract; `serde_json::Value`, of eighty bytes a node, is none of them.

mod said;

use std::{collections::BTreeMap, time::Duration};

use bolero::check;
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    codec::Codec,
    exchange::Headers,
    status::{BadFields, MayHaveRun, RetryAfter, Status},
    trace::TraceContext,
    wire::{self, Answer, Head, Progress, Published, cancelled_until, retry_properties},
};
use said::{Body, Properties};

/// Most bytes of memory for a byte that came.
const FACTOR: u64 = 64;
/// What reading anything takes: a buffer of a decoder, the words of an error, an id.
const ANYWAY_BYTES: u64 = 4096;

/// A request as services have it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it is only decoded")]
struct Request {
    a: i64,
    #[serde(default)]
    b: Option<String>,
    #[serde(default)]
    runs: Vec<Run>,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "it is only decoded")]
enum Run {
    Code,
    Message(String),
    Details { a: Option<Box<Run>>, b: BTreeMap<String, u32> },
}

/// Reads it while what it takes is counted.
fn bounded<T>(came_bytes: usize, what: &str, read: impl FnOnce() -> T) {
    let taken = allocation_counter::measure(|| drop(read())).bytes_max;
    let allowed = came_bytes as u64 * FACTOR + ANYWAY_BYTES;
    assert!(taken <= allowed, "{what}: {came_bytes} bytes took {taken}, and {allowed} are allowed");
}

fn decode<T: DeserializeOwned>(codec: Codec, body: &[u8]) {
    bounded(body.len(), std::any::type_name::<T>(), || codec.decode::<T>(body));
}

/// How long to go on, or how often.
#[derive(Clone, Copy)]
enum Go {
    Times(usize),
    For(Duration),
}

/// Runs a target: a macro, for bolero names it by its place.
macro_rules! run {
    ($go:expr, $type:ty, $target:expr) => {
        match $go {
            Go::Times(times) => check!().with_iterations(times).with_type::<$type>().for_each($target),
            Go::For(time) => {
                check!().with_iterations(usize::MAX).with_test_time(time).with_type::<$type>().for_each($target);
            }
        }
    };
}

fn bodies(go: Go) {
    run!(go, Body, |body: &Body| {
        for (codec, body) in [(Codec::Msgpack, body.msgpack()), (Codec::Json, body.json())] {
            decode::<Request>(codec, &body);
            decode::<Vec<u64>>(codec, &body);
            decode::<Vec<Vec<Option<String>>>>(codec, &body);
            decode::<BTreeMap<String, Vec<f64>>>(codec, &body);
            decode::<(String, bool, ())>(codec, &body);
            decode::<Status>(codec, &body);
        }
    });
}

fn replies(go: Go) {
    run!(go, (Properties, Body), |(properties, body): &(Properties, Body)| {
        let properties = properties.build();
        for body in [body.msgpack(), body.json()] {
            let came_bytes = body.len() + said::bytes(&properties);
            bounded(came_bytes, "progress", || drop(Progress::read(&properties, body.clone())));
            bounded(came_bytes, "an answer", || {
                let Err(status) = Answer::read(&properties, body).into_result() else { return };
                let _ = (status.retry(), status.may_have_run(), status.detail::<MayHaveRun>());
                let _ = (
                    status.detail::<BadFields>(),
                    status.detail::<RetryAfter>().map(|after| after.map(RetryAfter::pause)),
                );
            });
        }
    });
}

fn heads(go: Go) {
    run!(go, Properties, |properties: &Properties| {
        let properties = properties.build();
        bounded(said::bytes(&properties), "a head", || {
            let _ = (wire::credit(&properties), wire::run_number(&properties));
            let head = Head::read(&properties);
            let headers = properties.headers().as_ref().map(Headers::read).unwrap_or_default();
            let published = Published { routing_key: "a.key".to_owned(), headers };
            let tries = head.tries.saturating_add(1);
            let again = retry_properties(&properties, &head, Some(&published), tries).expect("no input is that large");
            assert_eq!(again.headers().as_ref().map(Headers::read), Some(published.headers), "headers are kept");
            let again = Head::read(&again);
            assert_eq!((&again.call_id, &again.codec), (&head.call_id, &head.codec), "another try is of the same call");
            let request = Head::read(&retry_properties(&properties, &head, None, 1).expect("metadata is bounded"));
            assert_eq!(request.metadata, Ok(head.metadata.unwrap_or_default()), "metadata is kept");
            cancelled_until(&properties)
        });
    });
}

fn traces(go: Go) {
    run!(go, (Vec<u8>, Option<String>), |(header, state): &(Vec<u8>, Option<String>)| {
        // Bytes that are often those of a header.
        let header: String =
            header.iter().map(|byte| char::from(b"00112233456789abcdef--fF\xc3"[usize::from(*byte) % 25])).collect();
        for header in [header.clone(), format!("00-{header:0>32.32}-{header:1>16.16}-01")] {
            if let Some(read) = TraceContext::parse(&header, state.as_deref()) {
                assert_eq!(TraceContext::parse(&read.to_string(), state.as_deref()), Some(read));
            }
        }
    });
}

#[test]
fn what_begins_right_can_be_right() {
    let is = |body: &Body, read: fn(Codec, &[u8]) -> bool| {
        read(Codec::Msgpack, &body.msgpack()) && read(Codec::Json, &body.json())
    };
    for beginning in [1, 2] {
        assert!(is(&Body::right(beginning, false), |codec, body| codec.decode::<Status>(body).is_ok()));
    }
    for (beginning, is_number) in [(3, false), (4, true)] {
        assert!(is(&Body::right(beginning, is_number), |codec, body| codec.decode::<Request>(body).is_ok()));
    }
}

#[test]
fn any_body() {
    bodies(Go::Times(2_000));
}

#[test]
fn any_reply() {
    replies(Go::Times(2_000));
}

#[test]
fn any_head() {
    heads(Go::Times(2_000));
}

#[test]
fn any_trace() {
    traces(Go::Times(2_000));
}

#[test]
#[ignore = "long: a minute"]
fn anything_for_longer() {
    bodies(Go::For(Duration::from_secs(25)));
    replies(Go::For(Duration::from_secs(20)));
    heads(Go::For(Duration::from_secs(10)));
    traces(Go::For(Duration::from_secs(5)));
}
