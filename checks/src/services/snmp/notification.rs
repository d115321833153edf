//! A trap or an inform, as far as it can be read without a key.
//!
//! Reference: [RFC 3416 §4.2.6](https://www.rfc-editor.org/rfc/rfc3416#section-4.2.6),
//! [RFC 3584 §3](https://www.rfc-editor.org/rfc/rfc3584#section-3) for version 1.

use std::net::Ipv4Addr;
use std::time::Duration;

use async_snmp::message::{CommunityMessage, CommunityPdu, V3Message};
use async_snmp::{DecodeConfig, Oid, Pdu, PduType, SecurityLevel, VarBind, Version, oid};
use bytes::Bytes;

use super::discovery::{decode, hex, parameters};
use super::vendor;
use crate::wire;

/// A notification that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// 1, 2c or 3.
    pub version: &'static str,
    /// Does its sender wait for an acknowledgement?
    pub is_inform: bool,
    /// In whose name it was sent.
    pub sender: NotificationSender,
    /// The event; none: it is encrypted.
    pub event: Option<TrapEvent>,
}

/// In whose name a notification was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotificationSender {
    /// Versions 1 and 2c. It is a password, so nothing but its length is kept.
    Community {
        /// Bytes of it.
        length: usize,
        /// Is it the one that was expected? None: none was.
        is_expected: Option<bool>,
    },
    /// Version 3. Nothing of it was verified.
    User {
        /// The engine that vouches for the message, in hexadecimal.
        engine: String,
        /// The maker in the engine's id.
        vendor: Option<String>,
        /// The user's name, printable.
        user: String,
        /// `noAuthNoPriv`, `authNoPriv` or `authPriv`.
        level: &'static str,
    },
}

/// What is reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrapEvent {
    /// The trap's object id.
    pub oid: String,
    /// Its name, of the standard ones.
    pub name: Option<&'static str>,
    /// The maker, of a trap that is a maker's own.
    pub vendor: Option<String>,
    /// How long its agent has been up.
    pub up: Option<Duration>,
    /// The device it is about, where it says so itself: a relay sends with an address of its own.
    pub about: Option<Ipv4Addr>,
    /// Variables besides.
    pub variables: usize,
}

/// What a datagram to a trap port is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrapDatagram {
    /// A trap or an inform.
    Notification(Notification),
    /// Who sends informs of version 3 asks for the receiver's engine first.
    Discovery,
    /// SNMP, and no notification: a GET, for example.
    Other {
        /// 1, 2c or 3.
        version: &'static str,
    },
    /// No SNMP.
    Stranger,
}

impl TrapDatagram {
    /// Reads a datagram; `expected` is the community that whoever listens expects.
    #[must_use]
    pub fn read(bytes: &[u8], expected: Option<&[u8]>) -> Self {
        let community = Bytes::copy_from_slice(bytes);
        if let Ok(message) = CommunityMessage::decode(community, DecodeConfig::DEFAULT) {
            return of_community(message.value, expected);
        }
        decode(bytes).map_or(Self::Stranger, of_user)
    }
}

fn of_community(message: CommunityMessage, expected: Option<&[u8]>) -> TrapDatagram {
    let (version, community, pdu) = message.into_parts();
    let version = if version == Version::V1 { "1" } else { "2c" };
    let kind = pdu.pdu_type();
    let event = match pdu {
        CommunityPdu::TrapV1(trap) => trap.v2_trap_oid().ok().map(|object| TrapEvent {
            up: Some(Duration::from_millis(u64::from(trap.time_stamp()) * 10)),
            about: Some(Ipv4Addr::from(trap.agent_addr())).filter(|it| !it.is_unspecified()),
            variables: trap.varbinds().len(),
            ..TrapEvent::of(&object)
        }),
        CommunityPdu::Standard(pdu) => event(pdu),
    };
    let Some(event) = event else { return TrapDatagram::Other { version } };
    let sender = NotificationSender::Community {
        length: community.as_bytes().len(),
        is_expected: expected.map(|expected| community.matches(expected)),
    };
    let is_inform = kind == PduType::InformRequest;
    TrapDatagram::Notification(Notification { version, is_inform, sender, event: Some(event) })
}

fn of_user(message: V3Message) -> TrapDatagram {
    const VERSION: &str = "3";
    let Some(usm) = parameters(&message) else { return TrapDatagram::Other { version: VERSION } };
    let level = match message.security_level() {
        SecurityLevel::NoAuthNoPriv => "noAuthNoPriv",
        SecurityLevel::AuthNoPriv => "authNoPriv",
        SecurityLevel::AuthPriv => "authPriv",
    };
    if usm.engine_id().is_empty() {
        return TrapDatagram::Discovery;
    }
    let number = usm.engine_id().first_chunk().map(|head| u32::from_be_bytes(*head));
    let sender = NotificationSender::User {
        engine: format!("0x{}", hex(usm.engine_id())),
        vendor: number.and_then(|number| vendor::name(number & super::discovery::ENTERPRISE)),
        user: wire::printable(&String::from_utf8_lossy(usm.username())),
        level,
    };
    // Who waits for an answer lets errors be reported, too (RFC 3412 §6.4).
    let is_reportable = message.global_data().msg_flags().reportable;
    let version = VERSION;
    let (is_inform, event) = match message.into_pdu() {
        Some(pdu) => {
            let is_inform = pdu.pdu_type() == PduType::InformRequest;
            match event(pdu) {
                None => return TrapDatagram::Other { version },
                event => (is_inform, event),
            }
        }
        None => (is_reportable, None),
    };
    TrapDatagram::Notification(Notification { version, is_inform, sender, event })
}

/// The event of a notification of version 2c or 3; `None`: it is another message.
fn event(pdu: Pdu) -> Option<TrapEvent> {
    if !pdu.is_notification() {
        return None;
    }
    let variables = pdu.into_varbinds();
    let of = |wanted: &Oid| variables.iter().find(|variable| variable.oid == *wanted);
    let object = of(&trap_oid())?.value.as_oid()?.clone();
    let up = of(&up_time()).and_then(|variable: &VarBind| variable.value.as_u32());
    Some(TrapEvent {
        up: up.map(|hundredths| Duration::from_millis(u64::from(hundredths) * 10)),
        about: of(&about()).and_then(|variable| variable.value.as_ip()),
        variables: variables.len().saturating_sub(2),
        ..TrapEvent::of(&object)
    })
}

impl TrapEvent {
    fn of(object: &Oid) -> Self {
        let arcs = object.arcs();
        let name = TRAPS.iter().find(|(known, _)| *known == arcs).map(|(_, name)| *name);
        let vendor = vendor::of_object(arcs);
        Self { oid: object.to_string(), name, vendor, up: None, about: None, variables: 0 }
    }
}

/// `snmpTrapOID.0`
fn trap_oid() -> Oid {
    oid!(1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0)
}

/// `sysUpTime.0`
fn up_time() -> Oid {
    super::question::up_time()
}

/// `snmpTrapAddress.0`
fn about() -> Oid {
    oid!(1, 3, 6, 1, 6, 3, 18, 1, 3, 0)
}

/// The traps of RFCs, of net-snmp, and of LLDP, by object id.
const TRAPS: &[(&[u32], &str)] = &[
    (&[1, 3, 6, 1, 6, 3, 1, 1, 5, 1], "coldStart"),
    (&[1, 3, 6, 1, 6, 3, 1, 1, 5, 2], "warmStart"),
    (&[1, 3, 6, 1, 6, 3, 1, 1, 5, 3], "linkDown"),
    (&[1, 3, 6, 1, 6, 3, 1, 1, 5, 4], "linkUp"),
    (&[1, 3, 6, 1, 6, 3, 1, 1, 5, 5], "authenticationFailure"),
    (&[1, 3, 6, 1, 6, 3, 1, 1, 5, 6], "egpNeighborLoss"),
    (&[1, 3, 6, 1, 2, 1, 14, 16, 2, 2], "ospfNbrStateChange"),
    (&[1, 3, 6, 1, 2, 1, 15, 0, 1], "bgpEstablishedNotification"),
    (&[1, 3, 6, 1, 2, 1, 15, 0, 2], "bgpBackwardTransNotification"),
    (&[1, 3, 6, 1, 2, 1, 15, 7, 1], "bgpEstablished"),
    (&[1, 3, 6, 1, 2, 1, 15, 7, 2], "bgpBackwardTransition"),
    (&[1, 3, 6, 1, 2, 1, 16, 0, 1], "risingAlarm"),
    (&[1, 3, 6, 1, 2, 1, 16, 0, 2], "fallingAlarm"),
    (&[1, 3, 6, 1, 2, 1, 17, 0, 1], "newRoot"),
    (&[1, 3, 6, 1, 2, 1, 17, 0, 2], "topologyChange"),
    (&[1, 3, 6, 1, 2, 1, 33, 2, 1], "upsTrapOnBattery"),
    (&[1, 3, 6, 1, 2, 1, 33, 2, 2], "upsTrapTestCompleted"),
    (&[1, 3, 6, 1, 2, 1, 33, 2, 3], "upsTrapAlarmEntryAdded"),
    (&[1, 3, 6, 1, 2, 1, 33, 2, 4], "upsTrapAlarmEntryRemoved"),
    (&[1, 3, 6, 1, 2, 1, 43, 18, 2, 0, 1], "printerV2Alert"),
    (&[1, 3, 6, 1, 2, 1, 47, 2, 0, 1], "entConfigChange"),
    (&[1, 3, 6, 1, 2, 1, 68, 0, 1], "vrrpTrapNewMaster"),
    (&[1, 3, 6, 1, 2, 1, 88, 2, 0, 1], "mteTriggerFired"),
    (&[1, 3, 6, 1, 4, 1, 8072, 4, 0, 1], "nsNotifyStart"),
    (&[1, 3, 6, 1, 4, 1, 8072, 4, 0, 2], "nsNotifyShutdown"),
    (&[1, 3, 6, 1, 4, 1, 8072, 4, 0, 3], "nsNotifyRestart"),
    (&[1, 0, 8802, 1, 1, 2, 0, 0, 1], "lldpRemTablesChange"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostile::damaged;
    use async_snmp::{GenericTrap, NotificationPdu, TrapV1Notification};
    use proptest::prelude::*;

    fn link_down(is_inform: bool) -> Vec<u8> {
        let object = oid!(1, 3, 6, 1, 6, 3, 1, 1, 5, 3);
        let make = if is_inform { NotificationPdu::inform } else { NotificationPdu::trap_v2 };
        let pdu = make(Version::V2c, 7, 4_200, &object, Vec::new()).unwrap().into_raw();
        CommunityMessage::v2c("public", pdu).unwrap().encode().unwrap().to_vec()
    }

    fn read(bytes: &[u8]) -> Notification {
        match TrapDatagram::read(bytes, Some(b"public")) {
            TrapDatagram::Notification(notification) => notification,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_trap_and_an_inform_are_told_apart() {
        for is_inform in [false, true] {
            let seen = read(&link_down(is_inform));
            assert_eq!((seen.version, seen.is_inform), ("2c", is_inform));
            let event = seen.event.unwrap();
            assert_eq!((event.oid.as_str(), event.name), ("1.3.6.1.6.3.1.1.5.3", Some("linkDown")));
            assert_eq!(event.up, Some(Duration::from_secs(42)));
            let sender = NotificationSender::Community { length: 6, is_expected: Some(true) };
            assert_eq!(seen.sender, sender);
        }
    }

    #[test]
    fn a_trap_of_version_1_says_whose_it_is() {
        let enterprise = oid!(1, 3, 6, 1, 4, 1, 9, 1);
        let trap = TrapV1Notification::new(
            enterprise,
            [192, 0, 2, 7],
            GenericTrap::EnterpriseSpecific,
            5,
            100,
            Vec::new(),
        );
        let message = CommunityMessage::v1_trap("other", trap.unwrap().into_raw()).unwrap();
        let seen = read(&message.encode().unwrap());
        let event = seen.event.unwrap();
        assert_eq!(event.oid, "1.3.6.1.4.1.9.1.0.5");
        assert_eq!(event.vendor.as_deref(), Some("Cisco"));
        assert_eq!(event.about, Some([192, 0, 2, 7].into()));
        let sender = NotificationSender::Community { length: 5, is_expected: Some(false) };
        assert_eq!(seen.sender, sender);
    }

    #[test]
    fn what_is_no_trap_is_not_called_one() {
        assert_eq!(TrapDatagram::read(b"hello", None), TrapDatagram::Stranger);
        assert_eq!(TrapDatagram::read(b"", None), TrapDatagram::Stranger);
        let discovery = super::super::discovery::question();
        assert_eq!(TrapDatagram::read(&discovery, None), TrapDatagram::Discovery);
        let get =
            b"\x30\x14\x02\x01\x01\x04\x02ab\xa0\x0b\x02\x01\x07\x02\x01\x00\x02\x01\x00\x30\x00";
        assert_eq!(TrapDatagram::read(get, None), TrapDatagram::Other { version: "2c" });
        // A notification without the variable that says what it is about.
        let nameless =
            b"\x30\x14\x02\x01\x01\x04\x02ab\xa7\x0b\x02\x01\x07\x02\x01\x00\x02\x01\x00\x30\x00";
        assert_eq!(TrapDatagram::read(nameless, None), TrapDatagram::Other { version: "2c" });
    }

    proptest! {
        #[test]
        fn no_datagram_breaks_the_reader(bytes in damaged(&link_down(true))) {
            let _whatever = TrapDatagram::read(&bytes, Some(b"public"));
        }
    }
}
