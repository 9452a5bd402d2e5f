//! Any JSON value, for people.

use comfy_table::{ContentArrangement, Table, presets::UTF8_BORDERS_ONLY};
use serde_json::{Map, Value};

/// A table without data.
pub(super) fn empty_table() -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table
}

/// One line per item of a list; a scalar as it is; anything else as one line of JSON.
pub(super) fn lines(value: &Value) -> String {
    match value {
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join("\n"),
        value => cell(value),
    }
}

/// Tables for objects and lists of objects, lines for the rest.
pub(super) fn table(value: &Value) -> String {
    match value {
        Value::Object(fields) => object(fields),
        Value::Array(items) if !items.is_empty() && items.iter().all(Value::is_object) => list(items),
        value => lines(value),
    }
}

/// Scalars first, then a table for each list of objects.
fn object(fields: &Map<String, Value>) -> String {
    let is_list = |value: &Value| matches!(value, Value::Array(items) if items.iter().any(Value::is_object));
    let mut scalars = empty_table();
    for (key, value) in fields.iter().filter(|(_, value)| !is_list(value)) {
        scalars.add_row([key.clone(), cell(value)]);
    }
    let mut parts = Vec::new();
    if scalars.row_count() > 0 {
        parts.push(scalars.to_string());
    }
    for (key, value) in fields.iter().filter(|(_, value)| is_list(value)) {
        parts.push(format!("{key}:\n{}", table(value)));
    }
    parts.join("\n")
}

fn list(items: &[Value]) -> String {
    let mut columns: Vec<&String> = Vec::new();
    for key in items.iter().filter_map(Value::as_object).flat_map(Map::keys) {
        if !columns.contains(&key) {
            columns.push(key);
        }
    }
    let mut table = empty_table();
    table.set_header(columns.iter().map(|column| column.as_str()));
    for item in items {
        table.add_row(columns.iter().map(|column| item.get(column.as_str()).map(cell).unwrap_or_default()));
    }
    table.to_string()
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pipe_gets_one_line_per_item() {
        assert_eq!(lines(&json!(5)), "5");
        assert_eq!(lines(&json!("São Paulo")), "São Paulo");
        assert_eq!(lines(&json!(["a", {"b": 1}])), "a\n{\"b\":1}");
        assert_eq!(lines(&json!({"idade": 22})), "{\"idade\":22}");
    }

    #[test]
    fn a_terminal_gets_tables() {
        let drawn = table(&json!({"contest": "c", "rows": [{"rank": 1, "who": "ana"}, {"rank": 2, "name": "bo"}]}));
        for part in ["contest", "rows:", "rank", "who", "name", "ana", "bo"] {
            assert!(drawn.contains(part), "{part} is missing in\n{drawn}");
        }
    }
}
