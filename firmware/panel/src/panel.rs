//! The decision.

use core::time::Duration;

use bondbox_ipc::panel::{
    Action, Answer, Battery as BatteryView, BatteryStep, Counters, Key, Lights, Meaning, Part, Service,
};
use bondbox_units::Instant;
use heapless::Deque;

use crate::battery::{Battery, Reading};
use crate::fan::Fan;
use crate::keys::{Chord, Gesture, Keys};
use crate::lights;
use crate::power_off::{PowerOff, Why};
use crate::services::{self, Standing, Trouble};
use crate::world::{Capture, Uplink, World};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// A key's contact changed at `at`, which may be a while ago.
    Edge {
        /// Which.
        key: Key,
        /// Closed, or open.
        down: bool,
        /// When the device saw it.
        at: Instant,
    },
    /// Capture's state, when it changed.
    Capture(Capture),
    /// The uplink's state, when it changed.
    Uplink(Uplink),
    /// Which profile capture runs, of how many, when it changed; `None` where what it runs is none of them.
    Profile(Option<u8>),
    /// The gauge was read.
    Battery(Option<Reading>),
    /// The hottest place was read, in thousandths of a degree; `None` when it can be read no more.
    Temperature(Option<i32>),
    /// Whether the modem service answers, when that changed. Capture's and the uplink's state say that of them.
    Modems(bool),
    /// What systemd has in mind with a service, when that changed.
    Standing(Service, Standing),
    /// An update is installed, or no longer.
    Updating(bool),
    /// Somebody asks by another way than a key.
    Ask(Action),
    /// What was asked of a service was refused, or brought no effect in its time.
    Refused(Action),
    /// Whoever did it saw its effect.
    Seen(Action),
    /// Time passed.
    TimerFired,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Show this.
    Lights(Lights),
    /// Have this done by whoever does it. [`Action::PowerOff`] and [`Action::FactoryReset`] are meant: the warning is over.
    Do(Action),
    /// Take the unit off the air, though it is meant to be on it: power does not last.
    Suspend,
    /// Turn the fan so fast, in percent.
    Fan(u8),
    /// An action came to its end.
    Ended(Action, Option<Failure>),
    /// A service is in trouble, or no longer.
    Fault(Service, Option<Trouble>),
}

/// Why an action was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Not in this state of the unit.
    NotNow,
    /// The service refused it.
    Refused,
    /// Its effect was not seen in time.
    NoEffect,
    /// The key was let go, or power came back.
    CalledOff,
    /// Another one took its place.
    Replaced,
    /// Another key than the one that is tried was pressed.
    OtherKey,
}

/// What anybody may know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// See [`crate::lights`].
    pub meaning: Meaning,
    /// What is wrong with each of [`crate::services::ALL`].
    pub troubles: [Option<Trouble>; 3],
    /// Shown instead for a moment.
    pub answer: Option<Answer>,
    /// What is shown.
    pub lights: Lights,
    /// Until when it is to be found.
    pub identify_until: Option<Instant>,
    /// What is tried.
    pub testing: Option<Part>,
    /// Asked for, and its effect not seen.
    pub waiting: Option<Action>,
    /// The pack.
    pub battery: Option<BatteryView>,
    /// Whether mains is there, where known.
    pub mains: Option<bool>,
    /// What the pack forbids.
    pub step: BatteryStep,
    /// The fan's speed in percent.
    pub fan: u8,
    /// Whether start and select are down.
    pub down: [bool; 2],
    /// Since the start.
    pub counters: Counters,
}

/// See the crate's documentation.
#[derive(Clone, Debug)]
pub struct Panel {
    keys: Keys,
    world: World,
    battery: Battery,
    fan: Fan,
    power_off: PowerOff,
    profile: Option<u8>,
    identify_until: Option<Instant>,
    test: Option<Test>,
    waiting: Option<Waiting>,
    answer: Option<(Answer, Instant)>,
    /// What was shown when a press was heard: its flash is the opposite, whatever that was.
    before_heard: Lights,
    /// What to say after the flash, where it looks as before the press.
    after_heard: Option<(Answer, Duration)>,
    shown: Option<Lights>,
    troubles: [Option<Trouble>; 3],
    turned: Option<u8>,
    counters: Counters,
    outputs: Deque<Output, 24>,
}

#[derive(Clone, Copy, Debug)]
struct Test {
    part: Part,
    until: Instant,
    /// What came of a key. It is told when that was let go: the next one is asked for with no finger on this.
    came: Option<Result<(), Failure>>,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    action: Action,
    until: Instant,
    /// As it was when it was asked for: an effect is a difference.
    profile: Option<u8>,
    unpaired: bool,
}

impl Panel {
    /// A panel of a box that just started.
    pub fn new(now: Instant) -> Self {
        Self {
            keys: Keys::default(),
            world: World::new(now),
            battery: Battery::default(),
            fan: Fan::default(),
            power_off: PowerOff::No,
            profile: None,
            identify_until: None,
            test: None,
            waiting: None,
            answer: None,
            before_heard: Lights::default(),
            after_heard: None,
            shown: None,
            troubles: [None; 3],
            turned: None,
            counters: Counters::default(),
            outputs: Deque::new(),
        }
    }

    /// Takes in what happened. Afterwards [`poll`](Self::poll) until there is nothing more, then look at
    /// [`deadline`](Self::deadline). Edges that wait are to be given before time is.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Edge { key, down, at } => {
                let at = at.min(now);
                for gesture in self.keys.edge(at, key, down) {
                    self.on_gesture(now, gesture);
                }
                // Held until then, and not a moment longer.
                self.on_held(at, now);
            }
            Input::Capture(capture) => self.on_capture(now, capture),
            Input::Uplink(uplink) => self.world.set_uplink(now, uplink),
            Input::Profile(profile) => self.profile = profile,
            Input::Battery(reading) => self.on_battery(now, reading),
            Input::Temperature(temperature) => self.fan.on_temperature(now, temperature),
            Input::Modems(answers) => self.world.services.set_answers(now, Service::Modems, answers),
            Input::Standing(service, standing) => self.world.services.set_standing(now, service, standing),
            Input::Updating(updating) => self.world.updating = updating,
            Input::Ask(action) => self.act(now, action),
            Input::Refused(action) => self.on_end(now, action, Some(Failure::Refused)),
            Input::Seen(action) => self.on_end(now, action, None),
            Input::TimerFired => {}
        }
        self.pass(now, matches!(input, Input::Edge { .. }));
    }

    /// What to do next, until `None`.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`handle`](Self::handle) again at the latest.
    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        let held = self.keys.held(now).and_then(|(chord, since)| {
            let (_, long) = self.held_action(chord)?;
            Some(since + long)
        });
        // Fingers that may become a hold are looked at when they do.
        let holds = self.keys.becomes_hold(now);
        let times = [
            self.keys.deadline(),
            holds,
            held,
            self.answer.map(|(_, until)| until),
            self.waiting.map(|waiting| waiting.until),
            self.identify_until,
            self.test.map(|test| test.until),
            self.power_off.deadline(self.world.capture.is),
            self.world.deadline(now),
            self.fan.deadline(now),
        ];
        times.into_iter().flatten().min()
    }

    /// Everything that can be known.
    pub fn view(&self, now: Instant) -> View {
        View {
            meaning: self.world.meaning(now),
            troubles: self.world.services.troubles(now),
            answer: self.answer.map(|(answer, _)| answer),
            lights: self.lights(now),
            identify_until: self.identify_until,
            testing: self.test.map(|test| test.part),
            waiting: self.waiting.map(|waiting| waiting.action),
            battery: self.battery.view(),
            mains: self.battery.mains(),
            step: self.battery.step(),
            fan: self.fan.percent(now),
            down: [Key::Start, Key::Select].map(|key| self.keys.is_down(key)),
            counters: Counters { bounces: self.keys.bounces, ..self.counters },
        }
    }

    fn on_gesture(&mut self, now: Instant, gesture: Gesture) {
        match gesture {
            Gesture::Down(key) => {
                self.counters.presses += 1;
                self.say(now, Answer::Heard, HEARD);
                self.press_tests(key);
                if self.power_off.why() == Some(Why::Operator) {
                    // Whoever pressed for power-off and presses again has thought again.
                    self.call_off(now);
                    self.keys.take_held();
                }
            }
            Gesture::Click(Key::Start) if self.started() => {
                // Stopping by a click would end a show by a coat's sleeve.
                self.fail(now, Action::Stop, Failure::NotNow);
            }
            Gesture::Click(Key::Start) => self.act(now, Action::Start),
            // Whoever sees it blink and presses its key has found it.
            Gesture::Click(Key::Select) if self.world.meaning(now) == Meaning::Identify => self.act(now, Action::Found),
            Gesture::Click(Key::Select) => self.act(now, Action::Identify),
            Gesture::Double(Key::Select) => self.act(now, Action::Profile),
            Gesture::Double(Key::Start) | Gesture::Ignored(_) => self.say(now, Answer::Failed, FAILED),
            Gesture::LetGo(chord) => match self.held_action(chord) {
                Some((action, _)) => self.fail(now, action, Failure::CalledOff),
                None => self.say(now, Answer::Failed, FAILED),
            },
        }
    }

    /// What was held until `held_until` is done, counted down, or refused.
    fn on_held(&mut self, held_until: Instant, now: Instant) {
        let Some((chord, since)) = self.keys.held(held_until) else { return };
        let Some((action, long)) = self.held_action(chord) else {
            self.keys.take_held();
            return self.fail(now, Action::FactoryReset, Failure::NotNow);
        };
        if held_until.since(since) >= long {
            self.keys.take_held();
            self.answer = None;
            return self.act(now, action);
        }
        if !matches!(self.answer, Some((Answer::Counting { action: counted, .. }, _)) if counted == action) {
            let left = (since + long).since(now);
            self.count(now, action, left);
        }
    }

    fn count(&mut self, now: Instant, action: Action, left: Duration) {
        let left_ms = u32::try_from(left.as_millis()).unwrap_or(u32::MAX);
        // Told again where it becomes more urgent.
        let next = [1_500, 4_000].into_iter().rev().find(|at| *at < left_ms).unwrap_or(0);
        self.answer =
            Some((Answer::Counting { action, left_ms }, now + Duration::from_millis(u64::from(left_ms - next).max(1))));
    }

    /// What holding `chord` does now, and how long it takes.
    fn held_action(&self, chord: Chord) -> Option<(Action, Duration)> {
        match (chord, self.started()) {
            (Chord::One(Key::Start), true) => Some((Action::Stop, HOLD_TO_STOP)),
            (Chord::One(Key::Start), false) => Some((Action::PowerOff, HOLD_TO_POWER_OFF)),
            (Chord::One(Key::Select), _) => Some((Action::Pair, HOLD_TO_PAIR)),
            (Chord::Both, false) => Some((Action::FactoryReset, HOLD_TO_RESET)),
            (Chord::Both, true) => None,
        }
    }

    /// Whether the unit is on the air, or on its way there.
    fn started(&self) -> bool {
        let asked = self.waiting.is_some_and(|waiting| waiting.action == Action::Start);
        asked || matches!(self.world.capture.is, Capture::Starting | Capture::Live | Capture::Slate)
    }

    fn act(&mut self, now: Instant, action: Action) {
        match action {
            Action::Identify | Action::Found => {
                self.identify_until = (action == Action::Identify).then_some(now + IDENTIFY);
                self.counters.done += 1;
                self.output(Output::Ended(action, None));
            }
            Action::Test(part) => self.test(now, part),
            Action::EndTest => {
                self.end_test(Failure::CalledOff);
                self.counters.done += 1;
                self.output(Output::Ended(action, None));
            }
            Action::PowerOff => {
                if self.power_off == PowerOff::No {
                    self.power_off.say(now, Why::Operator);
                    if self.started() {
                        self.output(Output::Do(Action::Stop));
                    }
                }
            }
            Action::FactoryReset if self.started() => self.fail(now, action, Failure::NotNow),
            Action::Start if self.power_off != PowerOff::No => self.fail(now, action, Failure::NotNow),
            Action::Start | Action::Stop | Action::Profile | Action::Pair | Action::FactoryReset => {
                self.ask(now, action)
            }
        }
    }

    /// Lights and keys are tried where nobody needs them: off the air, with nothing under way and no finger on a key.
    fn may_test(&self) -> bool {
        !self.started() && self.waiting.is_none() && self.power_off == PowerOff::No
    }

    fn test(&mut self, now: Instant, part: Part) {
        let action = Action::Test(part);
        if !self.may_test() || !self.keys.are_idle() {
            return self.fail_in_the_dark(action, Failure::NotNow);
        }
        self.end_test(Failure::Replaced);
        self.test = Some(Test { part, until: now + TEST, came: None });
        self.answer = None;
        if matches!(part, Part::Light(_)) {
            // Whoever is told that it is lit finds it lit.
            self.show(now);
            self.counters.done += 1;
            self.output(Output::Ended(action, None));
        }
    }

    /// A press ends the test of a light and means what it always does. One that a test waits for means nothing else, and nor
    /// does one of the other key: who presses it tries the panel, too.
    fn press_tests(&mut self, key: Key) {
        let Some(Test { part: Part::Key(tried), came, .. }) = &mut self.test else {
            self.test = None;
            return;
        };
        if came.is_none() {
            *came = Some(if key == *tried { Ok(()) } else { Err(Failure::OtherKey) });
            self.keys.take_held();
        }
    }

    /// Ends what was tried when it is clear what came of it.
    fn pass_test(&mut self, now: Instant) {
        match self.test {
            Some(Test { part, came: Some(Ok(())), .. }) if self.keys.are_idle() => {
                self.test = None;
                self.counters.done += 1;
                self.say(now, Answer::Done, DONE);
                self.output(Output::Ended(Action::Test(part), None));
            }
            Some(Test { came: Some(Err(failure)), .. }) if self.keys.are_idle() => {
                self.say(now, Answer::Failed, FAILED);
                self.end_test(failure);
            }
            Some(_) if !self.may_test() => self.end_test(Failure::NotNow),
            Some(Test { until, .. }) if now >= until => self.end_test(Failure::NoEffect),
            Some(_) | None => {}
        }
    }

    /// A light that was lit was seen; a key that was not pressed was not.
    fn end_test(&mut self, failure: Failure) {
        if let Some(Test { part: part @ Part::Key(_), .. }) = self.test.take() {
            self.fail_in_the_dark(Action::Test(part), failure);
        }
    }

    /// Has somebody else do it, and waits until it is seen.
    fn ask(&mut self, now: Instant, action: Action) {
        if self.waiting.is_some_and(|waiting| waiting.action == action) {
            return self.say(now, Answer::Working, patience(action));
        }
        if self.waiting.is_some() {
            self.end(now, Some(Failure::Replaced));
        }
        let unpaired = self.world.uplink.is == Uplink::NotPaired;
        let patience = patience(action);
        self.waiting = Some(Waiting { action, until: now + patience, profile: self.profile, unpaired });
        self.say(now, Answer::Working, patience);
        // A press comes before a service that starts with the box does: it is asked when it is there.
        if action != Action::Start || self.world.capture.is != Capture::Absent {
            self.output(Output::Do(action));
        }
    }

    fn on_capture(&mut self, now: Instant, capture: Capture) {
        let before = self.world.capture.is;
        self.world.set_capture(now, capture);
        if before == Capture::Absent
            && capture != Capture::Absent
            && let Some(waiting) = self.waiting.as_mut().filter(|waiting| waiting.action == Action::Start)
        {
            waiting.until = now + WORKING;
            self.say(now, Answer::Working, WORKING);
            self.output(Output::Do(Action::Start));
        } else if before != capture {
            self.resume(now);
        }
    }

    /// What was taken off the air for the sake of power goes on again when power stays.
    fn resume(&mut self, now: Instant) {
        let asked = self.waiting.is_some_and(|waiting| waiting.action == Action::Start);
        if self.world.capture.is == Capture::Suspended && self.power_off == PowerOff::No && !asked {
            self.ask(now, Action::Start);
        }
    }

    /// What came of it, from whoever does it.
    fn on_end(&mut self, now: Instant, action: Action, failure: Option<Failure>) {
        if self.waiting.is_some_and(|waiting| waiting.action == action) {
            return self.end(now, failure);
        }
        let PowerOff::Asked { why, .. } = self.power_off else { return };
        match (action, failure) {
            (Action::PowerOff, None) => {
                self.counters.done += 1;
                self.output(Output::Ended(action, None));
            }
            (Action::PowerOff, Some(failure)) => {
                // An empty pack asks again; a person is told and may do so.
                if why == Why::Operator {
                    self.power_off = PowerOff::No;
                }
                self.fail(now, action, failure);
            }
            (_, _) => {}
        }
    }

    fn on_battery(&mut self, now: Instant, reading: Option<Reading>) {
        self.battery.on_reading(now, reading);
        self.world.step = self.battery.step();
        match (self.battery.step(), self.power_off.why()) {
            (BatteryStep::Empty, None) => {
                self.power_off.say(now, Why::Battery);
                if self.started() {
                    self.output(Output::Suspend);
                }
            }
            (BatteryStep::Fine | BatteryStep::Low | BatteryStep::Spare, Some(Why::Battery)) => self.call_off(now),
            (_, _) => {}
        }
    }

    fn call_off(&mut self, now: Instant) {
        self.power_off = PowerOff::No;
        self.fail(now, Action::PowerOff, Failure::CalledOff);
        self.resume(now);
    }

    /// What time alone brings. After an edge of the past, fingers are not moved on to now: more edges may wait.
    fn pass(&mut self, now: Instant, edges_may_wait: bool) {
        if !edges_may_wait {
            for gesture in self.keys.pass(now) {
                self.on_gesture(now, gesture);
            }
            self.on_held(now, now);
        }
        self.identify_until = self.identify_until.filter(|until| now < *until);
        self.world.identify = self.identify_until.is_some();
        if self.seen() {
            self.end(now, None);
        }
        if self.waiting.is_some_and(|waiting| now >= waiting.until) {
            self.end(now, Some(Failure::NoEffect));
        }
        self.pass_test(now);
        if self.power_off.pass(now, self.world.capture.is) {
            self.output(Output::Do(Action::PowerOff));
        }
        self.world.powering_off = self.power_off != PowerOff::No;
        self.tell_troubles(now);
        self.expire_answer(now);
        self.show(now);
    }

    fn tell_troubles(&mut self, now: Instant) {
        let troubles = self.world.services.troubles(now);
        let before = core::mem::replace(&mut self.troubles, troubles);
        for ((service, before), now) in services::ALL.into_iter().zip(before).zip(troubles) {
            if before != now {
                self.counters.faults += u64::from(before.is_none());
                self.output(Output::Fault(service, now));
            }
        }
    }

    /// Whether what is waited for is so.
    fn seen(&self) -> bool {
        self.waiting.is_some_and(|waiting| match waiting.action {
            Action::Start => self.world.capture.is.on_air(),
            Action::Stop => self.world.capture.is == Capture::Stopped,
            Action::Profile => self.profile.is_some() && self.profile != waiting.profile,
            Action::Pair => waiting.unpaired && !matches!(self.world.uplink.is, Uplink::NotPaired | Uplink::Absent),
            // Whoever does it tells of it.
            Action::FactoryReset | Action::PowerOff => false,
            // Nothing of these is waited for here.
            Action::Identify | Action::Found | Action::Test(_) | Action::EndTest => false,
        })
    }

    fn end(&mut self, now: Instant, failure: Option<Failure>) {
        let Some(waiting) = self.waiting.take() else { return };
        match failure {
            None => {
                self.counters.done += 1;
                self.say(now, Answer::Done, DONE);
                self.output(Output::Ended(waiting.action, None));
            }
            Some(failure) => self.fail(now, waiting.action, failure),
        }
    }

    fn fail(&mut self, now: Instant, action: Action, failure: Failure) {
        self.say(now, Answer::Failed, FAILED);
        self.fail_in_the_dark(action, failure);
    }

    /// Without a word by light: nobody at the panel asked.
    fn fail_in_the_dark(&mut self, action: Action, failure: Failure) {
        self.counters.failed += 1;
        self.output(Output::Ended(action, Some(failure)));
    }

    fn say(&mut self, now: Instant, answer: Answer, long: Duration) {
        // Fingers that come one after the other are answered by one flash.
        if answer == Answer::Heard && !matches!(self.answer, Some((Answer::Heard, _))) {
            self.before_heard = self.shown.unwrap_or_else(|| self.lights(now));
        }
        // What comes of a press in the moment in which it is heard may look as everything did before it.
        let heard_now = matches!(self.answer, Some((Answer::Heard, until)) if until == now + HEARD);
        self.after_heard = None;
        if heard_now && self.lights_with(now, Some(answer)) == self.before_heard {
            self.after_heard = Some((answer, long));
            return;
        }
        self.answer = Some((answer, now + long));
    }

    fn expire_answer(&mut self, now: Instant) {
        match self.answer {
            Some((Answer::Counting { action, .. }, until)) => match self.keys.held(now) {
                Some((chord, since)) if now >= until => {
                    if let Some((_, long)) = self.held_action(chord) {
                        self.count(now, action, (since + long).since(now));
                    }
                }
                Some(_) => {}
                None => self.answer = None,
            },
            Some((_, until)) if now >= until => {
                let after = self.after_heard.take().map(|(answer, long)| (answer, now + long));
                // A flash in between does not end the waiting.
                self.answer = after.or(self.waiting.map(|waiting| (Answer::Working, waiting.until)));
            }
            Some(_) | None => {}
        }
    }

    fn lights(&self, now: Instant) -> Lights {
        self.lights_with(now, self.answer.map(|(answer, _)| answer))
    }

    fn lights_with(&self, now: Instant, answer: Option<Answer>) -> Lights {
        let meaning = self.world.meaning(now);
        let shown = lights::of(meaning, self.world.flows(now));
        // Nothing is said over the warning but that a press was heard.
        match answer {
            Some(Answer::Heard) => lights::answer(Answer::Heard, self.before_heard),
            Some(answer) if meaning != Meaning::PoweringOff => lights::answer(answer, shown),
            Some(_) => shown,
            None => match self.test.map(|test| test.part) {
                Some(Part::Light(lamp)) => lights::alone(lamp),
                Some(Part::Key(_)) | None => shown,
            },
        }
    }

    fn show(&mut self, now: Instant) {
        let lights = self.lights(now);
        if self.shown != Some(lights) {
            self.shown = Some(lights);
            self.output(Output::Lights(lights));
        }
        let percent = self.fan.percent(now);
        if self.turned != Some(percent) {
            self.turned = Some(percent);
            self.output(Output::Fan(percent));
        }
    }

    /// # Panics
    /// When the caller does not poll: one input brings less than a third of what there is room for.
    fn output(&mut self, output: Output) {
        assert!(self.outputs.push_back(output).is_ok(), "every output is polled after each input");
    }
}

/// Long enough to be seen, short enough to tell a double click.
const HEARD: Duration = Duration::from_millis(100);
const DONE: Duration = Duration::from_millis(800);
const FAILED: Duration = Duration::from_millis(1_500);

/// How long an effect may take.
const fn patience(action: Action) -> Duration {
    if matches!(action, Action::Pair) { PAIRING } else { WORKING }
}

/// Somebody types the unit's code on the gateway's page meanwhile, for five minutes; the uplink says when it gives up.
const PAIRING: Duration = Duration::from_secs(5 * 60 + 5);
/// Capture goes on the air in 2 s; a camera that has to wake up takes 8.
const WORKING: Duration = Duration::from_secs(15);

/// Enough to look, or to find the key; a test that is forgotten hides what the lights say no longer.
const TEST: Duration = Duration::from_secs(10);

/// Enough to walk around a rack.
const IDENTIFY: Duration = Duration::from_secs(30);

/// No bump lasts so long, and nobody waits in vain at the end of a show.
const HOLD_TO_STOP: Duration = Duration::from_millis(1_500);
/// As every phone and computer.
const HOLD_TO_POWER_OFF: Duration = Duration::from_secs(5);
/// As on most things that pair.
const HOLD_TO_PAIR: Duration = Duration::from_secs(3);
/// Both keys, and long enough to read the manual's warning.
const HOLD_TO_RESET: Duration = Duration::from_secs(10);
