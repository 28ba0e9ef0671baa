//! What policies must pass before they take over.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use serde::Deserialize;

use crate::cli::exit::Failure;
use crate::suite;
use crate::warden::Warden;

/// Recorded questions that are asked again when no number is given.
const LAST: usize = 5_000;

/// `DIR`, or `tests=DIR`, `replay` and `replay=N`, with commas between them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(in crate::cli) struct GateSpec {
    pub tests: Option<PathBuf>,
    replay: Option<usize>,
}

impl FromStr for GateSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut spec = Self::default();
        let twice = |part: &str| format!("`{part}` stands twice");
        for part in text.split(',').map(str::trim) {
            let (name, value) = part.split_once('=').map_or((part, None), |(name, value)| (name, Some(value)));
            match (name, value) {
                ("", None) => return Err("a part of it is empty".to_owned()),
                ("replay", count) => {
                    let last = match count.map(str::parse) {
                        None => LAST,
                        Some(Ok(last)) if last > 0 => last,
                        _ => return Err(format!("`{part}`: how many recorded questions is a number above 0")),
                    };
                    if spec.replay.replace(last).is_some() {
                        return Err(twice("replay"));
                    }
                }
                ("tests", Some(folder)) if !folder.is_empty() => {
                    if spec.tests.replace(folder.into()).is_some() {
                        return Err(twice("tests"));
                    }
                }
                // A folder alone is one of suites.
                _ => {
                    if spec.tests.replace(part.into()).is_some() {
                        return Err(twice("tests"));
                    }
                }
            }
        }
        Ok(spec)
    }
}

impl TryFrom<String> for GateSpec {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl GateSpec {
    /// Puts it before every bundle, the one in force included.
    pub fn guard(self, warden: &Arc<Warden>) -> Result<(), Failure> {
        if let Some(suites) = self.tests {
            warden.guard(Box::new(move |bundle| suite::gate(bundle, std::slice::from_ref(&suites))))?;
        }
        if let Some(last) = self.replay {
            warden.demand_replay(last)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_is_a_folder_of_suites_or_its_named_parts() {
        let spec = |text: &str| text.parse::<GateSpec>().map(|spec| (spec.tests, spec.replay));
        let tests = |dir: &str| Some(PathBuf::from(dir));
        assert_eq!(spec("tests/policy"), Ok((tests("tests/policy"), None)));
        assert_eq!(spec("tests=tests/policy,replay"), Ok((tests("tests/policy"), Some(LAST))));
        assert_eq!(spec("tests/policy, replay=100"), Ok((tests("tests/policy"), Some(100))));
        assert_eq!(spec("replay"), Ok((None, Some(LAST))));
        for wrong in ["", "replay=0", "replay=x", "a,b", "replay,replay", "a,,replay"] {
            assert!(spec(wrong).is_err(), "{wrong}");
        }
    }
}
