//! curl's verdict on the rows that go through a proxy: what it gets through passes, what it does not
//! get through fails; a row in which `preflight` decides otherwise says why.

use crate::servers::PASSWORD;
use crate::site::{Got, Spot};

/// A fault that curl passes, and why it is one.
const DECIDED_OTHERWISE: [(&str, &str); 3] = [
    ("proxy: block page with status 200", "curl does not read the page"),
    ("proxy: plain HTTP, a web server", "curl takes whatever page it gets"),
    ("proxy: plain HTTP, sent to a page that says why not", "curl takes a redirect for an answer"),
];

/// Where curl and `preflight` differ without a reason; `None` also for rows without a proxy.
pub(crate) fn disagrees(spot: &Spot<'_>, got: &Got) -> Option<String> {
    let (proxy, url) = (spot.flag("--proxy")?, spot.flag("--http")?);
    let mut curl = spot.lab.in_client("curl");
    curl.args(["-sS", "--fail", "-o", "/dev/null", "--max-time", "20"]);
    curl.arg("--cacert").arg(spot.lab.path("trusted.pem")).args(["--proxy", &proxy, &url]);
    let password = match spot.flag("--proxy-password-file") {
        Some(file) if file.ends_with("/password") => Some(PASSWORD),
        Some(_) => Some("not-a-secret-but-wrong"),
        None => None,
    };
    if let Some(password) = password {
        let name = spot.row.fault.replace([' ', ':'], "-");
        let line = format!("proxy-user = \"monitoring:{password}\"\n");
        curl.arg("--config").arg(spot.lab.write(&name, &line));
    }
    let output = curl.output().unwrap();
    let fault = &spot.row.fault;
    let is_listed = DECIDED_OTHERWISE.iter().any(|(other, _)| other == fault);
    let agrees = output.status.success() == (got.outcome == "pass" || got.outcome == "warn");
    (agrees == is_listed).then(|| {
        let words = String::from_utf8_lossy(&output.stderr);
        format!("{fault}: preflight {}, curl {}: {words}", got.outcome, output.status)
    })
}
