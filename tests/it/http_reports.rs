//! `GET /v1/who-can` and `GET /v1/tokens/{id}/reach`.

use hubwarden::entity::{Record, Uid};
use hubwarden::store::ListQuery;
use hubwarden::warden::{Api, Asked, Scope};
use serde_json::{Value as Json, json};

use crate::http_support::{Served, World};

fn served() -> (Served, String) {
    let served = World::cast().serve();
    let key = served.key(&[Scope::Audit]);
    (served, key)
}

fn uid(json: &Json) -> Uid {
    Uid::new(json["type"].as_str().unwrap(), json["id"].as_str().unwrap())
}

fn allowed(served: &Served, subject: &Json, action: &Uid, resource: &Json) -> bool {
    let (principal, action, resource) = (uid(subject), action.clone(), uid(resource));
    let asked = Asked { principal, action, resource, context: Record::new(), entities: Vec::new() };
    let ruling = served.warden.session(Api::Cli, None).unwrap().ask(asked);
    ruling.is_ok_and(|ruling| ruling.answer.allowed())
}

fn stored(served: &Served, kind: &str) -> Vec<Json> {
    let bundle = served.warden.bundle();
    let type_name = bundle.entity_type(kind).unwrap();
    if let Some(ids) = bundle.listed(&type_name) {
        return ids.iter().map(|id| json!({"type": type_name, "id": id})).collect();
    }
    let query = ListQuery { type_name: Some(type_name.to_string()), id_prefix: String::new() };
    let found = served.warden.session(Api::Cli, None).unwrap().list(&query, None, 1_000).unwrap();
    found.iter().map(|stored| stored.entity.uid.to_json()).collect()
}

#[test]
fn a_review_names_all_who_may_with_what_gives_it() {
    let (served, key) = served();
    let repo = stored(&served, "repo")[0].clone();
    let got = served.get(&key, &format!("/v1/who-can?action=repo.write&resource={}", repo["id"].as_str().unwrap()));
    assert_eq!(got.status, 200, "{}", got.text);
    let review = got.json();
    assert_eq!((&review["resource"], &review["way"]), (&repo, &json!("index")));
    let grantees = review["grantees"].as_array().unwrap();
    let who: Vec<Json> = grantees.iter().map(|grantee| json!({"type": grantee["type"], "id": grantee["id"]})).collect();
    let write = Uid::new("Hub::Action", "repo.write");
    let everyone = ["anonymous", "user", "access_token"].into_iter().flat_map(|kind| stored(&served, kind));
    let truth: Vec<Json> = everyone.filter(|who| allowed(&served, who, &write, &repo)).collect();
    assert_eq!(who, truth);
    assert!(!truth.is_empty());
    for grantee in grantees {
        let grants = grantee["grants"].as_array().unwrap();
        assert!(!grants.is_empty(), "{grantee}");
        for grant in grants {
            assert!(!grant["comment"].as_str().unwrap().is_empty());
            // Each path begins with whoever it is about, or with what belongs to the resource.
            let chains: Vec<&Json> = grant["path"].as_array().unwrap().iter().map(|step| &step["chain"]).collect();
            let principal = if grantee["acts_for"].is_null() { &grantee["id"] } else { &grantee["acts_for"]["id"] };
            assert!(chains.iter().any(|chain| chain[0]["id"] == *principal), "{grantee}");
        }
    }
}

#[test]
fn a_review_goes_by_pages() {
    let (served, key) = served();
    let repo = stored(&served, "repo")[0]["id"].as_str().unwrap().to_owned();
    let whole = served.get(&key, &format!("/v1/who-can?action=repo.read&resource=repo:{repo}&limit=1000")).json();
    let mut joined = Vec::new();
    let mut path = format!("/v1/who-can?action=repo.read&resource=repo:{repo}&limit=20");
    loop {
        let page = served.get(&key, &path).json();
        joined.extend(page["grantees"].as_array().unwrap().iter().cloned());
        match page["next_page_token"].as_str() {
            Some(token) => path = format!("/v1/who-can?action=repo.read&resource=repo:{repo}&page_token={token}"),
            None => break,
        }
    }
    let ids = |grantees: &[Json]| grantees.iter().map(|grantee| grantee["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&joined), ids(whole["grantees"].as_array().unwrap()));
    assert!(joined.len() > 20);
}

#[test]
fn a_review_of_what_is_unknown_is_a_400_that_names_it() {
    let (served, key) = served();
    let refused = |query: &str, field: &str| {
        let got = served.get(&key, &format!("/v1/who-can?{query}"));
        assert_eq!((got.status, got.field().as_str()), (400, field), "{query}");
    };
    refused("resource=repo:models/acme/m1", "action");
    refused("action=repo.write", "resource");
    refused("action=repo.launch&resource=m1", "action");
    // This action is for several types.
    refused("action=repo.create&resource=acme", "resource");
    refused("action=repo.write&resource=m1&page_token=forged", "page_token");
}

#[test]
fn the_reach_of_a_token_is_what_deciding_about_everything_comes_to() {
    let (served, key) = served();
    let actions = served.warden.bundle();
    let anonymous = json!({"type": "Hub::Anonymous", "id": "anonymous"});
    // Every so many: the cast has over a hundred.
    for token in stored(&served, "access_token").into_iter().step_by(11) {
        let got = served.get(&key, &format!("/v1/tokens/{}/reach", token["id"].as_str().unwrap()));
        assert_eq!(got.status, 200, "{}", got.text);
        let reach = got.json();
        assert_eq!(reach["complete"], true);
        let mut truth = (0, 0);
        for kind in ["repo", "organization", "user", "collection", "endpoint", "resource_group"] {
            let resources = stored(&served, kind);
            for (action, _) in actions.actions() {
                for resource in &resources {
                    if allowed(&served, &token, action, resource) {
                        match allowed(&served, &anonymous, action, resource) {
                            true => truth.1 += 1,
                            false => truth.0 += 1,
                        }
                    }
                }
            }
        }
        let counted = |list: &Json| -> u64 {
            list.as_array().unwrap().iter().map(|doing| doing["count"].as_u64().unwrap()).sum()
        };
        let places = reach["places"].as_array().unwrap();
        let found: u64 = places.iter().map(|place| counted(&place["actions"])).sum();
        assert_eq!((found, counted(&reach["anyone"])), truth, "{token}");
        assert_eq!(reach["total"], found);
        // The worst first, everywhere.
        let harms: Vec<u64> = places.iter().map(|place| place["harm"].as_u64().unwrap()).collect();
        assert!(harms.is_sorted_by(|a, b| a >= b), "{harms:?}");
        for place in places {
            let harms: Vec<u64> =
                place["actions"].as_array().unwrap().iter().map(|doing| doing["harm"].as_u64().unwrap()).collect();
            assert!(harms.is_sorted_by(|a, b| a >= b) && place["harm"] == harms[0], "{place}");
        }
    }
}

#[test]
fn a_report_that_counts_less_than_there_is_says_so() {
    let (served, key) = served();
    let token = stored(&served, "access_token")[0]["id"].as_str().unwrap().to_owned();
    let reach = served.get(&key, &format!("/v1/tokens/{token}/reach?limit=1")).json();
    assert_eq!(reach["complete"], false);
    assert!(!reach["cut"].as_array().unwrap().is_empty());
    assert_eq!(served.get(&key, &format!("/v1/tokens/{token}/reach?limit=0")).status, 400);
}

#[test]
fn reports_take_the_right_to_see_everything() {
    let served = World::hub().serve();
    let key = served.key(&[Scope::Evaluate, Scope::Read, Scope::Tokens]);
    assert_eq!(served.get(&key, "/v1/who-can?action=repo.write&resource=models/acme/m1").status, 403);
    assert_eq!(served.get(&key, "/v1/tokens/t1/reach").status, 403);
}

#[test]
fn a_token_that_is_not_stored_reaches_nothing() {
    let (served, key) = served();
    let reach = served.get(&key, "/v1/tokens/never/reach").json();
    assert_eq!((&reach["acts_for"], &reach["total"], &reach["anyone"]), (&Json::Null, &json!(0), &json!([])));
}
