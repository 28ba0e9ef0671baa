//! `hubwarden version`.

use serde_json::json;

use super::Setting;
use super::exit::{Exit, Failure};
use crate::pdp::Bundle;
use crate::warden;

pub(super) fn run(setting: &Setting) -> Result<Exit, Failure> {
    let bundle = Bundle::build(warden::embedded())?;
    let version = env!("CARGO_PKG_VERSION");
    setting.terminal.print(
        format!("hubwarden {version}\nbundle {}", bundle.hash()),
        &json!({"version": version, "bundle": bundle.hash()}),
    )?;
    Ok(Exit::Success)
}
