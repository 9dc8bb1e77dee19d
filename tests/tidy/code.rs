//! What the code does not do.
use std::collections::BTreeSet;

use super::repository::{code, code_of, files, functions, read};

/// No line of a function, or of what it imports, has one of these words; `except` says where one may.
fn check(words: &[&str], except: impl Fn(&str, &str) -> bool, reason: &str) {
    for folder in ["functions", "shared/src"] {
        for (place, line) in code(folder) {
            let found = words.iter().any(|word| line.contains(word));
            assert!(!found || except(&place, &line), "{place}: {line}\n{reason}");
        }
    }
}

#[test]
fn nothing_outlives_a_reply() {
    check(
        &["spawn", "JoinSet", "FuturesUnordered"],
        |place, line| {
            place.starts_with("shared/src/model/password.rs:")
                && line.contains("spawn_blocking(work).await")
        },
        "Lambda freezes the process after the reply, so what is not awaited may never run. Await it.",
    );
}

#[test]
fn no_table_is_scanned() {
    check(
        // The SDK's names for it; QR codes are scanned as well.
        &[
            "scan(",
            "ScanFluentBuilder",
            "ScanInput",
            "execute_statement",
        ],
        |_, _| false,
        "A scan costs what is stored, not what is asked for. Read by key.",
    );
}

/// What every function may name of `shared`: what reads and answers requests, flows, and the nouns.
const FOR_FUNCTIONS: [&str; 6] = [
    "edge",
    "flows",
    "model",
    "platform",
    "runtime",
    // A warm-up ends with it.
    "store::StoreError",
];

/// What a single function names besides, and why.
const EXCEPTIONS: [(&str, &str, &str); 6] = [
    (
        "auth-refresh",
        "store::users::Users",
        "the flow is a plain function, and takes the table",
    ),
    (
        "auth-signup",
        "gateway::captcha::CaptchaError",
        "a refusal of the flow, to be answered",
    ),
    (
        "auth-verify-otp",
        "store::users::EmailClaim",
        "a part of what the flow returns",
    ),
    (
        "health",
        "sender::ChannelState",
        "nothing is decided: it shows what the sender knows",
    ),
    ("health", "sender::Sender", "the same"),
    (
        "keys-make",
        "store::key_maker::KeyMaker",
        "the deployment calls it, and there is one act",
    ),
];

/// The paths below `shared::` that a code names, with the names of a flat list one by one.
fn paths_of_shared(code: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let mut paths = BTreeSet::new();
    for (at, name) in code.match_indices("shared::") {
        let rest = &code[at + name.len()..];
        let (path, rest) = rest.split_at(rest.find(|c| !is_part(c)).unwrap_or(rest.len()));
        if !path.is_empty() && !path.ends_with("::") {
            paths.insert(path.to_owned());
            continue;
        }
        let list = rest.split('}').next().unwrap_or_default();
        let names = list.trim_start_matches('{').split(',').map(str::trim);
        paths.extend(
            names
                .filter(|name| !name.is_empty())
                .map(|name| format!("{path}{name}")),
        );
    }
    paths
}

#[test]
fn the_paths_of_shared_are_found_however_they_are_written() {
    for (case, code, expected) in [
        ("a path", "use shared::a::B;", vec!["a::B"]),
        (
            "a list",
            "use shared::a::{B, c::D};",
            vec!["a::B", "a::c::D"],
        ),
        ("a list of rooms", "use shared::{a, b};", vec!["a", "b"]),
        ("in an expression", "shared::a::b()", vec!["a::b"]),
        ("none", "use other::a;", vec![]),
    ] {
        let found: Vec<_> = paths_of_shared(code).into_iter().collect();
        assert_eq!(found, expected, "{case}");
    }
}

#[test]
fn a_function_uses_flows_and_neither_a_table_nor_the_gateway() {
    let mut used = BTreeSet::new();
    for function in functions() {
        let source = read(&format!("functions/{function}/src/lib.rs"));
        for word in ["aws_sdk", "reqwest", "std::env"] {
            assert!(!source.contains(word), "{function}: {word} is for shared/");
        }
        for path in paths_of_shared(&code_of(&source)) {
            let is_in = |room: &str| path == room || path.starts_with(&format!("{room}::"));
            let exception = EXCEPTIONS
                .iter()
                .position(|(of, named, _)| *of == function && is_in(named));
            used.extend(exception);
            let allowed = exception.is_some() || FOR_FUNCTIONS.into_iter().any(is_in);
            assert!(
                allowed,
                "{function} names shared::{path}: call a flow, or list it with its reason"
            );
        }
    }
    assert_eq!(
        used.len(),
        EXCEPTIONS.len(),
        "an exception that nobody needs"
    );
}

/// The attributes of a text that silence a lint without a reason.
fn silenced_without_reason(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let (here, code) = (start, line.trim_start());
        start += line.len();
        let allows = ["#[allow(", "#![allow("]
            .iter()
            .any(|begin| code.starts_with(begin));
        let expects = ["#[expect(", "#![expect("]
            .iter()
            .any(|begin| code.starts_with(begin));
        let attribute = text[here..].split(")]").next().unwrap_or_default();
        if allows || (expects && !attribute.contains("reason = ")) {
            found.push(attribute.trim());
        }
    }
    found
}

#[test]
fn no_lint_is_silenced_without_a_reason() {
    for folder in ["functions", "local", "shared", "tests"] {
        for (path, text) in files(folder) {
            if path.ends_with(".rs") {
                let found = silenced_without_reason(&text);
                assert!(
                    found.is_empty(),
                    "{path}: {found:?}: use #[expect(.., reason = \"..\")]"
                );
            }
        }
    }
}

#[test]
fn a_silenced_lint_is_found_however_it_is_written() {
    for (case, text, expected) in [
        ("a reason", "#[expect(a, reason = \"b\")]", 0),
        (
            "a reason on its own line",
            "#[expect(\n    a,\n    reason = \"b\"\n)]",
            0,
        ),
        ("no reason", "#[expect(a)]", 1),
        (
            "no reason for a file",
            "#![expect(a)]\nfn f() {} // reason = ",
            1,
        ),
        ("allowed", "    #[allow(a, reason = \"b\")]", 1),
        ("allowed for a file", "#![allow(a)]", 1),
    ] {
        assert_eq!(silenced_without_reason(text).len(), expected, "{case}");
    }
}

#[test]
fn each_file_of_the_simulator_uses_only_what_its_list_names_before() {
    let list = read("local/src/simulator.rs");
    let files: Vec<_> = list
        .lines()
        .filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'))
        .collect();
    assert!(files.len() > 20, "{files:?}");
    for (place, line) in code("local/src/simulator") {
        let file = place
            .rsplit('/')
            .next()
            .and_then(|name| name.split('.').next());
        let used = line.strip_prefix("use super::");
        let (Some(file), Some(used)) = (file, used) else {
            continue;
        };
        let used = used.split([':', ';', '{']).next().unwrap_or_default();
        let place_of = |name: &str| files.iter().position(|known| *known == name);
        let (Some(before), Some(after)) = (place_of(used), place_of(file)) else {
            panic!("{place}: name the file that is used: {line}");
        };
        assert!(before < after, "{place}: {used} stands below {file}");
    }
}
