//! What an error number of our own kernel means, where no packet has been answered.

use std::io;
use std::net::SocketAddr;

use crate::cause::{Cause, LocalFirewallSign, LocalRoute, PortCause, RouteCause};

/// An error that `connect` gives at once comes from our own routing table.
pub(super) fn no_route(to: SocketAddr, error: &io::Error) -> Cause {
    let route = match error.raw_os_error() {
        Some(libc::ENETUNREACH) => LocalRoute::Missing,
        Some(libc::EHOSTUNREACH) => LocalRoute::Unreachable,
        Some(libc::EACCES) => LocalRoute::Prohibit,
        Some(libc::EINVAL) => LocalRoute::Blackhole,
        Some(libc::EPERM) => {
            return Cause::Route(RouteCause::LocalFirewall {
                to,
                how: LocalFirewallSign::NotPermitted,
            });
        }
        // On loopback the RST is there before `connect` returns.
        Some(libc::ECONNREFUSED) => return Cause::Port(PortCause::PortClosed { to }),
        _ => return local("connect", error),
    };
    Cause::Route(RouteCause::NoRoute { to: to.ip(), route })
}

/// This host could not do `action` by itself: no packet was sent.
pub(super) fn local(action: &'static str, error: &io::Error) -> Cause {
    Cause::Route(RouteCause::LocalError { action: action.into(), error: error.to_string() })
}
