//! The HTML page in a real browser: it reads, it filters, it prints, it asks for nothing, and
//! nothing a stranger said acts in it.
//!
//! Needs root, Chromium, and axe-core (`npm ci` in this folder); `tests/run` sees to all of it.
//! `KEEP_PAGES=FOLDER` leaves the pages there to look at.

pub(crate) mod browser;
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
    let site = pages::platform().join("index.html");
    for (width, scheme) in VIEWS {
        let mut browser = Browser::start();
        let mut page = browser.open(&site, width, scheme);
        let shown =
            page.value("[...document.querySelectorAll('.map svg')].map(e => e.clientWidth > 0)");
        assert_eq!(shown, json!([width == 1280, width == 400]));
        let faint = page.value(FAINTEST);
        assert!(faint.as_f64().unwrap() >= 4.5, "{width} {scheme}: {faint}");
        assert_eq!(page.value(OUTSIDE), json!([]), "{width} {scheme}");
        let overflow = page.value("document.documentElement.scrollWidth > innerWidth");
        assert_eq!(overflow, false, "{width} {scheme}");
        // A name in a column of one letter is as high as it is long.
        let lines = page.value("document.querySelector('.matrix tbody th').clientHeight / 40");
        assert!(lines.as_f64().unwrap() < 1.5, "{width} {scheme}: {lines}");
        assert_eq!(accessibility(&mut page), Vec::<String>::new(), "{width} {scheme}");
        assert_eq!(page.complaints(), Vec::<String>::new());
    }
}

/// Texts of the map that run out of the drawing, or into a box that is not theirs.
const OUTSIDE: &str = "(() => {
    const shown = [...document.querySelectorAll('.map svg')].find((svg) => svg.clientWidth > 0);
    const frame = shown.getBoundingClientRect();
    const boxes = [...shown.querySelectorAll('rect.peer, rect.machine')];
    const texts = [...shown.querySelectorAll('text')];
    const runs = (text) => {
        const is = text.getBoundingClientRect();
        if (is.left < frame.left - 1 || is.right > frame.right + 1) return true;
        return boxes.some((box) => {
            const of = box.getBoundingClientRect();
            const isLevel = is.top < of.bottom && is.bottom > of.top;
            return isLevel && is.left < of.left - 1 && is.right > of.left + 1;
        });
    };
    return texts.filter(runs).map((text) => text.textContent);
})()";

#[test]
fn the_page_of_the_platform_leads_to_each_machine_and_back() {
    let mut browser = Browser::start();
    let mut page = browser.open(&pages::platform().join("index.html"), 1280, "light");
    let links = "[...document.querySelectorAll('a')].map(a => a.getAttribute('href'))";
    let links: Vec<String> = serde_json::from_value(page.value(links)).unwrap();
    for machine in ["central1", "poller1", "poller2"] {
        assert!(links.contains(&format!("./{machine}.html")), "{links:?}");
        let mut page =
            browser.open(&pages::platform().join(format!("{machine}.html")), 1280, "light");
        assert_eq!(
            page.value("document.querySelector('nav a').href.endsWith('/index.html')"),
            true
        );
        assert_eq!(page.complaints(), Vec::<String>::new());
    }
}

/// The World Wide Web Consortium's checker, which reads a page as the standard has it.
#[test]
fn every_page_is_valid_html() {
    let checker = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/real_servers/html/node_modules/vnu-jar/build/dist/vnu.jar");
    assert!(checker.exists(), "npm ci in tests/real_servers/html");
    let machine = pages::platform().join("poller1.html");
    let platform = pages::platform().join("index.html");
    let pages =
        [pages::site(), pages::good(), pages::devices(), pages::hostile(), machine, platform];
    let judged = std::process::Command::new("java")
        .arg("-jar")
        .arg(checker)
        .args(["--errors-only", "--format", "gnu", "--stdout"])
        .args(pages)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&judged.stdout);
    assert!(judged.status.success() && said.is_empty(), "{said}");
}

#[test]
fn without_a_failure_the_first_screen_is_full() {
    let mut browser = Browser::start();
    let mut page = browser.open(&pages::good(), 1280, "light");
    // Of the height of a window, how much is below the last text on the left half of it?
    let last = page.value(
        "Math.max(...[...document.querySelectorAll('main *')].map(e => e.getBoundingClientRect()) \
         .filter(r => r.width > 0 && r.left < 640 && r.top < 900).map(r => Math.min(r.bottom, 900)))",
    );
    assert!(last.as_f64().unwrap() > 600.0, "{last}");
    let map = page.value("document.querySelector('.map').getBoundingClientRect().top");
    assert!(map.as_f64().unwrap() < 300.0, "{map}");
    assert_eq!(accessibility(&mut page), Vec::<String>::new());
}

#[test]
fn what_fails_stands_first_in_the_table() {
    let mut browser = Browser::start();
    let mut page = browser.open(&pages::site(), 1280, "light");
    let outcomes =
        page.value("[...document.querySelectorAll('tbody tr')].map(row => row.dataset.outcome)");
    let outcomes: Vec<String> = serde_json::from_value(outcomes).unwrap();
    let order = ["fail", "unknown", "warn", "pass", "skip"];
    let places = outcomes.iter().map(|it| order.iter().position(|known| known == it).unwrap());
    assert!(places.clone().is_sorted() && places.clone().min() == Some(0), "{outcomes:?}");
}

#[test]
fn two_hundred_devices_print_on_three_pages_at_most() {
    let mut browser = Browser::start();
    let mut page = browser.open(&pages::devices(), 1280, "light");
    let printed = page.call("Page.printToPDF", &json!({"paperWidth": 8.27, "paperHeight": 11.69}));
    let printed = printed["data"].as_str().unwrap();
    let decoded = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, printed);
    let pdf = decoded.unwrap();
    let sheets = pdf.windows(13).filter(|at| at.starts_with(b"/Type /Page\n")).count();
    assert!((1..=3).contains(&sheets), "{sheets}");
    if let Some(folder) = std::env::var_os("KEEP_PAGES") {
        std::fs::write(Path::new(&folder).join("devices.pdf"), pdf).unwrap();
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
        "poller.bbdo to central 10.0.0.3 5669/tcp: fails (rejected by 10.2.0.1 (ICMP 3/13, administratively prohibited)), at 10.2.0.1.",
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
    page.press_enter();
    assert_eq!(page.value(is_read), json!([]));
    // Each entry of the list on top leads to its drawer.
    page.value("document.querySelector('.actions a').focus()");
    page.press_enter();
    page.value("new Promise(done => setTimeout(done))");
    let drawers = page.value(is_read);
    assert!(drawers[0].as_str().unwrap().contains("preflight explain"), "{drawers}");
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
