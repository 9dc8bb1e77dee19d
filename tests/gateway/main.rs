//! The gateway's client and its simulator, against each other and against gateways that misbehave.
mod answers;
mod control;
mod faces;
mod harness;
mod logins;
mod receipts;
mod recorded;
mod several;
mod simulator;
mod tls;
mod transport;
mod users;
mod webhook;
mod webhooks;
