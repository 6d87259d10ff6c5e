//! What units are asked to do, and their answers: the COMMAND channel.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use bondbox_bond::Gateway;
use bondbox_bond::channel::{Channel, ChannelEvent, MessageFate, MessageId};
use bondbox_bond::gateway::{GatewayEvent, StreamKey};
use bondbox_units::Instant;
use bondbox_wire::Writer;
use bondbox_wire::command::{Body, MAX_BODY, Outcome, Verb};
use bytes::Bytes;
use tokio::sync::oneshot;

/// Questions that were not answered yet.
pub(crate) struct Commands {
    /// Numbers of another life of this gateway are others: a unit may still answer one of those.
    next: u64,
    asked: BTreeMap<u64, Asked>,
    /// By how they ended.
    counts: BTreeMap<&'static str, u64>,
}

struct Asked {
    stream: StreamKey,
    message: MessageId,
    until: Instant,
    answer: oneshot::Sender<Told>,
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// The unit saw the effect.
    Done,
    /// The unit says why not.
    NotDone { outcome: Outcome, why: String },
    /// The unit said nothing in time; the effect may still come.
    NoAnswer,
    /// There is no such stream, or too much waits for its unit.
    NotAsked(bondbox_bond::channel::Refused),
}

impl Commands {
    pub(crate) fn new() -> Self {
        let next = RandomState::new().hash_one(0) & NUMBERS;
        Self { next, asked: BTreeMap::new(), counts: BTreeMap::new() }
    }

    /// By how they ended.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.counts.iter().map(|(outcome, count)| (*outcome, *count))
    }

    /// Asks the unit of a stream.
    pub(crate) fn ask(
        &mut self,
        now: Instant,
        engine: &mut Gateway,
        stream: &StreamKey,
        verb: Verb,
        answer: oneshot::Sender<Told>,
    ) {
        let number = self.next;
        self.next = (self.next + 1) & NUMBERS;
        let body = encoded(&Body::Ask { number, verb });
        match engine.send_message(now, stream, Channel::Command, body, EXPIRY) {
            Ok(message) => {
                tracing::info!(stream = stream.name, number, ?verb, "the unit is asked");
                let stream = stream.clone();
                self.asked.insert(number, Asked { stream, message, until: now + PATIENCE, answer });
            }
            Err(refused) => self.end("not_asked", answer, Told::NotAsked(refused)),
        }
    }

    /// Takes in what is about questions, and gives back what is not.
    pub(crate) fn handle(&mut self, event: GatewayEvent) -> Option<GatewayEvent> {
        match event {
            GatewayEvent::Channel { stream, event: ChannelEvent::Message { channel: Channel::Command, body, .. } } => {
                self.on_message(&stream, &body);
                None
            }
            GatewayEvent::Channel { stream, event: ChannelEvent::Done { channel: Channel::Command, id, fate } } => {
                if fate == MessageFate::Expired {
                    self.expire(|asked| asked.stream == stream && asked.message == id);
                }
                None
            }
            other => Some(other),
        }
    }

    /// Gives up what has waited long enough.
    pub(crate) fn on_time(&mut self, now: Instant) {
        self.expire(|asked| asked.until <= now);
    }

    fn on_message(&mut self, stream: &StreamKey, body: &[u8]) {
        let name = &stream.name;
        match Body::decode(body) {
            Ok(Body::Answer { number, outcome, why }) => {
                // Another unit's answer takes nothing from whoever waits for this one.
                let of_it = self.asked.get(&number).is_some_and(|asked| asked.stream == *stream);
                let Some(asked) = of_it.then(|| self.asked.remove(&number)).flatten() else {
                    tracing::info!(stream = name, number, outcome = outcome.name(), "an answer that nobody waits for");
                    return self.count("stray");
                };
                tracing::info!(stream = name, number, outcome = outcome.name(), why, "the unit answers");
                let told = match outcome {
                    Outcome::Done => Told::Done,
                    outcome => Told::NotDone { outcome, why: why.to_owned() },
                };
                self.end(outcome.name(), asked.answer, told);
            }
            Ok(Body::Ask { number, verb }) => {
                tracing::info!(stream = name, number, ?verb, "the unit asks, which this build does not know");
                self.count("unreadable");
            }
            Err(error) => {
                tracing::warn!(stream = name, ?error, bytes = body.len(), "the unit says what this build cannot read");
                self.count("unreadable");
            }
        }
    }

    fn expire(&mut self, is: impl Fn(&Asked) -> bool) {
        let over: Vec<(u64, Asked)> = self.asked.extract_if(.., |_, asked| is(asked)).collect();
        for (number, asked) in over {
            tracing::warn!(stream = asked.stream.name, number, "the unit does not answer");
            self.end("no_answer", asked.answer, Told::NoAnswer);
        }
    }

    fn end(&mut self, outcome: &'static str, answer: oneshot::Sender<Told>, told: Told) {
        self.count(outcome);
        // Whoever asked may have gone.
        let _ = answer.send(told);
    }

    fn count(&mut self, outcome: &'static str) {
        *self.counts.entry(outcome).or_default() += 1;
    }
}

fn encoded(body: &Body<'_>) -> Bytes {
    let mut buffer = [0; MAX_BODY];
    let mut writer = Writer::new(&mut buffer);
    body.encode(&mut writer).expect("the longest body fits");
    Bytes::copy_from_slice(writer.written())
}

/// Below what a variable-length integer holds.
const NUMBERS: u64 = (1 << 60) - 1;
/// A unit that is dark for longer shall not do it when it is back and nobody looks any more.
const EXPIRY: Duration = Duration::from_secs(5);
/// The unit waits for its effect, and its answer travels.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use bondbox_bond::gateway::GatewayConfig;
    use bondbox_bond::receiver::Outputs;

    use super::*;

    fn key(name: &str) -> StreamKey {
        let unit = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff".parse().unwrap();
        StreamKey { unit, name: name.into() }
    }

    /// A question that was asked, without an engine that sends it.
    fn asked(commands: &mut Commands, number: u64) -> oneshot::Receiver<Told> {
        let (answer, answered) = oneshot::channel();
        let until = Instant::ZERO + PATIENCE;
        commands.asked.insert(number, Asked { stream: key("live"), message: MessageId(number), until, answer });
        answered
    }

    fn says(stream: &str, body: &Body<'_>) -> GatewayEvent {
        let event = ChannelEvent::Message { channel: Channel::Command, id: MessageId(9), body: encoded(body) };
        GatewayEvent::Channel { stream: key(stream), event }
    }

    fn count(commands: &Commands, outcome: &str) -> u64 {
        commands.counts().find(|(name, _)| *name == outcome).map_or(0, |(_, count)| count)
    }

    #[test]
    fn an_answer_goes_to_whoever_asked_and_only_from_the_unit_that_was_asked() {
        let mut commands = Commands::new();
        let (mut first, mut second) = (asked(&mut commands, 1), asked(&mut commands, 2));
        let why = "the panel service is not there";
        let absent = Body::Answer { number: 2, outcome: Outcome::Absent, why };
        assert_eq!(commands.handle(says("live", &absent)), None);
        assert_eq!(second.try_recv(), Ok(Told::NotDone { outcome: Outcome::Absent, why: why.into() }));
        assert!(first.try_recv().is_err());
        let done = Body::Answer { number: 1, outcome: Outcome::Done, why: "" };
        commands.handle(says("live", &done));
        assert_eq!(first.try_recv(), Ok(Told::Done));
        let mut third = asked(&mut commands, 3);
        commands.handle(says("other", &Body::Answer { number: 3, outcome: Outcome::Done, why: "" }));
        assert!(third.try_recv().is_err() && commands.asked.contains_key(&3));
        commands.handle(says("live", &done));
        assert_eq!(["absent", "done", "stray"].map(|outcome| count(&commands, outcome)), [1, 1, 2]);
    }

    #[test]
    fn a_unit_that_does_not_take_it_or_does_not_answer_is_waited_for_no_longer() {
        let mut commands = Commands::new();
        let (mut expired, mut silent) = (asked(&mut commands, 1), asked(&mut commands, 2));
        let done = |id, fate| {
            let event = ChannelEvent::Done { channel: Channel::Command, id: MessageId(id), fate };
            GatewayEvent::Channel { stream: key("live"), event }
        };
        commands.handle(done(1, MessageFate::Expired));
        commands.handle(done(2, MessageFate::Delivered));
        assert_eq!(expired.try_recv(), Ok(Told::NoAnswer));
        commands.on_time(Instant::from_millis(9_999));
        assert!(silent.try_recv().is_err());
        commands.on_time(Instant::from_millis(10_000));
        assert_eq!(silent.try_recv(), Ok(Told::NoAnswer));
        assert_eq!(count(&commands, "no_answer"), 2);
    }

    #[test]
    fn what_is_no_answer_is_counted_and_what_is_about_something_else_given_back() {
        let mut commands = Commands::new();
        commands.handle(says("live", &Body::Ask { number: 1, verb: Verb::Identify }));
        let event =
            ChannelEvent::Message { channel: Channel::Command, id: MessageId(1), body: Bytes::from_static(b"\x07") };
        commands.handle(GatewayEvent::Channel { stream: key("live"), event });
        assert_eq!(count(&commands, "unreadable"), 2);
        let event = ChannelEvent::Message { channel: Channel::Telemetry, id: MessageId(1), body: Bytes::new() };
        let other = GatewayEvent::Channel { stream: key("live"), event };
        assert_eq!(commands.handle(other.clone()), Some(other));
    }

    #[test]
    fn a_stream_that_is_not_there_is_not_asked() {
        let config = GatewayConfig {
            identity: std::sync::Arc::new(bondbox_bond::Identity::generate()),
            units: Vec::new(),
            latency: None,
            outputs: Outputs::default(),
        };
        let mut engine = Gateway::new(Instant::ZERO, config, 1);
        let (mut commands, (answer, mut answered)) = (Commands::new(), oneshot::channel());
        commands.ask(Instant::ZERO, &mut engine, &key("live"), Verb::Identify, answer);
        assert_eq!(answered.try_recv(), Ok(Told::NotAsked(bondbox_bond::channel::Refused::NoStream)));
    }
}
