//! The design: where each part of a certificate stands, in which face, size and colour.
//!
//! A4 landscape, white, for print: a dark blue frame with a golden line inside, everything centred, the code at the
//! lower left and its QR code at the lower right.

use std::num::NonZeroU16;

use krilla::{
    color::rgb,
    geom::{Path, PathBuilder},
    num::NormalizedF32,
    paint::Stroke,
    surface::Surface,
    tagging::{Artifact, ArtifactType, BBox, ContentTag, Identifier, Tag, TagGroup, TagTree},
};

use super::{
    Content, RenderError,
    draw::{self, Area},
    fonts::Face,
    text::Style,
};

/// Width of the page in points: 297 mm.
pub(super) const WIDTH: f32 = 841.89;

/// Height of the page in points: 210 mm.
pub(super) const HEIGHT: f32 = 595.276;

const INK: (u8, u8, u8) = (24, 32, 56);
const BLUE: (u8, u8, u8) = (27, 54, 106);
const GOLD: (u8, u8, u8) = (168, 128, 48);
const GREY: (u8, u8, u8) = (92, 98, 112);

/// Side of the QR code with its quiet zone, in points: 31 mm.
const QR_SIDE: f32 = 88.0;

/// From the page's edge to what is inside the frame, in points.
const MARGIN: f32 = 70.0;

/// One text of the design: its place from top to bottom, and how it is set.
struct Row {
    top: f32,
    height: f32,
    style: Style,
    colour: (u8, u8, u8),
}

const fn row(top: f32, height: f32, face: Face, size: f32, colour: (u8, u8, u8)) -> Row {
    Row { top, height, style: Style { face, size, tracking: 0.0 }, colour }
}

const HEADLINE: Row =
    Row { top: 62.0, height: 50.0, style: Style { face: Face::Serif, size: 36.0, tracking: 70.0 }, colour: BLUE };
const PRESENTED: Row = row(128.0, 22.0, Face::Sans, 13.0, GREY);
const NAME: Row = row(154.0, 96.0, Face::Serif, 48.0, INK);
const RULE_Y: f32 = 262.0;
const PLACE_FOR: Row = row(276.0, 22.0, Face::Sans, 13.0, GREY);
const PLACE: Row = row(298.0, 42.0, Face::Serif, 30.0, GOLD);
const PLACE_IN: Row = row(340.0, 22.0, Face::Sans, 13.0, GREY);
const PLACE_TITLE: Row = row(362.0, 70.0, Face::Serif, 27.0, BLUE);
const PARTICIPATION_FOR: Row = row(284.0, 22.0, Face::Sans, 13.0, GREY);
const PARTICIPATION_TITLE: Row = row(314.0, 96.0, Face::Serif, 30.0, BLUE);
const DATE: Row = row(442.0, 24.0, Face::Sans, 14.0, INK);

/// Texts beside the QR code, which must not run into it.
const CODE_LABEL: Row = row(486.0, 14.0, Face::Sans, 8.5, GREY);
const CODE: Row =
    Row { top: 500.0, height: 18.0, style: Style { face: Face::Sans, size: 13.0, tracking: 60.0 }, colour: INK };
const LINK: Row = row(520.0, 12.0, Face::Sans, 8.0, GREY);
const FOOT_WIDTH: f32 = WIDTH - 2.0 * (MARGIN + QR_SIDE);

/// A page being drawn, and its tags so far.
struct Page<'a, 'b> {
    surface: &'a mut Surface<'b>,
    tags: TagTree,
}

/// Draws the whole page and answers its structure, in reading order.
///
/// # Errors
///
/// If the link is longer than a QR code holds.
pub(super) fn draw(surface: &mut Surface<'_>, content: &Content<'_>) -> Result<TagTree, RenderError> {
    let mut page = Page { surface, tags: TagTree::new() };
    page.ornament();
    let headline = if content.place.is_some() { "Certificate of Achievement" } else { "Certificate of Participation" };
    page.heading(headline);
    page.paragraph("This certifies that", &PRESENTED);
    page.paragraph(content.name, &NAME);
    if let Some(place) = content.place {
        page.paragraph("won", &PLACE_FOR);
        page.paragraph(&format!("{} place", ordinal(place)), &PLACE);
        page.paragraph("in", &PLACE_IN);
        page.paragraph(content.contest_title, &PLACE_TITLE);
    } else {
        page.paragraph("took part in", &PARTICIPATION_FOR);
        page.paragraph(content.contest_title, &PARTICIPATION_TITLE);
    }
    page.paragraph(&written_out(content.date), &DATE);
    page.paragraph("Verification code", &CODE_LABEL);
    page.paragraph(content.code, &CODE);
    page.paragraph(content.link, &LINK);
    page.qr(content)?;
    Ok(page.tags)
}

impl Page<'_, '_> {
    fn heading(&mut self, text: &str) {
        let level = NonZeroU16::MIN;
        let lines = self.text(text, &HEADLINE);
        self.push(TagGroup::new(Tag::Hn(level, Some(text.to_owned()))), lines);
    }

    fn paragraph(&mut self, text: &str, row: &Row) {
        let lines = self.text(text, row);
        self.push(TagGroup::new(Tag::P), lines);
    }

    fn push(&mut self, mut group: TagGroup, children: impl IntoIterator<Item = Identifier>) {
        children.into_iter().for_each(|child| group.push(child));
        self.tags.push(group);
    }

    fn text(&mut self, text: &str, row: &Row) -> Vec<Identifier> {
        let width = if row.top < CODE_LABEL.top { WIDTH - 2.0 * MARGIN } else { FOOT_WIDTH };
        let area = Area { left: (WIDTH - width) / 2.0, top: row.top, width, height: row.height };
        draw::text(self.surface, text, row.style, colour(row.colour), area)
    }

    fn qr(&mut self, content: &Content<'_>) -> Result<(), RenderError> {
        let area = Area {
            left: WIDTH - MARGIN - QR_SIDE + 14.0,
            top: HEIGHT - 50.0 - QR_SIDE,
            width: QR_SIDE,
            height: QR_SIDE,
        };
        let drawn = draw::qr(self.surface, content.link, colour(INK), area)?;
        let alternative = format!("QR code with the text {}", content.link);
        self.push(TagGroup::new(Tag::Figure(Some(alternative)).with_bbox(Some(BBox::new(0, area.rect())))), [drawn]);
        Ok(())
    }

    /// Frame and rule: decoration, which a reader of the structure never meets.
    fn ornament(&mut self) {
        self.surface.start_tagged(ContentTag::Artifact(Artifact::with_kind(ArtifactType::Layout)));
        self.surface.set_fill(None);
        for (inset, thickness, stroke) in [(28.0, 3.0, BLUE), (35.0, 0.9, GOLD)] {
            self.surface.set_stroke(Some(line(thickness, stroke)));
            self.surface.draw_path(&inset_frame(inset));
        }
        self.surface.set_stroke(Some(line(0.8, GOLD)));
        self.surface.draw_path(&rule());
        self.surface.set_stroke(None);
        self.surface.set_fill(Some(draw::solid(colour(GOLD))));
        self.surface.draw_path(&diamond(WIDTH / 2.0, RULE_Y, 4.0));
        for x in [35.0, WIDTH - 35.0] {
            for y in [35.0, HEIGHT - 35.0] {
                self.surface.draw_path(&diamond(x, y, 6.0));
            }
        }
        self.surface.end_tagged();
    }
}

fn colour((red, green, blue): (u8, u8, u8)) -> rgb::Color {
    rgb::Color::new(red, green, blue)
}

fn line(width: f32, of: (u8, u8, u8)) -> Stroke {
    Stroke { paint: colour(of).into(), width, opacity: NormalizedF32::ONE, ..Stroke::default() }
}

fn inset_frame(inset: f32) -> Path {
    Area { left: inset, top: inset, width: WIDTH - 2.0 * inset, height: HEIGHT - 2.0 * inset }.path()
}

/// The line under the name, open in its middle.
fn rule() -> Path {
    const HALF: f32 = 170.0;
    const GAP: f32 = 12.0;
    let middle = WIDTH / 2.0;
    let mut path = PathBuilder::new();
    for (from, to) in [(middle - HALF, middle - GAP), (middle + GAP, middle + HALF)] {
        path.move_to(from, RULE_Y);
        path.line_to(to, RULE_Y);
    }
    path.finish().expect("the rule has two lines")
}

fn diamond(x: f32, y: f32, half: f32) -> Path {
    let mut path = PathBuilder::new();
    path.move_to(x, y - half);
    path.line_to(x + half, y);
    path.line_to(x, y + half);
    path.line_to(x - half, y);
    path.close();
    path.finish().expect("a diamond has four corners")
}

/// `1st`, `2nd`, `3rd`, `4th`, `11th`, `21st`.
fn ordinal(place: u32) -> String {
    let suffix = match (place % 100, place % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{place}{suffix}")
}

/// `1 January 2024`.
fn written_out(date: time::Date) -> String {
    format!("{} {} {}", date.day(), date.month(), date.year())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinals_end_as_they_are_spoken() {
        let places = [1, 2, 3, 4, 10, 11, 12, 13, 21, 22, 101, 111, 112, 1003];
        let spoken = "1st 2nd 3rd 4th 10th 11th 12th 13th 21st 22nd 101st 111th 112th 1003rd";
        assert_eq!(places.map(ordinal).join(" "), spoken);
    }

    #[test]
    fn dates_are_written_out() {
        let date = time::Date::from_calendar_date(2024, time::Month::February, 29).unwrap();
        assert_eq!(written_out(date), "29 February 2024");
    }
}
