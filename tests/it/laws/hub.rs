//! Laws of the hub's policies, whoever the users are and whatever their tokens say.

use proptest::prelude::*;

use hubwarden::entity::Uid;

use crate::support::cases;
use crate::support::oracle::{Oracle, within_read_ceiling};
use crate::support::random::{Credential, Grant, Hub, ORGS, USERS, belongs_to, credential, grant, hub};
use crate::support::world::{Caller, World, code};

/// The callers that act through the hub's tokens, with their plans.
fn tokens(hub: &Hub) -> impl Iterator<Item = (Caller, &Credential)> {
    hub.tokens.iter().enumerate().map(|(index, plan)| (Caller::token(&format!("t{index}")), plan))
}

fn allowed(hub: &Hub, world: &World, caller: &Caller) -> Vec<(&'static str, Uid)> {
    let allowed = |(action, resource): &(&str, Uid)| world.ask(caller, action, resource).allowed();
    hub.cells(world).into_iter().filter(allowed).collect()
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn a_token_never_widens_its_user(hub in hub(), mfa: bool) {
        let world = hub.world();
        for (token, plan) in tokens(&hub) {
            let owner = Caller::user(plan.owner).mfa(mfa);
            for (action, resource) in allowed(&hub, &world, &token.clone().mfa(mfa)) {
                prop_assert!(world.ask(&owner, action, &resource).allowed(), "{} {action} {resource}", token.principal);
            }
        }
    }

    #[test]
    fn a_fine_grained_token_without_grants_is_worth_what_anonymous_is(
        mut hub in hub(),
        token in credential(),
        entries in prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        mfa: bool,
    ) {
        let entries = entries.into_iter().map(|repo| Grant::Repo(repo, vec![])).collect();
        hub.tokens = USERS.map(|owner| Credential {
            owner,
            roles: vec!["fineGrained"],
            grants: Vec::clone(&entries),
            global: vec![],
            gated_repos: false,
            expires: None,
            ..token.clone()
        }).into();
        let world = hub.world();
        let anonymous = allowed(&hub, &world, &Caller::anonymous());
        for (token, _) in tokens(&hub) {
            prop_assert_eq!(&allowed(&hub, &world, &token.mfa(mfa)), &anonymous);
        }
    }

    /// Two ways to lose by gaining: a repository's own entry, which alone governs it from then on; and the global
    /// `discussion.write`, which is for what lies outside every target.
    #[test]
    fn a_grant_more_is_never_a_right_less(hub in hub(), grant in grant(), mfa: bool) {
        let mut more = hub.clone();
        more.tokens.iter_mut().for_each(|token| token.grants.push(grant.clone()));
        let (before, after) = (hub.world(), more.world());
        let entry = match &grant {
            Grant::Repo(repo, _) => Some(hub.repo_id(repo.index(4))),
            _ => None,
        };
        for (token, plan) in tokens(&hub) {
            let token = token.mfa(mfa);
            for (action, resource) in allowed(&hub, &before, &token) {
                let governed = entry.as_ref().is_some_and(|id| resource.id() == id.as_str());
                let outside = action == "discussion.write" && plan.global.contains(&"discussion.write");
                if !governed && !outside {
                    prop_assert!(after.ask(&token, action, &resource).allowed(), "{} {action} {resource}", token.principal);
                }
            }
        }
    }

    #[test]
    fn a_read_token_stays_under_its_ceiling(mut hub in hub()) {
        hub.tokens.iter_mut().filter(|token| !token.roles.contains(&"read")).for_each(|token| token.roles.push("read"));
        let world = hub.world();
        for (token, _) in tokens(&hub) {
            for (action, resource) in allowed(&hub, &world, &token.mfa(true)) {
                prop_assert!(within_read_ceiling(action), "{action} {resource}");
            }
        }
    }

    #[test]
    fn a_token_that_an_organization_revoked_is_worth_what_anonymous_is_there(mut hub in hub()) {
        hub.tokens.iter_mut().for_each(|token| token.revoked_by = ORGS.to_vec());
        let world = hub.world();
        for (token, _) in tokens(&hub) {
            for (action, resource) in allowed(&hub, &world, &token.mfa(true)) {
                if ORGS.iter().any(|org| belongs_to(&world, &resource, org)) {
                    prop_assert!(world.ask(&Caller::anonymous(), action, &resource).allowed(), "{action} {resource}");
                }
            }
        }
    }

    #[test]
    fn an_expired_token_is_worth_nothing(mut hub in hub()) {
        hub.tokens.iter_mut().for_each(|token| token.expires = Some("2026-06-01T00:00:00Z"));
        let world = hub.world();
        for (token, _) in tokens(&hub) {
            for (action, resource) in hub.cells(&world) {
                let answer = world.ask(&token, action, &resource);
                prop_assert_eq!(code(&answer), "invalid_token");
            }
        }
    }

    #[test]
    fn what_is_private_does_not_exist_for_anonymous(hub in hub()) {
        let world = hub.world();
        let private = |uid: &Uid| {
            let visibility = world.entities[uid].attrs.get("visibility").and_then(|value| value.as_entity());
            visibility.is_some_and(|visibility| visibility.id() == "private")
        };
        for (action, resource) in hub.cells(&world).into_iter().filter(|(_, resource)| private(resource)) {
            let answer = world.ask(&Caller::anonymous(), action, &resource);
            prop_assert_eq!(code(&answer), "not_found");
            prop_assert!(answer.hidden);
        }
    }

    #[test]
    fn no_policy_fails_to_evaluate(hub in hub()) {
        let world = hub.world();
        for caller in hub.callers() {
            for (action, resource) in hub.cells(&world) {
                let answer = world.ask(&caller, action, &resource);
                prop_assert!(answer.errors.is_empty(), "{caller:?} {action} {resource}: {:?}", answer.errors);
            }
        }
    }

    #[test]
    fn the_policies_answer_as_the_oracle_does(hub in hub()) {
        let world = hub.world();
        let oracle = Oracle::new(&world);
        for caller in hub.callers() {
            for (action, resource) in hub.cells(&world) {
                let answer = world.ask(&caller, action, &resource);
                let want = oracle.decide(&caller, action, &resource);
                prop_assert_eq!(code(&answer), want, "{:?} {} {}: {:?}", caller, action, resource, answer.determining);
            }
        }
    }
}
