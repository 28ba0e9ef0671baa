//! Change records: who changed what, at which revision. Names what was changed, never what it was changed to.

use super::call::Call;
use crate::store::Revision;

/// Records one change that is durable.
pub fn changed(call: &Call, what: &str, count: usize, revision: Revision) {
    tracing::info!(
        target: "hubwarden::change",
        request_id = call.request_id.as_str(),
        key = call.caller.id(),
        method = call.route.verb.name(),
        route = call.route.path,
        what,
        count,
        revision = revision.0,
        "changed"
    );
}
