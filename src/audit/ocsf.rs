//! Records as events of the Open Cybersecurity Schema Framework (<https://schema.ocsf.io/1.3.0>).
//!
//! A decision is an API Activity (6003) under the profile `security_control`, which says whether it was allowed; a change
//! is an Entity Management (3004). What has no place there stands whole in `unmapped`.

use serde_json::{Map, Value as Json, json};

const VERSION: &str = "1.3.0";
const SUCCESS: u8 = 1;
const INFORMATIONAL: u8 = 1;
const MEDIUM: u8 = 3;

/// The event of a record; nothing for what the log says of itself.
pub fn event(record: &Json) -> Option<Json> {
    match text(record, "kind")? {
        "decision" => decision(record),
        "search" => search(record),
        "change" => change(record),
        _ => None,
    }
}

fn text<'a>(record: &'a Json, key: &str) -> Option<&'a str> {
    record.get(key).and_then(Json::as_str)
}

fn id<'a>(record: &'a Json, key: &str) -> Option<&'a str> {
    record.get(key).and_then(|named| text(named, "id"))
}

/// Milliseconds since 1970.
fn time(record: &Json) -> Option<i64> {
    text(record, "timestamp")?.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}

fn metadata(record: &Json, uid: Option<&str>, profiles: &[&str]) -> Json {
    let product = json!({"name": "hubwarden", "vendor_name": "hubwarden", "version": env!("CARGO_PKG_VERSION")});
    let mut metadata = json!({
        "version": VERSION, "product": product, "profiles": profiles, "sequence": record.get("seq"),
        "log_name": "decisions", "log_provider": text(record, "pdp_id"),
    });
    if let (Some(uid), Some(map)) = (uid, metadata.as_object_mut()) {
        map.insert("uid".to_owned(), uid.into());
    }
    if let (Some(trace), Some(map)) = (text(record, "trace_id"), metadata.as_object_mut()) {
        map.insert("correlation_uid".to_owned(), trace.into());
    }
    metadata
}

/// Who called: services are known by their keys.
fn endpoint(record: &Json) -> Json {
    json!({"name": "api key", "uid": text(record, "requested_by").unwrap_or("none")})
}

fn base(record: &Json, class: u32, category: u32, activity: u32, name: &str) -> Option<Map<String, Json>> {
    let base = json!({
        "class_uid": class, "category_uid": category, "activity_id": activity, "activity_name": name,
        "type_uid": class * 100 + activity, "time": time(record)?, "status_id": SUCCESS,
        "unmapped": record,
    });
    match base {
        Json::Object(map) => Some(map),
        _ => None,
    }
}

fn decision(record: &Json) -> Option<Json> {
    let action = id(record, "action").unwrap_or("unknown");
    let allowed = text(record, "decision") == Some("allow");
    let event = base(record, 6003, 6, 99, "Authorize")?;
    let user = id(record, "acts_for").or_else(|| id(record, "principal")).unwrap_or("unknown");
    let mut actor = json!({"user": {"uid": user}});
    if let (Some(token), Some(map)) = (text(record, "token"), actor.as_object_mut()) {
        map.insert("session".to_owned(), json!({"credential_uid": token}));
    }
    let resource = |resource: &Json| json!([{"uid": text(resource, "id"), "type": text(resource, "type")}]);
    let policies = record.get("determining").and_then(Json::as_array).into_iter().flatten();
    let parts = json!({
        "severity_id": if allowed { INFORMATIONAL } else { MEDIUM },
        "metadata": metadata(record, text(record, "decision_id"), &["security_control"]),
        "actor": actor,
        "api": {"operation": action, "request": {"uid": text(record, "request_id").unwrap_or("none")},
                "service": {"name": text(record, "api")}},
        "resources": record.get("resource").map(resource),
        "src_endpoint": endpoint(record),
        "action_id": if allowed { 1 } else { 2 },
        "action": if allowed { "Allowed" } else { "Denied" },
        "disposition_id": if allowed { 1 } else { 2 },
        "disposition": if allowed { "Allowed" } else { "Blocked" },
        "authorizations": policies.map(|policy| json!({
            "decision": text(record, "decision"), "policy": {"uid": policy}})).collect::<Vec<_>>(),
        "status_code": record.pointer("/reason/code"),
        "duration": record.get("duration_us").and_then(Json::as_u64).map(|micros| micros / 1_000),
    });
    Some(joined(event, parts))
}

fn search(record: &Json) -> Option<Json> {
    let event = base(record, 6003, 6, 2, "Read")?;
    let known = |key: &str| record.get(key).map(|known| json!({"uid": text(known, "id"), "type": text(known, "type")}));
    let resources: Vec<Json> = [known("principal"), known("resource")].into_iter().flatten().collect();
    let parts = json!({
        "severity_id": INFORMATIONAL,
        "metadata": metadata(record, text(record, "search_id"), &[]),
        "actor": {"user": {"uid": text(record, "requested_by").unwrap_or("unknown")}},
        "api": {"operation": format!("search {}", text(record, "sought")?),
                "request": {"uid": text(record, "request_id").unwrap_or("none")},
                "service": {"name": text(record, "api")}},
        "resources": resources,
        "src_endpoint": endpoint(record),
        "count": record.get("results"),
        "duration": record.get("duration_us").and_then(Json::as_u64).map(|micros| micros / 1_000),
    });
    Some(joined(event, parts))
}

fn change(record: &Json) -> Option<Json> {
    let what = text(record, "change")?;
    let entities = record.get("entities").and_then(Json::as_array);
    let op = entities.and_then(|entities| entities.first()).and_then(|entity| text(entity, "op"));
    let (activity, name) = match (what, op) {
        ("key_created", _) => (1, "Create"),
        ("key_deleted", _) | (_, Some("delete")) => (4, "Delete"),
        ("opened", _) => (2, "Read"),
        _ => (3, "Update"),
    };
    let event = base(record, 3004, 3, activity, name)?;
    let first = entities.and_then(|entities| entities.first());
    let uid = first.and_then(|entity| text(entity, "id")).or_else(|| text(record, "key")).unwrap_or(what);
    let kind = first.and_then(|entity| text(entity, "type")).unwrap_or(what);
    let user = text(record, "actor").or_else(|| text(record, "requested_by")).unwrap_or("unknown");
    let parts = json!({
        "severity_id": INFORMATIONAL,
        "metadata": metadata(record, None, &[]),
        "actor": {"user": {"uid": user}},
        "entity": {"uid": uid, "type": kind},
        "src_endpoint": endpoint(record),
        "count": record.get("count"),
    });
    Some(joined(event, parts))
}

/// Adds what there is of the parts: the framework has no nulls.
fn joined(mut event: Map<String, Json>, parts: Json) -> Json {
    if let Json::Object(parts) = parts {
        event.extend(parts.into_iter().filter(|(_, value)| !value.is_null()));
    }
    Json::Object(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deny_is_an_api_activity_that_was_denied() {
        let record = json!({
            "kind": "decision", "decision_id": "d1", "timestamp": "2026-08-01T12:00:00.000Z", "pdp_id": "p",
            "request_id": "r1", "trace_id": "t1", "api": "authzen", "requested_by": "k1",
            "principal": {"type": "Hub::AccessToken", "id": "ci"}, "acts_for": {"type": "Hub::User", "id": "alice"},
            "action": {"type": "Hub::Action", "id": "repo.write"}, "token": "ci",
            "resource": {"type": "Hub::Repo", "id": "models/acme/m1"}, "decision": "deny",
            "determining": ["token-permissions/repo-write"], "reason": {"code": "token_permission", "status": 403},
            "errors": [], "duration_us": 4200, "seq": 7});
        let event = event(&record).unwrap();
        assert_eq!((event["class_uid"].as_u64(), event["type_uid"].as_u64()), (Some(6003), Some(600_399)));
        assert_eq!(event["time"], json!(1_785_585_600_000_i64));
        assert_eq!(event["actor"], json!({"user": {"uid": "alice"}, "session": {"credential_uid": "ci"}}));
        assert_eq!((event["action"].as_str(), event["disposition_id"].as_u64()), (Some("Denied"), Some(2)));
        assert_eq!(event["authorizations"][0]["policy"]["uid"], "token-permissions/repo-write");
        assert_eq!((event["status_code"].as_str(), event["duration"].as_u64()), (Some("token_permission"), Some(4)));
        assert_eq!(event["metadata"]["correlation_uid"], "t1");
        assert_eq!(event["unmapped"], record);
    }

    #[test]
    fn a_change_is_managing_an_entity_and_the_logs_own_records_are_no_events() {
        let record = json!({"kind": "change", "timestamp": "2026-08-01T12:00:00Z", "change": "entities", "count": 1,
            "entities": [{"op": "delete", "type": "Hub::User", "id": "bob"}], "revision": 4});
        let event = event(&record).unwrap();
        assert_eq!((event["type_uid"].as_u64(), event["entity"]["uid"].as_str()), (Some(300_404), Some("bob")));
        assert!(super::event(&json!({"kind": "checkpoint", "timestamp": "2026-08-01T12:00:00Z"})).is_none());
        assert!(event.as_object().unwrap().values().all(|value| !value.is_null()));
    }
}
