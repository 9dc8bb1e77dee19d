//! The gateway's client and its simulator, against each other and against gateways that misbehave.
mod simulator;
