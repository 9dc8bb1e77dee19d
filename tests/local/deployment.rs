//! What is written beside `template.yaml` says the same as `template.yaml`.
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use lambda_http::Request;
use lambda_http::request::LambdaRequest;
use local::functions;
use local::template::{Schedule, Template};
use serde_json::Value;
use tests::contract::documented;

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

pub fn lambda_metadata() -> toml::Value {
    let manifest = fs::read_to_string(repository().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    manifest["workspace"]["metadata"]["lambda"].clone()
}

#[test]
fn every_function_has_a_route_and_every_route_a_function() {
    let template = Template::compiled_in().unwrap();
    let routed: BTreeSet<_> = template
        .routes
        .iter()
        .map(|route| route.function.as_str())
        .collect();
    let known: BTreeSet<_> = functions::ALL.iter().map(|(folder, _)| *folder).collect();
    assert_eq!(
        routed, known,
        "in template.yaml, and in local/src/functions.rs"
    );
}

#[test]
fn cargo_lambda_watch_has_the_routes_of_the_template() {
    let metadata = lambda_metadata();
    let router = metadata["watch"]["router"].as_table().unwrap();
    let mut watched = BTreeSet::new();
    for (path, routes) in router {
        match routes {
            toml::Value::String(function) => {
                assert_eq!(path, "/{*path}");
                watched.insert(("$default".to_owned(), function.clone()));
            }
            routes => watched.extend(routes.as_array().unwrap().iter().map(|route| {
                let method = route["method"].as_str().unwrap();
                let function = route["function"].as_str().unwrap();
                (format!("{method} {path}"), function.to_owned())
            })),
        }
    }
    let routes = Template::compiled_in().unwrap().routes;
    let routes = routes
        .into_iter()
        .map(|route| (route.key(), route.function));
    let routes: BTreeSet<_> = routes.collect();
    let lacks: Vec<_> = routes.difference(&watched).collect();
    let more: Vec<_> = watched.difference(&routes).collect();
    let table = "[workspace.metadata.lambda.watch.router] in Cargo.toml";
    assert!(lacks.is_empty(), "{table}: add {lacks:?}");
    assert!(more.is_empty(), "{table}: take away {more:?}");
}

#[test]
fn every_function_has_a_sample_event_that_reaches_it() {
    let template = Template::compiled_in().unwrap();
    let routes: BTreeMap<_, _> = template
        .routes
        .into_iter()
        .map(|route| (route.key(), route.function))
        .collect();
    let schedules = template.schedules.into_iter();
    let scheduled: BTreeSet<_> = schedules.map(|schedule| schedule.function).collect();
    let mut sampled = BTreeSet::new();
    for entry in fs::read_dir(repository().join("events")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        if scheduled.contains(&name) {
            // Whatever a schedule says, it only calls.
            serde_json::from_str::<Value>(&text).unwrap();
            continue;
        }
        let request: Request = serde_json::from_str::<LambdaRequest>(&text).unwrap().into();
        let event: Value = serde_json::from_str(&text).unwrap();
        let path = documented(request.uri().path());
        let mut key = format!("{} {path}", request.method());
        // The pages for operators stand in the template alone.
        if !routes.contains_key(&key) && may_reach(&event, request.uri().path()) {
            key = event["routeKey"].as_str().unwrap().to_owned();
        }
        assert_eq!(event["routeKey"], key, "{name}");
        assert_eq!(routes[&key], name);
        sampled.insert(name);
    }
    let known = functions::ALL
        .iter()
        .map(|(folder, _)| (*folder).to_owned());
    assert_eq!(sampled, known.collect(), "in events/, and in functions/");
}

/// Whether the path of the event's route has the parts of `path`, but for its parameters.
fn may_reach(event: &Value, path: &str) -> bool {
    let route = event["routeKey"].as_str().unwrap();
    let (_, pattern) = route.split_once(' ').unwrap();
    let (pattern, path) = (pattern.split('/'), path.split('/'));
    pattern.clone().count() == path.clone().count()
        && pattern
            .zip(path)
            .all(|(known, given)| known == given || known.starts_with('{'))
}

#[test]
fn the_schedules_of_the_template_are_kept_here() {
    let schedules = Template::compiled_in().unwrap().schedules;
    let each_minute = ["outbox-deliver", "session-monitor"].map(|function| Schedule {
        function: function.into(),
        every: Duration::from_secs(60),
    });
    assert_eq!(schedules, each_minute);
}
