//! `GET /live/NAME.ts`: a stream as an endless transport stream.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bondbox_daemon::clock;
use futures_util::stream::unfold;

use super::Shared;

pub(super) async fn live(State(shared): State<Shared>, Path(file): Path<String>) -> Response {
    let Some(name) = file.strip_suffix(".ts") else {
        return not_found(&file);
    };
    let Some(live) = shared.directory.find(name, PATIENCE).await else {
        return not_found(&file);
    };
    let bytes = unfold(live.watch(clock::now()), |mut viewer| async move {
        let bytes = viewer.next().await?;
        Some((Ok::<_, Infallible>(bytes), viewer))
    });
    let headers = [(header::CONTENT_TYPE, "video/mp2t"), (header::CACHE_CONTROL, "no-store")];
    (headers, Body::from_stream(bytes)).into_response()
}

fn not_found(file: &str) -> Response {
    (StatusCode::NOT_FOUND, format!("no stream {file}\n")).into_response()
}

/// After a restart of the gateway, players are back before the unit is.
const PATIENCE: Duration = Duration::from_secs(3);
