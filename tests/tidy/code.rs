//! What the code does not do.
use super::repository::{code, functions, read};

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
        &["scan(", "Scan", "execute_statement"],
        |_, _| false,
        "A scan costs what is stored, not what is asked for. Read by key.",
    );
}

#[test]
fn a_function_calls_one_flow_and_no_table() {
    for function in functions() {
        let source = read(&format!("functions/{function}/src/lib.rs"));
        for word in ["aws_sdk", "reqwest", "std::env"] {
            assert!(!source.contains(word), "{function}: {word} is for shared/");
        }
    }
}

#[test]
fn no_lint_is_silenced_without_a_reason() {
    for folder in ["functions", "local/src", "shared/src", "tests"] {
        for (place, line) in code(folder) {
            assert!(
                !line.starts_with("#[allow("),
                "{place}: use #[expect(.., reason = \"..\")]"
            );
        }
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
