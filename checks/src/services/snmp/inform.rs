//! One inform to a trap receiver, which is a real event there: only when it is asked for.
//!
//! With a community or a user, as a device would send it; like a device's it is repeated while nobody acknowledges it.
//!
//! Reference: [RFC 3416 §4.2.7](https://www.rfc-editor.org/rfc/rfc3416#section-4.2.7).

use std::net::SocketAddr;
use std::sync::Arc;

use async_snmp::{Oid, VarBind, oid};

use super::discovery::{self, Discovered, SnmpEngine};
use super::question::{SnmpAnswer, SnmpQuestion};
use super::{ALONE, Credentials, Probe};
use crate::cause::{Cause, Millis, SnmpCause};
use crate::evidence::Seen;
use crate::net::{Ask, Udp};

/// Sends it, and says whether it was acknowledged.
///
/// # Errors
///
/// Why it was not.
pub(crate) async fn send_inform(credentials: &Credentials, ask: &mut Ask) -> Result<(), Cause> {
    let socket = Arc::new(Udp::share(ask)?);
    let auth = credentials.auth()?;
    let question =
        auth.map(|auth| SnmpQuestion::new(auth, Arc::clone(&socket), ask)).transpose()?;
    let discovered = discovery::discover(&socket, ALONE, &mut ask.seen).await?;
    let answer = match (&question, &discovered, credentials) {
        // A user exists within an engine: without one there is nobody to inform.
        (Some(question), Discovered::Engine(engine), Credentials::User { .. }) => {
            question.inform(Some(engine), &event(), text()).await?
        }
        (Some(question), _, Credentials::Community { .. }) => {
            question.inform(None, &event(), text()).await?
        }
        _ => SnmpAnswer::Silence { authenticated: false },
    };
    ask.seen.concerns.extend(socket.elsewhere());
    let (to, waited) = (ask.address(), ask.deadline.waited());
    judge(credentials, discovered, answer, (to, waited), &mut ask.seen)
}

/// Decides from what came back.
fn judge(
    credentials: &Credentials,
    discovered: Discovered,
    answer: SnmpAnswer,
    (to, waited): (SocketAddr, Millis),
    seen: &mut Seen,
) -> Result<(), Cause> {
    let version = credentials.version();
    seen.evidence.set("snmp_version", version);
    let (engine, stray) = match discovered {
        Discovered::Engine(engine) => (Some(engine), None),
        Discovered::Nothing(stray) => (None, stray),
    };
    let asked = Probe { credentials: credentials.clone() };
    match answer {
        SnmpAnswer::System(_) => {
            let who = engine.as_ref().and_then(SnmpEngine::vendor);
            let who = who.map(|who| format!(" by {who}")).unwrap_or_default();
            seen.headline = format!("a test inform of version {version} was acknowledged{who}");
            Ok(())
        }
        SnmpAnswer::Status(status) => Err(asked.refused(status)),
        SnmpAnswer::Report(status) => Err(asked.reported(&status, engine.as_ref())),
        SnmpAnswer::Silence { .. } if engine.is_some() => {
            Err(Cause::Snmp(SnmpCause::InformIgnored { version: version.into() }))
        }
        SnmpAnswer::Silence { .. } => {
            Err(stray.unwrap_or(Cause::Snmp(SnmpCause::SnmpSilent { to, waited })))
        }
    }
}

/// An event of nobody's: enterprise 32473 is for examples (RFC 5612).
fn event() -> Oid {
    oid!(1, 3, 6, 1, 4, 1, 32473, 0, 1)
}

/// What whoever finds it in a log reads.
fn text() -> Vec<VarBind> {
    let text = "a test of preflight --send-test-trap, nothing happened";
    vec![VarBind::new(oid!(1, 3, 6, 1, 4, 1, 32473, 1, 1), async_snmp::Value::from(text))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::snmp::CommunityVersion;
    use secrecy::SecretString;
    use std::time::Duration;

    fn verdict(discovered: Discovered, answer: SnmpAnswer) -> (Result<(), Cause>, Seen) {
        let community = SecretString::from("traps");
        let credentials = Credentials::Community { version: CommunityVersion::V2c, community };
        let at = ("192.0.2.1:162".parse().unwrap(), Millis(Duration::from_secs(4)));
        let mut seen = Seen::default();
        (judge(&credentials, discovered, answer, at, &mut seen), seen)
    }

    fn engine() -> Discovered {
        Discovered::Engine(SnmpEngine::example())
    }

    #[test]
    fn only_an_acknowledgement_is_one() {
        let (verdict_of_it, seen) = verdict(engine(), SnmpAnswer::System(Vec::new()));
        assert_eq!(verdict_of_it, Ok(()));
        assert_eq!(seen.headline, "a test inform of version 2c was acknowledged by net-snmp");
        let silence = || SnmpAnswer::Silence { authenticated: false };
        let ignored = Cause::Snmp(SnmpCause::InformIgnored { version: "2c".into() });
        assert_eq!(verdict(engine(), silence()).0, Err(ignored));
        // Nothing at all may be a firewall, or a receiver that knows neither.
        let nothing = verdict(Discovered::Nothing(None), silence()).0.unwrap_err();
        assert!(nothing.is_inconclusive(), "{nothing}");
    }
}
