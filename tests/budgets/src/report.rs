//! What was found, as Markdown, and whether it is within the budgets.
use std::path::Path;
use std::process::Command;

use anyhow::Context;

/// Tables, and the budgets that were exceeded.
#[derive(Debug, Default)]
pub struct Findings {
    /// The tables, as Markdown.
    pub markdown: String,
    /// One sentence per budget that was exceeded.
    pub exceeded: Vec<String>,
}

impl Findings {
    /// Begins a table with these columns, separated by commas. The first one holds names, the others numbers.
    pub fn table(&mut self, columns: &str) {
        let columns: Vec<_> = columns.split(", ").map(str::to_owned).collect();
        self.row(&columns);
        let lines = std::iter::repeat_n("---:".to_owned(), columns.len() - 1);
        let lines: Vec<_> = std::iter::once("---".to_owned()).chain(lines).collect();
        self.row(&lines);
    }

    /// Adds a row to the table.
    pub fn row(&mut self, cells: &[String]) {
        let row = format!("| {} |\n", cells.join(" | "));
        self.markdown.push_str(&row);
    }

    /// Notes it when `found` is more than `at_most`, or was not measured.
    pub fn hold(&mut self, what: &str, unit: &str, found: f64, at_most: f64) {
        if found.is_nan() || found > at_most {
            let sentence = format!("{what}: {found:.2} {unit}; the budget is {at_most:.2}");
            self.exceeded.push(sentence);
        }
    }
}

/// The middle one of `values`; not a number when there are none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Everything that was measured, by what it is of.
#[derive(Debug, Default)]
pub struct Measured {
    pub functions: Findings,
    pub endpoints: Findings,
    pub code: Findings,
    pub pace: Findings,
    /// Of the outbox.
    pub outbox: Findings,
    pub profiles: Findings,
}

impl Measured {
    /// One sentence per budget that was exceeded. The profiles have none.
    pub fn exceeded(&self) -> impl Iterator<Item = &String> {
        let budgeted = [
            &self.functions,
            &self.endpoints,
            &self.code,
            &self.pace,
            &self.outbox,
        ];
        budgeted.into_iter().flat_map(|found| &found.exceeded)
    }
}

/// The whole report. `runs` is how often each function was started.
pub fn document(measured: &Measured, runs: usize) -> anyhow::Result<String> {
    let exceeded = measured.exceeded();
    let mut exceeded: Vec<_> = exceeded.map(|sentence| format!("* {sentence}")).collect();
    if exceeded.is_empty() {
        exceeded.push("Everything is within its budget.".into());
    }
    Ok(include_str!("report.md")
        .replace("{date}", &date()?)
        .replace("{machine}", &machine()?)
        .replace("{rustc}", &output("rustc", &["--version"])?)
        .replace("{runs}", &runs.to_string())
        .replace("{functions}", measured.functions.markdown.trim_end())
        .replace("{endpoints}", measured.endpoints.markdown.trim_end())
        .replace("{code}", measured.code.markdown.trim_end())
        .replace("{pace}", measured.pace.markdown.trim_end())
        .replace("{outbox}", measured.outbox.markdown.trim_end())
        .replace("{profiles}", measured.profiles.markdown.trim_end())
        .replace("{exceeded}", &exceeded.join("\n")))
}

/// Writes the report into the repository.
pub fn write(document: &str) -> anyhow::Result<()> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    std::fs::create_dir_all(&docs)?;
    Ok(std::fs::write(docs.join("performance.md"), document)?)
}

/// Today.
pub fn date() -> anyhow::Result<String> {
    output("date", &["--utc", "+%Y-%m-%d"])
}

/// The processor, and how many there are.
pub fn machine() -> anyhow::Result<String> {
    let cpus = std::fs::read_to_string("/proc/cpuinfo")?;
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model.and_then(|line| line.split_once(": "));
    let model = model.map_or("unknown processor", |(_, model)| model);
    let cores = std::thread::available_parallelism()?;
    Ok(format!(
        "{model}, {cores} cores, {}",
        std::env::consts::ARCH
    ))
}

fn output(program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .with_context(|| format!("cannot run {program}"))?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
