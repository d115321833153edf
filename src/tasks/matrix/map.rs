//! The map of the platform: machines as boxes, and between each two an arrow that bundles their
//! flows, with the device that stops them on it.
//!
//! The machine that most others speak with stands at the left, the others beside it, and what each
//! asks besides at the right: so no two arrows cross.

use super::{Cell, Matrix, MatrixMachine};
use crate::catalogue::party_kind;
use crate::report::groups::in_order;
use crate::report::html::markup::Markup;
use crate::report::html::shapes::{badge, rectangle, sample, stroke, text};
use crate::run::outcome::Outcome;
use crate::text::first_of;

/// Appends the map, its legend, and what is not on it; without an arrow, nothing.
pub(super) fn map(matrix: &Matrix, to: &mut Markup) {
    let map = PlatformMap::of(matrix);
    if map.groups.iter().all(|group| group.arrows().next().is_none()) {
        return;
    }
    to.element("section", &[("aria-labelledby", "map")], |section| {
        section.leaf("h2", &[("id", "map")], "Map of the platform");
        section.element("div", &[("class", "map")], |figure| {
            wide(&map, figure);
            narrow(&map, figure);
        });
        legend(&map, section);
        if map.left_out > 0 {
            let note = format!("{} more machines are in the matrix only.", map.left_out);
            section.leaf("p", &[("class", "note")], &note);
        }
    });
}

/// What is drawn.
struct PlatformMap<'a> {
    /// The machine that the others stand beside.
    hub: Option<&'a MatrixMachine>,
    /// One for each other machine, then that of the hub itself.
    groups: Vec<MachineGroup<'a>>,
    /// Machines there was no room for.
    left_out: usize,
}

/// A machine and its arrows.
struct MachineGroup<'a> {
    machine: &'a MatrixMachine,
    /// From the hub to it.
    reached: Option<FlowBundle<'a>>,
    /// From it to the hub.
    reaches: Option<FlowBundle<'a>>,
    /// To other machines, and to servers and devices.
    beyond: Vec<FlowBundle<'a>>,
}

/// All flows from one machine to one other, or to its servers of one kind.
struct FlowBundle<'a> {
    from: &'a str,
    /// The name of the box it goes to.
    to: String,
    /// What stands below that name.
    kind: String,
    worst: Outcome,
    /// How many flows end so, of how many.
    counted: (usize, usize),
    services: Vec<&'a str>,
    /// Where they are stopped: "at 10.9.0.1".
    places: Vec<&'a str>,
    is_on_the_way: bool,
    is_blocked: bool,
}

impl<'a> PlatformMap<'a> {
    fn of(matrix: &'a Matrix) -> Self {
        let hub = hub(matrix);
        let is_hub = |machine: &MatrixMachine| hub.is_some_and(|hub| hub.name == machine.name);
        let mut others: Vec<&MatrixMachine> =
            matrix.machines.iter().filter(|machine| !is_hub(machine)).collect();
        let left_out = others.len().saturating_sub(MACHINES);
        if left_out > 0 {
            others.sort_by_key(|machine| std::cmp::Reverse(gravity(matrix, machine)));
            others.truncate(MACHINES);
        }
        let mut groups: Vec<MachineGroup<'a>> =
            others.iter().map(|machine| MachineGroup::of(matrix, machine, hub)).collect();
        if let Some(hub) = hub {
            let drawn = |name: &str| others.iter().any(|machine| machine.name == name);
            let mut own = MachineGroup::of(matrix, hub, None);
            own.beyond.retain(|bundle| !drawn(&bundle.to));
            groups.push(own);
        }
        Self { hub, groups, left_out }
    }

    fn bundles(&self) -> impl Iterator<Item = &FlowBundle<'a>> {
        self.groups.iter().flat_map(MachineGroup::arrows)
    }

    fn is_hub(&self, group: &MachineGroup<'_>) -> bool {
        self.hub.is_some_and(|hub| hub.name == group.machine.name)
    }

    /// The same in words, one sentence an arrow.
    fn description(&self) -> String {
        let said = self.bundles().map(|bundle| {
            let services = bundle.services();
            format!("{} to {}, {services}: {}. ", bundle.from, bundle.to, bundle.status())
        });
        said.collect::<String>() + "The matrix says the same, and more."
    }
}

/// The machine with the most others that it speaks with, if there is any.
fn hub(matrix: &Matrix) -> Option<&MatrixMachine> {
    let is_between = |cell: &&Cell| cell.machine && cell.from != cell.to;
    let partners = |machine: &MatrixMachine| {
        let between = matrix.cells.iter().filter(is_between);
        let of = between.filter_map(|cell| match machine.name.as_str() {
            name if name == cell.from => Some(cell.to.as_str()),
            name if name == cell.to => Some(cell.from.as_str()),
            _ => None,
        });
        in_order(of, |name| name).len()
    };
    let with = matrix.machines.iter().map(|machine| (partners(machine), machine));
    let is_central = |machine: &MatrixMachine| machine.roles.iter().any(|role| role == "central");
    let most = with.max_by_key(|(partners, machine)| (*partners, is_central(machine)))?;
    (most.0 > 0).then_some(most.1)
}

fn gravity(matrix: &Matrix, machine: &MatrixMachine) -> u8 {
    let own = |cell: &&Cell| cell.from == machine.name || cell.machine && cell.to == machine.name;
    matrix.cells.iter().filter(own).map(|cell| cell.worst.gravity()).max().unwrap_or(0)
}

impl<'a> MachineGroup<'a> {
    fn of(matrix: &'a Matrix, machine: &'a MatrixMachine, hub: Option<&MatrixMachine>) -> Self {
        let hub = hub.map_or("", |hub| hub.name.as_str());
        let between = |from: &str, to: &str| {
            let is = |cell: &&Cell| cell.machine && cell.from == from && cell.to == to;
            matrix.cells.iter().find(is).filter(|_| !hub.is_empty())
        };
        let own = matrix.cells.iter().filter(|cell| cell.from == machine.name);
        let (machines, servers): (Vec<&Cell>, Vec<&Cell>) = own.partition(|cell| cell.machine);
        let others = machines.into_iter().filter(|cell| cell.to != hub);
        let mut beyond: Vec<FlowBundle<'a>> = others.map(FlowBundle::of).collect();
        let kinds = in_order(servers, |cell| cell.kind.as_str());
        let (works, fails): (Vec<_>, Vec<_>) = kinds
            .into_iter()
            .map(|(_, cells)| cells)
            .partition(|cells| cells.iter().all(|cell| cell.worst == Outcome::Pass));
        beyond.extend(fails.iter().filter_map(|cells| FlowBundle::of_kind(cells)));
        beyond.extend(FlowBundle::of_all(&works.concat()));
        Self {
            machine,
            reached: between(hub, &machine.name).map(FlowBundle::of),
            reaches: between(&machine.name, hub).map(FlowBundle::of),
            beyond,
        }
    }

    fn arrows(&self) -> impl Iterator<Item = &FlowBundle<'a>> {
        self.reached.iter().chain(&self.reaches).chain(&self.beyond)
    }

    /// Those that begin at the machine.
    fn outbound(&self) -> impl Iterator<Item = &FlowBundle<'a>> {
        self.reaches.iter().chain(&self.beyond)
    }

    fn height(&self) -> i32 {
        let hubs = self.reached.iter().chain(&self.reaches).count();
        rows(hubs.max(self.beyond.len())).max(BOX)
    }
}

impl<'a> FlowBundle<'a> {
    fn of(cell: &'a Cell) -> Self {
        Self::bundled(&[cell], cell.to.clone(), title(&cell.kind).to_owned())
    }

    /// Of one kind; `cells` are not empty.
    fn of_kind(cells: &[&'a Cell]) -> Option<Self> {
        let first = cells.first()?;
        Some(match cells {
            [one] => Self::bundled(cells, one.to.clone(), title(&one.kind).to_owned()),
            several => {
                let name = format!("{} x {}", several.len(), title(&first.kind));
                let targets: Vec<&str> = several.iter().map(|cell| cell.to.as_str()).collect();
                Self::bundled(cells, name, first_of(&targets, 2))
            }
        })
    }

    /// All that works, in one arrow.
    fn of_all(cells: &[&'a Cell]) -> Option<Self> {
        let kinds = in_order(cells.iter().copied(), |cell| cell.kind.as_str());
        if let [(_, only)] = kinds.as_slice() {
            return Self::of_kind(only);
        }
        let titles: Vec<&str> = kinds.iter().map(|(kind, _)| title(kind)).collect();
        let name = format!("{} servers and devices", cells.len());
        (!cells.is_empty()).then(|| Self::bundled(cells, name, titles.join(", ")))
    }

    fn bundled(cells: &[&'a Cell], to: String, kind: String) -> Self {
        let outcomes = cells.iter().map(|cell| cell.worst);
        let worst = outcomes.max_by_key(|outcome| outcome.gravity()).unwrap_or(Outcome::Skip);
        let count = |cell: &&Cell| cell.counts.get(&worst).copied().unwrap_or_default();
        let mut services: Vec<(u8, &str)> = Vec::new();
        for (service, outcome) in cells.iter().flat_map(|cell| &cell.services) {
            if !services.iter().any(|(_, known)| known == service) {
                services.push((outcome.gravity(), service));
            }
        }
        // What is wrong is named before what works.
        services.sort_by_key(|(gravity, _)| std::cmp::Reverse(*gravity));
        let places = cells.iter().flat_map(|cell| &cell.places).map(String::as_str);
        Self {
            from: cells.first().map_or("", |cell| &cell.from),
            to,
            kind,
            worst,
            counted: (
                cells.iter().map(count).sum(),
                cells.iter().map(|cell| cell.flows.len()).sum(),
            ),
            services: services.into_iter().map(|(_, service)| service).collect(),
            places: in_order(places, |place| place).into_iter().map(|(it, _)| it).collect(),
            is_on_the_way: cells.iter().any(|cell| cell.is_on_the_way),
            is_blocked: cells.iter().any(|cell| cell.is_blocked),
        }
    }

    fn services(&self) -> String {
        let named = self.services.iter().filter(|service| !service.is_empty());
        first_of(&named.collect::<Vec<_>>(), 3)
    }

    /// "blocked at 10.61.1.1", "2 of 6 fail", "works".
    fn status(&self) -> String {
        let (count, all) = self.counted;
        let at = match self.places.as_slice() {
            [] => String::new(),
            [one] => format!(" {one}"),
            several => format!(" at {} places", several.len()),
        };
        let counted = |one: &str, many: &str| match (count, all) {
            (_, 1) => one.to_owned(),
            (1, all) => format!("1 of {all} {one}"),
            (count, all) => format!("{count} of {all} {many}"),
        };
        match self.worst {
            Outcome::Pass if all == 1 => "works".to_owned(),
            Outcome::Pass => format!("all {all} work"),
            Outcome::Warn => counted("works, with a warning", "work with a warning"),
            Outcome::Fail if self.is_blocked => counted("blocked", "blocked") + &at,
            Outcome::Fail => counted("fails", "fail") + &at,
            Outcome::Unknown => counted("cannot be told", "cannot be told") + &at,
            Outcome::Skip => "not asked".to_owned(),
        }
    }
}

/// What a kind of peer is called: `NTP server`.
fn title(kind: &str) -> &str {
    party_kind(kind).map_or(kind, |kind| kind.title)
}

/// So many rows, one below the other.
fn rows(many: usize) -> i32 {
    ROW * i32::try_from(many).unwrap_or(1)
}

fn wide(map: &PlatformMap<'_>, to: &mut Markup) {
    let height = map.groups.iter().map(|group| group.height() + GAP).sum::<i32>() - GAP + 8;
    let width = if map.hub.is_some() { WIDTH } else { WIDTH - MACHINE };
    figure("wide", (width, height), map, to, |svg| {
        let left = if map.hub.is_some() { 0 } else { -MACHINE };
        if let Some(hub) = map.hub {
            machine(hub, (left, 4), height - 8, svg);
        }
        let mut top = 4;
        for group in &map.groups {
            group_wide(map, group, (left, top), svg);
            top += group.height() + GAP;
        }
    });
}

fn group_wide(
    map: &PlatformMap<'_>,
    group: &MachineGroup<'_>,
    (left, top): (i32, i32),
    svg: &mut Markup,
) {
    let height = group.height();
    let first = |many: usize| top + (height - rows(many)) / 2 + LINE;
    let hub_lane = (left + HUB, left + MACHINE);
    let lane = if map.is_hub(group) {
        (hub_lane.0, left + PEERS)
    } else {
        machine(group.machine, (left + MACHINE, top), height, svg);
        (left + MACHINE + HUB, left + PEERS)
    };
    let to_hub = group.reached.iter().map(|bundle| (bundle, hub_lane));
    let from_hub = group.reaches.iter().map(|bundle| (bundle, (hub_lane.1, hub_lane.0)));
    let hubs: Vec<_> = to_hub.chain(from_hub).collect();
    let mut y = first(hubs.len());
    for (bundle, ends) in hubs {
        arrow(bundle, ends, y, svg);
        y += ROW;
    }
    let mut y = first(group.beyond.len());
    for bundle in &group.beyond {
        arrow(bundle, lane, y, svg);
        peer(bundle, (left + PEERS, y), left + WIDTH, svg);
        y += ROW;
    }
}

/// A page of a phone's width: each machine, and below it what it opens.
fn narrow(map: &PlatformMap<'_>, to: &mut Markup) {
    let order = || {
        let own = map.groups.iter().filter(|group| map.is_hub(group));
        own.chain(map.groups.iter().filter(|group| !map.is_hub(group)))
    };
    let reached = || map.groups.iter().filter_map(|group| group.reached.as_ref());
    let lines = |group: &MachineGroup<'_>| {
        let hubs = if map.is_hub(group) { reached().count() } else { 0 };
        group.outbound().count() + hubs
    };
    let height = order().map(|group| HEAD + rows(lines(group)) + GAP).sum::<i32>();
    figure("narrow", (NARROW, height), map, to, |svg| {
        let mut top = 0;
        for group in order() {
            named(group.machine, (1, top + 15), svg);
            rectangle(svg, "strip", (1, top + HEAD - 8), (13, rows(lines(group)).max(8)));
            let mut y = top + HEAD - 8 + LINE;
            let hubs = reached().filter(|_| map.is_hub(group));
            for bundle in hubs.chain(group.outbound()) {
                arrow(bundle, (14, NARROW_PEERS), y, svg);
                peer(bundle, (NARROW_PEERS, y), NARROW, svg);
                y += ROW;
            }
            top += HEAD + rows(lines(group)) + GAP;
        }
    });
}

fn figure(
    class: &'static str,
    (width, height): (i32, i32),
    map: &PlatformMap<'_>,
    to: &mut Markup,
    draw: impl FnOnce(&mut Markup),
) {
    let view = format!("0 0 {width} {height}");
    let (title, described) = (format!("{class}-title"), format!("{class}-desc"));
    let names = format!("{title} {described}");
    let attributes = [
        ("class", class),
        ("viewBox", view.as_str()),
        ("role", "img"),
        ("aria-labelledby", names.as_str()),
    ];
    to.element("svg", &attributes, |svg| {
        svg.leaf("title", &[("id", &title)], "The machines and what they reach");
        svg.leaf("desc", &[("id", &described)], &map.description());
        draw(svg);
    });
}

fn machine(machine: &MatrixMachine, (left, top): (i32, i32), height: i32, svg: &mut Markup) {
    rectangle(svg, "machine", (left + 1, top), (HUB - 2, height));
    let middle = top + height / 2;
    text(svg, "name", (left + 12, middle - 8), &machine.name, 17);
    text(svg, "kind", (left + 12, middle + 9), &machine.roles.join(", "), 18);
    let address = machine.addresses.first().map(ToString::to_string).unwrap_or_default();
    text(svg, "kind", (left + 12, middle + 25), &address, 18);
}

/// A machine's name and role in one line.
fn named(machine: &MatrixMachine, (left, y): (i32, i32), svg: &mut Markup) {
    text(svg, "name", (left, y), &format!("{}, {}", machine.name, machine.roles.join(", ")), 44);
}

/// The box that an arrow ends at.
fn peer(bundle: &FlowBundle<'_>, (left, y): (i32, i32), right: i32, svg: &mut Markup) {
    rectangle(svg, "peer", (left, y - LINE + 3), (right - left - 1, ROW - 6));
    let most = usize::try_from((right - left - 16) / LETTER).unwrap_or(8);
    text(svg, "name", (left + 10, y - 3), &bundle.to, most);
    text(svg, "kind", (left + 10, y + 13), &bundle.kind, most + 1);
}

/// Its services above the line, what came of them below it, and on it where it ends.
fn arrow(bundle: &FlowBundle<'_>, (from, to): (i32, i32), y: i32, svg: &mut Markup) {
    svg.element("g", &[("class", &bundle.worst.to_string())], |svg| {
        let is_through = !matches!(bundle.worst, Outcome::Fail | Outcome::Unknown);
        let inward = if to > from { 1 } else { -1 };
        let stop = match bundle.worst {
            Outcome::Fail | Outcome::Unknown if bundle.is_on_the_way => i32::midpoint(from, to),
            _ => to - 30 * inward,
        };
        let head = to - 9 * inward;
        stroke(svg, "line", from, if is_through { head } else { stop }, y);
        if !is_through {
            stroke(svg, "beyond", stop, head, y);
        }
        let shape = if is_through { "head" } else { "head open" };
        let tip = format!("M{to} {y}l{} -5v10z", -9 * inward);
        svg.empty("path", &[("class", shape), ("d", &tip)]);
        badge(svg, bundle.worst, stop, y);
        let left = from.min(to) + 12;
        let most = usize::try_from((from.max(to) - left - 8) / LETTER).unwrap_or(8);
        text(svg, "flow", (left, y - 11), &bundle.services(), most);
        text(svg, "status", (left, y + 20), &bundle.status(), most);
    });
}

/// One line of each kind that is drawn, and what it means.
fn legend(map: &PlatformMap<'_>, to: &mut Markup) {
    let all = [Outcome::Pass, Outcome::Warn, Outcome::Fail, Outcome::Unknown];
    to.element("ul", &[("class", "legend")], |list| {
        for outcome in all {
            if map.bundles().any(|bundle| bundle.worst == outcome) {
                let words = match outcome {
                    Outcome::Pass => "all of it works",
                    Outcome::Warn => "works, with a warning",
                    Outcome::Fail => "something of it fails",
                    Outcome::Unknown | Outcome::Skip => "something of it cannot be told",
                };
                sample(&outcome.to_string(), words, list, |svg| {
                    stroke(svg, "line", 0, 54, 11);
                    svg.empty("path", &[("class", "head"), ("d", "M63 11l-9 -5v10z")]);
                    badge(svg, outcome, 26, 11);
                });
            }
        }
    });
}

/// Machines on a map, besides the one at the left.
const MACHINES: usize = 12;

/// The whole width, in user units.
const WIDTH: i32 = 1072;
/// The width of a machine's box.
const HUB: i32 = 150;
/// Where the second column of machines begins.
const MACHINE: i32 = 400;
/// Where the boxes of servers and devices begin.
const PEERS: i32 = 836;
/// The width of the narrow map, and where its boxes begin.
const NARROW: i32 = 360;
const NARROW_PEERS: i32 = 206;
/// Above the rows of a machine on the narrow map: its name.
const HEAD: i32 = 34;
/// Height of a row, and where in it the line runs.
const ROW: i32 = 58;
const LINE: i32 = 28;
/// The least height of a machine's box: its name, role and address.
const BOX: i32 = 78;
/// Between two machines.
const GAP: i32 = 14;
/// The width of a letter of the map.
const LETTER: i32 = 8;
