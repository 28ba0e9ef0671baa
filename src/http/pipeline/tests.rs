//! What no real route does on purpose: panicking, taking too long, taking up the room.

use std::future::pending;
use std::time::Duration;

use axum::body::{Body as HttpBody, to_bytes};
use axum::http::Request as HttpRequest;
use serde_json::Value as Json;

use super::*;
use crate::http::options::Limits;
use crate::http::page_token::PageTokens;
use crate::http::router::Router;
use crate::http::routes::Verb;
use crate::hub::Hub;
use crate::pdp::Bundle;
use crate::store::MemoryStore;
use crate::tokens::{HashKey, Prefix};
use crate::warden::{BundleOrigin, Warden, embedded};

static ROUTES: &[Route] = &[
    test_route("/panics", |_| Box::pin(async { panic!("a defect with hwk_secret in it") })),
    test_route("/blocks-and-panics", |call| Box::pin(call.blocking(|_| panic!("another")))),
    test_route("/hangs", |call| Box::pin(hangs(call))),
];

async fn hangs(_call: Call) -> Answered {
    pending().await
}

const fn test_route(
    path: &'static str,
    handler: fn(Call) -> std::pin::Pin<Box<dyn Future<Output = Answered> + Send>>,
) -> Route {
    let (verb, access, effect) = (Verb::Get, Access::Scopes(&[crate::warden::Scope::Read]), Effect::Reads);
    Route { verb, path, access, effect, about: "", body: Body::None, query: &[], reply: None, handler }
}

fn app(limits: Limits) -> Arc<App> {
    let store = Arc::new(MemoryStore::new().unwrap());
    let bundle = Bundle::build(embedded()).unwrap();
    let clock = Arc::new(crate::clock::SystemClock);
    let warden = Warden::new(store, bundle, BundleOrigin::Embedded, clock).unwrap();
    let hub = Hub::open(Arc::new(warden), HashKey::random().unwrap(), Prefix::default()).unwrap();
    Arc::new(App::new(Arc::new(hub), limits, String::new(), PageTokens::new().unwrap()))
}

async fn get(app: &Arc<App>, path: &str) -> (u16, Option<String>, Json) {
    let request = HttpRequest::get(path).header("Host", "localhost").body(HttpBody::empty()).unwrap();
    let target =
        Router::new(ROUTES, |method, path| app.warden.metrics().route(method, path)).find(request.method(), path);
    let response = serve(Arc::clone(app), target, IpAddr::from([127, 0, 0, 1]), request).await;
    let id = response.headers().get("x-request-id").map(|id| id.to_str().unwrap().to_owned());
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), 10_000).await.unwrap();
    (status, id, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn a_panic_is_a_500_in_the_one_envelope_that_tells_nothing_of_it() {
    let app = app(Limits::default());
    for path in ["/panics", "/blocks-and-panics"] {
        let (status, id, body) = get(&app, path).await;
        assert_eq!((status, body["error"]["code"].as_str()), (500, Some("internal")));
        assert!(id.is_some());
        assert!(!body.to_string().contains("hwk_"), "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_takes_too_long_is_a_503() {
    let app = app(Limits { deadline: Duration::from_secs(1), ..Limits::default() });
    let (status, _, body) = get(&app, "/hangs").await;
    assert_eq!((status, body["error"]["code"].as_str()), (503, Some("deadline_exceeded")));
}

#[tokio::test(start_paused = true)]
async fn a_request_without_room_is_a_503_to_be_tried_again_and_room_comes_back() {
    let app = app(Limits { concurrent_requests: 1, deadline: Duration::from_secs(1), ..Limits::default() });
    let (first, second) = tokio::join!(get(&app, "/hangs"), get(&app, "/hangs"));
    assert_eq!(first.2["error"]["code"], "deadline_exceeded");
    assert_eq!((second.0, second.2["error"]["code"].as_str()), (503, Some("overloaded")));
    assert_eq!(get(&app, "/hangs").await.2["error"]["code"], "deadline_exceeded");
}
