#!/usr/bin/env python3
"""Makes the fonts of this folder from Debian's font packages. Run it only to change the set.

    apt-get download fonts-noto-core fonts-droid-fallback fonts-nanum fonts-unifont
    for package in *.deb; do dpkg-deb -x "$package" SOURCE; done
    python3 -m pip install fonttools==4.68.0
    python3 build.py SOURCE

What is taken off: hinting (a PDF viewer does without), and, of the last resorts, the characters that an
earlier font has. Glyphs, shaping rules and names of what is kept stay as they are. ORDER is also the order
in which src/pdf/fonts.rs tries them.
"""

import pathlib
import sys

from fontTools import subset
from fontTools.ttLib import TTFont

NOTO = "usr/share/fonts/truetype/noto/Noto{}-Regular.ttf"
NANUM = "usr/share/fonts/truetype/nanum/NanumGothic.ttf"
DROID = "usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf"
UNIFONT = "usr/share/fonts/opentype/unifont/{}.otf"

# Alphabets in use today. The serif cut where it is not heavy: it goes with the headline.
ORDER = """
SerifDisplay Sans NaskhArabic SerifHebrew SerifArmenian SerifGeorgian SerifDevanagari SerifBengali SerifGurmukhi
SerifGujarati SansOriya SerifTamil SansTelugu SerifKannada SerifMalayalam SerifSinhala SerifThai SerifLao SansMyanmar
SerifKhmer SerifTibetan SerifEthiopic SansCherokee SansCanadianAboriginal SansMongolian SansThaana SansSyriac
SansNKo SansTifinagh SansYi SansJavanese SansBalinese SansSundanese SansAdlam SansVai SansOlChiki SansMeeteiMayek
SansLisu SansOsage SansChakma SansHanifiRohingya SansBuginese SansTaiLe SansNewTaiLue SansTaiTham
""".split()

HANGUL = [range(0x3131, 0x318F), range(0xAC00, 0xD7A4)]
HAN = [range(0x3400, 0x4DC0), range(0x4E00, 0xA000), range(0xF900, 0xFB00)]
PRIVATE_USE = [range(0xE000, 0xF900)]


def options():
    chosen = subset.Options()
    chosen.hinting = False
    chosen.layout_features = ["*"]
    chosen.name_IDs = ["*"]
    chosen.notdef_outline = True
    chosen.glyph_names = False
    chosen.drop_tables += ["DSIG", "vhea", "vmtx", "FFTM"]
    chosen.recalc_timestamp = False
    return chosen


def rename(font, family):
    """Nanum's names are reserved for the unmodified font (OFL 1.1, condition 3)."""
    names = {1: family, 3: family, 4: family, 6: family.replace(" ", ""), 16: family}
    for record in list(font["name"].names):
        if record.nameID in (2, 17):
            continue
        if record.nameID in names:
            record.string = names[record.nameID]
        elif record.nameID in (18, 20, 21, 22):
            font["name"].names.remove(record)


def make(source, target, characters, family=None):
    font = subset.load_font(str(source), options())
    subsetter = subset.Subsetter(options())
    subsetter.populate(unicodes=characters)
    subsetter.subset(font)
    if family:
        rename(font, family)
    subset.save_font(font, str(target), options())
    print(f"{target.stat().st_size:>9} {len(characters):>6} {target.name}")


def characters_of(path):
    return set(TTFont(path, lazy=True).getBestCmap())


def members(ranges):
    return {character for span in ranges for character in span}


def main(source, here):
    for name in ORDER:
        path = source / NOTO.format(name)
        make(path, here / f"Noto{name}.ttf", characters_of(path))

    make(source / NANUM, here / "WarrenHangul.ttf", members(HANGUL), "Warren Hangul")

    droid = characters_of(source / DROID)
    make(source / DROID, here / "DroidSansFallback.ttf", droid - members(PRIVATE_USE))

    symbols = source / NOTO.format("SansSymbols2")
    make(symbols, here / "NotoSansSymbols2.ttf", characters_of(symbols))

    # Marks and letters stay together: a letter and its mark are drawn by one font. Only ideographs and
    # syllables, which make up most of Unifont and take no marks, are left to the fonts before it.
    plane_0 = characters_of(source / UNIFONT.format("unifont"))
    unneeded = (droid & members(HAN)) | members(HANGUL) | members(PRIVATE_USE)
    make(source / UNIFONT.format("unifont"), here / "Unifont.otf", plane_0 - unneeded)
    upper = source / UNIFONT.format("unifont_upper")
    make(upper, here / "UnifontUpper.otf", characters_of(upper))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(__file__).parent)
