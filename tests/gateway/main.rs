//! The gateway's client and its simulator, against each other and against gateways that misbehave.
mod answers;
mod control;
mod faces;
mod harness;
mod logins;
mod recorded;
mod simulator;
mod tls;
mod transport;
mod webhook;
