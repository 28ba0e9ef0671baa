//! In which form records leave the log.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::ocsf;

/// A form of records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// As they stand in the log, hashes included.
    #[default]
    Native,
    /// Open Cybersecurity Schema Framework 1.3: API Activity for decisions, Entity Management for changes.
    Ocsf,
}

impl Form {
    /// A line of the log in this form; nothing for what the log says of itself, where the form has no place for it.
    pub fn line<'a>(self, line: &'a str) -> Option<Cow<'a, str>> {
        match self {
            Self::Native => Some(Cow::Borrowed(line)),
            Self::Ocsf => {
                let record: Json = serde_json::from_str(line).ok()?;
                Some(Cow::Owned(ocsf::event(&record)?.to_string()))
            }
        }
    }
}
