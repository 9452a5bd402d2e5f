//! The inbox without a broker.

use bytes::Bytes;
use futures::FutureExt;
use proptest::prelude::*;

use super::*;
use crate::codec::Codec;

fn run(number: i64) -> RunId {
    RunId { control_queue: Some(format!("warren.control.{number}").into()), number }
}

fn progress(number: i64, seq: u64) -> Progress {
    let item = ItemBody { codec: Ok(Codec::Json), body: Bytes::from(format!("{number}.{seq}")) };
    Progress { run: run(number), seq, item }
}

/// What the reader gets now.
fn read(inbox: &Inbox) -> Option<Result<String, ProgressError>> {
    let mut context = Context::from_waker(std::task::Waker::noop());
    match inbox.poll(&mut context) {
        Poll::Ready(Some(next)) => Some(next.map(|item| String::from_utf8(item.body.to_vec()).unwrap())),
        Poll::Ready(None) => Some(Ok("the end".to_owned())),
        Poll::Pending => None,
    }
}

fn read_all(inbox: &Inbox) -> Vec<Result<String, ProgressError>> {
    std::iter::from_fn(|| read(inbox).filter(|next| next.as_deref() != Ok("the end"))).collect()
}

fn grants(inbox: &Inbox) -> Vec<(i64, u32)> {
    let due = std::iter::from_fn(|| inbox.due().now_or_never());
    due.map(|grant| (grant.run.map_or(-1, |run| run.number), grant.credit)).collect()
}

fn inbox(window: u32) -> Inbox {
    let inbox = Inbox::new(window);
    assert_eq!(inbox.begin("a.0".into()), Some(window));
    inbox
}

fn items(items: &[&str]) -> Vec<Result<String, ProgressError>> {
    items.iter().map(|item| Ok((*item).to_owned())).collect()
}

#[test]
fn items_are_read_in_order_and_credit_is_given_when_half_of_the_window_was_read() {
    let inbox = inbox(4);
    (0..4).for_each(|seq| inbox.deliver(progress(1, seq)));
    assert_eq!(grants(&inbox), []);
    assert_eq!(read(&inbox).unwrap().unwrap(), "1.0");
    assert_eq!(grants(&inbox), []);
    assert_eq!(read(&inbox).unwrap().unwrap(), "1.1");
    assert_eq!(grants(&inbox), [(1, 2)]);
    assert_eq!(read_all(&inbox), items(&["1.2", "1.3"]));
    inbox.end();
    assert_eq!(read(&inbox).unwrap().unwrap(), "the end");
}

#[test]
fn what_comes_without_credit_is_lost_and_told_and_what_comes_twice_is_not_read_twice() {
    let inbox = inbox(2);
    for seq in [0, 0, 1, 2, 3, 1] {
        inbox.deliver(progress(1, seq));
    }
    assert_eq!(read_all(&inbox), items(&["1.0", "1.1"]));
    inbox.deliver(progress(1, 4));
    assert_eq!(read_all(&inbox), [Err(ProgressError::Missed { count: 2 }), Ok("1.4".to_owned())]);
    inbox.deliver(progress(1, u64::MAX));
    inbox.deliver(progress(1, u64::MAX));
    assert_eq!(read_all(&inbox).len(), 3, "and no overflow");
    assert_eq!(grants(&inbox), [(1, 2)], "never more than the window");
}

#[test]
fn another_run_begins_anew_and_says_so_to_who_has_read() {
    let inbox = inbox(4);
    inbox.deliver(progress(1, 0));
    inbox.deliver(progress(2, 0));
    assert_eq!(grants(&inbox), [(1, 0)], "the first goes on alone");
    assert_eq!(read_all(&inbox), items(&["2.0"]), "nothing of the first was read");
    inbox.deliver(progress(1, 1));
    inbox.deliver(progress(3, 0));
    inbox.deliver(progress(2, 1));
    assert_eq!(read_all(&inbox), [Err(ProgressError::Restarted), Ok("3.0".to_owned())]);
    assert_eq!(grants(&inbox), [(2, 0)]);
    assert_eq!(inbox.begin("a.1".into()), Some(4));
    assert_eq!(read_all(&inbox), [Err(ProgressError::Restarted)]);
    assert_eq!(inbox.control_queue(), None);
}

#[test]
fn when_nobody_reads_any_more_the_instance_is_told_and_nothing_is_kept() {
    let inbox = inbox(4);
    inbox.discard();
    assert_eq!(grants(&inbox), [], "nobody knows the run yet");
    (0..100).for_each(|seq| inbox.deliver(progress(1, seq)));
    assert_eq!(grants(&inbox), [(1, 0)]);
    assert_eq!(read_all(&inbox), []);
    inbox.lose();
    assert_eq!(inbox.begin("a.1".into()), None, "the next attempt asks for none");
    assert_eq!(grants(&inbox), [(1, 0)], "and the lost one does not wait");
}

#[test]
fn a_lost_attempt_of_which_nothing_came_is_released_whoever_has_it() {
    let inbox = inbox(4);
    inbox.lose();
    inbox.begin("a.1".into());
    let grant = inbox.due().now_or_never().unwrap();
    assert_eq!(grant, Grant { attempt: "a.0".into(), run: None, credit: 0 });
}

proptest! {
    /// Whatever comes, the reader gets each run's items in order, told of what is not there, within the window.
    #[test]
    fn any_messages_in_any_order_do_not_mix(
        window in 1..5_u32,
        steps in proptest::collection::vec((0..4_i64, 0..6_u64, any::<bool>()), 0..200),
    ) {
        let inbox = inbox(window);
        let (mut current, mut next) = (None, 0);
        for (number, seq, is_read) in steps {
            inbox.deliver(progress(number, seq));
            prop_assert!(inbox.lock().items.len() <= window as usize);
            prop_assert!(inbox.lock().releases.len() <= RELEASES_MAX);
            if !is_read {
                continue;
            }
            for item in read_all(&inbox) {
                match item {
                    Ok(text) => {
                        let (run, seq) = text.split_once('.').unwrap();
                        let (run, seq) = (run.parse::<i64>().unwrap(), seq.parse::<u64>().unwrap());
                        prop_assert_eq!(*current.get_or_insert(run), run);
                        prop_assert_eq!(seq, next);
                        next += 1;
                    }
                    Err(ProgressError::Missed { count }) => next += count,
                    Err(_) => (current, next) = (None, 0),
                }
            }
        }
    }
}
