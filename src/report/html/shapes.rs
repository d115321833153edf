//! The shapes of a map: boxes, lines, badges and short texts, in SVG.
//!
//! An outcome is told by colour, by the pattern of the line, and by the shape and the
//! symbol of the badge on it.

use super::markup::{Attribute, Markup};
use crate::run::outcome::Outcome;
use crate::text::symbol;

/// Circle, diamond, square, dashed circle: a shape an outcome, and its symbol in it.
pub(crate) fn badge(svg: &mut Markup, outcome: Outcome, x: i32, y: i32) {
    let shape = match outcome {
        Outcome::Pass | Outcome::Unknown | Outcome::Skip => {
            format!("M{} {y}a8 8 0 1 0 16 0a8 8 0 1 0 -16 0z", x - 8)
        }
        Outcome::Warn => format!("M{} {y}l10 -10l10 10l-10 10z", x - 10),
        Outcome::Fail => format!("M{} {}h16v16h-16z", x - 8, y - 8),
    };
    svg.empty("path", &[("class", "badge"), ("d", &shape)]);
    let (x, y) = (x.to_string(), (y + 4).to_string());
    svg.leaf("text", &[("class", "symbol"), ("x", &x), ("y", &y)], symbol(outcome));
}

/// An entry of the legend: a small drawing and its meaning.
pub(crate) fn sample(class: &str, words: &str, list: &mut Markup, draw: impl FnOnce(&mut Markup)) {
    list.element("li", &[], |item| {
        let attributes = [("class", class), ("viewBox", "0 0 64 22"), ("aria-hidden", "true")];
        item.element("svg", &attributes, draw).text(" ").text(words);
    });
}

/// A level line.
pub(crate) fn stroke(svg: &mut Markup, class: &str, from: i32, to: i32, y: i32) {
    svg.empty("path", &[("class", class), ("d", &format!("M{from} {y}H{to}"))]);
}

/// A box with round corners, by its upper left corner and its size.
pub(crate) fn rectangle(
    svg: &mut Markup,
    class: &str,
    (x, y): (i32, i32),
    (width, height): (i32, i32),
) {
    let [x, y, width, height] = [x, y, width, height].map(|number| number.to_string());
    let attributes: [Attribute<'_>; 6] = [
        ("class", class),
        ("x", &x),
        ("y", &y),
        ("width", &width),
        ("height", &height),
        ("rx", "3"),
    ];
    svg.empty("rect", &attributes);
}

/// A text of at most `most` characters; the whole of it is in the table.
pub(crate) fn text(svg: &mut Markup, class: &str, (x, y): (i32, i32), words: &str, most: usize) {
    if words.is_empty() {
        return;
    }
    let cut = match words.char_indices().nth(most) {
        Some(_) => format!("{}…", words.chars().take(most - 1).collect::<String>()),
        None => words.to_owned(),
    };
    svg.leaf("text", &[("class", class), ("x", &x.to_string()), ("y", &y.to_string())], &cut);
}
