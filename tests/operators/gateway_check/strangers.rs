//! A `PUBLIC_BASE_URL` that leads to somebody else: nobody there learns the secret address, and no webhook is set to it.
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::Uri;
use axum::response::{Html, IntoResponse, Redirect, Response};

use super::*;

const WHAT: &str = "webhook's address";

/// A server that is not this API, and the paths that it was asked for.
struct Stranger {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Stranger {
    async fn new(answer: fn(&str) -> Response) -> Self {
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = Arc::clone(&asked);
        let router = Router::new().fallback(move |uri: Uri| async move {
            seen.lock().unwrap().push(uri.path().to_owned());
            answer(uri.path())
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, router).into_future());
        Self { url, asked }
    }

    /// Whether anybody has told it the secret address.
    fn knows_the_address(&self) -> bool {
        let asked = self.asked.lock().unwrap();
        asked.iter().any(|path| path.contains("/api/webhooks/"))
    }
}

fn page(_: &str) -> Response {
    Html("<h1>Welcome</h1>").into_response()
}

fn redirect(path: &str) -> Response {
    Redirect::permanent(&format!("https://www.example{path}")).into_response()
}

/// Another product that is up, and says so in its own words.
fn other_health(_: &str) -> Response {
    axum::Json(serde_json::json!({"success": true, "data": {"healthy": true}})).into_response()
}

/// Something that answers the first question like this API, and the second like a page.
fn half_ours(path: &str) -> Response {
    match path {
        "/api/health" => {
            let data = serde_json::json!({"status": "up"});
            axum::Json(serde_json::json!({"success": true, "data": data})).into_response()
        }
        _ => page(path),
    }
}

#[tokio::test]
async fn a_stranger_at_the_address_of_the_api_learns_nothing_and_gets_no_webhooks() {
    for (case, answer, learns, found) in [
        ("a page", page as fn(&str) -> Response, false, "answers 200"),
        ("a redirect", redirect, false, "answers 308"),
        ("another product", other_health, false, "answers 200"),
        ("a page behind our health", half_ours, true, "answers 200"),
    ] {
        let stranger = Stranger::new(answer).await;
        let site = Site::new("c").await.set("PUBLIC_BASE_URL", &stranger.url);
        let token = SessionToken::new(SYSTEM);
        let webhook = async || site.client().webhook(&token, Duration::from_secs(5)).await;
        let before = webhook().await.unwrap();
        for typed in [&["system"][..], &["system", "--set-webhook"]] {
            let checked = site.check(typed).await;
            assert_eq!(checked.status, 1, "{case}: {}", checked.said);
            checked.has(case, ("wrong", WHAT, found));
            checked.has(case, ("wrong", WHAT, "Set PUBLIC_BASE_URL"));
            checked.has(
                case,
                ("wrong", "webhook", "Set PUBLIC_BASE_URL right first"),
            );
        }
        assert_eq!(webhook().await.unwrap(), before, "{case}");
        assert_eq!(stranger.knows_the_address(), learns, "{case}");
    }
}

#[tokio::test]
async fn a_webhook_is_set_only_to_an_api_that_knows_its_address() {
    let other = Site::new("b").await;
    for (case, base) in [
        ("another deployment", other.api.as_str()),
        ("nobody", "http://127.0.0.1:1"),
    ] {
        let site = Site::new("b").await.set("PUBLIC_BASE_URL", base);
        let token = SessionToken::new(SYSTEM);
        let webhook = async || site.client().webhook(&token, Duration::from_secs(5)).await;
        let before = webhook().await.unwrap();
        let checked = site.check(&["system", "--set-webhook"]).await;
        assert_eq!(checked.status, 1, "{case}: {}", checked.said);
        checked.has(case, ("left out", "webhook", "nothing was changed"));
        assert_eq!(webhook().await.unwrap(), before, "{case}");
    }
}
