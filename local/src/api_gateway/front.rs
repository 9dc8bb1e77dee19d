//! What API Gateway does before and after a function: CORS and the throttles of the routes, as the template has them.
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::body::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN,
    VARY,
};
use http::uri::Uri;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use shared::platform::timestamp::Timestamp;

use crate::template::{Cors, Front, Throttle};

/// CORS and throttles of one API.
#[derive(Debug)]
pub struct FrontDoor {
    front: Front,
    buckets: Mutex<HashMap<String, Bucket>>,
}

/// Tokens of a route: one a request, refilled at the route's rate up to its burst.
#[derive(Debug)]
struct Bucket {
    tokens: f64,
    at: Timestamp,
}

impl FrontDoor {
    /// The door of an API with these settings; all buckets are full.
    pub fn new(front: Front) -> Self {
        Self {
            front,
            buckets: Mutex::default(),
        }
    }

    /// The answer to a browser that asks whether it may send a request; `None` for any other request.
    pub fn preflight(&self, method: &Method, headers: &HeaderMap) -> Option<Response<Bytes>> {
        let asks = method == Method::OPTIONS
            && headers.contains_key(ORIGIN)
            && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if !asks {
            return None;
        }
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::NO_CONTENT;
        if let Some(origin) = allowed_origin(headers) {
            let Cors {
                allow_methods,
                allow_headers,
                max_age,
                ..
            } = &self.front.cors;
            let answer = response.headers_mut();
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            put(
                answer,
                ACCESS_CONTROL_ALLOW_METHODS,
                &allow_methods.join(","),
            );
            put(
                answer,
                ACCESS_CONTROL_ALLOW_HEADERS,
                &allow_headers.join(","),
            );
            put(answer, ACCESS_CONTROL_MAX_AGE, &max_age.to_string());
        }
        Some(response)
    }

    /// Lets a page of this machine read the answer to a request with `asked` headers.
    pub fn open(&self, asked: &HeaderMap, answer: &mut HeaderMap) {
        answer.insert(VARY, HeaderValue::from_static("origin"));
        if let Some(origin) = allowed_origin(asked) {
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            let exposed = self.front.cors.expose_headers.join(",");
            put(answer, ACCESS_CONTROL_EXPOSE_HEADERS, &exposed);
        }
    }

    /// Whether the route with this key takes one more request now.
    pub fn admits(&self, route: &str, now: Timestamp) -> bool {
        let Throttle { rate, burst } = self.front.throttle(route);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.entry(route.to_owned()).or_insert(Bucket {
            tokens: burst,
            at: now,
        });
        let refilled = now.since(bucket.at).as_secs_f64() * rate;
        bucket.tokens = (bucket.tokens + refilled).min(burst);
        bucket.at = now;
        let admits = bucket.tokens >= 1.0;
        if admits {
            bucket.tokens -= 1.0;
        }
        admits
    }
}

fn put(headers: &mut HeaderMap, name: http::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// The origin of a page that this machine serves. On AWS the stack's parameter names the origins.
fn allowed_origin(headers: &HeaderMap) -> Option<&HeaderValue> {
    let origin = headers.get(ORIGIN)?;
    let uri: Uri = origin.to_str().ok()?.parse().ok()?;
    let host = uri.host()?;
    let here = ["localhost", "127.0.0.1", "[::1]"].contains(&host) || host.ends_with(".localhost");
    here.then_some(origin)
}
