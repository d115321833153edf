//! The HTML page in a real browser: it reads, it filters, it prints, it asks for nothing, and
//! nothing a stranger said acts in it.
//!
//! Needs root, Chromium, and axe-core (`npm ci` in this folder); `tests/run` sees to all of it.
//! `KEEP_PAGES=FOLDER` leaves the pages there to look at.

mod browser;
mod pages;

use std::path::Path;

use serde_json::{Value, json};

use browser::{Browser, Page};

/// Every way of looking at a page that has a style of its own.
const VIEWS: [(u32, &str); 4] = [(1280, "light"), (1280, "dark"), (400, "light"), (400, "dark")];

#[test]
fn it_reads_wide_and_narrow_light_and_dark() {
    let site = pages::site();
    for (width, scheme) in VIEWS {
        let mut browser = Browser::start();
        let mut page = browser.open(&site, width, scheme);
        let shown =
            page.value("[...document.querySelectorAll('.map svg')].map(e => e.clientWidth > 0)");
        assert_eq!(shown, json!([width == 1280, width == 400]));
        // What is not shown is not judged.
        page.value("document.querySelectorAll('details').forEach(drawer => drawer.open = true)");
        let overflow = page.value("document.documentElement.scrollWidth > innerWidth");
        assert_eq!(overflow, false, "{width} {scheme}");
        assert_eq!(accessibility(&mut page), Vec::<String>::new(), "{width} {scheme}");
        let faint = page.value(FAINTEST);
        assert!(faint.as_f64().unwrap() >= 4.5, "{width} {scheme}: {faint}");
        assert_eq!(page.complaints(), Vec::<String>::new());
    }
}

#[test]
fn the_matrix_of_a_site_scrolls_where_it_is_too_wide() {
    let site = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples/merge.html");
    for (width, scheme) in VIEWS {
        let mut browser = Browser::start();
        let mut page = browser.open(&site, width, scheme);
        let overflow = page.value("document.documentElement.scrollWidth > innerWidth");
        assert_eq!(overflow, false, "{width} {scheme}");
        // A name in a column of one letter is as high as it is long.
        let lines = page.value("document.querySelector('.matrix tbody th').clientHeight / 40");
        assert!(lines.as_f64().unwrap() < 1.5, "{width} {scheme}: {lines}");
        assert_eq!(accessibility(&mut page), Vec::<String>::new(), "{width} {scheme}");
        assert_eq!(page.complaints(), Vec::<String>::new());
    }
}

/// What axe finds: the rule, and the elements that break it.
fn accessibility(page: &mut Page<'_>) -> Vec<String> {
    let axe = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/real_servers/html/node_modules/axe-core/axe.min.js");
    let axe = std::fs::read_to_string(axe)
        .unwrap_or_else(|e| panic!("{e}: npm ci in tests/real_servers/html"));
    page.value(&format!("{axe}; null"));
    let found = page.value("axe.run().then(found => found.violations)");
    let target = |node: &Value| node["target"].to_string();
    let violation = |rule: &Value| {
        let targets: Vec<String> = rule["nodes"].as_array().unwrap().iter().map(target).collect();
        format!("{}: {}", rule["id"], targets.join(" "))
    };
    found.as_array().unwrap().iter().map(violation).collect()
}

/// The lowest contrast of a text of the map, on paper or in a box; axe does not look into SVG.
const FAINTEST: &str = "(() => {
    const light = (colour) => {
        const [r, g, b] = colour.match(/[\\d.]+/g).map((part) => {
            const value = part / 255;
            return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const contrast = (one, other) => {
        const [dark, bright] = [light(one), light(other)].sort((a, b) => a - b);
        return (bright + 0.05) / (dark + 0.05);
    };
    const paper = getComputedStyle(document.body).backgroundColor;
    const box = getComputedStyle(document.querySelector('rect.peer')).fill;
    const inks = [...document.querySelectorAll('svg text')].map((text) => getComputedStyle(text).fill);
    return Math.min(...inks.flatMap((ink) => [contrast(ink, paper), contrast(ink, box)]));
})()";

#[test]
fn the_device_that_rejects_stands_on_its_arrow() {
    let page = std::fs::read_to_string(pages::site()).unwrap();
    for words in [
        "poller.bbdo to central 10.0.0.3 5669/tcp: fails (path-rejected), at 10.2.0.1.",
        "poller.ntp to NTP server 10.0.0.3 123/udp: works.",
        "<code>preflight explain path-rejected</code>",
        "Not asked, and not drawn: poller.dns",
    ] {
        assert!(page.contains(words), "{words}");
    }
}

#[test]
fn the_filter_leaves_the_rows_it_is_asked_for() {
    let mut browser = Browser::start();
    let mut page = browser.open(&pages::site(), 1280, "light");
    let all = rows(&mut page);
    page.value("document.querySelector('#filter input').focus()");
    page.type_text("BBDO 10.0.0.3");
    assert_eq!(rows(&mut page), ["poller.bbdo"]);
    let said = page.value("document.querySelector('#filter output').textContent");
    assert_eq!(said, format!("1 of {} rows", all.len()));
    page.value("document.querySelector('#filter input').select()");
    page.type_text("no such words");
    assert_eq!(rows(&mut page), Vec::<String>::new());
    page.value("document.querySelector('#filter input').select()");
    page.type_text(" ");
    page.value("[...document.querySelectorAll('#filter button')].find(b => b.textContent == 'pass').focus()");
    page.press_enter();
    let passed = rows(&mut page);
    assert!(passed.len() < all.len() && passed.contains(&"poller.ntp".to_owned()), "{passed:?}");
    page.press_enter();
    assert_eq!(rows(&mut page), all);
    assert_eq!(page.complaints(), Vec::<String>::new());
}

/// The flows of the rows that are shown.
fn rows(page: &mut Page<'_>) -> Vec<String> {
    let shown = page.value(
        "[...document.querySelectorAll('tbody tr')].filter(row => row.checkVisibility()) \
         .map(row => row.querySelector('th').textContent)",
    );
    serde_json::from_value(shown).unwrap()
}

#[test]
fn a_drawer_opens_by_key_and_by_link() {
    let mut browser = Browser::start();
    let mut page = browser.open(&pages::site(), 1280, "light");
    let is_read = "[...document.querySelectorAll('.drawer')] \
        .filter(drawer => drawer.checkVisibility()).map(drawer => drawer.innerText)";
    assert_eq!(page.value(is_read), json!([]));
    page.value("document.querySelector('tbody summary').focus()");
    page.press_enter();
    let drawers = page.value(is_read);
    assert!(drawers[0].as_str().unwrap().contains("why"), "{drawers}");
    // Each entry of the list on top leads to its drawer.
    page.value("document.querySelector('.actions a').focus()");
    page.press_enter();
    page.value("new Promise(done => setTimeout(done))");
    let drawers = page.value(is_read);
    assert!(drawers[1].as_str().unwrap().contains("preflight explain"), "{drawers}");
    assert_eq!(page.complaints(), Vec::<String>::new());
}

#[test]
fn without_its_script_nothing_is_missing() {
    let mut browser = Browser::start();
    let mut page = browser.blank();
    page.call("Emulation.setScriptExecutionDisabled", &json!({"value": true}));
    page.go(&pages::site());
    assert_eq!(page.value("document.querySelector('#filter').checkVisibility()"), false);
    let text = page.value("document.body.textContent");
    for words in ["network team, device 10.2.0.1", "allow TCP 5669", "stratum 1"] {
        assert!(text.as_str().unwrap().contains(words), "{words}");
    }
    assert_eq!(page.value("document.querySelectorAll('details').length > 5"), true);
}

#[test]
fn it_prints_with_what_needs_somebody_open() {
    let mut browser = Browser::start();
    let mut page = browser.open(&pages::site(), 1280, "dark");
    let printed = page.call("Page.printToPDF", &json!({"paperWidth": 8.27, "paperHeight": 11.69}));
    // "%PDF-", in base64.
    assert!(printed["data"].as_str().unwrap().starts_with("JVBERi0"));
    let open = "[...document.querySelectorAll('details')].map(d => [d.open, \
        d.closest('[data-outcome]').dataset.outcome])";
    for drawer in page.value(open).as_array().unwrap() {
        let acts = ["fail", "unknown"].contains(&drawer[1].as_str().unwrap());
        assert_eq!(drawer[0], acts, "{drawer}");
    }
    page.call("Emulation.setEmulatedMedia", &json!({"media": "print"}));
    assert_eq!(page.value("document.querySelector('#filter').checkVisibility()"), false);
    assert_eq!(page.value("getComputedStyle(document.body).backgroundColor"), "rgb(255, 255, 255)");
}

#[test]
fn nothing_a_server_says_acts_on_the_page() {
    let mut browser = Browser::start();
    let mut page = browser.open(&pages::hostile(), 1280, "light");
    assert_eq!(page.value("window.owned"), Value::Null);
    assert_eq!(page.value("document.querySelectorAll('img, iframe, [onmouseover]').length"), 0);
    assert_eq!(page.value("document.scripts.length"), 1);
    let text = page.value("document.body.textContent");
    let text = text.as_str().unwrap();
    assert!(text.contains("<script>window.owned=1</script>"), "{text}");
    assert!(text.contains("\\x1b[31m\\u{202e}"), "{text}");
    assert!(!text.contains(['\u{1b}', '\u{202e}']));
    assert_eq!(accessibility(&mut page), Vec::<String>::new());
    assert_eq!(page.complaints(), Vec::<String>::new());
}

/// Should the escaper ever fail, the policy still holds.
#[test]
fn a_script_that_is_not_ours_does_not_run() {
    let mut browser = Browser::start();
    let mut page = browser.open(&pages::site(), 1280, "light");
    page.value(
        "const script = document.createElement('script'); script.text = 'window.owned = 1'; \
         document.body.append(script); \
         document.body.insertAdjacentHTML('beforeend', \
            '<img src=\"data:,\" onerror=\"window.owned = 1\"><b style=\"color:red\" id=\"red\">'); \
         new Promise(done => setTimeout(done))",
    );
    assert_eq!(page.value("window.owned"), Value::Null);
    let ink = page.value("getComputedStyle(document.getElementById('red')).color");
    assert_ne!(ink, "rgb(255, 0, 0)");
    let refused = page.complaints().iter().filter(|said| said.contains("Security Policy")).count();
    assert!(refused >= 3, "{:#?}", page.complaints());
}

#[test]
fn ten_thousand_devices_open_within_two_seconds() {
    const MOST_BYTES: u64 = 5_000_000;
    let file = pages::large();
    let size = std::fs::metadata(&file).unwrap().len();
    assert!(size < MOST_BYTES, "{size} bytes");
    let mut browser = Browser::start();
    let mut page = browser.open(&file, 1280, "light");
    // After two frames the first has been painted.
    page.value("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))");
    let loaded =
        page.value("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd");
    let painted = page.value("performance.getEntriesByName('first-paint')[0].startTime");
    println!("{size} bytes: DOMContentLoaded {loaded} ms, first paint {painted} ms");
    for took in [loaded, painted] {
        assert!(took.as_f64().unwrap() < 2_000.0, "{took} ms");
    }
    let took = page.value(
        "(() => { const text = document.querySelector('#filter input'); text.value = '127.20.33.44:'; \
         const start = performance.now(); text.dispatchEvent(new Event('input')); \
         document.body.offsetHeight; return performance.now() - start; })()",
    );
    println!("filtered in {took} ms");
    assert!(took.as_f64().unwrap() < 1_000.0, "{took} ms");
    assert_eq!(page.value("[...document.querySelectorAll('.members > li')].filter(line => line.checkVisibility()).length"), 1);
    let peers = page.value("document.querySelectorAll('.map .wide rect.peer').length");
    assert!((2..=36).contains(&peers.as_u64().unwrap()), "{peers}");
    assert_eq!(page.complaints(), Vec::<String>::new());
}
