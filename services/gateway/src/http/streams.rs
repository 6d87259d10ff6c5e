//! What is known of one stream: what its unit says of itself, and what happened to it lately.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bondbox_bond::trace::Recording;
use serde::Deserialize;
use tokio::sync::oneshot;

use super::api::{current, not_now};
use super::{Shared, TraceRequest};

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
    let (answer, answered) = oneshot::channel();
    if shared.traces.try_send(TraceRequest { stream: name.clone(), answer }).is_err() {
        return not_now();
    }
    let trace = match tokio::time::timeout(PATIENCE, answered).await {
        Ok(Ok(Some(trace))) => trace,
        Ok(Ok(None)) => return (StatusCode::NOT_FOUND, format!("no stream {name}\n")).into_response(),
        Ok(Err(_)) | Err(_) => return not_now(),
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

const PATIENCE: Duration = Duration::from_secs(5);
