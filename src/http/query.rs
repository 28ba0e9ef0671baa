//! Query parameters. Those that a route does not have are refused, but by the standard API, which must ignore them.

use super::failure::Failure;
use super::path::percent_decode;
use super::routes::Route;

/// What stands after the `?`.
#[derive(Clone, Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// # Errors
    /// Malformed escapes, a parameter twice, or one that the route does not have.
    pub fn read(route: &Route, raw: &str) -> Result<Self, Failure> {
        let mut read: Vec<(String, String)> = Vec::new();
        for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decode = |part: &str| percent_decode(&part.replace('+', " "));
            let (Some(name), Some(value)) = (decode(name), decode(value)) else {
                return Err(Failure::invalid("query", "the query is not percent-encoded UTF-8"));
            };
            if !route.query.iter().any(|(known, _)| *known == name) {
                if route.is_open_ended() {
                    continue;
                }
                let known: Vec<&str> = route.query.iter().map(|(name, _)| *name).collect();
                let message = match known.is_empty() {
                    true => format!("there is no query parameter `{name}` here"),
                    false => format!("there is no query parameter `{name}` here; known: {}", known.join(", ")),
                };
                return Err(Failure::invalid(name, message));
            }
            if read.iter().any(|(known, _)| *known == name) {
                let message = format!("the query parameter `{name}` stands twice");
                return Err(Failure::invalid(name, message));
            }
            read.push((name, value));
        }
        Ok(Self(read))
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether a switch is on; off when it is not there.
    ///
    /// # Errors
    /// Anything but `true` and `false`.
    pub fn flag(&self, name: &str) -> Result<bool, Failure> {
        match self.get(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Failure::invalid(name, format!("`{name}` is `true` or `false`"))),
        }
    }

    /// # Errors
    /// Text that is no non-negative whole number.
    pub fn number(&self, name: &str) -> Result<Option<usize>, Failure> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        match text.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(Failure::invalid(name, format!("`{name}` is a whole number, not `{text}`"))),
        }
    }
}
