//! The whole system on one machine: API, database, gateway simulator.
