//! Parts of a question that must not stand in a record.
//!
//! A mask is a path: `context.ip`, `context.device.serial`, or `entities.attrs.email` for the entities that came with a
//! question. What it leads to is replaced whole; the record says which paths were, since such a question cannot be asked
//! again as it was.

use serde_json::Value as Json;

/// What stands where something was masked.
const MASKED: &str = "[masked]";

/// A path into a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    text: String,
}

/// Why a text is no mask.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no path to mask: `context.KEY…`, or `entities.attrs.KEY…` and `entities.tags.KEY…`")]
pub struct MaskError(String);

impl std::str::FromStr for Mask {
    type Err = MaskError;

    fn from_str(text: &str) -> Result<Self, MaskError> {
        let parts: Vec<&str> = text.split('.').collect();
        let whole = parts.iter().all(|part| !part.is_empty());
        match parts.as_slice() {
            ["context", _, ..] | ["entities", "attrs" | "tags", _, ..] if whole => Ok(Self { text: text.to_owned() }),
            _ => Err(MaskError(text.to_owned())),
        }
    }
}

impl Mask {
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Masks a part of a question, which stands under `root` in the record; true when there was something to mask.
    pub(super) fn apply(&self, root: &str, json: &mut Json) -> bool {
        let Some(path) = self.text.strip_prefix(root).and_then(|rest| rest.strip_prefix('.')) else {
            return false;
        };
        match json {
            Json::Array(items) => {
                // Every one of them, not up to the first.
                let masked = items.iter_mut().filter_map(|item| replace(item, path).then_some(())).count();
                masked > 0
            }
            json => replace(json, path),
        }
    }
}

fn replace(json: &mut Json, path: &str) -> bool {
    let (key, rest) = path.split_once('.').map_or((path, None), |(key, rest)| (key, Some(rest)));
    let Some(found) = json.get_mut(key) else { return false };
    match rest {
        Some(rest) => replace(found, rest),
        None => {
            *found = Json::String(MASKED.to_owned());
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mask(text: &str) -> Mask {
        text.parse().unwrap()
    }

    #[test]
    fn a_masked_part_is_replaced_whole_and_nothing_else_is() {
        let mut context = json!({"ip": "10.0.0.1", "device": {"serial": {"a": 1}, "kind": "phone"}});
        assert!(mask("context.ip").apply("context", &mut context));
        assert!(mask("context.device.serial").apply("context", &mut context));
        assert!(!mask("context.absent").apply("context", &mut context));
        assert_eq!(context, json!({"ip": MASKED, "device": {"serial": MASKED, "kind": "phone"}}));
    }

    #[test]
    fn entities_are_masked_each() {
        let mut entities = json!([{"attrs": {"email": "a"}}, {"attrs": {}}, {"attrs": {"email": "b"}}]);
        assert!(mask("entities.attrs.email").apply("entities", &mut entities));
        assert!(!mask("context.email").apply("entities", &mut entities));
        assert_eq!(entities[2], json!({"attrs": {"email": MASKED}}));
        assert!(!entities.to_string().contains("\"a\""));
    }

    #[test]
    fn a_path_to_something_else_is_refused() {
        for text in ["", "context", "context.", "ip", "principal.id", "entities.uid", "entities.attrs", "context..a"] {
            assert!(text.parse::<Mask>().is_err(), "{text}");
        }
    }
}
