//! The reactor: takes units from the encoders, serves them, watches them, and does what clients ask.

mod commands;
mod tracks;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bondbox_camera::V4l2;
use bondbox_daemon::ipc::{Media, Peers, Server, Unit as Served};
use bondbox_daemon::watchdog::Progress;
use bondbox_daemon::{Context, clock};
use bondbox_ipc::capture::{Capture, Counters, Picture, State};
use bondbox_units::{Bitrate, Instant};
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;

use crate::air::{Air, Studio};
use crate::feeder::{Numbering, Shelf};
use crate::intent::{Keeper, wall_s};
use crate::meter::{KEPT, Meter};
use crate::settings::Settings;
use crate::source::{Feed, Planner, Role, Runner, Signal, VideoSource};
use crate::still;
use crate::unit::{Unit, VIDEO};
use crate::watch::{Action, Watch};

use commands::Pending;
use tracks::Tracks;

/// Runs until the daemon ends.
///
/// # Errors
/// When no encoder works, or its output stands still and building it anew did not help.
pub async fn serve(settings: Settings, daemon: Context) -> anyhow::Result<()> {
    gstreamer::init().context("GStreamer")?;
    let (server, mut commands) = Server::<Capture>::bind(&daemon.run_dir, Peers::with(&settings.clients))?;
    let media = server.media();
    let mut service = Service::start(settings, &daemon, media.clone())?;
    let wake = service.studio.wake.clone();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ready = false;
    loop {
        tokio::select! {
            () = daemon.shutdown.wait() => return Ok(()),
            () = wake.notified() => service.take_units(),
            (command, responder) = commands.next() => service.command(command, responder),
            () = media.keyframe_wanted() => service.keyframe_for_subscriber(),
            _ = ticks.tick() => service.look_around()?,
        }
        if let Some(state) = service.changed_state() {
            server.set_state(state);
        }
        if !ready && service.counters.video_units > 0 {
            ready = true;
            daemon.ready(&format!("{} by {}", service.source, service.studio.card.factory));
        }
    }
}

struct Service {
    settings: Settings,
    studio: Studio,
    media: Media,
    progress: Progress,
    source: VideoSource,
    runners: Vec<Runner>,
    air: Option<Air>,
    target: Bitrate,
    tracks: Tracks,
    meter: Meter,
    watch: Watch,
    pending: Pending,
    counters: Counters,
    intent: Keeper,
    /// It is not meant to be on the air when it starts: the encoder is tried, and nothing is served.
    rehearsal: bool,
    /// When the encoder was last asked for a keyframe on behalf of a subscriber.
    keyframe_asked: Instant,
    skipped: Skipped,
    shown: Shown,
}

/// What watchers know.
#[derive(Default)]
struct Shown {
    /// When the figures that change with every unit were last told.
    at: Instant,
    /// What else they were told.
    told: Option<Headline>,
}

/// What watchers are told at once.
#[derive(PartialEq)]
struct Headline {
    source: VideoSource,
    picture: Picture,
    target: Bitrate,
    meant: bool,
}

/// Frames the encoder was too slow for.
#[derive(Default)]
struct Skipped {
    told: u64,
    at: Instant,
}

impl Service {
    fn start(settings: Settings, daemon: &Context, media: Media) -> anyhow::Result<Self> {
        let now = clock::now();
        let format = settings.format();
        let choice = bondbox_encoder::choose(settings.wanted_encoder(), &format)?;
        for passed in &choice.refused {
            tracing::info!(reason = %passed, "an encoder was passed over");
        }
        let card = choice.card;
        tracing::info!(encoder = card.factory, change = ?card.change, floor = %card.floor, ceiling = %card.ceiling, "encoder");
        let studio = Studio {
            format,
            card,
            ceiling: settings.ceiling(),
            sound: settings.sound_codec(),
            shelf: Arc::new(Shelf::new(now, &format)),
            numbering: Arc::new(Numbering::starting(now, format.rate)),
            slate: still::slate(&format)?,
            wake: Arc::new(Notify::new()),
        };
        let intent = Keeper::start(now, settings.state_dir.clone(), settings.resume_within());
        let mut service = Self {
            tracks: Tracks::new(&settings),
            target: settings.start(),
            source: settings.video_source(),
            settings,
            studio,
            media,
            progress: daemon.watchdog.output("video"),
            runners: Vec::new(),
            air: None,
            meter: Meter::default(),
            watch: Watch::Off,
            pending: Pending::default(),
            counters: Counters::default(),
            rehearsal: !intent.on_air(),
            intent,
            keyframe_asked: Instant::ZERO,
            skipped: Skipped::default(),
            shown: Shown::default(),
        };
        service.open_source()?;
        service.go_on_air(now)?;
        Ok(service)
    }

    /// Ends the runners of the source before, and starts those of this one.
    fn open_source(&mut self) -> anyhow::Result<()> {
        self.runners.clear();
        self.studio.numbering.draw(self.settings.numbers(&self.source));
        let (video, sound) = (self.source.clone(), self.settings.sound_source());
        let format = self.studio.format;
        let role = Role {
            name: video.to_string(),
            shelf: self.studio.shelf.clone(),
            picture: true,
            loops: video.loops(),
            now: clock::now,
        };
        let separate = sound.plan(&video);
        let signal: Signal = {
            let video = video.clone();
            Box::new(move || video.signal(&V4l2).map_err(|error| error.to_string()))
        };
        let planner: Planner = {
            let sound = if self.studio.sound.is_some() { sound } else { crate::source::SoundSource::None };
            Box::new(move || video.plan(&format, &sound, &V4l2).map_err(|error| error.to_string()))
        };
        self.runners.push(Runner::start(role.clone(), Feed { planner, signal })?);
        if let (Some(plan), Some(_)) = (separate, self.studio.sound) {
            let role = Role { name: format!("sound of {}", role.name), picture: false, loops: false, ..role };
            let planner: Planner = Box::new(move || Ok(Some(plan.clone())));
            self.runners.push(Runner::start(role, Feed { planner, signal: Box::new(|| Ok(())) })?);
        }
        Ok(())
    }

    fn go_on_air(&mut self, now: Instant) -> anyhow::Result<()> {
        let air = self.studio.on_air(self.target)?;
        if let Some(sound) = &air.sound {
            tracing::info!(encoder = sound.name(), "sound encoder");
        }
        self.air = Some(air);
        self.meter.clear();
        self.tracks.interrupted();
        self.skipped = Skipped::default();
        self.progress.set_on_air(true);
        self.watch = Watch::start(now);
        Ok(())
    }

    fn go_off_air(&mut self) {
        self.air = None;
        self.meter.clear();
        self.progress.set_on_air(false);
        self.watch = Watch::Off;
    }

    fn take_units(&mut self) {
        let Some(air) = &mut self.air else { return };
        let (mut units, mut dropped) = (Vec::new(), Vec::new());
        for inlet in &mut air.inlets {
            while let Some(unit) = inlet.pop() {
                units.push(unit);
            }
            dropped.push(inlet.take_dropped());
        }
        for unit in units {
            self.serve(unit);
        }
        if self.rehearsal && self.counters.video_units >= REHEARSED {
            tracing::info!("the encoder works; off the air, as before this start");
            self.rehearsal = false;
            self.go_off_air();
        }
        // Those dropped were younger than all that waited.
        for (track, count) in dropped.into_iter().enumerate().filter(|&(_, count)| count > 0) {
            tracing::warn!(track, count, "units were dropped: the reactor was too slow");
            self.tracks.dropped(track, count);
            self.counters.dropped_units += count;
            self.force_keyframe();
        }
    }

    fn serve(&mut self, unit: Unit) {
        let now = clock::now();
        let head = self.tracks.head(&unit);
        if unit.track == VIDEO {
            self.counters.video_units += 1;
            self.meter.on_unit(unit.encoded, unit.data.len() as u64, unit.encoded.since(unit.captured));
            self.watch.on_unit(now);
            self.progress.bump();
            self.pending.on_unit(unit.encoded, head.keyframe);
        } else {
            self.counters.audio_units += 1;
        }
        if self.rehearsal {
            return;
        }
        if let Err(error) = self.media.push(Served { head, data: unit.data }) {
            tracing::error!(%error, "a unit is too large for anybody");
            self.counters.dropped_units += 1;
        }
    }

    fn force_keyframe(&self) -> bool {
        self.air.as_ref().is_some_and(|air| air.video.force_keyframe())
    }

    /// Subscribers who come or catch up in a row share one keyframe.
    fn keyframe_for_subscriber(&mut self) {
        let now = clock::now();
        if now.since(self.keyframe_asked) >= KEYFRAME_PAUSE {
            self.keyframe_asked = now;
            self.force_keyframe();
        }
    }

    /// What has to be looked at without anything having come.
    fn look_around(&mut self) -> anyhow::Result<()> {
        let now = clock::now();
        let failure = self.air.as_ref().and_then(Air::error);
        if let Some(reason) = &failure {
            tracing::error!(reason, "a pipeline failed");
        }
        let action = if failure.is_some() { self.watch.on_failure(now) } else { self.watch.check(now) };
        match action {
            Some(Action::Rebuild) => {
                tracing::error!(encoder = self.studio.card.factory, "no video comes out: the pipelines are built anew");
                self.counters.restarts += 1;
                self.air = None;
                self.go_back_on_air(now)?;
            }
            Some(Action::GiveUp) => {
                anyhow::bail!("no video comes out of {}, though it was built anew", self.studio.card.factory)
            }
            None => {}
        }
        if self.intent.look(now, wall_s()) {
            self.resume(now)?;
        }
        self.tell_skipped(now);
        self.judge(now);
        Ok(())
    }

    /// The clock was set, and shows that power was not gone for as long as it seemed.
    fn resume(&mut self, now: Instant) -> anyhow::Result<()> {
        tracing::info!("on the air, as before this start: the clock was set");
        self.rehearsal = false;
        if self.air.is_none() { self.go_on_air(now) } else { Ok(()) }
    }

    /// As [`Self::go_on_air`], but what the watch knows stays known.
    fn go_back_on_air(&mut self, now: Instant) -> anyhow::Result<()> {
        let watch = self.watch;
        self.go_on_air(now)?;
        self.watch = watch;
        Ok(())
    }

    fn tell_skipped(&mut self, now: Instant) {
        let Some(air) = &self.air else { return };
        let skipped = air.feeder.skipped();
        if skipped > self.skipped.told && now.since(self.skipped.at) >= SKIPPED_PAUSE {
            tracing::warn!(
                frames = skipped - self.skipped.told,
                "frames were skipped: the encoder or the whole machine is too slow"
            );
            self.skipped = Skipped { told: skipped, at: now };
        }
    }

    /// The state, when there is something to tell: a change at once, figures at a pace that a reader can follow.
    fn changed_state(&mut self) -> Option<State> {
        let now = clock::now();
        let (picture, meant) = (self.picture(), self.intent.on_air());
        let headline = Headline { source: self.source.clone(), picture, target: self.target, meant };
        let changed = self.shown.told.as_ref() != Some(&headline);
        (changed || now.since(self.shown.at) >= FIGURES).then(|| {
            let state = self.state(now, headline.picture);
            self.shown = Shown { at: now, told: Some(headline) };
            state
        })
    }

    fn picture(&self) -> Picture {
        if self.air.is_none() {
            Picture::Stopped
        } else if self.counters.video_units == 0 || self.rehearsal {
            Picture::Starting
        } else {
            self.studio.shelf.frames().picture()
        }
    }

    fn state(&self, now: Instant, picture: Picture) -> State {
        let delay = self.meter.delay(now).unwrap_or_default();
        State {
            source: self.source.to_string(),
            picture,
            meant_on_air: self.intent.on_air(),
            encoder: self.studio.card.factory.into(),
            target: self.target,
            actual: self.meter.rate(now, KEPT),
            encode_delay_us: u32::try_from(delay.as_micros()).unwrap_or(u32::MAX),
            tracks: if self.air.is_some() { self.tracks.list(&self.source) } else { Vec::new() },
            counters: Counters {
                source_lost: self.studio.shelf.frames().losses(),
                dropped_units: self.counters.dropped_units + self.media.dropped_units(),
                intent_unkept: self.intent.unkept(),
                ..self.counters
            },
        }
    }
}

/// How often things are looked at that make no noise.
const TICK: Duration = Duration::from_millis(50);
/// Enough pictures to know that an encoder works.
const REHEARSED: u64 = 10;
/// Between keyframes for subscribers.
const KEYFRAME_PAUSE: Duration = Duration::from_millis(500);
/// Between two looks at figures that change with every unit.
const FIGURES: Duration = Duration::from_millis(200);
/// Between two log lines about skipped frames.
const SKIPPED_PAUSE: Duration = Duration::from_secs(10);
