//! What operators do: import, erase and move users, make and rotate keys. On the database file of this machine, or on a deployed
//! stack.
//!
//! Whatever is asked for again when it is done already changes nothing, so an act that was interrupted is simply repeated.
//! Full phone numbers are read and never shown.

mod command;
mod erase;
mod import;
mod make;
mod move_phone;
mod place;
mod rotate;

use std::io::Write;

use shared::runtime::Backends;

pub use command::{AlgorithmArgument, Command, How, KeysCommand, RingArgument, UsersCommand};
pub use place::backends;

/// Does what `command` asks for, and tells it to `out`.
///
/// # Errors
/// When something was not done; the message tells what and, where there is one, the fix.
pub async fn run(
    command: &Command,
    backends: &Backends,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let dry_run = command.how().dry_run;
    match command {
        Command::Users(UsersCommand::Import { file, .. }) => {
            import::run(backends, file, dry_run, out).await
        }
        Command::Users(UsersCommand::Erase { phone, .. }) => {
            // What was stored before the country changed its numbers goes, too.
            for phone in [phone.clone()].iter().chain(&phone.former()) {
                erase::run(backends, phone, dry_run, out).await?;
            }
            Ok(())
        }
        Command::Users(UsersCommand::MovePhone { from, to, .. }) => {
            move_phone::run(backends, from, to, dry_run, out).await
        }
        Command::Keys(KeysCommand::Make { .. }) => make::run(backends, dry_run, out).await,
        Command::Keys(KeysCommand::Rotate {
            ring,
            retire_after,
            algorithm,
            ..
        }) => {
            let wish = rotate::Wish {
                retire_after: *retire_after,
                algorithm: algorithm.map(Into::into),
            };
            rotate::run(backends, (*ring).into(), &wish, dry_run, out).await
        }
    }
}
