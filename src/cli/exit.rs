//! Exit codes, and failures that end a command.

use std::fmt;
use std::process::ExitCode;

use serde_json::{Value as Json, json};

use crate::pdp::{Faults, NameFault};
use crate::warden::SourceError;

/// What the process exits with. The numbers are public: scripts branch on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// Done; for `authorize`: allowed.
    Success = 0,
    /// Something could not be done.
    Failure = 1,
    /// `authorize` only: denied.
    Deny = 2,
    /// The policies, the schema or entities are not valid.
    Invalid = 3,
    /// `authorize`: no decision, since the schema does not know what was asked about.
    Unknown = 4,
    /// `diff` only: some are refused what they were allowed, and nobody is allowed more.
    Narrowed = 5,
    /// `diff` only: both.
    WidenedAndNarrowed = 6,
}

impl Exit {
    /// Wrong arguments, in every command but `authorize`; the convention of most programs.
    #[expect(non_upper_case_globals, reason = "reads as the variant that it would be, if 2 were not taken")]
    pub const Usage: Self = Self::Deny;
    /// `test` and `matrix`: something was not as expected.
    #[expect(non_upper_case_globals, reason = "as `Usage`")]
    pub const TestsFailed: Self = Self::Unknown;
    /// `diff`: somebody is allowed what was refused, and nobody is refused more.
    #[expect(non_upper_case_globals, reason = "as `Usage`")]
    pub const Widened: Self = Self::Unknown;
    /// `bench`: an answer was not what the world makes it; `verify-search`: the index finds something else.
    #[expect(non_upper_case_globals, reason = "as `Usage`")]
    pub const WrongAnswers: Self = Self::Unknown;
    /// `prove`: a property is violated, or the solver gave up.
    #[expect(non_upper_case_globals, reason = "as `Usage`")]
    pub const NotProven: Self = Self::Unknown;
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command did not do what it was asked for.
#[derive(Debug)]
pub(super) enum Failure {
    /// Faults in policy text, each with its place.
    Faults(Faults),
    Message {
        exit: Exit,
        message: String,
    },
}

impl Failure {
    pub fn new(message: impl Into<String>) -> Self {
        Self::Message { exit: Exit::Failure, message: message.into() }
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::Message { exit: Exit::Invalid, message: message.into() }
    }

    pub fn usage(message: impl Into<String>) -> Self {
        Self::Message { exit: Exit::Usage, message: message.into() }
    }

    pub fn unknown(message: impl Into<String>) -> Self {
        Self::Message { exit: Exit::Unknown, message: message.into() }
    }

    /// The same with no exit code of its own.
    pub fn plain(self) -> Self {
        match self {
            Self::Message { message, .. } => Self::new(message),
            faults => faults,
        }
    }

    pub fn exit(&self) -> Exit {
        match self {
            Self::Faults(_) => Exit::Invalid,
            Self::Message { exit, .. } => *exit,
        }
    }

    pub fn to_json(&self) -> Json {
        match self {
            Self::Faults(faults) => json!({"error": "the files are not valid", "faults": faults}),
            Self::Message { message, .. } => json!({"error": message}),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Faults(faults) => faults.fmt(f),
            Self::Message { message, .. } => write!(f, "error: {message}"),
        }
    }
}

impl From<Faults> for Failure {
    fn from(faults: Faults) -> Self {
        Self::Faults(faults)
    }
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<NameFault> for Failure {
    fn from(fault: NameFault) -> Self {
        Self::unknown(fault.to_string())
    }
}
