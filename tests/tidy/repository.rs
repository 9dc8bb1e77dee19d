//! The files of the repository.
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What building and running leave behind, as in `.gitignore`.
const LEFT_BEHIND: [&str; 7] = [
    ".aws-sam",
    ".git",
    ".local",
    ".schemathesis",
    ".venv",
    "__pycache__",
    "target",
];

/// The top folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The text of a file, named from the top folder.
pub fn read(path: &str) -> String {
    let text = fs::read_to_string(root().join(path));
    text.unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The names in a folder.
pub fn names_in(folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(root().join(folder));
    let entries = entries.unwrap_or_else(|error| panic!("{folder}: {error}"));
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    names
        .map(|name| name.into_string().expect("a name in UTF-8"))
        .filter(|name| !LEFT_BEHIND.contains(&name.as_str()))
        .collect()
}

/// The functions: the folders in `functions/`.
pub fn functions() -> BTreeSet<String> {
    names_in("functions")
}

/// Every text file under a folder (`""` is the top one): its path from the top folder, and what it says.
pub fn files(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for name in names_in(folder) {
        let path = match folder {
            "" => name,
            folder => format!("{folder}/{name}"),
        };
        if root().join(&path).is_dir() {
            found.extend(files(&path));
        } else if let Ok(text) = fs::read_to_string(root().join(&path)) {
            found.push((path, text));
        }
    }
    found
}

/// The code of a file's text: without comments on their own lines, and without its tests.
pub fn code_of(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests {").next();
    let lines = code.unwrap_or_default().lines().map(|line| {
        if line.trim_start().starts_with("//") {
            ""
        } else {
            line
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The lines of Rust in the files under a folder that are neither comments nor tests, with where they are.
pub fn code(folder: &str) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    for (path, text) in files(folder) {
        if !path.ends_with(".rs") {
            continue;
        }
        for (number, line) in code_of(&text).lines().enumerate() {
            if !line.is_empty() {
                lines.push((format!("{path}:{}", number + 1), line.trim().to_owned()));
            }
        }
    }
    lines
}

/// The words of a text that look like this, each once. A path is one word.
pub fn words(text: &str, like: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let part_of_word = |c: char| c.is_ascii_alphanumeric() || "_-./<>{}*".contains(c);
    let words = text.split(|c| !part_of_word(c)).filter(|word| like(word));
    words.map(str::to_owned).collect()
}
