//! Clippy holds how long a function is, how much it takes, and that nobody matches on a boolean. Here stands that it is on.
use toml::{Table, Value};

use super::repository::{files, read};

/// The lints that nobody may turn off for the whole workspace.
const LINTS: [&str; 4] = [
    "fn_params_excessive_bools",
    "match_bool",
    "too_many_arguments",
    "too_many_lines",
];

const LINES: &str = "too-many-lines-threshold";
const ARGUMENTS: &str = "too-many-arguments-threshold";

fn table(path: &str) -> Table {
    read(path)
        .parse()
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The two thresholds of a clippy.toml, and the rest of it.
fn thresholds(mut config: Table) -> ([Option<i64>; 2], Table) {
    let mut threshold = |name| config.remove(name)?.as_integer();
    let thresholds = [threshold(LINES), threshold(ARGUMENTS)];
    (thresholds, config)
}

/// The lints of [`LINTS`] that a manifest of the workspace does not deny.
fn not_denied(manifest: &Table) -> Vec<&'static str> {
    let lints = &manifest["workspace"]["lints"]["clippy"];
    let denied = |lint: &&str| lints.get(*lint).and_then(Value::as_str) == Some("deny");
    LINTS.into_iter().filter(|lint| !denied(lint)).collect()
}

#[test]
fn the_lints_on_length_arguments_and_booleans_are_denied() {
    let found = not_denied(&table("Cargo.toml"));
    assert!(found.is_empty(), "Cargo.toml: deny {found:?}");
}

#[test]
fn a_lint_that_only_warns_is_found() {
    let manifest = "[workspace.lints.clippy]\nmatch_bool = 'warn'\ntoo_many_lines = 'deny'";
    let found = not_denied(&manifest.parse().expect("a manifest"));
    assert!(found.contains(&"match_bool") && !found.contains(&"too_many_lines"));
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    for (path, text) in files("") {
        if !path.ends_with("/Cargo.toml") {
            continue;
        }
        let manifest: Table = text.parse().expect("a manifest");
        let lints = manifest
            .get("lints")
            .and_then(|lints| lints.get("workspace"));
        assert_eq!(lints, Some(&Value::Boolean(true)), "{path}: [lints]");
    }
}

#[test]
fn the_tests_have_the_same_clippy_toml_but_for_the_thresholds() {
    let (numbers, rest) = thresholds(table("clippy.toml"));
    let (tests_numbers, tests_rest) = thresholds(table("tests/clippy.toml"));
    assert_eq!(rest, tests_rest, "clippy.toml and tests/clippy.toml");
    let [Some(lines), Some(arguments)] = numbers else {
        panic!("clippy.toml lacks {LINES} or {ARGUMENTS}");
    };
    let [Some(tests_lines), Some(tests_arguments)] = tests_numbers else {
        panic!("tests/clippy.toml lacks {LINES} or {ARGUMENTS}");
    };
    let said = format!(
        "No function has more than {lines} lines or {arguments} arguments; in `tests/` {tests_lines} and {tests_arguments}."
    );
    let architecture = read("ARCHITECTURE.md");
    assert!(
        architecture.contains(&said),
        "ARCHITECTURE.md lacks: {said}"
    );
}
