//! Is a certificate made by a device that opens TLS on the way?
//!
//! Such a device signs in the name of each host, with an authority of its own that often says what
//! it is. Only a certificate that names the host asked counts: the device's own page shows its own.

/// Does this name say that it inspects TLS?
pub(crate) fn is_inspection(issuer: &str) -> bool {
    let issuer = issuer.to_ascii_lowercase();
    INSPECTORS.iter().any(|name| issuer.contains(name))
}

/// In names of authorities: makers of such devices and programs, and what people call their own.
const INSPECTORS: &[&str] = &[
    "zscaler",
    "fortinet",
    "fortigate",
    "palo alto",
    "paloalto",
    "blue coat",
    "bluecoat",
    "proxysg",
    "netskope",
    "forcepoint",
    "websense",
    "mcafee web",
    "skyhigh",
    "cisco umbrella",
    "cisco secure access",
    "ironport",
    "check point",
    "checkpoint",
    "sophos",
    "barracuda",
    "watchguard",
    "fireware",
    "sonicwall",
    "stormshield",
    "untangle",
    "kerio",
    "smoothwall",
    "lightspeed rocket",
    "contentkeeper",
    "iboss",
    "cato networks",
    "menlo security",
    "gateway ca - cloudflare",
    "cloudflare gateway",
    "cloudflare for teams",
    "trend micro",
    "symantec web",
    "bitdefender",
    "kaspersky",
    "eset ssl",
    "avast! web",
    "avg web",
    "mitmproxy",
    "portswigger",
    "charles proxy",
    "do_not_trust_fiddler",
    "squid",
    "pfsense",
    "opnsense",
    "sslsplit",
    "ssl inspection",
    "tls inspection",
    "https inspection",
    "ssl decryption",
    "tls decryption",
    "ssl interception",
    "tls interception",
    "ssl proxy",
    "decryption ca",
    "forward trust",
    "forward untrust",
    "web gateway",
    "web filter",
    "webfilter",
    "proxy ca",
    "proxyca",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_say_what_they_are_and_authorities_do_not() {
        for issuer in [
            "C=US, O=Zscaler Inc., CN=Zscaler Intermediate Root CA (zscaler.net)",
            "CN=FortiGate CA, O=Fortinet",
            "CN=Corp SSL Inspection CA",
            "O=Palo Alto Networks, CN=Forward Trust",
        ] {
            assert!(is_inspection(issuer), "{issuer}");
        }
        for issuer in ["C=US, O=Let's Encrypt, CN=R11", "DC=corp, CN=corp-DC1-CA", "CN=Proxmox"] {
            assert!(!is_inspection(issuer), "{issuer}");
        }
    }
}
