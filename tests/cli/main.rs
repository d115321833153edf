//! The program on loopback, from its arguments to its exit code and every byte it writes.

// A fixture or a page that cannot be read must stop the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stdout)] // how much was tried is for whoever asks

#[path = "../support/mod.rs"]
mod support;

mod afterwards;
mod ansible;
mod canaries;
mod corpus;
mod demo;
mod discovery;
mod docs;
mod exit;
mod explain;
mod files;
mod flows;
mod formats;
mod hostile;
mod house;
mod machine;
mod manners;
mod names;
mod output;
mod peers;
mod plan;
mod progress;
mod schema;
mod secrets;
mod shell;
mod site_file;
mod source;
mod supply;
mod units;
mod usage;
mod words;
