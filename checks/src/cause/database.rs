//! Causes of databases, Redis among them.

use super::about::{About, Layer, Owner, Plea};
use super::derives::{Deserialize, Error, IntoStaticStr, Serialize, VariantNames};
use super::remedy::{Advice, Blank, Passage, say};

/// Causes of databases, Redis among them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Error, IntoStaticStr, VariantNames)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum DatabaseCause {
    /// The database refuses this client address.
    #[error("the database refuses this host: {error_code} {text}")]
    DatabaseHostRefused {
        /// The database's error code.
        error_code: String,
        /// What it said, printable.
        text: String,
    },
    /// The database refuses a user who stands for nobody; what it would say to the real one is open.
    #[error(
        "cannot tell whether the database takes this host: user \"{user}\" is refused ⟨{text}⟩"
    )]
    DatabaseUserUntold {
        /// The user asked with.
        user: String,
        /// What it said, printable.
        text: String,
    },
    /// The database greets with an error.
    #[error("the database answers with an error: {error_code} {text}")]
    DatabaseError {
        /// The database's error code.
        error_code: String,
        /// What it said, printable.
        text: String,
    },
    /// It has no password, and so lets nobody ask from another machine.
    #[error("Redis is in protected mode: without a password it serves its own machine only")]
    RedisProtected,
    /// The password or the user is refused, or one is wanted that was not given.
    #[error("Redis refuses the log-in: {text}")]
    RedisLogin {
        /// Redis' words.
        text: String,
    },
    /// The access list forbids this user even PING.
    #[error("Redis does not let this user ask: {text}")]
    RedisNotPermitted {
        /// Redis' words.
        text: String,
    },
    /// It has just been started and reads its data.
    #[error("Redis is still loading its data into memory")]
    RedisLoading,
    /// A replica that has lost its master, and was told not to serve old data.
    #[error("this Redis is a replica that has lost its master, and answers nothing meanwhile")]
    RedisMasterDown,
    /// It cannot save, and takes no changes until it can.
    #[error("Redis cannot write to its disk: {text}")]
    RedisDisk {
        /// Redis' words.
        text: String,
    },
    /// Every place for a client is taken.
    #[error("Redis has reached its number of clients ⟨maxclients⟩")]
    RedisFull,
}

impl DatabaseCause {
    /// Layer, owner, and what may be asked for; a new cause gets its line here, as there is no wildcard.
    pub(super) fn about(&self) -> About {
        use Layer::{Authentication, Service};
        use Owner::{FarSide, ThisHost};
        use Plea::Nothing;
        match self {
            Self::DatabaseHostRefused { .. } => About::new(Authentication, FarSide, Nothing),
            Self::DatabaseUserUntold { .. } => {
                About::new(Authentication, ThisHost, Nothing).untold()
            }
            Self::DatabaseError { .. } => About::new(Service, FarSide, Nothing),
            Self::RedisProtected => About::new(Authentication, FarSide, Nothing),
            Self::RedisLogin { .. } => About::new(Authentication, ThisHost, Nothing),
            Self::RedisNotPermitted { .. } => About::new(Authentication, FarSide, Nothing),
            Self::RedisLoading | Self::RedisMasterDown => About::new(Service, FarSide, Nothing),
            Self::RedisDisk { .. } | Self::RedisFull => About::new(Service, FarSide, Nothing),
        }
    }

    /// What to do about it.
    pub(super) fn advice(&self, passage: &Passage<'_>) -> Advice {
        let (from, target) = (passage.from(), passage.target);
        match self {
            Self::DatabaseHostRefused { error_code, .. } if error_code == "1129" => {
                say(format!("let {from} in again ("))
                    .there("mariadb-admin flush-hosts")
                    .then("), and find what there breaks off its connections (max_connect_errors)")
            }
            Self::DatabaseHostRefused { text, .. } if passage.protocol == "postgresql" => {
                let wants_tls = ["no encryption", "SSL off"].iter().any(|end| text.ends_with(end));
                let tls = if wants_tls {
                    "; lines of hostssl count with TLS alone, which it does not offer (ssl = on)"
                } else {
                    ""
                };
                say(format!(
                    "let {from} in, in its pg_hba.conf: \"host DATABASE USER {from}/{} scram-sha-256\"{tls}, then: ",
                    if from.contains(':') { 128 } else { 32 }
                ))
                .there("psql -c 'SELECT pg_reload_conf()'")
            }
            Self::DatabaseHostRefused { .. } => say(format!(
                "let {from} in: a user of the platform has to exist for it there (CREATE USER 'centreon'@'{from}' …; GRANT …), by the name the server gives it where it looks names up"
            )),
            Self::DatabaseUserUntold { .. } => say(format!(
                "name the user: --check NAME=postgresql://USER@{target}/DATABASE; no password is needed"
            )),
            Self::DatabaseError { error_code, .. } => match error_code.as_str() {
                "1040" | "1203" | "53300" => say(
                    "find who holds its connections (SHOW PROCESSLIST; SELECT * FROM pg_stat_activity), or raise max_connections",
                ),
                "28000" if passage.protocol == "postgresql" => say(format!(
                    "give the user a client certificate, or let {from} in with a password: a line of its pg_hba.conf with scram-sha-256 before the one with cert"
                )),
                "57P03" => say(
                    "wait until it is up, then run preflight again; if it stays so, its log says why",
                ),
                "1049" | "3D000" => {
                    say(format!("create that database, or correct its name ({})", passage.origin))
                }
                _ => say("repair what its words name; its own log has more (MariaDB: ")
                    .there("journalctl -u mariadb")
                    .then(")"),
            },
            Self::RedisProtected => say(format!(
                "give it a password (requirepass, or ACL SETUSER), and bind it to the addresses that {from} may ask"
            )),
            Self::RedisLogin { .. } => say(format!(
                "see who may log in there (redis-cli ACL LIST), and name that user: --check NAME={}://USER@{target}",
                passage.protocol
            )),
            Self::RedisNotPermitted { .. } => say("let this user ask: ")
                .there(format!("redis-cli ACL SETUSER {} +ping +hello", Blank::Name)),
            Self::RedisLoading => {
                say("wait until it has loaded, and run again: ").there("redis-cli INFO persistence")
            }
            Self::RedisMasterDown => say("repair its link to the master: ")
                .there("redis-cli INFO replication")
                .then("; the port of the master must be open from there"),
            Self::RedisDisk { .. } => say("see its disk and its log: ")
                .there("df -h; redis-cli INFO persistence")
                .then(" (rdb_last_bgsave_status)"),
            Self::RedisFull => say("find who holds the connections: ")
                .there("redis-cli CLIENT LIST")
                .then("; or raise maxclients"),
        }
    }
}
