//! Laid out text and QR codes, put on a krilla surface as tagged content.

use std::ops::Range;

use fast_qr::{ECL, QRBuilder};
use krilla::{
    color::rgb,
    geom::{Path, PathBuilder, Point, Rect},
    num::NormalizedF32,
    paint::{Fill, FillRule},
    surface::Surface,
    tagging::{ContentTag, Identifier, SpanTag},
    text::{GlyphId, KrillaGlyph},
};
use parley::{GlyphRun, Line, PositionedLayoutItem};

use super::{
    RenderError,
    fonts::Fonts,
    text::{Fitted, Style},
};

/// Modules of white that a QR code must have around it (ISO/IEC 18004).
const QUIET_ZONE: usize = 4;

/// A box on the page, in points; `left` and `top` are from the page's upper left corner.
#[derive(Clone, Copy, Debug)]
pub(super) struct Area {
    pub(super) left: f32,
    pub(super) top: f32,
    pub(super) width: f32,
    pub(super) height: f32,
}

impl Area {
    /// The box as krilla has it.
    pub(super) fn rect(self) -> Rect {
        Rect::from_xywh(self.left, self.top, self.width, self.height).expect("the design's boxes are not empty")
    }

    /// The box as an outline.
    pub(super) fn path(self) -> Path {
        let mut path = PathBuilder::new();
        path.push_rect(self.rect());
        path.finish().expect("the design's boxes are not empty")
    }
}

/// An even fill.
pub(super) fn solid(colour: rgb::Color) -> Fill {
    Fill { paint: colour.into(), opacity: NormalizedF32::ONE, rule: FillRule::NonZero }
}

/// Draws the text in the middle of the area, and answers what each line is called in the tag tree.
///
/// Nothing is drawn outside the area, however many marks are piled on a letter.
pub(super) fn text(
    surface: &mut Surface<'_>,
    text: &str,
    style: Style,
    colour: rgb::Color,
    area: Area,
) -> Vec<Identifier> {
    let fitted = Fitted::new(text, style, area.width, area.height);
    let left = area.left + (area.width - fitted.width()) / 2.0;
    let top = area.top + (area.height - fitted.height()) / 2.0;
    surface.set_fill(Some(solid(colour)));
    surface.push_clip_path(&area.path(), &FillRule::NonZero);
    let lines = fitted.lines().map(|line| draw_line(surface, &fitted, &line, Point::from_xy(left, top))).collect();
    surface.pop();
    lines
}

fn draw_line(surface: &mut Surface<'_>, fitted: &Fitted, line: &Line<'_, ()>, origin: Point) -> Identifier {
    // Otherwise the glyphs tell the text, cluster by cluster: krilla sees to that. A text beside the whole line would
    // hide that from poppler, which does not read nested ones, nor turn one from right to left.
    let original = fitted.original(line.text_range());
    let differs = original != fitted.shown()[line.text_range()];
    let tag = SpanTag::empty().with_actual_text(differs.then_some(original.as_str()));
    let identifier = surface.start_tagged(ContentTag::Span(tag));
    for item in line.items() {
        if let PositionedLayoutItem::GlyphRun(run) = item {
            draw_run(surface, fitted, &run, origin);
        }
    }
    surface.end_tagged();
    identifier
}

fn draw_run(surface: &mut Surface<'_>, fitted: &Fitted, run: &GlyphRun<'_, ()>, origin: Point) {
    let start = Point::from_xy(origin.x + run.offset() * fitted.scale(), origin.y + run.baseline() * fitted.scale());
    let font = Fonts::get().drawn(run.run().font());
    let size = run.run().font_size() * fitted.scale();
    surface.draw_glyphs(start, &glyphs(run), font, fitted.shown(), size, false);
}

/// The run's glyphs from left to right, each with the text of its cluster.
///
/// A ligature's glyphs come with its first cluster in reading order; the clusters that continue it have none, and
/// stand before it in a run from right to left.
fn glyphs(run: &GlyphRun<'_, ()>) -> Vec<KrillaGlyph> {
    let size = run.run().font_size();
    let mut glyphs: Vec<KrillaGlyph> = Vec::new();
    let mut continued: Option<Range<usize>> = None;
    let mut atom_start = 0;
    for cluster in run.run().visual_clusters() {
        let range = cluster.text_range();
        if cluster.is_ligature_continuation() {
            if cluster.is_rtl() {
                continued = Some(continued.map_or(range.clone(), |after| range.start..after.end));
            } else {
                glyphs[atom_start..].iter_mut().for_each(|glyph| glyph.text_range.end = range.end);
            }
            continue;
        }
        let range = continued.take().map_or(range.clone(), |after| range.start..after.end);
        atom_start = glyphs.len();
        glyphs.extend(cluster.glyphs().map(|glyph| {
            // The layout's y grows downwards, krilla's offset upwards.
            let (advance, x, y) = (glyph.advance / size, glyph.x / size, -glyph.y / size);
            KrillaGlyph::new(GlyphId::new(glyph.id), advance, x, y, 0.0, range.clone(), None)
        }));
    }
    glyphs
}

/// Draws the text as a QR code that fills the area with its quiet zone, in vectors, and answers what it is called in
/// the tag tree.
///
/// # Errors
///
/// If the text is longer than a QR code holds.
pub(super) fn qr(
    surface: &mut Surface<'_>,
    text: &str,
    colour: rgb::Color,
    area: Area,
) -> Result<Identifier, RenderError> {
    let code = QRBuilder::new(text).ecl(ECL::M).build().map_err(|_| RenderError::LinkTooLong { bytes: text.len() })?;
    let module = area.width / (code.size + 2 * QUIET_ZONE) as f32;
    let at = |modules: usize| (modules + QUIET_ZONE) as f32 * module;
    let mut path = PathBuilder::new();
    for row in 0..code.size {
        for (start, end) in dark_stretches(code[row].iter().map(|module| module.value())) {
            let stretch =
                Rect::from_ltrb(area.left + at(start), area.top + at(row), area.left + at(end), area.top + at(row + 1));
            path.push_rect(stretch.expect("a stretch has at least one module"));
        }
    }
    surface.set_fill(Some(solid(colour)));
    let identifier = surface.start_tagged(ContentTag::Other);
    surface.draw_path(&path.finish().expect("a QR code has dark modules"));
    surface.end_tagged();
    Ok(identifier)
}

/// First and one past the last of each stretch of dark modules in a row.
fn dark_stretches(row: impl Iterator<Item = bool>) -> Vec<(usize, usize)> {
    let mut stretches: Vec<(usize, usize)> = Vec::new();
    for (index, _) in row.enumerate().filter(|&(_, dark)| dark) {
        match stretches.last_mut() {
            Some((_, end)) if *end == index => *end += 1,
            _ => stretches.push((index, index + 1)),
        }
    }
    stretches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dark_modules_beside_each_other_are_one_stretch() {
        let row = [true, true, false, true, false, false, true];
        assert_eq!(dark_stretches(row.into_iter()), [(0, 2), (3, 4), (6, 7)]);
        assert!(dark_stretches([false, false].into_iter()).is_empty());
    }
}
