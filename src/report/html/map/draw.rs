//! Drawing the map: SVG, once for a wide page and once for a narrow one.
//!
//! An outcome is told by colour, by the pattern of the line, by the shape and the
//! symbol of the badge on it, and in words.
//!
//! Reference: [SVG 2, section 5.8](https://www.w3.org/TR/SVG2/struct.html#DescriptionAndTitleElements).

use super::{Arrow, Map, MapEnd, MapPeer};
use crate::report::Report;
use crate::report::html::drawer::cut;
use crate::report::html::markup::Markup;
use crate::report::html::shapes::{badge, rectangle, sample, stroke, text};
use crate::report::words::sources;
use crate::run::outcome::Outcome;
use crate::text::first_of;

/// Where things stand, in user units.
#[derive(Clone, Copy, Debug)]
struct Layout {
    class: &'static str,
    width: i32,
    /// This machine's box.
    machine: (i32, i32),
    /// Where the arrows run.
    lane: (i32, i32),
    /// Does the status stand below the line, for want of width?
    is_narrow: bool,
}

const WIDE: Layout =
    Layout { class: "wide", width: 920, machine: (0, 170), lane: (170, 660), is_narrow: false };
const NARROW: Layout =
    Layout { class: "narrow", width: 360, machine: (0, 14), lane: (14, 212), is_narrow: true };

/// Appends both drawings and the legend.
pub(super) fn draw(report: &Report, map: &Map<'_>, to: &mut Markup) {
    to.element("div", &[("class", "map")], |figure| {
        for layout in [WIDE, NARROW] {
            drawing(report, map, layout, figure);
        }
    });
    legend(map, to);
}

fn drawing(report: &Report, map: &Map<'_>, layout: Layout, to: &mut Markup) {
    let top = if layout.is_narrow { 44 } else { 4 };
    let height =
        top + map.peers.iter().map(|peer| layout.height(peer) + GAP).sum::<i32>() - GAP + 4;
    // The name, the role and three addresses of this machine have room beside a single arrow too.
    let height = if layout.is_narrow { height } else { height.max(MACHINE) };
    let view = format!("0 0 {} {height}", layout.width);
    let (title, described) = (format!("{}-title", layout.class), format!("{}-desc", layout.class));
    let names = format!("{title} {described}");
    let attributes = [
        ("class", layout.class),
        ("viewBox", view.as_str()),
        ("role", "img"),
        ("aria-labelledby", names.as_str()),
    ];
    to.element("svg", &attributes, |svg| {
        svg.leaf("title", &[("id", &title)], &format!("Flows of {}", machine_name(report)));
        svg.leaf("desc", &[("id", &described)], &description(map));
        machine(report, layout, top, height, svg);
        let mut y = top;
        for peer in &map.peers {
            node(peer, layout, y, svg);
            y += layout.height(peer) + GAP;
        }
    });
}

/// The same in words, one sentence an arrow.
fn description(map: &Map<'_>) -> String {
    let mut sentences = String::new();
    for peer in &map.peers {
        for arrow in &peer.arrows {
            let (to, party) = (if arrow.is_inbound { "from" } else { "to" }, peer.party.title());
            let (flow, name, status) = (arrow.flow, &peer.name, arrow.status());
            let at = arrow.device().map_or_else(String::new, |device| format!(", at {device}"));
            let reason = cut(arrow.reason(), 160);
            let why = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
            let sentence =
                format!("{flow} {to} {party} {name} {}: {status}{why}{at}. ", arrow.ports);
            sentences.push_str(&sentence);
        }
    }
    sentences.push_str("The table of flows says the same, and more.");
    sentences
}

fn machine_name(report: &Report) -> String {
    format!("{} {}", report.role, report.host.name)
}

fn machine(report: &Report, layout: Layout, top: i32, bottom: i32, svg: &mut Markup) {
    let (left, right) = layout.machine;
    let class = if layout.is_narrow { "strip" } else { "machine" };
    rectangle(svg, class, (left + 1, top), (right - left - 2, bottom - top - 4));
    if layout.is_narrow {
        text(svg, "name", (1, 16), &machine_name(report), 42);
        text(svg, "kind", (1, 34), &first_of(&sources(report), 3), 46);
        return;
    }
    let middle = i32::midpoint(top, bottom);
    text(svg, "name", (left + 14, middle - 12), &report.host.name, 17);
    text(svg, "kind", (left + 14, middle + 8), &format!("this {}", report.role), 19);
    for (index, source) in (0..3).zip(sources(report)) {
        text(svg, "kind", (left + 14, middle + 28 + 18 * index), &source.to_string(), 19);
    }
}

fn node(peer: &MapPeer<'_>, layout: Layout, top: i32, svg: &mut Markup) {
    let (left, height) = (layout.lane.1, layout.height(peer));
    rectangle(svg, "peer", (left, top), (layout.width - left - 1, height));
    let most = if layout.is_narrow { 17 } else { 30 };
    let middle = top + height / 2;
    let kind = if peer.name.is_empty() { "any" } else { peer.name.as_str() };
    text(svg, "name", (left + 12, middle - 4), kind, most);
    let many: usize = peer.arrows.iter().map(|arrow| arrow.steps.len()).max().unwrap_or_default();
    let party = match many {
        0 | 1 => peer.party.title().to_owned(),
        many => format!("{many} x {}", peer.party.title()),
    };
    text(svg, "kind", (left + 12, middle + 14), &party, most);
    let mut y = top + (height - peer.arrows.iter().map(|arrow| layout.row(arrow)).sum::<i32>()) / 2;
    for arrow in &peer.arrows {
        line(arrow, layout, y + ABOVE, svg);
        y += layout.row(arrow);
    }
}

impl Layout {
    fn height(self, peer: &MapPeer<'_>) -> i32 {
        peer.arrows.iter().map(|arrow| self.row(arrow)).sum::<i32>().max(50)
    }

    fn row(self, arrow: &Arrow<'_>) -> i32 {
        let is_reasoned = !self.is_narrow && !arrow.reason().is_empty();
        let labels =
            i32::from(self.is_narrow || is_reasoned) + i32::from(!label(arrow, self).is_empty());
        ABOVE + 18 + labels * 14
    }
}

/// One arrow: words above it, the line, its badge, and the hops.
fn line(arrow: &Arrow<'_>, layout: Layout, y: i32, svg: &mut Markup) {
    let outcome = arrow.outcome();
    let class = outcome.to_string();
    svg.element("g", &[("class", &class)], |svg| {
        words_of(arrow, layout, y, svg);
        let stop = stop(arrow, layout);
        let (from, to) = layout.ends(arrow);
        let is_through = arrow.end() == MapEnd::Nowhere;
        let head = if to > from { -9 } else { 9 };
        let line = if arrow.is_untested() { "line untested" } else { "line" };
        stroke(svg, line, from, if is_through { to + head } else { stop }, y);
        if !is_through {
            stroke(svg, "beyond", stop, to + head, y);
        }
        let shape = if is_through { "head" } else { "head open" };
        let tip = format!("M{to} {y}l{head} -5v10z");
        svg.empty("path", &[("class", shape), ("d", &tip)]);
        hops(arrow, layout, y, svg);
        badge(svg, outcome, stop, y);
    });
}

fn words_of(arrow: &Arrow<'_>, layout: Layout, y: i32, svg: &mut Markup) {
    let (left, right) = (layout.lane.0 + 8, layout.lane.1 - 10);
    let status = arrow.status();
    if layout.is_narrow {
        text(svg, "flow", (left, y - 12), &format!("{} {}", arrow.flow, arrow.ports), 24);
        text(svg, "status", (left, y + 22), &status, 24);
        text(svg, "kind", (left, y + 38), &label(arrow, layout), 26);
        return;
    }
    text(svg, "flow", (left, y - 12), &format!("{} {}", arrow.flow, arrow.ports), 32);
    text(svg, "status end", (right, y - 12), &status, 28);
    // Below the hops, where there are any.
    let below = if label(arrow, layout).is_empty() { y + 20 } else { y + 38 };
    text(svg, "kind", (left, below), arrow.reason(), 64);
    if let Some(gateway) = &arrow.worst.through_vpn {
        text(svg, "kind", (left, y + 22), &format!("through the VPN {gateway}"), 40);
    }
}

/// What stands below the line: the device, the gateway.
fn label(arrow: &Arrow<'_>, layout: Layout) -> String {
    let vpn = arrow.worst.through_vpn.as_ref();
    let vpn = vpn.map(|gateway| format!("through the VPN {gateway}"));
    let device = arrow.device().map(|device| format!("at {device}"));
    if layout.is_narrow {
        return device.or(vpn).unwrap_or_default();
    }
    let hop = arrow.hops().into_iter().flatten().next().map(|hop| hop.to_string());
    vpn.or(hop).unwrap_or_default()
}

/// A dot for each hop; its address below it, as long as there is room for all.
fn hops(arrow: &Arrow<'_>, layout: Layout, y: i32, svg: &mut Markup) {
    let hops = arrow.hops();
    let device = arrow.device();
    for (index, hop) in hops.iter().enumerate() {
        let x = layout.place(arrow, index, hops.len());
        let class = if hop.is_some() { "hop" } else { "hop silent" };
        svg.empty(
            "circle",
            &[("class", class), ("cx", &x.to_string()), ("cy", &y.to_string()), ("r", "3")],
        );
        let is_named = hops.len() <= 3 || *hop == device;
        if let Some(by) = hop.filter(|_| is_named && !layout.is_narrow) {
            text(svg, "kind middle", (x, y + 25), &by.to_string(), 16);
        }
    }
}

impl Layout {
    /// Source and target of an arrow, inside the boxes' borders.
    fn ends(self, arrow: &Arrow<'_>) -> (i32, i32) {
        let (left, right) = self.lane;
        if arrow.is_inbound { (right, left) } else { (left, right) }
    }

    /// The place of one of `many` hops.
    fn place(self, arrow: &Arrow<'_>, index: usize, many: usize) -> i32 {
        let (from, to) = self.ends(arrow);
        let of = |number: usize| i32::try_from(number).unwrap_or(1);
        from + (to - from) * of(index + 1) / of(many + 1)
    }
}

/// Where the badge stands: near the arrow's head, or where its way ends.
fn stop(arrow: &Arrow<'_>, layout: Layout) -> i32 {
    let (from, to) = layout.ends(arrow);
    let inward = if to > from { 1 } else { -1 };
    match arrow.end() {
        MapEnd::Nowhere | MapEnd::There => to - 30 * inward,
        MapEnd::Here => from + 20 * inward,
        MapEnd::Between => i32::midpoint(from, to),
        MapEnd::Hop(index) => layout.place(arrow, index, arrow.hops().len()),
    }
}

/// One line of each kind that is drawn, and what it means.
fn legend(map: &Map<'_>, to: &mut Markup) {
    let arrows = || map.peers.iter().flat_map(|peer| &peer.arrows);
    let all = [Outcome::Pass, Outcome::Warn, Outcome::Fail, Outcome::Unknown, Outcome::Skip];
    to.element("ul", &[("class", "legend")], |list| {
        for outcome in all {
            if arrows().any(|arrow| arrow.outcome() == outcome) {
                let words = match outcome {
                    Outcome::Unknown => "unknown: cannot be told from here".to_owned(),
                    _ => outcome.to_string(),
                };
                sample(&outcome.to_string(), &words, list, |svg| {
                    stroke(svg, "line", 0, 54, 11);
                    svg.empty("path", &[("class", "head"), ("d", "M63 11l-9 -5v10z")]);
                    badge(svg, outcome, 26, 11);
                });
            }
        }
        if arrows().any(|arrow| arrow.is_untested() || arrow.end() != MapEnd::Nowhere) {
            let words = "this part of the way was not reached, or not tested";
            sample("untested", words, list, |svg| {
                stroke(svg, "beyond", 0, 63, 11);
            });
        }
    });
}

/// The least height of the machine's box.
const MACHINE: i32 = 124;
/// Above a line: its words.
const ABOVE: i32 = 30;
/// Between two peers.
const GAP: i32 = 10;
