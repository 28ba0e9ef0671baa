//! Paths of attributes as the links that they follow.

use smol_str::SmolStr;

use crate::entity::Link;
use crate::pdp::schema::{Schema, Type};

/// The links from entities of a type along a path of attributes.
pub struct Chain {
    /// In the order of the path; at least one.
    pub links: Vec<Link>,
    /// The type of the entities at its end.
    pub type_name: SmolStr,
    /// Whether the end is a set of them.
    pub set: bool,
}

impl Chain {
    /// Nothing when the path does not end at entities.
    pub fn of(schema: &Schema, type_name: &SmolStr, path: &[SmolStr]) -> Option<Self> {
        let mut links = Vec::new();
        let mut at = type_name.clone();
        let mut fields = &schema.types.get(&at)?.attributes;
        let mut within = Vec::new();
        let mut path = path.iter().peekable();
        while let Some(name) = path.next() {
            within.push(name.clone());
            let last = path.peek().is_none();
            match &fields.get(name)?.ty {
                Type::Record(inner) => fields = inner,
                Type::Entity(to) => {
                    links.push(Link::attribute(at, std::mem::take(&mut within)));
                    if last {
                        return Some(Self { links, type_name: to.clone(), set: false });
                    }
                    at = to.clone();
                    fields = &schema.types.get(&at)?.attributes;
                }
                Type::Set(member) if last => {
                    let Type::Entity(to) = member.as_ref() else { return None };
                    links.push(Link::attribute(at, within));
                    return Some(Self { links, type_name: to.clone(), set: true });
                }
                _ => return None,
            }
        }
        None
    }
}
