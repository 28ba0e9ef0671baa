//! `gateway.json` as it is written, with the places of its parts. Nothing is checked here but its form.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::place::{Place, document, entries, items};
use crate::json;
use crate::pdp::bundle::SourceFile;
use crate::pdp::fault::{Fault, Faults};

/// A path of a resource.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResourceForm {
    pub path: String,
    #[serde(rename = "type")]
    pub type_name: String,
    pub id: String,
}

/// A rule.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RouteForm {
    pub about: String,
    pub methods: Vec<String>,
    /// A name among the resources; their paths come before `path`.
    pub on: Option<String>,
    pub path: Option<String>,
    #[serde(default)]
    pub query: BTreeMap<String, String>,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    #[serde(rename = "type")]
    pub type_name: Option<String>,
    pub id: Option<String>,
    pub resource: Option<Itself>,
    pub action: String,
    #[serde(default)]
    pub also: Vec<String>,
    #[serde(default)]
    pub challenge: bool,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Itself {
    Caller,
}

/// A part of the file and where it stands.
pub(super) struct Placed<'a, T> {
    pub form: T,
    pub place: Place<'a>,
}

#[derive(Default)]
pub(super) struct FileForm<'a> {
    pub reserved: Vec<(String, Placed<'a, Vec<String>>)>,
    pub resources: Vec<(String, Vec<Placed<'a, ResourceForm>>)>,
    pub routes: Vec<Placed<'a, RouteForm>>,
}

impl<'a> FileForm<'a> {
    /// Reads the file.
    ///
    /// # Errors
    /// Malformed JSON, names that stand twice, and what has another form: each with its place.
    pub fn read(file: &'a SourceFile) -> Result<Self, Faults> {
        json::parse(file.text.as_bytes()).map_err(|error| Faults(vec![Fault::in_json(file, &error)]))?;
        let text = file.text.as_str();
        let whole = Place { file, at: document(text) };
        if !whole.text().starts_with('{') {
            return Err(Faults(vec![whole.fault("", "the rules are an object with `routes`")]));
        }
        let mut read = Self::default();
        let mut faults = Vec::new();
        for (name, at) in entries(text, whole.at.clone()) {
            let place = Place { file, at };
            match name.as_str() {
                "reserved" if place.is('{') => {
                    for (variable, at) in entries(text, place.at) {
                        let words = placed(Place { file, at }, &mut faults);
                        read.reserved.extend(words.map(|words| (variable, words)));
                    }
                }
                "resources" if place.is('{') => {
                    for (name, at) in entries(text, place.at) {
                        let paths = list(&Place { file, at }, &mut faults);
                        read.resources.push((name, paths));
                    }
                }
                "routes" => read.routes = list(&place, &mut faults),
                "reserved" | "resources" => faults.push(place.fault("", format!("`{name}` is an object"))),
                _ => {
                    let message = format!("unknown key `{name}`: expected `reserved`, `resources` or `routes`");
                    faults.push(whole.fault(&name, message));
                }
            }
        }
        if read.routes.is_empty() && faults.is_empty() {
            faults.push(whole.fault("", "there are no `routes`: every request would be refused"));
        }
        match faults.is_empty() {
            true => Ok(read),
            false => Err(Faults(faults)),
        }
    }
}

fn list<'a, T: DeserializeOwned>(place: &Place<'a>, faults: &mut Vec<Fault>) -> Vec<Placed<'a, T>> {
    if !place.is('[') {
        faults.push(place.fault("", "expected a list"));
        return Vec::new();
    }
    let items = items(&place.file.text, place.at.clone());
    items.into_iter().filter_map(|at| placed(Place { file: place.file, at }, faults)).collect()
}

fn placed<'a, T: DeserializeOwned>(place: Place<'a>, faults: &mut Vec<Fault>) -> Option<Placed<'a, T>> {
    match serde_json::from_str(place.text()) {
        Ok(form) => Some(Placed { form, place }),
        Err(error) => {
            faults.push(place.unread(&error));
            None
        }
    }
}
