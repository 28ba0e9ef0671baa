//! Who is calling and whether they may: the only place that turns a missing right into 401 or 403.
//!
//! Without any key the server is open to this machine alone. A browser on this machine is no friend: requests whose
//! `Host` or `Origin` is another name (DNS rebinding, other sites' scripts) are refused then.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, header};

use super::app::App;
use super::failure::Failure;
use super::routes::Access;
use crate::warden::{ApiKey, Scope};

const KEY_PREFIX: &str = "hwk_";
/// The key of a gateway.
const KEY: HeaderName = HeaderName::from_static("hubwarden-key");

/// Who is calling.
#[derive(Clone, Debug)]
pub enum Caller {
    /// Somebody without a key, on a public route.
    Nobody,
    /// Somebody on this machine, while there are no keys.
    Local,
    Key(Arc<ApiKey>),
}

impl Caller {
    pub fn key(&self) -> Option<&Arc<ApiKey>> {
        match self {
            Self::Nobody | Self::Local => None,
            Self::Key(key) => Some(key),
        }
    }

    /// Whether more than the public may be told.
    pub fn is_known(&self) -> bool {
        match self {
            Self::Nobody => false,
            Self::Local => true,
            Self::Key(key) => !key.scopes.is_empty(),
        }
    }

    pub fn has(&self, scope: Scope) -> bool {
        match self {
            Self::Nobody => false,
            Self::Local => true,
            Self::Key(key) => key.scopes.contains(&scope),
        }
    }

    /// For parts of a request that need more than its route.
    ///
    /// # Errors
    /// 403, naming what needs the scope.
    pub fn need(&self, scope: Scope, what: &str) -> Result<(), Failure> {
        match self.has(scope) {
            true => Ok(()),
            false => Err(Failure::forbidden("scope", format!("{what} needs a key with the scope `{}`", scope.name()))),
        }
    }

    /// The key's id for logs; `-` without one.
    pub fn id(&self) -> &str {
        self.key().map_or("-", |key| &key.id)
    }
}

/// The caller, before it is known what they want.
///
/// # Errors
/// 401, or 403 for a browser that was lured here.
pub fn identify(app: &App, headers: &HeaderMap, access: Access) -> Result<Caller, Failure> {
    if app.is_open() {
        local_only(headers)?;
        return Ok(if access == Access::Client { Caller::Nobody } else { Caller::Local });
    }
    let (place, presented) = match access {
        Access::Client => return Ok(Caller::Nobody),
        Access::Gateway(_) => (KEY, only(headers, KEY)),
        Access::Public | Access::Scopes(_) => (header::AUTHORIZATION, presented(headers)),
    };
    let key = presented.and_then(|key| app.warden.keys().authenticate(key));
    match key {
        Some(key) => Ok(Caller::Key(key)),
        None if access == Access::Public => Ok(Caller::Nobody),
        None => {
            if matches!(access, Access::Gateway(_)) && headers.contains_key(&place) {
                app.warden.metrics().auth_failed("unknown");
                // A gateway passes a 401 on, and its clients would take their own credentials for bad ones.
                let message = "the key in `Hubwarden-Key` is not known: the gateway needs another one";
                return Err(Failure::unavailable("gateway_key", message));
            }
            let (reason, message) = match (headers.contains_key(&place), access) {
                (_, Access::Gateway(_)) => ("missing", "this needs a key: `Hubwarden-Key: hwk_…`"),
                (true, _) => ("unknown", "the key in `Authorization` is not known"),
                (false, _) => ("missing", "this needs `Authorization: Bearer hwk_…`"),
            };
            app.warden.metrics().auth_failed(reason);
            Err(Failure::unauthorized(message))
        }
    }
}

/// Whether a caller may use a route.
///
/// # Errors
/// 403, naming the scopes that would do.
pub fn allow(app: &App, caller: &Caller, access: Access) -> Result<(), Failure> {
    let (Access::Scopes(scopes) | Access::Gateway(scopes)) = access else {
        return Ok(());
    };
    if scopes.iter().any(|scope| caller.has(*scope)) {
        return Ok(());
    }
    app.warden.metrics().auth_failed("scope");
    let names: Vec<String> = scopes.iter().map(|scope| format!("`{}`", scope.name())).collect();
    Err(Failure::forbidden("scope", format!("this needs a key with the scope {}", names.join(" or "))))
}

/// The key in `Authorization: Bearer hwk_…`; bare `hwk_…` as clients of cedar-agent send it.
fn presented(headers: &HeaderMap) -> Option<&str> {
    let text = only(headers, header::AUTHORIZATION)?;
    if text.starts_with(KEY_PREFIX) {
        return Some(text);
    }
    let (scheme, key) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

/// A header that stands exactly once.
pub fn only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

fn local_only(headers: &HeaderMap) -> Result<(), Failure> {
    let host = only(headers, header::HOST).is_some_and(is_loopback);
    let origin = match headers.contains_key(header::ORIGIN) {
        true => only(headers, header::ORIGIN)
            .and_then(|origin| origin.split_once("://"))
            .is_some_and(|(_, host)| is_loopback(host)),
        false => true,
    };
    match host && origin {
        true => Ok(()),
        false => Err(Failure::forbidden(
            "not_local",
            "no key exists, so this server answers requests from and to this machine's own names only \
             (`Host` and `Origin`); create a key with `hubwarden key create`",
        )),
    }
}

/// Whether `localhost`, `127.0.0.1:8180`, `[::1]:80` … name this machine.
fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or("", |(host, _)| host),
        None => authority.split_once(':').map_or(authority, |(host, _)| host),
    };
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
        || host.parse::<Ipv6Addr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_local() {
        for local in ["localhost", "LOCALHOST:8180", "127.0.0.1", "127.8.0.1:1", "[::1]", "[::1]:8180"] {
            assert!(is_loopback(local), "{local}");
        }
        for foreign in ["", "example.com", "localhost.example.com", "127.0.0.1.nip.io", "[::2]", "10.0.0.1", "[::1"] {
            assert!(!is_loopback(foreign), "{foreign}");
        }
    }
}
