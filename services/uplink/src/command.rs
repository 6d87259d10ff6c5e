//! What the gateway asks this unit to do, and what it is answered: the COMMAND channel.

use std::time::Duration;

use bondbox_bond::Sender;
use bondbox_bond::channel::Channel;
use bondbox_units::Instant;
use bondbox_wire::Writer;
use bondbox_wire::command::{Body, MAX_BODY, Outcome, Verb};
use bytes::Bytes;

use crate::panel::{Answer, Panel};

/// Counted since the service started.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    pub(crate) done: u64,
    pub(crate) failed: u64,
    /// What came was no question.
    pub(crate) unreadable: u64,
}

/// Questions and answers.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    counters: Counters,
    /// Those that need nobody else.
    answers: Vec<Answer>,
}

impl Orders {
    pub(crate) const fn counters(&self) -> Counters {
        self.counters
    }

    /// Takes in what the gateway said, and has it done.
    pub(crate) fn on_message(&mut self, now: Instant, body: &[u8], panel: &mut Panel) {
        match Body::decode(body) {
            Ok(Body::Ask { number, verb: Verb::Identify }) => panel.identify(now, number),
            Ok(Body::Ask { number, verb: Verb::Other(verb) }) => {
                tracing::info!(verb, "the gateway asks for something that this build does not know");
                self.answers.push(Answer { number, outcome: Outcome::Unknown, why: String::new() });
            }
            Ok(Body::Answer { number, .. }) => {
                tracing::debug!(number, "an answer, and nothing was asked");
                self.counters.unreadable += 1;
            }
            Err(why) => {
                tracing::warn!(?why, bytes = body.len(), "the gateway says something that this build cannot read");
                self.counters.unreadable += 1;
            }
        }
    }

    /// Answers what has ended.
    pub(crate) fn answer(&mut self, now: Instant, panel: &mut Panel, sender: &mut Sender) {
        let ended = panel.answers(now);
        for Answer { number, outcome, why } in self.answers.drain(..).chain(ended) {
            tracing::info!(number, outcome = outcome.name(), why, "the gateway is answered");
            match outcome {
                Outcome::Done => self.counters.done += 1,
                _ => self.counters.failed += 1,
            }
            let body = encoded(&Body::Answer { number, outcome, why: &why });
            if let Err(refused) = sender.send_message(now, Channel::Command, body, EXPIRY) {
                tracing::warn!(number, %refused, "the answer does not go out");
            }
        }
    }
}

fn encoded(body: &Body<'_>) -> Bytes {
    let mut buffer = [0; MAX_BODY];
    let mut writer = Writer::new(&mut buffer);
    body.encode(&mut writer).expect("the longest body fits");
    Bytes::copy_from_slice(writer.written())
}

/// The gateway waits no longer.
const EXPIRY: Duration = Duration::from_secs(5);
