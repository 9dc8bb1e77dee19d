//! The whole system on one machine: API, database, gateway simulator.
//!
//! In reading order:

/// What `template.yaml` says about tables, routes and time limits.
pub mod template;

/// DynamoDB in this process, with faults on the way to it.
pub mod database;

/// The functions of this repository.
pub mod functions;

/// A small Lambda: environments that share no memory.
pub mod lambda;

/// A small API Gateway: events of requests, responses of answers.
pub mod api_gateway;

/// A small EventBridge Scheduler: functions that are called again and again.
pub mod schedules;

/// The WhatsApp gateway, simulated.
pub mod simulator;

/// Payments: the webhooks of simulated gateways, and the notices that wait.
pub mod payments;

/// The account that exists from the start.
pub mod demo;

/// Every message, with sample values.
pub mod preview;

/// What can be said on the command line.
pub mod cli;

/// What operators do: import, erase and move users, rotate keys.
pub mod operate;

/// Everything that runs on this machine.
pub mod machine;
