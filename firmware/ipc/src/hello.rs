//! The first message each way.

use alloc::string::{String, ToString};

use postcard_schema::Schema;
use postcard_schema::key::Key;
use serde::{Deserialize, Serialize};

use crate::{Protocol, Request, Response};

/// Names the service and the schema that this side was built with.
///
/// Its own shape never changes, so that any two builds can tell each other apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Hello {
    /// [`Protocol::NAME`].
    pub service: String,
    /// Hash over the types of both directions.
    pub schema: [u8; 8],
    /// The build, for people.
    pub build: String,
}

/// Two sides that must not talk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// What this side is.
    pub ours: Hello,
    /// What the other side said.
    pub theirs: Hello,
}

impl Hello {
    /// This build's hello for protocol `P`.
    pub fn of<P: Protocol>(build: &str) -> Self {
        Self { service: P::NAME.to_string(), schema: schema::<P>(), build: build.to_string() }
    }

    /// # Errors
    /// [`Mismatch`] when `theirs` names another service or another schema.
    pub fn accept(self, theirs: Self) -> Result<Self, Mismatch> {
        if self.service == theirs.service && self.schema == theirs.schema {
            Ok(theirs)
        } else {
            Err(Mismatch { ours: self, theirs })
        }
    }
}

impl core::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let side = |f: &mut core::fmt::Formatter<'_>, hello: &Hello| {
            write!(f, "{} schema {:016x} (build {})", hello.service, u64::from_be_bytes(hello.schema), hello.build)
        };
        f.write_str("this side speaks ")?;
        side(f, &self.ours)?;
        f.write_str(", the other side speaks ")?;
        side(f, &self.theirs)
    }
}

impl core::error::Error for Mismatch {}

fn schema<P: Protocol>() -> [u8; 8] {
    let request = Key::for_path::<Request<P::Command>>(P::NAME).to_bytes();
    let response = Key::for_path::<Response<P::State, P::Done>>(P::NAME).to_bytes();
    core::array::from_fn(|i| request[i] ^ response[i].rotate_left(1))
}
