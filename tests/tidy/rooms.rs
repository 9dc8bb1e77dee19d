//! Each room of `shared` imports only those below it.
use std::collections::BTreeSet;

use super::repository::code;

/// The rooms from the top down.
const ROOMS: [&str; 8] = [
    "edge", "flows", "sender", "store", "runtime", "gateway", "model", "platform",
];

/// How high a room is; 0 is the top.
fn floor(room: &str) -> Option<usize> {
    ROOMS.iter().position(|name| *name == room)
}

/// The names after `crate::` in a line.
fn imported(line: &str) -> impl Iterator<Item = &str> {
    let after = line.split("crate::").skip(1);
    after.map(|rest| {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_'));
        &rest[..end.unwrap_or(rest.len())]
    })
}

/// The lines that import something from a room above their own, or from none.
fn upward<'a>(lines: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    let mut found = Vec::new();
    for (place, line) in lines {
        let path = place
            .strip_prefix("shared/src/")
            .expect("a place in shared");
        let room = path.split(['/', '.']).next().unwrap_or_default();
        for name in imported(line) {
            let down = floor(name) >= floor(room) && floor(name).is_some();
            if room != "lib" && !down {
                found.push(format!("{place}: {room} may not import {name}"));
            }
        }
    }
    found
}

#[test]
fn no_room_imports_one_above_it() {
    let lines = code("shared/src");
    let lines = lines.iter().map(|(place, line)| (&**place, &**line));
    let found = upward(lines);
    assert!(
        found.is_empty(),
        "{found:#?}\nthe rooms, from the top down: {ROOMS:?}"
    );
}

#[test]
fn an_import_of_a_room_above_is_found() {
    let from_above = [(
        "shared/src/model/code.rs:1",
        "use crate::store::StoreError;",
    )];
    assert_eq!(upward(from_above).len(), 1);
    let from_nowhere = [("shared/src/gateway.rs:1", "use crate::utils::Thing;")];
    assert_eq!(upward(from_nowhere).len(), 1);
    let from_below = [
        (
            "shared/src/store/users.rs:1",
            "use crate::model::phone::Phone;",
        ),
        (
            "shared/src/model/code.rs:1",
            "use crate::model::phone::Phone;",
        ),
    ];
    assert_eq!(upward(from_below), Vec::<String>::new());
}

#[test]
fn every_folder_of_shared_is_a_room() {
    let folders: BTreeSet<_> = code("shared/src")
        .into_iter()
        .filter_map(|(place, _)| {
            let path = place.strip_prefix("shared/src/")?.to_owned();
            path.split(['/', '.']).next().map(str::to_owned)
        })
        .filter(|room| room != "lib")
        .collect();
    assert_eq!(folders, ROOMS.map(str::to_owned).into());
}

/// The lines of a flow that name a type of the SDK.
fn lines_with_sdk<'a>(lines: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    let found = lines
        .into_iter()
        .filter(|(place, line)| place.starts_with("shared/src/flows") && line.contains("aws_sdk_"));
    found
        .map(|(place, line)| format!("{place}: {line}"))
        .collect()
}

#[test]
fn no_flow_names_a_type_of_the_sdk() {
    let lines = code("shared/src");
    let found = lines_with_sdk(lines.iter().map(|(place, line)| (&**place, &**line)));
    assert!(
        found.is_empty(),
        "{found:#?}\nwhat goes into a transaction is `store::Write`"
    );
}

#[test]
fn a_type_of_the_sdk_is_found_in_a_flow_and_nowhere_else() {
    let line = "use aws_sdk_dynamodb::types::TransactWriteItem;";
    let found = |place| lines_with_sdk([(place, line)]).len();
    assert_eq!(found("shared/src/flows/codes.rs:1"), 1);
    assert_eq!(found("shared/src/flows.rs:1"), 1);
    assert_eq!(found("shared/src/store/users.rs:1"), 0);
}
