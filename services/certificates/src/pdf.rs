//! The certificate as a file: one page A4 landscape, tagged PDF/A-2a, the same bytes for the same content.
//!
//! Rendering is a few milliseconds of computing, so it belongs on a blocking thread. Reading order: `page` is
//! the design, `text` sizes what is written, `draw` puts it on the page, `fonts` are the fonts.

mod draw;
mod fonts;
mod page;
mod text;

use krilla::{
    Document, SerializeSettings,
    configure::{Archival, ConfigurationBuilder},
    error::KrillaError,
    metadata::{DateTime, Metadata, PageLayout},
    page::PageSettings,
};
use time::Date;

/// What is printed.
#[derive(Clone, Copy, Debug)]
pub struct Content<'a> {
    /// The contest's name, in any script.
    pub contest_title: &'a str,
    /// The person's name, in any script.
    pub name: &'a str,
    /// The place won; none: the certificate is for participation.
    pub place: Option<u32>,
    /// The day printed.
    pub date: Date,
    /// The verification code, in groups. It identifies the document as well.
    pub code: &'a str,
    /// What the QR code says: a link to a page that verifies the code, or the code itself.
    pub link: &'a str,
}

/// A certificate that cannot be rendered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RenderError {
    /// The verification link is too long for a QR code.
    #[error("the verification link has {bytes} bytes, more than a QR code holds")]
    LinkTooLong {
        /// Length of the link.
        bytes: usize,
    },
    /// The file would not be PDF/A-2a, or a font cannot be embedded.
    #[error("the file cannot be written as PDF/A-2a: {0}")]
    Pdf(KrillaError),
}

/// Renders the certificate: CPU work of a few milliseconds, without I/O.
///
/// No text makes it fail: a character that no embedded font can draw is shown as U+FFFD and logged.
///
/// # Errors
///
/// If the link is too long for a QR code. [`RenderError::Pdf`] would be a fault of this module.
pub fn render(content: &Content<'_>) -> Result<Vec<u8>, RenderError> {
    let configuration = ConfigurationBuilder::new()
        .with_archival_validator(Archival::A2_A)
        .finish()
        .expect("one validator contradicts no other");
    let settings = SerializeSettings { configuration, enable_tagging: true, ..SerializeSettings::default() };
    let mut document = Document::new_with(settings);
    document.set_metadata(metadata(content));
    let size = PageSettings::from_wh(page::WIDTH, page::HEIGHT).expect("A4 is not empty");
    let mut sheet = document.start_page_with(size);
    let mut surface = sheet.surface();
    let tags = page::draw(&mut surface, content)?;
    surface.finish();
    sheet.finish();
    document.set_tag_tree(tags);
    document.finish().map_err(RenderError::Pdf)
}

/// All of it from the content, nothing from the clock: the same certificate has the same bytes.
fn metadata(content: &Content<'_>) -> Metadata {
    let date = content.date;
    let created = DateTime::new(u16::try_from(date.year()).unwrap_or_default())
        .month(date.month().into())
        .day(date.day())
        .utc_offset_hour(0);
    Metadata::new()
        .title(format!("Certificate: {}, {}", content.name, content.contest_title))
        .description(format!("Verification code {}", content.code))
        .language("en".to_owned())
        .creator("Warren".to_owned())
        .creation_date(created)
        .document_id(content.code.to_owned())
        .page_layout(PageLayout::SinglePage)
}
