//! Deterministic simulation of the whole system: real flows, store and sender, on the embedded DynamoDB and simulated gateways, in
//! virtual time, with chance from a seed. See `docs/simulation.md`.
//!
//! In reading order:

/// What people do with accounts.
mod accounts;
/// What rings where, as the template says.
mod alarms;
/// What all schedules of a thread use.
mod bench;
/// What payment gateways post.
mod bridges;
/// The chats that people open.
mod chats;
/// What must hold.
mod checks;
/// What can be said on the command line.
mod cli;
/// Many schedules side by side.
mod crowd;
/// Chance that replays.
mod dice;
/// What clients know.
mod facts;
/// What the gateways post.
mod hooks;
/// What went over the wires.
mod ledger;
/// How the monitor sees the sessions, and how they are.
mod looks;
/// What is left out of a schedule.
mod mask;
/// What functions measure.
mod measured;
/// What people do.
mod people;
/// What happens in a schedule.
mod plan;
/// A process that can be killed or frozen.
mod process;
/// One schedule from its beginning to its end.
mod schedule;
/// What the shop does.
mod shop;
/// A failing schedule made shorter.
mod shrink;
/// The system of one schedule.
mod stage;
/// The way to the tables.
mod tables;
/// What a schedule knows of itself.
mod universe;
/// The way to the gateways.
mod whatsapp;

/// A schedule is half a million small allocations: this one makes them in half the time of the platform's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<std::process::ExitCode> {
    cli::run()
}
