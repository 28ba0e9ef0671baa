//! All questions that the cast can ask, against the oracle.
//!
//! There are some two hundred thousand; by default every nineteenth is asked, and all with `HUBWARDEN_FULL=1`.

use hubwarden::entity::Uid;

use crate::support::cast::CAST;
use crate::support::dsl::uid;
use crate::support::full;
use crate::support::oracle::Oracle;
use crate::support::world::{CELLS, Caller, code};

/// Everybody, by every means: nobody's and somebody else's tokens included.
fn callers() -> Vec<Caller> {
    let mut callers = vec![Caller::anonymous()];
    for user in CAST.of("User") {
        callers.push(Caller::new(user.clone()));
        callers.push(Caller::new(user).mfa(true));
    }
    for token in CAST.of("AccessToken") {
        callers.push(Caller::new(token.clone()));
        callers.push(Caller::new(token.clone()).mfa(true));
        callers.push(Caller::anonymous().through(token.clone()));
        callers.push(Caller::user("eve").through(token));
    }
    callers
}

/// What there is of a type, and what there was.
fn things(type_name: &str) -> Vec<Uid> {
    let deleted = [uid("Repo", "models/acme/deleted"), uid("User", "dora")];
    let deleted = deleted.into_iter().filter(|uid| uid.type_name().strip_prefix("Hub::") == Some(type_name));
    CAST.of(type_name).into_iter().chain(deleted).collect()
}

fn questions() -> impl Iterator<Item = (Caller, &'static str, Uid)> {
    let cells: Vec<(&'static str, Uid)> = CELLS
        .iter()
        .flat_map(|(action, ty)| things(ty).into_iter().map(move |resource| (action.as_str(), resource)))
        .collect();
    let all = callers().into_iter().flat_map(move |caller| {
        cells.clone().into_iter().map(move |(action, resource)| (caller.clone(), action, resource))
    });
    all.step_by(if full() { 1 } else { 19 })
}

#[test]
fn the_policies_answer_every_question_of_the_cast_as_the_oracle_does() {
    let oracle = Oracle::new(&CAST);
    let mut asked = 0;
    let mut wrong = Vec::new();
    for (caller, action, resource) in questions() {
        asked += 1;
        let answer = CAST.ask(&caller, action, &resource);
        let want = oracle.decide(&caller, action, &resource);
        if code(&answer) != want || !answer.errors.is_empty() {
            wrong.push(format!(
                "{caller:?} {action} {resource}: oracle {want}, policies {} by {:?} {:?}",
                code(&answer),
                answer.determining,
                answer.errors
            ));
        }
    }
    wrong.truncate(40);
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(asked > 10_000, "only {asked} questions");
}

#[test]
fn every_refusal_of_the_cast_has_the_status_of_its_reason() {
    for (caller, action, resource) in questions().step_by(5) {
        let Some(reason) = CAST.ask(&caller, action, &resource).reason else { continue };
        let anonymous = caller.is_anonymous();
        let status = match reason.code.as_str() {
            "invalid_token" => 401,
            "not_found" if anonymous => 401,
            "not_found" => 404,
            "gate_request" | "gate_pending" | "gate_rejected" if anonymous => 401,
            _ => 403,
        };
        assert_eq!(reason.status, status, "{caller:?} {action} {resource}: {}", reason.code);
    }
}
