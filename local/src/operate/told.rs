//! Where an act tells what it does. Nobody may read it: the act goes on to its end all the same.
use std::io::{self, Write};

/// Passes text on until that fails, and remembers why it did.
pub(super) struct Told<'a> {
    out: &'a mut dyn Write,
    failed: Option<io::Error>,
}

impl<'a> Told<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        Self { out, failed: None }
    }

    /// Ends it.
    ///
    /// # Errors
    /// Why not everything was told.
    pub(super) fn end(self) -> io::Result<()> {
        self.failed.map_or(Ok(()), Err)
    }

    fn keep(&mut self, told: io::Result<()>) {
        if let Err(error) = told {
            self.failed = Some(error);
        }
    }
}

impl Write for Told<'_> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        if self.failed.is_none() {
            let told = self.out.write_all(text);
            self.keep(told);
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.failed.is_none() {
            let told = self.out.flush();
            self.keep(told);
        }
        Ok(())
    }
}
