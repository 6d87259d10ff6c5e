//! The panel as a service: what it serves.

use alloc::string::String;
use alloc::vec::Vec;

use bondbox_units::Instant;
use postcard_schema::Schema;
use serde::{Deserialize, Serialize};

use super::{
    Action, Answer, Battery, BatteryStep, Command, Counters, Done, Key, Light, Lights, Meaning, Part, Service,
};

/// The panel service.
pub struct Panel;

impl crate::Protocol for Panel {
    const NAME: &'static str = "panel";
    type State = State;
    type Command = Command;
    type Done = Done;
}

/// What the panel shows and knows now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct State {
    /// What the lights mean: always exactly one thing.
    pub meaning: Meaning,
    /// Services that are gone and do not come back; with one of them the meaning is [`Meaning::Fault`] or more urgent.
    pub faults: Vec<Fault>,
    /// What they answer a press with for a moment, instead of the meaning.
    pub answer: Option<Answer>,
    /// The lights as they are.
    pub lights: Lights,
    /// Keys that are down now.
    pub keys: Vec<Key>,
    /// Until when the unit is to be found, on the host's monotonic clock; its lights say so where nothing is more urgent.
    pub identify_until: Option<Instant>,
    /// What is tried now: a light that is lit alone, or a key whose press is waited for.
    pub testing: Option<Part>,
    /// What was asked for and whose effect was not seen yet.
    pub waiting: Option<Action>,
    /// What came of the last thing asked for.
    pub last: Option<Outcome>,
    /// The profile in use, by name; empty where there are none.
    pub profile: String,
    /// The pack, where there is one that can be read.
    pub battery: Option<Battery>,
    /// Whether mains is there, where that can be told.
    pub mains: Option<bool>,
    /// What the battery forbids.
    pub step: BatteryStep,
    /// The hottest place, in thousandths of a degree Celsius.
    pub temperature_mc: Option<i32>,
    /// What the fan was told, in percent; `None` where the kernel runs it or there is none.
    pub fan_percent: Option<u8>,
    /// Devices in use, by kind and name, and those that are missing with the reason.
    pub devices: Vec<Device>,
    /// Since the service started.
    pub counters: Counters,
}

impl State {
    /// That of a panel without devices, whose lights mean this.
    pub const fn saying(meaning: Meaning) -> Self {
        Self {
            meaning,
            faults: Vec::new(),
            answer: None,
            lights: Lights { air: Light::Dark, link: Light::Dark, power: Light::Dark },
            keys: Vec::new(),
            identify_until: None,
            testing: None,
            waiting: None,
            last: None,
            profile: String::new(),
            battery: None,
            mains: None,
            step: BatteryStep::Fine,
            temperature_mc: None,
            fan_percent: None,
            devices: Vec::new(),
            counters: Counters { presses: 0, bounces: 0, done: 0, failed: 0, faults: 0 },
        }
    }
}

/// A service that is gone and does not come back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Fault {
    /// Which.
    pub service: Service,
    /// How that is known.
    pub why: String,
}

/// What came of an action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Outcome {
    /// What was asked for.
    pub action: Action,
    /// Nothing when its effect was seen, else why it was not.
    pub failure: Option<String>,
}

/// A device of the panel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Device {
    /// lights, keys, battery, mains, temperature, fan.
    pub kind: String,
    /// Where it is.
    pub name: String,
    /// Why it cannot be used.
    pub failure: Option<String>,
}
