//! Rules that hold for inputs nobody thought of.
mod numbering;
mod phone;
mod typed;
