//! What every act gets.
use std::io::Write;

use shared::runtime::Backends;

/// Where an act works, whether it only says what it would do, and where to.
pub(super) struct Work<'a> {
    pub backends: &'a Backends,
    pub dry_run: bool,
    pub out: &'a mut dyn Write,
}
