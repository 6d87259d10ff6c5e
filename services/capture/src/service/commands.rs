//! Commands, and when they are answered: after their effect was seen.

use std::time::Duration;

use bondbox_camera::V4l2;
use bondbox_daemon::clock;
use bondbox_daemon::ipc::Responder;
use bondbox_ipc::Refusal;
use bondbox_ipc::capture::{Command, Done, Picture};
use bondbox_units::{Bitrate, Instant};

use super::Service;
use crate::follow::{Follow, Verdict};
use crate::source::VideoSource;

/// Commands whose effect is awaited.
#[derive(Default)]
pub(super) struct Pending {
    bitrate: Option<(Follow, Responder<Done>)>,
    keyframes: Vec<Waiting>,
    starts: Vec<Waiting>,
    switch: Option<Waiting>,
    counts: Vec<Count>,
}

/// Somebody who wants to know whether the source brings anything.
struct Count {
    since: Instant,
    /// What it had brought by then.
    before: u64,
    responder: Responder<Done>,
}

struct Waiting {
    since: Instant,
    responder: Responder<Done>,
}

impl Pending {
    /// A video unit came out.
    pub(super) fn on_unit(&mut self, encoded: Instant, keyframe: bool) {
        for waiting in self.starts.drain(..) {
            waiting.responder.done(Done::Now);
        }
        // One that left the encoder before the command is not its effect.
        if keyframe {
            for waiting in self.keyframes.extract_if(.., |waiting| encoded > waiting.since) {
                let after = encoded.since(waiting.since).as_millis();
                waiting.responder.done(Done::Keyframe { after_ms: u32::try_from(after).unwrap_or(u32::MAX) });
            }
        }
    }
}

impl Service {
    pub(super) fn command(&mut self, command: Command, responder: Responder<Done>) {
        let now = clock::now();
        match command {
            Command::SetBitrate(bitrate) => self.set_bitrate(now, bitrate, responder),
            Command::ForceKeyframe => {
                if self.force_keyframe() {
                    self.pending.keyframes.push(Waiting { since: now, responder });
                } else {
                    responder.refuse(Refusal::Unavailable(self.no_air("takes no request for a keyframe")));
                }
            }
            Command::Start => self.start_by_command(now, responder),
            Command::Stop => {
                self.end_by_command();
                // Done is said when it also outlives a loss of power.
                self.intent.mean(now, false, || responder.done(Done::Now));
            }
            Command::Suspend => {
                self.end_by_command();
                responder.done(Done::Now);
            }
            Command::SetSource(source) => self.set_source(now, &source, responder),
            Command::CountPictures => {
                let before = self.studio.shelf.frames().brought();
                self.pending.counts.push(Count { since: now, before, responder });
            }
        }
    }

    fn start_by_command(&mut self, now: Instant, responder: Responder<Done>) {
        if self.air.is_none() {
            if let Err(error) = self.go_on_air(now) {
                return responder.refuse(Refusal::Unavailable(format!("{error:#}")));
            }
            self.pending.starts.push(Waiting { since: now, responder });
        } else if std::mem::take(&mut self.rehearsal) {
            self.force_keyframe();
            self.pending.starts.push(Waiting { since: now, responder });
        } else {
            responder.done(Done::Now);
        }
        self.intent.mean(now, true, || {});
    }

    fn end_by_command(&mut self) {
        self.rehearsal = false;
        self.go_off_air();
        // Nothing can come any more: the queues went with the pipelines.
        self.refuse_all("the unit was taken off the air");
    }

    /// Answers what has come true, and what has taken too long.
    pub(super) fn judge(&mut self, now: Instant) {
        if let Some((follow, responder)) = self.pending.bitrate.take() {
            match follow.judge(now, &self.meter) {
                None => self.pending.bitrate = Some((follow, responder)),
                Some(Verdict::Follows(measured)) => {
                    responder.done(Done::Bitrate { target: follow.told(), measured });
                }
                Some(Verdict::Ignores(measured)) => {
                    let why = format!("{} was told {} and gives {measured}", self.studio.card.factory, follow.told());
                    tracing::warn!(why, "a bitrate has no effect");
                    responder.refuse(Refusal::NoEffect(why));
                }
            }
        }
        if let Some(waiting) = self.pending.switch.take() {
            let shown = {
                let frames = self.studio.shelf.frames();
                frames.is_live() || (self.source == VideoSource::Slate && frames.picture() == Picture::Slate)
            };
            if shown {
                waiting.responder.done(Done::Now);
            } else if now.since(waiting.since) >= EFFECT {
                let why = format!("{} shows no picture yet; it is tried again until it does", self.source);
                waiting.responder.refuse(Refusal::NoEffect(why));
            } else {
                self.pending.switch = Some(waiting);
            }
        }
        for Count { since, before, responder } in
            self.pending.counts.extract_if(.., |count| now.since(count.since) >= COUNTED)
        {
            let frames = self.studio.shelf.frames();
            // Since a switch, where there was one.
            let brought = frames.brought();
            match brought.checked_sub(before).unwrap_or(brought) {
                0 => {
                    let (source, long, why) = (&self.source, COUNTED.as_secs(), frames.why_lost());
                    let why = if why.is_empty() { String::new() } else { format!(": {why}") };
                    responder.refuse(Refusal::NoEffect(format!("{source} brought no picture in {long} s{why}")));
                }
                count => {
                    let within = u32::try_from(now.since(since).as_millis()).unwrap_or(u32::MAX);
                    let count = u32::try_from(count).unwrap_or(u32::MAX);
                    responder.done(Done::Pictures { count, within_ms: within, rate: self.studio.format.rate });
                }
            }
        }
        let late = |waiting: &mut Waiting| now.since(waiting.since) >= EFFECT;
        for waiting in self.pending.keyframes.extract_if(.., late) {
            waiting.responder.refuse(Refusal::NoEffect("no keyframe came out".into()));
        }
        for waiting in self.pending.starts.extract_if(.., late) {
            waiting.responder.refuse(Refusal::NoEffect("no unit came out".into()));
        }
    }

    fn set_bitrate(&mut self, now: Instant, bitrate: Bitrate, responder: Responder<Done>) {
        if bitrate == Bitrate::ZERO {
            return responder
                .refuse(Refusal::Invalid("the bitrate is 0, must be more: stop takes the unit off the air".into()));
        }
        let Some(air) = &self.air else {
            return responder.refuse(Refusal::Unavailable(self.no_air("takes no bitrate")));
        };
        let before = self.target;
        // Whoever asks knows the links, not the encoder: the nearest it can do is done, and the answer says what that is.
        let told = match air.video.set_bitrate(bitrate) {
            Ok(Some(told)) => told,
            Ok(None) => {
                let bitrate = bitrate.clamp(self.studio.card.floor, self.studio.ceiling);
                self.target = bitrate;
                self.air = None;
                if let Err(error) = self.go_back_on_air(now) {
                    return responder.refuse(Refusal::Unavailable(format!("{error:#}")));
                }
                bitrate
            }
            Err(error) => return responder.refuse(Refusal::Unavailable(error.to_string())),
        };
        self.target = told;
        if let Some((_, overtaken)) = self.pending.bitrate.replace((Follow::new(before, told, now), responder)) {
            overtaken.refuse(Refusal::Unavailable(format!("replaced by {told} before it could be measured")));
        }
    }

    fn set_source(&mut self, now: Instant, source: &str, responder: Responder<Done>) {
        let source = match source.parse::<VideoSource>() {
            Ok(source) => source,
            Err(never) => match never {},
        };
        if let Err(error) = source.check(&V4l2) {
            return responder.refuse(Refusal::Invalid(error.to_string()));
        }
        tracing::info!(%source, "the source is switched");
        self.source = source;
        self.runners.clear();
        self.studio.shelf.frames().on_switch(now);
        if let Err(error) = self.open_source() {
            return responder.refuse(Refusal::Unavailable(format!("{error:#}")));
        }
        if let Some(overtaken) = self.pending.switch.replace(Waiting { since: now, responder }) {
            overtaken.responder.refuse(Refusal::Unavailable("replaced by another source before it was live".into()));
        }
    }

    fn no_air(&self, else_why: &str) -> String {
        match self.air {
            Some(_) => format!("{} {else_why}", self.studio.card.factory),
            None => "the unit is off the air".into(),
        }
    }

    fn refuse_all(&mut self, why: &str) {
        let Pending { bitrate, keyframes, starts, switch, counts } = std::mem::take(&mut self.pending);
        // The source goes on, and so does whoever counts.
        self.pending.counts = counts;
        let waiting = keyframes.into_iter().chain(starts).chain(switch).map(|waiting| waiting.responder);
        for responder in bitrate.map(|(_, responder)| responder).into_iter().chain(waiting) {
            responder.refuse(Refusal::Unavailable(why.into()));
        }
    }
}

/// Enough to tell a picture that stutters from one that runs.
const COUNTED: Duration = Duration::from_secs(2);
/// Within this time an effect is seen, or it has failed.
const EFFECT: Duration = Duration::from_secs(5);
