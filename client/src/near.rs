//! Near names, for whoever mistyped one.

use warren_proto::registry;

/// Most names that a hint offers.
const OFFERED: usize = 3;

/// How alike two names must be, from 0 to 1, to be offered first.
const ALIKE: f64 = 0.75;

/// Known methods whose names are near to `name`, the nearest first: those that are alike, or else the three nearest.
pub(crate) fn methods(name: &str) -> Vec<&'static str> {
    let mut near: Vec<_> =
        registry::methods().iter().map(|method| (likeness(name, method.name), method.name)).collect();
    near.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    let offered = match near.iter().filter(|(likeness, _)| *likeness >= ALIKE).count() {
        0 => OFFERED,
        alike => alike.min(OFFERED),
    };
    near.into_iter().take(offered).map(|(_, name)| name).collect()
}

/// How alike two method names are: as a whole, or in the part behind the dot where that part is the same.
fn likeness(name: &str, known: &str) -> f64 {
    let whole = strsim::normalized_damerau_levenshtein(name, known);
    let part = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    let same_part = !part(name).is_empty() && part(name) == part(known);
    if same_part { whole.max(0.8) } else { whole }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_its_method() {
        assert_eq!(methods("calculator.summ")[0], "calculator.sum");
        assert_eq!(methods("scorebord.compute")[0], "scoreboard.compute");
        assert!(methods("certificate.verify").contains(&"certificates.verify"));
        assert_eq!(methods("nosuch.method").len(), OFFERED);
    }
}
