//! The table of meanings once more, slow and obvious: each row is asked whether it holds, of what the box was told.

use std::time::Duration;

use bondbox_ipc::panel::{Action, BatteryStep, Key, Meaning};
use bondbox_panel_core::services::Standing;
use bondbox_panel_core::world::{Capture, Uplink};
use bondbox_panel_core::{Input, Output};
use bondbox_units::Instant;

use crate::bench::Moment;

/// What was told, and when it became so.
pub(crate) struct Table {
    capture: (Capture, Instant),
    uplink: (Uplink, Instant),
    /// Since when a link that is there does not carry.
    lame: Option<Instant>,
    /// Since when nothing stood between the source and the gateway.
    open: Option<Instant>,
    /// What the gateway had, as an uplink said that was not gone since.
    count: Option<u64>,
    /// When it had more.
    arrived: Option<Instant>,
    /// Of capture, uplink and modems: whether each answers, what systemd has in mind, and since when both are so.
    services: [(bool, Standing, Instant); 3],
    was_heard: [bool; 3],
    updating: bool,
    step: BatteryStep,
    identify_until: Option<Instant>,
    /// Since when the key to start is down.
    start_down: Option<Instant>,
    /// Since when power-off is said without a break.
    powering_off: Option<Instant>,
}

impl Table {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            capture: (Capture::Absent, now),
            uplink: (Uplink::Absent, now),
            lame: None,
            open: None,
            count: None,
            arrived: None,
            services: [(false, Standing::Unknown, now); 3],
            was_heard: [false; 3],
            updating: false,
            step: BatteryStep::Fine,
            identify_until: None,
            start_down: None,
            powering_off: None,
        }
    }

    /// Takes in what was told and what came of it, and says what is wrong with that.
    pub(crate) fn watch(&mut self, moment: &Moment) -> Result<(), String> {
        let now = moment.now;
        match moment.input {
            Input::Capture(capture) => {
                self.service(now, 0, |service| service.0 = capture != Capture::Absent);
                if capture != self.capture.0 {
                    self.capture = (capture, now);
                }
            }
            Input::Uplink(uplink) => {
                self.service(now, 1, |service| service.0 = uplink != Uplink::Absent);
                if uplink != self.uplink.0 {
                    self.uplink = (uplink, now);
                }
                let lame = matches!(uplink, Uplink::Open { up, present, .. } if up < present);
                self.lame = lame.then(|| self.lame.unwrap_or(now));
            }
            Input::Modems(answers) => self.service(now, 2, |service| service.0 = answers),
            Input::Standing(service, standing) => self.service(now, service as usize, |service| service.1 = standing),
            Input::Updating(updating) => self.updating = updating,
            _ => {}
        }
        self.watch_arrivals(now);
        self.step = moment.view.step;
        for output in &moment.outputs {
            match output {
                Output::Ended(Action::Identify, None) => self.identify_until = Some(now + Duration::from_secs(30)),
                Output::Ended(Action::Found, None) => self.identify_until = None,
                _ => {}
            }
        }
        let down = moment.view.down[Key::Start as usize];
        let held = self.start_down.is_some_and(|since| now.since(since) >= Duration::from_secs(5));
        self.start_down = down.then(|| self.start_down.unwrap_or(now));
        self.watch_power(moment, held)
    }

    fn service(&mut self, now: Instant, number: usize, change: impl FnOnce(&mut (bool, Standing, Instant))) {
        let before = self.services[number];
        change(&mut self.services[number]);
        if (before.0, before.1) != (self.services[number].0, self.services[number].1) {
            self.services[number].2 = now;
        }
        self.was_heard[number] |= self.services[number].0;
    }

    fn watch_arrivals(&mut self, now: Instant) {
        let open = self.on_air() && self.is_open();
        if self.open.is_some() != open {
            (self.open, self.arrived) = (open.then_some(now), None);
        }
        match self.uplink.0 {
            Uplink::Open { arrived, .. } => {
                if open && self.count.is_some_and(|count| arrived > count) {
                    self.arrived = Some(now);
                }
                self.count = Some(arrived);
            }
            Uplink::Absent => self.count = None,
            _ => {}
        }
    }

    /// A service of which systemd says that it is not started again, or that should answer and has not for 15 s.
    pub(crate) fn is_gone(&self, number: usize, now: Instant) -> bool {
        let (answers, standing, since) = self.services[number];
        let is_missed = number < 2
            || match standing {
                Standing::Unknown => self.was_heard[number],
                Standing::Off => false,
                Standing::On | Standing::GivenUp => true,
            };
        let long = now.since(since) >= Duration::from_secs(15);
        !answers && (standing == Standing::GivenUp || (is_missed && long))
    }

    /// Power-off begins for a reason, is said for its time before it is done, and ends when somebody is told that it does.
    fn watch_power(&mut self, moment: &Moment, held: bool) -> Result<(), String> {
        let now = moment.now;
        let empty = matches!(moment.input, Input::Battery(_)) && self.step == BatteryStep::Empty;
        let asked = moment.input == Input::Ask(Action::PowerOff);
        let called_off = moment.outputs.iter().any(|output| matches!(output, Output::Ended(Action::PowerOff, Some(_))));
        let says = moment.view.meaning == Meaning::PoweringOff;
        if moment.outputs.contains(&Output::Do(Action::PowerOff)) {
            let said = self.powering_off.map(|since| now.since(since));
            if said.is_none_or(|said| said < Duration::from_secs(3)) {
                return Err(format!("power goes at {now}, said for {said:?}"));
            }
        }
        match (self.powering_off.is_some(), says) {
            (false, true) if !(empty || asked || held) => return Err("power-off is said without a reason".into()),
            (true, false) if !called_off => {
                return Err("power-off is not said any more, and nobody called it off".into());
            }
            (_, false) if empty || asked => return Err("power is to go off, and it is not said".into()),
            (_, _) => {}
        }
        self.powering_off = says.then(|| self.powering_off.unwrap_or(now));
        Ok(())
    }

    /// Whether pictures reach the gateway: something arrived within two seconds.
    pub(crate) fn pictures_arrive(&self, now: Instant) -> bool {
        self.arrived.is_some_and(|arrived| now.since(arrived) < Duration::from_secs(2))
    }

    /// Whether nothing comes that could: for two seconds.
    fn nothing_comes(&self, now: Instant) -> bool {
        let since = self.arrived.or(self.open);
        since.is_some_and(|since| now.since(since) >= Duration::from_secs(2))
    }

    /// The most urgent row that holds.
    pub(crate) fn says(&self, now: Instant) -> Meaning {
        let long = |since: Instant, ms| now.since(since) >= Duration::from_millis(ms);
        let gone = (0..3).any(|number| self.is_gone(number, now));
        let lost = self.is_open() && (self.capture.0 == Capture::Slate || self.nothing_comes(now));
        let rows = [
            (Meaning::PoweringOff, self.powering_off.is_some()),
            (Meaning::Fault, gone),
            (Meaning::Identify, self.identify_until.is_some_and(|until| now < until)),
            (Meaning::BatteryEmpty, matches!(self.step, BatteryStep::Spare | BatteryStep::Empty)),
            (Meaning::NoLink, self.on_air() && self.uplink.0 == Uplink::Dark),
            (Meaning::SourceLost, lost),
            (Meaning::LowBattery, self.step == BatteryStep::Low),
            (Meaning::Degraded, self.pictures_arrive(now) && self.lame.is_some_and(|since| long(since, 2_000))),
            (Meaning::OnAir, self.pictures_arrive(now)),
            (Meaning::Updating, self.updating),
            (Meaning::Starting, !self.was_heard[0] || !self.was_heard[1]),
            (Meaning::NotPaired, matches!(self.uplink.0, Uplink::NotPaired | Uplink::Refused)),
            (Meaning::Connecting, !self.is_open() || self.capture.0 != Capture::Stopped),
            (Meaning::Ready, true),
        ];
        rows.into_iter().find_map(|(meaning, holds)| holds.then_some(meaning)).expect("the last holds always")
    }

    fn on_air(&self) -> bool {
        matches!(self.capture.0, Capture::Live | Capture::Slate)
    }

    fn is_open(&self) -> bool {
        matches!(self.uplink.0, Uplink::Open { .. })
    }
}
