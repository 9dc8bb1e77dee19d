//! Environment variables, read one by one.
use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::limits::DAY;

/// A variable that is missing or cannot be read. The message names it and tells the fix.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {problem}")]
pub struct SettingsError {
    /// The environment variable.
    pub variable: &'static str,
    /// What is wrong with it, and the fix.
    pub problem: String,
}

impl SettingsError {
    /// Says what is wrong with `variable`, and the fix.
    pub fn new(variable: &'static str, problem: impl Into<String>) -> Self {
        Self {
            variable,
            problem: problem.into(),
        }
    }
}

/// Environment variables. An empty one counts as absent.
#[derive(Debug, Default)]
pub struct Vars(pub BTreeMap<String, String>);

impl Vars {
    /// The process environment.
    pub fn from_env() -> Self {
        Self(std::env::vars().collect())
    }

    /// The variable, without spaces around it.
    pub fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name).map(|value| value.trim());
        value.filter(|value| !value.is_empty())
    }

    /// A text.
    pub fn text(&self, name: &str, default: String) -> String {
        self.get(name).map_or(default, str::to_owned)
    }

    /// A URL, without a slash at its end.
    ///
    /// # Errors
    /// When it is none.
    pub fn url(&self, variable: &'static str) -> Result<Option<String>, SettingsError> {
        let Some(url) = self.get(variable) else {
            return Ok(None);
        };
        if !(url.starts_with("https://") || url.starts_with("http://")) {
            let problem = "give a URL that begins with https:// or http://";
            return Err(SettingsError::new(variable, problem));
        }
        Ok(Some(url.trim_end_matches('/').to_owned()))
    }

    /// `on` or `off`.
    ///
    /// # Errors
    /// When it is neither.
    pub fn switch(&self, variable: &'static str, default: bool) -> Result<bool, SettingsError> {
        match self.get(variable) {
            None => Ok(default),
            Some("on") => Ok(true),
            Some("off") => Ok(false),
            Some(_) => Err(SettingsError::new(variable, "give `on` or `off`")),
        }
    }

    /// How many of something there may be, at least one.
    ///
    /// # Errors
    /// When it is no number, or 0.
    pub fn count(&self, variable: &'static str, default: usize) -> Result<usize, SettingsError> {
        match self.get(variable).map(str::parse) {
            None => Ok(default),
            Some(Ok(count @ 1..)) => Ok(count),
            Some(_) => {
                let problem = "give a whole number from 1 up";
                Err(SettingsError::new(variable, problem))
            }
        }
    }

    /// A time in seconds.
    ///
    /// # Errors
    /// When it is no whole number.
    pub fn seconds(
        &self,
        variable: &'static str,
        default: Duration,
    ) -> Result<Duration, SettingsError> {
        match self.get(variable).map(str::parse::<u32>) {
            None => Ok(default),
            Some(Ok(seconds)) => Ok(Duration::from_secs(seconds.into())),
            Some(Err(_)) => {
                let problem = "give a whole number of seconds";
                Err(SettingsError::new(variable, problem))
            }
        }
    }

    /// A time in days, at least one.
    ///
    /// # Errors
    /// When it is no whole number, or 0.
    pub fn days(
        &self,
        variable: &'static str,
        default: Duration,
    ) -> Result<Duration, SettingsError> {
        self.whole(variable, ("days", DAY), default)
    }

    /// A time in hours, at least one.
    ///
    /// # Errors
    /// When it is no whole number, or 0.
    pub fn hours(
        &self,
        variable: &'static str,
        default: Duration,
    ) -> Result<Duration, SettingsError> {
        self.whole(variable, ("hours", DAY / 24), default)
    }

    fn whole(
        &self,
        variable: &'static str,
        (name, unit): (&str, Duration),
        default: Duration,
    ) -> Result<Duration, SettingsError> {
        match self.get(variable).map(str::parse::<u16>) {
            None => Ok(default),
            Some(Ok(number @ 1..)) => Ok(u32::from(number) * unit),
            Some(_) => {
                let problem = format!("give a whole number of {name} from 1 up");
                Err(SettingsError::new(variable, problem))
            }
        }
    }
}
