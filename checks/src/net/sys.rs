//! The kernel calls no safe crate offers.

#![allow(unsafe_code)]

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

/// The version of the GNU C library that this process runs with; `None`: it is another library.
#[must_use]
pub fn glibc_version() -> Option<String> {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: the function takes nothing and returns a text that is there as long as the library.
        let version = unsafe { std::ffi::CStr::from_ptr(libc::gnu_get_libc_version()) };
        Some(version.to_string_lossy().into_owned())
    }
    #[cfg(not(target_env = "gnu"))]
    None
}

/// What the kernel knows of a TCP connection (`tcp(7)`, `TCP_INFO`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TcpInfo {
    /// Smoothed round trip; right after the handshake that of the SYN.
    pub(crate) rtt: Duration,
    /// The most bytes of ours in one segment, as both ends and the route have it.
    pub(crate) segment: u32,
    /// Segments retransmitted and still unanswered.
    pub(crate) retrans: u32,
    /// Segments retransmitted since the beginning.
    pub(crate) total_retrans: u32,
    /// Segments that arrived twice, as the peer says: they were sent again without need
    /// (RFC 2883); 0 also before Linux 5.4, which does not count them.
    pub(crate) arrived_twice: u32,
    /// Bytes of ours that the peer has acknowledged, and one for the SYN.
    pub(crate) bytes_acked: u64,
    /// How often in a row what is not acknowledged was sent again.
    pub(crate) timeouts: u8,
    /// Bytes the peer takes at present; `None` before Linux 5.4, which does not tell.
    pub(crate) window: Option<u32>,
    /// Is our end acknowledged, and theirs still to come?
    pub(crate) is_half_closed: bool,
    /// Segments that came, repeated ones too; 0 also on kernels that do not count them.
    pub(crate) came: u32,
    /// Segments with data that went; 0 also on kernels that do not count them.
    pub(crate) went: u32,
    /// Is it over without an end that was said: was it reset?
    pub(crate) is_gone: bool,
    /// Segments that arrived behind a hole; 0 also before Linux 5.4, which does not count them.
    pub(crate) out_of_order: u32,
    /// Bytes that arrived in order, a FIN as one more; read or not.
    pub(crate) bytes_received: u64,
}

/// Reads `TCP_INFO`; `None` when the kernel has none for this socket.
pub(crate) fn tcp_info(socket: &impl AsFd) -> Option<TcpInfo> {
    // SAFETY: `tcp_info` is plain integers, for which all zeros is a value.
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    let mut length = libc::socklen_t::try_from(size_of::<libc::tcp_info>()).ok()?;
    // SAFETY: the descriptor is open for the borrow's time; pointer and length
    // describe `info`, and the kernel writes at most `length` bytes.
    let status = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            std::ptr::from_mut(&mut info).cast(),
            &raw mut length,
        )
    };
    (status == 0).then(|| TcpInfo {
        rtt: Duration::from_micros(info.tcpi_rtt.into()),
        segment: info.tcpi_snd_mss,
        retrans: info.tcpi_retrans,
        total_retrans: info.tcpi_total_retrans,
        arrived_twice: info.tcpi_dsack_dups,
        bytes_acked: info.tcpi_bytes_acked,
        timeouts: info.tcpi_retransmits,
        window: (usize::try_from(length).is_ok_and(|length| length >= WINDOW_TOLD))
            .then_some(info.tcpi_snd_wnd),
        is_half_closed: info.tcpi_state == FIN_WAIT_2,
        came: info.tcpi_segs_in,
        went: info.tcpi_data_segs_out,
        is_gone: info.tcpi_state == CLOSE,
        out_of_order: info.tcpi_rcv_ooopack,
        bytes_received: info.tcpi_bytes_received,
    })
}

/// Bytes of `tcp_info` of a kernel that tells the peer's window.
const WINDOW_TOLD: usize = std::mem::offset_of!(libc::tcp_info, tcpi_snd_wnd) + size_of::<u32>();
/// `TCP_FIN_WAIT2`
const FIN_WAIT_2: u8 = 5;
/// `TCP_CLOSE`
const CLOSE: u8 = 7;

/// Has the kernel drop what arrives on this TCP socket with fewer than `left` hops left.
///
/// Needs no privilege; meant for peers that are known to be near (RFC 5082, `ip(7)` and
/// `ipv6(7)`: `IP_MINTTL`, `IPV6_MINHOPCOUNT`).
pub(crate) fn hear_only_from_near(socket: &impl AsFd, of: SocketAddr, left: u8) -> io::Result<()> {
    let (level, option) = match of {
        SocketAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_MINTTL),
        SocketAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_MINHOPCOUNT),
    };
    let left = libc::c_int::from(left);
    let length = libc::socklen_t::try_from(size_of_val(&left)).map_err(io::Error::other)?;
    // SAFETY: the descriptor is open for the borrow's time; pointer and length
    // describe `left`, which the kernel only reads.
    let status = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            option,
            std::ptr::from_ref(&left).cast(),
            length,
        )
    };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
