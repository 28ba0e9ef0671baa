//! Where in the index there is nothing: changes come back to the same places, and need not look for them each time.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::store::plan::Bytes;

/// How many are remembered. There is no order in which they go: when they are too many, it begins anew.
const MOST: usize = 1024;

/// Stretches of the keyspace that hold no key but the one at their end; by that one, with where they begin.
///
/// INVARIANT: told of every key in them that came or went since they were learned. They do not overlap, since the end of
/// each is a key.
#[derive(Default)]
pub(super) struct Stretches(BTreeMap<Bytes, Vec<u8>>);

impl Stretches {
    /// The first key from `from` on, where it is known.
    pub fn first(&self, from: &[u8]) -> Option<&Bytes> {
        let (end, start) = self.0.range::<[u8], _>((Bound::Included(from), Bound::Unbounded)).next()?;
        (start.as_slice() <= from).then_some(end)
    }

    /// Learns that `end` is the first key from `from` on.
    pub fn learn(&mut self, from: &[u8], end: &Bytes) {
        if self.0.len() >= MOST {
            self.0.clear();
        }
        let start = self.0.entry(Bytes::clone(end)).or_insert_with(|| from.to_vec());
        if from < start.as_slice() {
            *start = from.to_vec();
        }
    }

    /// A key came or went.
    pub fn changed(&mut self, key: &[u8]) {
        if let Some(end) = self.first(key).map(Bytes::clone) {
            self.0.remove(&end);
        }
    }

    /// Keys came and went of which nothing was told.
    pub fn forget(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_known_is_what_looking_would_find(
            steps in prop::collection::vec((any::<bool>(), prop::collection::vec(0..3_u8, 1..4)), 1..200),
        ) {
            let (mut keys, mut stretches) = (BTreeSet::<Vec<u8>>::new(), Stretches::default());
            for (change, key) in steps {
                if change {
                    if !keys.remove(&key) {
                        keys.insert(key.clone());
                    }
                    stretches.changed(&key);
                    continue;
                }
                let found = keys.range(key.clone()..).next();
                if let Some(known) = stretches.first(&key) {
                    prop_assert_eq!(Some(known.as_ref()), found.map(Vec::as_slice));
                }
                if let Some(found) = found {
                    stretches.learn(&key, &Bytes::from(found.as_slice()));
                    prop_assert!(stretches.first(&key).is_some());
                }
            }
        }
    }
}
