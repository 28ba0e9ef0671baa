//! Reading a question of the standard API.

use serde_json::{Map, Value as Json};

use crate::entity::Uid;
use crate::http::failure::Failure;
use crate::http::fields::Fields;
use crate::pdp::Bundle;

/// What a search leaves open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sought {
    Subject,
    Resource,
    Action,
}

/// A subject or resource as it was sent.
pub struct Side<'a> {
    pub type_name: &'a str,
    pub id: &'a str,
    pub properties: Option<&'a Json>,
    /// Where the properties stand in the request.
    pub path: String,
}

/// A question as it was sent.
pub struct Asking<'a> {
    pub subject: Side<'a>,
    pub action: &'a str,
    pub action_properties: Option<&'a Json>,
    pub resource: Side<'a>,
    pub context: Option<&'a Json>,
}

impl<'a> Asking<'a> {
    /// Reads a question from `own`, with `defaults` for what is missing there.
    ///
    /// A subject, action, resource or context of its own replaces the default whole; only the names that a subject,
    /// action or resource cannot be without (`type`, `id`, `name`) are then still taken from the default.
    ///
    /// # Errors
    /// 400 with the field.
    pub fn read(own: &Fields<'a>, defaults: &Fields<'a>) -> Result<Self, Failure> {
        let subject = Part::read(own, defaults, "subject")?.side()?;
        let action = Part::read(own, defaults, "action")?;
        let resource = Part::read(own, defaults, "resource")?.side()?;
        let context = match own.object("context")? {
            Some(_) => own.get("context"),
            None => defaults.object("context")?.and_then(|_| defaults.get("context")),
        };
        Ok(Self { subject, action: action.text("name")?, action_properties: action.properties()?, resource, context })
    }

    /// Reads a search: what is sought has no id, and a sought action no name.
    ///
    /// # Errors
    /// As [`Asking::read`].
    pub fn searching(fields: &Fields<'a>, sought: Sought) -> Result<Self, Failure> {
        let side = |name: &str, sought: bool| {
            let part = Part::read(fields, fields, name)?;
            if sought { part.side_of("") } else { part.side() }
        };
        let subject = side("subject", sought == Sought::Subject)?;
        let (action, action_properties) = match sought {
            Sought::Action => ("", None),
            Sought::Subject | Sought::Resource => {
                let part = Part::read(fields, fields, "action")?;
                (part.text("name")?, part.properties()?)
            }
        };
        let resource = side("resource", sought == Sought::Resource)?;
        let context = fields.object("context")?.and_then(|_| fields.get("context"));
        Ok(Self { subject, action, action_properties, resource, context })
    }

    /// Whether the context asks for the reason.
    pub fn wants_reason(&self) -> bool {
        self.context.and_then(|context| context.get("reason")) == Some(&Json::Bool(true))
    }

    /// The context as the schema is to read it: `action` is where the action's properties go, and nothing else.
    pub fn context(&self, bundle: &Bundle, action: &Uid) -> Json {
        let mut context = self.context.and_then(Json::as_object).cloned().unwrap_or_else(Map::new);
        let said = self.action_properties.is_some() || !context.is_empty();
        if said && bundle.declares_context(action, "action") {
            match self.action_properties {
                Some(properties) => context.insert("action".to_owned(), properties.clone()),
                None => context.remove("action"),
            };
        }
        Json::Object(context)
    }
}

struct Part<'a> {
    own: Fields<'a>,
    default: Option<Fields<'a>>,
}

impl<'a> Part<'a> {
    fn read(own: &Fields<'a>, defaults: &Fields<'a>, name: &str) -> Result<Self, Failure> {
        match (own.object(name)?, defaults.object(name)?) {
            (Some(own), default) => Ok(Self { own, default }),
            (None, Some(default)) => Ok(Self { own: default, default: None }),
            (None, None) => Err(own.need(name).err().unwrap_or_else(Failure::internal)),
        }
    }

    fn text(&self, name: &str) -> Result<&'a str, Failure> {
        match (self.own.get(name), &self.default) {
            (None, Some(default)) if default.get(name).is_some() => default.text(name),
            _ => self.own.text(name),
        }
    }

    fn properties(&self) -> Result<Option<&'a Json>, Failure> {
        Ok(self.own.object("properties")?.and_then(|_| self.own.get("properties")))
    }

    fn side(&self) -> Result<Side<'a>, Failure> {
        self.text("type")?;
        self.side_of(self.text("id")?)
    }

    fn side_of(&self, id: &'a str) -> Result<Side<'a>, Failure> {
        Ok(Side {
            type_name: self.text("type")?,
            id,
            properties: self.properties()?,
            path: self.own.path("properties"),
        })
    }
}
