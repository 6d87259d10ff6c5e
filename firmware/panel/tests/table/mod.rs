//! The table of meanings once more, slow and obvious: each row is asked whether it holds, of what the box was told.

use std::time::Duration;

use bondbox_ipc::panel::{Action, BatteryStep, Key, Meaning};
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
    capture_was_heard: bool,
    uplink_was_heard: bool,
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
            capture_was_heard: false,
            uplink_was_heard: false,
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
                self.capture_was_heard |= capture != Capture::Absent;
                if capture != self.capture.0 {
                    self.capture = (capture, now);
                }
            }
            Input::Uplink(uplink) => {
                self.uplink_was_heard |= uplink != Uplink::Absent;
                if uplink != self.uplink.0 {
                    self.uplink = (uplink, now);
                }
                let lame = matches!(uplink, Uplink::Open { up, present } if up < present);
                self.lame = lame.then(|| self.lame.unwrap_or(now));
            }
            Input::Updating(updating) => self.updating = updating,
            _ => {}
        }
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

    /// Whether pictures reach the gateway.
    pub(crate) fn pictures_arrive(&self) -> bool {
        self.on_air() && self.open()
    }

    /// The most urgent row that holds.
    pub(crate) fn says(&self, now: Instant) -> Meaning {
        let long = |since: Instant, ms| now.since(since) >= Duration::from_millis(ms);
        let gone = (self.capture.0 == Capture::Absent && long(self.capture.1, 15_000))
            || (self.uplink.0 == Uplink::Absent && long(self.uplink.1, 15_000));
        let rows = [
            (Meaning::PoweringOff, self.powering_off.is_some()),
            (Meaning::Fault, gone),
            (Meaning::Identify, self.identify_until.is_some_and(|until| now < until)),
            (Meaning::BatteryEmpty, matches!(self.step, BatteryStep::Spare | BatteryStep::Empty)),
            (Meaning::NoLink, self.on_air() && self.uplink.0 == Uplink::Dark),
            (Meaning::SourceLost, self.capture.0 == Capture::Slate && self.open()),
            (Meaning::LowBattery, self.step == BatteryStep::Low),
            (Meaning::Degraded, self.pictures_arrive() && self.lame.is_some_and(|since| long(since, 2_000))),
            (Meaning::OnAir, self.pictures_arrive()),
            (Meaning::Updating, self.updating),
            (Meaning::Starting, !self.capture_was_heard || !self.uplink_was_heard),
            (Meaning::NotPaired, self.uplink.0 == Uplink::NotPaired),
            (Meaning::Connecting, !self.open() || self.capture.0 != Capture::Stopped),
            (Meaning::Ready, true),
        ];
        rows.into_iter().find_map(|(meaning, holds)| holds.then_some(meaning)).expect("the last holds always")
    }

    fn on_air(&self) -> bool {
        matches!(self.capture.0, Capture::Live | Capture::Slate)
    }

    fn open(&self) -> bool {
        matches!(self.uplink.0, Uplink::Open { .. })
    }
}
