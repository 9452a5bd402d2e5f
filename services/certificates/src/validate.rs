//! From what a request says to what can be printed, or to a message that names the field.

use std::{fmt, ops::RangeInclusive};

use time::{Date, Month, OffsetDateTime};
use warren_host::{
    clock,
    ids::{check_name, check_person, quoted},
};
use warren_proto::certificates::{IssueRequest, Kind};
use warren_rpc::Status;

/// Most characters of a printed text.
const TEXT_CHARACTERS_MAX: usize = 200;

/// A certificate that may be issued: every field was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Draft {
    pub(crate) contest: String,
    pub(crate) contest_title: String,
    pub(crate) person: String,
    pub(crate) name: String,
    pub(crate) place: Option<u32>,
    pub(crate) date: Date,
}

impl Draft {
    /// Looks at every field of the request.
    pub(crate) fn new(request: IssueRequest) -> Result<Self, Status> {
        check_name("contest", &request.contest)?;
        check_text("contest_title", &request.contest_title)?;
        check_person("person", &request.person)?;
        check_text("name", &request.name)?;
        if request.place == Some(0) {
            return Err(invalid("place", "must be 1 or more, or absent for participation"));
        }
        let date = match &request.date {
            Some(text) => parse_date(text).ok_or_else(|| {
                invalid("date", format_args!("must be a day of the calendar as YYYY-MM-DD, not {}", quoted(text)))
            })?,
            None => today()?,
        };
        let IssueRequest { contest, contest_title, person, name, place, .. } = request;
        Ok(Self { contest, contest_title, person, name, place, date })
    }

    /// What it is for.
    pub(crate) fn kind(&self) -> Kind {
        if self.place.is_some() { Kind::Place } else { Kind::Participation }
    }
}

fn invalid(field: &str, message: impl fmt::Display) -> Status {
    Status::invalid_argument(format!("{field}: {message}"))
}

fn check_text(field: &str, text: &str) -> Result<(), Status> {
    let length = text.chars().count();
    if length == 0 || length > TEXT_CHARACTERS_MAX {
        return Err(invalid(field, format_args!("must have 1 to {TEXT_CHARACTERS_MAX} characters, not {length}")));
    }
    if let Some(c) = text.chars().find(|&c| is_forbidden(c)) {
        let message =
            format!("U+{:04X} is not allowed: no control characters and no bidirectional overrides", u32::from(c));
        return Err(invalid(field, message));
    }
    if text.chars().all(is_invisible) {
        return Err(invalid(field, "must have a visible character"));
    }
    Ok(())
}

/// Controls, line ends, and what makes a text show otherwise than it is written (Unicode's explicit embeddings,
/// overrides and isolates, UAX #9; the marks U+200E, U+200F and U+061C are harmless, and written in names).
fn is_forbidden(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Characters that leave no ink: spaces, and those that Unicode says to ignore when they cannot be shown.
fn is_invisible(c: char) -> bool {
    const IGNORABLE: [RangeInclusive<char>; 13] = [
        '\u{AD}'..='\u{AD}',
        '\u{34F}'..='\u{34F}',
        '\u{61C}'..='\u{61C}',
        '\u{115F}'..='\u{1160}',
        '\u{17B4}'..='\u{17B5}',
        '\u{180B}'..='\u{180F}',
        '\u{200B}'..='\u{200F}',
        '\u{2060}'..='\u{206F}',
        '\u{3164}'..='\u{3164}',
        '\u{FE00}'..='\u{FE0F}',
        '\u{FEFF}'..='\u{FEFF}',
        '\u{FFA0}'..='\u{FFA0}',
        '\u{E0000}'..='\u{E0FFF}',
    ];
    // The braille pattern of no dots is blank, and neither a space nor ignorable.
    c.is_whitespace() || c == '\u{2800}' || IGNORABLE.iter().any(|range| range.contains(&c))
}

/// A day of the Gregorian calendar in exactly the form `YYYY-MM-DD`, from year 1.
fn parse_date(text: &str) -> Option<Date> {
    let form = text
        .bytes()
        .enumerate()
        .all(|(at, byte)| if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() });
    if text.len() != 10 || !form {
        return None;
    }
    let year: i32 = text[..4].parse().ok().filter(|&year| year > 0)?;
    let month = Month::try_from(text[5..7].parse::<u8>().ok()?).ok()?;
    Date::from_calendar_date(year, month, text[8..].parse().ok()?).ok()
}

fn today() -> Result<Date, Status> {
    let now = OffsetDateTime::from_unix_timestamp(clock::now_ms().div_euclid(1000));
    now.map(OffsetDateTime::date).map_err(|_| Status::internal("the clock is outside the calendar"))
}

#[cfg(test)]
mod tests {
    use warren_rpc::Code;

    use super::*;

    fn request() -> IssueRequest {
        IssueRequest {
            contest: "spring".to_owned(),
            contest_title: "Spring Cup".to_owned(),
            person: "ana".to_owned(),
            name: "Ana".to_owned(),
            place: Some(1),
            date: Some("2024-02-29".to_owned()),
        }
    }

    fn refusal(change: impl FnOnce(&mut IssueRequest)) -> String {
        let mut request = request();
        change(&mut request);
        let status = Draft::new(request).expect_err("it must be refused");
        assert_eq!(status.code, Code::InvalidArgument);
        status.message
    }

    #[test]
    fn a_right_request_becomes_what_it_says() {
        let draft = Draft::new(request()).unwrap();
        assert_eq!(draft.date.to_string(), "2024-02-29");
        assert_eq!(draft.kind(), Kind::Place);
        let draft = Draft::new(IssueRequest { place: None, date: None, ..request() }).unwrap();
        assert_eq!(draft.kind(), Kind::Participation);
        assert_eq!(draft.date.to_string().len(), 10);
    }

    #[test]
    fn every_refusal_names_its_field() {
        assert_eq!(refusal(|r| r.contest.clear()), "contest: \"\" is not 1 to 32 of A-Z a-z 0-9 _ -");
        assert_eq!(
            refusal(|r| r.person = "a\nb".into()),
            "person: \"a\\nb\" is not 1 to 128 bytes without control characters"
        );
        assert_eq!(refusal(|r| r.name = "é".repeat(201)), "name: must have 1 to 200 characters, not 201");
        assert_eq!(refusal(|r| r.contest_title.clear()), "contest_title: must have 1 to 200 characters, not 0");
        assert_eq!(refusal(|r| r.name = " \u{200B}".into()), "name: must have a visible character");
        assert_eq!(refusal(|r| r.place = Some(0)), "place: must be 1 or more, or absent for participation");
        for sign in ["\n", "\0", "\u{7F}", "\u{85}", "\u{2028}", "\u{202E}", "\u{2066}"] {
            assert!(refusal(|r| r.name = format!("Ana{sign}")).starts_with("name: U+"), "{sign:?}");
            assert!(refusal(|r| r.contest_title = format!("{sign}Cup")).starts_with("contest_title: U+"), "{sign:?}");
        }
    }

    #[test]
    fn the_longest_texts_and_ids_are_taken() {
        let mut longest = request();
        longest.name = "語".repeat(200);
        longest.person = "~".repeat(128);
        assert!(Draft::new(longest).is_ok());
    }

    #[test]
    fn whoever_is_on_a_board_can_get_a_certificate() {
        for person in ["Łukasz", "teams:mx:ana", "ana maría", "山田"] {
            let request = IssueRequest { person: person.to_owned(), ..request() };
            assert_eq!(Draft::new(request).unwrap().person, person);
        }
    }

    #[test]
    fn only_real_days_in_the_one_form_are_taken() {
        for wrong in [
            "",
            "2024-2-29",
            "2023-02-29",
            "2024-13-01",
            "2024-00-01",
            "2024-01-00",
            "2024-04-31",
            "24-01-01",
            "+024-01-01",
            "2024-01-01T00",
            "2024/01/01",
            "0000-01-01",
            "２０２４-01-01",
            "2024-01-0é",
        ] {
            assert!(refusal(|r| r.date = Some(wrong.into())).starts_with("date: must be a day"), "{wrong:?}");
        }
        for right in ["2024-02-29", "2000-02-29", "9999-12-31", "0001-01-01"] {
            assert_eq!(parse_date(right).unwrap().to_string(), right);
        }
    }
}
