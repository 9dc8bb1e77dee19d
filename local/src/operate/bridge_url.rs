//! Prints the address that a payment gateway posts its webhooks to.
use anyhow::Context;
use clap::ValueEnum;
use shared::model::bridge::BridgeName;
use shared::model::keys::RingName;
use shared::model::webhook;
use shared::store::keys::KeyRing;

use super::work::Work;

/// The payment gateways, as they are typed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum GatewayArgument {
    /// Midtrans
    Midtrans,
    /// Xendit
    Xendit,
}

impl From<GatewayArgument> for BridgeName {
    fn from(gateway: GatewayArgument) -> Self {
        match gateway {
            GatewayArgument::Midtrans => Self::Midtrans,
            GatewayArgument::Xendit => Self::Xendit,
        }
    }
}

/// Prints the address.
pub(super) async fn run(work: Work<'_>, bridge: BridgeName) -> anyhow::Result<()> {
    let now = work.backends.clock.now();
    let ring = KeyRing::new(work.backends, RingName::Webhooks)
        .read(now)
        .await?;
    let path = webhook::bridge_path(&ring, bridge, now);
    work.print_address(&path.context("no key of the ring `webhooks` is in use yet")?)
}
