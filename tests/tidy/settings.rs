//! Every setting of the functions is a parameter of the stack.
use std::collections::{BTreeMap, BTreeSet};

use serde_yaml_ng::Value;
use shared::runtime::settings::Settings;
use shared::runtime::settings::vars::Vars;

use super::docs::documented;
use super::repository::read;

/// What Lambda sets by itself.
const OF_LAMBDA: [&str; 4] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
];

/// What only this machine needs.
const NOT_DEPLOYED: [&str; 3] = ["AWS_ENDPOINT_URL_DYNAMODB", "DYNAMODB_CA_PEM", "WARMUP"];

fn template() -> Value {
    serde_yaml_ng::from_str(&read("template.yaml")).expect("template.yaml is YAML")
}

/// The variables that the template sets, for all functions or for some, and what each refers to.
fn variables(template: &Value) -> BTreeMap<String, String> {
    let resources = template["Resources"].as_mapping().expect("resources");
    let functions = resources.values().map(|resource| &resource["Properties"]);
    let everywhere = std::iter::once(&template["Globals"]["Function"]);
    everywhere
        .chain(functions)
        .filter_map(|properties| properties["Environment"]["Variables"].as_mapping())
        .flatten()
        .map(|(name, value)| {
            let Value::Tagged(reference) = value else {
                panic!("{name:?}: no !Ref");
            };
            let target = reference.value.as_str().expect("a name");
            let name = name.as_str().expect("a name");
            (name.to_owned(), target.to_owned())
        })
        .collect()
}

#[test]
fn every_setting_is_a_parameter_or_a_table_of_the_stack() {
    let set: BTreeSet<_> = variables(&template()).into_keys().collect();
    let mut settings = documented("## Configuration");
    for name in OF_LAMBDA.iter().chain(&NOT_DEPLOYED) {
        assert!(settings.remove(*name), "{name} is no setting");
    }
    assert_eq!(set, settings, "in template.yaml, and in the README");
    for (variable, target) in variables(&template()) {
        let name = variable.replace('_', "").to_lowercase();
        let target = target.trim_start_matches("AWS::");
        assert_eq!(target.to_lowercase(), name, "{variable}: !Ref {target}");
    }
}

#[test]
fn a_parameter_has_the_default_of_the_code() {
    let template = template();
    let given = variables(&template).into_iter();
    let given = given.filter_map(|(variable, parameter)| {
        match &template["Parameters"][parameter.as_str()]["Default"] {
            Value::String(text) => Some((variable, text.clone())),
            Value::Number(number) => Some((variable, number.to_string())),
            _ => None,
        }
    });
    let deployed = Settings::from_vars(&Vars(given.collect())).expect("settings");
    assert_eq!(
        format!("{deployed:?}"),
        format!("{:?}", Settings::default())
    );
}
