//! Tokens of a store in a folder.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::{Done, TokenArgs, TokenCommand, edit, new_token, value};
use crate::cli::Setting;
use crate::cli::client::Actor;
use crate::cli::data::{self, Missing};
use crate::cli::exit::Failure;
use crate::clock::SystemClock;
use crate::http::{NewTokenReply, ReviewBody, TokenBody};
use crate::hub::{self, Hub, Stored};
use crate::store::Expect;
use crate::warden::Api;

pub fn run(args: &TokenArgs, command: &TokenCommand, actor: &Actor, setting: &Setting) -> Result<Done, Failure> {
    let store = args.data.open(setting, Missing::Refuse)?;
    let log = args.data.log(store.as_ref(), setting)?;
    let warden = Arc::new(data::warden(store, &args.bundle, setting, Arc::new(SystemClock), log)?);
    let hub = args.hub.open(Arc::clone(&warden), &args.data.folder(setting), setting)?;
    let actor = hub::Actor::User { id: actor.user.as_str().into(), mfa: actor.mfa };
    let done = Local { hub: &hub, actor }.run(command);
    warden.close()?;
    done
}

struct Local<'a> {
    hub: &'a Hub,
    actor: hub::Actor,
}

impl Local<'_> {
    fn run(&self, command: &TokenCommand) -> Result<Done, Failure> {
        let (hub, actor) = (self.hub, &self.actor);
        let now = hub.warden().clock().now();
        match command {
            TokenCommand::Create { user, name, role, expires, grants } => {
                let (stored, value) = hub.create(actor, user, &new_token(name, *role, *expires, grants))?;
                json(&NewTokenReply::new(&stored, &value, now))
            }
            TokenCommand::List { user } => {
                let tokens: Vec<TokenBody> =
                    hub.list(actor, user)?.iter().map(|stored| TokenBody::new(stored, now)).collect();
                json(&json!({"tokens": json(&tokens)?}))
            }
            TokenCommand::Inspect(one) => self.told(&hub.show(actor, &one.user, &one.id)?),
            TokenCommand::Edit { one, name, grants, no_grants } => {
                let edit = edit(name.as_ref(), grants, *no_grants)?;
                self.told(&hub.edit(actor, &one.user, &one.id, &edit, Expect::Anything)?)
            }
            TokenCommand::Refresh(one) => {
                let (stored, value) = hub.refresh(actor, &one.user, &one.id, Expect::Anything)?;
                json(&NewTokenReply::new(&stored, &value, now))
            }
            TokenCommand::Delete(one) => {
                let stored = hub.delete(actor, &one.user, &one.id, Expect::Anything)?;
                Ok(json!({"id": stored.token.id.as_str()}))
            }
            TokenCommand::Introspect => self.introspect(&value()?),
            TokenCommand::Review { org } => self.reviewable(org),
            TokenCommand::Approve(_) | TokenCommand::Deny(_) | TokenCommand::Revoke(_) => {
                let Some((args, review)) = command.review() else { return Ok(Json::Null) };
                let stored = hub.review(actor, &args.org, &args.id, review)?;
                Ok(json!({"token": json(&ReviewBody::new(&stored, &args.org, now))?}))
            }
        }
    }

    fn told(&self, stored: &Stored) -> Result<Done, Failure> {
        let token = TokenBody::new(stored, self.hub.warden().clock().now());
        Ok(json!({"token": json(&token)?, "sentences": self.hub.sentences(stored)?}))
    }

    fn introspect(&self, value: &str) -> Result<Done, Failure> {
        let session = self.hub.warden().session(Api::Cli, None).map_err(hub::HubError::from)?;
        json(&crate::http::introspected(&self.hub.introspect(&session, value)?))
    }

    /// All pages.
    fn reviewable(&self, org: &str) -> Result<Done, Failure> {
        const PAGE: usize = 1_000;
        let now = self.hub.warden().clock().now();
        let mut tokens: Vec<Json> = Vec::new();
        let mut after = None;
        loop {
            let page = self.hub.reviewable(&self.actor, org, after.as_deref(), PAGE)?;
            for stored in &page.tokens {
                tokens.push(json(&ReviewBody::new(stored, org, now))?);
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(json!({"tokens": tokens})),
            }
        }
    }
}

fn json(value: &impl Serialize) -> Result<Json, Failure> {
    serde_json::to_value(value).map_err(|error| Failure::new(error.to_string()))
}
