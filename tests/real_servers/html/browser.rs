//! Chromium without a window, spoken to over its debugging pipe, in a network namespace of its own.
//!
//! It has no network at all there, not even loopback: what a page asks for fails, and is counted.
//!
//! Reference: [Chrome DevTools Protocol](https://chromedevtools.github.io/devtools-protocol/),
//! messages end with NUL on the file descriptors 3 and 4.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::Guard;

/// A running browser; dropping it ends it.
pub(crate) struct Browser {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    last: u64,
    events: Vec<Value>,
    _guard: Guard,
    _profile: TempDir,
}

impl Browser {
    /// Starts Chromium with an empty profile; needs root for the namespace.
    pub(crate) fn start() -> Self {
        let profile = tempfile::tempdir().unwrap();
        let mut child = Command::new("unshare")
            // The shell moves our two pipes to where Chromium looks for them.
            .args(["--net", "sh", "-c", "exec \"$@\" 3<&0 4>&1 </dev/null >&2", "sh"])
            .args(["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"])
            .args(["--no-first-run", "--disable-background-networking", "--disable-sync"])
            .args(["--disable-component-update", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .env("HOME", profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (to, from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (guard, from) = (Guard::on(&child), BufReader::new(from));
        Self { child, to, from, last: 0, events: Vec::new(), _guard: guard, _profile: profile }
    }

    /// Opens `file` in a new page of that width, light or dark.
    pub(crate) fn open(&mut self, file: &Path, width: u32, scheme: &str) -> Page<'_> {
        let mut page = self.blank();
        page.call(
            "Emulation.setDeviceMetricsOverride",
            &json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false}),
        );
        let scheme = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        page.call("Emulation.setEmulatedMedia", &json!({"features": scheme}));
        page.go(file);
        page
    }

    /// A new page with nothing in it, listened to from its beginning.
    pub(crate) fn blank(&mut self) -> Page<'_> {
        let target = self.call("", "Target.createTarget", &json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = self.call("", "Target.attachToTarget", &attach);
        let session = attached["sessionId"].as_str().unwrap().to_owned();
        let mut page = Page { browser: self, session };
        for domain in ["Page", "Runtime", "Log", "Network"] {
            page.call(&format!("{domain}.enable"), &json!({}));
        }
        page
    }

    #[track_caller]
    fn call(&mut self, session: &str, method: &str, parameters: &Value) -> Value {
        self.last += 1;
        let id = self.last;
        let mut message = json!({"id": id, "method": method, "params": parameters});
        if !session.is_empty() {
            message["sessionId"] = json!(session);
        }
        self.to.write_all(format!("{message}\0").as_bytes()).unwrap();
        loop {
            let heard = self.hear();
            if heard["id"] == id {
                assert!(heard["error"].is_null(), "{method}: {heard}");
                return heard["result"].clone();
            }
            self.events.push(heard);
        }
    }

    #[track_caller]
    fn hear(&mut self) -> Value {
        let mut message = Vec::new();
        self.from.read_until(0, &mut message).unwrap();
        assert_eq!(message.pop(), Some(0), "Chromium ended, or never began: are we root?");
        serde_json::from_slice(&message).unwrap()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _gone_already = self.to.write_all(b"{\"id\": 0, \"method\": \"Browser.close\"}\0");
        let _ended = self.child.wait();
    }
}

/// One page; its scripts run, unless they are switched off.
pub(crate) struct Page<'b> {
    browser: &'b mut Browser,
    session: String,
}

impl Page<'_> {
    /// Loads `file`, to its load event.
    pub(crate) fn go(&mut self, file: &Path) {
        self.call("Page.navigate", &json!({"url": format!("file://{}", file.display())}));
        let is_loaded = |event: &Value| event["method"] == "Page.loadEventFired";
        while !self.events().any(is_loaded) {
            let heard = self.browser.hear();
            self.browser.events.push(heard);
        }
    }

    #[track_caller]
    pub(crate) fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.browser.call(&self.session, method, parameters)
    }

    /// The value of a JavaScript expression, a promise's when it is kept.
    #[track_caller]
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let ask = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let answer = self.call("Runtime.evaluate", &ask);
        let thrown = &answer["exceptionDetails"];
        assert!(thrown.is_null(), "{expression:.200}: {thrown:#}");
        answer["result"]["value"].clone()
    }

    /// Types into what has the focus.
    pub(crate) fn type_text(&mut self, text: &str) {
        self.call("Input.insertText", &json!({"text": text}));
    }

    /// Presses and releases the Enter key.
    pub(crate) fn press_enter(&mut self) {
        for kind in ["keyDown", "keyUp"] {
            let key = json!({
                "type": kind, "key": "Enter", "code": "Enter", "text": "\r",
                "windowsVirtualKeyCode": 13
            });
            self.call("Input.dispatchKeyEvent", &key);
        }
    }

    /// What the console said, and each request for anything but a file.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let complaint = |event: &Value| {
            let parameters = &event["params"];
            match event["method"].as_str()? {
                "Runtime.exceptionThrown" | "Runtime.consoleAPICalled" => {
                    Some(parameters.to_string())
                }
                "Log.entryAdded" => Some(parameters["entry"]["text"].to_string()),
                "Network.requestWillBeSent" => {
                    let url = parameters["request"]["url"].as_str()?;
                    (!url.starts_with("file://")).then(|| format!("asks for {url}"))
                }
                _ => None,
            }
        };
        self.events().filter_map(complaint).collect()
    }

    fn events(&self) -> impl Iterator<Item = &Value> {
        self.browser.events.iter().filter(|event| event["sessionId"] == self.session.as_str())
    }
}
