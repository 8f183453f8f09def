//! Drawings: inline SVG without scripts or styles of its own, each with a text for who cannot see
//! it. The reference is a filled area, the window a line: colour is never the only difference.

use std::fmt::Write;

use maud::{Markup, html};

use super::shape::{Column, Shape, real};
use super::text;
use crate::expose::view::Start;
use crate::time::Timestamp;

/// Columns of a small histogram, and of a large one.
pub(super) const SMALL: usize = 24;
pub(super) const LARGE: usize = 40;

/// Points of a history that are marked one by one; more are a line only.
const DOTS_MAX: usize = 60;

/// A small histogram: the shape alone.
pub(super) fn small(shape: &Shape, name: &str) -> Markup {
    let columns = all(shape);
    let (width, height) = (160.0, 36.0);
    let scale = (height - 2.0) / shape.most().max(1e-9);
    let step = width / real(columns.len().max(1) as u64);
    let place = |(at, share): (usize, f64)| (step * real(at as u64), height - share * scale);
    html! {
        svg.mini role="img" aria-label=(spoken(shape, name)) viewBox="0 0 160 36"
            preserveAspectRatio="none" {
            @if shape.compared {
                @let then = columns.iter().map(|column| column.then);
                path.then d=(area(then, &place, (step, height))) {}
            }
            path.now d=(steps(columns.iter().map(|column| column.now), &place, step)) {}
        }
    }
}

/// All columns from left to right, the outer ones where they hold something.
fn all(shape: &Shape) -> Vec<&Column> {
    let some = |column: &Column| column.then + column.now > 0.0;
    let (below, above) = match &shape.outside {
        Some((below, above)) => (Some(below), Some(above)),
        None => (None, None),
    };
    let below = below.filter(|column| some(column));
    let above = above.filter(|column| some(column));
    below
        .into_iter()
        .chain(&shape.columns)
        .chain(above)
        .collect()
}

/// What a histogram shows, in words.
fn spoken(shape: &Shape, name: &str) -> String {
    let columns = all(shape);
    let moved = columns
        .iter()
        .max_by(|a, b| (a.now - a.then).abs().total_cmp(&(b.now - b.then).abs()));
    match moved {
        Some(column) if shape.compared => format!(
            "{name}: the largest change is {}, from {} in the reference to {} now",
            column.label,
            text::percent(column.then),
            text::percent(column.now)
        ),
        _ => format!("{name}: there is no reference to compare with"),
    }
}

/// A filled path under steps.
fn area(
    shares: impl Iterator<Item = f64>,
    place: &impl Fn((usize, f64)) -> (f64, f64),
    (step, bottom): (f64, f64),
) -> String {
    let (left, _) = place((0, 0.0));
    let mut path = format!("M{left:.1} {bottom:.1}");
    for at in shares.enumerate() {
        let (x, y) = place(at);
        let _a_text_takes_all = write!(path, "V{y:.1}H{:.1}", x + step);
    }
    let _a_text_takes_all = write!(path, "V{bottom:.1}H{left:.1}Z");
    path
}

/// The upper edge of steps.
fn steps(
    shares: impl Iterator<Item = f64>,
    place: &impl Fn((usize, f64)) -> (f64, f64),
    step: f64,
) -> String {
    let mut path = String::new();
    for at in shares.enumerate() {
        let (x, y) = place(at);
        let word = if path.is_empty() {
            format!("M{x:.1} {y:.1}")
        } else {
            format!("V{y:.1}")
        };
        let _a_text_takes_all = write!(path, "{word}H{:.1}", x + step);
    }
    path
}

/// The histogram of a series: columns over an axis, or bars beside names.
pub(super) fn large(shape: &Shape, name: &str) -> Markup {
    match shape.span {
        Some(span) => over_axis(shape, span, name),
        None => beside_names(shape, name),
    }
}

/// Room around the drawing: left, right, top, bottom.
const MARGIN: (f64, f64, f64, f64) = (56.0, 14.0, 10.0, 34.0);

fn over_axis(shape: &Shape, (lo, hi): (f64, f64), name: &str) -> Markup {
    let (width, height) = (560.0, 250.0);
    let (left, right, top, bottom) = MARGIN;
    let floor = height - bottom;
    let most = ceiling(shape.most());
    let scale = (floor - top) / most;
    // the outer columns stand apart, as wide as two of the others
    let columns = real(shape.columns.len() as u64);
    let step = (width - left - right) / (columns + 6.0);
    let begin = left + 3.0 * step;
    let end = begin + columns * step;
    let place = |(at, share): (usize, f64)| (begin + step * real(at as u64), floor - share * scale);
    let outer = |(x, share): (f64, f64)| (x, floor - share * scale);
    let axis = |value: f64| begin + (value - lo) / (hi - lo) * (end - begin);
    html! {
        svg.chart.big role="img" aria-label=(spoken(shape, name)) viewBox="0 0 560 250" {
            @for part in 0..=4u32 {
                @let share = most * f64::from(part) / 4.0;
                @let y = floor - share * scale;
                line.grid x1=(left) x2=(width - right) y1=(tenths(y)) y2=(tenths(y)) {}
                text.tick.end x=(left - 6.0) y=(tenths(y + 4.0)) { (text::percent(share)) }
            }
            @if shape.compared {
                @let then = shape.columns.iter().map(|one| one.then);
                path.then d=(area(then, &place, (step, floor))) {}
            }
            path.now d=(steps(shape.columns.iter().map(|one| one.now), &place, step)) {}
            @if let Some((below, above)) = &shape.outside {
                @for (column, x) in [(below, left + 0.5 * step), (above, end + 0.5 * step)] {
                    @let edge = |at: (usize, f64)| outer((x, at.1));
                    path.then d=(area([column.then].into_iter(), &edge, (2.0 * step, floor))) {}
                    path.now d=(steps([column.now].into_iter(), &edge, 2.0 * step)) {}
                }
                text.tick.middle x=(tenths(left + 1.5 * step)) y=(floor + 16.0) { "below" }
                text.tick.middle x=(tenths(end + 1.5 * step)) y=(floor + 16.0) { "above" }
            }
            @for value in ticks(lo, hi) {
                @let x = tenths(axis(value));
                line.grid x1=(x) x2=(x) y1=(floor) y2=(floor + 4.0) {}
                text.tick.middle x=(x) y=(floor + 16.0) { (text::value(value)) }
            }
            line.axis x1=(left) x2=(width - right) y1=(floor) y2=(floor) {}
            @for (at, column) in shape.columns.iter().enumerate() {
                rect.hit x=(tenths(place((at, 0.0)).0)) y=(top) width=(tenths(step))
                    height=(floor - top) { title { (told(column)) } }
            }
        }
    }
}

fn told(column: &Column) -> String {
    let (then, now) = (text::percent(column.then), text::percent(column.now));
    format!("{}: reference {then}, window {now}", column.label)
}

fn beside_names(shape: &Shape, name: &str) -> Markup {
    let (row, width, names) = (28.0, 560.0, 150.0);
    let most = ceiling(shape.most());
    let scale = (width - names - 125.0) / most;
    let height = row * real(shape.columns.len() as u64) + 4.0;
    html! {
        svg.chart.big role="img" aria-label=(spoken(shape, name))
            viewBox=(format!("0 0 {width} {height}")) {
            @for (at, column) in shape.columns.iter().enumerate() {
                @let y = row * real(at as u64) + 2.0;
                g {
                    title { (told(column)) }
                    text.name.end x=(names - 10.0) y=(y + 16.0) {
                        (text::shortened(&column.label, 17))
                    }
                    @if shape.compared {
                        rect.then x=(names) y=(y + 2.0) height="9"
                            width=(tenths(column.then * scale)) {}
                    }
                    rect.now.bar x=(names) y=(y + 12.0) height="9"
                        width=(tenths(column.now * scale)) {}
                    @let longest = column.then.max(column.now) * scale;
                    text.tick x=(tenths(names + longest + 8.0)) y=(y + 16.0) {
                        @if shape.compared { (text::percent(column.then)) " \u{2192} " }
                        (text::percent(column.now))
                    }
                }
            }
            line.axis x1=(names) x2=(names) y1="0" y2=(height) {}
        }
    }
}

/// A point of a history.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dot {
    pub(super) at: Timestamp,
    pub(super) value: Option<f64>,
    /// Whether its window holds everything.
    pub(super) complete: bool,
}

/// What is marked on the axis of time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Marks<'a> {
    /// Versions of the model that began.
    pub(super) starts: &'a [Start<'a>],
    /// Alerts that began to fire.
    pub(super) fired: &'a [Timestamp],
    /// The window that is shown.
    pub(super) shown: Timestamp,
}

/// A score over time, with the line at which it fires where it has one.
pub(super) fn history(
    dots: &[Dot],
    line: Option<f64>,
    marks: &Marks<'_>,
    (label, write): (&str, fn(f64) -> String),
) -> Markup {
    let (width, height, left, right, top, bottom) = (360.0, 132.0, 46.0, 10.0, 14.0, 22.0);
    let (Some(first), Some(last)) = (dots.first(), dots.last()) else {
        return html! {};
    };
    let floor = height - bottom;
    let values = dots.iter().filter_map(|dot| dot.value);
    let most = ceiling(values.chain(line).fold(0.0, f64::max));
    let span = seconds(last.at, first.at).max(1.0);
    let x = |at: Timestamp| left + (width - left - right) * seconds(at, first.at) / span;
    let y = |value: f64| floor - (floor - top) * value / most;
    let within = |at: Timestamp| at >= first.at && at <= last.at;
    let began = marks.starts.iter().filter(|start| within(start.at));
    let fired = marks.fired.iter().filter(|at| within(**at));
    html! {
        svg.chart role="img" viewBox="0 0 360 132" aria-label=(said(dots, line, label, write)) {
            @for part in 0..=2u32 {
                @let value = most * f64::from(part) / 2.0;
                @let height = tenths(y(value));
                line.grid x1=(left) x2=(width - right) y1=(height) y2=(height) {}
                text.tick.end x=(left - 6.0) y=(tenths(y(value) + 4.0)) { (write(value)) }
            }
            @let shown = tenths(x(marks.shown));
            line.shown x1=(shown) x2=(shown) y1=(top) y2=(floor) {}
            @for start in began {
                line.start x1=(tenths(x(start.at))) x2=(tenths(x(start.at))) y1=(top) y2=(floor) {}
                text.mark x=(tenths(x(start.at) + 3.0)) y=(top + 2.0) {
                    (text::shortened(start.version, 10)) " starts"
                }
            }
            @for at in fired {
                path.fired d=(format!("M{:.1} {:.1}l5 -9h-10Z", x(*at), floor)) {
                    title { "an alert fired " (text::time(*at)) }
                }
            }
            @if let Some(line) = line {
                line.line x1=(left) x2=(width - right) y1=(tenths(y(line))) y2=(tenths(y(line))) {}
            }
            path.now d=(joined(dots, &x, &y)) {}
            @if dots.len() <= DOTS_MAX {
                @for dot in dots {
                    @if let Some(value) = dot.value {
                        circle.dot.open[!dot.complete] r="2.5" cx=(tenths(x(dot.at)))
                            cy=(tenths(y(value))) {
                            title { (text::time(dot.at)) ": " (write(value)) }
                        }
                    }
                }
            }
            line.axis x1=(left) x2=(width - right) y1=(floor) y2=(floor) {}
            text.tick x=(left) y=(height - 6.0) { (axis_time(first.at, span)) }
            @if span > 1.0 {
                text.tick.end x=(width - right) y=(height - 6.0) { (axis_time(last.at, span)) }
            }
        }
    }
}

fn said(dots: &[Dot], line: Option<f64>, label: &str, write: fn(f64) -> String) -> String {
    let mut values = dots.iter().filter_map(|dot| Some((dot.at, dot.value?)));
    let Some((from, first)) = values.next() else {
        return format!("{label}: no values");
    };
    let (to, last) = values.next_back().unwrap_or((from, first));
    let mut text = format!(
        "{label}: {} at {}, {} at {}",
        write(first),
        text::time(from),
        write(last),
        text::time(to)
    );
    if let Some(line) = line {
        let _a_text_takes_all = write!(text, "; it fires at {}", write(line));
    }
    text
}

/// A line through the values; where one is missing it is broken.
fn joined(dots: &[Dot], x: &impl Fn(Timestamp) -> f64, y: &impl Fn(f64) -> f64) -> String {
    let mut path = String::new();
    let mut word = 'M';
    for dot in dots {
        let Some(value) = dot.value else {
            word = 'M';
            continue;
        };
        let _a_text_takes_all = write!(path, "{word}{:.1} {:.1}", x(dot.at), y(value));
        word = 'L';
    }
    path
}

fn axis_time(at: Timestamp, span_s: f64) -> String {
    if span_s > 36.0 * 3600.0 {
        format!("{} {}", text::day(at), text::clock(at))
    } else {
        text::clock(at)
    }
}

/// A bar of a table cell: how much of `most` a value is.
pub(super) fn bar(value: f64, most: f64) -> Markup {
    let width = if most > 0.0 {
        (value / most).clamp(0.0, 1.0) * 100.0
    } else {
        0.0
    };
    html! {
        svg.bar viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" {
            rect.rail x="0" y="0" width="100" height="10" {}
            rect.fill x="0" y="0" height="10" width=(tenths(width)) {}
        }
    }
}

fn seconds(at: Timestamp, from: Timestamp) -> f64 {
    at.as_seconds() - from.as_seconds()
}

fn tenths(value: f64) -> String {
    format!("{value:.1}")
}

/// A round number that is not below `most`, so that a fourth of it is a short number too.
fn ceiling(most: f64) -> f64 {
    if most <= 0.0 || !most.is_finite() {
        return 1.0;
    }
    let power = 10f64.powf(most.log10().floor());
    let steps = [1.0, 1.2, 1.6, 2.0, 2.4, 3.2, 4.0, 6.0, 8.0, 10.0];
    let fit = steps.into_iter().find(|step| step * power >= most * 1.02);
    fit.unwrap_or(12.0) * power
}

/// Round numbers between two bounds, at most seven.
fn ticks(lo: f64, hi: f64) -> Vec<f64> {
    let rough = (hi - lo) / 6.0;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .map(|step| step * power)
        .find(|step| *step >= rough)
        .unwrap_or(rough);
    let first = (lo / step).ceil();
    let places = (0..8u32).map(|place| (first + f64::from(place)) * step);
    // what is zero but for rounding is zero
    let clean = |value: f64| {
        if value.abs() < step * 1e-9 {
            0.0
        } else {
            value
        }
    };
    places.map(clean).take_while(|value| *value <= hi).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_few_round_numbers_within_their_bounds() {
        assert_eq!(ticks(0.0, 12.0), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0]);
        for (lo, hi) in [(-3.2, 4.1), (1e-5, 9e-5), (1e9, 1.1e9), (99.0, 99.5)] {
            let ticks = ticks(lo, hi);
            assert!((3..=8).contains(&ticks.len()), "{ticks:?}");
            assert!(
                ticks.iter().all(|tick| (lo..=hi).contains(tick)),
                "{ticks:?}"
            );
        }
        for most in [0.1, 0.33, 0.0007, 5.0, 0.97] {
            assert!(
                ceiling(most) > most && ceiling(most) <= most * 2.1,
                "{most}"
            );
        }
        assert!((ceiling(0.0) - 1.0).abs() < 1e-9);
    }
}
