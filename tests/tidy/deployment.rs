//! What `template.yaml` promises beyond its settings, and what stands beside it says the same.
use std::collections::BTreeSet;

use serde_yaml_ng::Value;

use super::docs::documented;
use super::repository::{files, read};

fn yaml(text: &str) -> Value {
    serde_yaml_ng::from_str(text).expect("YAML")
}

fn template() -> Value {
    yaml(&read("template.yaml"))
}

/// The resources of a type, by their names.
fn resources<'a>(template: &'a Value, kind: &str) -> Vec<(&'a str, &'a Value)> {
    let all = template["Resources"].as_mapping().expect("resources");
    let found = all.iter().filter(|(_, resource)| resource["Type"] == kind);
    let found =
        found.filter_map(|(name, resource)| Some((name.as_str()?, &resource["Properties"])));
    let found: Vec<_> = found.collect();
    assert!(!found.is_empty(), "no {kind}");
    found
}

fn parameters(template: &Value) -> Vec<(&str, &Value)> {
    let all = template["Parameters"].as_mapping().expect("parameters");
    let named = all
        .iter()
        .filter_map(|(name, what)| Some((name.as_str()?, what)));
    named.collect()
}

/// `CodesPerWindow` and `CODES_PER_WINDOW` are the same setting.
fn plain(name: &str) -> String {
    name.replace('_', "").to_lowercase()
}

#[test]
fn every_parameter_is_documented_once() {
    let template = template();
    let settings: BTreeSet<_> = documented("## Configuration");
    let settings: BTreeSet<_> = settings.iter().map(|name| plain(name)).collect();
    let document = read("docs/deployment.md");
    let rows = document.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.filter_map(|row| row.split('|').nth(1));
    let listed: BTreeSet<_> = cells
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect();
    let others = parameters(&template).into_iter().map(|(name, _)| name);
    let others: BTreeSet<_> = others
        .filter(|name| !settings.contains(&plain(name)))
        .collect();
    assert_eq!(
        listed, others,
        "the table in docs/deployment.md, and the parameters that the README's Configuration lacks"
    );
}

#[test]
fn every_default_that_is_documented_is_the_template_s() {
    let template = template();
    let document = read("docs/deployment.md");
    for row in document.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let names = cells[1].split('`').skip(1).step_by(2);
        for (name, default) in names.zip(cells[2].split(", ")) {
            let known = &template["Parameters"][name]["Default"];
            let known = known.as_str().map_or_else(
                || known.as_u64().map(|number| number.to_string()),
                |text| Some(text.to_owned()),
            );
            // In words, where the default is nothing.
            let default = match known.as_deref() {
                Some("") => "",
                _ => default.trim_matches('`'),
            };
            assert_eq!(known.as_deref(), Some(default), "{name}");
        }
    }
}

fn is_scheduled(function: &Value) -> bool {
    let events = function["Events"].as_mapping().into_iter().flatten();
    events
        .into_iter()
        .any(|(_, event)| event["Type"] == "ScheduleV2")
}

#[test]
fn a_function_that_sends_is_bounded_and_can_be_beside_its_gateway() {
    let template = template();
    let reserved =
        yaml("!If [HasReservedConcurrency, !Ref ReservedConcurrency, !Ref AWS::NoValue]");
    let network = yaml(
        "!If [HasVpc, { SubnetIds: !Ref VpcSubnetIds, SecurityGroupIds: !Ref VpcSecurityGroupIds }, !Ref AWS::NoValue]",
    );
    let denied = yaml(
        r#"{ Effect: Deny, Action: ["ec2:*"], Resource: "*", Condition: { "Null": { "lambda:SourceFunctionArn": "false" } } }"#,
    );
    let mut sending = 0;
    for (name, function) in resources(&template, "AWS::Serverless::Function") {
        let sends = !function["Environment"]["Variables"]["WHATSAPP_USER_TOKEN"].is_null();
        if !sends {
            assert!(function["VpcConfig"].is_null(), "{name} needs no network");
            continue;
        }
        sending += 1;
        // A schedule calls once a minute, however many requests come.
        let wanted = if is_scheduled(function) {
            &Value::Null
        } else {
            &reserved
        };
        assert_eq!(&function["ReservedConcurrentExecutions"], wanted, "{name}");
        assert_eq!(function["VpcConfig"], network, "{name}");
        let statements = function["Policies"][0]["Statement"].as_sequence();
        let statements = statements.unwrap_or_else(|| panic!("{name}: no statements"));
        assert!(
            statements.contains(&denied),
            "{name}: SAM lets whatever can be in a VPC make network interfaces; deny that to the function"
        );
    }
    assert!(sending > 0);
}

#[test]
fn all_that_is_kept_takes_the_key_of_the_account() {
    let template = template();
    let key = yaml("!If [HasKmsKey, !Ref KmsKeyArn, !Ref AWS::NoValue]");
    for (name, group) in resources(&template, "AWS::Logs::LogGroup") {
        assert_eq!(group["KmsKeyId"], key, "{name}");
    }
    for (name, topic) in resources(&template, "AWS::SNS::Topic") {
        assert_eq!(topic["KmsMasterKeyId"], key, "{name}");
    }
    assert_eq!(template["Globals"]["Function"]["KmsKeyArn"], key);
    let own = yaml("{ SSEEnabled: true, SSEType: KMS, KMSMasterKeyId: !Ref KmsKeyArn }");
    for (name, table) in resources(&template, "AWS::DynamoDB::Table") {
        let Value::Tagged(choice) = &table["SSESpecification"] else {
            panic!("{name}: no !If");
        };
        assert_eq!(choice.value[0], "HasKmsKey", "{name}");
        assert_eq!(choice.value[1], own, "{name}");
    }
}

#[test]
fn the_firewall_limits_the_routes_that_are_throttled() {
    let template = template();
    let api = &template["Resources"]["Api"]["Properties"];
    let throttled = api["RouteSettings"].as_mapping().expect("routes");
    let throttled = throttled.keys().filter_map(Value::as_str);
    // Payments and webhooks come from few addresses, and many at once.
    let of_people = ["/admin/", "/api/auth/"];
    let throttled: BTreeSet<_> = throttled
        .filter_map(|route| route.strip_prefix("POST "))
        .filter(|path| of_people.iter().any(|below| path.starts_with(below)))
        // Its page fetches itself again every few seconds, and whoever has no link of ours costs a read.
        .filter(|path| *path != "/admin/pairing/{link}")
        .collect();
    let front = yaml(&read("deploy/cloudfront.yaml"));
    let rules = front["Resources"]["Firewall"]["Properties"]["Rules"].as_sequence();
    let rule = rules.and_then(|rules| rules.iter().find(|rule| rule["Name"] == "CostlyRequests"));
    let scope = &rule.expect("a rule")["Statement"]["RateBasedStatement"]["ScopeDownStatement"];
    let paths = scope["RegexMatchStatement"]["RegexString"].as_str();
    let paths = paths.and_then(|paths| paths.strip_prefix("^(")?.strip_suffix(")$"));
    let limited: BTreeSet<_> = paths.expect("paths").split('|').collect();
    assert_eq!(
        limited, throttled,
        "in deploy/cloudfront.yaml, and in template.yaml"
    );
}

#[test]
fn cloudfront_passes_on_the_cookies_of_pages_and_no_others() {
    let front = yaml(&read("deploy/cloudfront.yaml"));
    let policy = &front["Resources"]["ViewerAddress"]["Properties"]["OriginRequestPolicyConfig"];
    let passed = policy["CookiesConfig"]["Cookies"].as_sequence();
    let passed = passed.expect("a list").iter().filter_map(Value::as_str);
    let passed: BTreeSet<_> = passed.map(str::to_owned).collect();
    let code = read("shared/src/edge/admin.rs");
    let lines = code.lines().filter_map(|line| {
        let (name, value) = line.strip_prefix("const ")?.split_once(": &str = ")?;
        let value = value.strip_prefix('"')?.strip_suffix("\";")?;
        name.ends_with("_COOKIE").then(|| value.to_owned())
    });
    let ours: BTreeSet<_> = lines.collect();
    assert_eq!(ours.len(), 4, "{ours:?}");
    assert_eq!(passed, ours);
}

#[test]
fn what_a_metric_filter_reads_is_in_the_log() {
    let template = template();
    let api = &template["Resources"]["Api"]["Properties"];
    let format = api["AccessLogSettings"]["Format"]
        .as_str()
        .expect("a format");
    let line = yaml(format);
    let filters = resources(&template, "AWS::Logs::MetricFilter");
    let (_, filter) = filters
        .iter()
        .find(|(name, _)| *name == "ApiThrottlesFilter")
        .expect("a filter");
    let pattern = filter["FilterPattern"].as_str().expect("a pattern");
    let fields: Vec<_> = pattern.split("$.").skip(1).collect();
    assert_eq!(fields.len(), 2, "{pattern}");
    for field in fields {
        let field = field.split(' ').next().unwrap_or_default();
        assert!(!line[field].is_null(), "the access log has no {field}");
    }
    for (name, filter) in filters {
        let metric = &filter["MetricTransformations"][0];
        let alarms = resources(&template, "AWS::CloudWatch::Alarm");
        let watched = alarms.iter().any(|(_, alarm)| {
            alarm["MetricName"] == metric["MetricName"]
                && alarm["Namespace"] == metric["MetricNamespace"]
        });
        assert!(watched, "no alarm reads the metric of {name}");
    }
}

#[test]
fn no_metric_is_paid_for_that_nobody_reads() {
    let template = read("template.yaml");
    assert!(
        !template.contains("DetailedMetricsEnabled"),
        "no alarm reads the metrics of single routes"
    );
}

#[test]
fn the_template_knows_no_region_and_no_partition() {
    for (number, line) in (1..).zip(read("template.yaml").lines()) {
        let line = line.split(" # ").next().unwrap_or_default();
        for word in ["arn:aws:", "amazonaws.com", "us-east-1", "ap-southeast"] {
            assert!(
                !line.contains(word),
                "template.yaml:{number}: {word}; use AWS::Partition, AWS::URLSuffix, AWS::Region"
            );
        }
    }
}

#[test]
fn every_environment_reads_its_parameters_from_a_file_that_git_ignores() {
    let config: toml::Table = read("samconfig.toml").parse().expect("TOML");
    let ignored = read(".gitignore");
    assert!(ignored.contains("\n/deploy/parameters.*.yaml\n!/deploy/parameters.example.yaml\n"));
    let mut environments = 0;
    for (name, commands) in &config {
        let Some(deploy) = commands.get("deploy") else {
            continue;
        };
        environments += 1;
        let file = vec![toml::Value::from(format!(
            "file://deploy/parameters.{name}.yaml"
        ))];
        for command in [deploy, &commands["build"]] {
            assert_eq!(
                command["parameters"]["parameter_overrides"].as_array(),
                Some(&file),
                "{name}"
            );
        }
    }
    assert!(environments > 1);
}

#[test]
fn the_example_of_parameters_has_what_has_no_default_and_nothing_unknown() {
    let template = template();
    let example = yaml(&read("deploy/parameters.example.yaml"));
    for (name, parameter) in parameters(&template) {
        let needed = parameter["Default"].is_null();
        assert!(
            !needed || !example[name].is_null(),
            "the example lacks {name}"
        );
    }
    for (name, _) in example.as_mapping().expect("parameters") {
        assert!(
            !template["Parameters"][name].is_null(),
            "{name:?} is no parameter"
        );
    }
}

#[test]
fn every_origin_is_one_of_a_list() {
    let template = template();
    let api = &template["Resources"]["Api"]["Properties"];
    let Value::Tagged(choice) = &api["CorsConfiguration"] else {
        panic!("no !If: SAM takes no other function in a part of the configuration");
    };
    let origins = yaml(r#"!Split [",", !Ref AllowedOrigins]"#);
    assert_eq!(choice.value[1]["AllowOrigins"], origins);
    // SAM puts the value of a parameter into the API's definition: a list would be one text there.
    assert_eq!(template["Parameters"]["AllowedOrigins"]["Type"], "String");
}

#[test]
fn no_document_puts_a_secret_on_a_command_line() {
    let template = template();
    let secrets = parameters(&template).into_iter();
    let secrets = secrets.filter(|(_, parameter)| parameter["NoEcho"] == true);
    let secrets: Vec<_> = secrets.map(|(name, _)| format!("{name}=")).collect();
    assert!(secrets.len() > 3, "{secrets:?}");
    for (path, text) in files("") {
        if path.ends_with(".md") || path.ends_with(".toml") {
            for secret in &secrets {
                assert!(!text.contains(secret.as_str()), "{path}: {secret}");
            }
        }
    }
}

#[test]
fn no_table_is_deleted_by_mistake_where_people_use_it() {
    let template = template();
    let expected = yaml("!If [IsProtected, true, false]");
    for (name, table) in resources(&template, "AWS::DynamoDB::Table") {
        let protected = &table["DeletionProtectionEnabled"];
        assert_eq!(protected, &expected, "{name}");
    }
}

#[test]
fn the_access_log_names_routes_and_no_paths() {
    let template = template();
    let api = &template["Resources"]["Api"]["Properties"];
    let format = api["AccessLogSettings"]["Format"].as_str();
    let line = format.expect("a format");
    assert!(line.contains("$context.routeKey"), "{line}");
    // The path of a webhook is a secret.
    for secret in ["path", "Path", "querystring"] {
        assert!(!line.contains(secret), "{secret}: {line}");
    }
}

#[test]
fn the_access_log_has_the_id_that_the_reply_shows() {
    let template = template();
    let api = &template["Resources"]["Api"]["Properties"];
    let format = api["AccessLogSettings"]["Format"].as_str();
    let line = yaml(format.expect("a format"));
    assert_eq!(line["requestId"], "$context.integration.requestId");
}
