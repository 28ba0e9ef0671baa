//! YAML (and so JSON) as a tree in which every value knows where it stands.
//!
//! Suites are read from this tree by hand, so that what is wrong with one is told with its line, whatever the wrong
//! thing is: an unknown key, a name that nothing has, two expectations that contradict each other.

use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value as Json};
use serde_saphyr::{Location, Spanned};

use crate::pdp::{Fault, SourceFile};

/// A place in a file.
#[derive(Clone, Debug)]
pub struct Place {
    pub file: Arc<SourceFile>,
    /// From 1.
    pub line: usize,
    pub column: usize,
    width: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub place: Place,
    pub value: Value,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Name, Node)>),
}

/// A text and where it stands: a key, or a name that is looked up.
#[derive(Clone, Debug)]
pub(super) struct Name {
    pub text: String,
    pub place: Place,
}

/// Reads a file. An empty one is a null.
///
/// # Errors
/// What is no YAML, a key that stands twice in a map; with its place.
pub(super) fn parse(file: &Arc<SourceFile>) -> Result<Node, Fault> {
    // Only `true` and `false` are booleans: a test may be called `no`, and `n` is somebody's name.
    let options = serde_saphyr::options! { strict_booleans: true };
    let raw: Option<Spanned<Raw>> = serde_saphyr::from_str_with_options(&file.text, options)
        .map_err(|error| fault(&error, &file.text, &file.path))?;
    let start = Place { file: Arc::clone(file), line: 1, column: 1, width: 1 };
    Ok(raw.map_or(Node { place: start, value: Value::Null }, |raw| place(raw, file)))
}

/// What the YAML reader found, as faults of policies are shown.
pub fn fault(error: &serde_saphyr::Error, text: &str, name: &str) -> Fault {
    let message = error.without_snippet().to_string();
    let message = message.strip_prefix("error: ").unwrap_or(&message);
    let Some(place) = error.location() else { return Fault::of_file(name, message) };
    let (line, column) = (place.line() as usize, place.column() as usize);
    let own = format!("line {line} column {column}: ");
    let message = message.strip_prefix(&own).unwrap_or(message);
    let message = message.strip_suffix(&format!(" at line {line}, column {column}")).unwrap_or(message);
    // Advice for programmers.
    let message = message.split_once(", set DuplicateKeyPolicy").map_or(message, |(message, _)| message);
    let file = Arc::new(SourceFile::new(name, text));
    Place { file, line, column, width: 1 }.fault(message)
}

impl Place {
    pub(super) fn fault(&self, message: impl Into<String>) -> Fault {
        let before: usize = self.file.text.split_inclusive('\n').take(self.line.saturating_sub(1)).map(str::len).sum();
        let line = self.file.text.get(before..).unwrap_or_default();
        let inside: usize = line.chars().take(self.column.saturating_sub(1)).map(char::len_utf8).sum();
        Fault::at(&self.file, before + inside, self.width, message)
    }

    pub(super) fn start(file: &Arc<SourceFile>) -> Self {
        Self { file: Arc::clone(file), line: 1, column: 1, width: 1 }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.path, self.line)
    }
}

impl Node {
    pub fn fault(&self, message: impl Into<String>) -> Fault {
        self.place.fault(message)
    }

    /// What kind of value this is, as an error message names it.
    fn kind(&self) -> String {
        match &self.value {
            Value::Null => "nothing".to_owned(),
            Value::Bool(value) => format!("`{value}`"),
            Value::Integer(value) => format!("`{value}`"),
            Value::Float(value) => format!("`{value}`"),
            Value::Text(text) => format!("`{text}`"),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a map".to_owned(),
        }
    }

    fn expected<T>(&self, what: &str) -> Result<T, Fault> {
        Err(self.fault(format!("expected {what}, found {}", self.kind())))
    }

    pub fn text(&self) -> Result<&str, Fault> {
        match &self.value {
            Value::Text(text) => Ok(text),
            _ => self.expected("a text"),
        }
    }

    pub fn name(&self) -> Result<Name, Fault> {
        Ok(Name { text: self.text()?.to_owned(), place: self.place.clone() })
    }

    pub fn flag(&self) -> Result<bool, Fault> {
        match &self.value {
            Value::Bool(value) => Ok(*value),
            _ => self.expected("true or false"),
        }
    }

    pub fn count(&self) -> Result<usize, Fault> {
        match &self.value {
            Value::Integer(value) if *value >= 0 => Ok(usize::try_from(*value).unwrap_or(usize::MAX)),
            _ => self.expected("a count"),
        }
    }

    pub fn list(&self) -> Result<&[Node], Fault> {
        match &self.value {
            Value::Null => Ok(&[]),
            Value::List(items) => Ok(items),
            _ => self.expected("a list"),
        }
    }

    /// A map's entries; nothing for a value that was left out.
    pub fn entries(&self) -> Result<&[(Name, Node)], Fault> {
        match &self.value {
            Value::Null => Ok(&[]),
            Value::Map(entries) => Ok(entries),
            _ => self.expected("a map"),
        }
    }

    /// One text, or a list of them.
    pub fn names(&self) -> Result<Vec<Name>, Fault> {
        match &self.value {
            Value::Text(_) => Ok(vec![self.name()?]),
            Value::List(items) => items.iter().map(Self::name).collect(),
            _ => self.expected("a name or a list of names"),
        }
    }

    /// A map whose keys are all known.
    pub fn fields(&self, known: &[&str]) -> Result<Fields<'_>, Fault> {
        let entries = self.entries()?;
        match entries.iter().find(|(key, _)| !known.contains(&key.text.as_str())) {
            Some((key, _)) => {
                Err(key.place.fault(format!("unknown key `{}`; there are {}", key.text, known.join(", "))))
            }
            None => Ok(Fields(entries)),
        }
    }

    pub fn to_json(&self) -> Json {
        match &self.value {
            Value::Null => Json::Null,
            Value::Bool(value) => (*value).into(),
            Value::Integer(value) => (*value).into(),
            Value::Float(value) => (*value).into(),
            Value::Text(text) => text.as_str().into(),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(entries) => Json::Object(
                entries.iter().map(|(key, value)| (key.text.clone(), value.to_json())).collect::<Map<_, _>>(),
            ),
        }
    }
}

/// The entries of a map, by key.
pub(super) struct Fields<'a>(&'a [(Name, Node)]);

impl<'a> Fields<'a> {
    /// A value that was left empty is none.
    pub fn get(&self, key: &str) -> Option<&'a Node> {
        let found = self.0.iter().find(|(name, _)| name.text == key);
        found.map(|(_, value)| value).filter(|value| !matches!(value.value, Value::Null))
    }

    pub fn flag(&self, key: &str) -> Result<Option<bool>, Fault> {
        self.get(key).map(Node::flag).transpose()
    }

    pub fn text(&self, key: &str) -> Result<Option<&'a str>, Fault> {
        self.get(key).map(Node::text).transpose()
    }

    pub fn names(&self, key: &str) -> Result<Option<Vec<Name>>, Fault> {
        self.get(key).map(Node::names).transpose()
    }
}

/// A value as serde sees it, before it gets its file.
enum Raw {
    Scalar(Value),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

fn place(raw: Spanned<Raw>, file: &Arc<SourceFile>) -> Node {
    let at = |location: Location, width: usize| Place {
        file: Arc::clone(file),
        line: usize::try_from(location.line()).unwrap_or(1),
        column: usize::try_from(location.column()).unwrap_or(1),
        width,
    };
    let location = raw.referenced;
    let (value, width) = match raw.value {
        Raw::Scalar(Value::Text(text)) => {
            let width = text.len();
            (Value::Text(text), width)
        }
        Raw::Scalar(value) => (value, 1),
        Raw::List(items) => (Value::List(items.into_iter().map(|item| place(item, file)).collect()), 1),
        Raw::Map(entries) => {
            let entry = |(key, value): (Spanned<String>, Spanned<Raw>)| {
                let width = key.value.len();
                (Name { place: at(key.referenced, width), text: key.value }, place(value, file))
            };
            (Value::Map(entries.into_iter().map(entry).collect()), 1)
        }
    };
    Node { place: at(location, width), value }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Null))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Bool(value)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Integer(value)))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Raw, E> {
        i64::try_from(value)
            .map(|value| Raw::Scalar(Value::Integer(value)))
            .map_err(|_| E::custom("a number too large"))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Float(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Text(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut map: Vec<(Spanned<String>, Spanned<Raw>)> = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Raw::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Node, Fault> {
        parse(&Arc::new(SourceFile::new("a_test.yaml", text)))
    }

    #[test]
    fn every_value_knows_its_line() {
        let node = read("a: 1\nb:\n  - é: [x, true]\n").unwrap();
        let list = node.fields(&["a", "b"]).unwrap().get("b").unwrap().list().unwrap()[0].clone();
        let (key, value) = &list.entries().unwrap()[0];
        assert_eq!((key.text.as_str(), key.place.line, key.place.column), ("é", 3, 5));
        let items = value.list().unwrap();
        assert_eq!((items[0].text().unwrap(), items[0].place.column), ("x", 9));
        assert!(items[1].flag().unwrap());
    }

    #[test]
    fn an_unknown_key_is_shown_under_its_line() {
        let fault = read("name: x\ntets: 1\n").unwrap().fields(&["name", "tests"]).err().unwrap();
        assert_eq!((fault.line, fault.column, fault.width), (2, 1, 4));
        assert_eq!(fault.message, "unknown key `tets`; there are name, tests");
    }

    #[test]
    fn a_key_that_stands_twice_is_refused() {
        assert_eq!(read("a: 1\na: 2\n").unwrap_err().line, 2);
        assert_eq!(read("{\"a\": 1,\n \"a\": 2}").unwrap_err().line, 2);
    }

    #[test]
    fn a_wrong_kind_says_what_was_found() {
        let node = read("a: [1]\n").unwrap();
        let fault = node.fields(&["a"]).unwrap().text("a").unwrap_err();
        assert_eq!((fault.message.as_str(), fault.line), ("expected a text, found a list", 1));
    }

    #[test]
    fn a_word_that_old_yaml_takes_for_a_boolean_is_a_text() {
        for word in ["y", "no", "off", "on"] {
            assert_eq!(read(word).unwrap().text().unwrap(), word);
        }
    }

    #[test]
    fn an_empty_file_is_nothing() {
        assert!(read("# only a comment\n").unwrap().entries().unwrap().is_empty());
    }
}
