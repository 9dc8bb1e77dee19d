use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::Reply;

/// A place in `openapi.yaml`: the JSON pointer and what is there, behind all references.
#[derive(Clone, Debug)]
pub struct Place {
    pointer: String,
    node: &'static Value,
}

impl Place {
    /// What is at `pointer`, if anything is.
    pub fn at(pointer: &str) -> Option<Self> {
        let node = document().pointer(pointer)?;
        match node["$ref"].as_str() {
            Some(target) => Self::at(target.strip_prefix('#')?),
            None => Some(Self {
                pointer: pointer.to_owned(),
                node,
            }),
        }
    }

    /// What is under `key` here, if anything is.
    pub fn get(&self, key: &str) -> Option<Self> {
        let key = key.replace('~', "~0").replace('/', "~1");
        Self::at(&format!("{pointer}/{key}", pointer = self.pointer))
    }

    /// The keys here.
    pub fn keys(&self) -> impl Iterator<Item = &'static str> {
        let object = self.node.as_object().into_iter();
        object.flat_map(|object| object.keys().map(String::as_str))
    }

    /// What is here.
    pub fn value(&self) -> &'static Value {
        self.node
    }

    /// What is wrong with `instance` as an instance of the schema here; nothing when it fits.
    pub fn complaints(&self, instance: &Value) -> Vec<String> {
        let errors = self.validator();
        let errors = errors.iter_errors(instance);
        errors
            .map(|error| format!("{place}: {error}", place = error.instance_path()))
            .collect()
    }

    fn validator(&self) -> Arc<Validator> {
        static KNOWN: Mutex<BTreeMap<String, Arc<Validator>>> = Mutex::new(BTreeMap::new());
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let validator = known.entry(self.pointer.clone()).or_insert_with(|| {
            // The references of a schema lead into the whole document, so the whole document is the schema.
            let mut schema = document().clone();
            // Braces, which the path of a webhook has, are not for a URI.
            let pointer = self.pointer.replace('{', "%7B").replace('}', "%7D");
            schema["$ref"] = json!(format!("#{pointer}"));
            let options = jsonschema::draft202012::options().should_validate_formats(true);
            Arc::new(options.build(&schema).expect("a schema"))
        });
        Arc::clone(validator)
    }
}

/// All of `openapi.yaml`.
pub fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| {
        let text = include_str!("../../openapi.yaml");
        serde_yaml_ng::from_str(text).expect("openapi.yaml is YAML")
    })
}

/// The path of the document that `path` is one of: a part in braces stands for any. Others are as they are.
pub fn documented(path: &str) -> &str {
    let fits = |known: &&str| {
        let (known, given) = (known.split('/'), path.split('/'));
        known.clone().count() == given.clone().count()
            && known
                .zip(given)
                .all(|(known, given)| known == given || known.starts_with('{'))
    };
    let known = Place::at("/paths").and_then(|paths| paths.keys().find(fits));
    known.unwrap_or(path)
}

/// The response that is documented for such a request and status, if there is one.
fn response(method: &str, path: &str, status: u16) -> Option<Place> {
    let route = Place::at("/paths")?.get(documented(path));
    let operation = route
        .as_ref()
        .and_then(|route| route.get(&method.to_ascii_lowercase()));
    let shared = match (&route, &operation) {
        (_, Some(operation)) => return operation.get("responses")?.get(&status.to_string()),
        (route, None) if status == 405 && (route.is_some() || leads_to_pages(path)) => {
            "/x-without-route/MethodNotAllowed"
        }
        (None, _) if status == 404 => "/x-without-route/NotFound",
        // API Gateway's own answers, which no route is needed for.
        _ => "/components/responses/Crashed",
    };
    Place::at(shared)
}

/// Holds a reply against `openapi.yaml`.
///
/// # Panics
/// When the document does not have such a reply.
pub fn check(method: &str, path: &str, reply: &Reply) {
    let path = path.split('?').next().unwrap_or(path);
    let complaints = if is_page(path, reply) {
        complaints_of_page(reply)
    } else {
        complaints(method, path, reply)
    };
    assert!(
        complaints.is_empty(),
        "openapi.yaml: {method} {path} answered {status} {json}: {complaints:#?}",
        status = reply.status,
        json = reply.json,
    );
}

/// Whether a route leads to pages for people, which `openapi.yaml` does not have.
pub fn leads_to_pages(path: &str) -> bool {
    path == "/admin" || path.starts_with("/admin/")
}

/// Whether a page answers. Refusals for want of a route, and API Gateway's own, are JSON everywhere.
fn is_page(path: &str, reply: &Reply) -> bool {
    leads_to_pages(path) && reply.json.is_null()
}

/// The most that a page may do, and what no browser may do with it.
const PAGE_HEADERS: [(&str, &str); 5] = [
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("strict-transport-security", "max-age=63072000"),
];

/// What is wrong with a page: a header that is missing, a way that leads elsewhere, or something that runs in it.
fn complaints_of_page(reply: &Reply) -> Vec<String> {
    let header = |name: &str| {
        reply
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let mut complaints = Vec::new();
    // Stylesheets and scripts are no secret.
    let is_page = header("content-type").is_none_or(|content| content.starts_with("text/html"));
    for (name, value) in PAGE_HEADERS {
        if header(name) != Some(value) && (is_page || name != "cache-control") {
            complaints.push(format!("{name} is {:?}", header(name)));
        }
    }
    let elsewhere = header("location")
        .filter(|path| !leads_to_pages(path.split('?').next().unwrap_or_default()));
    complaints.extend(elsewhere.map(|path| format!("the way leads to {path}")));
    let html = String::from_utf8_lossy(&reply.body).to_ascii_lowercase();
    let active = [
        "<script>",
        "style=",
        "javascript:",
        " onclick",
        " onload",
        "<iframe",
    ];
    let found = active
        .into_iter()
        .filter(|active| is_page && html.contains(active));
    complaints.extend(found.map(|active| format!("the page has {active}")));
    complaints
}

fn complaints(method: &str, path: &str, reply: &Reply) -> Vec<String> {
    let Some(response) = response(method, path, reply.status) else {
        return vec!["this status is not documented".into()];
    };
    let header = |name: &str| {
        reply
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let mut complaints = Vec::new();
    // The answer to a form: the way back to its page.
    if response.get("content").is_none() {
        let to_page = header("location")
            .is_some_and(|path| leads_to_pages(path.split('?').next().unwrap_or_default()));
        if !to_page || !reply.body.is_empty() {
            complaints.push("nothing but the way to a page is documented".into());
        }
        return complaints;
    }
    let has_page = response
        .get("content")
        .is_some_and(|content| content.get("text/html").is_some());
    if has_page && header("content-type") == Some("text/html; charset=utf-8") {
        return complaints_of_page(reply);
    }
    if header("content-type") != Some("application/json") {
        complaints.push("the content type is not application/json".into());
    }
    let schema = response
        .get("content")
        .and_then(|content| content.get("application/json")?.get("schema"));
    match schema {
        Some(schema) => complaints.extend(schema.complaints(&reply.json)),
        None => complaints.push("no schema is documented".into()),
    }
    if let Some(headers) = response.get("headers") {
        for name in headers.keys() {
            let documented = headers.get(name).expect("a header");
            match (header(name), documented.get("schema")) {
                (Some(value), Some(schema)) => complaints.extend(schema.complaints(&json!(value))),
                (None, _) if documented.value()["required"] == true => {
                    complaints.push(format!("the header {name} is missing"));
                }
                _ => {}
            }
        }
    }
    let said = reply.json["retryAfterSeconds"].as_u64();
    if said.map(|seconds| seconds.to_string()).as_deref() != header("retry-after") {
        complaints.push("Retry-After and retryAfterSeconds differ".into());
    }
    complaints
}
