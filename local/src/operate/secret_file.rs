//! Secrets that an operator gives in a file, since a command line is seen by others and remembered.
use std::io::Read;
use std::path::Path;

use anyhow::{Context, ensure};

/// The longest secret.
const SECRET_MAX: u64 = 1_024;

/// Reads a secret from a file, or from the standard input if that is `-`. `what` names it where there is none.
pub(super) fn read(file: &Path, what: &str) -> anyhow::Result<String> {
    let mut text = String::new();
    let from: Box<dyn Read> = if file == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        let opened = std::fs::File::open(file);
        Box::new(opened.with_context(|| format!("{}", file.display()))?)
    };
    let read = from.take(SECRET_MAX + 1).read_to_string(&mut text);
    read.with_context(|| format!("{}: {what} is text", file.display()))?;
    // Some editors write a byte order mark before a text.
    let secret = text.strip_prefix('\u{feff}').unwrap_or(&text).trim();
    let plain = secret.bytes().all(|byte| byte.is_ascii_graphic());
    ensure!(
        !secret.is_empty() && plain && text.len() as u64 <= SECRET_MAX,
        "{}: put {what} there and nothing else",
        file.display()
    );
    Ok(secret.to_owned())
}
