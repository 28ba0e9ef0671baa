//! `GET /metrics`: for Prometheus, which sends a key as a bearer token like everybody else.
//!
//! On the main address and behind a key, not on a second address without one: there is nothing here to leave open.

use super::call::Call;
use super::reply::{Answered, Reply};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub async fn answer(call: Call) -> Answered {
    let warden = call.warden();
    let revision = warden.revision()?;
    warden.metrics().in_flight(call.app.in_flight());
    Ok(Reply::text(OPEN_METRICS, warden.metrics().scrape(warden.stats(), revision)).at(revision))
}
