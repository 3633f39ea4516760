//! Mapping values to positions.

/// Maps the values of a domain to the positions of a range, linearly or by their logarithm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    kind: ScaleKind,
    domain: (f64, f64),
    range: (f64, f64),
}

/// How a scale spreads values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScaleKind {
    /// Linearly.
    Linear,
    /// By their logarithm. All values must be positive.
    Log,
}

impl Scale {
    /// A scale from a domain to a range. A domain of one value is widened around it.
    pub fn new(kind: ScaleKind, domain: (f64, f64), range: (f64, f64)) -> Self {
        let domain = match (kind, domain) {
            (ScaleKind::Linear, (low, high)) if low >= high => (low - 0.5, low + 0.5),
            (ScaleKind::Log, (low, high)) if low >= high => (low / 2.0, low * 2.0),
            (_, domain) => domain,
        };
        Self { kind, domain, range }
    }

    /// The position of a value.
    pub fn at(&self, value: f64) -> f64 {
        let along = |value: f64| match self.kind {
            ScaleKind::Linear => value,
            ScaleKind::Log => value.ln(),
        };
        let [low, high] = [self.domain.0, self.domain.1].map(along);
        self.range.0 + (along(value) - low) / (high - low) * (self.range.1 - self.range.0)
    }

    /// About `about` round values of the domain, with their labels.
    pub fn ticks(&self, about: usize) -> Vec<(f64, String)> {
        let (low, high) = self.domain;
        let values = match self.kind {
            ScaleKind::Linear => {
                let step = round_step((high - low) / about.max(1) as f64);
                let first = (low / step - 1e-9).ceil() as i64;
                let last = (high / step + 1e-9).floor() as i64;
                let decimals = (-step.log10().floor()).max(0.0) as usize;
                return (first..=last)
                    .map(|place| (place as f64 * step, format!("{:.decimals$}", place as f64 * step)))
                    .collect();
            }
            ScaleKind::Log => {
                let decades = low.log10().floor() as i32..=high.log10().ceil() as i32;
                let within = |multiples: &'static [f64]| -> Vec<f64> {
                    let values =
                        decades.clone().flat_map(|decade| multiples.iter().map(move |m| m * 10f64.powi(decade)));
                    values.filter(|value| (low * (1.0 - 1e-9)..=high * (1.0 + 1e-9)).contains(value)).collect()
                };
                let few = [within(&[1.0]), within(&[1.0, 3.0]), within(&[1.0, 2.0, 5.0])];
                few.into_iter().find(|values| values.len() >= 3).unwrap_or_else(|| within(&[1.0, 2.0, 3.0, 5.0, 7.0]))
            }
        };
        // Rounding to ten digits shows 3·10⁻¹ as 0.3.
        values.into_iter().map(|value| (value, format!("{}", (value * 1e10).round() / 1e10))).collect()
    }
}

/// The smallest step of at least `least` that is 1, 2 or 5 times a power of ten.
fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    let multiple = [1.0, 2.0, 5.0].into_iter().find(|multiple| multiple * power >= least * (1.0 - 1e-9));
    multiple.unwrap_or(10.0) * power
}

/// The lowest and the highest finite value, widened on both sides by `margin` times their distance; `None` without values.
pub fn span(values: impl IntoIterator<Item = f64>, margin: f64) -> Option<(f64, f64)> {
    let finite = values.into_iter().filter(|value| value.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    let more = margin * (high - low);
    (low <= high).then_some((low - more, high + more))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(kind: ScaleKind, domain: (f64, f64), about: usize) -> Vec<String> {
        Scale::new(kind, domain, (0.0, 1.0)).ticks(about).into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn a_range_may_run_backwards() {
        let scale = Scale::new(ScaleKind::Linear, (10.0, 20.0), (100.0, 0.0));
        assert_eq!([10.0, 15.0, 20.0].map(|value| scale.at(value)), [100.0, 50.0, 0.0]);
        let log = Scale::new(ScaleKind::Log, (0.01, 100.0), (0.0, 4.0));
        assert!(
            [(0.01, 0.0), (1.0, 2.0), (10.0, 3.0)]
                .iter()
                .all(|(value, position)| (log.at(*value) - position).abs() < 1e-12)
        );
    }

    #[test]
    fn ticks_are_round_and_within_the_domain() {
        assert_eq!(labels(ScaleKind::Linear, (0.0, 1.0), 5), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(ScaleKind::Linear, (-12.0, 31.0), 4), ["0", "20"]);
        assert_eq!(labels(ScaleKind::Linear, (0.61, 0.64), 3), ["0.61", "0.62", "0.63", "0.64"]);
        assert_eq!(labels(ScaleKind::Log, (0.01, 10.0), 5), ["0.01", "0.1", "1", "10"]);
        assert_eq!(labels(ScaleKind::Log, (0.1, 1.0), 5), ["0.1", "0.3", "1"]);
        assert_eq!(labels(ScaleKind::Log, (1.0, 5.0), 5), ["1", "2", "5"]);
    }

    #[test]
    fn a_domain_of_one_value_is_widened() {
        for kind in [ScaleKind::Linear, ScaleKind::Log] {
            let scale = Scale::new(kind, (3.0, 3.0), (0.0, 10.0));
            assert!((scale.at(3.0) - 5.0).abs() < 1e-9);
            assert!(!scale.ticks(3).is_empty());
        }
        assert_eq!(span([2.0, f64::INFINITY, 4.0], 0.5), Some((1.0, 5.0)));
        assert_eq!(span([f64::NAN], 0.5), None);
    }
}
