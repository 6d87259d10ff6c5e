//! Whether the source brings pictures.

use bondbox_ipc::capture::{Capture, Command, Done, Picture, State};

use super::{Check, Result};
use crate::ask::{All, Ask, Said};

/// The picture that goes out, and what the source brings, on the air or off it.
pub(super) async fn look(ask: &Ask, all: &All) -> Vec<Check> {
    let Said::State(state) = &all.capture else { return Vec::new() };
    if state.source == "slate" {
        return vec![picture(state), Check::new("camera", Result::Absent, "the source is the slate")];
    }
    let counted = ask.command::<Capture>(Command::CountPictures).await;
    vec![picture(state), camera(&state.source, counted)]
}

fn picture(state: &State) -> Check {
    let (result, said) = match state.picture {
        Picture::Live => (Result::Works, format!("{} at {}", state.source, state.actual)),
        Picture::Stopped => (Result::Absent, "off the air".into()),
        Picture::Starting => (Result::Fails, format!("{} did not start yet", state.encoder)),
        // Nobody lost what was asked for.
        Picture::Slate if state.source == "slate" => (Result::Works, format!("the slate, at {}", state.actual)),
        Picture::Slate => (Result::Fails, format!("{} is lost: a slate goes out", state.source)),
    };
    Check::new("picture", result, said)
}

fn camera(source: &str, counted: anyhow::Result<Done>) -> Check {
    let (result, said) = match counted {
        Ok(Done::Pictures { count, within_ms, rate }) => {
            let a_second = f64::from(count) * 1_000.0 / f64::from(within_ms.max(1));
            let fewest = FEWEST.min(f64::from(rate) * SHARE);
            let result = if a_second < fewest { Result::Fails } else { Result::Works };
            (result, format!("{source} brought {count} pictures in {within_ms} ms, {a_second:.1} a second"))
        }
        Ok(other) => (Result::Fails, format!("capture gave another answer than pictures: {other:?}")),
        Err(error) => (Result::Fails, error.to_string()),
    };
    Check::new("camera", result, said)
}

/// Capture shows a slate between pictures that are farther apart.
const FEWEST: f64 = 7.0;
/// Of a rate below that, which is as many as are asked for: one of the first five may come a moment too late.
const SHARE: f64 = 0.8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_camera_that_stutters_fails_by_its_name() {
        let of = |count| camera("/dev/video0", Ok(Done::Pictures { count, within_ms: 2_000, rate: 25 }));
        assert_eq!(of(50).result, Result::Works);
        let slow = of(13);
        assert_eq!(slow.result, Result::Fails);
        assert_eq!(slow.said, "/dev/video0 brought 13 pictures in 2000 ms, 6.5 a second");
    }

    #[test]
    fn a_camera_of_which_few_pictures_are_asked_brings_enough_with_as_many() {
        let of = |count| camera("test", Ok(Done::Pictures { count, within_ms: 2_000, rate: 5 })).result;
        assert_eq!((of(10), of(8), of(7)), (Result::Works, Result::Works, Result::Fails));
    }
}
