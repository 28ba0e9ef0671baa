//! `POST /v1/entities:batch`: changes line by line, applied whole or not at all.
//!
//! A line is an entity to put, or `{"op": "put", "entity": …}`, `{"op": "patch", "uid": …, "patch": …}`,
//! `{"op": "delete", "uid": …}`, each with an optional `"expect"`: `"absent"`, `"present"` or a revision. Blank lines
//! are skipped.

use serde::Serialize;
use serde_json::Value as Json;
use utoipa::ToSchema;

use super::dead;
use crate::entity::uid_from_json;
use crate::http::body;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::fields::Fields;
use crate::http::record;
use crate::http::reply::{Answered, Reply};
use crate::json;
use crate::store::{Expect, Revision};
use crate::warden::{Change, DeadId, Patch};

/// A batch that is durable.
#[derive(Serialize, ToSchema)]
pub struct BatchReply {
    revision: u64,
    /// How many lines were applied.
    changes: usize,
}

pub async fn answer(call: Call) -> Answered {
    body::check_type(&call.headers, call.route.body.media_types())?;
    let dead = dead(&call)?;
    call.blocking(move |call| apply(call, dead)).await
}

fn apply(call: &Call, dead: DeadId) -> Answered {
    let (lines, changes): (Vec<usize>, Vec<Change>) = read(&call.body, dead)?.into_iter().unzip();
    let count = changes.len();
    let revision = call.warden().change(changes).map_err(|error| {
        let line = error.index().and_then(|index| lines.get(index)).copied();
        match line {
            Some(line) => Failure::from(error).on_line(line),
            None => Failure::from(error),
        }
    })?;
    record::changed(call, "entities", count, revision);
    Ok(Reply::ok(&BatchReply { revision: revision.0, changes: count }).at(revision))
}

/// The changes, each with its line.
fn read(body: &[u8], dead: DeadId) -> Result<Vec<(usize, Change)>, Failure> {
    let lines = body.split(|byte| *byte == b'\n').enumerate();
    let filled = lines.filter(|(_, line)| !line.trim_ascii().is_empty());
    filled
        .map(|(index, line)| {
            let number = index + 1;
            change(line.trim_ascii(), dead).map(|change| (number, change)).map_err(|failure| failure.on_line(number))
        })
        .collect()
}

fn change(line: &[u8], dead: DeadId) -> Result<Change, Failure> {
    let json = json::parse(line).map_err(|error| Failure::invalid("body", format!("not JSON: {error}")))?;
    let fields = Fields::of_body(&json)?;
    if fields.get("op").is_none() {
        return Ok(Change::Put { entity: json, expect: Expect::Anything, dead });
    }
    let expect = expect(&fields)?;
    match fields.text("op")? {
        "put" => {
            fields.only(&["op", "entity", "expect"])?;
            Ok(Change::Put { entity: fields.need("entity")?.clone(), expect, dead })
        }
        "patch" => {
            fields.only(&["op", "uid", "patch", "expect"])?;
            let uid = uid_from_json(fields.need("uid")?, "uid")?;
            Ok(Change::Patch { uid, patch: Patch::from_json(fields.need("patch")?)?, expect })
        }
        "delete" => {
            fields.only(&["op", "uid", "expect"])?;
            Ok(Change::Delete { uid: uid_from_json(fields.need("uid")?, "uid")?, expect })
        }
        other => Err(Failure::invalid("op", format!("there is no `{other}`; an `op` is put, patch or delete"))),
    }
}

fn expect(fields: &Fields) -> Result<Expect, Failure> {
    match fields.get("expect") {
        None => Ok(Expect::Anything),
        Some(Json::String(text)) if text == "absent" => Ok(Expect::Absent),
        Some(Json::String(text)) if text == "present" => Ok(Expect::Present),
        Some(json) => match json.as_u64() {
            Some(revision) => Ok(Expect::Revision(Revision(revision))),
            None => Err(Failure::invalid("expect", "`expect` is \"absent\", \"present\" or a revision")),
        },
    }
}
