//! The index of links on this engine: what is found of it at opening, and building it beside the commits.
//!
//! A step of building goes into one engine batch together with the cursor that says how far it went. It is not synced by
//! itself: the log is in order, so what a crash takes away is the end of the building, cursor included.

use std::ops::ControlFlow;

use super::Overlay;
use super::committer::Newer;
use super::engine::{BATCH_BYTES, BATCH_OPS, Engine, EngineBatch};
use super::head::Head;
use crate::store::links::{self, Catalogue, Step};
use crate::store::plan::{Bytes, Write};
use crate::store::{Revision, StoreError, key};

/// The most entities of one step.
const MOST: usize = 4_096;
/// Where the size of steps starts: they grow and shrink with what fits into one engine batch.
pub const FIRST: usize = 64;

/// The links that the store keeps. What a version that knows of no index has changed since is built again.
pub fn load(engine: &Engine, head: &mut Head, place: &str) -> Result<Catalogue, StoreError> {
    let mut catalogue = match engine.get(links::KEY)? {
        Some(value) => Catalogue::decode(value.as_ref(), place)?,
        None => Catalogue::default(),
    };
    if head.indexed {
        return Ok(catalogue);
    }
    catalogue.forget();
    clear(engine)?;
    // Last: a crash before this begins again.
    head.indexed = true;
    let mut batch = EngineBatch::default();
    batch.set(&links::KEY.into(), Some(&catalogue.encode(head.revision)));
    batch.set(&key::HEAD.into(), Some(&head.encode()));
    engine.apply(batch)?;
    engine.sync()?;
    Ok(catalogue)
}

fn clear(engine: &Engine) -> Result<(), StoreError> {
    loop {
        let mut found: Vec<(Bytes, Option<Bytes>)> = Vec::new();
        engine.scan(links::KEY, &mut |key, _| {
            if !key.starts_with(links::KEY) || found.len() == MOST {
                return Ok(ControlFlow::Break(()));
            }
            found.push((key.into(), None));
            Ok(ControlFlow::Continue(()))
        })?;
        if found.is_empty() {
            return Ok(());
        }
        engine.insert_unordered(&found)?;
    }
}

/// What is at a key, as what the engine does not have leaves it.
pub fn get(engine: &Engine, key: &[u8], newer: &Newer<'_>) -> Result<Option<Bytes>, StoreError> {
    match newer.get(key) {
        Some(value) => Ok(value.clone()),
        None => Ok(engine.get(key)?.map(|value| value.as_ref().into())),
    }
}

/// The first key from `from` on, as what the engine does not have leaves it.
pub fn next(engine: &Engine, from: &[u8], newer: &Newer<'_>) -> Result<Option<(Bytes, Bytes)>, StoreError> {
    let first = newer.first(from);
    let mut found: Option<(Bytes, Bytes)> = None;
    engine.scan(from, &mut |key, value| {
        if first.is_some_and(|(own, _)| **own < *key) {
            return Ok(ControlFlow::Break(()));
        }
        if newer.get(key).is_some() {
            return Ok(ControlFlow::Continue(()));
        }
        found = Some((key.into(), value.into()));
        Ok(ControlFlow::Break(()))
    })?;
    Ok(found.or_else(|| first.map(|(key, value)| (Bytes::clone(key), Bytes::clone(value)))))
}

/// Builds a little more. `size` is how many entities to try, and what is to be tried the next time.
pub fn build(
    engine: &Engine,
    catalogue: &Catalogue,
    revision: Revision,
    place: &str,
    size: &mut usize,
) -> Result<Option<Catalogue>, StoreError> {
    let nothing = Overlay::new();
    loop {
        let step = links::step(
            catalogue,
            revision,
            place,
            *size,
            |from, limit| {
                let mut found = Vec::with_capacity(limit);
                engine.scan(from, &mut |key, value| {
                    found.push((key.into(), value.into()));
                    Ok(if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
                })?;
                Ok(found)
            },
            |from| next(engine, from, &Newer { group: &nothing, visible: &nothing }),
        )?;
        let Some(Step { writes, catalogue }) = step else {
            return Ok(None);
        };
        let bytes = |write: &Write| write.key.len() + write.new.as_ref().map_or(0, |new| new.len());
        let fits = writes.len() < BATCH_OPS && writes.iter().map(bytes).sum::<usize>() < BATCH_BYTES / 2;
        // A single entity has to be taken, however many links it has.
        if !fits && *size > 1 {
            *size = (*size / 2).max(1);
            continue;
        }
        if writes.len() < BATCH_OPS / 3 {
            *size = (*size * 2).min(MOST);
        }
        let mut batch = EngineBatch::default();
        for write in &writes {
            batch.set(&write.key, write.new.as_ref());
        }
        batch.set(&links::KEY.into(), Some(&catalogue.encode(revision)));
        engine.apply(batch)?;
        return Ok(Some(catalogue));
    }
}
