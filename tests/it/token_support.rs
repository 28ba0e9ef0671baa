//! A server over the cast of the hub's rules, and what services ask of it on behalf of users.

use std::sync::Arc;

use hubwarden::clock::FixedClock;
use hubwarden::warden::Scope;
use serde_json::{Value as Json, json};

use crate::http_support::{Got, Served, World, bearer};

/// A service of the hub, with a key.
pub struct Service {
    pub served: Served,
    pub key: String,
    pub clock: Arc<FixedClock>,
}

/// A token that was just made.
#[derive(Clone)]
pub struct Made {
    pub id: String,
    pub value: String,
}

impl Service {
    /// The hub of the cast, with every scope.
    pub fn new() -> Self {
        Self::over(World::cast())
    }

    pub fn over(world: World) -> Self {
        let clock = Arc::clone(&world.clock);
        let served = world.serve();
        let key = served.key(&Scope::ALL);
        Self { served, key, clock }
    }

    /// A request on behalf of `actor`.
    pub fn acting(&self, actor: &str, method: &str, path: &str, body: &Json) -> Got {
        self.with(&[("Hubwarden-Actor", actor)], method, path, body)
    }

    /// A request with more headers.
    pub fn with(&self, headers: &[(&str, &str)], method: &str, path: &str, body: &Json) -> Got {
        let authorization = bearer(&self.key);
        let mut all = vec![("Authorization", authorization.as_str()), ("Content-Type", "application/json")];
        all.extend_from_slice(headers);
        self.served.send(method, path, &all, body.to_string())
    }

    /// Makes a token of `user`, at their own wish.
    pub fn create(&self, user: &str, body: &Json) -> Made {
        let got = self.acting(user, "POST", &format!("/v1/users/{user}/tokens"), body);
        assert_eq!(got.status, 201, "{}", got.text);
        made(&got)
    }

    pub fn role(&self, user: &str, role: &str) -> Made {
        self.create(user, &json!({"name": format!("{user}'s {role}"), "role": role}))
    }

    /// Makes a fine-grained token with one target.
    pub fn granted(&self, user: &str, kind: &str, name: &str, permissions: &[&str]) -> Made {
        let grant = json!({"entity": {"type": kind, "name": name}, "permissions": permissions});
        self.create(user, &json!({"name": "granted", "role": "fineGrained", "grants": [grant]}))
    }

    /// `POST /v1/check` for a repository.
    pub fn check(&self, authorization: Option<&str>, action: &str, repo: &str) -> Json {
        let body = json!({
            "authorization": authorization, "action": action, "resource": {"type": "repo", "id": repo},
        });
        let got = self.served.post(&self.key, "/v1/check", &body);
        assert_eq!(got.status, 200, "{}", got.text);
        got.json()
    }

    /// `allow`, or the code of the reason.
    pub fn code(&self, value: &str, action: &str, repo: &str) -> String {
        let answer = self.check(Some(&bearer(value)), action, repo);
        match answer["reason"]["code"].as_str() {
            Some(code) => code.to_owned(),
            None => answer["decision"].as_str().unwrap().to_owned(),
        }
    }

    /// A request of a client of the hub, with a credential or without.
    pub fn client(&self, authorization: Option<&str>, path: &str) -> Got {
        let headers: Vec<(&str, &str)> = authorization.iter().map(|value| ("Authorization", *value)).collect();
        self.served.send("GET", path, &headers, "")
    }

    pub fn introspect(&self, value: &str) -> Got {
        let headers = [("Authorization", &*bearer(&self.key)), ("Content-Type", "application/x-www-form-urlencoded")];
        self.served.send("POST", "/v1/introspect", &headers, format!("token={value}"))
    }

    /// Adds and removes parents of a user.
    pub fn move_user(&self, user: &str, add: &[(&str, &str)], remove: &[(&str, &str)]) {
        let uids = |parents: &[(&str, &str)]| -> Vec<Json> {
            parents.iter().map(|(ty, id)| json!({"type": format!("Hub::{ty}"), "id": id})).collect()
        };
        let body = json!({"parents": {"add": uids(add), "remove": uids(remove)}});
        let got = self.served.with_body("PATCH", &self.key, &format!("/v1/entities/user/{user}"), &body);
        assert_eq!(got.status, 200, "{}", got.text);
    }
}

/// The token in an answer that shows a value.
pub fn made(got: &Got) -> Made {
    let json = got.json();
    let text = |json: &Json| json.as_str().unwrap_or_else(|| panic!("{}", got.text)).to_owned();
    Made { id: text(&json["token"]["id"]), value: text(&json["value"]) }
}
