//! One name per function, in all places.
use std::collections::BTreeSet;

use local::template::Template;

use super::repository::{files, functions, names_in, read};

/// `auth-sso-signin` is `AuthSsoSigninFunction` in the template.
fn logical_id(folder: &str) -> String {
    let words = folder.split('-').map(|word| {
        let (first, rest) = word.split_at(1);
        first.to_ascii_uppercase() + rest
    });
    words.chain(["Function".to_owned()]).collect()
}

/// The functions that only the deployment calls, or whoever has rights on it.
const OF_THE_DEPLOYMENT: [&str; 2] = ["admin-link", "keys-make"];

/// The functions that a schedule calls.
fn scheduled() -> BTreeSet<String> {
    let template = Template::compiled_in().expect("a template");
    let schedules = template.schedules.into_iter();
    schedules.map(|schedule| schedule.function).collect()
}

/// The functions that a route leads to.
fn endpoints() -> BTreeSet<String> {
    let mut endpoints = functions();
    let scheduled = scheduled();
    let others = scheduled.iter().map(String::as_str);
    for function in others.chain(OF_THE_DEPLOYMENT) {
        assert!(endpoints.remove(function), "there is no {function}");
    }
    endpoints
}

/// What a place lacks, and what it has too much.
#[track_caller]
fn check<T: Ord + std::fmt::Debug>(place: &str, has: &BTreeSet<T>, wanted: &BTreeSet<T>) {
    let (lacks, more): (Vec<_>, Vec<_>) = (
        wanted.difference(has).collect(),
        has.difference(wanted).collect(),
    );
    assert!(lacks.is_empty(), "{place}: add {lacks:?}");
    assert!(more.is_empty(), "{place}: take away {more:?}");
}

#[track_caller]
fn check_endpoints(place: &str, names: impl IntoIterator<Item = String>) {
    check(place, &names.into_iter().collect(), &endpoints());
}

#[test]
fn a_function_has_one_name_everywhere() {
    let (manifest, template) = (read("local/Cargo.toml"), read("template.yaml"));
    let tests = read("tests/api/main.rs");
    for function in functions() {
        let manifest_of_its_own = read(&format!("functions/{function}/Cargo.toml"));
        let name = format!("name = \"{function}\"");
        let named = manifest_of_its_own.contains(&name);
        assert!(named, "functions/{function}/Cargo.toml: {name}");
        let id = logical_id(&function);
        let bare = id.trim_end_matches("Function");
        for resource in [
            id.clone(),
            format!("{bare}Logs"),
            format!("{bare}ErrorsAlarm"),
        ] {
            let known = template.contains(&format!("\n  {resource}:\n"));
            assert!(known, "template.yaml lacks the resource {resource}");
        }
    }
    for endpoint in endpoints() {
        let dependency = format!("{endpoint} = {{ path = \"../functions/{endpoint}\" }}");
        let known = manifest.contains(&dependency);
        assert!(known, "local/Cargo.toml lacks: {dependency}");
        let module = format!("mod {};", endpoint.replace('-', "_"));
        assert!(tests.contains(&module), "tests/api/main.rs lacks: {module}");
    }
    let template = Template::compiled_in().expect("a template");
    let limited = template.timeouts.into_keys().collect();
    check("the functions in template.yaml", &limited, &functions());
    let routed = template.routes.into_iter().map(|route| route.function);
    check_endpoints("the routes in template.yaml", routed);
    let started = local::functions::ALL
        .iter()
        .map(|(name, _)| (*name).to_owned());
    check_endpoints("local/src/functions.rs", started);
    let events = names_in("events");
    let events = events.iter().filter_map(|name| name.strip_suffix(".json"));
    let called = endpoints().union(&scheduled()).cloned().collect();
    check(
        "events/*.json",
        &events.map(str::to_owned).collect(),
        &called,
    );
}

#[test]
fn the_readme_has_every_route() {
    let readme = read("README.md");
    let (_, section) = readme.split_once("\n## The API\n").expect("a section");
    let (section, _) = section.split_once("\n## ").expect("the next section");
    let rows: Vec<_> = section
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    for route in Template::compiled_in().expect("a template").routes {
        let Some((_, path)) = route.matches else {
            continue;
        };
        let name = path.rsplit('/').next().unwrap_or_default();
        let told = rows.iter().any(|row| row.contains(&format!("/{name}`")));
        assert!(told, "README.md, The API: add {path}");
    }
}

#[test]
fn every_main_is_the_same_but_for_its_name() {
    let mut mains = BTreeSet::new();
    for function in endpoints() {
        let main = read(&format!("functions/{function}/src/main.rs"));
        let main = main.replace(&function.replace('-', "_"), "function");
        // By the alphabet, an import stands before the other one or behind it.
        let mut lines: Vec<_> = main.lines().map(str::to_owned).collect();
        lines.sort();
        mains.insert(lines);
    }
    assert_eq!(mains.len(), 1, "{mains:#?}");
}

#[test]
fn the_methods_that_health_allows_are_those_of_the_template() {
    let template = Template::compiled_in().expect("a template");
    let routes = template
        .routes
        .into_iter()
        .filter_map(|route| route.matches);
    let routes: BTreeSet<_> = routes.map(|(method, path)| (path, method)).collect();
    let allowed = health::METHODS.iter().flat_map(|(path, methods)| {
        methods
            .split(", ")
            .map(|method| ((*path).to_owned(), method.to_owned()))
    });
    let place = "METHODS in functions/health/src/lib.rs";
    check(place, &allowed.collect(), &routes);
}

#[test]
fn a_module_is_a_file_of_its_name() {
    for folder in ["functions", "local", "shared"] {
        for (path, _) in files(folder) {
            assert!(
                !path.ends_with("/mod.rs"),
                "{path}: name it after its module"
            );
        }
    }
}
