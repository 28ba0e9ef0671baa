//! The rules of a file, checked against the schema and compiled for matching. Every fault names its line.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use smol_str::SmolStr;

use super::form::{FileForm, Itself, Placed, ResourceForm, RouteForm};
use super::id::IdTemplate;
use super::place::Place;
use super::template::{Kind, Part, Reserved, Rest, Template, is_name, variable_name};
use super::{Gateway, Header, Resource, Route, Rule, Wanted, shadow};
use crate::entity::Uid;
use crate::pdp::bundle::SourceFile;
use crate::pdp::fault::{Fault, Faults};
use crate::pdp::names::Names;
use crate::pdp::schema::Schema;

/// RFC 9110 and RFC 5789, without what no backend is asked through a gateway.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// A path of a named resource.
struct Known {
    template: Template,
    type_name: SmolStr,
    id: IdTemplate,
}

struct Compiler<'a> {
    schema: &'a Schema,
    names: &'a Names,
    reserved: Reserved,
    resources: BTreeMap<String, Vec<Known>>,
    /// Which of them a rule is on.
    used: BTreeSet<String>,
    faults: Vec<Fault>,
}

impl Gateway {
    /// Compiles a file of rules.
    ///
    /// # Errors
    /// Every fault that was found, each with file, line and column.
    pub(in crate::pdp) fn parse(file: &SourceFile, schema: &Schema, names: &Names) -> Result<Self, Faults> {
        let form = FileForm::read(file)?;
        let mut compiler = Compiler {
            schema,
            names,
            reserved: Reserved::new(),
            resources: BTreeMap::new(),
            used: BTreeSet::new(),
            faults: Vec::new(),
        };
        for (variable, words) in &form.reserved {
            compiler.reserve(variable, words);
        }
        for (name, paths) in &form.resources {
            let known = paths.iter().filter_map(|path| compiler.known(path)).collect();
            compiler.resources.insert(name.clone(), known);
        }
        let mut gateway = Self { routes: Vec::new(), rules: Vec::new() };
        let mut places = Vec::new();
        for route in &form.routes {
            if let Some((compiled, rules)) = compiler.route(route) {
                let index = gateway.routes.len();
                gateway.rules.extend(rules.into_iter().map(|rule| Rule { route: index, ..rule }));
                gateway.routes.push(compiled);
                places.push(&route.place);
            }
        }
        let mut faults = compiler.faults;
        if faults.is_empty() {
            faults.extend(unused(&form, &compiler.used, &gateway));
            faults.extend(shadow::unreached(&gateway, &places));
            faults.extend(shadow::misread(&gateway, &places));
        }
        match faults.is_empty() {
            true => Ok(gateway),
            false => Err(Faults(faults)),
        }
    }
}

impl Compiler<'_> {
    fn reserve(&mut self, variable: &str, words: &Placed<'_, Vec<String>>) {
        let mut reserved = BTreeSet::new();
        for word in &words.form {
            if !is_name(word) {
                self.fault(&words.place, word, format!("`{word}` needs no reservation: no variable takes it"));
            }
            if !reserved.insert(word.to_ascii_lowercase()) {
                self.fault(
                    &words.place,
                    word,
                    format!("`{word}` is reserved twice; upper and lower case are the same"),
                );
            }
        }
        self.reserved.insert(variable.into(), Arc::new(reserved));
    }

    fn known(&mut self, path: &Placed<'_, ResourceForm>) -> Option<Known> {
        let ResourceForm { path: text, type_name, id } = &path.form;
        let template = self.template(&path.place, text)?;
        let (type_name, id) = self.entity(&path.place, type_name, id)?;
        let fixed = |part: &Part| !matches!(part, Part::Variable { kind: Kind::Ref, .. });
        if template.rest != Rest::None || !template.parts.iter().all(fixed) {
            self.fault(&path.place, text, "a resource's path has no `{*…}` and no `{…:ref}`");
            return None;
        }
        self.bound(&path.place, &id, &template, &[])?;
        if let Some(name) = template.variables.iter().find(|name| !id.variables().any(|used| used == *name)) {
            self.fault(&path.place, text, format!("`{{{name}}}` is not in the id: two paths would mean one resource"));
            return None;
        }
        Some(Known { template, type_name, id })
    }

    fn route(&mut self, route: &Placed<'_, RouteForm>) -> Option<(Route, Vec<Rule>)> {
        let Placed { form, place } = route;
        let before = self.faults.len();
        if form.about.trim().is_empty() {
            self.fault(place, "about", "`about` says what the rule is for");
        }
        let methods = self.methods(place, &form.methods);
        let query = self.query(place, &form.query);
        let headers = self.headers(place, &form.headers);
        let rules = self.rules(route, &headers).unwrap_or_default();
        let action = self.action(place, &form.action, &rules);
        let also: Vec<Uid> = form.also.iter().filter_map(|name| self.action(place, name, &rules)).collect();
        let all: BTreeSet<&Uid> = action.iter().chain(&also).collect();
        if all.len() < also.len() + 1 && self.faults.len() == before {
            self.fault(place, "also", "`also` names further actions, each once");
        }
        let compiled = Route {
            about: form.about.as_str().into(),
            line: place.line(),
            methods,
            query,
            headers,
            action: action?,
            also,
            challenge: form.challenge,
        };
        (self.faults.len() == before).then_some((compiled, rules))
    }

    /// The paths of a route and what they mean.
    fn rules(&mut self, route: &Placed<'_, RouteForm>, headers: &[Header]) -> Option<Vec<Rule>> {
        let Placed { form, place } = route;
        let path = match &form.path {
            Some(path) => Some(self.template(place, path)?),
            None => None,
        };
        let rules = match (&form.on, &form.type_name, &form.id, form.resource, path) {
            (Some(on), None, None, None, path) => self.on(place, on, path.as_ref())?,
            (None, Some(type_name), Some(id), None, Some(template)) => {
                let (type_name, id) = self.entity(place, type_name, id)?;
                self.bound(place, &id, &template, headers)?;
                let unused = headers.iter().find(|header| !id.variables().any(|used| *used == header.variable));
                if let Some(Header { variable, .. }) = unused {
                    let message = format!("`{{{variable}}}` is not in the id");
                    self.fault(place, &format!("{{{variable}}}"), message);
                }
                vec![Rule { route: 0, template, resource: Resource::Entity { type_name, id } }]
            }
            (None, None, None, Some(Itself::Caller), Some(template)) => {
                vec![Rule { route: 0, template, resource: Resource::Caller }]
            }
            _ => {
                let message =
                    "a rule has either `on`, or `path` with `type` and `id`, or `path` with `\"resource\": \"caller\"`";
                self.fault(place, "", message);
                return None;
            }
        };
        if let (Some(header), false) = (headers.first(), form.type_name.is_some()) {
            let variable = format!("{{{}}}", header.variable);
            self.fault(place, &variable, format!("`{variable}` is not in an id"));
        }
        Some(rules)
    }

    fn on(&mut self, place: &Place<'_>, on: &str, path: Option<&Template>) -> Option<Vec<Rule>> {
        let Some(known) = self.resources.get(on) else {
            self.fault(place, on, format!("there is no resource `{on}`"));
            return None;
        };
        let joined = known.iter().map(|known| {
            let template = match path {
                Some(path) => known.template.then(path)?,
                None => known.template.clone(),
            };
            let resource = Resource::Entity { type_name: known.type_name.clone(), id: known.id.clone() };
            Ok(Rule { route: 0, template, resource })
        });
        let joined: Result<Vec<Rule>, String> = joined.collect();
        self.used.insert(on.to_owned());
        joined.map_err(|message| self.fault(place, on, message)).ok()
    }

    fn template(&mut self, place: &Place<'_>, text: &str) -> Option<Template> {
        Template::parse(text, &self.reserved).map_err(|message| self.fault(place, text, message)).ok()
    }

    fn entity(&mut self, place: &Place<'_>, type_name: &str, id: &str) -> Option<(SmolStr, IdTemplate)> {
        let full = self.names.entity_type(type_name);
        let full = full.map_err(|fault| self.fault(place, type_name, fault.to_string())).ok();
        let id = IdTemplate::parse(id).map_err(|message| self.fault(place, id, message)).ok();
        full.zip(id)
    }

    /// Makes sure that the variables of an id have values, and that no variable has two.
    fn bound(&mut self, place: &Place<'_>, id: &IdTemplate, path: &Template, headers: &[Header]) -> Option<()> {
        let before = self.faults.len();
        for Header { variable, .. } in headers.iter().filter(|header| path.variables.contains(&header.variable)) {
            self.fault(place, &format!("{{{variable}}}"), format!("the variable `{{{variable}}}` stands twice"));
        }
        for name in id.variables() {
            if path.names(name) || headers.iter().any(|header| header.variable == *name) {
                continue;
            }
            self.fault(
                place,
                "id",
                match path.variables.contains(name) {
                    true => format!("`{{{name}}}` may hold slashes, or be a rest: no id is made of it"),
                    false => format!("the id's `{{{name}}}` is in no path and no header"),
                },
            );
        }
        (self.faults.len() == before).then_some(())
    }

    fn methods(&mut self, place: &Place<'_>, names: &[String]) -> Vec<SmolStr> {
        let mut methods = Vec::new();
        for name in names {
            if !METHODS.contains(&name.as_str()) {
                self.fault(place, name, format!("`{name}` is no method: {}", METHODS.join(", ")));
            } else if methods.iter().any(|method| method == name) {
                self.fault(place, name, format!("the method `{name}` stands twice"));
            }
            methods.push(name.as_str().into());
        }
        if methods.is_empty() {
            self.fault(place, "methods", "a rule without methods takes no request");
        }
        methods
    }

    fn query(&mut self, place: &Place<'_>, query: &BTreeMap<String, String>) -> Vec<(SmolStr, Wanted)> {
        for key in query.keys().filter(|key| !is_name(key)) {
            self.fault(place, key, format!("`{key}` is no key of a query: letters, digits, `_`, `.` and `-`"));
        }
        let wanted = |value: &str| if value == "*" { Wanted::Present } else { Wanted::Value(value.to_owned()) };
        query.iter().map(|(key, value)| (key.as_str().into(), wanted(value))).collect()
    }

    fn headers(&mut self, place: &Place<'_>, headers: &BTreeMap<String, String>) -> Vec<Header> {
        let mut read: Vec<Header> = Vec::new();
        for (name, value) in headers {
            if !is_name(name) || read.iter().any(|header| header.name.eq_ignore_ascii_case(name)) {
                self.fault(place, name, format!("`{name}` is no name of a header, or stands twice"));
            }
            let variable = value.strip_prefix('{').and_then(|value| value.strip_suffix('}'));
            let Some(variable) = variable.and_then(|name| variable_name(name).ok()) else {
                self.fault(place, value, "a header's value is a variable, as `{name}`");
                continue;
            };
            if read.iter().any(|header| header.variable == variable) {
                self.fault(place, value, format!("the variable `{value}` stands twice"));
            }
            let kind = Kind::Name(self.reserved.get(&variable).cloned().unwrap_or_default());
            read.push(Header { name: name.as_str().into(), variable, kind });
        }
        read
    }

    /// An action that applies to what the rules are about.
    fn action(&mut self, place: &Place<'_>, name: &str, rules: &[Rule]) -> Option<Uid> {
        let action = self.names.action(self.schema, name);
        let uid = action.map_err(|fault| self.fault(place, name, fault.to_string())).ok()?;
        let applies = self.schema.actions.get(&uid)?;
        let mut wrong = None;
        for rule in rules {
            wrong = wrong.or(match &rule.resource {
                Resource::Entity { type_name, .. } if !applies.resources.contains(type_name) => {
                    Some(format!("`{name}` does not apply to `{type_name}`"))
                }
                Resource::Caller if applies.principals.is_disjoint(&applies.resources) => {
                    Some(format!("`{name}` has no caller for a resource: none of its principals' types is one"))
                }
                Resource::Entity { .. } | Resource::Caller => None,
            });
        }
        match wrong {
            Some(message) => {
                self.fault(place, name, message);
                None
            }
            None => Some(uid),
        }
    }

    fn fault(&mut self, place: &Place<'_>, string: &str, message: impl Into<String>) {
        self.faults.push(place.fault(string, message));
    }
}

/// What the file defines and no rule uses: most likely a typo.
fn unused(form: &FileForm<'_>, used: &BTreeSet<String>, gateway: &Gateway) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (name, paths) in form.resources.iter().filter(|(name, _)| !used.contains(name)) {
        let message = format!("no rule is on the resource `{name}`");
        match paths.first() {
            Some(path) => faults.push(path.place.fault("", message)),
            None => faults.extend(form.routes.first().map(|route| Fault::of_file(&route.place.file.path, message))),
        }
    }
    for (name, words) in &form.reserved {
        let in_path = |rule: &Rule| rule.template.variables.iter().any(|variable| variable == name);
        let in_header = |route: &Route| route.headers.iter().any(|header| header.variable == name);
        if !gateway.rules.iter().any(in_path) && !gateway.routes.iter().any(in_header) {
            faults.push(words.place.fault("", format!("no path and no header has a variable `{{{name}}}`")));
        }
    }
    faults
}
