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

/// The functions that no route leads to: something else calls them.
const WITHOUT_ROUTE: [&str; 1] = ["keys-make"];

fn endpoints() -> BTreeSet<String> {
    let mut endpoints = functions();
    for function in WITHOUT_ROUTE {
        assert!(endpoints.remove(function), "there is no {function}");
    }
    endpoints
}

fn check(place: &str, names: impl IntoIterator<Item = String>) {
    let names: BTreeSet<_> = names.into_iter().collect();
    assert_eq!(names, endpoints(), "{place}, and the folders in functions/");
}

#[test]
fn a_function_has_one_name_everywhere() {
    let template = Template::compiled_in().expect("a template");
    let limited: BTreeSet<_> = template.timeouts.into_keys().collect();
    assert_eq!(limited, functions(), "the time limits in template.yaml");
    let routed = template.routes.into_iter().map(|route| route.function);
    check("the routes in template.yaml", routed);
    let started = local::functions::ALL
        .iter()
        .map(|(name, _)| (*name).to_owned());
    check("local::functions", started);
    let events = names_in("events");
    let events = events.iter().filter_map(|name| name.strip_suffix(".json"));
    check("events/", events.map(str::to_owned));
    for function in functions() {
        let manifest = read(&format!("functions/{function}/Cargo.toml"));
        let name = format!("name = \"{function}\"");
        assert!(manifest.contains(&name), "{function}: the package's name");
        let workspace = format!("{function} = {{ path = \"functions/{function}\" }}");
        let known = read("Cargo.toml").contains(&workspace);
        assert!(known, "Cargo.toml lacks: {workspace}");
        let resource = format!("\n  {}:\n", logical_id(&function));
        let known = read("template.yaml").contains(&resource);
        assert!(known, "template.yaml lacks:{resource}");
    }
}

#[test]
fn every_main_is_the_same_but_for_its_name() {
    let mut mains = BTreeSet::new();
    for function in endpoints() {
        let main = read(&format!("functions/{function}/src/main.rs"));
        mains.insert(main.replace(&function.replace('-', "_"), "function"));
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
    assert_eq!(allowed.collect::<BTreeSet<_>>(), routes);
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
