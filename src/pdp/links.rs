//! Template links as data: `links.json` beside the policies, in the Cedar command line's own form.
//!
//! `[{"template_id": "share/viewer", "link_id": "share/ann-on-plan", "args": {"?principal": "User::\"ann\"", …}}]`

use std::collections::HashMap;

use cedar_policy::{EntityUid, PolicyId, PolicySet, SlotId};
use serde::Deserialize;

use super::bundle::SourceFile;
use super::engine;
use super::fault::{Fault, Faults};
use super::schema::Schema;
use crate::entity::Uid;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Link {
    template_id: String,
    link_id: String,
    args: HashMap<String, String>,
}

/// Links templates of `policies` as the file says; all of them or an error for each that cannot be.
///
/// # Errors
/// Malformed JSON; an unknown template; a link id that is taken; a slot that is missing, unknown or no entity uid.
pub(super) fn link(policies: &mut PolicySet, schema: &Schema, file: &SourceFile) -> Result<(), Faults> {
    let links: Vec<Link> =
        serde_json::from_str(&file.text).map_err(|error| Faults(vec![Fault::in_json(file, &error)]))?;
    let faults: Vec<Fault> = links
        .into_iter()
        .filter_map(|link| {
            let offset = file.text.find(&format!("\"{}\"", link.link_id)).unwrap_or(0);
            let width = link.link_id.len() + 2;
            apply(policies, schema, link).err().map(|message| Fault::at(file, offset, width, message))
        })
        .collect();
    match faults.is_empty() {
        true => Ok(()),
        false => Err(Faults(faults)),
    }
}

fn apply(policies: &mut PolicySet, schema: &Schema, link: Link) -> Result<(), String> {
    let Link { template_id, link_id, args } = link;
    let values = args
        .iter()
        .map(|(slot, text)| slot_value(schema, slot, text))
        .collect::<Result<HashMap<_, _>, _>>()
        .map_err(|message| format!("link `{link_id}`: {message}"))?;
    policies
        .link(PolicyId::new(&template_id), PolicyId::new(&link_id), values)
        .map_err(|error| format!("link `{link_id}`: {error}"))
}

fn slot_value(schema: &Schema, slot: &str, text: &str) -> Result<(SlotId, EntityUid), String> {
    let slot = match slot {
        "?principal" => SlotId::principal(),
        "?resource" => SlotId::resource(),
        other => return Err(format!("`{other}` is no slot; a slot is `?principal` or `?resource`")),
    };
    let uid = Uid::parse(text).map_err(|error| error.to_string())?;
    if !schema.types.contains_key(uid.type_name()) {
        return Err(format!("the schema has no entity type `{}`", uid.type_name()));
    }
    Ok((slot, engine::uid(&uid)?))
}
