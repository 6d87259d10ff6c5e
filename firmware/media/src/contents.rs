//! What an access unit holds, as far as it matters to whoever decides what may be lost.

use bondbox_units::Priority;

/// What an access unit holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Decoding can start here: IDR or recovery point in H.264, IRAP in H.265, any sound.
    pub keyframe: bool,
    /// Parameter sets are in it.
    pub parameter_sets: bool,
    /// A coded picture, or sound, is in it.
    pub picture: bool,
    /// Nothing of its layer refers to its picture.
    pub disposable: bool,
    /// It opens with an access unit delimiter.
    pub delimiter: bool,
}

impl Contents {
    /// Sound: each frame stands alone.
    pub const SOUND: Self =
        Self { keyframe: true, parameter_sets: false, picture: true, disposable: false, delimiter: false };

    /// What losing the unit means.
    pub const fn priority(&self) -> Priority {
        match *self {
            Self { picture: false, parameter_sets: true, .. } => Priority::Critical,
            Self { keyframe: true, .. } => Priority::Reference,
            Self { disposable: true, .. } => Priority::Disposable,
            _ => Priority::Standard,
        }
    }
}
