//! The certification fixture, served, with a key that may lay properties over what is stored.

use std::path::Path;

use hubwarden::warden::{Scope, folder};
use serde_json::{Value as Json, json};

use crate::http_support::{Got, Served, World};

pub struct Certified {
    pub served: Served,
    pub key: String,
}

impl Certified {
    pub fn new() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/authzen-certification");
        let source = folder(&root.join("policies"), &root.join("schema.cedarschema")).unwrap();
        let entities = std::fs::read_to_string(root.join("entities.json")).unwrap();
        let served = World::of(source, &entities).serve();
        let key = served.key(&[Scope::Evaluate, Scope::Write]);
        Self { served, key }
    }

    pub fn evaluation(&self, body: &Json) -> Got {
        self.served.post(&self.key, "/access/v1/evaluation", body)
    }

    pub fn evaluations(&self, body: &Json) -> Got {
        self.served.post(&self.key, "/access/v1/evaluations", body)
    }

    /// Asks and demands exactly this body, as strict harnesses do.
    pub fn decides(&self, body: &Json, decision: bool) {
        let got = self.evaluation(body);
        assert_eq!(got.status, 200, "{}", got.text);
        assert_eq!(got.header("content-type"), Some("application/json"));
        assert_eq!(got.json(), json!({"decision": decision}), "{body}");
    }

    pub fn decides_all(&self, body: &Json, decisions: &[bool]) {
        let got = self.evaluations(body);
        assert_eq!(got.status, 200, "{}", got.text);
        let expected: Vec<Json> = decisions.iter().map(|decision| json!({"decision": decision})).collect();
        assert_eq!(got.json(), json!({"evaluations": expected}), "{body}");
    }
}

pub fn user(id: &str) -> Json {
    json!({"type": "user", "id": id})
}

pub fn record(id: &str) -> Json {
    json!({"type": "record", "id": id})
}

pub fn question(subject: Json, action: Json, resource: Json) -> Json {
    json!({"subject": subject, "action": action, "resource": resource})
}

/// Alice reads record-1: allowed.
pub fn plain() -> Json {
    question(user("alice"), json!({"name": "read"}), record("record-1"))
}
