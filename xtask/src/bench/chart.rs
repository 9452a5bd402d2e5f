//! Bars with whiskers, as SVG: on a light ground of its own, as wide as the page makes it.

use std::fmt::Write;

use super::number::rate;
use super::series::Series;

const WIDTH: f64 = 800.0;
const LABELS_WIDTH: f64 = 190.0;
/// Room for the figure after the longest bar.
const FIGURES_WIDTH: f64 = 110.0;
const HEAD_HEIGHT: f64 = 74.0;
const BAR_HEIGHT: f64 = 24.0;
const STEP: f64 = 38.0;

/// A bar.
#[derive(Debug, Clone)]
pub(super) struct Bar {
    pub(super) label: String,
    pub(super) rates: Series,
    /// Ours stands out.
    pub(super) is_ours: bool,
}

/// The bars from top to bottom: medians, and a line from the least to the most.
pub(super) fn svg(title: &str, subtitle: &str, bars: &[Bar]) -> String {
    let height = HEAD_HEIGHT + STEP * bars.len() as f64 + 10.0;
    let most = bars.iter().map(|bar| bar.rates.most()).fold(0.0, f64::max);
    let scale = (WIDTH - LABELS_WIDTH - FIGURES_WIDTH) / most.max(1.0);
    let (title, subtitle) = (escaped(title), escaped(subtitle));
    let mut text = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" font-family="sans-serif">
<title>{title}</title>
<rect width="{WIDTH}" height="{height}" rx="6" fill="#fbfaf7"/>
<text x="20" y="32" font-size="18" font-weight="bold" fill="#222">{title}</text>
<text x="20" y="54" font-size="13" fill="#555">{subtitle}</text>
"##
    );
    for (at, bar) in bars.iter().enumerate() {
        text.push_str(&drawn(bar, HEAD_HEIGHT + STEP * at as f64, scale));
    }
    text + "</svg>\n"
}

/// One bar, whose upper edge is at `top`.
fn drawn(bar: &Bar, top: f64, scale: f64) -> String {
    let right_of = |rate: f64| LABELS_WIDTH + rate * scale;
    let (median, least, most) = (bar.rates.median(), right_of(bar.rates.least()), right_of(bar.rates.most()));
    let (middle, baseline) = (top + BAR_HEIGHT / 2.0, top + BAR_HEIGHT / 2.0 + 5.0);
    let (fill, weight) = if bar.is_ours { ("#c2571a", "bold") } else { ("#8fa3b5", "normal") };
    let (width, label, figure) = (median * scale, escaped(&bar.label), rate(median));
    let (label_x, figure_x) = (LABELS_WIDTH - 10.0, most + 10.0);
    let mut text = String::new();
    writeln!(
        text,
        r##"<text x="{label_x}" y="{baseline}" font-size="14" font-weight="{weight}" text-anchor="end"
 fill="#222">{label}</text>
<rect x="{LABELS_WIDTH}" y="{top}" width="{width:.1}" height="{BAR_HEIGHT}" fill="{fill}"/>
<path d="M{least:.1} {middle}H{most:.1}M{least:.1} {}v8M{most:.1} {}v8" stroke="#222" stroke-width="1.5"/>
<text x="{figure_x:.1}" y="{baseline}" font-size="14" font-weight="{weight}" fill="#222">{figure}</text>"##,
        middle - 4.0,
        middle - 4.0
    )
    .expect("a text can be written to");
    text
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_medians_and_lines_go_from_the_least_to_the_most() {
        let bar = |label: &str, rates: &[f64], is_ours| Bar {
            label: label.to_owned(),
            rates: rates.iter().copied().collect(),
            is_ours,
        };
        let text = svg("A < B", "", &[bar("warren", &[50.0, 100.0, 80.0], true), bar("raw", &[40.0], false)]);
        assert!(text.contains("<title>A &lt; B</title>"));
        assert!(text.contains(r##"width="400.0" height="24" fill="#c2571a""##), "{text}");
        assert!(text.contains(r##"width="200.0" height="24" fill="#8fa3b5""##), "{text}");
        assert!(text.contains(r#"d="M440.0 86H690.0"#), "{text}");
        assert!(text.contains(">80/s</text>") && text.ends_with("</svg>\n"));
    }
}
