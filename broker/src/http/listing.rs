//! What every list of RabbitMQ's management API can do: pages, a filter by name, an order, and chosen columns.

use std::cmp::Ordering;

use axum::http::StatusCode;
use axum::response::Response;
use regex::RegexBuilder;
use serde_json::{Value, json};

use super::error;
use super::json::Object;

/// The largest page, and the default one, as in RabbitMQ.
const PAGE_SIZE_MAX: usize = 500;
const PAGE_SIZE: usize = 100;

/// What is asked of a list, by the query of the URL.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Listing {
    /// Dotted paths, with commas between.
    columns: Option<String>,
    /// A dotted path.
    sort: Option<String>,
    sort_reverse: Option<String>,
    /// From 1; without it, there are no pages.
    page: Option<String>,
    page_size: Option<String>,
    /// A part of the name; a regular expression with `use_regex`.
    name: Option<String>,
    use_regex: Option<String>,
}

fn bad_request(kind: &str, reason: &str) -> Response {
    error(StatusCode::BAD_REQUEST, kind, reason)
}

#[expect(clippy::result_large_err, reason = "it is an answer, made once a request")]
impl Listing {
    /// The list as it was asked for.
    ///
    /// # Errors
    ///
    /// The answer that refuses a page that cannot be, or a pattern that is none.
    pub(super) fn apply(&self, mut items: Vec<Object>) -> Result<Value, Response> {
        if let Some(sort) = &self.sort {
            items.sort_by(|one, other| by_kind(find(one, sort), find(other, sort)));
        }
        if self.sort_reverse.as_deref() == Some("true") {
            items.reverse();
        }
        let Some(page) = &self.page else {
            return Ok(items.into_iter().map(|item| self.choose(item)).collect());
        };
        let (page, size) = self.page(page)?;
        let total = items.len();
        self.filter(&mut items)?;
        let filtered = items.len();
        let page_count = filtered.div_ceil(size).max(1);
        if page > page_count {
            let reason = format!("Page out of range, page: {page} page size: {size}, len: {filtered}");
            return Err(bad_request("page_out_of_range", &reason));
        }
        let chosen = items.into_iter().skip((page - 1) * size).take(size).map(|item| self.choose(item));
        let chosen: Vec<Value> = chosen.collect();
        Ok(json!({
            "filtered_count": filtered, "item_count": chosen.len(), "items": chosen, "page": page,
            "page_count": page_count, "page_size": size, "total_count": total,
        }))
    }

    fn page(&self, page: &str) -> Result<(usize, usize), Response> {
        let size = self.page_size.as_deref().map_or(Some(PAGE_SIZE), |size| size.parse().ok());
        match (page.parse(), size) {
            (Ok(page @ 1..), Some(size @ 1..=PAGE_SIZE_MAX)) => Ok((page, size)),
            _ => {
                let size = self.page_size.as_deref().unwrap_or("undefined");
                let reason = format!("Invalid pagination parameters: page number {page}, page size {size}");
                Err(bad_request("invalid_pagination_parameters", &reason))
            }
        }
    }

    fn filter(&self, items: &mut Vec<Object>) -> Result<(), Response> {
        let Some(name) = self.name.as_deref().filter(|name| !name.is_empty()) else { return Ok(()) };
        let is_regex = self.use_regex.as_deref() == Some("true");
        let pattern = if is_regex { name.to_owned() } else { regex::escape(name) };
        let pattern = RegexBuilder::new(&pattern).case_insensitive(true).build();
        let pattern = pattern.map_err(|error| bad_request("bad_request", &format!("not a pattern: {error}")))?;
        items.retain(|item| item.get("name").and_then(Value::as_str).is_some_and(|name| pattern.is_match(name)));
        Ok(())
    }

    /// The columns that are asked for; everything if none are.
    pub(super) fn choose(&self, item: Object) -> Value {
        let Some(columns) = &self.columns else { return item.into() };
        let mut chosen = Object::new();
        for column in columns.split(',') {
            if let Some(value) = find(&item, column) {
                put(&mut chosen, column, value.clone());
            }
        }
        chosen.into()
    }
}

fn find<'a>(object: &'a Object, path: &str) -> Option<&'a Value> {
    match path.split_once('.') {
        None => object.get(path),
        Some((first, rest)) => find(object.get(first)?.as_object()?, rest),
    }
}

fn put(object: &mut Object, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            object.insert(path.to_owned(), value);
        }
        Some((first, rest)) => {
            if let Value::Object(inner) = object.entry(first).or_insert_with(|| Object::new().into()) {
                put(inner, rest, value);
            }
        }
    }
}

/// What is not there comes first, then numbers, then the rest by its text.
fn by_kind(one: Option<&Value>, other: Option<&Value>) -> Ordering {
    let rank = |value: Option<&Value>| match value {
        None => 0,
        Some(Value::Number(_)) => 1,
        Some(_) => 2,
    };
    let text = |value: Option<&Value>| match value {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => String::new(),
    };
    match (one.and_then(Value::as_f64), other.and_then(Value::as_f64)) {
        (Some(one), Some(other)) => one.total_cmp(&other),
        _ => rank(one).cmp(&rank(other)).then_with(|| text(one).cmp(&text(other))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::json::object;
    use super::*;

    fn items() -> Vec<Object> {
        let item = |name: &str, messages: u64| object(json!({ "name": name, "stats": { "messages": messages } }));
        vec![item("b.one", 10), item("A", 9), item("c", 100), object(json!({ "name": "bare" }))]
    }

    fn listing(text: &str) -> Listing {
        axum::extract::Query::try_from_uri(&format!("/?{text}").parse().unwrap()).unwrap().0
    }

    fn names(list: &Value) -> Vec<&str> {
        list.as_array().unwrap().iter().filter_map(|item| item["name"].as_str()).collect()
    }

    #[test]
    fn a_list_is_sorted_by_a_path_as_numbers() {
        let list = listing("sort=stats.messages&sort_reverse=true").apply(items()).unwrap();
        assert_eq!(names(&list), ["c", "b.one", "A", "bare"]);
    }

    #[test]
    fn columns_are_chosen_by_path_and_what_is_not_there_is_left_out() {
        let list = listing("columns=name,stats.messages,nosuch").apply(items()).unwrap();
        assert_eq!(list[0], json!({ "name": "b.one", "stats": { "messages": 10 } }));
        assert_eq!(list[3], json!({ "name": "bare" }));
    }

    #[test]
    fn a_page_says_how_much_more_there_is() {
        let page = listing("page=2&page_size=1&name=B&columns=name").apply(items()).unwrap();
        let expected = json!({
            "filtered_count": 2, "item_count": 1, "items": [{ "name": "bare" }], "page": 2, "page_count": 2,
            "page_size": 1, "total_count": 4,
        });
        assert_eq!(page, expected);
        let none = listing("page=1&name=zzz").apply(items()).unwrap();
        assert_eq!((&none["item_count"], &none["page_count"]), (&json!(0), &json!(1)));
    }

    #[test]
    fn a_point_is_a_pattern_only_if_patterns_are_asked_for() {
        let count = |text| listing(text).apply(items()).unwrap()["filtered_count"].clone();
        assert_eq!(count("page=1&name=."), json!(1));
        assert_eq!(count("page=1&name=.&use_regex=true"), json!(4));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for wrong in ["page=0", "page=x", "page=1&page_size=501", "page=3&page_size=2", "page=1&name=(&use_regex=true"]
        {
            assert_eq!(listing(wrong).apply(items()).unwrap_err().status(), StatusCode::BAD_REQUEST, "{wrong}");
        }
    }
}
