//! The gateway's rules: from the method and the path of a client's request to a question.
//!
//! `gateway.json` beside the policies says which action on which resource a request stands for; this module compiles
//! and checks the file, and matches requests. What a path could mean twice is refused before any rule is looked at,
//! and what no rule covers is refused as well. Never fall back to a rule, and never take a part of a path for an id
//! that the template does not name: a request that was read as another one is a way around every policy.

mod compile;
mod form;
mod id;
mod place;
mod shadow;
mod target;
mod template;
#[cfg(test)]
mod tests;

use smol_str::SmolStr;

use self::id::IdTemplate;
use self::target::{ENCODED_SLASH, Query, Target};
use self::template::{Kind, Template};
use crate::entity::Uid;

const HEADER_TWICE: &str = "a header that a rule looks at stands twice";
const HEADER_VALUE: &str = "a header that a rule looks at has no name for its value";

/// Compiled rules.
#[derive(Debug)]
pub struct Gateway {
    routes: Vec<Route>,
    rules: Vec<Rule>,
}

/// What is known of one rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GatewayRule<'a> {
    pub about: &'a str,
    pub line: usize,
}

/// A request as its client sent it.
pub struct HttpRequest<'a> {
    pub method: &'a str,
    /// Path and query, as sent: nothing decoded, nothing normalised.
    pub target: &'a str,
    /// Every value that a header stands with, in any case of its name. One that is no text must not be left out: it is
    /// given as an empty one, which no rule takes.
    pub header: &'a dyn Fn(&str) -> Vec<String>,
}

/// The question that a request stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routed {
    pub action: Uid,
    pub resource: RoutedResource,
    /// Further actions on the same resource, to be asked and told to a backend that learns only from the body which of
    /// them is meant. Their answers decide nothing at the gateway.
    pub also: Vec<Uid>,
    /// Whether an anonymous refusal, of any kind, asks for credentials: clients that send theirs only then.
    pub challenge: bool,
    /// The rule that said so: its position among [`Gateway::rules`], and its words.
    pub rule: usize,
    pub about: SmolStr,
}

/// What a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoutedResource {
    Entity(Uid),
    /// The principal itself. One of a type that the action does not take as a resource, as a caller without an
    /// account, has none: it is refused.
    Caller,
}

/// Why a request stands for no question. It is refused either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unrouted {
    #[error("the request can be read in more than one way: {0}")]
    Ambiguous(&'static str),
    #[error("no rule covers this method and path")]
    NoRule,
}

/// A rule of the file.
#[derive(Debug)]
struct Route {
    about: SmolStr,
    line: usize,
    methods: Vec<SmolStr>,
    query: Vec<(SmolStr, Wanted)>,
    headers: Vec<Header>,
    action: Uid,
    also: Vec<Uid>,
    challenge: bool,
}

/// A route at one of the paths that its resource has.
#[derive(Debug)]
struct Rule {
    route: usize,
    template: Template,
    resource: Resource,
}

#[derive(Debug)]
enum Resource {
    Entity { type_name: SmolStr, id: IdTemplate },
    Caller,
}

/// What a key of the query must be.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Present,
    Value(String),
}

/// A header whose value a variable takes.
#[derive(Debug)]
struct Header {
    name: SmolStr,
    variable: SmolStr,
    kind: Kind,
}

impl Gateway {
    /// The rules, in their order.
    pub fn rules(&self) -> impl ExactSizeIterator<Item = GatewayRule<'_>> {
        self.routes.iter().map(|route| GatewayRule { about: &route.about, line: route.line })
    }

    /// The question that a request stands for.
    ///
    /// # Errors
    /// A request that can be read in more than one way, or that no rule covers.
    pub fn route(&self, request: &HttpRequest<'_>) -> Result<Routed, Unrouted> {
        let target = Target::read(request.target).map_err(Unrouted::Ambiguous)?;
        for rule in &self.rules {
            let Some(route) = self.routes.get(rule.route) else { continue };
            if !route.methods.iter().any(|method| method == request.method) {
                continue;
            }
            let Some(mut values) = rule.template.values(&target) else { continue };
            if !route.takes_query(target.query).map_err(Unrouted::Ambiguous)? {
                continue;
            }
            let Some(named) = route.named(request.header).map_err(Unrouted::Ambiguous)? else { continue };
            values.extend(named.iter().map(|(name, value)| (*name, value.as_str())));
            let resource = match &rule.resource {
                Resource::Caller => RoutedResource::Caller,
                Resource::Entity { type_name, id } => {
                    // Compiling made sure that every variable of an id has a value.
                    let id = id.fill(&values).ok_or(Unrouted::NoRule)?;
                    RoutedResource::Entity(Uid::new(type_name.clone(), id))
                }
            };
            return Ok(Routed {
                action: route.action.clone(),
                resource,
                also: route.also.clone(),
                challenge: route.challenge,
                rule: rule.route,
                about: route.about.clone(),
            });
        }
        Err(if target.is_slashed() { Unrouted::Ambiguous(ENCODED_SLASH) } else { Unrouted::NoRule })
    }
}

impl Route {
    fn takes_query(&self, query: Query<'_>) -> Result<bool, &'static str> {
        let mut takes = true;
        for (key, wanted) in &self.query {
            takes &= match (query.value(key)?, wanted) {
                (None, _) => false,
                (Some(_), Wanted::Present) => true,
                (Some(value), Wanted::Value(wanted)) => value == wanted.as_str(),
            };
        }
        Ok(takes)
    }

    /// The values of the variables in headers; nothing if a header is not there. One that is there and cannot be read
    /// is an error: a later rule without it would mean something else than a backend that reads it.
    fn named(&self, header: &dyn Fn(&str) -> Vec<String>) -> Result<Option<Vec<(&str, String)>>, &'static str> {
        let mut named = Vec::new();
        for Header { name, variable, kind } in &self.headers {
            match header(name).as_slice() {
                [] => return Ok(None),
                [value] if kind.accepts(value) => named.push((variable.as_str(), value.clone())),
                [_] => return Err(HEADER_VALUE),
                _ => return Err(HEADER_TWICE),
            }
        }
        Ok(Some(named))
    }
}
