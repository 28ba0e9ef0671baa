//! Facts from a file of entities.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use crate::cli::entities::Source;
use crate::cli::exit::Failure;
use crate::entity::Uid;
use crate::pdp::{Bundle, Fact, Facts, FactsError, Prepared};

/// The entities of a file. What is not in it does not exist.
#[derive(Default)]
pub(super) struct FileFacts(HashMap<Uid, Fact>);

impl FileFacts {
    /// # Errors
    /// The first entity that does not conform to the schema, or that stands twice.
    pub fn read(path: &Path, bundle: &Bundle) -> Result<Self, Failure> {
        let mut facts = HashMap::new();
        for entity in Source::open(path)?.entities(bundle) {
            let entity = entity.map_err(|fault| Failure::invalid(fault.to_string()))?;
            let uid = entity.uid.clone();
            let prepared = Prepared::new(entity).map_err(|error| Failure::invalid(error.to_string()))?;
            if facts.insert(uid.clone(), Fact::Present(Arc::new(prepared))).is_some() {
                return Err(Failure::invalid(format!("{}: {uid} stands twice", path.display())));
            }
        }
        Ok(Self(facts))
    }
}

impl Facts for FileFacts {
    fn fact(&self, uid: &Uid) -> Result<Fact, FactsError> {
        Ok(self.0.get(uid).cloned().unwrap_or(Fact::Absent))
    }
}
