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
        Some(libc::EINVAL) if matches!(to, SocketAddr::V6(to) if to.ip().is_unicast_link_local() && to.scope_id() == 0) => {
            LocalRoute::NoScope
        }
        Some(libc::EINVAL) => LocalRoute::Blackhole,
        Some(libc::EADDRNOTAVAIL) if to.is_ipv6() && is_ipv6_off() => LocalRoute::Ipv6Off,
        // An address of ours that cannot be used is told before: only a port is left to be found.
        Some(libc::EADDRNOTAVAIL | libc::EAGAIN) if !to.ip().is_unspecified() => {
            let range = setting("net/ipv4/ip_local_port_range").unwrap_or_default();
            let range = range.split_whitespace().collect::<Vec<_>>().join(" ");
            return Cause::Route(RouteCause::NoFreePort { to, range });
        }
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

/// What one of the kernel's settings says, by its path below `/proc/sys`.
fn setting(path: &str) -> Option<String> {
    std::fs::read_to_string(format!("/proc/sys/{path}")).ok()
}

/// A socket to `to` cannot be had.
pub(super) fn no_socket(to: SocketAddr, error: &io::Error) -> Cause {
    match error.raw_os_error() {
        Some(libc::EAFNOSUPPORT) if to.is_ipv6() => {
            Cause::Route(RouteCause::NoRoute { to: to.ip(), route: LocalRoute::Ipv6Off })
        }
        _ => local("open a socket", error),
    }
}

/// Has somebody switched IPv6 off, on all interfaces?
fn is_ipv6_off() -> bool {
    setting("net/ipv6/conf/all/disable_ipv6").is_some_and(|off| off.trim() == "1")
}

/// This host could not do `action` by itself: no packet was sent.
pub(super) fn local(action: &'static str, error: &io::Error) -> Cause {
    Cause::Route(RouteCause::LocalError { action: action.into(), error: error.to_string() })
}
