//! What may stand where: messages in `proto`, SQL in a store.

use super::Source;

pub(super) fn violations(source: &Source) -> Vec<String> {
    let path = source.path.to_string_lossy();
    // Tests have messages and tables of their own; the library's documentation has messages as examples.
    if path.contains("tests") || path.starts_with("rpc-core/") || path.starts_with("xtask/") {
        return Vec::new();
    }
    let code = || source.text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
    let found = |what: &str, at: usize| format!("{path}:{}: {what}", at + 1);
    let messages = code()
        .filter(|(_, line)| line.starts_with("impl Method for") || line.starts_with("impl Event for"))
        .filter(|_| !path.starts_with("proto/"))
        .map(|(at, _)| found("a message outside of proto", at));
    let sql = code()
        .filter(|(_, line)| line.contains("sqlx::query") || line.contains("query_as("))
        .filter(|_| !path.contains("store") && !path.starts_with("services/host/"))
        .map(|(at, _)| found("SQL outside of a store", at));
    messages.chain(sql).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str) -> usize {
        violations(&Source { path: path.into(), text: text.to_owned() }).len()
    }

    #[test]
    fn messages_stand_in_proto_and_sql_in_stores() {
        assert_eq!(check("proto/src/a.rs", "impl Method for A {"), 0);
        assert_eq!(check("services/a/src/lib.rs", "impl Method for A {"), 1);
        assert_eq!(check("services/a/src/store/runs.rs", "sqlx::query(TEXT)"), 0);
        assert_eq!(check("services/a/src/lib.rs", "let x = sqlx::query(TEXT);\n// sqlx::query"), 1);
        assert_eq!(check("services/a/tests/a.rs", "impl Method for A {"), 0);
    }
}
