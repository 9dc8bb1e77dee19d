//! What can be said on the command line.
use std::path::PathBuf;

use clap::Parser;

use crate::api_gateway::Throttles;
use crate::operate::Command;
use crate::simulator::Profile;

/// Critical WhatsApp messages that arrive: the whole system on this machine.
///
/// Starts the API, the database and a simulated WhatsApp gateway in one process. Nothing has to be installed, and
/// nothing listens beyond this machine.
#[derive(Clone, Debug, Parser)]
#[command(name = "local", after_help = ENVIRONMENT)]
pub struct Cli {
    /// The port of the API
    #[arg(long, value_name = "PORT", default_value_t = 8090)]
    pub port: u16,

    /// The port of the simulated gateway, its inbox and its faults
    #[arg(long, value_name = "PORT", default_value_t = 8091)]
    pub sim_port: u16,

    /// The version that the simulated gateway is
    #[arg(long, value_name = "VERSION", value_enum, default_value_t = Profile::B)]
    pub sim_profile: Profile,

    /// How many sessions the simulated gateway has: system, session-2, session-3, …
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=9))]
    pub sessions: u8,

    /// The port of the database, with --backends-only
    #[arg(long, value_name = "PORT", default_value_t = 8092)]
    pub db_port: u16,

    /// Keep the tables in this file
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        default_value = ".local/dynamodb.db"
    )]
    pub data: PathBuf,

    /// Keep the tables in memory, and forget them at the end
    #[arg(long, conflicts_with = "data")]
    pub memory: bool,

    /// Make no demo account
    #[arg(long)]
    pub empty: bool,

    /// Start the database and the gateway without the API: for `cargo lambda watch`
    #[arg(long)]
    pub backends_only: bool,

    /// How many environments of each function take turns
    #[arg(long, value_name = "NUMBER", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..))]
    pub environments: u8,

    /// Whether the throttles of the routes hold, as on AWS
    #[arg(long, value_enum, default_value_t = Throttle::On)]
    pub throttle: Throttle,

    /// What to do instead of starting everything
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Whether the throttles of the routes hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Throttle {
    /// As on AWS.
    On,
    /// Every route takes all requests.
    Off,
}

impl From<Throttle> for Throttles {
    fn from(throttle: Throttle) -> Self {
        match throttle {
            Throttle::On => Self::On,
            Throttle::Off => Self::Off,
        }
    }
}

const ENVIRONMENT: &str = "\
Environment:
  WHATSAPP_SERVER_API, WHATSAPP_USER_TOKEN   use this gateway instead of the simulated one
  AWS_ENDPOINT_URL_DYNAMODB                  use this DynamoDB instead of the embedded one; missing tables are made

Every other setting of the functions works here too.";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_simulated_gateway_can_be_each_version() {
        for (typed, profile) in [
            ("a", Profile::A),
            ("b", Profile::B),
            ("c", Profile::C),
            ("d", Profile::D),
        ] {
            let cli = Cli::try_parse_from(["local", "--sim-profile", typed]);
            assert_eq!(
                cli.ok().map(|cli| cli.sim_profile),
                Some(profile),
                "{typed}"
            );
        }
        assert!(Cli::try_parse_from(["local", "--sim-profile", "e"]).is_err());
    }

    #[test]
    fn memory_and_a_file_exclude_each_other() {
        assert!(Cli::try_parse_from(["local", "--memory", "--data", "a.db"]).is_err());
        assert!(Cli::try_parse_from(["local", "--memory", "--port", "1"]).is_ok());
    }
}
