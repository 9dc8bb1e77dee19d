//! What rings where: the alarms of `template.yaml` that look at metrics of minutes.
use anyhow::Context;
use serde_yaml_ng::Value;

const TEMPLATE: &str = include_str!("../../../template.yaml");

/// One alarm.
#[derive(Clone, Debug)]
pub struct Alarm {
    /// Its name in the template.
    pub name: String,
    /// The metric that it looks at.
    pub metric: String,
    /// Whether it rings below its threshold, and not at it and above.
    below: bool,
    threshold: f64,
    minutes: usize,
    /// Of these minutes, so many have to be bad.
    bad: usize,
}

impl Alarm {
    /// Whether it rings after these minutes, the last one at the end.
    pub fn rings(&self, minutes: &[f64]) -> bool {
        let is_bad = |value: &&f64| (**value < self.threshold) == self.below;
        let last = minutes.iter().rev().take(self.minutes);
        last.filter(is_bad).count() >= self.bad
    }
}

/// The alarms about the highest value of a metric in a minute.
///
/// # Errors
/// When the template has none, or one that cannot be read.
pub fn of_template() -> anyhow::Result<Vec<Alarm>> {
    let template: Value = serde_yaml_ng::from_str(TEMPLATE)?;
    let resources = template["Resources"].as_mapping().context("no resources")?;
    let alarms = resources.iter().filter(|(_, resource)| {
        let properties = &resource["Properties"];
        resource["Type"] == "AWS::CloudWatch::Alarm"
            && properties["Namespace"] == "WhatsAppMessages"
            && properties["Statistic"] == "Maximum"
            && properties["Period"] == 60
    });
    let alarms: Vec<_> = alarms
        .filter_map(|(name, alarm)| read(name.as_str()?, &alarm["Properties"]))
        .collect();
    anyhow::ensure!(!alarms.is_empty(), "the template has no alarms");
    Ok(alarms)
}

fn read(name: &str, properties: &Value) -> Option<Alarm> {
    let number = |field: &str| usize::try_from(properties[field].as_u64()?).ok();
    let minutes = number("EvaluationPeriods")?;
    Some(Alarm {
        name: name.to_owned(),
        metric: properties["MetricName"].as_str()?.to_owned(),
        below: properties["ComparisonOperator"] == "LessThanThreshold",
        threshold: properties["Threshold"].as_f64()?,
        minutes,
        bad: number("DatapointsToAlarm").unwrap_or(minutes),
    })
}
