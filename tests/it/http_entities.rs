//! `/v1/entities/{type}/{*id}` and `POST /v1/entities:batch`.

use hubwarden::warden::Scope;
use serde_json::{Value as Json, json};

use crate::http_support::{Got, Served, World, bearer};

struct Writer {
    served: Served,
    key: String,
}

impl Writer {
    fn new() -> Self {
        let served = World::notes().serve();
        let key = served.key(&[Scope::Read, Scope::Write]);
        Self { served, key }
    }

    fn send(&self, method: &str, path: &str, condition: Option<(&str, &str)>, body: &Json) -> Got {
        let key = bearer(&self.key);
        let mut headers = vec![("Authorization", key.as_str()), ("Content-Type", "application/json")];
        headers.extend(condition);
        self.served.send(method, path, &headers, if body.is_null() { String::new() } else { body.to_string() })
    }

    fn get(&self, path: &str) -> Got {
        self.served.get(&self.key, path)
    }

    fn put(&self, path: &str, body: &Json) -> Got {
        self.send("PUT", path, None, body)
    }

    fn delete(&self, path: &str) -> Got {
        self.send("DELETE", path, None, &Json::Null)
    }

    fn batch(&self, body: &str) -> Got {
        let headers = [("Authorization", &*bearer(&self.key)), ("Content-Type", "application/x-ndjson")];
        self.served.send("POST", "/v1/entities:batch", &headers, body)
    }
}

const CAROL: &str = "/v1/entities/User/carol";

#[test]
fn an_entity_is_created_read_replaced_and_deleted() {
    let writer = Writer::new();
    let created = writer.put(CAROL, &json!({"attrs": {"age": 7}}));
    assert_eq!(created.status, 201, "{}", created.text);
    let read = writer.get(CAROL);
    assert_eq!(read.json(), json!({"uid": {"type": "User", "id": "carol"}, "attrs": {"age": 7}, "parents": []}));
    assert_eq!(read.header("etag"), created.header("etag"));
    assert_eq!(read.header("hubwarden-revision").unwrap(), created.json()["revision"].to_string());
    assert_eq!(writer.put(CAROL, &read.json()).status, 200, "what was read can be put");
    assert_eq!(writer.delete(CAROL).status, 200);
    let gone = writer.get(CAROL);
    assert_eq!((gone.status, gone.code().as_str()), (404, "not_found"));
    assert!(gone.json()["error"]["details"]["deleted_at_revision"].is_u64());
    assert_eq!(writer.delete(CAROL).status, 404);
}

#[test]
fn ids_are_bytes_and_paths_are_decoded_once() {
    let writer = Writer::new();
    for (path, id) in [
        ("/v1/entities/Team/models/acme/m1", "models/acme/m1"),
        ("/v1/entities/Team/models%2Facme%2Fm2", "models/acme/m2"),
        ("/v1/entities/Team/a%252Fb", "a%2Fb"),
        ("/v1/entities/Team/a%2F%2Fb", "a//b"),
        ("/v1/entities/Team/Case", "Case"),
        ("/v1/entities/Team/case", "case"),
        ("/v1/entities/Team/%C3%A9", "\u{e9}"),
        ("/v1/entities/Team/e%CC%81", "e\u{301}"),
        ("/v1/entities/Team/%22::x%5C", "\"::x\\"),
    ] {
        assert_eq!(writer.put(path, &json!({})).status, 201, "{path}");
        assert_eq!(writer.get(path).json()["uid"]["id"], id);
    }
    for path in ["a//b", "a/../b", "../b", "%2e%2e", "a/", "%FF", "%zz"] {
        let got = writer.served.get(&writer.key, &format!("/v1/entities/Team/x/{path}"));
        assert_eq!((got.status, got.field().as_str()), (400, "id"), "{path}");
    }
}

#[test]
fn a_type_that_does_not_exist_is_not_found_and_a_wrong_entity_is_refused_with_its_path() {
    let writer = Writer::new();
    assert_eq!(writer.get("/v1/entities/Robot/r").status, 404);
    for (body, field) in [
        (json!({"attrs": {"age": "old"}}), "attrs.age"),
        (json!({"attrs": {"name": "x"}}), "attrs.name"),
        (json!({"parents": [{"type": "User", "id": "bob"}]}), "parents[0]"),
        (json!({"tags": {"a": "b"}}), "tags"),
        (json!({"attributes": {}}), "attributes"),
        (json!({"uid": {"type": "User", "id": "dave"}}), "uid"),
        (json!([]), "body"),
    ] {
        let got = writer.put(CAROL, &body);
        assert_eq!((got.status, got.field().as_str()), (400, field), "{}", got.text);
    }
    assert_eq!(writer.get(CAROL).status, 404);
}

#[test]
fn a_change_can_demand_what_it_changes() {
    let writer = Writer::new();
    let body = json!({});
    assert_eq!(writer.send("PUT", CAROL, Some(("If-Match", "*")), &body).status, 412);
    let created = writer.send("PUT", CAROL, Some(("If-None-Match", "*")), &body);
    assert_eq!(created.status, 201);
    let tag = created.header("etag").unwrap();
    assert_eq!(writer.send("PUT", CAROL, Some(("If-None-Match", "*")), &body).code(), "precondition_failed");
    for stale in ["\"0\"", "\"x\"", &format!("W/{tag}")] {
        for (method, body) in [("PUT", &body), ("PATCH", &body), ("DELETE", &Json::Null)] {
            let got = writer.send(method, CAROL, Some(("If-Match", stale)), body);
            assert_eq!(got.status, 412, "{method} {stale}");
        }
    }
    let changed = writer.send("PATCH", CAROL, Some(("If-Match", tag)), &json!({"attrs": {"age": 1}}));
    assert_eq!(changed.status, 200);
    assert_eq!(writer.send("DELETE", CAROL, Some(("If-Match", tag)), &Json::Null).status, 412);
    let tag = changed.header("etag");
    assert_eq!(writer.send("DELETE", CAROL, Some(("If-Match", tag.unwrap())), &Json::Null).status, 200);
    for bad in ["1", "\"1\", \"2\"", ""] {
        assert_eq!(writer.send("PUT", CAROL, Some(("If-Match", bad)), &body).status, 400, "{bad}");
    }
}

#[test]
fn a_reader_that_has_the_entity_is_told_so() {
    let writer = Writer::new();
    let path = "/v1/entities/User/alice";
    let tag = writer.get(path).header("etag").unwrap().to_owned();
    let got = writer.send("GET", path, Some(("If-None-Match", &tag)), &Json::Null);
    assert_eq!((got.status, got.text.as_str(), got.header("etag")), (304, "", Some(tag.as_str())));
    writer.send("PATCH", path, None, &json!({"attrs": {"age": 31}}));
    assert_eq!(writer.send("GET", path, Some(("If-None-Match", &tag)), &Json::Null).status, 200);
}

#[test]
fn a_patch_sets_and_removes_attributes_and_parents() {
    let writer = Writer::new();
    let path = "/v1/entities/User/bob";
    let team = |id: &str| json!({"type": "Team", "id": id});
    let patch = json!({"attrs": {"age": 5}, "parents": {"add": [team("blue")], "remove": [team("red")]}});
    assert_eq!(writer.send("PATCH", path, None, &patch).status, 200);
    let read = writer.get(path).json();
    assert_eq!((&read["attrs"], &read["parents"]), (&json!({"age": 5}), &json!([team("blue")])));
    assert_eq!(writer.send("PATCH", path, None, &json!({"attrs": {"age": null}})).status, 200);
    assert_eq!(writer.get(path).json()["attrs"], json!({}));
    let got = writer.send("PATCH", path, None, &json!({"attrs": {"age": "x"}}));
    assert_eq!((got.status, got.field().as_str()), (400, "attrs.age"));
    assert_eq!(writer.send("PATCH", CAROL, None, &json!({})).status, 404);
}

#[test]
fn a_dead_id_comes_back_only_by_an_admins_word() {
    let writer = Writer::new();
    writer.delete("/v1/entities/User/bob");
    let got = writer.put("/v1/entities/User/bob", &json!({}));
    assert_eq!((got.status, got.code().as_str()), (409, "deleted_id"));
    assert_eq!(writer.put("/v1/entities/User/bob?revive=true", &json!({})).status, 403);
    let admin = writer.served.key(&[Scope::Write, Scope::Admin]);
    let got = writer.served.with_body("PUT", &admin, "/v1/entities/User/bob?revive=true", &json!({}));
    assert_eq!(got.status, 201);
    let got = writer.put("/v1/entities/User/bob?revived=true", &json!({}));
    assert_eq!((got.status, got.field().as_str()), (400, "revived"));
}

#[test]
fn a_batch_is_applied_whole() {
    let writer = Writer::new();
    let got = writer.batch(concat!(
        "{\"uid\":{\"type\":\"User\",\"id\":\"carol\"},\"attrs\":{}}\n",
        "\r\n",
        "{\"op\":\"patch\",\"uid\":{\"type\":\"User\",\"id\":\"carol\"},\"patch\":{\"attrs\":{\"age\":9}}}\n",
        "{\"op\":\"put\",\"entity\":{\"uid\":{\"type\":\"User\",\"id\":\"dave\"}},\"expect\":\"absent\"}\n",
        "{\"op\":\"delete\",\"uid\":{\"type\":\"User\",\"id\":\"bob\"},\"expect\":\"present\"}",
    ));
    assert_eq!((got.status, &got.json()["changes"]), (200, &json!(4)), "{}", got.text);
    assert_eq!(got.header("hubwarden-revision").unwrap(), got.json()["revision"].to_string());
    assert_eq!(writer.get(CAROL).json()["attrs"], json!({"age": 9}));
    assert_eq!(writer.get("/v1/entities/User/bob").status, 404);
}

#[test]
fn a_batch_with_one_bad_line_changes_nothing_and_names_line_and_path() {
    let writer = Writer::new();
    let head = writer.served.warden.revision().unwrap();
    let good = "{\"uid\":{\"type\":\"User\",\"id\":\"carol\"}}";
    for (bad, path, status) in [
        ("{\"uid\":{\"type\":\"User\",\"id\":\"d\"},\"attrs\":{\"age\":\"x\"}}", json!("attrs.age"), 400),
        ("{\"uid\":", json!("body"), 400),
        ("{\"op\":\"fly\"}", json!("op"), 400),
        ("{\"op\":\"delete\"}", json!("uid"), 400),
        ("{\"op\":\"delete\",\"uid\":{\"type\":\"User\",\"id\":\"x\"},\"expect\":\"maybe\"}", json!("expect"), 400),
        ("{\"op\":\"delete\",\"uid\":{\"type\":\"User\",\"id\":\"x\"},\"expect\":\"present\"}", json!(null), 412),
        ("{\"op\":\"patch\",\"uid\":{\"type\":\"User\",\"id\":\"x\"},\"patch\":{}}", json!(null), 404),
    ] {
        let got = writer.batch(&format!("{good}\n\n{bad}\n{good}"));
        assert_eq!(got.status, status, "{}", got.text);
        assert_eq!(got.json()["error"]["details"], json!({"line": 3, "path": path}), "{}", got.text);
        assert!(got.json()["error"]["message"].as_str().unwrap().starts_with("line 3: "));
    }
    assert_eq!(writer.served.warden.revision().unwrap(), head);
    assert_eq!(writer.get(CAROL).status, 404);
}

#[test]
fn a_store_that_stopped_is_a_503_and_never_an_answer() {
    let writer = Writer::new();
    let key = writer.served.all();
    writer.served.warden.close().unwrap();
    let question = json!({"principal": "User::\"alice\"", "action": "read", "resource": "Note::\"n1\""});
    let authzen = json!({"subject": {"type": "User", "id": "alice"}, "action": {"name": "read"},
                         "resource": {"type": "Note", "id": "n1"}, "evaluations": [{}]});
    for got in [
        writer.get("/v1/entities/User/alice"),
        writer.get("/v1/entities"),
        writer.put(CAROL, &json!({})),
        writer.delete("/v1/entities/User/bob"),
        writer.served.post(&key, "/v1/authorize", &question),
        writer.served.post(&key, "/access/v1/evaluations", &authzen),
        writer.served.get(&key, "/metrics"),
    ] {
        assert_eq!((got.status, got.code().as_str()), (503, "store_unavailable"), "{}", got.text);
    }
}
