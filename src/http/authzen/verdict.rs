//! Answering one question of the standard API in an open session.

use super::asking::{Asking, Side};
use super::{DecisionContext, DecisionReply};
use crate::entity::{Entity, Uid};
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::question::{self, ReasonBody};
use crate::pdp::{ContextRules, DecideError, NameFault};
use crate::store::Lookup;
use crate::warden::{AskError, Asked, Ruling, Scope, Session, Unasked};

/// The decision on a question.
///
/// # Errors
/// 4xx: this was no question. 5xx: it cannot be answered now.
pub fn decide(call: &Call, session: &Session, asking: &Asking, explain: bool) -> Result<DecisionReply, Failure> {
    let explain = explain || asking.wants_reason();
    let bundle = session.bundle();
    let names = (
        bundle.entity_type(asking.subject.type_name),
        bundle.action(asking.action),
        bundle.entity_type(asking.resource.type_name),
    );
    let (subject, action, resource) = match names {
        (Ok(subject), Ok(action), Ok(resource)) => (subject, action, resource),
        (Err(fault), ..) | (_, Err(fault), _) | (.., Err(fault)) => {
            return unknown(session, asking, code(&fault), fault.to_string(), explain);
        }
    };
    let principal = Uid::new(subject, asking.subject.id);
    let resource = Uid::new(resource, asking.resource.id);
    let context = asking.context(bundle, &action);
    let context = bundle.admission().context(&action, &context, ContextRules::Open)?;
    let mut entities = Vec::new();
    lay_over(call, session, &asking.subject, &principal, &mut entities)?;
    lay_over(call, session, &asking.resource, &resource, &mut entities)?;
    match session.ask(Asked { principal, action, resource, context, entities }) {
        Ok(ruling) => Ok(decided(&ruling, explain)),
        Err(AskError::Decide(
            error @ (DecideError::UnknownAction(_) | DecideError::NotApplicable { .. } | DecideError::NotEnumerated(_)),
        )) => unknown(session, asking, "not_applicable", error.to_string(), explain),
        Err(error) => Err(error.into()),
    }
}

/// Lays properties over what is stored, for this question. A deleted entity stays deleted.
pub(super) fn lay_over(
    call: &Call,
    session: &Session,
    side: &Side,
    uid: &Uid,
    entities: &mut Vec<Entity>,
) -> Result<(), Failure> {
    let Some(properties) = side.properties else {
        return Ok(());
    };
    let admission = session.bundle().admission();
    let attrs = admission.properties(uid.type_name(), properties, &side.path)?;
    if attrs.is_empty() {
        return Ok(());
    }
    call.caller.need(Scope::Write, &format!("`{}`, which stands over what is stored,", side.path))?;
    let earlier = entities.iter().position(|entity| entity.uid == *uid).map(|index| entities.swap_remove(index));
    let mut entity = match earlier {
        Some(entity) => entity,
        None => match session.entity(uid)? {
            Lookup::Present(stored) => stored.entity,
            Lookup::Absent => Entity::bare(uid.clone()),
            Lookup::Deleted(_) => return Ok(()),
        },
    };
    entity.attrs.extend(attrs);
    admission.check(&entity).map_err(|fault| {
        let message = format!("with `{}`, {uid} would not conform to the schema: {fault}", side.path);
        Failure::invalid(&side.path, message)
    })?;
    entities.push(entity);
    Ok(())
}

fn code(fault: &NameFault) -> &'static str {
    match fault {
        NameFault::Unknown { .. } => "unknown_name",
        NameFault::Ambiguous { .. } => "ambiguous_name",
    }
}

fn decided(ruling: &Ruling, explain: bool) -> DecisionReply {
    let answer = &ruling.answer;
    let shown = !answer.hidden;
    let context = explain.then(|| DecisionContext {
        error: None,
        reason: question::reason(answer),
        determining: shown.then(|| question::determining(answer)),
        errors: shown.then(|| question::errors(answer)),
        revision: Some(ruling.revision.0),
        bundle: Some(ruling.bundle.to_string()),
        decision_id: Some(ruling.id.to_string()),
    });
    DecisionReply { decision: answer.allowed(), context }
}

/// A question about what the schema does not have: nothing permits it.
fn unknown(
    session: &Session,
    asking: &Asking,
    code: &str,
    message: String,
    explain: bool,
) -> Result<DecisionReply, Failure> {
    // As they were sent: what is not known has no full name.
    let side = |side: &Side| Some(Uid::new(side.type_name, side.id));
    let id = session.deny_unasked(&Unasked {
        principal: side(&asking.subject),
        action: Some(Uid::new("", asking.action)),
        resource: side(&asking.resource),
        reason: code.into(),
        status: 403,
    })?;
    let context = explain.then(|| DecisionContext {
        reason: Some(ReasonBody { code: code.to_owned(), message, status: 403 }),
        revision: Some(session.revision().0),
        bundle: Some(session.bundle().hash().to_owned()),
        decision_id: Some(id.to_string()),
        ..DecisionContext::default()
    });
    Ok(DecisionReply { decision: false, context })
}
