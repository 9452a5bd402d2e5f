//! What `docs/rpc.md` says of defaults is so. Its examples are tests of their own.

use std::time::Duration;

use warren_rpc::{
    BODY_BYTES_MAX, CallOptions, ClientOptions, Codec, METADATA_BYTES_MAX, MemoryReplyStoreOptions, Metadata, Method,
    MethodOptions, NotifyOptions, OneWayRetries, PROGRESS_WINDOW_MAX, PublishOptions, QUEUE_LENGTH_MAX,
    ReconnectOptions, RetryPolicy, ServeOptions, SubscribeOptions,
};

use super::harness::Work;

const PAGE: &str = include_str!("../../../docs/rpc.md");

#[test]
fn the_defaults_on_the_page_are_those_of_the_code() {
    let (client, call, serve) = (ClientOptions::default(), CallOptions::default(), ServeOptions::default());
    let (reconnect, retry, one_way) = (ReconnectOptions::default(), RetryPolicy::default(), OneWayRetries::default());
    let subscribe = SubscribeOptions::default();
    let or_none = |time: Option<Duration>| time.map_or("none".to_owned(), |time| format!("{time:?}"));
    let store = MemoryReplyStoreOptions::default();
    assert_eq!((client.codec, call.retry, call.priority, call.call_id), (Codec::Msgpack, retry, None, None));
    assert_eq!(call.metadata, Metadata::new());
    assert_eq!(MethodOptions::default().prefetch, None);
    let up_to_the_longest = |pause, longest| format!("{pause:?}, {longest:?}");
    let rows = [
        ("ClientOptions::name", format!("`{}`", client.name)),
        ("ClientOptions::codec", "msgpack".to_owned()),
        ("ClientOptions::in_flight_max", client.in_flight_max.to_string()),
        ("ClientOptions::connect_timeout", format!("{:?}", client.connect_timeout)),
        ("ClientOptions::publish_timeout", format!("{:?}", client.publish_timeout)),
        ("ClientOptions::heartbeat", format!("{:?}", client.heartbeat)),
        ("ReconnectOptions::attempts_max", reconnect.attempts_max.to_string()),
        ("ReconnectOptions::pause", up_to_the_longest(reconnect.pause, reconnect.pause_max)),
        ("CallOptions::deadline", format!("{:?}", call.deadline)),
        ("CallOptions::priority", "none".to_owned()),
        ("CallOptions::ask_first", call.ask_first.to_string()),
        ("CallOptions::progress_window", call.progress_window.to_string()),
        ("METADATA_BYTES_MAX", METADATA_BYTES_MAX.to_string()),
        ("RetryPolicy::attempts_max", retry.attempts_max.to_string()),
        ("RetryPolicy::pause", up_to_the_longest(retry.pause, retry.pause_max)),
        ("NotifyOptions::expires_after", or_none(NotifyOptions::default().expires_after)),
        ("NotifyOptions::timeout", or_none(NotifyOptions::default().timeout)),
        ("PublishOptions::timeout", or_none(PublishOptions::default().timeout)),
        ("PROGRESS_WINDOW_MAX", PROGRESS_WINDOW_MAX.to_string()),
        ("Method::HANDLING_MAX", or_none(<Work as Method>::HANDLING_MAX)),
        ("PublishOptions::expires_after", or_none(PublishOptions::default().expires_after)),
        ("SubscribeOptions::prefetch", subscribe.prefetch.to_string()),
        ("SubscribeOptions::length_max", subscribe.length_max.to_string()),
        ("ServeOptions::prefetch", serve.prefetch.to_string()),
        ("ServeOptions::drain_timeout", format!("{:?}", serve.drain_timeout)),
        ("ServeOptions::consumer_timeout", format!("{:?}", serve.consumer_timeout)),
        ("OneWayRetries::tries_max", one_way.tries_max.to_string()),
        ("OneWayRetries::pause", up_to_the_longest(one_way.pause, one_way.pause_max)),
        ("MemoryReplyStoreOptions::calls_max", store.calls_max.to_string()),
        ("MemoryReplyStoreOptions::answers_bytes_max", store.answers_bytes_max.to_string()),
        ("MemoryReplyStoreOptions::keep", format!("{:?}", store.keep)),
        ("Method::BODY_BYTES_MAX", BODY_BYTES_MAX.to_string()),
        ("Method::QUEUE_LENGTH_MAX", QUEUE_LENGTH_MAX.to_string()),
    ];
    for (option, default) in rows {
        let row = PAGE.lines().find(|line| line.starts_with(&format!("| `{option}`")));
        let row = row.unwrap_or_else(|| panic!("the page has no row of {option}"));
        assert!(row.ends_with(&format!(" | {default} |")), "{row} is not {default}");
    }
}
