//! What the other services say, in the words of the decision.

use bondbox_daemon::ipc::{Client, Event};
use bondbox_ipc::capture::{self, Picture};
use bondbox_ipc::uplink::{self, LinkState, Session};
use bondbox_panel_core::Input;
use bondbox_panel_core::world::{Capture, Uplink};

use crate::service::{Desk, Wires};
use crate::settings::Profile;

/// Tells of capture, until dropped.
pub(crate) async fn watch_capture(
    client: &mut Client<capture::Capture>,
    profiles: &[Profile],
    desk: &Desk,
    wires: &Wires,
) {
    let mut told = (Capture::Absent, None);
    loop {
        let now = match client.event().await {
            Event::State(state) => {
                let profile = profiles.iter().position(|profile| profile.source == state.source);
                (of_capture(&state), profile.and_then(|profile| u8::try_from(profile).ok()))
            }
            Event::Disconnected(reason) => {
                missed(told.0 != Capture::Absent, "capture", &reason);
                (Capture::Absent, told.1)
            }
            Event::Connected(_) | Event::Media(_) => continue,
        };
        if now.1 != told.1 {
            desk.set_profile(now.1.and_then(|profile| profiles.get(usize::from(profile))));
            wires.inputs.send(Input::Profile(now.1)).await;
        }
        if now.0 != told.0 {
            wires.inputs.send(Input::Capture(now.0)).await;
        }
        told = now;
    }
}

/// Tells of the uplink, until dropped.
pub(crate) async fn watch_uplink(client: &mut Client<uplink::Uplink>, wires: &Wires) {
    let mut told = Uplink::Absent;
    loop {
        let now = match client.event().await {
            Event::State(state) => of_session(&state),
            Event::Disconnected(reason) => {
                missed(told != Uplink::Absent, "uplink", &reason);
                Uplink::Absent
            }
            Event::Connected(_) | Event::Media(_) => continue,
        };
        if now != told {
            told = now;
            wires.inputs.send(Input::Uplink(now)).await;
        }
    }
}

/// One that was there is missed; one that was not starts with this service, in whatever order.
fn missed(was_there: bool, service: &str, reason: &str) {
    if was_there {
        tracing::warn!(service, reason, "a service is not there any more");
    } else {
        tracing::info!(service, reason, "a service is not there yet");
    }
}

fn of_capture(state: &capture::State) -> Capture {
    match state.picture {
        Picture::Stopped if state.meant_on_air => Capture::Suspended,
        Picture::Stopped => Capture::Stopped,
        // It tries its encoder, as at each start, and takes a start meanwhile.
        Picture::Starting if !state.meant_on_air => Capture::Stopped,
        Picture::Starting => Capture::Starting,
        Picture::Live => Capture::Live,
        Picture::Slate => Capture::Slate,
    }
}

fn of_session(state: &uplink::State) -> Uplink {
    match state.session {
        Session::NotPaired | Session::Pairing => Uplink::NotPaired,
        Session::Connecting => Uplink::Connecting,
        Session::Dark => Uplink::Dark,
        Session::Open => {
            let count = |count: usize| u8::try_from(count).unwrap_or(u8::MAX);
            // One that hesitates carries again in a moment; one that is silent does not carry.
            let carries = |state| matches!(state, LinkState::Up | LinkState::Suspect);
            let present = state.links.iter().filter(|link| link.state != LinkState::Absent).count();
            let up = state.links.iter().filter(|link| carries(link.state)).count();
            Uplink::Open { up: count(up), present: count(present) }
        }
    }
}
