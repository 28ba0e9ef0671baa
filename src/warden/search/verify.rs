//! Searches by the index against searches that look at everything: on a real store, for some of those who are in it.

use std::collections::BTreeSet;
use std::time::Duration;

use smol_str::SmolStr;

use super::{Laid, Open, PageOf, SearchError};
use crate::entity::{Record, Uid};
use crate::pdp::Bundle;
use crate::store::ListQuery;
use crate::warden::session::each_entity;
use crate::warden::{Api, Warden};

const PAGE: usize = 1_000;
/// Long: nobody waits for a page.
const TIME: Duration = Duration::from_secs(3_600);

/// How much to compare.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Entities of each type to ask about; they are spread over all.
    pub each: usize,
}

/// What was compared.
#[derive(Clone, Debug, Default)]
pub struct Compared {
    pub searches: usize,
    pub results: usize,
    /// Searches whose index led nowhere, so that both looked at everything.
    pub scanned: usize,
    pub differences: Vec<Difference>,
}

/// A search that the index answers otherwise.
#[derive(Clone, Debug)]
pub struct Difference {
    pub open: Open,
    /// What only looking at everything finds.
    pub lacking: Vec<Uid>,
    /// What only the index finds.
    pub added: Vec<Uid>,
}

impl Warden {
    /// Compares searches by the index with searches that decide about every stored entity. `each` hears of every search.
    ///
    /// # Errors
    /// A store that stopped, or that changed while it was compared.
    pub fn verify_search(&self, sample: Sample, each: &mut dyn FnMut(&Compared)) -> Result<Compared, SearchError> {
        let bundle = self.bundle();
        let mut compared = Compared::default();
        for open in self.questions(&bundle, sample)? {
            let (by_index, scanned) = self.all(&open, false)?;
            let (by_scan, _) = self.all(&open, true)?;
            compared.searches += 1;
            compared.results += by_scan.len();
            compared.scanned += usize::from(scanned);
            if by_index != by_scan {
                let minus = |left: &BTreeSet<Uid>, right: &BTreeSet<Uid>| left.difference(right).cloned().collect();
                let (index, scan) = (by_index.iter().cloned().collect(), by_scan.iter().cloned().collect());
                let (lacking, added) = (minus(&scan, &index), minus(&index, &scan));
                compared.differences.push(Difference { open, lacking, added });
            }
            each(&compared);
        }
        Ok(compared)
    }

    fn questions(&self, bundle: &Bundle, sample: Sample) -> Result<Vec<Open>, SearchError> {
        let environments = bundle.environments();
        let principals: BTreeSet<SmolStr> = environments.iter().map(|env| env.principal.clone()).collect();
        let resources: BTreeSet<SmolStr> = environments.iter().map(|env| env.resource.clone()).collect();
        let mut askers = principals.clone();
        for env in &environments {
            let action = bundle.action(&env.action);
            askers.extend(action.iter().flat_map(|action| bundle.askers(action, &env.resource)));
        }
        let mut questions = Vec::new();
        for type_name in askers {
            for principal in self.sampled(bundle, &type_name, sample)? {
                for (action, type_name) in bundle.reaches(principal.type_name()) {
                    let context = Record::new();
                    questions.push(Open::Resource { principal: principal.clone(), action, type_name, context });
                }
            }
        }
        for type_name in resources {
            let actions = bundle.actions().map(|(action, _)| action);
            let actions: Vec<&Uid> = actions.filter(|action| bundle.applies(None, action, &type_name)).collect();
            for resource in self.sampled(bundle, &type_name, sample)? {
                for action in &actions {
                    for asker in bundle.askers(action, &type_name) {
                        questions.push(Open::Principal {
                            type_name: asker,
                            action: (*action).clone(),
                            resource: resource.clone(),
                            context: Record::new(),
                        });
                    }
                }
            }
        }
        Ok(questions)
    }

    /// Some entities of a type, spread over all.
    fn sampled(&self, bundle: &Bundle, type_name: &SmolStr, sample: Sample) -> Result<Vec<Uid>, SearchError> {
        let uid = |id: SmolStr| Uid::new(type_name.clone(), id);
        if let Some(ids) = bundle.listed(type_name) {
            return Ok(ids.into_iter().take(sample.each).map(uid).collect());
        }
        let mut ids = Vec::new();
        let query = ListQuery { type_name: Some(type_name.to_string()), id_prefix: String::new() };
        each_entity(self.store.as_ref(), &query, |stored| ids.push(stored.entity.uid.id().clone()))?;
        let step = ids.len().div_ceil(sample.each.max(1)).max(1);
        Ok(ids.into_iter().step_by(step).map(uid).collect())
    }

    /// Everything that is found, and whether everything was looked at.
    fn all(&self, open: &Open, scan: bool) -> Result<(Vec<Uid>, bool), SearchError> {
        let (mut found, mut scanned) = (Vec::new(), false);
        let mut from = SmolStr::default();
        loop {
            let page = PageOf { from, limit: PAGE, time: TIME, any_revision: true, scan };
            let got = self.session(Api::Cli, None)?.find(open, &Laid::default(), &page)?;
            found.extend(got.results);
            scanned |= got.way == super::Way::Scan;
            match got.next {
                Some(next) => from = next,
                None => return Ok((found, scanned)),
            }
        }
    }
}
