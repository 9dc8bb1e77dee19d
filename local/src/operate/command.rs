//! What an operator can ask for, as it is typed.
use std::path::PathBuf;
use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use shared::model::keys::RingName;
use shared::model::phone::Phone;
use shared::model::token::SigningAlgorithm;
use shared::runtime::settings::SYSTEM_SESSION;
use shared::sender::pool::is_session_name;

use super::bridge_url::GatewayArgument;
use super::callers::CallersCommand;
use super::gateway::GatewayCommand;
use super::how::How;
use super::sessions::SessionsCommand;
use super::{erase, import, rotate};
use crate::preview::PreviewOptions;

/// What can be asked for.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Import, erase and move users
    #[command(subcommand, after_help = WHERE)]
    Users(UsersCommand),

    /// Make and rotate the keys that make codes and tokens
    #[command(subcommand, after_help = WHERE)]
    Keys(KeysCommand),

    /// Add, list, change and remove the WhatsApp sessions that messages are sent from
    #[command(subcommand, after_help = WHERE)]
    Sessions(SessionsCommand),

    /// Check whether a gateway and its sessions are as they should be
    #[command(subcommand, after_help = WHERE)]
    Gateway(GatewayCommand),

    /// Print the address that the gateway posts the webhooks of a session to
    ///
    /// It begins with PUBLIC_BASE_URL. Whoever knows it can say that messages arrived, so it is a secret like a token.
    #[command(after_help = WHERE)]
    WebhookUrl {
        /// The name of the session; that of WHATSAPP_USER_TOKEN is `system`
        #[arg(default_value = SYSTEM_SESSION, value_parser = session_name)]
        session: String,
        /// Where and whether
        #[command(flatten)]
        how: How,
    },

    /// Add, list and remove the systems that may post events of payments, and change their keys
    #[command(subcommand, after_help = WHERE)]
    Callers(CallersCommand),

    /// Print the address that a payment gateway posts its webhooks to
    ///
    /// It begins with PUBLIC_BASE_URL. Whoever knows it still needs the key or token of the gateway's account.
    #[command(after_help = WHERE)]
    BridgeUrl {
        /// The payment gateway
        gateway: GatewayArgument,
        /// Where and whether
        #[command(flatten)]
        how: How,
    },

    /// Make a link that signs in to the dashboard once, within ten minutes
    ///
    /// For when no code can arrive, or ADMIN_PHONES names nobody. It begins with PUBLIC_BASE_URL. Whoever has it is an operator, so
    /// it is a secret. The audit keeps that it was made and used.
    #[command(after_help = WHERE)]
    AdminLink {
        /// Where and whether
        #[command(flatten)]
        how: How,
    },

    /// Print every message in both languages, with sample values
    Preview(PreviewOptions),
}

fn session_name(text: &str) -> Result<String, &'static str> {
    let known = is_session_name(text).then(|| text.to_owned());
    known.ok_or("a session's name is 1 to 32 letters, digits, `_` or `-`")
}

/// What can be done with users.
#[derive(Clone, Debug, Subcommand)]
pub enum UsersCommand {
    /// Import users of another system from a file of JSON lines
    ///
    /// Each line is one user. A line that cannot be imported changes nothing and is reported at the end; all others are
    /// imported. A phone that has a user already keeps it as it is: import again whatever was interrupted.
    #[command(after_help = import::FORMAT)]
    Import {
        /// The file; `-` is the standard input
        file: PathBuf,
        /// Where and whether
        #[command(flatten)]
        how: How,
    },

    /// Erase what is stored of a phone: its user, logins, codes and sign-ups
    #[command(after_help = erase::REMAINS)]
    Erase {
        /// The phone
        #[arg(value_parser = Phone::parse)]
        phone: Phone,
        /// Where and whether
        #[command(flatten)]
        how: How,
    },

    /// Give a user another phone
    ///
    /// The user keeps its id, name, e-mail address and password, and is signed out everywhere. Both phones are told by a message
    /// through the gateway of WHATSAPP_SERVER_API and WHATSAPP_USER_TOKEN, which is asked first whether the new phone is on
    /// WhatsApp. Access tokens that were issued before are good for a quarter of an hour, for whoever does not ask this
    /// system about them.
    MovePhone {
        /// The user's phone
        #[arg(value_name = "OLD", value_parser = Phone::parse)]
        from: Phone,
        /// The user's new phone, which has no user. Make sure that it is theirs: no code is sent to it
        #[arg(value_name = "NEW", value_parser = Phone::parse)]
        to: Phone,
        /// Move also to a phone that is not on WhatsApp, which no code would reach
        #[arg(long)]
        anyway: bool,
        /// Where and whether
        #[command(flatten)]
        how: How,
    },
}

/// What can be done with keys.
#[derive(Clone, Debug, Subcommand)]
pub enum KeysCommand {
    /// Make the keys that are missing
    ///
    /// The deployment does that by itself, and so does `cargo run`. Keys that are there are never changed. Keys that were lost
    /// take what they made with them: codes have to be asked for again, and people sign in again.
    Make {
        /// Where and whether
        #[command(flatten)]
        how: How,
    },

    /// Add a key to a ring, to be used soon, and let the others retire
    ///
    /// Nobody notices: everybody learns of the new key before it is used, and what the others made counts until it ends
    /// by itself.
    Rotate {
        /// The ring
        ring: RingArgument,
        /// Let the other keys count this long after the new one is used: 90s, 45m, 2h, 30d. Shorter than usual ends codes
        /// or tokens before their time, which is right after a key was stolen
        #[arg(long, value_name = "TIME", value_parser = rotate::duration)]
        retire_after: Option<Duration>,
        /// What the new key signs access tokens with; otherwise what the newest one does. The keys of both live side by side
        /// until the old ones retire
        #[arg(long, value_name = "NAME")]
        algorithm: Option<AlgorithmArgument>,
        /// Where and whether
        #[command(flatten)]
        how: How,
    },
}

/// The names of the rings, as they are typed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum RingArgument {
    /// The keys that one-time codes are derived with
    Codes,
    /// The keys that access tokens are signed with
    Signing,
    /// The keys that refresh tokens are derived with
    Refresh,
    /// The keys that addresses of webhooks are made with: set the webhooks anew before the others retire
    Webhooks,
}

impl From<RingArgument> for RingName {
    fn from(ring: RingArgument) -> Self {
        match ring {
            RingArgument::Codes => Self::Codes,
            RingArgument::Signing => Self::Signing,
            RingArgument::Refresh => Self::Refresh,
            RingArgument::Webhooks => Self::Webhooks,
        }
    }
}

/// The algorithms of access tokens, as they are typed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum AlgorithmArgument {
    /// ECDSA on P-256
    #[value(name = "ES256")]
    Es256,
    /// RSA with 2048 bits, for verifiers that take nothing else
    #[value(name = "RS256")]
    Rs256,
}

impl From<AlgorithmArgument> for SigningAlgorithm {
    fn from(algorithm: AlgorithmArgument) -> Self {
        match algorithm {
            AlgorithmArgument::Es256 => Self::Es256,
            AlgorithmArgument::Rs256 => Self::Rs256,
        }
    }
}

const WHERE: &str = "\
Where:
  The database file of this machine (--data), also while `cargo run` has it open. With --stack the tables of that stack,
  found by listing the tables of the account and region. With AWS_ENDPOINT_URL_DYNAMODB that DynamoDB; without --stack its
  tables are named by USERS_TABLE, REGISTRATIONS_TABLE, LOGINS_TABLE, KEYS_TABLE, CHALLENGES_TABLE, LIMITS_TABLE,
  DELIVERIES_TABLE, PAYMENTS_TABLE and WHATSAPP_SESSIONS_TABLE.

  Keys and region of AWS come from where its own tools find them: AWS_ACCESS_KEY_ID and AWS_REGION, or AWS_PROFILE with
  ~/.aws. For single sign-on: eval \"$(aws configure export-credentials --format env)\"";

impl Command {
    /// Where and whether; `None` of a command that works on nothing.
    pub fn how(&self) -> Option<&How> {
        let how = match self {
            Self::Users(
                UsersCommand::Import { how, .. }
                | UsersCommand::Erase { how, .. }
                | UsersCommand::MovePhone { how, .. },
            )
            | Self::Keys(KeysCommand::Make { how } | KeysCommand::Rotate { how, .. })
            | Self::AdminLink { how }
            | Self::BridgeUrl { how, .. }
            | Self::WebhookUrl { how, .. } => how,
            Self::Callers(command) => command.how(),
            Self::Sessions(command) => command.how(),
            Self::Gateway(command) => command.how(),
            Self::Preview(_) => return None,
        };
        Some(how)
    }
}
