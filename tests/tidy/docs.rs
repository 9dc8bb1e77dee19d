//! What the documents say is so.
use std::collections::BTreeSet;

use shared::model::limits::Limit;

use super::repository::{code, files, names_in, read, root, words};

/// `WHATSAPP_USER_TOKEN` and the like.
fn is_constant(word: &str) -> bool {
    word.len() > 3
        && word.starts_with(|c: char| c.is_ascii_uppercase())
        && word
            .chars()
            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// The texts in quotes on a line of code that are such constants.
fn quoted_constants(line: &str) -> impl Iterator<Item = &str> {
    line.split('"')
        .skip(1)
        .step_by(2)
        .filter(|text| is_constant(text))
}

/// What stands under a heading of the README.
fn section(heading: &str) -> String {
    let readme = read("README.md");
    let (_, section) = readme
        .split_once(&format!("\n{heading}\n"))
        .unwrap_or_else(|| panic!("README.md lacks the section {heading}"));
    let section = section.split("\n## ").next();
    section.unwrap_or_default().to_owned()
}

/// The constants in the first column of the table under a heading of the README.
pub fn documented(heading: &str) -> BTreeSet<String> {
    let section = section(heading);
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.filter_map(|row| row.split('|').nth(1));
    cells.flat_map(|cell| words(cell, is_constant)).collect()
}

#[test]
fn the_readme_lists_every_setting_and_no_other() {
    let read = code("shared/src");
    let read = read
        .iter()
        .filter(|(place, _)| place.starts_with("shared/src/runtime/settings/"));
    let settings: BTreeSet<_> = read
        .flat_map(|(_, line)| quoted_constants(line))
        .map(str::to_owned)
        .collect();
    assert_eq!(documented("## Configuration"), settings);
}

/// The error codes that replies can carry, by the code.
fn error_codes() -> BTreeSet<String> {
    let edge = code("shared/src");
    let edge = edge
        .into_iter()
        .filter(|(place, _)| place.starts_with("shared/src/edge/"));
    let lines: Vec<_> = edge.chain(code("functions")).collect();
    lines
        .iter()
        .flat_map(|(_, line)| quoted_constants(line))
        .filter(|text| text.contains('_'))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_readme_lists_every_error_code_and_no_other() {
    assert_eq!(documented("## Errors"), error_codes());
}

#[test]
fn openapi_has_every_error_code_and_no_other() {
    let openapi = read("openapi.yaml");
    let codes = words(&openapi, |word| is_constant(word) && word.contains('_'));
    assert_eq!(codes, error_codes());
}

/// The limit after `limit`, so that all of them can be walked through. A new one does not compile before it is here.
const fn limit_after(limit: Limit) -> Option<Limit> {
    match limit {
        Limit::InProgress => Some(Limit::Cooldown),
        Limit::Cooldown => Some(Limit::Window),
        Limit::Window => Some(Limit::Day),
        Limit::Day => Some(Limit::CodesFromAddress),
        Limit::CodesFromAddress => Some(Limit::Country),
        Limit::Country => Some(Limit::WrongCodesFromAddress),
        Limit::WrongCodesFromAddress => Some(Limit::WrongPasswords),
        Limit::WrongPasswords => Some(Limit::PhonesFailedFromAddress),
        Limit::PhonesFailedFromAddress => Some(Limit::NoticesOfCaller),
        Limit::NoticesOfCaller => None,
    }
}

#[test]
fn the_readme_lists_every_limit_and_no_other() {
    let section = section("## Limits");
    let rows = section.lines().filter(|line| line.starts_with("| "));
    let cells = rows.filter_map(|row| row.split('|').nth(3));
    let in_backticks = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    // The head of the column, and a refusal by an error code of its own.
    let listed: BTreeSet<_> = in_backticks
        .filter(|name| *name != "limit" && !is_constant(name))
        .collect();
    let all = std::iter::successors(Some(Limit::InProgress), |limit| limit_after(*limit));
    let names: BTreeSet<_> = all.map(Limit::name).collect();
    assert_eq!(listed, names);
}

#[test]
fn the_changelog_says_what_is_not_released() {
    assert!(read("CHANGELOG.md").contains("\n## Unreleased\n"));
}

#[test]
fn a_file_that_is_named_exists() {
    let tops = names_in("");
    for (path, text) in files("") {
        if !path.ends_with(".md") && !path.ends_with(".rs") {
            continue;
        }
        let is_path = |word: &str| {
            let word = word.trim_end_matches(['.', '/']);
            // The parameters of a deployment are a copy that somebody makes.
            if word.contains(['<', '{', '*']) || word.starts_with("deploy/parameters") {
                return false;
            }
            let top = word.split('/').next().unwrap_or_default();
            let inside = word.contains('/') && tops.contains(top) && !word.contains("..");
            let document = word.len() > 3 && word.ends_with(".md") && !word.contains('/');
            inside || document
        };
        for named in words(&text, is_path) {
            let named = named.trim_end_matches(['.', '/']);
            let here = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            let exists = ["", here, "docs"]
                .into_iter()
                .any(|folder| root().join(folder).join(named).exists());
            assert!(exists, "{path} names {named}, which does not exist");
        }
    }
}

/// The names of all tests.
fn tests_of_the_code() -> BTreeSet<String> {
    let mut tests = BTreeSet::new();
    for (_, text) in files("").iter().filter(|(path, _)| path.ends_with(".rs")) {
        let mut lines = text.lines().map(str::trim);
        while let Some(line) = lines.next() {
            if line == "#[test]" || line.starts_with("#[tokio::test") {
                let function = lines.find_map(|line| line.split_once("fn "));
                let name = function.and_then(|(_, function)| function.split('(').next());
                tests.extend(name.map(str::to_owned));
            }
        }
    }
    tests
}

#[test]
fn a_test_that_a_document_names_exists() {
    let tests = tests_of_the_code();
    assert!(tests.len() > 500, "{} tests were found", tests.len());
    let is_test = |word: &str| {
        let snake = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        word.matches('_').count() > 2 && word.chars().all(snake)
    };
    let mut named = 0;
    for (path, text) in files("") {
        // The simulator's faults look like tests; `tests/gateway/control.rs` holds them.
        if path.ends_with(".md") && path != "docs/simulator.md" {
            for name in words(&text, is_test) {
                assert!(
                    tests.contains(&name),
                    "{path} names the test {name}, which does not exist"
                );
                named += 1;
            }
        }
    }
    assert!(named > 80, "only {named} were named");
}

#[test]
fn no_file_names_a_folder_of_one_machine() {
    for (path, text) in files("") {
        for folder in ["home", "root", "Users", "work"] {
            let somewhere = format!("/{folder}/");
            let found = text.lines().find(|line| {
                line.match_indices(&somewhere).any(|(at, _)| {
                    !line[..at]
                        .ends_with(|c: char| c.is_ascii_alphanumeric() || "._~-}*".contains(c))
                })
            });
            assert_eq!(found, None, "{path}");
        }
    }
}

#[test]
fn architecture_names_every_file_of_the_sender_the_flows_and_the_store() {
    let architecture = read("ARCHITECTURE.md");
    for folder in [
        "shared/src/sender",
        "shared/src/store",
        "shared/src/flows",
        "shared/src/flows/codes",
    ] {
        for name in names_in(folder) {
            let is_named = architecture.contains(&name);
            assert!(is_named, "ARCHITECTURE.md lacks {folder}/{name}");
        }
    }
}
