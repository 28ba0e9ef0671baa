//! Questions as nearly all are: nothing but their names, and perhaps a context. Read at once, where they stand, without
//! a tree of JSON in between.
//!
//! INVARIANT: what is read here is read alike, field by field, by [`Asking::read`](super::asking::Asking::read); a test
//! holds both to that. Everything else (properties, defaults, an escape in a name, a fault) is `None` here, and is then
//! read with care, and with errors that name the field.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value as Json;

use super::asking::{Asking, Side};
use crate::json;

/// A question.
#[derive(Debug)]
pub struct Plain<'a> {
    subject: [&'a str; 2],
    action: &'a str,
    resource: [&'a str; 2],
    context: Option<Json>,
}

impl<'a> Plain<'a> {
    /// A body that is one plain question.
    pub fn read(body: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    /// A body that is a list of plain questions.
    pub fn list(body: &'a [u8]) -> Option<Vec<Self>> {
        serde_json::from_slice(body).ok().map(|List(questions)| questions).filter(|questions| !questions.is_empty())
    }

    pub fn asking(&self) -> Asking<'_> {
        let side = |[type_name, id]: [&'a str; 2]| Side { type_name, id, properties: None, path: String::new() };
        Asking {
            subject: side(self.subject),
            action: self.action,
            action_properties: None,
            resource: side(self.resource),
            context: self.context.as_ref(),
        }
    }
}

/// An object with these names and no others, each once and with a text.
struct Texts<const N: usize>([&'static str; N]);

impl<'a, const N: usize> DeserializeSeed<'a> for Texts<N> {
    type Value = [&'a str; N];

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a, const N: usize> Visitor<'a> for Texts<N> {
    type Value = [&'a str; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object of {}", self.0.join(", "))
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut texts = [None; N];
        while let Some(name) = map.next_key::<&str>()? {
            let text = texts.iter_mut().zip(self.0).find(|(text, known)| *known == name && text.is_none());
            match text {
                Some((text, _)) => *text = Some(map.next_value()?),
                None => return Err(unread()),
            }
        }
        match texts.iter().all(Option::is_some) {
            true => Ok(texts.map(Option::unwrap_or_default)),
            false => Err(unread()),
        }
    }
}

impl<'a> Deserialize<'a> for Plain<'a> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Question)
    }
}

struct Question;

impl<'a> Visitor<'a> for Question {
    type Value = Plain<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a question")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut subject, mut action, mut resource, mut context) = (None, None, None, None);
        while let Some(name) = map.next_key::<&str>()? {
            match name {
                "subject" if subject.is_none() => subject = Some(map.next_value_seed(Texts(["type", "id"]))?),
                "action" if action.is_none() => action = Some(map.next_value_seed(Texts(["name"]))?),
                "resource" if resource.is_none() => resource = Some(map.next_value_seed(Texts(["type", "id"]))?),
                "context" if context.is_none() => context = Some(map.next_value_seed(json::Inner)?),
                _ => return Err(unread()),
            }
        }
        match (subject, action, resource) {
            (Some(subject), Some([action]), Some(resource)) if context.as_ref().is_none_or(Json::is_object) => {
                Ok(Plain { subject, action, resource, context })
            }
            _ => Err(unread()),
        }
    }
}

/// An object of questions and nothing else.
struct List<'a>(Vec<Plain<'a>>);

impl<'a> Deserialize<'a> for List<'a> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Questions)
    }
}

struct Questions;

impl<'a> Visitor<'a> for Questions {
    type Value = List<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("questions")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        match map.next_entry::<&str, Vec<Plain>>()? {
            Some(("evaluations", questions)) if map.next_key::<&str>()?.is_none() => Ok(List(questions)),
            _ => Err(unread()),
        }
    }
}

/// Nobody is shown this.
fn unread<E: Error>() -> E {
    E::custom("not a plain question")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::http::fields::Fields;

    /// Pieces of questions, right and wrong.
    fn body() -> impl Strategy<Value = String> {
        let side = || {
            prop_oneof![
                20 => Just(r#"{"type":"user","id":"alice"}"#),
                2 => Just(r#"{"id":"bob","type":"user"}"#),
                1 => Just(r#"{"type":"user"}"#),
                1 => Just(r#"{"type":"user","id":7}"#),
                1 => Just(r#"{"type":"user","id":null}"#),
                1 => Just(r#"{"type":"user","id":"a","id":"b"}"#),
                1 => Just(r#"{"type":"us\u0065r","id":"a\"b"}"#),
                1 => Just(r#"{"type":"user","id":"alice","properties":{"a":1}}"#),
                1 => Just(r#"{"type":"user","id":"alice","other":1}"#),
                1 => Just(r#"["user","alice"]"#),
                1 => Just("null"),
            ]
        };
        let action = prop_oneof![
            12 => Just(r#"{"name":"repo.read"}"#),
            1 => Just(r#"{"name":"repo.read","properties":{}}"#),
            1 => Just(r#"["repo.read"]"#),
            1 => Just(r#""repo.read""#),
            1 => Just("{}"),
        ];
        let context = prop_oneof![
            Just(r#"{"reason":true}"#),
            Just("{}"),
            Just("null"),
            Just("5"),
            Just(r#"{"a":1,"a":2}"#),
            Just("[[{}]]"),
        ];
        let key = prop_oneof![
            20 => Just(None), 1 => Just(Some("subject")), 1 => Just(Some("other")), 1 => Just(Some("evaluations")),
        ];
        (side(), action, side(), proptest::option::of(context), key, 0..12usize).prop_map(
            |(subject, action, resource, context, more, cut)| {
                let mut fields = vec![
                    format!(r#""subject":{subject}"#),
                    format!(r#""action":{action}"#),
                    format!(r#""resource":{resource}"#),
                ];
                fields.extend(context.map(|context| format!(r#""context":{context}"#)));
                fields.extend(more.map(|name| format!(r#""{name}":{subject}"#)));
                if cut < 3 {
                    fields.remove(cut);
                }
                format!("{{{}}}", fields.join(","))
            },
        )
    }

    fn shown(asking: &Asking) -> String {
        let side = |side: &Side| format!("{} {} {:?}", side.type_name, side.id, side.properties);
        let (subject, resource) = (side(&asking.subject), side(&asking.resource));
        format!("{subject}|{}|{:?}|{resource}|{:?}", asking.action, asking.action_properties, asking.context)
    }

    #[test]
    fn what_is_read_at_once_is_what_is_read_with_care() {
        let seen = std::cell::Cell::new((0, 0));
        proptest!(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() },
        |(body in body(), extra in 0..20usize)| {
            let body = if extra == 0 { format!("{body} x") } else { body };
            let (read, unread) = seen.get();
            if let Some(plain) = Plain::read(body.as_bytes()) {
                let json = json::parse(body.as_bytes()).unwrap();
                let fields = Fields::of_body(&json).unwrap();
                let careful = Asking::read(&fields, &fields).unwrap();
                prop_assert_eq!(shown(&plain.asking()), shown(&careful));
                seen.set((read + 1, unread));
            } else {
                seen.set((read, unread + 1));
            }
            let list = format!(r#"{{"evaluations":[{body},{body}]}}"#);
            let both = Plain::list(list.as_bytes());
            prop_assert_eq!(both.is_some(), Plain::read(body.as_bytes()).is_some());
            if let Some(both) = both {
                let alone = Plain::read(body.as_bytes()).unwrap();
                prop_assert!(both.len() == 2 && both.iter().all(|one| shown(&one.asking()) == shown(&alone.asking())));
            }
        });
        assert!(seen.get().0 > 300 && seen.get().1 > 300, "{:?}", seen.get());
    }

    #[test]
    fn a_list_that_says_more_than_its_questions_is_read_with_care() {
        let question =
            r#"{"subject":{"type":"user","id":"a"},"action":{"name":"x"},"resource":{"type":"repo","id":"r"}}"#;
        assert!(Plain::list(format!(r#"{{"evaluations":[{question}]}}"#).as_bytes()).is_some());
        for body in [
            format!(r#"{{"evaluations":[{question}],"options":{{}}}}"#),
            format!(r#"{{"action":{{"name":"x"}},"evaluations":[{question}]}}"#),
            r#"{"evaluations":[]}"#.to_owned(),
            format!(r#"{{"evaluations":{question}}}"#),
            question.to_owned(),
        ] {
            assert!(Plain::list(body.as_bytes()).is_none(), "{body}");
        }
    }
}
