//! A search in files or a store.

use std::time::Duration;

use serde_json::Value as Json;
use smol_str::SmolStr;

use super::{Asked, Failure, Found, Kind, Page};
use crate::entity::{Record, Uid};
use crate::pdp::{Bundle, ContextRules};
use crate::warden::{Api, Laid, Open, PageOf, SearchError, Warden, Way};

/// Results that are looked for at once.
const PAGE: usize = 1_000;
/// How long a page may take; then what is there is printed.
const TIME: Duration = Duration::from_secs(5);

pub(super) fn search(
    warden: &Warden,
    asked: &Asked,
    each: &mut dyn FnMut(Page) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let open = open(&warden.bundle(), asked)?;
    let type_name = match &asked.what {
        Kind::Subject { type_name, .. } | Kind::Resource { type_name, .. } => type_name.as_str(),
        Kind::Action { .. } => "",
    };
    let mut left = asked.limit;
    let mut from = SmolStr::default();
    loop {
        let page = PageOf { from, limit: left.min(PAGE), time: TIME, any_revision: true, scan: false };
        let found = warden.session(Api::Cli, None)?.search(&open, &Laid::default(), &page)?;
        left -= found.results.len();
        let result = |uid: &Uid| match &open {
            Open::Action { .. } => Found::Action(uid.id().to_string()),
            _ => Found::Entity { type_name: type_name.to_owned(), id: uid.id().to_string() },
        };
        each(Page {
            results: found.results.iter().map(result).collect(),
            more: found.next.is_some(),
            scan: found.way == Way::Scan,
            revision: found.revision.0,
            bundle: found.bundle.to_string(),
            decided: found.decided,
        })?;
        match found.next {
            Some(next) if left > 0 => from = next,
            _ => return Ok(()),
        }
    }
}

/// # Errors
/// A name that the schema does not know, or a context that it does not allow.
fn open(bundle: &Bundle, asked: &Asked) -> Result<Open, Failure> {
    let full = |uid: &Uid| Ok::<_, Failure>(Uid::new(bundle.entity_type(uid.type_name())?, uid.id().clone()));
    let context = |action: &Uid| -> Result<Record, Failure> {
        let json = Json::Object(asked.context.clone());
        let read = bundle.admission().context(action, &json, ContextRules::Offline);
        read.map_err(|fault| Failure::invalid(fault.to_string()))
    };
    Ok(match &asked.what {
        Kind::Subject { type_name, action, resource } => {
            let (action, type_name) = (bundle.action(action)?, bundle.entity_type(type_name)?);
            let context = context(&action)?;
            Open::Principal { type_name, resource: full(resource)?, context, action }
        }
        Kind::Resource { principal, action, type_name } => {
            let (action, type_name) = (bundle.action(action)?, bundle.entity_type(type_name)?);
            let context = context(&action)?;
            Open::Resource { principal: full(principal)?, type_name, context, action }
        }
        Kind::Action { principal, resource } => {
            let (principal, resource) = (full(principal)?, full(resource)?);
            let actions = bundle.actions_between(principal.type_name(), resource.type_name());
            let read: Vec<_> = actions.into_iter().map(|action| Ok((context(&action)?, action))).collect();
            // As over HTTP: what demands more of the context cannot be asked about; if nothing can, that is the fault.
            let (contexts, faults): (Vec<_>, Vec<_>) = read.into_iter().partition(Result::is_ok);
            match faults.into_iter().find_map(Result::err) {
                Some(fault) if contexts.is_empty() => return Err(fault),
                _ => {
                    let contexts = contexts.into_iter().flatten().map(|(context, action)| (action, context)).collect();
                    Open::Action { principal, resource, contexts }
                }
            }
        }
    })
}

impl From<SearchError> for Failure {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::Ask(error) => error.into(),
            SearchError::Session(error) => error.into(),
        }
    }
}
