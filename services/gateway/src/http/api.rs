//! The status, once or as it changes.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use axum::{Json, body};
use bondbox_daemon::clock;
use futures_util::Stream;
use futures_util::stream::unfold;
use serde_json::json;

use super::Shared;
use crate::report::Report;

/// `GET /api/status`.
pub(super) async fn status(State(shared): State<Shared>) -> Response {
    match current(&shared) {
        Some(report) => ([(header::CACHE_CONTROL, "no-store")], Json(&report.status)).into_response(),
        None => not_now(),
    }
}

/// `GET /api/events`: each report as it is made. When none is made any more, nothing is said: old figures would lie.
pub(super) async fn events(State(shared): State<Shared>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let mut reports = shared.reports;
    reports.mark_changed();
    Sse::new(unfold(reports, |mut reports| async move {
        loop {
            reports.changed().await.ok()?;
            let report = reports.borrow_and_update().clone();
            if let Some(report) = report {
                let event = Event::default().json_data(&report.status).ok()?;
                return Some((Ok(event), reports));
            }
        }
    }))
}

/// The last report, unless it is history.
pub(super) fn current(shared: &Shared) -> Option<Arc<Report>> {
    let report = shared.reports.borrow().clone()?;
    (clock::now().since(report.at) < STALE).then_some(report)
}

/// The packet path has not said anything.
pub(super) fn not_now() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, body::Body::from("{\"error\":\"the packet path does not answer\"}"))
        .into_response()
}

/// Why something was not done.
pub(super) fn failed(code: StatusCode, error: &str) -> Response {
    (code, Json(json!({ "error": error }))).into_response()
}

const STALE: Duration = Duration::from_secs(2);
