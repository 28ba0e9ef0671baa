//! A question on the command line: named by flags or in a file, put to files, a store or a server.

mod written;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use jiff::Timestamp;
use serde_json::Value as Json;

use super::Setting;
use super::bundle::BundleArgs;
use super::client::{Client, ServerArgs};
use super::data::{self, DataArgs, Missing};
use super::entities::{self, Source};
use super::exit::Failure;
use crate::audit::Log;
use crate::clock::{Clock, FixedClock, SystemClock};
use crate::entity::Entity;
use crate::http::percent_encode;
use crate::pdp::{Bundle, DecideError};
use crate::store::{MemoryStore, Moment, Store};
use crate::warden::{Api, AskError, Asked, Policies, Session, SessionError, Warden};
use written::Written;
pub(super) use written::{context_of, entity_of};

#[derive(Debug, Args)]
pub(super) struct QuestionArgs {
    #[command(flatten)]
    bundle: BundleArgs,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    server: ServerArgs,
    /// Entities, before those of the store: a JSON array or one JSON object a line; `-` reads stdin
    #[arg(long, value_name = "FILE")]
    entities: Option<PathBuf>,
    /// Who asks: `Hub::User::"alice"`, or short: `user:alice`
    #[arg(long, value_name = "ENTITY", required_unless_present = "request_json")]
    principal: Option<String>,
    /// To do what: `Hub::Action::"repo.write"`, or short: `repo.write`
    #[arg(long, value_name = "ACTION", required_unless_present = "request_json")]
    action: Option<String>,
    /// On what: `Hub::Repo::"models/acme/m1"`, or short: `repo:models/acme/m1`
    #[arg(long, value_name = "ENTITY", required_unless_present = "request_json")]
    resource: Option<String>,
    /// The context as JSON, or `@FILE` that holds it
    #[arg(long, value_name = "JSON|@FILE")]
    context: Option<String>,
    /// The whole question: `{"principal": …, "action": …, "resource": …, "context": {…}}`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["principal", "action", "resource", "context"])]
    request_json: Option<PathBuf>,
    /// The time to decide for [default: now]
    #[arg(long, value_name = "RFC3339", conflicts_with = "as_of")]
    now: Option<Timestamp>,
    /// Decide on what a store or a server knew then, by the policies of then, or by `--policies`: a revision, or a time
    #[arg(long, value_name = "REVISION|RFC3339")]
    as_of: Option<Moment>,
}

impl QuestionArgs {
    /// The server that is to be asked, if one is.
    pub fn client(&self, setting: &Setting) -> Result<Option<Client>, Failure> {
        self.server.client(&self.data, &self.bundle, setting)
    }

    /// Whether a store is asked, and not files alone.
    pub fn is_stored(&self, setting: &Setting) -> bool {
        self.data.named(setting).is_some()
    }

    /// Where a server is asked: at a path, about now or about then.
    pub fn path(&self, path: &str) -> String {
        match &self.as_of {
            None => path.to_owned(),
            Some(Moment::Revision(revision)) => format!("{path}?as_of={revision}"),
            Some(Moment::Time(time)) => format!("{path}?as_of={}", percent_encode(&time.to_string())),
        }
    }

    /// Where the question is asked here.
    pub fn session<'w>(&self, warden: &'w Warden, setting: &Setting) -> Result<Session<'w>, Failure> {
        let Some(moment) = self.as_of else {
            return Ok(warden.session(Api::Cli, None)?);
        };
        if !self.is_stored(setting) {
            return Err(Failure::usage("only a store has a past: `--as-of` goes with `--data` or `--server`"));
        }
        let policies = if self.bundle.is_flagged() { Policies::OfNow } else { Policies::OfThen };
        Ok(warden.session_at(Api::Cli, moment, policies)?)
    }

    /// The question as a server's API takes it.
    pub fn request(&self) -> Result<Json, Failure> {
        if self.now.is_some() {
            return Err(Failure::new("a server decides by its own clock: `--now` goes with files and `--data` only"));
        }
        let mut request = self.written()?.to_request()?;
        if let Some(path) = &self.entities {
            let source = Source::open(path)?;
            let name = source.name.clone();
            let entities = source.pieces.map(|piece| entities::parse(piece, &name)).collect::<Result<Vec<_>, _>>();
            request
                .insert("entities".to_owned(), entities.map_err(|fault| Failure::invalid(fault.to_string()))?.into());
        }
        Ok(request.into())
    }

    /// The store that was named, or an empty one in memory, with the policies.
    pub fn warden(&self, setting: &Setting) -> Result<Warden, Failure> {
        let store: Arc<dyn Store> = match self.is_stored(setting) {
            true => self.data.open(setting, Missing::Refuse)?,
            false => Arc::new(MemoryStore::new()?),
        };
        let clock: Arc<dyn Clock> = match self.now {
            Some(now) => FixedClock::new(now),
            None => Arc::new(SystemClock),
        };
        let log = match self.is_stored(setting) {
            true => self.data.log(store.as_ref(), setting)?,
            false => Arc::new(Log::off()),
        };
        data::warden(store, &self.bundle, setting, clock, log)
    }

    /// The question in the words of a session's schema.
    pub fn asked(&self, session: &Session) -> Result<Asked, Failure> {
        let bundle = session.bundle();
        let entities = match &self.entities {
            Some(path) => admitted(path, bundle)?,
            None => Vec::new(),
        };
        let question = self.written()?.resolve(bundle)?;
        Ok(Asked {
            principal: question.principal,
            action: question.action,
            resource: question.resource,
            context: question.context,
            entities,
        })
    }

    fn written(&self) -> Result<Written, Failure> {
        match (self.request_json.as_ref(), &self.principal, &self.action, &self.resource) {
            (Some(path), ..) => Written::read(path),
            (None, Some(principal), Some(action), Some(resource)) => {
                Written::from_args(principal, action, resource, self.context.as_deref())
            }
            _ => Err(Failure::new("a question needs `--principal`, `--action` and `--resource`, or `--request-json`")),
        }
    }
}

fn admitted(path: &Path, bundle: &Bundle) -> Result<Vec<Entity>, Failure> {
    let read = Source::open(path)?.entities(bundle);
    read.collect::<Result<_, _>>().map_err(|fault| Failure::invalid(fault.to_string()))
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<AskError> for Failure {
    fn from(error: AskError) -> Self {
        match &error {
            AskError::Decide(DecideError::Facts(_)) | AskError::Audit(_) => Self::new(error.to_string()),
            AskError::Decide(DecideError::Context(_)) | AskError::Prepare(_) => Self::invalid(error.to_string()),
            AskError::Decide(_) => Self::unknown(error.to_string()),
        }
    }
}
