//! What every engine must do, run over each of them with a fresh store per case.
//!
//! A new engine is one more module at the end of this file. A case may use nothing but the traits: what only one
//! engine can show (crashes, damaged files) is tested beside that engine.

mod concurrency;
mod links;
mod model;
mod past;
mod reads;
mod writes;

use std::sync::Arc;

use tempfile::TempDir;

use super::{Batch, History, MemoryStore, Reader, SledOptions, SledStore, Store};
use crate::clock::FixedClock;
use crate::entity::{Entity, Uid};

/// An empty store, and its folder if it has one.
struct Fresh {
    store: Box<dyn Store>,
    _dir: Option<TempDir>,
}

/// Opens a store that keeps its past so long, by this clock.
type Past = fn(History, Arc<FixedClock>) -> Fresh;

fn memory_past(history: History, clock: Arc<FixedClock>) -> Fresh {
    Fresh { store: Box::new(MemoryStore::with(history, Arc::new(clock)).unwrap()), _dir: None }
}

fn sled_past(history: History, clock: Arc<FixedClock>) -> Fresh {
    let dir = TempDir::new().unwrap();
    let options = SledOptions { cache_capacity: 8 << 20, history: Some(history), ..SledOptions::default() };
    let store = SledStore::open_with(dir.path(), options, Arc::new(clock)).unwrap();
    Fresh { store: Box::new(store), _dir: Some(dir) }
}

fn memory() -> Fresh {
    Fresh { store: Box::new(MemoryStore::new().unwrap()), _dir: None }
}

fn sled() -> Fresh {
    let dir = TempDir::new().unwrap();
    let options = SledOptions { cache_capacity: 8 << 20, ..SledOptions::default() };
    let store = SledStore::open(dir.path(), options).unwrap();
    Fresh { store: Box::new(store), _dir: Some(dir) }
}

pub fn user(id: &str) -> Uid {
    Uid::new("Hub::User", id)
}

/// A user whose only attribute is a number.
pub fn numbered(id: &str, number: i64) -> Entity {
    let mut entity = Entity::bare(user(id));
    entity.attrs.insert("number".into(), number.into());
    entity
}

pub fn put(entities: &[Entity]) -> Batch {
    let mut batch = Batch::new();
    for entity in entities {
        batch.put(entity);
    }
    batch
}

/// The number of a user that [`numbered`] made, if it is there.
pub fn number(reader: &dyn Reader, id: &str) -> Option<i64> {
    use super::Lookup;
    use crate::entity::Value;
    match reader.get(&user(id)).unwrap() {
        Lookup::Present(stored) => match stored.entity.attrs["number"] {
            Value::Long(number) => Some(number),
            ref other => panic!("{other:?}"),
        },
        Lookup::Deleted(_) | Lookup::Absent => None,
    }
}

/// One test per case for an engine.
macro_rules! every_case_on {
    ($engine:ident: $($module:ident::{$($case:ident),* $(,)?}),* $(,)?) => {
        mod $engine {
            $($(
                #[test]
                fn $case() {
                    let fresh = super::$engine();
                    super::$module::$case(&*fresh.store);
                }
            )*)*
        }
    };
}

/// The same for cases that open their own store.
macro_rules! every_past_on {
    ($module:ident, $past:ident: $($case:ident),* $(,)?) => {
        mod $module {
            $(
                #[test]
                fn $case() {
                    super::past::$case(super::$past);
                }
            )*
        }
    };
}

macro_rules! past {
    ($module:ident, $past:ident) => {
        every_past_on! { $module, $past:
            an_earlier_revision_reads_as_it_was,
            a_time_finds_the_revision_that_was_the_head_then,
            what_is_older_than_its_time_is_forgotten_and_said_to_be,
            no_more_is_remembered_than_allowed,
            a_long_past_is_forgotten_with_the_commits_that_follow,
            without_a_history_only_the_head_is_told,
            an_import_into_an_empty_store_leaves_one_record_of_the_past,
            facts_about_the_store_have_a_past_and_credentials_have_none,
        }
    };
}

macro_rules! conformance {
    ($engine:ident) => {
        every_case_on! { $engine:
            writes::{
                a_batch_is_applied_whole_or_not_at_all,
                an_empty_batch_returns_the_head,
                a_batch_that_changes_nothing_returns_the_head,
                each_expectation_holds_only_when_it_should,
                a_deleted_id_is_refused_unless_it_is_revived,
                later_changes_see_earlier_ones,
                the_refusal_reported_is_the_first_one,
                a_batch_of_many_is_applied_whole_or_not_at_all,
                an_entity_that_is_too_large_is_refused,
                a_name_that_is_too_long_is_refused,
                values_nested_too_deep_are_refused,
                the_largest_entities_read_back,
                counts_follow_every_change,
                a_closed_store_refuses_everything,
            },
            reads::{
                an_entity_reads_back_with_its_revision,
                a_list_comes_in_byte_order_of_type_and_id,
                a_list_takes_only_its_type_and_prefix,
                pages_join_to_the_whole_list,
                a_prefix_without_a_type_looks_into_every_type,
                deleted_entities_are_not_listed,
                tables_keep_records_apart,
                records_are_listed_by_prefix_page_by_page,
                verify_reads_every_record,
            },
            concurrency::{
                revisions_have_no_gaps_under_many_writers,
                a_reader_never_sees_half_a_batch,
                a_view_stays_at_its_revision,
                observers_hear_of_each_commit_before_it_is_visible,
            },
            model::{
                any_history_matches_the_model,
            },
            links::{
                a_link_that_nobody_keeps_is_not_known,
                links_lead_back_from_parents_attributes_and_members_of_sets,
                what_was_stored_before_a_link_was_kept_is_found,
                many_entities_under_one_target_are_found_in_order,
                a_batch_whose_links_are_many_is_applied_whole,
                names_of_any_length_and_content_are_kept_apart,
                any_history_leaves_an_index_that_agrees_with_the_entities,
            },
        }
    };
}

conformance!(memory);
conformance!(sled);
past!(past_of_memory, memory_past);
past!(past_of_sled, sled_past);
