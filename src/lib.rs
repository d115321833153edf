//! `preflight`: which network flows does this machine need, which work, and why not?
//!
//! A library so that tests and benches use the very same code; its one door for a program is [`main`].

mod catalogue;
mod cli;
mod console;
mod demo;
mod far_side;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod listen;
mod load;
mod panics;
mod program;
mod report;
mod respond;
mod run;
mod settings;
mod site;
mod tasks;
mod text;
mod version;

pub use program::main;
