//! Reading JSON objects field by field, with the path of what is wrong.

use serde_json::{Map, Value as Json};

use super::failure::Failure;

/// An object of a request. A field that is `null` is not there.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    map: &'a Map<String, Json>,
    path: String,
}

impl<'a> Fields<'a> {
    /// The body as a whole.
    ///
    /// # Errors
    /// 400 when it is no object.
    pub fn of_body(json: &'a Json) -> Result<Self, Failure> {
        Self::at(json, "")
    }

    /// # Errors
    /// 400 when it is no object.
    pub fn at(json: &'a Json, path: impl Into<String>) -> Result<Self, Failure> {
        let path = path.into();
        match json.as_object() {
            Some(map) => Ok(Self { map, path }),
            None if path.is_empty() => Err(Failure::invalid("body", "the body must be a JSON object")),
            None => Err(Failure::invalid(&path, format!("`{path}` must be an object"))),
        }
    }

    pub fn path(&self, name: &str) -> String {
        match self.path.as_str() {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        }
    }

    /// # Errors
    /// 400 for a name that is none of `known`.
    pub fn only(&self, known: &[&str]) -> Result<(), Failure> {
        match self.map.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => {
                let path = self.path(name);
                let message = format!("there is no `{path}`; known: {}", known.join(", "));
                Err(Failure::invalid(path, message))
            }
        }
    }

    pub fn get(&self, name: &str) -> Option<&'a Json> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    /// # Errors
    /// 400 when it is missing.
    pub fn need(&self, name: &str) -> Result<&'a Json, Failure> {
        self.get(name).ok_or_else(|| {
            let path = self.path(name);
            let message = format!("`{path}` is missing");
            Failure::invalid(path, message)
        })
    }

    /// # Errors
    /// 400 when it is missing or no string.
    pub fn text(&self, name: &str) -> Result<&'a str, Failure> {
        self.need(name)?.as_str().ok_or_else(|| self.expected(name, "a string"))
    }

    /// # Errors
    /// 400 when it is there and no object.
    pub fn object(&self, name: &str) -> Result<Option<Fields<'a>>, Failure> {
        self.get(name).map(|json| Fields::at(json, self.path(name))).transpose()
    }

    /// # Errors
    /// 400 when it is there and no array.
    pub fn array(&self, name: &str) -> Result<Option<&'a [Json]>, Failure> {
        match self.get(name) {
            None => Ok(None),
            Some(Json::Array(items)) => Ok(Some(items)),
            Some(_) => Err(self.expected(name, "an array")),
        }
    }

    /// # Errors
    /// 400 when it is there and no non-negative whole number.
    pub fn number(&self, name: &str) -> Result<Option<u64>, Failure> {
        match self.get(name) {
            None => Ok(None),
            Some(value) => value.as_u64().map(Some).ok_or_else(|| self.expected(name, "a whole number")),
        }
    }

    /// # Errors
    /// 400 when it is there and neither `true` nor `false`.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, Failure> {
        match self.get(name) {
            None => Ok(None),
            Some(value) => value.as_bool().map(Some).ok_or_else(|| self.expected(name, "`true` or `false`")),
        }
    }

    fn expected(&self, name: &str, what: &str) -> Failure {
        let path = self.path(name);
        let message = format!("`{path}` must be {what}");
        Failure::invalid(path, message)
    }
}
