//! The lines that are told: one for each thing.
use std::io::{self, Write};

use shared::model::typed::is_invisible;

/// Tells lines, and counts what is wrong.
pub(super) struct Lines<'a> {
    out: &'a mut dyn Write,
    wrong: usize,
}

impl<'a> Lines<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        Self { out, wrong: 0 }
    }

    /// How many things are wrong so far.
    pub(super) const fn wrong(&self) -> usize {
        self.wrong
    }

    /// Which session the next lines are about.
    pub(super) fn head(&mut self, head: &str) -> io::Result<()> {
        writeln!(self.out, "{}", on_one_line(head))
    }

    /// Something is as it should be.
    pub(super) fn good(&mut self, what: &str, found: &str) -> io::Result<()> {
        self.line("ok", what, found)
    }

    /// Something works, and could be better.
    pub(super) fn warn(&mut self, what: &str, found: &str, fix: &str) -> io::Result<()> {
        self.line("warning", what, &format!("{found}. {fix}"))
    }

    /// Something is wrong.
    pub(super) fn wrong_with(&mut self, what: &str, found: &str, fix: &str) -> io::Result<()> {
        self.wrong += 1;
        self.line("wrong", what, &format!("{found}. {fix}"))
    }

    /// Something could not be checked, or had no need to be.
    pub(super) fn left_out(&mut self, what: &str, why: &str) -> io::Result<()> {
        self.line("left out", what, why)
    }

    /// Something takes its time.
    pub(super) fn goes_on(&mut self, what: &str, how: &str) -> io::Result<()> {
        self.line("…", what, how)
    }

    fn line(&mut self, grade: &str, what: &str, text: &str) -> io::Result<()> {
        writeln!(self.out, "  {grade:<9} {what}: {}", on_one_line(text))?;
        self.out.flush()
    }
}

/// What a gateway has said may hold anything: no line of it begins another one, or tells a terminal what to do.
fn on_one_line(text: &str) -> String {
    let visible = text.chars().filter(|c| !is_invisible(*c));
    visible
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
