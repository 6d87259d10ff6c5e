//! `bondbox-panel`: buttons, lights, battery and fan.

#[cfg(feature = "alloc")]
mod state;

use postcard_schema::Schema;
use serde::{Deserialize, Serialize};

#[cfg(feature = "alloc")]
pub use state::{Device, Fault, Outcome, Panel, State};

/// The keys of the front panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum Key {
    /// Starts with a click, stops with a hold.
    Start,
    /// Identifies, changes profile, pairs.
    Select,
}

/// The lights of the front panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum Lamp {
    /// See [`Lights::air`].
    Air,
    /// See [`Lights::link`].
    Link,
    /// See [`Lights::power`].
    Power,
}

/// The services of a unit without which it is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum Service {
    /// `bondbox-capture`.
    Capture,
    /// `bondbox-uplink`.
    Uplink,
    /// `bondbox-modems`.
    Modems,
}

/// What of the front panel can be tried by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum Part {
    /// Lit alone.
    Light(Lamp),
    /// Pressed, which then does nothing else.
    Key(Key),
}

/// What the lights mean, most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Schema)]
pub enum Meaning {
    /// Power goes off in a moment.
    PoweringOff,
    /// A service is gone and does not come back.
    Fault,
    /// Somebody looks for this unit.
    Identify,
    /// The battery is nearly empty.
    BatteryEmpty,
    /// On the air, and nothing reaches the gateway.
    NoLink,
    /// On the air without the source: a slate goes out, or nothing does.
    SourceLost,
    /// The battery is low.
    LowBattery,
    /// On the air, and a link that should carry does not.
    Degraded,
    /// On the air.
    OnAir,
    /// An update is installed.
    Updating,
    /// The other services were not heard of since this one started.
    Starting,
    /// Not set up: there is no gateway to talk to.
    NotPaired,
    /// On the way to the gateway or to the air.
    Connecting,
    /// Off the air, and the gateway answers: one press away.
    Ready,
}

/// What a press is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum Answer {
    /// A key went down.
    Heard,
    /// Held keys will do something unless they are let go.
    Counting {
        /// What they will do.
        action: Action,
        /// In so many milliseconds, counted from when this answer began.
        left_ms: u32,
    },
    /// It was asked for, its effect was not seen yet.
    Working,
    /// Its effect was seen.
    Done,
    /// It was not done.
    Failed,
}

/// The three lights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Lights {
    /// Red: what goes out.
    pub air: Light,
    /// Blue: how it gets there.
    pub link: Light,
    /// Green: power.
    pub power: Light,
}

/// One light.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum Light {
    /// Off.
    #[default]
    Dark,
    /// On.
    Lit,
    /// On and off by turns.
    Blink {
        /// So long on.
        on_ms: u16,
        /// So long off.
        off_ms: u16,
    },
}

/// What can be asked for by key or command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum Action {
    /// Go on the air.
    Start,
    /// Go off the air.
    Stop,
    /// Take the next profile.
    Profile,
    /// Let a gateway or a phone pair.
    Pair,
    /// Blink for half a minute from now, so that somebody finds this unit.
    Identify,
    /// Somebody has: blink no more.
    Found,
    /// End cleanly and switch off.
    PowerOff,
    /// Forget keys, networks and recordings.
    FactoryReset,
    /// Try this part, off the air, for ten seconds at most: seen as soon as a light is lit alone, or when the key
    /// was pressed and let go.
    Test(Part),
    /// Show again what is to be shown, and take presses for what they mean.
    EndTest,
}

/// The pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Battery {
    /// Charge left, in tenths of a percent.
    pub charge_permille: u16,
    /// Whether it charges.
    pub charging: bool,
    /// Terminal voltage.
    pub millivolts: Option<u32>,
    /// What it gives, in milliwatts; less than nothing when it takes.
    pub milliwatts: Option<i32>,
    /// Until it is empty, at the pace of the last minutes.
    pub left_s: Option<u32>,
}

/// What a low battery forbids, each step with those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Schema)]
pub enum BatteryStep {
    /// Nothing.
    #[default]
    Fine,
    /// Nothing yet: it is shown.
    Low,
    /// No recording, no updates.
    Spare,
    /// The stream ends and the power goes off.
    Empty,
}

/// Counted since the service started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Counters {
    /// Times a key went down.
    pub presses: u64,
    /// Edges that were too short to be a finger.
    pub bounces: u64,
    /// Actions whose effect was seen.
    pub done: u64,
    /// Actions whose effect was not.
    pub failed: u64,
    /// Times that a service was found to be gone and not to come back.
    pub faults: u64,
}

/// What the panel can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum Command {
    /// Do what a key would; answered when its effect was seen.
    Do(Action),
    /// Put a finger on a key, for panels on a screen; answered when the panel has it.
    Down(Key),
    /// Take it off.
    Up(Key),
    /// Whether an update is being installed; from the update agent.
    Updating(bool),
    /// Read the gauge now; answered with what it says, or why it says nothing.
    Measure,
}

/// What a gauge says, before anybody doubts it. What it does not know is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Measured {
    /// Charge left, in tenths of a percent.
    pub charge_permille: Option<u16>,
    /// Of the pack.
    pub millivolts: Option<u32>,
    /// What it gives, in milliwatts; less than nothing when it takes.
    pub milliwatts: Option<i32>,
    /// Whether it charges.
    pub charging: Option<bool>,
    /// Whether mains is there.
    pub mains: Option<bool>,
}

/// What was seen after a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum Done {
    /// The effect was seen.
    Seen,
    /// What the gauge says.
    Measured(Measured),
}
