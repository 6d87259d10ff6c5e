//! What the other services say, and what the system says of them, in the words of the decision.

use std::time::Duration;

use bondbox_daemon::ipc::{Client, Event};
use bondbox_ipc::capture::{self, Picture};
use bondbox_ipc::modems::Modems;
use bondbox_ipc::uplink::{self, LinkState, Reason, Session};
use bondbox_panel_core::Input;
use bondbox_panel_core::services::{self, Standing};
use bondbox_panel_core::world::{Capture, Uplink};
use bondbox_system::{Services, Standing as Said};
use tokio::sync::mpsc;

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

/// Tells whether the modem service is there, until dropped.
pub(crate) async fn watch_modems(client: &mut Client<Modems>, wires: &Wires) {
    let mut told = false;
    loop {
        let answers = match client.event().await {
            Event::State(_) => true,
            Event::Disconnected(reason) => {
                missed(told, "modems", &reason);
                false
            }
            Event::Connected(_) | Event::Media(_) => continue,
        };
        if answers != told {
            told = answers;
            wires.inputs.send(Input::Modems(answers)).await;
        }
    }
}

/// Tells what the system has in mind with the services, until dropped.
pub(crate) async fn watch_services(system: &impl Services, desk: &Desk, wires: &Wires) {
    let units = services::ALL.map(|service| format!("{}.service", crate::service::name_of(service)));
    let units: Vec<&str> = units.iter().map(String::as_str).collect();
    let mut complaint = String::new();
    loop {
        let (tell, mut told) = mpsc::unbounded_channel();
        let watched = system.watch(&units, move |number, said| {
            // Nobody waits for it when this is dropped.
            let _ = tell.send((number, said));
        });
        let pass_on = async {
            while let Some((number, said)) = told.recv().await {
                let service = services::ALL[number];
                tracing::info!(service = crate::service::name_of(service), ?said, "what the system has in mind");
                let standing = match said {
                    Said::Off => Standing::Off,
                    Said::On => Standing::On,
                    Said::GivenUp(result) => {
                        desk.given_up(service, result);
                        Standing::GivenUp
                    }
                };
                wires.inputs.send(Input::Standing(service, standing)).await;
            }
            std::future::pending::<()>().await;
        };
        let error = tokio::select! {
            error = watched => error.to_string(),
            () = pass_on => continue,
        };
        if error != complaint {
            tracing::warn!(error, "what the system has in mind with services is not known; asked again");
            complaint = error;
        }
        for service in services::ALL {
            wires.inputs.send(Input::Standing(service, Standing::Unknown)).await;
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Seldom enough where there is no systemd, which is no unit; soon enough after its bus was restarted.
const AGAIN: Duration = Duration::from_secs(10);

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
        // Its own word: nobody on the way can have the panel say so.
        Session::Connecting if is_refused(state) => Uplink::Refused,
        Session::Connecting => Uplink::Connecting,
        Session::Dark => Uplink::Dark,
        Session::Open => {
            let count = |count: usize| u8::try_from(count).unwrap_or(u8::MAX);
            // One that hesitates carries again in a moment; one that is silent does not carry.
            let carries = |state| matches!(state, LinkState::Up | LinkState::Suspect);
            let present = state.links.iter().filter(|link| link.state != LinkState::Absent).count();
            let up = state.links.iter().filter(|link| carries(link.state)).count();
            Uplink::Open { up: count(up), present: count(present), arrived: state.counters.units_acknowledged }
        }
    }
}

fn is_refused(state: &uplink::State) -> bool {
    state.complaint.as_ref().is_some_and(|complaint| complaint.reason == Reason::UnknownUnit)
}
