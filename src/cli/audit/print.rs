//! Records as people read them.

use std::fmt;

use serde_json::{Value as Json, json};

use crate::audit::{Form, PublicKey, Verified};
use crate::cli::Setting;
use crate::cli::exit::Failure;
use crate::cli::terminal::Format;

/// A record in one line.
pub struct Printed {
    record: Json,
    pub seq: u64,
}

impl Printed {
    pub fn of(line: &str) -> Self {
        let record: Json = serde_json::from_str(line).unwrap_or_default();
        let seq = record.get("seq").and_then(Json::as_u64).unwrap_or_default();
        Self { record, seq }
    }

    fn text(&self, key: &str) -> &str {
        self.record.get(key).and_then(Json::as_str).unwrap_or("-")
    }
}

/// `user:alice`: the type without its namespace.
fn named(json: Option<&Json>) -> String {
    let text = |key: &str| json.and_then(|json| json.get(key)).and_then(Json::as_str).unwrap_or_default();
    match (text("type").rsplit("::").next().unwrap_or_default(), text("id")) {
        ("", "") => "-".to_owned(),
        ("" | "Action", id) => id.to_owned(),
        (kind, id) => format!("{kind}:{id}"),
    }
}

impl fmt::Display for Printed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |key: &str| named(self.record.get(key));
        let number = |key: &str| self.record.get(key).and_then(Json::as_u64).unwrap_or_default();
        write!(f, "{}  ", self.text("timestamp"))?;
        match self.text("kind") {
            "decision" => {
                let decision = self.text("decision").to_uppercase();
                write!(f, "{decision:<5}  {}", part("principal"))?;
                if self.record.get("acts_for").is_some() {
                    write!(f, " for {}", part("acts_for"))?;
                }
                write!(f, "  {}  {}", part("action"), part("resource"))?;
                if let Some(code) = self.record.pointer("/reason/code").and_then(Json::as_str) {
                    write!(f, "  {code}")?;
                }
                write!(f, "  {}", self.text("decision_id"))
            }
            "search" => {
                let known = ["principal", "action", "resource"].map(|key| match self.text("sought") {
                    sought if sought == key => format!("?{}", self.text("sought_type")),
                    _ => part(key),
                });
                write!(f, "SEARCH {}  {} results  by {}", known.join("  "), number("results"), self.text("way"))
            }
            "change" => {
                write!(f, "CHANGE {} of {}", self.text("change"), number("count"))?;
                let entities = self.record.get("entities").and_then(Json::as_array);
                if let Some(first) = entities.and_then(|entities| entities.first()) {
                    write!(f, "  {}", named(Some(first)))?;
                }
                write!(f, "  revision {}", number("revision"))?;
                match self.record.get("actor").or_else(|| self.record.get("requested_by")).and_then(Json::as_str) {
                    Some(by) => write!(f, "  by {by}"),
                    None => Ok(()),
                }
            }
            kind => write!(f, "{kind}"),
        }
    }
}

/// Prints a record: in words, as it stands, or as an event.
pub fn line(line: &str, setting: &Setting) -> Result<(), Failure> {
    match setting.terminal.format {
        Format::Text => setting.terminal.line(Printed::of(line)),
        Format::Json => setting.terminal.line(line),
        Format::Ocsf => Form::Ocsf.line(line).map_or(Ok(()), |line| setting.terminal.line(line)),
    }
}

/// Prints all of a record.
pub fn whole(text: &str, setting: &Setting) -> Result<(), Failure> {
    match setting.terminal.format {
        Format::Text => {
            let shown = serde_json::to_string_pretty(&Printed::of(text).record);
            setting.terminal.line(shown.map_err(|error| Failure::new(error.to_string()))?)
        }
        Format::Json | Format::Ocsf => line(text, setting),
    }
}

/// What `verify` found.
pub struct Told<'a>(pub &'a Verified, pub &'a PublicKey);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(found, key) = self;
        for fault in &found.faults {
            writeln!(f, "FAULT    {fault}")?;
        }
        let (first, last) = (found.first.unwrap_or_default(), found.last.unwrap_or_default());
        writeln!(f, "records  {first} to {last} in {} segments", found.segments)?;
        if found.unfinished_bytes > 0 {
            writeln!(f, "end      {} bytes that are no whole record", found.unfinished_bytes)?;
        }
        writeln!(f, "signed   through {}, key {key}", found.signed_through)?;
        if let Some(hash) = &found.hash {
            writeln!(f, "expect   {last}:{hash}")?;
        }
        match found.faults.len() {
            0 => f.write_str("the log is as it was written"),
            faults => write!(f, "the log is NOT as it was written: {faults} faults"),
        }
    }
}

pub fn told_json(found: &Verified, key: &PublicKey) -> Json {
    let mut json = json!({"intact": found.faults.is_empty(), "public_key": key.to_string()});
    if let (Some(map), Ok(Json::Object(parts))) = (json.as_object_mut(), serde_json::to_value(found)) {
        map.extend(parts);
    }
    json
}
