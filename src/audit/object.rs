//! A record of a decision, written field by field: there is one for every question, and a serializer that escapes names
//! which never need it takes twice the time.

use serde::Serialize;

use super::record::Origin;
use crate::entity::Uid;

/// Bytes that most records have room in.
const USUAL: usize = 1_024;

/// A JSON object without its closing brace. Names are plain: nothing in them is escaped.
pub(super) struct Object(Vec<u8>);

impl Object {
    /// Begins a record of a kind.
    pub fn of(kind: &'static str) -> Self {
        let mut bytes = Vec::with_capacity(USUAL);
        bytes.extend_from_slice(b"{\"kind\":");
        let mut object = Self(bytes);
        object.quote(kind);
        object
    }

    pub fn text(&mut self, name: &'static str, text: &str) {
        self.name(name);
        self.quote(text);
    }

    pub fn optional(&mut self, name: &'static str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    pub fn texts(&mut self, name: &'static str, texts: &[impl AsRef<str>]) {
        self.name(name);
        self.0.push(b'[');
        for (index, text) in texts.iter().enumerate() {
            if index > 0 {
                self.0.push(b',');
            }
            self.quote(text.as_ref());
        }
        self.0.push(b']');
    }

    pub fn entity(&mut self, name: &'static str, uid: Option<&Uid>) {
        let Some(uid) = uid else { return };
        self.name(name);
        self.0.extend_from_slice(b"{\"type\":");
        self.quote(uid.type_name());
        self.0.extend_from_slice(b",\"id\":");
        self.quote(uid.id());
        self.0.push(b'}');
    }

    pub fn value(&mut self, name: &'static str, value: &impl Serialize) -> serde_json::Result<()> {
        self.name(name);
        serde_json::to_writer(&mut self.0, value)
    }

    pub fn origin(&mut self, origin: &Origin) {
        let Origin { timestamp, pdp_id, request_id, trace_id, span_id, requested_by, actor } = origin;
        self.text("timestamp", timestamp);
        self.text("pdp_id", pdp_id);
        self.optional("request_id", *request_id);
        self.optional("trace_id", *trace_id);
        self.optional("span_id", *span_id);
        self.optional("requested_by", *requested_by);
        self.optional("actor", *actor);
    }

    pub fn finish(self) -> Vec<u8> {
        self.0
    }

    fn name(&mut self, name: &'static str) {
        self.0.extend_from_slice(b",\"");
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
    }

    fn quote(&mut self, text: &str) {
        // All of it is looked at, without a branch for each byte.
        let special =
            text.bytes().fold(false, |special, byte| special | (byte < b' ') | (byte == b'"') | (byte == b'\\'));
        if special {
            // A text in memory can be written.
            let _ = serde_json::to_writer(&mut self.0, text);
        } else {
            self.0.push(b'"');
            self.0.extend_from_slice(text.as_bytes());
            self.0.push(b'"');
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value as Json, json};

    use super::*;

    proptest! {
        #[test]
        fn whatever_is_written_reads_back(text in any::<String>(), texts in proptest::collection::vec(any::<String>(), 0..3)) {
            let mut object = Object::of("test");
            object.text("text", &text);
            object.texts("texts", &texts);
            object.entity("entity", Some(&Uid::new("Hub::User", text.as_str())));
            object.entity("nobody", None);
            object.optional("nothing", None);
            object.value("value", &[&text]).unwrap();
            let mut bytes = object.finish();
            bytes.push(b'}');
            let read: Json = serde_json::from_slice(&bytes).unwrap();
            prop_assert_eq!(read, json!({
                "kind": "test", "text": text, "texts": texts, "entity": {"type": "Hub::User", "id": text}, "value": [text],
            }));
        }
    }
}
