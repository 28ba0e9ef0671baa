//! Talking to a running server instead of opening its store, which it holds.
//!
//! The key comes from a file or the environment, never from an argument: arguments can be read by everybody on the
//! machine. No error repeats it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde_json::Value as Json;

use super::Setting;
use super::bundle::BundleArgs;
use super::config::{Origin, strongest};
use super::data::DataArgs;
use super::exit::{Exit, Failure};
use crate::http::percent_encode;

/// How long one request may take; a batch is validated and made durable within it.
const TIMEOUT: Duration = Duration::from_secs(120);
/// Answers are read up to this size.
const MAX_ANSWER: u64 = 256 * 1024 * 1024;

#[derive(Debug, Args)]
pub(super) struct ServerArgs {
    /// Talk to the server at this address instead of opening a store [env: HUBWARDEN_SERVER=]
    #[arg(long, global = true, value_name = "URL", conflicts_with = "data")]
    server: Option<OsString>,
    /// File that holds the API key for `--server` [env: HUBWARDEN_KEY_FILE=, or the key itself: HUBWARDEN_KEY=]
    #[arg(long, global = true, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

/// A connection to a server.
pub(super) struct Client {
    agent: ureq::Agent,
    base: String,
    /// The value of `Authorization`.
    authorization: Option<String>,
    /// For whom tokens are managed.
    actor: Option<Actor>,
}

/// The user that this command acts for, as the holder of the key vouches.
#[derive(Clone, Debug)]
pub(super) struct Actor {
    pub user: String,
    pub mfa: bool,
}

/// What a server refused.
pub(super) struct Refusal {
    pub status: u16,
    pub code: String,
    pub message: String,
    /// The line of a batch that is meant.
    pub line: Option<usize>,
}

impl ServerArgs {
    /// Whether this command itself was told to ask a server.
    pub fn is_flagged(&self) -> bool {
        self.server.is_some()
    }

    /// The server, if one was named more clearly than files to work on: a flag is clearer than the environment, and
    /// that than the configuration.
    pub fn client(&self, data: &DataArgs, bundle: &BundleArgs, setting: &Setting) -> Result<Option<Client>, Failure> {
        let server = setting.config.server.clone().map(OsString::from);
        let Some((origin, url)) = strongest(self.server.as_ref(), "HUBWARDEN_SERVER", server.as_ref()) else {
            return Ok(None);
        };
        let files = data.named(setting).map(|(origin, _)| origin).max(bundle.is_flagged().then_some(Origin::Flag));
        if self.server.is_none() && files > Some(origin) {
            return Ok(None);
        }
        if self.server.is_some() && bundle.is_flagged() {
            return Err(Failure::new(
                "a server has policies of its own: `--policies` and `--schema` go with files only",
            ));
        }
        let url = url.to_string_lossy();
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(Failure::new("`--server` takes a URL, such as http://127.0.0.1:8180"));
        }
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(TIMEOUT))
            .user_agent(concat!("hubwarden/", env!("CARGO_PKG_VERSION")));
        Ok(Some(Client {
            agent: config.build().into(),
            base: url.trim_end_matches('/').to_owned(),
            authorization: self.key(setting)?.map(|key| format!("Bearer {key}")),
            actor: None,
        }))
    }

    /// The files that are named to hold a key.
    pub fn key_files(&self, setting: &Setting) -> Vec<PathBuf> {
        let variable = std::env::var_os("HUBWARDEN_KEY_FILE").filter(|path| !path.is_empty()).map(PathBuf::from);
        self.key_file.clone().into_iter().chain(variable).chain(setting.config.key_file.clone()).collect()
    }

    fn key(&self, setting: &Setting) -> Result<Option<String>, Failure> {
        if let Some(path) = &self.key_file {
            return read_key(path).map(Some);
        }
        if let Some(key) = std::env::var("HUBWARDEN_KEY").ok().filter(|key| !key.is_empty()) {
            return Ok(Some(key));
        }
        let named = strongest(None, "HUBWARDEN_KEY_FILE", setting.config.key_file.as_ref());
        named.map(|(_, path)| read_key(&path)).transpose()
    }
}

pub(super) fn read_key(path: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(format!("cannot read the key in {}: {error}", path.display())))?;
    match text.trim() {
        "" => Err(Failure::new(format!("the key file {} is empty", path.display()))),
        key => Ok(key.to_owned()),
    }
}

impl Client {
    pub fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Json, Refusal> {
        let request = self.agent.get(self.url(path)).query_pairs(query.iter().copied());
        self.read(self.authorized(request).call())
    }

    /// A text, and the server's time as the header `Date` tells it.
    pub fn text(&self, path: &str) -> Result<(String, Option<String>), Refusal> {
        let failed = |message: String| Refusal { status: 0, code: String::new(), message, line: None };
        let answer = self.authorized(self.agent.get(self.url(path))).call();
        let mut response = match answer {
            Ok(response) if response.status().is_success() => response,
            answer => {
                return self.read(answer).and_then(|_| Err(failed(format!("{} answered no text", self.base))));
            }
        };
        let date = response.headers().get("date").and_then(|date| date.to_str().ok()).map(str::to_owned);
        let read = response.body_mut().with_config().limit(MAX_ANSWER).read_to_string();
        read.map(|text| (text, date)).map_err(|error| failed(format!("the answer of {} broke off: {error}", self.base)))
    }

    /// Whether nobody on the way can read what is sent: TLS, or this machine.
    pub fn is_private(&self) -> bool {
        let host = self.base.strip_prefix("http://").unwrap_or_default();
        let local = ["127.", "localhost", "[::1]"].iter().any(|local| host.starts_with(local));
        self.base.starts_with("https://") || local
    }

    pub fn post(&self, path: &str, body: &Json) -> Result<Json, Refusal> {
        self.read(self.authorized(self.agent.post(self.url(path))).send_json(body))
    }

    /// Posts one JSON object a line.
    pub fn post_lines(&self, path: &str, query: &[(&str, &str)], lines: &[u8]) -> Result<Json, Refusal> {
        let request = self.agent.post(self.url(path)).query_pairs(query.iter().copied());
        let request = self.authorized(request).content_type("application/x-ndjson");
        self.read(request.send(lines))
    }

    pub fn patch(&self, path: &str, body: &Json) -> Result<Json, Refusal> {
        self.read(self.authorized(self.agent.patch(self.url(path))).send_json(body))
    }

    /// Posts a form of one field.
    pub fn post_form(&self, path: &str, name: &str, value: &str) -> Result<Json, Refusal> {
        self.read(self.authorized(self.agent.post(self.url(path))).send_form([(name, value)]))
    }

    /// The same client, acting for a user.
    pub fn acting(mut self, actor: Actor) -> Self {
        self.actor = Some(actor);
        self
    }

    pub fn delete(&self, path: &str) -> Result<Json, Refusal> {
        self.read(self.authorized(self.agent.delete(self.url(path))).call())
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn authorized<B>(&self, request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        let request = match &self.authorization {
            Some(value) => request.header("authorization", value),
            None => request,
        };
        match &self.actor {
            Some(actor) => request
                .header("hubwarden-actor", percent_encode(&actor.user))
                .header("hubwarden-actor-mfa", if actor.mfa { "true" } else { "false" }),
            None => request,
        }
    }

    fn read(&self, answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Json, Refusal> {
        let failed = |message: String| Refusal { status: 0, code: String::new(), message, line: None };
        let mut response = answer.map_err(|error| failed(format!("no answer from {}: {error}", self.base)))?;
        let status = response.status();
        let text = response
            .body_mut()
            .with_config()
            .limit(MAX_ANSWER)
            .read_to_string()
            .map_err(|error| failed(format!("the answer of {} broke off: {error}", self.base)))?;
        let body: Json = serde_json::from_str(&text).unwrap_or_default();
        if status.is_success() {
            return match body {
                Json::Null => Err(failed(format!("{} did not answer JSON: is it a hubwarden server?", self.base))),
                body => Ok(body),
            };
        }
        let part = |name: &str| body.pointer(&format!("/error/{name}"));
        let text = |name: &str| part(name).and_then(Json::as_str);
        Err(Refusal {
            status: status.as_u16(),
            code: text("code").unwrap_or_default().to_owned(),
            message: text("message").map_or_else(|| format!("{} answered {status}", self.base), str::to_owned),
            line: part("details/line").and_then(Json::as_u64).and_then(|line| usize::try_from(line).ok()),
        })
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let exit = match (refusal.status, refusal.code.as_str()) {
            (400, "unknown_name" | "ambiguous_name" | "not_applicable") => Exit::Unknown,
            (400, _) => Exit::Invalid,
            _ => Exit::Failure,
        };
        let message = match refusal.status {
            401 => format!("{}; name a key with `--key-file FILE` or HUBWARDEN_KEY", refusal.message),
            _ => refusal.message,
        };
        Self::Message { exit, message }
    }
}
