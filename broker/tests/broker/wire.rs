//! Bytes that no client library would send.

use std::time::Duration;

use amq_protocol::frame::AMQPFrame;
use amq_protocol::protocol::{AMQPClass, basic, confirm};
use amq_protocol::types::FieldTable;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::*;
use crate::raw::{Raw, frame};

conformance!(
    another_protocol_is_answered_with_the_right_header,
    a_channel_that_is_not_open_is_504,
    a_publish_on_a_channel_that_is_not_open_is_504,
    a_second_open_is_504,
    a_body_from_nowhere_is_505,
    a_frame_without_its_end_is_501,
    a_frame_over_the_limit_is_501,
    an_unknown_method_ends_the_connection,
    a_channel_too_many_is_530,
    a_server_sends_heartbeats_and_misses_them,
    properties_that_cannot_be_read_end_the_connection,
    properties_that_are_no_text_survive_a_death,
    properties_that_are_no_text_survive_direct_reply_to,
    a_return_comes_before_its_confirm,
    a_wrong_password_without_a_word_is_cut_off,
    a_client_that_did_not_ask_is_not_told_of_a_cancellation,
    recover_async_is_not_answered,
    a_prefetch_in_bytes_is_540,
);

async fn another_protocol_is_answered_with_the_right_header(target: &Target) {
    let mut raw = Raw::connect(target).await;
    raw.stream.write_all(b"AMQP\x01\x01\x00\x0a").await.unwrap();
    // RabbitMQ 4 speaks AMQP 1.0, too, and answers with its authentication's header.
    let expected = if target.is_4() { b"AMQP\x03\x01\0\0" } else { b"AMQP\0\0\x09\x01" };
    let mut answer = Vec::new();
    // RabbitMQ may reset the connection after its answer.
    let _ = soon("the end", raw.stream.read_to_end(&mut answer)).await;
    assert_eq!(answer, expected);
}

async fn a_channel_that_is_not_open_is_504(target: &Target) {
    let mut raw = Raw::open(target, 2047, 0).await;
    raw.send(7, AMQPClass::Basic(basic::AMQPMethod::Qos(basic::Qos { prefetch_count: 1, global: false }))).await;
    assert_eq!(raw.close_code().await, (504, "CHANNEL_ERROR - expected 'channel.open'".to_owned()));
}

async fn a_publish_on_a_channel_that_is_not_open_is_504(target: &Target) {
    let mut raw = Raw::open(target, 2047, 0).await;
    if target.flavour == Flavour::Embedded {
        // RabbitMQ collects the content first.
        raw.stream.write_all(&frame(1, 7, &[0, 60, 0, 40, 0, 0, 0, 1, b'q', 0])).await.unwrap();
    } else {
        raw.publish(7, "", "q", 0, &[0, 0], b"x").await;
    }
    assert_eq!(raw.close_code().await, (504, "CHANNEL_ERROR - expected 'channel.open'".to_owned()));
}

async fn a_second_open_is_504(target: &Target) {
    let mut raw = Raw::open(target, 2047, 0).await;
    raw.open_channel(1).await;
    raw.open_channel(1).await;
    assert_eq!(raw.close_code().await, (504, "CHANNEL_ERROR - second 'channel.open' seen".to_owned()));
}

async fn a_body_from_nowhere_is_505(target: &Target) {
    let mut raw = Raw::open(target, 2047, 0).await;
    raw.open_channel(1).await;
    raw.stream.write_all(&[3, 0, 1, 0, 0, 0, 1, b'x', 0xCE]).await.unwrap();
    let (code, text) = raw.close_code().await;
    assert_eq!((code, text.as_str()), (505, "UNEXPECTED_FRAME - expected method frame, got non method frame instead"));
}

async fn a_frame_without_its_end_is_501(target: &Target) {
    let mut raw = Raw::open(target, 2047, 0).await;
    raw.stream.write_all(&[8, 0, 0, 0, 0, 0, 0, 0]).await.unwrap();
    let text = "FRAME_ERROR - type 8, all octets = <<>>: {invalid_frame_end_marker,0}";
    assert_eq!(raw.close_code().await, (501, text.to_owned()));
}

async fn a_frame_over_the_limit_is_501(target: &Target) {
    let mut raw = Raw::open(target, 2047, 0).await;
    raw.open_channel(1).await;
    raw.stream.write_all(&[1, 0, 1, 0, 1, 0, 0, 0, 0, 0]).await.unwrap();
    let text = "FRAME_ERROR - type 1, all octets = <<>>: {frame_too_large,65536,8184}";
    assert_eq!(raw.close_code().await, (501, text.to_owned()));
}

async fn an_unknown_method_ends_the_connection(target: &Target) {
    let mut raw = Raw::open(target, 2047, 0).await;
    raw.open_channel(1).await;
    raw.stream.write_all(&[1, 0, 1, 0, 0, 0, 4, 0, 60, 0, 99, 0xCE]).await.unwrap();
    if target.flavour == Flavour::Embedded {
        assert_eq!(raw.close_code().await, (503, "COMMAND_INVALID - unknown class or method {60,99}".to_owned()));
    } else {
        while raw.frame().await.is_some() {}
    }
}

async fn a_channel_too_many_is_530(target: &Target) {
    let mut raw = Raw::open(target, 2, 0).await;
    for number in [1, 9, 2] {
        raw.open_channel(number).await;
    }
    let text = "NOT_ALLOWED - number of channels opened (2) has reached the negotiated channel_max (2)";
    assert_eq!(raw.close_code().await, (530, text.to_owned()));
}

async fn a_server_sends_heartbeats_and_misses_them(target: &Target) {
    let mut raw = Raw::open(target, 2047, 1).await;
    assert_eq!(raw.frame().await, Some(AMQPFrame::Heartbeat));
    let end = tokio::time::timeout(Duration::from_secs(6), async { while raw.frame().await.is_some() {} }).await;
    assert!(end.is_ok(), "a silent client is still connected");
}

async fn properties_that_cannot_be_read_end_the_connection(target: &Target) {
    let name_is_cut = [0x20, 0, 0, 0, 0, 2, 9, b'k'];
    let no_such_type = [0x20, 0, 0, 0, 0, 4, 1, b'k', b'?', 1];
    let value_is_cut = [0x20, 0, 0, 0, 0, 4, 1, b'k', b'I', 1];
    let text_is_cut = [0x80, 0, 5, b'a'];
    for block in [&name_is_cut[..], &no_such_type, &value_is_cut, &text_is_cut, &[0x80]] {
        let mut raw = Raw::open(target, 2047, 0).await;
        raw.open_channel(1).await;
        raw.publish(1, "", "q", 0, block, b"x").await;
        let (code, text) = raw.close_code().await;
        assert_eq!((code, text.as_str()), (541, "INTERNAL_ERROR"), "{block:?}");
    }
}

/// A header whose name is Latin-1, and a correlation id of sixteen bytes of any kind.
const NO_TEXT_HEADER: &[u8] = &[3, b'c', 0xf4, b't', b't', 1];
const NO_TEXT_ID: &[u8] = &[16, 0xff, 0xfe, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0x80, 0x81, 0xc0, 0xc1];

/// Reads until `expected` has come, each behind the one before.
async fn hear(raw: &mut Raw, expected: &[&[u8]]) {
    let (mut heard, mut at) = (Vec::new(), 0);
    for part in expected {
        soon("these bytes", async {
            loop {
                if let Some(place) = heard[at..].windows(part.len()).position(|window| window == *part) {
                    at += place + part.len();
                    return;
                }
                assert_ne!(raw.stream.read_buf(&mut heard).await.unwrap(), 0, "the end after {heard:?}");
            }
        })
        .await;
    }
}

async fn properties_that_are_no_text_survive_a_death(target: &Target) {
    let _channel = with_dead_letters(target, "q", FieldTable::default()).await;
    let mut raw = Raw::open(target, 2047, 0).await;
    raw.open_channel(1).await;
    raw.consume(1, "dead").await;
    let block = [&[0x25, 0, 0, 0, 0, 6][..], NO_TEXT_HEADER, NO_TEXT_ID, &[1, b'1']].concat();
    raw.publish(1, "", "q", 0, &block, b"x").await;
    hear(&mut raw, &[&[0x24, 0], NO_TEXT_HEADER, b"x-death", NO_TEXT_ID]).await;
}

async fn properties_that_are_no_text_survive_direct_reply_to(target: &Target) {
    let channel = target.channel().await;
    declare(&channel, "requests", FieldTable::default()).await;
    let mut raw = Raw::open(target, 2047, 0).await;
    raw.open_channel(1).await;
    raw.consume(1, "requests").await;
    let reply_to = [&[21][..], b"amq.rabbitmq.reply-to"].concat();
    // Without acks.
    let consume = [&[0, 60, 0, 20, 0, 0][..], &reply_to, &[0, 0b10, 0, 0, 0, 0]].concat();
    raw.stream.write_all(&frame(1, 1, &consume)).await.unwrap();
    raw.method().await;
    let block = [&[0x26, 0, 0, 0, 0, 6][..], NO_TEXT_HEADER, NO_TEXT_ID, &reply_to].concat();
    raw.publish(1, "", "requests", 0, &block, b"x").await;
    let unchanged = [&[0x26, 0, 0, 0, 0, 6][..], NO_TEXT_HEADER, NO_TEXT_ID].concat();
    hear(&mut raw, &[&unchanged, b"amq.rabbitmq.reply-to."]).await;
}

async fn a_return_comes_before_its_confirm(target: &Target) {
    let mut raw = Raw::open(target, 2047, 0).await;
    raw.open_channel(1).await;
    raw.method().await;
    raw.send(1, AMQPClass::Confirm(confirm::AMQPMethod::Select(confirm::Select { nowait: false }))).await;
    raw.method().await;
    for _ in 0..3 {
        raw.publish(1, "", "nowhere", 1, &[0, 0], b"x").await;
    }
    let (mut returned, mut confirmed) = (0, 0);
    while confirmed < 3 {
        match raw.frame().await.expect("the connection is open") {
            AMQPFrame::Method(1, AMQPClass::Basic(basic::AMQPMethod::Return(_))) => returned += 1,
            AMQPFrame::Method(1, AMQPClass::Basic(basic::AMQPMethod::Ack(ack))) => confirmed = ack.delivery_tag,
            _ => {}
        }
        assert!(confirmed <= returned, "publish {confirmed} is confirmed, and {returned} are returned");
    }
}

async fn a_wrong_password_without_a_word_is_cut_off(target: &Target) {
    let mut raw = Raw::connect(target).await;
    raw.say_hello("wrong", FieldTable::default()).await;
    // RabbitMQ waits some seconds, so that nobody tries many passwords.
    assert_eq!(raw.frame().await, None);
}

async fn a_client_that_did_not_ask_is_not_told_of_a_cancellation(target: &Target) {
    let channel = target.channel().await;
    declare(&channel, "q", FieldTable::default()).await;
    let mut raw = Raw::open(target, 2047, 0).await;
    raw.open_channel(1).await;
    raw.consume(1, "q").await;
    channel.queue_delete("q".into(), lapin::options::QueueDeleteOptions::default()).await.unwrap();
    // Nothing stands between these two answers.
    raw.send(1, AMQPClass::Basic(basic::AMQPMethod::Qos(basic::Qos { prefetch_count: 1, global: false }))).await;
    let answer = raw.method().await;
    assert!(matches!(answer, AMQPClass::Basic(basic::AMQPMethod::QosOk(_))), "{answer:?}");
}

async fn a_prefetch_in_bytes_is_540(target: &Target) {
    let mut raw = Raw::open(target, 2047, 0).await;
    raw.open_channel(1).await;
    raw.stream.write_all(&[1, 0, 1, 0, 0, 0, 11, 0, 60, 0, 10, 0, 0, 0, 7, 0, 1, 0, 0xCE]).await.unwrap();
    assert_eq!(raw.close_code().await, (540, "NOT_IMPLEMENTED - prefetch_size!=0 (7)".to_owned()));
}

async fn recover_async_is_not_answered(target: &Target) {
    let channel = target.channel().await;
    declare(&channel, "q", FieldTable::default()).await;
    confirms(&channel).await;
    publish(&channel, "q", "x").await;
    let mut raw = Raw::open(target, 2047, 0).await;
    raw.open_channel(1).await;
    raw.consume(1, "q").await;
    let first = raw.method().await;
    raw.send(1, AMQPClass::Basic(basic::AMQPMethod::RecoverAsync(basic::RecoverAsync { requeue: true }))).await;
    let second = raw.method().await;
    for (method, again) in [(first, false), (second, true)] {
        let AMQPClass::Basic(basic::AMQPMethod::Deliver(deliver)) = method else { panic!("{method:?}") };
        assert_eq!(deliver.redelivered, again);
    }
}
