//! The whole system on one machine: API, database, gateway simulator.
//!
//! In reading order:

/// What `template.yaml` says about tables, routes and time limits.
pub mod template;

/// DynamoDB in this process, with faults on the way to it.
pub mod database;

/// The WhatsApp gateway, simulated.
pub mod simulator;
