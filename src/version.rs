//! What this binary is: for a bug report, and for whoever hands it out.

use std::fmt::Write as _;

use crate::catalogue::{Catalogue, profile_names};

/// The one line of `--version`.
pub(crate) fn line() -> String {
    format!("preflight {}\n", env!("CARGO_PKG_VERSION"))
}

/// With what it was built from and for, and the flow tables in it.
pub(crate) fn whole() -> String {
    let mut text = line();
    let commit = option_env!("PREFLIGHT_COMMIT").unwrap_or("not recorded; packages have it");
    let target = format!("{}-{}{}", std::env::consts::ARCH, std::env::consts::OS, libc_kind());
    let glibc = preflight_checks::glibc_version();
    let glibc = glibc.unwrap_or_else(|| "none: another C library".to_owned());
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    for (name, value) in [
        ("commit", commit),
        ("target", &target),
        ("glibc", &glibc),
        ("build", build),
        ("features", "all: there are none to choose"),
    ] {
        let _infallible = writeln!(text, "{name:<9} {value}");
    }
    for profile in profile_names().into_iter().filter_map(Catalogue::profile) {
        let edition = profile.identity.edition().unwrap_or_else(|| "no version".to_owned());
        let (name, sha256) = (&profile.profile, &profile.identity.sha256);
        let _infallible = writeln!(text, "profile   {name}, {edition}\n          SHA-256 {sha256}");
    }
    text
}

const fn libc_kind() -> &'static str {
    if cfg!(target_env = "gnu") {
        "-gnu"
    } else if cfg!(target_env = "musl") {
        "-musl"
    } else {
        ""
    }
}
