//! A decision over its slice is the engine's decision over everything that is stored.

use proptest::prelude::*;

use hubwarden::entity::Value;

use crate::support::cases;
use crate::support::dsl::uid;
use crate::support::engine::{Engine, Said};
use crate::support::random::hub;
use crate::support::tokens::datetime;
use crate::support::world::{Caller, HUB, NOW, World};

/// The caller in the engine's terms: the owner in the token's place, and the clock in the context.
fn spelled_out(world: &World, caller: &Caller) -> (Caller, hubwarden::entity::Record) {
    let owner = world.entities.get(&caller.principal).and_then(|token| token.attrs.get("owner"));
    let caller = match owner.and_then(Value::as_entity) {
        Some(owner) => Caller { principal: owner.clone(), token: Some(caller.principal.clone()), ..caller.clone() },
        None => caller.clone(),
    };
    let mut context = caller.context();
    context.insert("now".into(), datetime(NOW));
    (caller, context)
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn a_decision_is_the_engines_over_every_entity(hub in hub()) {
        let world = hub.world();
        let engine = Engine::new(HUB.source(), world.entities.values());
        for caller in hub.callers() {
            let (asker, context) = spelled_out(&world, &caller);
            for (action, resource) in hub.cells(&world) {
                let said = engine.ask(&asker.principal, &uid("Action", action), &resource, &context);
                let answer = world.ask(&caller, action, &resource);
                prop_assert_eq!(Said::from(&answer), said, "{:?} {} {}", caller, action, resource);
            }
        }
    }
}
