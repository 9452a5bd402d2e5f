//! Places on a board: 1, 2, 2, 4.

/// The order of rows and their ranks: pairs of a row's index and its rank, first row first.
///
/// The least standing comes first. Equal standings share a rank, which counts all rows before them; among themselves
/// they stand by `id`.
pub(crate) fn rank<'a, Standing: Ord>(standings: &[Standing], id: impl Fn(usize) -> &'a str) -> Vec<(usize, u32)> {
    let mut order: Vec<usize> = (0..standings.len()).collect();
    order.sort_unstable_by(|&a, &b| standings[a].cmp(&standings[b]).then_with(|| id(a).cmp(id(b))));

    let mut ranked: Vec<(usize, u32)> = Vec::with_capacity(order.len());
    for (rows_before, row) in (0..).zip(order) {
        let rank = match ranked.last() {
            Some(&(above, rank)) if standings[above] == standings[row] => rank,
            _ => rows_before + 1,
        };
        ranked.push((row, rank));
    }
    ranked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_share_a_rank_and_stand_by_id() {
        let ids = ["d", "c", "b", "a"];
        let ranked = rank(&[30, 20, 20, 10], |row| ids[row]);
        assert_eq!(ranked, [(3, 1), (2, 2), (1, 2), (0, 4)]);
    }

    #[test]
    fn nobody_makes_no_ranks() {
        assert_eq!(rank(&[0; 0], |_| ""), []);
    }
}
