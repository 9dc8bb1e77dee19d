//! The alarms of `template.yaml` on made-up series, and what they read and say.
//!
//! An emulated AWS stores alarms and evaluates them wrongly, so CloudWatch's rules stand here, as far as these alarms need them: an
//! alarm is evaluated each minute over periods that end now. If too few of these have data, older ones stand in, as far as
//! [`OLDER_PERIODS`] reach; what is still missing counts as `TreatMissingData` says.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde_yaml_ng::Value;
use shared::runtime::metrics::{Metric, NAMESPACE};

/// How many periods before those of an alarm CloudWatch reads, too, where data are missing. It names no number; in its example
/// there are two.
const OLDER_PERIODS: usize = 2;

static TEMPLATE: LazyLock<Value> =
    LazyLock::new(|| serde_yaml_ng::from_str(include_str!("../../template.yaml")).expect("YAML"));

/// The resources of a type, by name.
fn resources(kind: &str) -> BTreeMap<String, Value> {
    let all = TEMPLATE["Resources"].as_mapping().expect("resources");
    let found = all.iter().filter(|(_, resource)| resource["Type"] == kind);
    let named = found.map(|(name, resource)| {
        let name = name.as_str().expect("a name").to_owned();
        (name, resource["Properties"].clone())
    });
    named.collect()
}

fn metric_alarms() -> BTreeMap<String, Value> {
    resources("AWS::CloudWatch::Alarm")
}

fn composite_alarms() -> BTreeMap<String, Value> {
    resources("AWS::CloudWatch::CompositeAlarm")
}

/// The values that were measured in each minute.
type Series = Vec<Vec<f64>>;

/// Some minutes in each of which these values were measured.
fn minutes(count: usize, values: &[f64]) -> Series {
    vec![values.to_vec(); count]
}

/// One series after the other.
fn then(parts: &[Series]) -> Series {
    parts.concat()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Fine,
    Alarm,
    /// There were no data yet.
    Unknown,
}

/// What a metric alarm is made of.
struct Alarm {
    statistic: String,
    period: usize,
    periods: usize,
    to_alarm: usize,
    threshold: f64,
    comparison: String,
    missing: String,
}

impl Alarm {
    fn read(properties: &Value) -> Self {
        let text = |key: &str| properties[key].as_str().unwrap_or_default().to_owned();
        let number = |key: &str| properties[key].as_u64().map(|number| number as usize);
        let seconds = number("Period").expect("a period");
        assert_eq!(seconds % 60, 0, "a period of whole minutes");
        let periods = number("EvaluationPeriods").expect("periods");
        Self {
            statistic: text("Statistic"),
            period: seconds / 60,
            periods,
            to_alarm: number("DatapointsToAlarm").unwrap_or(periods),
            threshold: properties["Threshold"].as_f64().expect("a threshold"),
            comparison: text("ComparisonOperator"),
            missing: text("TreatMissingData"),
        }
    }

    /// The state after each minute.
    fn states(&self, series: &Series) -> Vec<State> {
        let mut state = State::Unknown;
        let after = |end| {
            state = self.evaluate(series, end).unwrap_or(state);
            state
        };
        (1..=series.len()).map(after).collect()
    }

    /// The state at the end of so many minutes; nothing if it stays as it was.
    fn evaluate(&self, series: &Series, end: usize) -> Option<State> {
        let range = (0..self.periods + OLDER_PERIODS).map(|back| self.datapoint(series, end, back));
        let found: Vec<_> = range.flatten().take(self.periods).collect();
        let breaching = found.iter().filter(|value| self.breaches(**value)).count();
        let missing = self.periods - found.len();
        match self.missing.as_str() {
            _ if breaching >= self.to_alarm => Some(State::Alarm),
            "breaching" if breaching + missing >= self.to_alarm => Some(State::Alarm),
            "breaching" | "notBreaching" => Some(State::Fine),
            "ignore" if breaching + missing < self.to_alarm => Some(State::Fine),
            "ignore" => None,
            other => panic!("{other}: teach this evaluator"),
        }
    }

    /// The statistic of the period that ended so many periods ago; nothing where nothing was measured.
    fn datapoint(&self, series: &Series, end: usize, back: usize) -> Option<f64> {
        let end = end.checked_sub(back * self.period)?;
        let values: Vec<f64> = series[end.saturating_sub(self.period)..end].concat();
        if values.is_empty() {
            return None;
        }
        let count = values.len() as f64;
        Some(match self.statistic.as_str() {
            "Sum" => values.iter().sum(),
            "Average" => values.iter().sum::<f64>() / count,
            "Maximum" => values.into_iter().fold(f64::MIN, f64::max),
            "SampleCount" => count,
            other => panic!("{other}: teach this evaluator"),
        })
    }

    fn breaches(&self, value: f64) -> bool {
        match self.comparison.as_str() {
            "GreaterThanOrEqualToThreshold" => value >= self.threshold,
            "GreaterThanThreshold" => value > self.threshold,
            "LessThanThreshold" => value < self.threshold,
            other => panic!("{other}: teach this evaluator"),
        }
    }
}

/// The states of an alarm of either kind after each minute of what it, or each of its parts, reads.
fn states(name: &str, series: &Series) -> Vec<State> {
    if let Some(properties) = metric_alarms().get(name) {
        return Alarm::read(properties).states(series);
    }
    let composite = composite_alarms().remove(name).expect("an alarm");
    let parts: Vec<_> = parts(&composite)
        .iter()
        .map(|part| states(part, series))
        .collect();
    let all = |minute: usize| parts.iter().all(|states| states[minute] == State::Alarm);
    let state = |minute| {
        if all(minute) {
            State::Alarm
        } else {
            State::Fine
        }
    };
    (0..series.len()).map(state).collect()
}

/// The alarms in a rule that wants all of them.
fn parts(composite: &Value) -> Vec<String> {
    let Value::Tagged(rule) = &composite["AlarmRule"] else {
        panic!("no !Sub");
    };
    let rule = rule.value.as_str().expect("a rule");
    let parts = rule.split(" AND ").map(|part| {
        let name = part
            .strip_prefix("ALARM(\"${")
            .and_then(|part| part.strip_suffix("}\")"));
        name.unwrap_or_else(|| panic!("{part}: teach this evaluator"))
            .to_owned()
    });
    parts.collect()
}

/// An alarm with a series that it must tell of, within so many minutes of what happened; one that it must not tell of; and
/// how it is when data are missing after its alarm.
struct Case {
    name: &'static str,
    bad: Series,
    within: usize,
    harmless: Series,
    once_missing: State,
}

/// What is well before something happens.
const WELL: usize = 400;

/// Something that a round over the sessions counts, and only a person can end.
fn for_a_person(name: &'static str) -> Case {
    Case {
        name,
        bad: minutes(1, &[1.0]),
        within: 1,
        harmless: minutes(10, &[0.0]),
        // Nobody looks, so nothing has ended.
        once_missing: State::Alarm,
    }
}

/// So many codes a minute that are late, of twenty.
fn late(minutes_long: usize, late: usize) -> Series {
    let in_time = |code: usize| if code < late { 0.0 } else { 1.0 };
    let codes: Vec<_> = (0..20).map(in_time).collect();
    minutes(minutes_long, &codes)
}

fn cases() -> Vec<Case> {
    let mut cases: Vec<_> = [
        "NeedsPairingAlarm",
        "NeedsRestartAlarm",
        "RestrictedAlarm",
        "TokenRefusedAlarm",
        "MuteAlarm",
        "SessionDownAlarm",
    ]
    .map(for_a_person)
    .into();
    cases.extend(cases_of_rounds());
    cases.extend(cases_of_notices());
    cases.extend(cases_of_messages());
    cases
}

fn cases_of_rounds() -> Vec<Case> {
    vec![
        Case {
            name: "NoUsableSessionAlarm",
            bad: minutes(2, &[0.0]),
            within: 2,
            harmless: then(&[minutes(1, &[0.0]), minutes(5, &[1.0])]),
            once_missing: State::Alarm,
        },
        Case {
            name: "RecoveryFailingAlarm",
            bad: then(&[
                minutes(1, &[1.0]),
                minutes(1, &[0.0]),
                minutes(1, &[2.0]),
                minutes(1, &[0.0]),
                minutes(1, &[1.0]),
            ]),
            within: 5,
            harmless: then(&[minutes(2, &[1.0]), minutes(5, &[0.0])]),
            once_missing: State::Fine,
        },
        Case {
            name: "WebhookMissingAlarm",
            bad: minutes(5, &[1.0]),
            within: 5,
            harmless: then(&[minutes(4, &[1.0]), minutes(2, &[0.0])]),
            once_missing: State::Fine,
        },
        Case {
            name: "MonitorSilentAlarm",
            bad: minutes(4, &[]),
            within: 4,
            harmless: then(&[minutes(1, &[]), minutes(5, &[0.0])]),
            once_missing: State::Alarm,
        },
    ]
}

fn cases_of_notices() -> Vec<Case> {
    let counted = |name| Case {
        name,
        bad: minutes(1, &[1.0]),
        within: 1,
        harmless: minutes(10, &[]),
        // Each is told once.
        once_missing: State::Fine,
    };
    vec![
        Case {
            name: "NoticesLateAlarm",
            bad: minutes(1, &[50.0]),
            within: 1,
            harmless: minutes(10, &[49.0]),
            once_missing: State::Alarm,
        },
        counted("NoticesDeadAlarm"),
        counted("PaymentMismatchAlarm"),
        Case {
            name: "DeliverySilentAlarm",
            bad: minutes(4, &[]),
            within: 4,
            harmless: then(&[minutes(1, &[]), minutes(5, &[0.0])]),
            once_missing: State::Alarm,
        },
    ]
}

fn cases_of_messages() -> Vec<Case> {
    vec![
        Case {
            name: "UnknownOutcomesAlarm",
            // One of ten.
            bad: minutes(10, &[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
            within: 10,
            // One in a quiet hour, which is all of its five minutes.
            harmless: then(&[minutes(1, &[1.0]), minutes(59, &[])]),
            once_missing: State::Fine,
        },
        Case {
            name: "CodesLateFastAlarm",
            // No code at all: ten minutes of an hour are more than one in seven.
            bad: late(10, 20),
            within: 10,
            // An hour in which one of ten is late: not as fast as that.
            harmless: late(60, 2),
            once_missing: State::Fine,
        },
        Case {
            name: "CodesLateSlowAlarm",
            bad: late(WELL, 2),
            within: 240,
            // A bad quarter of an hour is over before it counts.
            harmless: then(&[late(15, 20), late(345, 0)]),
            once_missing: State::Fine,
        },
    ]
}

/// What is measured while all is well.
fn well(name: &str) -> Series {
    match name {
        "NoUsableSessionAlarm" | "MonitorSilentAlarm" | "DeliverySilentAlarm" => {
            minutes(WELL, &[2.0])
        }
        "CodesLateFastAlarm" | "CodesLateSlowAlarm" => late(WELL, 0),
        _ => minutes(WELL, &[0.0]),
    }
}

#[test]
fn every_alarm_of_ours_tells_what_it_is_for_in_time_and_nothing_else() {
    for case in cases() {
        let (name, well) = (case.name, well(case.name));
        let told = |series: &Series| {
            let states = states(name, series);
            let told = states.iter().position(|state| *state == State::Alarm);
            told.map(|minute| minute + 1)
        };
        let minute = told(&then(&[well.clone(), case.bad.clone()]));
        let minute = minute.unwrap_or_else(|| panic!("{name} tells nothing"));
        assert!(
            (WELL + 1..=WELL + case.within).contains(&minute),
            "{name} tells after {} minutes",
            minute.saturating_sub(WELL)
        );
        let harmless = told(&then(&[well.clone(), case.harmless]));
        assert_eq!(harmless, None, "{name} tells what is harmless");

        let then_nothing = then(&[well.clone(), case.bad.clone(), minutes(WELL, &[])]);
        let last = states(name, &then_nothing).pop();
        assert_eq!(
            last,
            Some(case.once_missing),
            "{name}, when data are missing"
        );

        let then_well = then(&[well.clone(), case.bad, well]);
        let last = states(name, &then_well).pop();
        assert_eq!(
            last,
            Some(State::Fine),
            "{name} ends when all is well again"
        );
    }
}

#[test]
fn what_only_a_person_can_end_is_told_also_when_it_was_never_well() {
    for case in cases().iter().filter(|case| case.within == 1) {
        assert_eq!(
            states(case.name, &case.bad),
            [State::Alarm],
            "{}",
            case.name
        );
    }
}

#[test]
fn every_alarm_of_ours_has_its_case() {
    let ours = metric_alarms().into_iter();
    let ours = ours.filter(|(_, alarm)| alarm["Namespace"] == NAMESPACE);
    let ours = ours.map(|(name, _)| name);
    let composites = composite_alarms();
    let of_composites: BTreeSet<_> = composites.values().flat_map(parts).collect();
    let told = ours.filter(|name| !of_composites.contains(name));
    let told: BTreeSet<_> = told.chain(composites.into_keys()).collect();
    let cases: BTreeSet<_> = cases().iter().map(|case| case.name.to_owned()).collect();
    assert_eq!(cases, told);
}

#[test]
fn every_alarm_of_amazons_metrics_tells_of_a_flood_and_not_of_nothing() {
    let others = metric_alarms().into_iter();
    let others: Vec<_> = others
        .filter(|(_, alarm)| alarm["Namespace"] != NAMESPACE)
        .collect();
    assert!(others.len() > 20, "{}", others.len());
    for (name, properties) in others {
        let alarm = Alarm::read(&properties);
        for harmless in [&[][..], &[0.0]] {
            let states = alarm.states(&minutes(10, harmless));
            assert!(!states.contains(&State::Alarm), "{name}");
        }
        let states = alarm.states(&minutes(5, &[1.0; 10]));
        assert!(states.contains(&State::Alarm), "{name}");
    }
}

#[test]
fn every_metric_that_is_read_is_written_under_its_name() {
    let written: BTreeSet<_> = Metric::ALL.into_iter().map(Metric::name).collect();
    let stack = serde_yaml_ng::from_str("[{ Name: Stack, Value: !Ref AWS::StackName }]");
    let stack: Value = stack.expect("YAML");
    for (name, alarm) in metric_alarms() {
        if alarm["Namespace"] == NAMESPACE {
            let metric = alarm["MetricName"].as_str().expect("a metric");
            assert!(written.contains(metric), "{name}: {metric}");
            assert_eq!(alarm["Dimensions"], stack, "{name}");
        }
    }
    // Whatever is paid for is read: by an alarm, or on the dashboard.
    let dashboard = dashboard().to_string();
    for metric in written {
        assert!(dashboard.contains(metric), "the dashboard lacks {metric}");
    }
}

/// The dashboard, with the names of what is put in instead of it.
fn dashboard() -> serde_json::Value {
    let dashboards = resources("AWS::CloudWatch::Dashboard");
    let Value::Tagged(body) = &dashboards["Dashboard"]["DashboardBody"] else {
        panic!("no !Sub");
    };
    let body = body.value.as_str().expect("a body");
    serde_json::from_str(body).expect("the dashboard is JSON")
}

#[test]
fn the_dashboard_shows_every_alarm_that_tells_of_messages() {
    let dashboard = dashboard();
    let widgets = dashboard["widgets"].as_array().expect("widgets");
    let shown = widgets
        .iter()
        .find_map(|widget| widget["properties"]["alarms"].as_array());
    let shown: BTreeSet<_> = shown
        .expect("alarms")
        .iter()
        .filter_map(|arn| arn.as_str()?.strip_prefix("${")?.strip_suffix(".Arn}"))
        .collect();
    for case in cases() {
        assert!(shown.contains(case.name), "{}", case.name);
    }
    for widget in widgets {
        for metric in widget["properties"]["metrics"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let Some(name) = metric[1].as_str() else {
                continue;
            };
            let known = Metric::ALL.into_iter().any(|metric| metric.name() == name);
            assert!(known && metric[0] == NAMESPACE, "{metric}");
        }
    }
}

/// A heading as its address is written: `## A session is mute` is `a-session-is-mute`.
fn anchor(heading: &str) -> String {
    let letters = heading.trim_start_matches(['#', ' ']).to_lowercase();
    let letters = letters
        .chars()
        .filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '-');
    letters.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn every_alarm_names_the_section_of_the_runbook_that_says_what_to_do() {
    let runbook = include_str!("../../docs/operations.md");
    let headings = runbook.lines().filter(|line| line.starts_with('#'));
    let sections: BTreeSet<_> = headings.map(anchor).collect();
    for (name, alarm) in metric_alarms().into_iter().chain(composite_alarms()) {
        let description = alarm["AlarmDescription"].as_str().expect("a description");
        let named = description.split_once(" See docs/operations.md#");
        let (text, section) = named.unwrap_or_else(|| panic!("{name} names no section"));
        assert!(text.ends_with('.'), "{name}: {text}");
        let section = section.trim_end_matches('.');
        assert!(sections.contains(section), "{name}: #{section}");
    }
}

#[test]
fn every_alarm_tells_the_topic_unless_it_is_a_part_of_another() {
    let topic: Value = serde_yaml_ng::from_str("[!Ref AlarmTopic]").expect("YAML");
    let of_composites: BTreeSet<_> = composite_alarms().values().flat_map(parts).collect();
    for (name, alarm) in metric_alarms().into_iter().chain(composite_alarms()) {
        let expected = if of_composites.contains(&name) {
            &Value::Null
        } else {
            &topic
        };
        assert_eq!(&alarm["AlarmActions"], expected, "{name}");
    }
}

#[test]
fn the_runbook_lists_every_metric() {
    let runbook = include_str!("../../docs/operations.md");
    for metric in Metric::ALL {
        let name = format!("`{}`", metric.name());
        assert!(runbook.contains(&name), "docs/operations.md lacks {name}");
    }
}
