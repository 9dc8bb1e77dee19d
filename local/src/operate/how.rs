//! Where an operator's act works, and whether it does.
use clap::Args;

/// Where and whether.
#[derive(Args, Clone, Debug)]
pub struct How {
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,

    /// Work on the tables of this CloudFormation stack
    #[arg(long, value_name = "NAME")]
    pub stack: Option<String>,
}
