//! The probes against peers on loopback and in network namespaces: their own far sides, everything that
//! can be wrong with a peer, and real servers as Debian packages them.

#![allow(clippy::unwrap_used, clippy::panic)]
#![allow(clippy::print_stdout)] // Each path's packets and time, shown with --nocapture.

mod agents;
mod causes;
mod common;
mod daemon;
mod databases;
mod directory;
mod mail;
mod net_snmp;
mod openssl;
mod path;
mod services;
mod srv;
mod ssh;
mod starttls;
mod visits;
mod web;
