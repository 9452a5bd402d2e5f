//! The file: PDF/A-2a, the same every time, and readable by a program that knows nothing of us.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use proptest::prelude::*;
use warren_certificates::pdf::{Content, render};

const CODE: &str = "0123-4567-89BC-DFGM";
const LINK: &str = "warren:certificate:0123-4567-89BC-DFGM";
const WIDTH: f32 = 841.89;
const HEIGHT: f32 = 595.276;

fn content<'a>(name: &'a str, contest_title: &'a str, place: Option<u32>) -> Content<'a> {
    let date = time::Date::from_calendar_date(2024, time::Month::March, 9).expect("a day of the calendar");
    Content { contest_title, name, place, date, code: CODE, link: LINK }
}

/// What `pdftotext` makes of the file, or nothing where it is not installed: the test is then reported as skipped.
fn pdftotext(pdf: &[u8], arguments: &[&str]) -> Option<String> {
    let run = Command::new("pdftotext")
        .args(arguments)
        .args(["-enc", "UTF-8", "-", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = run else {
        warren_debian::skip_test("pdftotext (poppler-utils) is not installed");
        return None;
    };
    child.stdin.take().expect("it is piped").write_all(pdf).expect("pdftotext reads the file");
    let output = child.wait_with_output().expect("pdftotext ends");
    assert!(output.status.success());
    Some(String::from_utf8(output.stdout).expect("pdftotext was asked for UTF-8"))
}

/// Without the marks that poppler puts around text from right to left, and with line ends as spaces.
fn plain(text: &str) -> String {
    let marked = |c: &char| !matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    text.chars().filter(marked).collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn every_part_is_found_in_reading_order() {
    let Some(text) = pdftotext(&render(&content("Ana Ñandú", "Spring Cup", Some(1))).unwrap(), &[]) else { return };
    let expected = format!(
        "Certificate of Achievement This certifies that Ana Ñandú won 1st place in Spring Cup 9 March 2024 \
         Verification code {CODE} {LINK}"
    );
    assert_eq!(plain(&text), expected);
    let participation = pdftotext(&render(&content("Ana", "Spring Cup", None)).unwrap(), &[]).unwrap();
    assert!(plain(&participation).contains("Certificate of Participation This certifies that Ana took part in"));
}

#[test]
fn names_of_every_script_are_found_in_logical_order() {
    for name in [
        "Łukasz Ångström",
        "Nguyễn Thị Minh Khai",
        "Ελευθέριος Βενιζέλος",
        "Софія Ковалевська",
        "محمد بن عبد الله الخوارزمي",
        "علاء الأحمد",
        "נועה כהן לוי",
        "क्षितिज श्रीवास्तव",
        "สมชาย ใจดี",
        "王小明",
        "さくら 山田",
        "김민수",
        "Գագիկ Սարգսյան",
        "ნინო ბერიძე",
        "አበበ ቢቂላ",
        "Zoë 🏆",
    ] {
        let Some(text) = pdftotext(&render(&content(name, "Cup", None)).unwrap(), &[]) else { return };
        assert!(plain(&text).contains(name), "{name} is not in {text:?}");
    }
}

#[test]
fn nothing_of_a_long_name_leaves_the_page() {
    let eighty = "Wolfeschlegelsteinhausenbergerdorff Maximiliana Przybyszewska-Konstantynopolitań";
    for name in [eighty, &"W".repeat(200), &"Maximiliana ".repeat(16), &"語".repeat(200), &"Ñ".repeat(80)] {
        let pdf = render(&content(name, name, Some(u32::MAX))).unwrap();
        let Some(words) = pdftotext(&pdf, &["-bbox"]) else { return };
        let edges = |attribute: &str| -> Vec<f32> {
            words.split(attribute).skip(1).map(|rest| rest.split('"').nth(1).unwrap().parse().unwrap()).collect()
        };
        let outside = |values: Vec<f32>, end: f32| values.into_iter().find(|value| !(0.0..=end).contains(value));
        let words_found = edges("<word xMin").len();
        assert!(words_found > 10, "{name}: {words_found} words");
        for (attribute, end) in [("xMin", WIDTH), ("xMax", WIDTH), ("yMin", HEIGHT), ("yMax", HEIGHT)] {
            assert_eq!(outside(edges(attribute), end), None, "{attribute} of {name}");
        }
    }
}

#[test]
fn the_same_content_has_the_same_bytes() {
    let content = content("عبد الله 王小明 Łukasz 🏆", "全国 Cup", Some(3));
    assert_eq!(render(&content).unwrap(), render(&content).unwrap());
}

#[test]
fn the_file_says_that_it_is_tagged_pdf_a_2a() {
    let pdf = render(&content("Ana", "Cup", None)).unwrap();
    let has = |text: &str| pdf.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(pdf.starts_with(b"%PDF-1.7"));
    assert!(has("<pdfaid:part>2</pdfaid:part>") && has("<pdfaid:conformance>A</pdfaid:conformance>"));
    assert!(has("/MarkInfo") && has("/StructTreeRoot"));
}

#[test]
fn every_character_of_the_basic_plane_can_be_printed() {
    let characters: Vec<char> = ('\0'..='\u{FFFF}').collect();
    for chunk in characters.chunks(1500) {
        let text: String = chunk.iter().collect();
        let rendered = render(&content(&text, "Cup", None));
        assert!(rendered.is_ok(), "from U+{:04X}: {:?}", u32::from(chunk[0]), rendered.err());
    }
}

#[test]
fn what_no_font_can_draw_is_told_all_the_same() {
    for (name, told) in [
        // A mark that the ideograph's font lacks.
        ("漢\u{20DD}", "漢\u{20DD}"),
        // Private use: every font may mean something else by it.
        ("A\u{E000}B", "A\u{E000}B"),
        // Ideographs, and marks, beyond all fonts.
        ("\u{2F800}\u{20BB7}", "\u{2F800}\u{20BB7}"),
        ("e\u{1ACE}\u{11F02}", "e\u{1ACE}\u{11F02}"),
        // No character at all, now or ever.
        ("A\u{10FFFF}B", "A\u{FFFD}B"),
        // A byte order mark inside a text is an old way to write a word joiner.
        ("A\u{FEFF}B", "A\u{2060}B"),
    ] {
        let Some(text) = pdftotext(&render(&content(name, "Cup", None)).unwrap(), &[]) else { return };
        assert!(plain(&text).contains(&format!("that {told} took")), "{name:?} in {text:?}");
    }
}

/// ICU4X writes to standard error in debug builds when it lacks the data to break lines between words.
#[test]
fn scripts_without_spaces_are_laid_out_without_a_complaint() {
    let drawing = "certificates::document::names_of_every_script_are_found_in_logical_order";
    let this_program = std::env::current_exe().unwrap();
    let run = Command::new(this_program).args(["--exact", drawing, "--nocapture"]).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success() && stdout.contains("1 passed"), "{stdout}");
    assert_eq!(stderr, "");
}

/// A grapheme as strange as they come: a base and marks, joiners and selectors from anywhere.
fn strange() -> impl Strategy<Value = String> {
    let mark = prop_oneof![
        prop::char::range('\u{300}', '\u{36F}'),
        prop::char::range('\u{1AB0}', '\u{1AFF}'),
        prop::char::range('\u{20D0}', '\u{20FF}'),
        prop::char::range('\u{FE00}', '\u{FE0F}'),
        prop::char::range('\u{1F3FB}', '\u{1F3FF}'),
        prop::char::range('\u{E0100}', '\u{E01EF}'),
        Just('\u{200D}'),
        any::<char>(),
    ];
    let base = prop_oneof![
        any::<char>(),
        prop::char::range('\u{590}', '\u{1FFF}'),
        prop::char::range('\u{1F300}', '\u{1FAFF}')
    ];
    let cluster = (base, prop::collection::vec(mark, 0..6));
    prop::collection::vec(cluster, 1..30).prop_map(|clusters| {
        clusters.into_iter().flat_map(|(base, marks)| std::iter::once(base).chain(marks)).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn any_unicode_name_renders(name in strange(), title in "\\PC{1,200}", place in any::<Option<u32>>()) {
        let rendered = render(&content(&name, &title, place));
        prop_assert!(rendered.is_ok(), "{:?}", rendered.err());
    }
}
