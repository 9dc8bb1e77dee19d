//! What every act gets.
use std::io::Write;

use shared::runtime::Backends;

/// Where an act works, whether it only says what it would do, and where to.
pub(super) struct Work<'a> {
    pub backends: &'a Backends,
    pub dry_run: bool,
    pub out: &'a mut dyn Write,
}

impl Work<'_> {
    /// Prints the address of `path` in the API; without the API's own where that is not set.
    pub(super) fn print_address(self, path: &str) -> anyhow::Result<()> {
        match &self.backends.settings.public_base_url {
            Some(base_url) => writeln!(self.out, "{base_url}{path}")?,
            None => writeln!(
                self.out,
                "{path}\n\nPut the address of the API before it: that of `cargo run`, or the stack's output `ApiUrl`."
            )?,
        }
        Ok(())
    }
}
