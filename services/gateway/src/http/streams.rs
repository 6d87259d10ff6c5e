//! One stream: what its unit says of itself and is asked to do, what happened to it lately, and how long its units wait.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bondbox_bond::channel::Refused;
use bondbox_bond::trace::Recording;
use bondbox_wire::command::Verb;
use serde::Deserialize;
use tokio::sync::oneshot;

use super::api::{current, failed, not_now};
use super::{Request, Shared};
use crate::commands::Told;

/// `GET /api/streams/NAME/telemetry`: the last telemetry message of the unit, byte for byte.
pub(super) async fn telemetry(State(shared): State<Shared>, Path(name): Path<String>) -> Response {
    let Some(report) = current(&shared) else { return not_now() };
    let at = report.status.streams.iter().position(|stream| stream.name == name);
    match at.and_then(|at| report.telemetry.get(at)?.clone()) {
        Some(body) => {
            let kind = if body.first() == Some(&b'{') { "application/json" } else { "application/octet-stream" };
            ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store")], Body::from(body)).into_response()
        }
        None => (StatusCode::NOT_FOUND, format!("no telemetry of {name}\n")).into_response(),
    }
}

#[derive(Deserialize)]
pub(super) struct Format {
    #[serde(default)]
    format: String,
}

/// `GET /api/streams/NAME/trace`: what happened to the stream lately, as `bondbox-sim replay` reads it;
/// with `?format=json` as JSON lines.
pub(super) async fn trace(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Query(Format { format }): Query<Format>,
) -> Response {
    let trace = match shared.ask(|answer| Request::Trace { stream: name.clone(), answer }).await {
        Some(Some(trace)) => trace,
        Some(None) => return (StatusCode::NOT_FOUND, format!("no stream {name}\n")).into_response(),
        None => return not_now(),
    };
    if format != "json" {
        return ([(header::CONTENT_TYPE, "application/octet-stream")], Body::from(trace)).into_response();
    }
    let mut lines = String::new();
    let written = Recording::read(&trace).map(|recording| recording.write_json_lines(&mut lines));
    if !matches!(written, Ok(Ok(()))) {
        return not_now();
    }
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from(lines)).into_response()
}

#[derive(Deserialize)]
pub(super) struct Wanted {
    ms: u64,
}

/// `POST /api/streams/NAME/latency?ms=MS`: from now on units go to that latency by 50 ms a second, in later sessions of the
/// stream too. Answered when it holds; the status shows how far it is.
pub(super) async fn set_latency(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Query(Wanted { ms }): Query<Wanted>,
) -> Response {
    if !LATENCIES_MS.contains(&ms) {
        let refusal = format!("{ms} ms, must be {} to {}\n", LATENCIES_MS.start(), LATENCIES_MS.end());
        return (StatusCode::BAD_REQUEST, refusal).into_response();
    }
    let latency = Duration::from_millis(ms);
    match shared.ask(|answer| Request::SetLatency { stream: name.clone(), latency, answer }).await {
        Some(true) => StatusCode::NO_CONTENT.into_response(),
        Some(false) => (StatusCode::NOT_FOUND, format!("no stream {name}\n")).into_response(),
        None => not_now(),
    }
}

/// `POST /api/streams/NAME/VERB`: what a unit is asked to do, answered when the unit says that its effect was seen; else with the
/// reason.
pub(super) async fn ask(State(shared): State<Shared>, Path((name, verb)): Path<(String, String)>) -> Response {
    let Some((_, verb)) = VERBS.into_iter().find(|(word, _)| *word == verb) else {
        let words = VERBS.map(|(word, _)| word).join(", ");
        return failed(StatusCode::NOT_FOUND, &format!("a unit can be asked to {words}, not {verb:?}"));
    };
    let (answer, answered) = oneshot::channel();
    if shared.requests.try_send(Request::Ask { stream: name.clone(), verb, answer }).is_err() {
        return not_now();
    }
    // The packet path answers, if only that the unit does not.
    match answered.await {
        Ok(told) => shown(&name, told),
        Err(_) => not_now(),
    }
}

fn shown(name: &str, told: Told) -> Response {
    match told {
        Told::Done => StatusCode::NO_CONTENT.into_response(),
        Told::NotDone { outcome, why } if why.is_empty() => failed(StatusCode::CONFLICT, outcome.name()),
        Told::NotDone { outcome, why } => failed(StatusCode::CONFLICT, &format!("{}: {why}", outcome.name())),
        Told::NoAnswer => failed(StatusCode::GATEWAY_TIMEOUT, "no_answer: the unit says nothing"),
        Told::NotAsked(Refused::NoStream) => failed(StatusCode::NOT_FOUND, &format!("no stream {name}")),
        Told::NotAsked(refused) => failed(StatusCode::SERVICE_UNAVAILABLE, &refused.to_string()),
    }
}

/// Blinking, so that somebody finds it; going on the air and off it, as if somebody at the unit did so.
const VERBS: [(&str, Verb); 3] = [("identify", Verb::Identify), ("start", Verb::Start), ("stop", Verb::Stop)];
/// As the settings allow.
const LATENCIES_MS: std::ops::RangeInclusive<u64> = 100..=10_000;
