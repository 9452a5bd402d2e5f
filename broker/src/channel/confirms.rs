//! Publisher confirms of a channel: collected while a batch of commands is handled, and sent as few frames.

/// What to tell the publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Confirm {
    Ack { tag: u64, multiple: bool },
    Nack { tag: u64 },
}

/// The confirms of a channel in confirm mode.
#[derive(Debug)]
pub(crate) struct Confirms {
    next: u64,
    /// The first and last of a run that is accepted and not yet told.
    run: Option<(u64, u64)>,
    /// A publish was never told (a fault): `multiple` would tell it after all.
    gap: bool,
}

impl Default for Confirms {
    fn default() -> Self {
        Confirms { next: 1, run: None, gap: false }
    }
}

impl Confirms {
    /// The number of the publish that has come.
    pub(crate) fn take_tag(&mut self) -> u64 {
        let tag = self.next;
        self.next += 1;
        tag
    }

    /// Publish `tag` is accepted. Says what has to be sent before the run can go on: nothing, as long as tags follow
    /// each other.
    pub(crate) fn accept(&mut self, tag: u64) -> Option<Confirm> {
        match &mut self.run {
            Some((_, last)) if *last + 1 == tag && !self.gap => {
                *last = tag;
                None
            }
            run => ack(run.replace((tag, tag))),
        }
    }

    /// A publish will never be told.
    pub(crate) fn leave_untold(&mut self) -> Option<Confirm> {
        self.gap = true;
        self.flush()
    }

    /// What is accepted and not told.
    pub(crate) fn flush(&mut self) -> Option<Confirm> {
        ack(self.run.take())
    }
}

/// `multiple` covers all before it, too: every one of them was told already, or a gap keeps runs at one.
fn ack(run: Option<(u64, u64)>) -> Option<Confirm> {
    run.map(|(first, last)| Confirm::Ack { tag: last, multiple: first != last })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_told_at_once() {
        let mut confirms = Confirms::default();
        for _ in 0..3 {
            let tag = confirms.take_tag();
            assert_eq!(confirms.accept(tag), None);
        }
        assert_eq!(confirms.flush(), Some(Confirm::Ack { tag: 3, multiple: true }));
        assert_eq!(confirms.flush(), None);
    }

    #[test]
    fn a_gap_ends_a_run() {
        let mut confirms = Confirms::default();
        let (first, _, third) = (confirms.take_tag(), confirms.take_tag(), confirms.take_tag());
        assert_eq!(confirms.accept(first), None);
        assert_eq!(confirms.accept(third), Some(Confirm::Ack { tag: first, multiple: false }));
    }
}
