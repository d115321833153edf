//! The protocols, one a file: each asks its question and holds the far side that answers it.

pub mod bbdo;
pub mod dns;
pub mod gorgone_api;
pub mod http;
pub mod ldap;
pub mod listener;
pub mod mssql;
pub mod mysql;
pub mod nsclient;
pub mod ntp;
pub mod postgresql;
pub mod pullwss;
pub mod smtp;
pub mod snmp;
pub mod ssh;
pub mod tcp;
pub mod tls;
pub mod trap;
pub mod zmtp;
