//! The words that keys of a site file take, and what each means.

use preflight_checks::snmp;

use crate::catalogue::{Mode, Role, Until};
use crate::site::Find;

/// How a poller and its central find each other.
pub(super) const MODES: [(&str, Mode); 5] = [
    ("zmq", Mode::Zmq),
    ("ssh", Mode::Ssh),
    ("pull", Mode::Pull),
    ("pullwss", Mode::Pullwss),
    ("through-remote", Mode::ThroughRemote),
];
/// What the name of a server is, when it is a domain.
pub(super) const FINDS: [(&str, Find); 6] = [
    ("mx", Find::Mx),
    ("mx-dns", Find::MxDns),
    ("srv", Find::Srv),
    ("dns", Find::Dns),
    ("dns-domain", Find::DnsDomain),
    ("dns-first", Find::DnsFirst),
];
/// Which of poller and broker connects.
pub(super) const BBDO: [(&str, Mode); 2] =
    [("forward", Mode::Bbdo), ("reversed", Mode::BbdoReversed)];
/// Until when a closed port only waits.
pub(super) const UNTIL: [(&str, Until); 1] = [("installed", Until::Installed)];
/// What a port of `[[check]]` must be, and whether that is closed.
pub(super) const MUSTS: [(&str, bool); 2] = [("work", false), ("be closed", true)];
/// What a machine is.
pub(super) const ROLES: [(&str, Role); 7] = [
    ("central", Role::Central),
    ("poller", Role::Poller),
    ("remote", Role::Remote),
    ("map", Role::Map),
    ("mbi", Role::Mbi),
    ("bi", Role::Bi),
    ("database", Role::Database),
];

/// `version`, as SNMP counts them.
#[derive(Clone, Copy)]
pub(super) enum SnmpVersion {
    Community(snmp::CommunityVersion),
    User,
}

/// Versions of SNMP, as `version` of a community or user has them.
pub(super) const VERSIONS: [(&str, SnmpVersion); 3] = [
    ("1", SnmpVersion::Community(snmp::CommunityVersion::V1)),
    ("2c", SnmpVersion::Community(snmp::CommunityVersion::V2c)),
    ("3", SnmpVersion::User),
];
