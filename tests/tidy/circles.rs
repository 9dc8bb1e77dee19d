//! No two or more files import each other in a circle. Whoever reads one of them would have to read all of them first.
//!
//! This reads the paths that files name. It does not see a circle through methods: a file may call a method of a type
//! without naming the file that has the method.
use std::collections::{BTreeMap, BTreeSet};

use super::repository::{code_of, files};

/// The files that each file imports.
type Imports = BTreeMap<String, BTreeSet<String>>;

/// The path of the module that a file is, from its crate's root: `flows/codes.rs` is `flows::codes`.
fn module_of(folder: &str, file: &str) -> Vec<String> {
    let path = file.strip_prefix(folder).unwrap_or(file);
    let path = path.trim_start_matches('/').trim_end_matches(".rs");
    let names = path.split('/').filter(|name| *name != "lib");
    names.map(str::to_owned).collect()
}

/// The name at the beginning of a text, and the rest.
fn split_name(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_'));
    text.split_at(end.unwrap_or(text.len()))
}

/// Adds every path that a use tree such as `a::{b, c::D}` names, behind `before`. Returns what follows the tree.
fn read_tree<'a>(tree: &'a str, before: &[String], found: &mut Vec<Vec<String>>) -> &'a str {
    let tree = tree.trim_start();
    if let Some(mut list) = tree.strip_prefix('{') {
        loop {
            list = read_tree(list, before, found).trim_start();
            let end = list.find([',', '}']).unwrap_or(list.len());
            let (_, rest) = list.split_at(end);
            match rest.strip_prefix(',') {
                Some(more) => list = more,
                None => return rest.strip_prefix('}').unwrap_or(rest),
            }
        }
    }
    let (name, rest) = split_name(tree);
    let mut path = before.to_vec();
    if !name.is_empty() {
        path.push(name.to_owned());
    }
    match rest.strip_prefix("::") {
        Some(below) => read_tree(below, &path, found),
        None => {
            found.push(path);
            rest
        }
    }
}

/// Every path of at least two names that a code names, whether in a `use` or in an expression.
fn paths_in(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut rest = code;
    let mut before = ' ';
    while let Some(first) = rest.chars().next() {
        let (name, after) = split_name(rest);
        if name.is_empty() {
            (before, rest) = (first, &rest[first.len_utf8()..]);
            continue;
        }
        if before != ':' && after.starts_with("::") {
            read_tree(rest, &[], &mut found);
        }
        (before, rest) = ('a', after);
    }
    found
}

/// The path from the crate's root that a file names as `path`.
fn from_root(module: &[String], path: &[String]) -> Vec<String> {
    let (mut root, mut path) = (module.to_vec(), path);
    match path.first().map(String::as_str) {
        Some("crate") => (root, path) = (Vec::new(), &path[1..]),
        Some("self") => path = &path[1..],
        _ => {}
    }
    while let [name, rest @ ..] = path
        && name == "super"
    {
        root.pop();
        path = rest;
    }
    root.into_iter().chain(path.iter().cloned()).collect()
}

/// What the files of the crate in `folder` import of each other.
fn imports(folder: &str, files: &[(String, String)]) -> Imports {
    let modules: BTreeMap<Vec<String>, &str> = files
        .iter()
        .map(|(file, _)| (module_of(folder, file), file.as_str()))
        .collect();
    let mut imports = Imports::new();
    for (file, text) in files {
        let module = module_of(folder, file);
        let of_file = imports.entry(file.clone()).or_default();
        for path in paths_in(&code_of(text)) {
            let path = from_root(&module, &path);
            let named = (0..=path.len())
                .rev()
                .find_map(|end| modules.get(&path[..end]));
            of_file.extend(
                named
                    .filter(|named| *named != file)
                    .map(|named| (*named).to_owned()),
            );
        }
    }
    imports
}

/// Only the imports that are part of a circle, or lie between two.
fn circles(mut imports: Imports) -> Imports {
    loop {
        let imported: BTreeSet<_> = imports.values().flatten().cloned().collect();
        let before = imports.clone();
        imports.retain(|file, of_file| imported.contains(file) && !of_file.is_empty());
        let left: BTreeSet<_> = imports.keys().cloned().collect();
        for of_file in imports.values_mut() {
            of_file.retain(|file| left.contains(file));
        }
        if imports == before {
            return imports;
        }
    }
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    for folder in ["shared/src", "local/src"] {
        let mut texts = files(folder);
        texts.retain(|(file, _)| file.ends_with(".rs"));
        let found = circles(imports(folder, &texts));
        assert!(
            found.is_empty(),
            "{found:#?}\nPut what they share into a file below both of them."
        );
    }
}

#[track_caller]
fn check(case: &str, texts: &[(&str, &str)], expected: &[&str]) {
    let owned = |(file, text): &(&str, &str)| (format!("src/{file}"), (*text).to_owned());
    let texts: Vec<_> = texts.iter().map(owned).collect();
    let found: Vec<_> = circles(imports("src", &texts)).into_keys().collect();
    let expected: Vec<_> = expected.iter().map(|file| format!("src/{file}")).collect();
    assert_eq!(found, expected, "{case}");
}

#[test]
fn a_circle_is_found_however_it_is_written() {
    let both = ["a.rs", "b.rs"];
    for (case, a, b) in [
        ("by use", "use crate::b::B;", "use crate::a::A;"),
        (
            "in a list",
            "use crate::{c::C, b::{B, D}};",
            "use super::a::A;",
        ),
        (
            "in an expression",
            "fn f() { crate::b::g() }",
            "use crate::a::f;",
        ),
    ] {
        check(case, &[("a.rs", a), ("b.rs", b)], &both);
    }
    let parent = [
        ("a.rs", "mod b;\nfn f() { b::g() }"),
        ("a/b.rs", "use super::A;"),
    ];
    check("a file and its part", &parent, &["a.rs", "a/b.rs"]);
    let three = [
        ("a.rs", "use crate::b::B;"),
        ("b.rs", "use crate::c::C;"),
        ("c.rs", "use crate::a::A;"),
        ("d.rs", "use crate::a::A;"),
    ];
    check("three files", &three, &["a.rs", "b.rs", "c.rs"]);
}

#[test]
fn what_goes_one_way_is_no_circle() {
    for (case, a, b) in [
        ("one way", "use crate::b::B;", "use std::fmt;"),
        ("a comment", "use crate::b::B;", "// See crate::a::A.\n"),
        (
            "a test",
            "use crate::b::B;",
            "#[cfg(test)]\nmod tests {\n    use crate::a::A;\n}",
        ),
        ("only its parts are listed", "use crate::b::B;", "mod a;"),
    ] {
        check(case, &[("a.rs", a), ("b.rs", b)], &[]);
    }
}
