//! The ladders of all ports, which go on over restarts.
//!
//! The host's clock begins anew whenever the host does, and its calendar may be anything until somebody sets it. So ladders have a
//! *time* of their own, which is the host's clock and what was before it. After a restart of the service alone it is that as
//! before; after one of the host it goes on from where it was written, by what the calendar says has passed since, or, while that
//! was never set, as if the host had not been off at all. A clock that is wrong can so make a day shorter once, and never longer.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use bondbox_ipc::modems::{Recovery, Step};
use bondbox_udev::Port;
use bondbox_units::Instant;
use serde::{Deserialize, Serialize};

use crate::data::since_epoch;
use crate::recovery::Ladder;

/// All of them, and the ports that a step has switched off.
#[derive(Debug, Default)]
pub struct Ladders {
    /// By how many microseconds their time is before the host's clock.
    ahead: i64,
    /// Their time when the host was first seen started: nobody can say when what was before was, but that it was before.
    started: Instant,
    /// Since the host has started they go on without knowing for how long it was off.
    undated: Option<Undated>,
    kept: Kept,
}

#[derive(Clone, Copy, Debug)]
struct Undated {
    /// What the calendar said when they were written.
    written: Duration,
    /// When they were read.
    read: Instant,
}

/// Of them, what a file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    ladders: BTreeMap<String, Ladder>,
    /// By port, what is off there and has to be on again.
    off: BTreeMap<String, Step>,
}

/// A file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// The host's clock when it was written …
    host: Instant,
    /// … the ladders' …
    time: Instant,
    /// … and the calendar, in seconds since 1970, where it was set.
    date_s: Option<u64>,
    /// See [`Ladders`].
    started: Instant,
    #[serde(flatten)]
    kept: Kept,
}

impl Ladders {
    /// As they were written: by this start of the host (`passing`, in memory), or for whatever comes (`lasting`).
    pub fn read(now: Instant, date: SystemTime, passing: Option<Record>, lasting: Option<Record>) -> Self {
        // A folder that was to be in memory may outlive the host all the same.
        let of_this_start = passing.as_ref().is_some_and(|record| record.host <= now);
        let newest = [passing, lasting].into_iter().flatten().max_by_key(|record| record.time);
        let Some(Record { host, time, date_s, started, kept }) = newest else { return Self::default() };
        let Kept { ladders, off } = kept;
        let (since, undated) = if of_this_start {
            (host, None)
        } else {
            (now, date_s.map(|seconds| Undated { written: Duration::from_secs(seconds), read: now }))
        };
        let mut this = Self { ahead: time.micros_since(since), started, undated, kept: Kept::default() };
        let time = this.time(now);
        let ladders = ladders.into_iter().map(|(port, ladder)| (port, ladder.possible(time))).collect();
        // The host's start has switched all ports on.
        this.kept = Kept { ladders, off: if of_this_start { off } else { BTreeMap::new() } };
        if !of_this_start {
            this.started = this.time(now);
        }
        this.on_date(now, date);
        this
    }

    /// Takes in what the calendar says: as soon as that is something, it is known for how long the host was off.
    pub fn on_date(&mut self, now: Instant, date: SystemTime) {
        let (Some(Undated { written, read }), Some(date)) = (self.undated, since_epoch(date)) else { return };
        self.undated = None;
        let off = date.saturating_sub(now.since(read)).saturating_sub(written);
        // Steps of before are that much older, those of this start are not.
        for ladder in self.kept.ladders.values_mut() {
            ladder.on_gap(self.started, off);
        }
        self.started += off;
        self.ahead = self.ahead.saturating_add(i64::try_from(off.as_micros()).unwrap_or(i64::MAX));
    }

    /// What is to be kept now.
    pub fn record(&self, now: Instant, date: SystemTime) -> Record {
        let date_s = since_epoch(date).map(|date| date.as_secs());
        Record { host: now, time: self.time(now), date_s, started: self.started, kept: self.kept.clone() }
    }

    /// Whether a record says of ports what is so now.
    pub fn is_as_in(&self, record: &Record) -> bool {
        self.kept == record.kept
    }

    /// Whether they change by themselves.
    pub fn ages(&self) -> bool {
        !self.kept.ladders.is_empty()
    }

    /// Those without which nothing is worth knowing are forgotten.
    pub fn tidy(&mut self, now: Instant) {
        let time = self.time(now);
        self.kept.ladders.retain(|_, ladder| !ladder.is_blank(time));
    }

    /// See [`Ladder::look`].
    pub fn look(&mut self, now: Instant, port: &Port, ill: Option<&str>, can: &[Step]) -> Option<Step> {
        let time = self.time(now);
        if ill.is_none() && !self.kept.ladders.contains_key(port.as_str()) {
            return None;
        }
        self.of(port).look(time, ill, can)
    }

    /// See [`Ladder::note`].
    pub fn note(&mut self, now: Instant, port: &Port, step: Step, reason: &str) {
        let time = self.time(now);
        self.of(port).note(time, step, reason);
    }

    /// See [`Ladder::refuse`].
    pub fn refuse(&mut self, port: &Port, step: Step, why: &str) {
        self.of(port).refuse(step, why);
    }

    /// See [`Ladder::seen`].
    pub fn seen(&mut self, port: &Port, came: Instant) {
        let came = self.time(came);
        if let Some(ladder) = self.kept.ladders.get_mut(port.as_str()) {
            ladder.seen(came);
        }
    }

    /// The ports whose device is away for a step, and which.
    pub fn awaiting(&self) -> impl Iterator<Item = (Port, Step)> + '_ {
        self.kept.ladders.iter().filter_map(|(port, ladder)| Some((Port::named(port), ladder.awaits()?)))
    }

    /// For those who watch.
    pub fn shown(&self, port: &Port) -> Recovery {
        let shown =
            self.kept.ladders.get(port.as_str()).map(Ladder::shown).unwrap_or_else(|| Ladder::default().shown());
        let host = |time: Instant| {
            let micros = i128::from(time.as_micros()) - i128::from(self.ahead);
            u64::try_from(micros).ok().map(Instant::from_micros)
        };
        Recovery {
            at: shown.at.filter(|at| *at > self.started || self.started == Instant::ZERO).and_then(host),
            next: shown.next.map(|next| host(next).unwrap_or(Instant::ZERO)),
            ..shown
        }
    }

    /// A step switches something off there, which has to be on again, whatever becomes of this service.
    pub fn on_off(&mut self, port: &Port, step: Step) {
        self.kept.off.insert(port.to_string(), step);
    }

    /// It is on again.
    pub fn on_on(&mut self, port: &Port) {
        self.kept.off.remove(port.as_str());
    }

    /// What is off.
    pub fn off(&self) -> impl Iterator<Item = (Port, Step)> + '_ {
        self.kept.off.iter().map(|(port, step)| (Port::named(port), *step))
    }

    fn time(&self, host: Instant) -> Instant {
        host.offset_micros(self.ahead)
    }

    fn of(&mut self, port: &Port) -> &mut Ladder {
        self.kept.ladders.entry(port.to_string()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEM: [Step; 4] = [Step::Reconnect, Step::Reset, Step::Authorize, Step::Power];
    const START: Instant = Instant::from_millis(1_000_000_000);

    fn port() -> Port {
        Port::named("usb1-1")
    }

    fn date(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_651_200 + seconds)
    }

    const NEVER_SET: SystemTime = SystemTime::UNIX_EPOCH;

    fn step(ladders: &mut Ladders, now: Instant) -> Option<Step> {
        ladders.look(now, &port(), Some("silent"), &MODEM)
    }

    fn steps(ladders: &mut Ladders, from: Instant, seconds: u64) -> Vec<(u64, Step)> {
        let at = |second| from + Duration::from_secs(second);
        (0..seconds).filter_map(|second| Some((second, step(ladders, at(second))?))).collect()
    }

    /// Through a file.
    fn written(ladders: &Ladders, now: Instant, date: SystemTime) -> Option<Record> {
        Some(serde_json::from_slice(&serde_json::to_vec(&ladders.record(now, date)).unwrap()).unwrap())
    }

    /// Ill for 145 s: a reconnect after 20 s, a reset after 50 s, and let go of after 140 s.
    fn ill_for_a_while() -> Ladders {
        let mut ladders = Ladders::default();
        assert_eq!(steps(&mut ladders, START, 145).len(), 3);
        ladders
    }

    #[test]
    fn after_a_restart_of_the_service_the_ladder_is_where_it_was() {
        let (now, before) = (START + Duration::from_secs(145), ill_for_a_while());
        for calendar in [date(0), NEVER_SET] {
            let mut after = Ladders::read(now, calendar, written(&before, now, calendar), None);
            assert_eq!(after.shown(&port()), Recovery { next: None, ..before.shown(&port()) });
            // Ill again for 20 s, but not before the last step had its minute.
            assert_eq!(steps(&mut after, now, 116), [(55, Step::Power), (115, Step::Reconnect)]);
            assert_eq!(after.shown(&port()).left, 7);
        }
    }

    #[test]
    fn a_clock_that_begins_anew_neither_voids_the_budget_nor_keeps_it_spent() {
        let mut before = Ladders::default();
        assert_eq!(steps(&mut before, START, 80_000).len(), 12);
        let (end, boot) = (START + Duration::from_secs(80_000), Instant::from_millis(30_000));
        for (at_the_end, at_boot, waits_s) in [
            // Off for an hour, by the calendar.
            (date(0), date(3_600), 86_400 - 80_000 - 3_600),
            // The calendar is not known before, after, or at all, or runs backwards: nobody knows for how long it was off.
            (date(0), NEVER_SET, 86_400 - 80_000),
            (NEVER_SET, date(0), 86_400 - 80_000),
            (NEVER_SET, NEVER_SET, 86_400 - 80_000),
            (date(1_000), date(0), 86_400 - 80_000),
        ] {
            let mut after = Ladders::read(boot, at_boot, None, written(&before, end, at_the_end));
            assert_eq!((after.shown(&port()).today, after.shown(&port()).left), (12, 0));
            assert_eq!(after.shown(&port()).at, None, "before the host has started");
            let first = steps(&mut after, boot, 86_400)[0].0;
            // The first step of the day before was taken 20 s after it fell ill.
            assert_eq!(first, waits_s + 20, "{at_the_end:?} {at_boot:?}");
        }
        // Off for two days.
        let mut after = Ladders::read(boot, date(172_800), None, written(&before, end, date(0)));
        assert_eq!(step(&mut after, boot), None);
        assert_eq!(after.shown(&port()).left, 12);
    }

    #[test]
    fn a_calendar_that_is_set_late_tells_how_long_the_host_was_off() {
        let mut before = Ladders::default();
        steps(&mut before, START, 80_000);
        let boot = Instant::from_millis(30_000);
        let mut after =
            Ladders::read(boot, NEVER_SET, None, written(&before, START + Duration::from_secs(80_000), date(0)));
        steps(&mut after, boot, 600);
        let set = boot + Duration::from_secs(600);
        after.on_date(set, NEVER_SET);
        assert_eq!(after.shown(&port()).left, 0);
        after.on_date(set, date(86_400 + 600));
        assert_eq!(step(&mut after, set), None, "it falls ill anew");
        assert_eq!(after.shown(&port()).left, 12);
        assert_eq!(step(&mut after, set + Duration::from_secs(20)), Some(Step::Reconnect));
        // It counts once.
        let shown = after.shown(&port());
        after.on_date(set + Duration::from_secs(21), date(900_000));
        assert_eq!(after.shown(&port()), shown);
    }

    #[test]
    fn a_step_of_this_start_is_as_old_as_it_is_whenever_the_calendar_is_set() {
        let before = ill_for_a_while();
        let end = START + Duration::from_secs(145);
        let boot = Instant::from_millis(30_000);
        let mut after = Ladders::read(boot, NEVER_SET, None, written(&before, end, date(0)));
        assert_eq!(steps(&mut after, boot, 60), [(55, Step::Power)]);
        let set = boot + Duration::from_secs(60);
        after.on_date(set, date(82_000));
        let shown = after.shown(&port());
        assert_eq!((shown.at, shown.today), (Some(boot + Duration::from_secs(55)), 4));
        // The day of the first two is over, and that of the step of this start is not.
        steps(&mut after, boot + Duration::from_secs(4_400), 1);
        assert_eq!(after.shown(&port()).today, 2);
    }

    #[test]
    fn a_file_in_memory_that_outlives_the_host_is_no_file_of_this_start() {
        let before = ill_for_a_while();
        let end = START + Duration::from_secs(145);
        let boot = Instant::from_millis(30_000);
        let kept = written(&before, end, date(0));
        let mut after = Ladders::read(boot, date(60), kept.clone(), kept);
        assert_eq!((after.shown(&port()).today, after.shown(&port()).last), (3, Some(Step::Authorize)));
        // The minute of the last step is over.
        assert_eq!(steps(&mut after, boot, 30), [(20, Step::Power)]);
    }

    #[test]
    fn what_a_step_has_switched_off_is_known_until_it_is_on_or_the_host_has_started() {
        let mut before = ill_for_a_while();
        before.on_off(&port(), Step::Power);
        let now = START + Duration::from_secs(145);
        let kept = written(&before, now, date(0));
        let mut after = Ladders::read(now, date(0), kept.clone(), None);
        assert_eq!(after.off().collect::<Vec<_>>(), [(port(), Step::Power)]);
        after.on_on(&port());
        assert_eq!(after.off().count(), 0);
        let started = Ladders::read(Instant::from_millis(30_000), date(60), None, kept);
        assert_eq!(started.off().count(), 0);
    }
}
