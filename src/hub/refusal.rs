//! A "no" in the words of the hub's clients: the status, the headers and the text that they act on.
//!
//! `huggingface_hub` tells a missing repository from a forbidden one by `X-Error-Code` and recognises some texts
//! literally, git asks for a password only after a 401. The reasons themselves, their order and their statuses are the
//! bundle's (`reasons.json`); here they are only translated.

use crate::entity::Uid;
use crate::pdp::Reason;
use crate::tokens::{Target, names};

/// The text for those who may read and not do the rest; clients compare it.
const READ_ONLY: &str = "You have read access but not the required permissions for this operation";

/// What a service answers instead of what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    /// `X-Error-Code`.
    pub error_code: Option<&'static str>,
    /// `X-Error-Message`, and the `error` of the body.
    pub message: String,
}

impl Refusal {
    /// How a reason is said to a client that asked for something of `resource`.
    pub fn of(reason: &Reason, resource: &Uid) -> Self {
        let repo = (resource.type_name() == names::REPO).then(|| Target::of(resource)).flatten();
        let error_code = match (reason.code.as_str(), &repo) {
            ("not_found", Some(_)) => Some("RepoNotFound"),
            ("gate_request" | "gate_pending" | "gate_rejected", _) => Some("GatedRepo"),
            _ => None,
        };
        let message = match (reason.code.as_str(), &repo) {
            ("user_right", Some(_)) => READ_ONLY.to_owned(),
            // Clients name repositories without the folder of their kind.
            (_, Some(repo)) => reason.message.replace(resource.id().as_str(), &repo.name),
            (_, None) => reason.message.clone(),
        };
        Self { status: reason.status, error_code, message }
    }

    /// As a challenge: a client that came without a credential is asked for one.
    pub fn challenging(mut self) -> Self {
        self.status = 401;
        self
    }
}

/// What a 401 challenges with, a header each. `Basic`, because git knows nothing else.
pub const CHALLENGES: [&str; 2] = [
    "Bearer realm=\"Authentication required\", charset=\"UTF-8\"",
    "Basic realm=\"Authentication required\", charset=\"UTF-8\"",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(code: &str, message: &str, status: u16) -> Reason {
        Reason { code: code.into(), message: message.to_owned(), status }
    }

    #[test]
    fn a_missing_repository_has_a_code_and_other_missing_things_have_none() {
        let reason = reason("not_found", "not found", 404);
        let repo = Refusal::of(&reason, &Uid::new(names::REPO, "models/acme/m1"));
        assert_eq!((repo.status, repo.error_code), (404, Some("RepoNotFound")));
        assert_eq!(Refusal::of(&reason, &Uid::new(names::ORGANIZATION, "acme")).error_code, None);
    }

    #[test]
    fn a_message_names_the_repository_as_clients_do() {
        let reason = reason("gate_request", "Access to model models/acme/m1 is restricted.", 403);
        let refusal = Refusal::of(&reason, &Uid::new(names::REPO, "models/acme/m1"));
        assert_eq!(refusal.message, "Access to model acme/m1 is restricted.");
        assert_eq!(refusal.error_code, Some("GatedRepo"));
    }

    #[test]
    fn who_only_reads_a_repository_is_told_in_the_text_that_clients_know() {
        let reason = reason("user_right", "You have read access but … it needs the `write` level in acme", 403);
        let repo = Refusal::of(&reason, &Uid::new(names::REPO, "models/acme/m1"));
        assert_eq!(repo.message, READ_ONLY);
        let organization = Refusal::of(&reason, &Uid::new(names::ORGANIZATION, "acme"));
        assert_eq!(organization.message, reason.message);
    }
}
