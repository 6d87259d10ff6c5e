//! From edges to gestures.
//!
//! Every edge carries the time at which the device saw it, so that a loop that was late loses and invents nothing:
//! whoever feeds this gives edges before it lets time pass.

use core::time::Duration;

use bondbox_ipc::panel::Key;
use bondbox_units::Instant;
use heapless::Vec;

/// What fingers did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gesture {
    /// A key went down. Each is followed by exactly one of those below, once it is clear what it is part of.
    Down(Key),
    /// Pressed and let go.
    Click(Key),
    /// Clicked twice; stands for two presses.
    Double(Key),
    /// Held too long for a click and let go before it was taken.
    LetGo(Chord),
    /// Pressed while other keys were still down from something that is over.
    Ignored(Key),
}

/// Keys that are held together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chord {
    /// One.
    One(Key),
    /// Both.
    Both,
}

/// All keys of the panel.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    contacts: [Contact; 2],
    fingers: Fingers,
    /// Edges that were no press.
    pub bounces: u64,
}

/// At most so many from one call: both keys come to rest, and a click that waited for a second ends before each.
pub type Gestures = Vec<Gesture, 8>;

impl Keys {
    /// The device saw `key` change at `at`.
    pub fn edge(&mut self, at: Instant, key: Key, down: bool) -> Gestures {
        let gestures = self.pass(at);
        let contact = &mut self.contacts[key as usize];
        if contact.raw != down {
            // Back before it came to rest.
            if contact.raw != contact.stable {
                self.bounces += 1;
            }
            contact.raw = down;
            contact.since = at;
        }
        gestures
    }

    /// Time passes.
    pub fn pass(&mut self, now: Instant) -> Gestures {
        let mut gestures = Gestures::new();
        // In the order in which they came to rest, each after the deadlines before it.
        loop {
            let resting = [Key::Start, Key::Select].into_iter().filter_map(|key| {
                let at = self.contacts[key as usize].deadline()?;
                (at <= now).then_some((at, key))
            });
            let Some((at, key)) = resting.min_by_key(|(at, _)| *at) else { break };
            let contact = &mut self.contacts[key as usize];
            contact.stable = contact.raw;
            let down = contact.stable;
            self.fingers.pass(at, &mut gestures);
            self.fingers.change(at, key, down, &mut gestures);
            if self.fingers == Fingers::Spent && self.contacts.iter().all(|contact| !contact.stable) {
                self.fingers = Fingers::Idle;
            }
        }
        self.fingers.pass(now, &mut gestures);
        gestures
    }

    /// When to call [`pass`](Self::pass) again.
    pub fn deadline(&self) -> Option<Instant> {
        let contacts = self.contacts.iter().filter_map(Contact::deadline);
        contacts.chain(self.fingers.deadline()).min()
    }

    /// Whether `key` is down, as far as that is certain.
    pub fn is_down(&self, key: Key) -> bool {
        self.contacts[key as usize].stable
    }

    /// What is held, since when, once it is too long for a click.
    pub fn held(&self, now: Instant) -> Option<(Chord, Instant)> {
        match self.fingers {
            Fingers::Pressed { chord, since, .. } if now.since(since) >= LONGEST_CLICK => Some((chord, since)),
            _ => None,
        }
    }

    /// When fingers that are down are too long down for a click.
    pub fn becomes_hold(&self, now: Instant) -> Option<Instant> {
        match self.fingers {
            Fingers::Pressed { since, .. } => Some(since + LONGEST_CLICK).filter(|at| *at > now),
            Fingers::Idle | Fingers::Between { .. } | Fingers::Spent => None,
        }
    }

    /// Whether no press is unfinished: none is down, and no click waits for its second.
    pub fn are_idle(&self) -> bool {
        self.fingers == Fingers::Idle && self.contacts.iter().all(|contact| !contact.raw && !contact.stable)
    }

    /// What is held was taken: letting go of it means nothing any more.
    pub fn take_held(&mut self) {
        if let Fingers::Pressed { .. } = self.fingers {
            self.fingers = Fingers::Spent;
        }
    }
}

/// One key's contact.
#[derive(Clone, Debug, Default)]
struct Contact {
    /// As it came to rest last.
    stable: bool,
    /// As seen last.
    raw: bool,
    since: Instant,
}

impl Contact {
    fn deadline(&self) -> Option<Instant> {
        (self.raw != self.stable).then_some(self.since + REST)
    }
}

/// What the presses so far may still become.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Fingers {
    #[default]
    Idle,
    /// `second`: a click of the same key went before it and is not told yet.
    Pressed { chord: Chord, since: Instant, second: bool },
    /// Clicked once; a second click may come.
    Between { key: Key, until: Instant },
    /// Keys are down whose press is used up.
    Spent,
}

impl Fingers {
    /// `key` came to rest.
    fn change(&mut self, at: Instant, key: Key, down: bool, out: &mut Gestures) {
        let mut tell = |gesture| {
            let _ = out.push(gesture);
        };
        let pressed = |second| Self::Pressed { chord: Chord::One(key), since: at, second };
        if down {
            tell(Gesture::Down(key));
        }
        *self = match (self.clone(), down) {
            (Self::Idle, true) => pressed(false),
            (Self::Between { key: first, .. }, true) if first == key => pressed(true),
            (Self::Between { key: first, .. }, true) => {
                tell(Gesture::Click(first));
                pressed(false)
            }
            (Self::Pressed { chord: Chord::One(first), second, .. }, true) => {
                if second {
                    tell(Gesture::Click(first));
                }
                Self::Pressed { chord: Chord::Both, since: at, second: false }
            }
            // Contacts change in turn, so a third key is down: there is none.
            (state @ Self::Pressed { chord: Chord::Both, .. }, true) => state,
            (Self::Spent, true) => {
                tell(Gesture::Ignored(key));
                Self::Spent
            }

            (Self::Pressed { chord: Chord::Both, .. }, false) => {
                tell(Gesture::LetGo(Chord::Both));
                Self::Spent
            }
            (Self::Pressed { chord, since, second }, false) => {
                if at.since(since) >= LONGEST_CLICK {
                    tell(Gesture::LetGo(chord));
                    Self::Idle
                } else if second {
                    tell(Gesture::Double(key));
                    Self::Idle
                } else if has_double(key) {
                    Self::Between { key, until: at + SECOND_CLICK }
                } else {
                    tell(Gesture::Click(key));
                    Self::Idle
                }
            }
            (state @ (Self::Idle | Self::Between { .. } | Self::Spent), false) => state,
        };
    }

    fn pass(&mut self, now: Instant, out: &mut Gestures) {
        match *self {
            Self::Between { key, until } if now >= until => {
                let _ = out.push(Gesture::Click(key));
                *self = Self::Idle;
            }
            // It becomes a hold, so the click before it was one by itself.
            Self::Pressed { chord: Chord::One(key), since, second: true } if now.since(since) >= LONGEST_CLICK => {
                let _ = out.push(Gesture::Click(key));
                *self = Self::Pressed { chord: Chord::One(key), since, second: false };
            }
            Self::Idle | Self::Pressed { .. } | Self::Between { .. } | Self::Spent => {}
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match *self {
            Self::Between { until, .. } => Some(until),
            Self::Pressed { since, second: true, .. } => Some(since + LONGEST_CLICK),
            Self::Idle | Self::Pressed { .. } | Self::Spent => None,
        }
    }
}

/// A key that means nothing when clicked twice need not wait for the second click.
const fn has_double(key: Key) -> bool {
    matches!(key, Key::Select)
}

/// A contact that did not move for so long is at rest. Tactile switches bounce for 1.5 ms on average and for up to 6 ms
/// (Ganssle, "A Guide to Debouncing"); a finger's shortest tap is 30 ms and more; and of the 50 ms in which a press is to be
/// answered this leaves 34 for bounce, loop and light.
pub const REST: Duration = Duration::from_millis(10);

/// Longer is a hold. People told to click take 80 to 150 ms, with gloves up to half a second.
pub const LONGEST_CLICK: Duration = Duration::from_millis(700);

/// From the end of a click to the second. Desktops wait 400 to 500 ms between the two presses, of which a click takes 100.
pub const SECOND_CLICK: Duration = Duration::from_millis(350);

#[cfg(test)]
mod tests {
    use super::*;

    extern crate std;

    fn at(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    /// All gestures of `edges` until 3 s.
    fn gestures(edges: &[(u64, Key, bool)]) -> std::vec::Vec<Gesture> {
        let mut keys = Keys::default();
        let mut told = std::vec::Vec::new();
        for &(ms, key, down) in edges {
            told.extend(keys.edge(at(ms), key, down));
        }
        told.extend(keys.pass(at(3_000)));
        told.retain(|gesture| !matches!(gesture, Gesture::Down(_)));
        told
    }

    #[test]
    fn a_click_of_start_is_told_when_it_ends_and_one_of_select_when_no_second_can_follow() {
        let mut keys = Keys::default();
        keys.edge(at(0), Key::Start, true);
        assert_eq!(keys.pass(at(9)).as_slice(), []);
        assert_eq!(keys.pass(at(10)).as_slice(), [Gesture::Down(Key::Start)]);
        keys.edge(at(100), Key::Start, false);
        assert_eq!(keys.pass(at(110)).as_slice(), [Gesture::Click(Key::Start)]);

        keys.edge(at(200), Key::Select, true);
        keys.edge(at(300), Key::Select, false);
        keys.pass(at(310));
        assert_eq!(keys.deadline(), Some(at(660)));
        assert_eq!(keys.pass(at(659)).as_slice(), []);
        assert_eq!(keys.pass(at(660)).as_slice(), [Gesture::Click(Key::Select)]);
    }

    #[test]
    fn two_clicks_are_one_double() {
        let s = Key::Select;
        let twice = [(0, s, true), (100, s, false), (300, s, true), (400, s, false)];
        assert_eq!(gestures(&twice), [Gesture::Double(s)]);
        let apart = [(0, s, true), (100, s, false), (500, s, true), (600, s, false)];
        assert_eq!(gestures(&apart), [Gesture::Click(s), Gesture::Click(s)]);
    }

    #[test]
    fn a_click_before_a_hold_is_a_click() {
        let s = Key::Select;
        let edges = [(0, s, true), (100, s, false), (300, s, true), (1_500, s, false)];
        assert_eq!(gestures(&edges), [Gesture::Click(s), Gesture::LetGo(Chord::One(s))]);
    }

    #[test]
    fn what_a_late_loop_sees_all_at_once_is_what_happened() {
        let mut keys = Keys::default();
        keys.edge(at(0), Key::Start, true);
        // The loop slept for two seconds; the key was down for 300 ms of them.
        let down = keys.edge(at(300), Key::Start, false);
        assert_eq!(down.as_slice(), [Gesture::Down(Key::Start)]);
        assert_eq!(keys.pass(at(2_000)).as_slice(), [Gesture::Click(Key::Start)]);
        assert_eq!(keys.held(at(2_000)), None);
    }

    #[test]
    fn bounce_and_spikes_are_no_presses() {
        let k = Key::Start;
        let bouncing = [(0, k, true), (2, k, false), (4, k, true), (90, k, false), (93, k, true), (95, k, false)];
        assert_eq!(gestures(&bouncing), [Gesture::Click(k)]);
        assert_eq!(gestures(&[(0, k, true), (9, k, false)]), []);
    }

    #[test]
    fn what_was_taken_is_not_told_again() {
        let mut keys = Keys::default();
        keys.edge(at(0), Key::Start, true);
        keys.pass(at(2_000));
        assert_eq!(keys.held(at(2_000)), Some((Chord::One(Key::Start), at(10))));
        keys.take_held();
        assert_eq!(keys.held(at(2_000)), None);
        keys.edge(at(2_100), Key::Select, true);
        assert_eq!(keys.pass(at(2_110)).as_slice(), [Gesture::Down(Key::Select), Gesture::Ignored(Key::Select)]);
    }
}
