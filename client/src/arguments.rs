//! What is typed behind a method's name, made into a JSON body: `key=text`, `key:=json`, `key=@FILE`, a JSON text,
//! `-f FILE`, or `-` for standard input. Numbers keep their digits.

use std::{
    fs,
    io::{self, Read},
    path::Path,
};

use bytes::Bytes;
use serde::ser::{SerializeMap, Serializer};
use serde_json::value::RawValue;

use crate::failure::Failure;

/// Where a call's body comes from.
#[derive(Debug)]
pub(crate) struct Typed<'a> {
    /// The words behind the method's name.
    pub(crate) words: &'a [String],
    /// `-f FILE`.
    pub(crate) file: Option<&'a Path>,
    /// Whether `-` may be read: not where the commands themselves come from standard input.
    pub(crate) stdin: bool,
}

impl Typed<'_> {
    /// The body.
    pub(crate) fn to_body(&self) -> Result<Bytes, Failure> {
        match (self.words, self.file) {
            ([], Some(file)) => json(&file.display().to_string(), &read_file(file)?),
            (_, Some(_)) => Err(Failure::usage("give arguments or -f FILE, not both")),
            ([], None) => Ok(Bytes::from_static(b"{}")),
            ([dash], None) if dash == "-" && self.stdin => json("standard input", &read_stdin()?),
            ([dash], None) if dash == "-" => Err(Failure::usage("- (standard input) is where the commands come from")),
            ([text], None) if !is_pair(text) => json("the argument", text),
            (words, None) => object(words),
        }
    }
}

/// Whether a word is `key=...` or `key:=...`, and not a JSON text that has a `=` inside.
fn is_pair(word: &str) -> bool {
    word.split_once('=').is_some_and(|(key, _)| is_key(key.strip_suffix(':').unwrap_or(key)))
}

fn is_key(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|symbol| symbol.is_alphanumeric() || matches!(symbol, '_' | '-'))
}

fn json(origin: &str, text: &str) -> Result<Bytes, Failure> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match serde_json::from_str::<&RawValue>(text) {
        Ok(value) => Ok(Bytes::copy_from_slice(value.get().as_bytes())),
        Err(error) => Err(Failure::usage(format!("{origin} is not JSON: {error}"))
            .with_hint("arguments are key=text, key:=json (numbers, lists), a JSON text, -f FILE or -")),
    }
}

fn object(words: &[String]) -> Result<Bytes, Failure> {
    let mut pairs = Vec::with_capacity(words.len());
    for word in words {
        let (key, value) = pair(word)?;
        if pairs.iter().any(|(known, _)| *known == key) {
            return Err(Failure::usage(format!("{key}: given twice")));
        }
        pairs.push((key, value));
    }
    let mut body = Vec::new();
    let mut serializer = serde_json::Serializer::new(&mut body);
    let written = serializer.serialize_map(Some(pairs.len())).and_then(|mut map| {
        pairs.iter().try_for_each(|(key, value)| map.serialize_entry(key, value))?;
        map.end()
    });
    written.map_err(|error| Failure::internal(error.to_string()))?;
    Ok(body.into())
}

fn pair(word: &str) -> Result<(&str, Box<RawValue>), Failure> {
    let Some((key, value)) = word.split_once('=').filter(|_| is_pair(word)) else {
        return Err(Failure::usage(format!("{word:?} is not key=text or key:=json")));
    };
    if let Some(key) = key.strip_suffix(':') {
        let parsed = serde_json::from_str::<Box<RawValue>>(value);
        let value = parsed.map_err(|error| {
            Failure::usage(format!("{key}: {value:?} is not JSON: {error}"))
                .with_hint(format!("{key}={value} sends it as text"))
        })?;
        return Ok((key, value));
    }
    let text = match value.strip_prefix('@') {
        Some(file) => read_file(Path::new(file))
            .map_err(|failure| Failure { message: format!("{key}: {}", failure.message), ..failure })?,
        None => value.to_owned(),
    };
    let quoted = serde_json::to_string(&text).map_err(|error| Failure::internal(error.to_string()))?;
    let value = RawValue::from_string(quoted).map_err(|error| Failure::internal(error.to_string()))?;
    Ok((key, value))
}

pub(crate) fn read_file(path: &Path) -> Result<String, Failure> {
    let bytes = fs::read(path).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::usage(format!("{}: not UTF-8 at byte {at}", path.display()))
    })
}

fn read_stdin() -> Result<String, Failure> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text).map_err(|error| Failure::usage(format!("standard input: {error}")))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(words: &[&str]) -> Result<String, String> {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        let typed = Typed { words: &words, file: None, stdin: false };
        match typed.to_body() {
            Ok(body) => Ok(String::from_utf8(body.to_vec()).unwrap()),
            Err(failure) => Err(failure.message),
        }
    }

    #[test]
    fn pairs_are_text_or_json() {
        assert_eq!(body(&["a:=2", "b=3", "c:=[1,0.10]"]).unwrap(), r#"{"a":2,"b":"3","c":[1,0.10]}"#);
        assert_eq!(body(&["name=a=b"]).unwrap(), r#"{"name":"a=b"}"#);
        assert_eq!(body(&[]).unwrap(), "{}");
    }

    #[test]
    fn one_word_of_json_is_the_body() {
        assert_eq!(body(&["[10,20]"]).unwrap(), "[10,20]");
        assert_eq!(body(&[r#"{"a":"x=y"}"#]).unwrap(), r#"{"a":"x=y"}"#);
    }

    #[test]
    fn mistakes_are_told_by_name() {
        assert!(body(&["a:=two"]).unwrap_err().starts_with("a: \"two\" is not JSON"));
        assert!(body(&["{\"a\":"]).unwrap_err().contains("line 1 column 5"));
        assert_eq!(body(&["a=1", "a=2"]).unwrap_err(), "a: given twice");
        assert_eq!(body(&["a=1", "b"]).unwrap_err(), "\"b\" is not key=text or key:=json");
        assert!(body(&["source=@/nonexistent/x.py"]).unwrap_err().starts_with("source: /nonexistent/x.py: "));
        assert!(body(&["-"]).unwrap_err().contains("standard input"));
    }
}
