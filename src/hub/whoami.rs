//! Who a token speaks for, as `GET /api/whoami-v2` tells it.

use sha2::{Digest, Sha256};
use smol_str::SmolStr;

use super::Hub;
use super::error::HubError;
use super::identify::Caller;
use super::lifecycle::Stored;
use super::memberships::{self, Membership, stored};
use crate::entity::{Entity, Uid, Value};
use crate::pdp::Reason;
use crate::tokens::{Presented, Role, names};
use crate::warden::{Asked, Session};

/// The user of a living token.
#[derive(Clone, Debug)]
pub struct WhoAmI {
    pub user: Entity,
    pub orgs: Vec<WhoAmIOrg>,
    pub token: Stored,
}

/// An organization that the user belongs to.
#[derive(Clone, Debug)]
pub struct WhoAmIOrg {
    pub membership: Membership,
    /// What keeps this token, or a session without two factors, out of it: `mfa`, `token-policy`, `token-revoked`.
    pub restrictions: Vec<&'static str>,
}

impl Hub {
    /// Who presented this. `Ok(Err(…))` is the refusal; anonymous callers get `None` in it.
    ///
    /// # Errors
    /// A store that cannot answer.
    pub fn whoami(&self, session: &Session, presented: &Presented) -> Result<Result<WhoAmI, Option<Reason>>, HubError> {
        let caller = self.identify(session, presented)?;
        let token = match self.alive(session, &caller)? {
            Ok(Some(token)) => token,
            Ok(None) => return Ok(Err(None)),
            Err(reason) => return Ok(Err(Some(reason))),
        };
        self.used(&caller);
        let uid = Uid::new(names::USER, token.token.owner.clone());
        // A user who was never described is one without memberships.
        let user = stored(session, &uid)?.unwrap_or_else(|| Entity::bare(uid));
        let mut orgs = Vec::new();
        for membership in memberships::of(session, &user)? {
            if shows(&token, membership.id()) {
                let restrictions = self.restrictions(session, &caller, &membership)?;
                orgs.push(WhoAmIOrg { membership, restrictions });
            }
        }
        Ok(Ok(WhoAmI { user, orgs, token }))
    }

    fn restrictions(
        &self,
        session: &Session,
        caller: &Caller,
        membership: &Membership,
    ) -> Result<Vec<&'static str>, HubError> {
        let vocabulary = self.vocabulary(session.bundle())?;
        let ruling = session.ask(Asked {
            principal: caller.principal(&vocabulary.anonymous),
            action: vocabulary.read_org.clone(),
            resource: membership.organization.uid.clone(),
            context: caller.context(),
            entities: Vec::new(),
        })?;
        let bundle = session.bundle();
        let stopped_by = |code: &str| {
            bundle.policies().any(|policy| {
                policy.annotations.get("reason").is_some_and(|reason| reason == code)
                    && ruling.answer.determining.contains(&policy.id)
            })
        };
        let restrictions =
            [("mfa_required", "mfa"), ("token_policy", "token-policy"), ("token_revoked", "token-revoked")];
        Ok(restrictions.into_iter().filter(|(code, _)| stopped_by(code)).map(|(_, name)| name).collect())
    }
}

/// Whether a token lets its holder know that its user belongs to an organization: membership is not public, so a
/// fine-grained one shows only those that it is granted something in (chosen).
fn shows(token: &Stored, organization: &str) -> bool {
    token.token.role != Role::FineGrained
        || token.token.grants.scoped.keys().any(|target| target.namespace() == organization)
}

impl WhoAmI {
    /// A text attribute of the user.
    pub fn text(&self, name: &str) -> Option<&SmolStr> {
        text(&self.user, name)
    }

    pub fn flag(&self, name: &str) -> bool {
        self.user.attrs.get(name) == Some(&Value::Bool(true))
    }

    pub fn number(&self, name: &str) -> Option<i64> {
        match self.user.attrs.get(name) {
            Some(Value::Long(number)) => Some(*number),
            _ => None,
        }
    }
}

/// A text attribute.
pub fn text<'a>(entity: &'a Entity, name: &str) -> Option<&'a SmolStr> {
    match entity.attrs.get(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

/// The 24 hex digits that clients know an entity by: the hub's own ids are names, and these never change with them.
pub fn opaque_id(uid: &Uid) -> String {
    let mut digest = Sha256::new();
    digest.update(uid.type_name().as_bytes());
    digest.update([0]);
    digest.update(uid.id().as_bytes());
    let mut hex = const_hex::encode(digest.finalize());
    hex.truncate(24);
    hex
}
