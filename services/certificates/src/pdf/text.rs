//! Text of any script, shaped, broken into lines and sized to fit a box.
//!
//! Bidi, fallback between fonts and shaping are parley's. This module sees to it that every glyph exists: PDF/A
//! forbids `.notdef`, so a character that no font can draw where it stands is shown as U+FFFD, and logged.

use std::ops::Range;

use parley::{
    Alignment, AlignmentOptions, FontFeatures, Layout, LayoutContext, Line, LineHeight, OverflowWrap, StyleProperty,
};

use super::fonts::{Face, Fonts};

/// The size that text is shaped at, in points; lines are then broken and drawn at any other by scaling.
const SHAPED_SIZE: f32 = 100.0;

/// A text is kept on one line if that costs no more of its size than this.
const SINGLE_LINE_SCALE_MIN: f32 = 0.62;

/// What each try at a smaller size keeps of the last.
const SHRINK: f32 = 0.95;

/// Added to a width that must hold a line of that width, against rounding. In points at [`SHAPED_SIZE`].
const TOLERANCE: f32 = 0.5;

const REPLACEMENT: char = '\u{FFFD}';

/// A text that is set the same from end to end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) face: Face,
    /// Largest size, in points. A text that does not fit is made smaller.
    pub(super) size: f32,
    /// Added between letters, in thousandths of the size.
    pub(super) tracking: f32,
}

/// A text laid out in the middle of a box.
pub(super) struct Fitted {
    layout: Layout<()>,
    original: String,
    shown: String,
    /// Points for a unit of `layout`.
    scale: f32,
}

impl Fitted {
    /// Sets the text as large as the style allows and the box has room for: on one line if that shrinks it little,
    /// else on several, of about the same length.
    pub(super) fn new(text: &str, style: Style, width: f32, height: f32) -> Self {
        let (mut layout, shown) = shape(text, style);
        let size = fit(&mut layout, style.size, width, height);
        layout.align(Alignment::Center, AlignmentOptions { align_when_overflowing: true, last_line_alignment: None });
        Self { layout, original: text.chars().map(told).collect(), shown, scale: size / SHAPED_SIZE }
    }

    /// Points for a unit of the lines' coordinates.
    pub(super) fn scale(&self) -> f32 {
        self.scale
    }

    /// Width of the box that the lines are centred in, in points.
    pub(super) fn width(&self) -> f32 {
        self.layout.layout_max_advance() * self.scale
    }

    /// Height of all lines, in points.
    pub(super) fn height(&self) -> f32 {
        self.layout.height() * self.scale
    }

    /// The lines from top to bottom.
    pub(super) fn lines(&self) -> impl Iterator<Item = Line<'_, ()>> {
        self.layout.lines()
    }

    /// What is shown, which text ranges of the lines refer to.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// What is told in place of this range of what is shown: character for character.
    pub(super) fn original(&self, shown: Range<usize>) -> String {
        let before = self.shown[..shown.start].chars().count();
        let length = self.shown[shown].chars().count();
        self.original.chars().skip(before).take(length).collect()
    }
}

/// Shapes the text, and what is shown of it: its characters, some of them replaced.
fn shape(text: &str, style: Style) -> (Layout<()>, String) {
    let mut shown: String = text.chars().map(drawable).collect();
    let mut replaced = differing(text, &shown);
    loop {
        let mut layout = lay_out(&shown, style);
        layout.break_all_lines(None);
        // Each round replaces at least one character that is not U+FFFD yet, which every round's fonts have.
        let missing = missing_characters(&layout, &shown);
        if missing.is_empty() {
            if !replaced.is_empty() {
                tracing::warn!(characters = %replaced.join(" "), "no embedded font can draw these: shown as U+FFFD");
            }
            return (layout, shown);
        }
        replaced.extend(missing.iter().map(|&(_, character)| code_point(character)));
        shown = shown
            .char_indices()
            .map(|(index, c)| if missing.contains(&(index, c)) { REPLACEMENT } else { c })
            .collect();
    }
}

fn differing(text: &str, shown: &str) -> Vec<String> {
    let pairs = text.chars().zip(shown.chars());
    pairs.filter(|&(_, shown)| shown == REPLACEMENT).map(|(asked, _)| code_point(asked)).collect()
}

fn code_point(character: char) -> String {
    format!("U+{:04X}", u32::from(character))
}

/// The character itself, or what stands for one that PDF/A forbids, or that would break the line.
fn drawable(character: char) -> char {
    match character {
        '\t' | '\n' | '\u{B}' | '\u{C}' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => ' ',
        // A byte order mark inside a text is an old way to write a word joiner.
        '\u{FEFF}' => '\u{2060}',
        '\u{E000}'..='\u{F8FF}' | '\u{F0000}'..='\u{10FFFF}' => REPLACEMENT,
        c if c.is_control() || u32::from(c) & 0xFFFE == 0xFFFE || matches!(c, '\u{FDD0}'..='\u{FDEF}') => REPLACEMENT,
        c => c,
    }
}

/// What a reader of the file's text is told of the character: itself, unless what stands for it says as much. A line
/// whose text differs from its glyphs is told as a whole, beside them, which some readers get wrong.
fn told(character: char) -> char {
    match drawable(character) {
        REPLACEMENT => character,
        shown => shown,
    }
}

fn lay_out(text: &str, style: Style) -> Layout<()> {
    let mut fonts = Fonts::get().context();
    let mut context = LayoutContext::new();
    let mut builder = context.ranged_builder(&mut fonts, text, 1.0, false);
    builder.push_default(StyleProperty::FontFamily(style.face.families()));
    builder.push_default(StyleProperty::FontSize(SHAPED_SIZE));
    builder.push_default(StyleProperty::LetterSpacing(style.tracking / 1000.0 * SHAPED_SIZE));
    builder.push_default(StyleProperty::LineHeight(LineHeight::MetricsRelative(1.0)));
    builder.push_default(StyleProperty::OverflowWrap(OverflowWrap::Anywhere));
    if text.chars().any(is_right_to_left) {
        // poppler reads the letters of a ligature from left to right in every script. Those that a script requires
        // (lam-alef) are two glyphs in these fonts; the others, such as that of the Arabic word for God, are done
        // without.
        builder.push_default(StyleProperty::FontFeatures(FontFeatures::from("\"liga\" off")));
    }
    builder.build(text)
}

/// Whether the character is in one of Unicode's blocks for scripts from right to left.
fn is_right_to_left(character: char) -> bool {
    matches!(character, '\u{590}'..='\u{8FF}' | '\u{FB1D}'..='\u{FDFF}' | '\u{FE70}'..='\u{FEFF}'
        | '\u{10800}'..='\u{10FFF}' | '\u{1E800}'..='\u{1EFFF}')
}

/// Characters in clusters with a glyph that does not exist, and where they start: those of them that the cluster's
/// font lacks, or all but U+FFFD if it lacks none (a font that takes a letter and its mark but not both together).
fn missing_characters(layout: &Layout<()>, text: &str) -> Vec<(usize, char)> {
    let mut missing = Vec::new();
    for run in layout.lines().flat_map(|line| line.runs()) {
        for cluster in run.clusters().filter(|cluster| cluster.glyphs().any(|glyph| glyph.id == 0)) {
            let range = cluster.text_range();
            let characters = text[range.clone()].char_indices().map(|(at, c)| (range.start + at, c));
            let candidates: Vec<_> = characters.filter(|&(_, c)| c != REPLACEMENT).collect();
            let lacking = candidates.iter().copied().filter(|&(_, c)| !Fonts::get().has(run.font(), c));
            let before = missing.len();
            missing.extend(lacking);
            if missing.len() == before {
                missing.extend(candidates);
            }
        }
    }
    missing
}

/// Breaks the lines for the largest size that fits, and answers that size, in points.
fn fit(layout: &mut Layout<()>, size_max: f32, width: f32, height: f32) -> f32 {
    layout.break_all_lines(None);
    let widest = (layout.width() + TOLERANCE) / SHAPED_SIZE;
    let single = size_max.min(width / widest).min(height / layout.height() * SHAPED_SIZE);
    if single >= size_max * SINGLE_LINE_SCALE_MIN {
        layout.break_all_lines(Some(width / single * SHAPED_SIZE));
        return single;
    }
    let mut size = size_max * SINGLE_LINE_SCALE_MIN;
    loop {
        let room = width / size * SHAPED_SIZE;
        layout.break_all_lines(Some(room));
        if layout.width() <= room && layout.height() <= height / size * SHAPED_SIZE {
            balance(layout, room);
            return size;
        }
        size *= SHRINK;
    }
}

/// Narrows the lines as far as that makes no more of them, so that the last is not a lonely word.
fn balance(layout: &mut Layout<()>, room: f32) {
    const STEPS: u32 = 8;
    let lines = layout.len();
    let (mut too_narrow, mut enough) = (0.0, room);
    for _ in 0..STEPS {
        let middle = f32::midpoint(too_narrow, enough);
        layout.break_all_lines(Some(middle));
        if layout.len() == lines && layout.width() <= middle {
            enough = middle;
        } else {
            too_narrow = middle;
        }
    }
    layout.break_all_lines(Some(enough));
}
