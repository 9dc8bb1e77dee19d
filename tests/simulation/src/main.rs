//! Deterministic simulation of the whole system: real flows, store and sender, on the embedded DynamoDB and simulated gateways, in
//! virtual time, with chance from a seed. See `docs/simulation.md`.
//!
//! In reading order:

/// Chance that replays.
mod dice;
/// What is left out of a schedule.
mod mask;
/// What went over the wires.
mod ledger;
/// What a schedule knows of itself.
mod universe;
/// A process that can be killed or frozen.
mod process;
/// The way to the tables.
mod tables;
/// The way to the gateways.
mod whatsapp;
/// What all schedules of a thread use.
mod bench;
/// What happens in a schedule.
mod plan;
/// The system of one schedule.
mod stage;
/// What clients know.
mod facts;
/// What people do.
mod people;
/// What the shop does.
mod shop;
/// What the gateways post.
mod hooks;
/// One schedule from its beginning to its end.
mod schedule;
/// What must hold.
mod checks;
/// Many schedules side by side.
mod crowd;
/// A failing schedule made shorter.
mod shrink;
/// What can be said on the command line.
mod cli;

fn main() -> anyhow::Result<std::process::ExitCode> {
    cli::run()
}
