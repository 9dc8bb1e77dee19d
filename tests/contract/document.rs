//! The document by itself: its routes are those of the template, and its examples are what it says.
use std::collections::BTreeSet;

use local::template::{Route, Template};
use serde_json::Value;
use tests::contract::{self, Place, document};

/// Every documented request, as `POST /api/auth/signup`, with its operation.
pub fn operations() -> Vec<(String, Place)> {
    let paths = Place::at("/paths").expect("paths");
    let mut operations = Vec::new();
    for path in paths.keys() {
        let path_item = paths.get(path).expect("a path");
        for method in path_item.keys() {
            let operation = path_item.get(method).expect("an operation");
            operations.push((format!("{} {path}", method.to_uppercase()), operation));
        }
    }
    operations
}

#[test]
fn it_has_the_routes_of_the_template() {
    let template = Template::compiled_in().expect("a template");
    let is_page = |route: &&Route| {
        let path = route.matches.as_ref().map(|(_, path)| path.as_str());
        path.is_some_and(contract::leads_to_pages)
    };
    let routes = template.routes.iter().filter(|route| !is_page(route));
    let routes: BTreeSet<_> = routes.map(|route| route.key()).collect();
    let mut documented: BTreeSet<_> = operations().into_iter().map(|(key, _)| key).collect();
    documented.insert("$default".into());
    let lacks: Vec<_> = routes.difference(&documented).collect();
    let more: Vec<_> = documented.difference(&routes).collect();
    assert!(lacks.is_empty(), "openapi.yaml: add {lacks:?}");
    assert!(more.is_empty(), "openapi.yaml: take away {more:?}");
}

#[test]
fn every_example_fits_its_schema() {
    let mut examples = 0;
    visit("", document(), &mut |pointer, node| {
        if node["schema"].is_null() || node["examples"].is_null() {
            return;
        }
        let schema = Place::at(&format!("{pointer}/schema")).expect("a schema");
        for (name, example) in node["examples"].as_object().expect("examples") {
            let complaints = schema.complaints(&example["value"]);
            assert!(complaints.is_empty(), "{pointer} {name}: {complaints:?}");
            examples += 1;
        }
    });
    assert!(examples > 20, "only {examples} were found");
}

#[test]
fn every_body_has_an_example() {
    visit("", document(), &mut |pointer, node| {
        if pointer.ends_with("/application~1json") {
            assert!(node["examples"].is_object(), "{pointer}");
        }
    });
}

#[test]
fn replies_have_no_fields_that_are_not_documented() {
    visit(
        "/components/schemas",
        &document()["components"]["schemas"],
        &mut |pointer, node| {
            if node["type"] == "object" {
                assert_eq!(node["additionalProperties"], false, "{pointer}");
            }
        },
    );
}

/// Shows `seen` every object below `pointer`.
fn visit(pointer: &str, node: &Value, seen: &mut impl FnMut(&str, &Value)) {
    match node {
        Value::Object(object) => {
            seen(pointer, node);
            for (key, value) in object {
                let key = key.replace('~', "~0").replace('/', "~1");
                visit(&format!("{pointer}/{key}"), value, seen);
            }
        }
        Value::Array(array) => {
            for (index, value) in array.iter().enumerate() {
                visit(&format!("{pointer}/{index}"), value, seen);
            }
        }
        _ => {}
    }
}
