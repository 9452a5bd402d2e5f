//! Several measurements of the same thing.

/// Measurements, in any order. Never empty where it is asked for anything.
#[derive(Debug, Clone, Default)]
pub(super) struct Series(Vec<f64>);

impl Series {
    pub(super) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// The middle one; of an even number the lower of the two, so that it is one that was measured.
    pub(super) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
    }

    pub(super) fn least(&self) -> f64 {
        self.0.iter().copied().fold(f64::INFINITY, f64::min)
    }

    pub(super) fn most(&self) -> f64 {
        self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    /// `12.3 (11.0 to 14.2)`, by `format` for each number; without the brackets if there is only one.
    pub(super) fn text(&self, format: impl Fn(f64) -> String) -> String {
        let median = format(self.median());
        if self.0.len() < 2 {
            median
        } else {
            format!("{median} ({} to {})", format(self.least()), format(self.most()))
        }
    }
}

impl FromIterator<f64> for Series {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Series {
        Series(values.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_and_the_range_stands_beside_it() {
        let series: Series = [3.0, 1.0, 2.0].into_iter().collect();
        assert_eq!(series.median(), 2.0);
        assert_eq!(series.text(|value| format!("{value:.0}")), "2 (1 to 3)");
        assert_eq!(Series(vec![7.0]).text(|value| format!("{value:.1}")), "7.0");
        assert!(Series::default().median().is_nan());
    }
}
