//! What is linked into a function. A second TLS or HTTP stack costs every cold start.
use std::process::Command;

use super::repository::{files, functions, read, root};

/// What a function has exactly once.
const ONCE: [&str; 5] = ["http", "hyper", "reqwest", "rustls", "tokio-rustls"];

/// What no function has.
const NEVER: [&str; 12] = [
    "aws-smithy-http-client",
    "h2",
    "icu_datetime",
    "icu_experimental",
    "iso_currency",
    "jsonschema",
    "native-tls",
    "openssl",
    "openssl-sys",
    "ring",
    "rlibphonenumber",
    "serde_yaml_ng",
];

/// The packages that are built for a function, as `hyper 1.8.1`.
fn linked(function: &str) -> Vec<String> {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "--edges", "normal,build"])
        .args(["--prefix", "none", "--format", "{p}", "--package", function])
        .current_dir(root())
        .output()
        .expect("cargo tree");
    let errors = String::from_utf8_lossy(&tree.stderr);
    assert!(tree.status.success(), "{function}: {errors}");
    let tree = String::from_utf8(tree.stdout).expect("UTF-8");
    let packages = tree.lines().filter_map(|line| {
        let (name, rest) = line.split_once(" v")?;
        Some(format!("{name} {}", rest.split(' ').next()?))
    });
    let mut packages: Vec<_> = packages.collect();
    packages.sort();
    packages.dedup();
    packages
}

#[test]
fn a_function_has_one_tls_stack_and_one_http_stack() {
    for function in functions() {
        let linked = linked(&function);
        let versions = |name: &str| {
            let name = format!("{name} ");
            linked
                .iter()
                .filter(|package| package.starts_with(&name))
                .collect::<Vec<_>>()
        };
        for name in ONCE {
            assert_eq!(versions(name).len(), 1, "{function}: {:?}", versions(name));
        }
        for name in NEVER {
            assert!(
                versions(name).is_empty(),
                "{function}: {:?}",
                versions(name)
            );
        }
        let hyper = versions("hyper");
        assert!(hyper[0].starts_with("hyper 1."), "{function}: {hyper:?}");
    }
}

#[test]
fn the_version_of_a_dependency_stands_in_the_workspace() {
    for (path, manifest) in files("")
        .into_iter()
        .filter(|(path, _)| path.ends_with("/Cargo.toml"))
    {
        let manifest: toml::Table = manifest
            .parse()
            .unwrap_or_else(|error| panic!("{path}: {error}"));
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let dependencies = manifest.get(kind).and_then(toml::Value::as_table);
            for (name, dependency) in dependencies.into_iter().flatten() {
                let inherited = dependency.get("workspace") == Some(&true.into());
                // What is of this repository has no version to agree on.
                let own = dependency.get("path").is_some() && dependency.get("version").is_none();
                assert!(inherited || own, "{path}: {name} has a version of its own");
            }
        }
        let lints = manifest
            .get("lints")
            .and_then(|lints| lints.get("workspace"));
        assert_eq!(
            lints,
            Some(&true.into()),
            "{path}: [lints] workspace = true"
        );
    }
}

#[test]
fn the_build_has_no_jitter_entropy() {
    let config = read(".cargo/config.toml");
    assert!(config.contains("\nAWS_LC_SYS_NO_JITTER_ENTROPY = \"1\"\n"));
}
