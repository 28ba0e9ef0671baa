//! What clients are told: the statuses and texts that the hub's clients expect, and what each text must name.

use hubwarden::pdp::Reason;

use crate::support::cast::CAST;
use crate::support::dsl::uid;
use crate::support::world::{Caller, code};

fn refusal(caller: &Caller, action: &str, repo: &str) -> Reason {
    of(caller, action, "Repo", repo)
}

fn of(caller: &Caller, action: &str, type_name: &str, id: &str) -> Reason {
    let answer = CAST.ask(caller, action, &uid(type_name, id));
    answer.reason.unwrap_or_else(|| panic!("{caller:?} {action} {id}: allowed"))
}

fn says(reason: &Reason, status: u16, message: &str) {
    assert_eq!((reason.status, reason.message.as_str()), (status, message));
}

#[test]
fn anonymous_is_told_the_same_of_a_missing_a_deleted_and_a_hidden_repository() {
    for repo in ["models/acme/missing", "models/acme/deleted", "models/acme/priv", "models/acme/offpriv"] {
        for action in ["repo.read", "repo.content.read", "repo.write"] {
            says(&refusal(&Caller::anonymous(), action, repo), 401, "Invalid username or password.");
        }
    }
}

#[test]
fn eve_is_told_the_same_of_a_missing_a_deleted_and_a_hidden_repository() {
    for repo in
        ["models/acme/missing", "models/acme/deleted", "models/acme/priv", "models/acme/offpriv", "models/mfa/priv"]
    {
        for caller in [Caller::user("eve"), Caller::token("eve-write"), Caller::token("eve-bare")] {
            says(&refusal(&caller, "repo.write", repo), 404, "Repository not found");
        }
    }
}

#[test]
fn a_hidden_repository_is_refused_with_nothing_that_a_missing_one_is_not() {
    let callers = [Caller::anonymous(), Caller::user("eve"), Caller::token("wanda-bare"), Caller::token("eve-read")];
    for caller in callers {
        for action in ["repo.read", "repo.content.read", "discussion.write"] {
            let ask = |repo: &str| CAST.ask(&caller, action, &uid("Repo", repo));
            let (hidden, missing) = (ask("models/acme/priv"), ask("models/acme/missing"));
            assert!(hidden.hidden && missing.hidden);
            assert_eq!(hidden.reason, missing.reason, "{caller:?} {action}");
        }
    }
}

#[test]
fn eve_is_told_which_kind_of_thing_was_not_found() {
    let eve = Caller::user("eve");
    says(&of(&eve, "collection.read", "Collection", "acme/priv"), 404, "Collection not found");
    says(&of(&eve, "inference.endpoints.write", "Endpoint", "acme/ep"), 404, "Endpoint not found");
    says(&of(&eve, "org.read", "Organization", "missing"), 404, "Organization not found");
}

#[test]
fn anonymous_is_told_to_log_in_at_a_gate() {
    let text = |kind: &str, repo: &str| {
        format!(
            "Access to {kind} {repo} is restricted. You must have access to it and be authenticated to access it. \
             Please log in."
        )
    };
    for (kind, repo) in
        [("model", "models/acme/gated"), ("dataset", "datasets/acme/mgated"), ("space", "spaces/acme/gated")]
    {
        let reason = refusal(&Caller::anonymous(), "repo.content.read", repo);
        says(&reason, 401, &text(kind, repo));
        assert_eq!(reason.code, "gate_request");
    }
}

#[test]
fn a_user_is_told_the_state_of_the_request_at_a_gate() {
    let told = |user: &str| refusal(&Caller::user(user), "repo.content.read", "models/acme/gated");
    let gate = "Access to model models/acme/gated is restricted";
    says(
        &told("eve"),
        403,
        &format!("{gate} and you are not in the authorized list. Visit its page to ask for access."),
    );
    let request = "Your request to access model models/acme/gated";
    says(
        &told("pete"),
        403,
        &format!("{request} is awaiting a review from the repo authors; its page shows the state of it."),
    );
    says(
        &told("roy"),
        403,
        &format!("{request} has been rejected by the repo authors, and you may not ask again; only they can reset it."),
    );
}

#[test]
fn ann_who_was_accepted_is_told_to_let_her_token_read_gated_repositories() {
    let reason = refusal(&Caller::token("ann-bare"), "repo.content.read", "models/acme/gated");
    let text = "Please enable access to public gated repositories in your fine-grained token settings to view this \
                repository.";
    says(&reason, 403, text);
}

#[test]
fn alice_is_told_that_the_repository_is_disabled() {
    says(
        &refusal(&Caller::user("alice"), "repo.write", "models/acme/off"),
        403,
        "Access to this resource is disabled.",
    );
}

#[test]
fn rita_who_only_reads_is_told_which_level_writes_and_where() {
    for (action, repo) in [
        ("repo.write", "models/acme/priv"),
        ("repo.delete", "models/acme/pub"),
        ("repo.access.read", "models/acme/priv"),
    ] {
        let reason = refusal(&Caller::user("rita"), action, repo);
        assert_eq!((reason.code.as_str(), reason.status), ("user_right", 403));
        let start = "You have read access but not the required permissions for this operation";
        assert!(reason.message.starts_with(start), "{}", reason.message);
        assert!(reason.message.contains("the `write` level in acme"), "{}", reason.message);
    }
}

#[test]
fn who_lacks_a_right_in_an_organization_is_told_the_level_it_takes() {
    let told = |user: &str, action: &str, type_name: &str, id: &str| {
        let reason = of(&Caller::user(user), action, type_name, id);
        assert_eq!((reason.code.as_str(), reason.status), ("user_right", 403));
        reason.message
    };
    for (user, action, type_name, id, level, place) in [
        ("rita", "repo.create", "Organization", "acme", "`contributor`", "acme"),
        ("nora", "repo.create", "ResourceGroup", "acme/red-team", "`contributor`", "acme/red-team"),
        ("eve", "org.read", "Organization", "acme", "`read`", "acme"),
        ("wanda", "org.write", "Organization", "acme", "`admin`", "acme"),
        ("wanda", "resourceGroup.write", "Organization", "acme", "`admin`", "acme"),
        ("carl", "collection.write", "Collection", "acme/priv", "`write`", "acme"),
        ("carl", "inference.endpoints.write", "Endpoint", "acme/ep", "`write`", "acme"),
        ("eve", "inference.serverless.write", "Organization", "acme", "`read`", "acme"),
        ("eve", "job.write", "Organization", "acme", "`read`", "acme"),
        ("eve", "user.billing.read", "User", "bob", "Only", "bob"),
        ("eve", "token.manage", "User", "bob", "Only", "bob"),
        ("wanda", "token.review", "Organization", "acme", "`admin`", "acme"),
    ] {
        let message = told(user, action, type_name, id);
        assert!(message.contains(level) && message.contains(place), "{action}: {message}");
    }
}

#[test]
fn an_expired_token_says_so_and_the_other_dead_ones_are_answered_alike() {
    let told = |caller: &Caller| refusal(caller, "repo.read", "models/acme/pub");
    says(&told(&Caller::token("wanda-expired")), 401, "User Access Token \"wanda-expired\" is expired");
    let through = |user: &str, token: &str| Caller::user(user).through(uid("AccessToken", token));
    for dead in [
        Caller::token("wanda-norole"),
        Caller::token("wanda-deleted"),
        Caller::token("no-such-token"),
        Caller::token("dora-write"),
        through("eve", "wanda-write"),
        through("wanda", "no-such-token"),
        Caller::anonymous().through(uid("AccessToken", "wanda-write")),
    ] {
        says(&told(&dead), 401, "Invalid credentials in Authorization header");
    }
}

#[test]
fn a_read_token_that_tries_more_is_told_its_role_and_the_action() {
    let reason = refusal(&Caller::token("wanda-read"), "repo.write", "models/acme/priv");
    assert_eq!((reason.code.as_str(), reason.status), ("token_role", 403));
    for part in ["`wanda-read`", "`read`", "repo.write"] {
        assert!(reason.message.contains(part), "{}", reason.message);
    }
}

#[test]
fn a_fine_grained_token_is_told_the_permission_and_the_target_it_lacks() {
    for (token, action, type_name, id, permission, targets) in [
        (
            "wanda-push",
            "repo.content.read",
            "Repo",
            "models/acme/priv",
            "repo.content.read",
            ["models/acme/priv", "acme"],
        ),
        ("wanda-content", "repo.delete", "Repo", "models/acme/priv", "repo.write", ["models/acme/priv", "acme"]),
        (
            "wanda-content",
            "repo.access.read",
            "Repo",
            "models/acme/priv",
            "repo.access.read",
            ["models/acme/priv", "acme"],
        ),
        ("bob-billing", "discussion.write", "Repo", "spaces/bob/pub", "discussion.write", ["spaces/bob/pub", "bob"]),
        ("alice-collections", "collection.write", "Collection", "acme/priv", "collection.write", ["acme", "acme"]),
        (
            "alice-bare",
            "inference.endpoints.write",
            "Endpoint",
            "acme/ep",
            "inference.endpoints.write",
            ["acme", "acme"],
        ),
        ("alice-bare", "repo.create", "ResourceGroup", "acme/lonely", "repo.write", ["acme", "acme"]),
        ("wanda-push", "repo.create", "User", "wanda", "repo.write", ["wanda", "wanda"]),
        ("alice-bare", "org.write", "Organization", "acme", "org.write", ["acme", "acme"]),
        ("bob-post", "user.billing.read", "User", "bob", "user.billing.read", ["bob", "bob"]),
    ] {
        let reason = of(&Caller::token(token), action, type_name, id);
        assert_eq!((reason.code.as_str(), reason.status), ("token_permission", 403), "{token} {action}");
        let named =
            reason.message.contains(&format!("`{permission}`")) && reason.message.contains(&format!("`{token}`"));
        let on = |target: &str| reason.message.contains(&format!(" on {target}"));
        assert!(named && targets.iter().all(|target| on(target)), "{token} {action}: {}", reason.message);
    }
}

#[test]
fn an_organizations_demands_name_the_organization_and_the_token() {
    for (token, org, code) in [
        ("wanda-write", "finegrained", "token_policy"),
        ("wanda-write", "approved", "token_policy"),
        ("wanda-revoked", "acme", "token_revoked"),
        ("wanda-write", "mfa", "mfa_required"),
    ] {
        let reason = refusal(&Caller::token(token), "repo.write", &format!("models/{org}/priv"));
        assert_eq!((reason.code.as_str(), reason.status), (code, 403));
        let token_is_named = code == "mfa_required" || reason.message.contains(&format!("`{token}`"));
        assert!(reason.message.starts_with(org) && token_is_named, "{}", reason.message);
    }
}

#[test]
fn no_message_has_an_unfilled_placeholder() {
    for (action, type_name) in &*crate::support::world::CELLS {
        for resource in CAST.of(type_name) {
            for caller in
                [Caller::anonymous(), Caller::user("rita"), Caller::token("wanda-bare"), Caller::token("wanda-read")]
            {
                let answer = CAST.ask(&caller, action, &resource);
                let message = answer.reason.as_ref().map_or("", |reason| reason.message.as_str());
                let holes = ["{", "}", "  ", "``", " in ;", " on ,", " on ."];
                let hole = holes.iter().find(|hole| message.contains(**hole));
                assert!(hole.is_none(), "{} {action} {resource}: {message}", code(&answer));
            }
        }
    }
}
