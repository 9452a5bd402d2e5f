//! Field tables, looked at without recursion or a copy: whether one can be read, how deep it nests (the codec recurses
//! into tables, so that a hostile one could overflow the stack), and whether it names more routing keys.

/// Deeper than anything that is not an attack.
const DEPTH_MAX: usize = 64;

/// What a table is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    Plain,
    /// It has `CC` or `BCC`: more routing keys, if it is a message's headers.
    Copies,
    /// It cannot be read to its end.
    Malformed,
    /// It nests deeper than [`DEPTH_MAX`].
    TooDeep,
}

/// Looks through a table, given without its length field.
pub(crate) fn scan(table: &[u8]) -> Table {
    let mut level = Level { end: table.len(), has_keys: true };
    let mut outer = Vec::new();
    let mut at = 0;
    let mut copies = false;
    loop {
        if at >= level.end {
            match outer.pop() {
                _ if at > level.end => return Table::Malformed,
                Some(around) => level = around,
                None => break,
            }
            continue;
        }
        let (end, mut kind_at) = (level.end, at);
        if level.has_keys {
            kind_at += 1 + usize::from(table[at]);
            copies |= outer.is_empty() && matches!(table.get(at + 1..kind_at), Some(b"CC" | b"BCC"));
        }
        let Some(kind) = table[..end].get(kind_at) else { return Table::Malformed };
        at = kind_at + 1;
        match kind {
            b'V' => {}
            b't' | b'b' | b'B' => at += 1,
            b's' | b'U' | b'u' => at += 2,
            b'I' | b'i' | b'f' => at += 4,
            b'L' | b'l' | b'd' | b'T' => at += 8,
            b'D' => at += 5,
            b'S' | b'x' | b'A' | b'F' => {
                let length = table[..end].get(at..).and_then(<[u8]>::first_chunk::<4>);
                let Some(length) = length else { return Table::Malformed };
                at += 4;
                let inner_end = at + u32::from_be_bytes(*length) as usize;
                if inner_end > end {
                    return Table::Malformed;
                }
                if matches!(kind, b'A' | b'F') {
                    outer.push(std::mem::replace(&mut level, Level { end: inner_end, has_keys: *kind == b'F' }));
                } else {
                    at = inner_end;
                }
            }
            _ => return Table::Malformed,
        }
        if outer.len() >= DEPTH_MAX {
            return Table::TooDeep;
        }
    }
    if copies { Table::Copies } else { Table::Plain }
}

/// Whether a table, given without its length field, nests too deep for the codec. A malformed one is left to the codec
/// from where it is wrong.
pub(crate) fn too_deep(table: &[u8]) -> bool {
    scan(table) == Table::TooDeep
}

struct Level {
    end: usize,
    has_keys: bool,
}

/// As [`too_deep`], of the table in a method's payload, if that method has one.
pub(crate) fn method_too_deep(payload: &[u8]) -> bool {
    method_table(payload).is_some_and(too_deep)
}

/// The arguments of a method: after so many bytes, so many short strings, and so many bytes of flags.
fn method_table(payload: &[u8]) -> Option<&[u8]> {
    let (class_and_method, fields) = payload.split_first_chunk::<4>()?;
    let [_, class, _, method] = *class_and_method;
    let (before, strings, after) = match (class, method) {
        (10, 11) => (0, 0, 0),
        (40, 10) => (2, 2, 1),
        (40, 30 | 40) | (50, 20) => (2, 3, 1),
        (50, 50) => (2, 3, 0),
        (50, 10) => (2, 1, 1),
        (60, 20) => (2, 2, 1),
        _ => return None,
    };
    let mut at = before;
    for _ in 0..strings {
        at += 1 + usize::from(*fields.get(at)?);
    }
    fields.get(at + after + 4..)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table_of_depth(depth: usize) -> Vec<u8> {
        let mut value = vec![b't', 1];
        for _ in 0..depth {
            let mut outer = vec![b'A'];
            outer.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
            outer.append(&mut value);
            value = outer;
        }
        [vec![1, b'k'], value].concat()
    }

    #[test]
    fn deep_nesting_is_found_and_ordinary_nesting_is_not() {
        assert!(too_deep(&table_of_depth(20_000)));
        assert!(!too_deep(&table_of_depth(10)));
        assert!(!too_deep(&[]));
    }

    #[test]
    fn what_looks_like_a_level_inside_a_string_hides_nothing() {
        let mut table = vec![1, b's', b'S', 0, 0, 0, 5, b'A', 0, 0, 0, 40];
        table.extend(table_of_depth(100));
        assert!(too_deep(&table));
    }

    #[test]
    fn a_table_is_told_by_what_it_holds() {
        assert_eq!(scan(&[1, b'k', b't', 1]), Table::Plain);
        assert_eq!(scan(&[2, b'C', b'C', b'A', 0, 0, 0, 0]), Table::Copies);
        assert_eq!(scan(&[3, b'B', b'C', b'C', b't', 1]), Table::Copies);
        // Only a header's own name counts.
        assert_eq!(scan(&[1, b'k', b'F', 0, 0, 0, 5, 2, b'C', b'C', b't', 1]), Table::Plain);
        for cut in [&[1][..], &[1, b'k'], &[1, b'k', b's', 0], &[1, b'k', b'S', 0, 0, 0, 9, b'x'], &[1, b'k', b'?']] {
            assert_eq!(scan(cut), Table::Malformed, "{cut:?}");
        }
        // A value that is longer than the table around it.
        assert_eq!(scan(&[1, b'k', b'A', 0, 0, 0, 2, b's', 0, 1, b'l', b't', 1]), Table::Malformed);
    }

    #[test]
    fn the_table_of_a_queue_declare_is_found() {
        let table = table_of_depth(100);
        let mut payload = vec![0, 50, 0, 10, 0, 0, 1, b'q', 0];
        payload.extend(u32::try_from(table.len()).unwrap().to_be_bytes());
        payload.extend(table);
        assert!(method_too_deep(&payload));
    }
}
