//! The life of a token: create, list, show, edit, refresh, delete.
//!
//! Every change of a token rewrites its entity under the revision that it was read at, in one batch with its records.
//! So of two changes at once the second starts over from what the first left, and no old value stays alive.

use std::collections::BTreeSet;

use jiff::Timestamp;
use smol_str::SmolStr;

use super::Hub;
use super::actor::Actor;
use super::error::HubError;
use super::grants::GrantsSpec;
use super::identify::{Found, Value};
use super::memberships::{self, stored};
use crate::entity::Uid;
use crate::store::{Batch, CommitError, Expect, Lookup, Revision, Table};
use crate::tokens::{Credential, PlainToken, Role, Token, TokenHash, names, owner_key, owner_prefix, random_id};
use crate::warden::{Api, Change, ChangeError, DeadId, Patch, Session};

/// How many tokens one user can have.
pub const MAX_TOKENS: usize = 1_000;
/// How often a change starts over when others change the same token meanwhile.
const RETRIES: usize = 16;

/// A token to be made.
#[derive(Clone, Debug)]
pub struct NewToken {
    pub name: String,
    pub role: Role,
    pub expires_at: Option<Timestamp>,
    pub grants: GrantsSpec,
}

/// What is to be changed of a token; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct Edit {
    pub name: Option<String>,
    pub grants: Option<GrantsSpec>,
}

/// A token as it is stored.
#[derive(Clone, Debug)]
pub struct Stored {
    pub token: Token,
    pub credential: Credential,
    pub last_used_at: Option<Timestamp>,
    /// Of the entity.
    pub revision: Revision,
}

impl Hub {
    /// Makes a token of a user; its value is returned this once.
    ///
    /// # Errors
    /// [`HubError::Denied`] when the actor may not, [`HubError::Invalid`] for what cannot be.
    pub fn create(&self, actor: &Actor, owner: &str, new: &NewToken) -> Result<(Stored, PlainToken), HubError> {
        let now = self.warden.clock().now();
        let token = {
            let session = self.manage(actor, owner)?;
            check_name(&new.name)?;
            if new.expires_at.is_some_and(|at| at <= now) {
                return Err(HubError::invalid("expiresAt", "a token must expire in the future"));
            }
            if session.records(Table::TokenOwner, &owner_prefix(owner), None, MAX_TOKENS)?.len() == MAX_TOKENS {
                let message = format!("{owner} has {MAX_TOKENS} tokens, which is the limit; delete one first");
                return Err(HubError::Conflict(message));
            }
            Token {
                id: random_id()?.into(),
                owner: owner.into(),
                name: new.name.clone(),
                role: new.role,
                created_at: now,
                expires_at: new.expires_at,
                grants: self.granted(&session, owner, new.role, &new.grants)?,
                approved_by: self.administered(&session, actor, owner)?,
                revoked_by: BTreeSet::new(),
            }
        };
        let value = PlainToken::random(&self.prefix)?;
        let credential = Credential {
            owner: owner.into(),
            hash: self.key.hash(&value).to_hex(),
            last_characters: value.last_characters().into(),
            refreshed_at: None,
            denied_by: BTreeSet::new(),
        };
        let mut records = Batch::new();
        record_credential(&mut records, &token.id, &credential)?;
        record_hash(&mut records, &token.id, owner, &self.key.hash(&value))?;
        records.set_record(Table::TokenOwner, &owner_key(owner, &token.id), b"");
        let put = Change::Put { entity: token.to_entity().to_json(), expect: Expect::Absent, dead: DeadId::Refuse };
        let revision = self.warden.change_with(vec![put], records)?;
        Ok((Stored { token, credential, last_used_at: None, revision }, value))
    }

    /// The tokens of a user, the newest first.
    ///
    /// # Errors
    /// [`HubError::Denied`] when the actor may not.
    pub fn list(&self, actor: &Actor, owner: &str) -> Result<Vec<Stored>, HubError> {
        let session = self.manage(actor, owner)?;
        let prefix = owner_prefix(owner);
        let mut tokens = Vec::new();
        for (key, _) in session.records(Table::TokenOwner, &prefix, None, MAX_TOKENS)? {
            let id = key.get(prefix.len()..).unwrap_or_default();
            if let Some(stored) = self.stored(&session, &String::from_utf8_lossy(id))? {
                tokens.push(stored);
            }
        }
        tokens.sort_by_key(|stored| std::cmp::Reverse(stored.token.created_at));
        Ok(tokens)
    }

    /// One token of a user.
    ///
    /// # Errors
    /// [`HubError::Denied`] when the actor may not, [`HubError::NotFound`] when the user has no such token.
    pub fn show(&self, actor: &Actor, owner: &str, id: &str) -> Result<Stored, HubError> {
        let session = self.manage(actor, owner)?;
        self.own(&session, owner, id)
    }

    /// Changes the name or the grants of a token. Organizations that approved it did so for the grants it had: a change
    /// of grants takes their approval back, but for those that its owner administers.
    ///
    /// # Errors
    /// As [`Hub::show`], and [`HubError::Invalid`] for what cannot be; an unmet `expect` is a conflict.
    pub fn edit(&self, actor: &Actor, owner: &str, id: &str, edit: &Edit, expect: Expect) -> Result<Stored, HubError> {
        if let Some(name) = &edit.name {
            check_name(name)?;
        }
        self.rewrite(expect, |hub| {
            let session = hub.manage(actor, owner)?;
            let mut stored = hub.own(&session, owner, id)?;
            let before = stored.token.clone();
            if let Some(name) = &edit.name {
                stored.token.name.clone_from(name);
            }
            if let Some(spec) = &edit.grants {
                stored.token.grants = hub.granted(&session, owner, before.role, spec)?;
                if stored.token.grants != before.grants {
                    stored.token.approved_by = hub.administered(&session, actor, owner)?;
                }
            }
            Ok(Rewrite { patch: Some(difference(&before, &stored.token)), records: Batch::new(), stored })
        })
    }

    /// Gives a token a new value, returned this once. The old one is dead for the next question.
    ///
    /// # Errors
    /// As [`Hub::show`].
    pub fn refresh(
        &self,
        actor: &Actor,
        owner: &str,
        id: &str,
        expect: Expect,
    ) -> Result<(Stored, PlainToken), HubError> {
        let value = PlainToken::random(&self.prefix)?;
        let hash = self.key.hash(&value);
        let stored = self.rewrite(expect, |hub| {
            let session = hub.manage(actor, owner)?;
            let mut stored = hub.own(&session, owner, id)?;
            let mut records = Batch::new();
            kill_value(&mut records, &stored.credential);
            stored.credential.hash = hash.to_hex();
            stored.credential.last_characters = value.last_characters().into();
            stored.credential.refreshed_at = Some(hub.warden.clock().now());
            record_credential(&mut records, id, &stored.credential)?;
            record_hash(&mut records, id, owner, &hash)?;
            Ok(Rewrite { patch: Some(Patch::default()), records, stored })
        })?;
        Ok((stored, value))
    }

    /// Deletes a token. It is dead for the next question, and its id is never used again.
    ///
    /// # Errors
    /// As [`Hub::show`].
    pub fn delete(&self, actor: &Actor, owner: &str, id: &str, expect: Expect) -> Result<Stored, HubError> {
        self.rewrite(expect, |hub| {
            let session = hub.manage(actor, owner)?;
            let stored = hub.own(&session, owner, id)?;
            let mut records = Batch::new();
            forget(&mut records, &stored);
            Ok(Rewrite { patch: None, records, stored })
        })
    }

    /// Deletes the tokens whose values these are, and says which they were. Anybody may: who knows a value could use it.
    /// What is no value of a token is passed over.
    ///
    /// # Errors
    /// A store that cannot answer or write.
    pub fn revoke_values<'a>(&self, values: impl IntoIterator<Item = &'a str>) -> Result<Vec<SmolStr>, HubError> {
        let mut revoked = Vec::new();
        for value in values.into_iter().filter_map(|value| PlainToken::parse(&self.prefix, value)) {
            let value = &value;
            let hash = self.key.hash(value);
            let done = self.rewrite(Expect::Anything, |hub| {
                let session = hub.warden.session(Api::Tokens, None)?;
                let gone = || HubError::NotFound(String::new());
                let found = Value::of(&session, &hash)?.alive().ok_or_else(gone)?;
                let stored = hub.stored(&session, &found.id)?.ok_or_else(gone)?;
                let mut records = Batch::new();
                forget(&mut records, &stored);
                Ok(Rewrite { patch: None, records, stored })
            });
            match done {
                Ok(stored) => revoked.push(stored.token.id),
                Err(HubError::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(revoked)
    }

    /// A session in which the actor may manage the tokens of a user.
    fn manage(&self, actor: &Actor, owner: &str) -> Result<Session<'_>, HubError> {
        let session = self.warden.session(Api::Tokens, None)?;
        let vocabulary = self.vocabulary(session.bundle())?;
        self.demand(&session, actor, &vocabulary.manage, Uid::new(names::USER, owner))?;
        Ok(session)
    }

    fn own(&self, session: &Session, owner: &str, id: &str) -> Result<Stored, HubError> {
        let stored = self.stored(session, id)?.filter(|stored| stored.token.owner == owner);
        stored.ok_or_else(|| HubError::NotFound(format!("{owner} has no token `{id}`")))
    }

    /// A token that has both its entity and its credential, of the same owner.
    pub(super) fn stored(&self, session: &Session, id: &str) -> Result<Option<Stored>, HubError> {
        let Some(credential) = session.record(Table::Token, id.as_bytes())? else {
            return Ok(None);
        };
        let credential: Credential = serde_json::from_slice(&credential).map_err(HubError::Damaged)?;
        let Lookup::Present(entity) = session.entity(&Uid::new(names::TOKEN, id))? else {
            return Ok(None);
        };
        let token = Token::from_entity(&entity.entity)?;
        if token.owner != credential.owner {
            return Ok(None);
        }
        let last_used_at = self.last_used(session, id)?;
        Ok(Some(Stored { token, credential, last_used_at, revision: entity.revision }))
    }

    /// The organizations whose tokens the owner approves: a token of theirs is approved there from the start.
    fn administered(&self, session: &Session, actor: &Actor, owner: &str) -> Result<BTreeSet<SmolStr>, HubError> {
        let mfa = matches!(actor, Actor::User { mfa: true, .. });
        let vocabulary = self.vocabulary(session.bundle())?;
        let mut administered = BTreeSet::new();
        if let Some(user) = stored(session, &Uid::new(names::USER, owner))? {
            for membership in memberships::of(session, &user)? {
                let organization = membership.organization.uid.clone();
                if self.may(session, owner, mfa, &vocabulary.review, organization)? {
                    administered.insert(membership.id().clone());
                }
            }
        }
        Ok(administered)
    }

    /// Prepares a change and commits it under the revision that the token was read at; starts over when somebody else
    /// was faster, unless the caller insists on a revision.
    pub(super) fn rewrite(
        &self,
        expect: Expect,
        prepare: impl Fn(&Self) -> Result<Rewrite, HubError>,
    ) -> Result<Stored, HubError> {
        let mut retries = RETRIES;
        loop {
            // The session ends inside: a thread that reads must not wait for a commit.
            let Rewrite { patch, records, mut stored } = prepare(self)?;
            if let Expect::Revision(wanted) = expect
                && wanted != stored.revision
            {
                let found = format!("it was last changed at revision {}", stored.revision);
                let conflict = CommitError::Conflict { index: 0, uid: stored.token.uid(), found };
                return Err(HubError::Change(conflict.into()));
            }
            let (uid, expect) = (stored.token.uid(), Expect::Revision(stored.revision));
            let change = match patch {
                Some(patch) => Change::Patch { uid, patch, expect },
                None => Change::Delete { uid, expect },
            };
            match self.warden.change_with(vec![change], records) {
                Ok(revision) => {
                    stored.revision = revision;
                    return Ok(stored);
                }
                Err(ChangeError::Commit(CommitError::Conflict { .. }) | ChangeError::NotStored { .. })
                    if retries > 0 =>
                {
                    retries -= 1;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// A change of a token, prepared on what was read.
pub(super) struct Rewrite {
    /// Of the entity; `None` deletes it.
    pub patch: Option<Patch>,
    pub records: Batch,
    /// As it will be; `revision` is the one it was read at.
    pub stored: Stored,
}

/// What makes one entity of a token the other. Attributes that this program does not know stay.
pub(super) fn difference(before: &Token, after: &Token) -> Patch {
    let (before, after) = (before.to_entity(), after.to_entity());
    let mut patch = Patch::default();
    for (name, value) in &after.attrs {
        if before.attrs.get(name) != Some(value) {
            patch.attrs.insert(name.to_string(), value.to_json());
        }
    }
    for name in before.tags.keys().filter(|name| !after.tags.contains_key(*name)) {
        patch.tags.insert(name.to_string(), serde_json::Value::Null);
    }
    for (name, value) in &after.tags {
        patch.tags.insert(name.to_string(), value.to_json());
    }
    patch
}

fn check_name(name: &str) -> Result<(), HubError> {
    if (1..=100).contains(&name.chars().count()) && !name.chars().any(char::is_control) && !name.trim().is_empty() {
        return Ok(());
    }
    Err(HubError::invalid("name", "a token needs a name of 1 to 100 characters, none of them a control character"))
}

pub(super) fn record_credential(records: &mut Batch, id: &str, credential: &Credential) -> Result<(), HubError> {
    let value = serde_json::to_vec(credential).map_err(HubError::Damaged)?;
    records.set_record(Table::Token, id.as_bytes(), &value);
    Ok(())
}

pub(super) fn record_hash(records: &mut Batch, id: &str, owner: &str, hash: &TokenHash) -> Result<(), HubError> {
    let found = Found { id: id.into(), owner: owner.into() };
    let value = serde_json::to_vec(&found).map_err(HubError::Damaged)?;
    records.set_record(Table::TokenHash, hash.as_bytes(), &value);
    Ok(())
}

/// The value is dead from now on. Its hash stays, empty: without it, restoring an older backup would revive the value.
pub(super) fn kill_value(records: &mut Batch, credential: &Credential) {
    if let Some(hash) = credential.token_hash() {
        records.set_record(Table::TokenHash, hash.as_bytes(), b"");
    }
}

fn forget(records: &mut Batch, stored: &Stored) {
    let id = stored.token.id.as_bytes();
    kill_value(records, &stored.credential);
    records.remove_record(Table::Token, id);
    records.remove_record(Table::TokenOwner, &owner_key(&stored.token.owner, &stored.token.id));
    records.remove_record(Table::TokenUse, id);
}
