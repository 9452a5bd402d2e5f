//! The fonts, all of them embedded: what a certificate looks like never depends on the machine.
//!
//! They are tried in the order of [`FILES`]: the two of the design, one for each alphabet in use, Han and Hangul,
//! symbols, and last GNU Unifont, a bitmap face that has all of the Basic Multilingual Plane. `fonts/README.md` says
//! where they come from and under which licences.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, OnceLock},
};

use fontique::{Blob, CharmapIndex, Collection, CollectionOptions, FontInfoOverride, SourceCache};
use krilla::text::Font;
use parley::{FontContext, FontData, FontFamily, FontFamilyName};

/// The face of the headline, of names and of titles.
const SERIF: &str = "NotoSerifDisplay.ttf";

/// The face of everything else.
const SANS: &str = "NotoSans.ttf";

macro_rules! files {
    ($($file:literal),+ $(,)?) => {
        &[$(($file, include_bytes!(concat!("../../fonts/", $file)))),+]
    };
}

/// Name and content of each file, in the order in which they are tried.
static FILES: &[(&str, &[u8])] = files![
    "NotoSerifDisplay.ttf",
    "NotoSans.ttf",
    "NotoNaskhArabic.ttf",
    "NotoSerifHebrew.ttf",
    "NotoSerifArmenian.ttf",
    "NotoSerifGeorgian.ttf",
    "NotoSerifDevanagari.ttf",
    "NotoSerifBengali.ttf",
    "NotoSerifGurmukhi.ttf",
    "NotoSerifGujarati.ttf",
    "NotoSansOriya.ttf",
    "NotoSerifTamil.ttf",
    "NotoSansTelugu.ttf",
    "NotoSerifKannada.ttf",
    "NotoSerifMalayalam.ttf",
    "NotoSerifSinhala.ttf",
    "NotoSerifThai.ttf",
    "NotoSerifLao.ttf",
    "NotoSansMyanmar.ttf",
    "NotoSerifKhmer.ttf",
    "NotoSerifTibetan.ttf",
    "NotoSerifEthiopic.ttf",
    "NotoSansCherokee.ttf",
    "NotoSansCanadianAboriginal.ttf",
    "NotoSansMongolian.ttf",
    "NotoSansThaana.ttf",
    "NotoSansSyriac.ttf",
    "NotoSansNKo.ttf",
    "NotoSansTifinagh.ttf",
    "NotoSansYi.ttf",
    "NotoSansJavanese.ttf",
    "NotoSansBalinese.ttf",
    "NotoSansSundanese.ttf",
    "NotoSansAdlam.ttf",
    "NotoSansVai.ttf",
    "NotoSansOlChiki.ttf",
    "NotoSansMeeteiMayek.ttf",
    "NotoSansLisu.ttf",
    "NotoSansOsage.ttf",
    "NotoSansChakma.ttf",
    "NotoSansHanifiRohingya.ttf",
    "NotoSansBuginese.ttf",
    "NotoSansTaiLe.ttf",
    "NotoSansNewTaiLue.ttf",
    "NotoSansTaiTham.ttf",
    "WarrenHangul.ttf",
    "DroidSansFallback.ttf",
    "NotoSansSymbols2.ttf",
    "Unifont.otf",
    "UnifontUpper.otf",
];

/// What a text is set in, where it has the letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Face {
    /// High contrast, for large sizes.
    Serif,
    /// For small sizes.
    Sans,
}

impl Face {
    /// This face first, then every other font.
    pub(super) fn families(self) -> FontFamily<'static> {
        let first = match self {
            Self::Serif => SERIF,
            Self::Sans => SANS,
        };
        let others = FILES.iter().map(|&(file, _)| file).filter(|&file| file != first);
        let names = std::iter::once(first).chain(others).map(|file| FontFamilyName::Named(file.into()));
        FontFamily::List(names.collect())
    }
}

/// One embedded font, as the layout knows it and as the PDF does.
struct Embedded {
    bytes: &'static [u8],
    charmap: CharmapIndex,
    drawn: OnceLock<Font>,
}

/// All embedded fonts.
pub(super) struct Fonts {
    collection: Collection,
    /// By the identity that the layout gives a font's bytes.
    embedded: HashMap<u64, Embedded>,
}

static FONTS: LazyLock<Fonts> = LazyLock::new(Fonts::load);

impl Fonts {
    /// The process's fonts, which are indexed at the first call.
    pub(super) fn get() -> &'static Self {
        &FONTS
    }

    fn load() -> Self {
        let mut collection = Collection::new(CollectionOptions { shared: false, system_fonts: false });
        let mut embedded = HashMap::new();
        for &(file, bytes) in FILES {
            let blob = Blob::new(Arc::new(bytes));
            let renamed = FontInfoOverride { family_name: Some(file), ..FontInfoOverride::default() };
            let families = collection.register_fonts(blob.clone(), Some(renamed));
            let font = families.first().and_then(|(_, fonts)| fonts.first());
            let charmap = font.expect("an embedded file is a font").charmap_index();
            embedded.insert(blob.id(), Embedded { bytes, charmap, drawn: OnceLock::new() });
        }
        Self { collection, embedded }
    }

    /// What a layout needs: a copy, for each layout has a cache of its own.
    pub(super) fn context(&self) -> FontContext {
        FontContext { collection: self.collection.clone(), source_cache: SourceCache::default() }
    }

    fn embedded(&self, font: &FontData) -> &Embedded {
        self.embedded.get(&font.data.id()).expect("the layout has no fonts but the embedded ones")
    }

    /// The font of a laid out run, for the PDF.
    pub(super) fn drawn(&self, font: &FontData) -> Font {
        let embedded = self.embedded(font);
        embedded.drawn.get_or_init(|| Font::new(embedded.bytes.into(), 0).expect("an embedded file is a font")).clone()
    }

    /// Whether the font of a laid out run has a glyph for the character.
    pub(super) fn has(&self, font: &FontData, character: char) -> bool {
        let embedded = self.embedded(font);
        let charmap = embedded.charmap.charmap(embedded.bytes);
        charmap.and_then(|charmap| charmap.map(character)).is_some_and(|glyph| glyph != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_embedded_and_the_other_way_round() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fonts");
        let is_font = |name: &String| name.ends_with(".ttf") || name.ends_with(".otf");
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut there: Vec<String> = entries.filter_map(|name| name.into_string().ok()).filter(is_font).collect();
        let mut embedded: Vec<&str> = FILES.iter().map(|&(file, _)| file).collect();
        there.sort_unstable();
        embedded.sort_unstable();
        assert_eq!(there, embedded);
        assert!([SERIF, SANS].iter().all(|face| embedded.contains(face)));
    }
}
