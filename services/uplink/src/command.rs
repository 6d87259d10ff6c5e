//! What the gateway asks this unit to do, and what it is answered: the COMMAND channel.

use std::time::Duration;

use bondbox_bond::Sender;
use bondbox_bond::channel::Channel;
use bondbox_daemon::ipc::{CommandError, Commander};
use bondbox_ipc::Refusal;
use bondbox_ipc::capture::{self, Capture};
use bondbox_units::Instant;
use bondbox_wire::Writer;
use bondbox_wire::command::{Body, MAX_BODY, Outcome, Verb};
use bytes::Bytes;
use tokio::sync::mpsc;

use crate::panel::Panel;
use crate::source::Source;

/// What has come of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Of the question.
    pub(crate) number: u64,
    pub(crate) outcome: Outcome,
    /// Empty where it was done.
    pub(crate) why: String,
}

impl Answer {
    /// More ask at a time than people do: a hostile gateway.
    pub(crate) fn too_many(number: u64) -> Self {
        Self { number, outcome: Outcome::Refused, why: "too many ask at a time".into() }
    }
}

/// Counted since the service started.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    pub(crate) done: u64,
    pub(crate) failed: u64,
    /// What came was no question.
    pub(crate) unreadable: u64,
}

/// Questions and answers.
pub(crate) struct Orders {
    counters: Counters,
    /// Those that wait for nobody any more.
    answers: Vec<Answer>,
    /// So many wait for the capture service.
    telling: usize,
    /// What it was told ends here.
    results: mpsc::UnboundedSender<Answer>,
    ended: mpsc::UnboundedReceiver<Answer>,
}

impl Default for Orders {
    fn default() -> Self {
        let (results, ended) = mpsc::unbounded_channel();
        Self { counters: Counters::default(), answers: Vec::new(), telling: 0, results, ended }
    }
}

impl Orders {
    pub(crate) const fn counters(&self) -> Counters {
        self.counters
    }

    /// Takes in what the gateway said, and has it done.
    pub(crate) fn on_message(&mut self, now: Instant, body: &[u8], panel: &mut Panel, source: &Source) {
        match Body::decode(body) {
            Ok(Body::Ask { number, verb: Verb::Identify }) => panel.identify(now, number),
            Ok(Body::Ask { number, verb: Verb::Start }) => self.tell(number, capture::Command::Start, source),
            Ok(Body::Ask { number, verb: Verb::Stop }) => self.tell(number, capture::Command::Stop, source),
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

    /// Has the capture service do it, which says when the effect was seen.
    fn tell(&mut self, number: u64, command: capture::Command, source: &Source) {
        let Some(commander) = source.commander() else {
            let why = "this unit sends what it is given, and captures nothing".into();
            return self.answers.push(Answer { number, outcome: Outcome::Absent, why });
        };
        if self.telling >= MOST_WAITING {
            return self.answers.push(Answer::too_many(number));
        }
        self.telling += 1;
        let results = self.results.clone();
        tokio::spawn(async move {
            // The service ends, and nobody asks any more.
            let _ = results.send(told(number, command, &commander).await);
        });
    }

    /// Waits for what the capture service was told. May be dropped halfway.
    pub(crate) async fn follow(&mut self) {
        // There is always a sender: our own.
        if let Some(answer) = self.ended.recv().await {
            self.telling -= 1;
            self.answers.push(answer);
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

async fn told(number: u64, command: capture::Command, commander: &Commander<Capture>) -> Answer {
    match commander.command(command, PATIENCE).await {
        Ok(_) => Answer { number, outcome: Outcome::Done, why: String::new() },
        Err(error) => Answer { number, outcome: outcome(&error), why: format!("capture: {error}") },
    }
}

/// What becomes of a question whose service answers like this.
pub(crate) const fn outcome(error: &CommandError) -> Outcome {
    match error {
        CommandError::Disconnected => Outcome::Absent,
        CommandError::TimedOut(_) | CommandError::Refused(Refusal::NoEffect(_)) => Outcome::NoEffect,
        CommandError::Refused(Refusal::Invalid(_) | Refusal::Unavailable(_)) => Outcome::Refused,
    }
}

fn encoded(body: &Body<'_>) -> Bytes {
    let mut buffer = [0; MAX_BODY];
    let mut writer = Writer::new(&mut buffer);
    body.encode(&mut writer).expect("the longest body fits");
    Bytes::copy_from_slice(writer.written())
}

/// A page has a button or two.
pub(crate) const MOST_WAITING: usize = 16;
/// Encoders open within a few seconds; the gateway waits for ten.
const PATIENCE: Duration = Duration::from_secs(8);
/// The gateway waits no longer.
const EXPIRY: Duration = Duration::from_secs(5);
