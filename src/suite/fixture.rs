//! Fixtures: the small world that a suite's questions are about, and the names it gives to things.
//!
//! Entities are written in Cedar's form, or in the hub's words (`hub:`). A name in a question is one that the fixtures
//! give (`principals`, `resources`), a group of names, `type:id`, or an id that only one entity there can mean.

mod hub;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::folder::Folder;
use super::yaml::{self, Fields, Name, Node, Place, Value};
use crate::entity::{Entity, Uid};
use crate::pdp::{Bundle, Fact, Facts, FactsError, Fault, Prepared};

/// The keys that a fixture file has; a suite may have them, too.
pub(super) const KEYS: [&str; 7] =
    ["hub", "entities", "principals", "resources", "principalGroups", "actionGroups", "resourceGroups"];

/// What a question's principal is: an entity, and what its requests carry.
#[derive(Clone, Debug)]
pub(super) struct Actor {
    pub uid: Uid,
    pub context: Map<String, Json>,
}

/// The side of a question that a name stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Principal,
    Resource,
}

/// Fixtures while they are read.
pub(super) struct Fixture<'a> {
    bundle: &'a Bundle,
    folder: &'a Folder,
    entities: BTreeMap<Uid, (Entity, Place)>,
    deleted: BTreeSet<Uid>,
    absent: BTreeSet<Uid>,
    principals: BTreeMap<String, Actor>,
    resources: BTreeMap<String, Actor>,
    groups: BTreeMap<(&'static str, String), Vec<Name>>,
    /// Entities by their ids alone.
    by_id: HashMap<String, Vec<Uid>>,
    /// The types that can stand on each side.
    principal_types: BTreeSet<String>,
    resource_types: BTreeSet<String>,
}

/// Fixtures as facts.
#[derive(Default)]
pub struct World {
    present: HashMap<Uid, Arc<Prepared>>,
    deleted: BTreeSet<Uid>,
}

impl Facts for World {
    fn fact(&self, uid: &Uid) -> Result<Fact, FactsError> {
        Ok(match self.present.get(uid) {
            Some(prepared) => Fact::Present(Arc::clone(prepared)),
            None if self.deleted.contains(uid) => Fact::Deleted,
            None => Fact::Absent,
        })
    }
}

impl World {
    pub(super) fn of(entities: impl IntoIterator<Item = Entity>) -> Result<Self, String> {
        let prepare = |entity: Entity| {
            let uid = entity.uid.clone();
            Prepared::new(entity).map(|prepared| (uid, Arc::new(prepared))).map_err(|error| error.to_string())
        };
        let present = entities.into_iter().map(prepare).collect::<Result<_, _>>()?;
        Ok(Self { present, deleted: BTreeSet::new() })
    }
}

impl<'a> Fixture<'a> {
    pub fn new(bundle: &'a Bundle, folder: &'a Folder) -> Self {
        let environments = bundle.environments();
        let owners: BTreeSet<String> = environments.iter().map(|env| env.principal.to_string()).collect();
        Self {
            bundle,
            folder,
            entities: BTreeMap::new(),
            deleted: BTreeSet::new(),
            absent: BTreeSet::new(),
            principals: BTreeMap::new(),
            resources: BTreeMap::new(),
            groups: BTreeMap::new(),
            by_id: HashMap::new(),
            principal_types: owners,
            resource_types: environments.iter().map(|env| env.resource.to_string()).collect(),
        }
    }

    /// Takes a fixture file that the suite names.
    pub fn file(&mut self, name: &Name) -> Result<(), Fault> {
        let file = self.folder.read(&name.text).map_err(|message| name.place.fault(message))?;
        self.take(&yaml::parse(&file)?.fields(&KEYS)?)
    }

    /// Takes what stands under the keys of a fixture.
    pub fn take(&mut self, fields: &Fields) -> Result<(), Fault> {
        if let Some(node) = fields.get("hub") {
            hub::read(self, node)?;
        }
        if let Some(node) = fields.get("entities") {
            self.cedar(node)?;
        }
        for (key, side) in [("principals", Side::Principal), ("resources", Side::Resource)] {
            for (name, node) in fields.get(key).map_or(Ok(&[][..]), Node::entries)? {
                let actor = self.actor(node)?;
                let names = if side == Side::Principal { &mut self.principals } else { &mut self.resources };
                if names.insert(name.text.clone(), actor).is_some() {
                    return Err(name.place.fault(format!("`{}` is named twice", name.text)));
                }
            }
        }
        for key in ["principalGroups", "actionGroups", "resourceGroups"] {
            for (name, node) in fields.get(key).map_or(Ok(&[][..]), Node::entries)? {
                if self.groups.insert((key, name.text.clone()), node.names()?).is_some() {
                    return Err(name.place.fault(format!("the group `{}` stands twice", name.text)));
                }
            }
        }
        Ok(())
    }

    /// Entities in Cedar's form: a list, or files that hold one.
    fn cedar(&mut self, node: &Node) -> Result<(), Fault> {
        if let Value::Text(name) = &node.value {
            let file = self.folder.read(name).map_err(|message| node.fault(message))?;
            return self.cedar(&yaml::parse(&file)?);
        }
        for item in node.list()? {
            match &item.value {
                Value::Text(_) => self.cedar(item)?,
                _ => {
                    let admitted = self.bundle.admission().entity(&item.to_json());
                    self.add(admitted.map_err(|fault| item.fault(fault.to_string()))?, &item.place)?;
                }
            }
        }
        Ok(())
    }

    /// Adds an entity that conforms to the schema.
    fn add(&mut self, entity: Entity, place: &Place) -> Result<(), Fault> {
        let uid = entity.uid.clone();
        if let Some((_, first)) = self.entities.get(&uid) {
            return Err(place.fault(format!("{uid} stands twice, first at {first}")));
        }
        self.by_id.entry(uid.id().to_string()).or_default().push(uid.clone());
        self.entities.insert(uid, (entity, place.clone()));
        Ok(())
    }

    /// What a name is given to: `type:id`, or a map that says more of it.
    fn actor(&mut self, node: &Node) -> Result<Actor, Fault> {
        if let Value::Text(_) = &node.value {
            return Ok(Actor { uid: self.known(&node.name()?)?, context: Map::new() });
        }
        let fields = node.fields(&["entity", "absent", "deleted", "context"])?;
        let context = match fields.get("context").map(Node::to_json) {
            None => Map::new(),
            Some(Json::Object(map)) => map,
            Some(_) => return Err(node.fault("`context` is a map")),
        };
        let named = |key: &str| fields.get(key).map(Node::name).transpose();
        let uid = match (named("entity")?, named("absent")?, named("deleted")?) {
            (Some(name), None, None) => self.known(&name)?,
            (None, Some(name), None) => {
                let uid = self.uid(&name)?;
                if self.entities.contains_key(&uid) {
                    return Err(name.place.fault(format!("{uid} is in the fixtures, so it is not absent")));
                }
                self.absent.insert(uid.clone());
                uid
            }
            (None, None, Some(name)) => {
                let uid = self.uid(&name)?;
                self.deleted.insert(uid.clone());
                uid
            }
            _ => return Err(node.fault("expected one of `entity`, `absent`, `deleted`")),
        };
        Ok(Actor { uid, context })
    }

    /// `type:id` or `Type::"id"`, with the type's full name.
    fn uid(&self, name: &Name) -> Result<Uid, Fault> {
        let uid = match (Uid::parse(&name.text), name.text.split_once(':')) {
            (Ok(uid), _) => uid,
            (Err(_), Some((type_name, id))) if !id.starts_with(':') => Uid::new(type_name, id),
            _ => return Err(name.place.fault(format!("`{}` names nothing in the fixtures", name.text))),
        };
        let full = self.bundle.entity_type(uid.type_name()).map_err(|fault| name.place.fault(fault.to_string()))?;
        Ok(Uid::new(full, uid.id().clone()))
    }

    /// The same of an entity that exists.
    fn known(&self, name: &Name) -> Result<Uid, Fault> {
        let uid = self.uid(name)?;
        let exists = self.entities.contains_key(&uid) || self.bundle.enumerated().any(|known| known == uid);
        match exists || self.deleted.contains(&uid) || self.absent.contains(&uid) {
            true => Ok(uid),
            false => Err(name.place.fault(format!(
                "{uid} is not in the fixtures; for what must not be there, name it under `principals` or `resources` \
                 with `absent`"
            ))),
        }
    }

    /// Names with groups resolved, in order, each once: what is shown, and what it means.
    pub fn actors(&self, side: Side, names: &[Name]) -> Result<Vec<(String, Actor)>, Fault> {
        let group = if side == Side::Principal { "principalGroups" } else { "resourceGroups" };
        let mut found: Vec<(String, Actor)> = Vec::new();
        for name in self.flat(group, names)? {
            if !found.iter().any(|(shown, _)| *shown == name.text) {
                found.push((name.text.clone(), self.find(side, &name)?));
            }
        }
        Ok(found)
    }

    /// Actions with groups resolved, in order, each once.
    pub fn actions(&self, names: &[Name]) -> Result<Vec<Uid>, Fault> {
        let mut found = Vec::new();
        for name in self.flat("actionGroups", names)? {
            let action = self.bundle.action(&name.text).map_err(|fault| name.place.fault(fault.to_string()))?;
            if !found.contains(&action) {
                found.push(action);
            }
        }
        Ok(found)
    }

    /// Groups opened, also those inside groups.
    fn flat(&self, key: &'static str, names: &[Name]) -> Result<Vec<Name>, Fault> {
        let mut flat = Vec::new();
        for name in names {
            self.open(key, name, 0, &mut flat)?;
        }
        Ok(flat)
    }

    fn open(&self, key: &'static str, name: &Name, depth: usize, flat: &mut Vec<Name>) -> Result<(), Fault> {
        match self.groups.get(&(key, name.text.clone())) {
            None => flat.push(name.clone()),
            Some(_) if depth == 16 => {
                return Err(name.place.fault(format!("the group `{}` lies in itself", name.text)));
            }
            Some(members) => {
                // Told at the place that uses the group: a fault of a member is one of this use.
                for member in members {
                    self.open(key, member, depth + 1, flat)?;
                }
            }
        }
        Ok(())
    }

    fn find(&self, side: Side, name: &Name) -> Result<Actor, Fault> {
        let (names, types) = match side {
            Side::Principal => (&self.principals, &self.principal_types),
            Side::Resource => (&self.resources, &self.resource_types),
        };
        if let Some(actor) = names.get(&name.text) {
            return Ok(actor.clone());
        }
        let stands = |uid: &&Uid| {
            types.contains(uid.type_name().as_str())
                || side == Side::Principal && self.bundle.delegate(uid.type_name()).is_some()
        };
        let mut found: Vec<Uid> = self.by_id.get(&name.text).into_iter().flatten().filter(stands).cloned().collect();
        found.extend(self.bundle.enumerated().filter(|uid| *uid.id() == name.text && stands(&uid)));
        let uid = match found.as_slice() {
            [one] => one.clone(),
            [] => self.known(name)?,
            several => {
                let several: Vec<String> = several.iter().map(ToString::to_string).collect();
                return Err(name.place.fault(format!("`{}` may be {}", name.text, several.join(" or "))));
            }
        };
        Ok(Actor { uid, context: Map::new() })
    }

    /// The fixtures as facts.
    pub fn world(self) -> Result<World, Fault> {
        let Self { entities, deleted, absent, .. } = self;
        if let Some((uid, place)) =
            absent.iter().find_map(|uid| entities.get(uid).map(|(_, place)| (uid, place.clone())))
        {
            return Err(place.fault(format!("{uid} is named as absent elsewhere")));
        }
        let mut present = HashMap::new();
        for (uid, (entity, place)) in entities {
            if !deleted.contains(&uid) {
                let prepared = Prepared::new(entity).map_err(|error| place.fault(error.to_string()))?;
                present.insert(uid, Arc::new(prepared));
            }
        }
        Ok(World { present, deleted })
    }
}
