//! Entities in memory, and questions to the decision point about them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::str::FromStr;
use std::sync::{Arc, LazyLock};

use hubwarden::entity::{Entity, Record, SmolStr, Uid, Value};
use hubwarden::pdp::{Answer, Bundle, DecideError, Fact, Facts, FactsError, Prepared, Question};

use super::dsl::uid;

/// The clock of every test.
pub const NOW: &str = "2026-06-01T00:00:00.000Z";

/// The hub's own policies, as they are built into the program.
pub static HUB: LazyLock<Bundle> = LazyLock::new(|| Bundle::build(hubwarden::warden::embedded()).unwrap());

/// The entities that are stored, and those that once were.
#[derive(Default)]
pub struct World {
    pub entities: BTreeMap<Uid, Entity>,
    facts: HashMap<Uid, Fact>,
}

impl World {
    /// Adds entities of the hub.
    ///
    /// # Panics
    /// When the hub's schema refuses one, or would change it.
    pub fn add(&mut self, entities: Vec<Entity>) {
        self.add_under(&HUB, entities);
    }

    /// Adds entities under another schema.
    ///
    /// # Panics
    /// As [`World::add`].
    pub fn add_under(&mut self, bundle: &Bundle, entities: Vec<Entity>) {
        for entity in entities {
            let admitted = bundle.admission().entity(&entity.to_json());
            let admitted = admitted.unwrap_or_else(|fault| panic!("{}: {fault}", entity.uid));
            assert_eq!(admitted, entity);
            let prepared = Prepared::new(admitted).unwrap();
            self.facts.insert(entity.uid.clone(), Fact::Present(Arc::new(prepared)));
            let twice = self.entities.insert(entity.uid.clone(), entity);
            assert!(twice.is_none(), "{} was there already", twice.unwrap().uid);
        }
    }

    /// Deletes an entity, leaving its tombstone.
    pub fn delete(&mut self, uid: Uid) {
        self.entities.remove(&uid);
        self.facts.insert(uid, Fact::Deleted);
    }

    /// Whether this uid was ever stored.
    pub fn knows(&self, uid: &Uid) -> bool {
        self.facts.contains_key(uid)
    }

    /// Whether this uid has a tombstone.
    pub fn deleted(&self, uid: &Uid) -> bool {
        matches!(self.facts.get(uid), Some(Fact::Deleted))
    }

    /// The stored entities of a type.
    pub fn of(&self, type_name: &str) -> Vec<Uid> {
        let full = format!("Hub::{type_name}");
        self.entities.keys().filter(|uid| *uid.type_name() == full).cloned().collect()
    }

    /// Asks the hub's policies.
    pub fn try_ask(&self, caller: &Caller, action: &str, resource: &Uid) -> Result<Answer, DecideError> {
        HUB.decide(&caller.question(action, resource), self)
    }

    /// Asks a question that fits the schema.
    pub fn ask(&self, caller: &Caller, action: &str, resource: &Uid) -> Answer {
        self.try_ask(caller, action, resource).unwrap()
    }
}

impl Facts for World {
    fn fact(&self, uid: &Uid) -> Result<Fact, FactsError> {
        Ok(self.facts.get(uid).cloned().unwrap_or(Fact::Absent))
    }
}

/// Who asks, and by what means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    pub principal: Uid,
    /// The token the principal acts through.
    pub token: Option<Uid>,
    pub mfa: Option<bool>,
}

impl Caller {
    pub fn new(principal: Uid) -> Self {
        Self { principal, token: None, mfa: None }
    }

    pub fn anonymous() -> Self {
        Self::new(uid("Anonymous", "anonymous"))
    }

    pub fn user(id: &str) -> Self {
        Self::new(uid("User", id))
    }

    /// A token as the subject: its owner asks, through it.
    pub fn token(id: &str) -> Self {
        Self::new(uid("AccessToken", id))
    }

    pub fn through(mut self, token: Uid) -> Self {
        self.token = Some(token);
        self
    }

    pub fn mfa(mut self, mfa: bool) -> Self {
        self.mfa = Some(mfa);
        self
    }

    pub fn is_anonymous(&self) -> bool {
        self.principal.type_name() == "Hub::Anonymous"
    }

    pub fn context(&self) -> Record {
        let token = self.token.iter().map(|uid| (SmolStr::new_static("token"), uid.clone().into()));
        let mfa = self.mfa.iter().map(|mfa| (SmolStr::new_static("mfa"), Value::from(*mfa)));
        token.chain(mfa).collect()
    }

    pub fn question(&self, action: &str, resource: &Uid) -> Question {
        Question {
            principal: self.principal.clone(),
            action: uid("Action", action),
            resource: resource.clone(),
            context: self.context(),
            now: NOW.into(),
        }
    }
}

/// The code of a refusal, or `allow`.
pub fn code(answer: &Answer) -> &str {
    answer.reason.as_ref().map_or("allow", |reason| reason.code.as_str())
}

/// Every action of the hub with every type of resource it applies to, as the schema has them.
pub static CELLS: LazyLock<BTreeSet<(String, String)>> = LazyLock::new(|| {
    let schema = cedar_policy::Schema::from_str(&HUB.source().schema.text).unwrap();
    let cell = |env: cedar_policy::RequestEnv| {
        let base = env.resource().basename().to_owned();
        (env.action().id().unescaped().to_owned(), base)
    };
    schema.request_envs().map(cell).collect()
});
