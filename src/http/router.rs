//! Which route a request is for.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::{HeaderValue, Method};

use super::routes::{Route, Verb};
use crate::warden::RouteMeter;

/// What a request met.
#[derive(Clone)]
pub enum Target {
    Route(&'static Route, Arc<RouteMeter>),
    NoRoute,
    OtherMethod(OtherMethod),
}

/// There are routes with this path, with other methods.
#[derive(Clone)]
pub struct OtherMethod {
    pub path: &'static str,
    /// The methods that there are, as the header `Allow` names them.
    pub allow: HeaderValue,
}

/// A table of routes, to be found by path and method.
pub struct Router(matchit::Router<Methods>);

/// The routes with one path.
struct Methods {
    targets: Vec<(Method, Target)>,
    other: OtherMethod,
}

impl Router {
    /// `meter` makes what counts the requests of a method and path.
    ///
    /// # Panics
    /// For paths that contradict each other.
    #[expect(clippy::expect_used, reason = "the tables are constant: it fails at every start or never")]
    pub fn new(routes: &'static [Route], meter: impl Fn(&'static str, &'static str) -> Arc<RouteMeter>) -> Self {
        let mut by_path: BTreeMap<&'static str, Vec<&'static Route>> = BTreeMap::new();
        routes.iter().for_each(|route| by_path.entry(route.path).or_default().push(route));
        let mut router = matchit::Router::new();
        for (path, routes) in by_path {
            let target = |route: &&'static Route| {
                (method(route.verb), Target::Route(route, meter(route.verb.name(), route.path)))
            };
            let allowed: Vec<&str> = routes.iter().map(|route| allowed(route.verb)).collect();
            let allow = HeaderValue::from_str(&allowed.join(",")).expect("methods are letters");
            let (targets, other) = (routes.iter().map(target).collect(), OtherMethod { path, allow });
            router.insert(path, Methods { targets, other }).expect("paths do not contradict each other");
        }
        Self(router)
    }

    pub fn find(&self, method: &Method, path: &str) -> Target {
        let Ok(matched) = self.0.at(path) else {
            return Target::NoRoute;
        };
        let Methods { targets, other } = matched.value;
        // Of the answer to a HEAD the server sends no more than its head.
        let method = if method == Method::HEAD { &Method::GET } else { method };
        match targets.iter().find(|(known, _)| known == method) {
            Some((_, target)) => target.clone(),
            None => Target::OtherMethod(other.clone()),
        }
    }
}

fn method(verb: Verb) -> Method {
    match verb {
        Verb::Get => Method::GET,
        Verb::Post => Method::POST,
        Verb::Put => Method::PUT,
        Verb::Patch => Method::PATCH,
        Verb::Delete => Method::DELETE,
    }
}

fn allowed(verb: Verb) -> &'static str {
    match verb {
        Verb::Get => "GET,HEAD",
        other => other.name(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::routes::routes;
    use super::*;

    fn find(method: &Method, path: &str) -> (&'static str, &'static str) {
        let meter = |method, path| Arc::new(RouteMeter::new(method, path));
        match Router::new(routes(), meter).find(method, path) {
            Target::Route(route, _) => (route.verb.name(), route.path),
            Target::NoRoute => ("none", ""),
            Target::OtherMethod(other) => ("other", other.path),
        }
    }

    #[test]
    fn a_route_is_found_by_path_and_method() {
        let entity = "/v1/entities/{type}/{*id}";
        assert_eq!(find(&Method::POST, "/access/v1/evaluation"), ("POST", "/access/v1/evaluation"));
        assert_eq!(find(&Method::PATCH, "/v1/entities/Hub::Repo/models/acme/m1"), ("PATCH", entity));
        assert_eq!(find(&Method::GET, "/v1/entities/user/al%2Fice"), ("GET", entity));
        assert_eq!(find(&Method::HEAD, "/v1/entities/user/alice"), ("GET", entity));
    }

    #[test]
    fn a_path_with_other_methods_is_told_from_one_that_is_not_there() {
        assert_eq!(find(&Method::HEAD, "/access/v1/evaluation"), ("other", "/access/v1/evaluation"));
        assert_eq!(find(&Method::OPTIONS, "/v1/entities/user/alice"), ("other", "/v1/entities/{type}/{*id}"));
        for path in ["/", "/v1/entities/user", "/v1/entities/user/", "/access/v1/evaluation/", "/access//v1/evaluation"]
        {
            assert_eq!(find(&Method::GET, path), ("none", ""), "{path}");
        }
    }
}
