//! From a statistic to a verdict.
//!
//! ```text
//! p0 = P(chi2_df > T)                          if p0 > the resolve level: quiet, p >= p0
//! p  = P(chi2_df + nu t_K^2 > T)               nu = df n_h tau kappa
//! p <= alpha and psi >= min_psi                drift
//! p <= alpha and psi <  min_psi                small: certain, and too little to matter
//! otherwise                                    quiet
//! nothing learned yet                          drift only if p0 <= alpha and psi >= 0.25, in
//!                                              windows of at least a day
//! ```
//!
//! An alert that fires is over when p exceeds the resolve level, `max(0.01, 1000 alpha)` within
//! 0.01 and 0.5, for as long as the window is.

use super::compare::Compared;
use super::{Severity, Test};
use crate::reference::natural;
use crate::stats::{self, Natural};
use crate::time::Length;

/// While nothing is known of natural variation, only an effect of this size fires.
pub const LEARNING_PSI_MIN: f64 = 0.25;

/// And only in windows of this length or longer: the time of day moves shorter ones by as much, and
/// a change that matters at once, such as values that vanish, fills a fourth of a day soon.
pub const LEARNING_WINDOW_MIN: Length = Length::DAY;

/// What a series of judgements is made by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// The level of one test.
    pub alpha: f64,
    /// The smallest effect that matters, in units of PSI.
    pub min_psi: f64,
    /// The smallest that fires while nothing is known of natural variation; none where nothing
    /// does.
    pub learning_psi: Option<f64>,
}

/// What [`Rule::learning_psi`] is in windows of this length.
pub fn learning_psi(length: Length) -> Option<f64> {
    (length >= LEARNING_WINDOW_MIN).then_some(LEARNING_PSI_MIN)
}

impl Rule {
    /// The p-value above which an alert is over.
    pub fn resolve_level(self) -> f64 {
        (1e3 * self.alpha).clamp(0.01, 0.5)
    }

    /// The p-value above which nothing fires.
    pub fn level(self) -> f64 {
        self.alpha.min(self.resolve_level())
    }
}

/// What became of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Quiet,
    /// Certain, and too small to matter.
    Small,
    /// What alerts are made of.
    Drift,
    /// It might be, but what is natural is not known yet.
    Learning,
}

impl Verdict {
    /// The name used in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Quiet => "quiet",
            Self::Small => "small",
            Self::Drift => "drift",
            Self::Learning => "learning",
        }
    }
}

/// A test and its verdict.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    /// The test.
    pub compared: Compared,
    /// Its p-value; a lower bound of it where that is above the resolve level.
    pub p: f64,
    /// The level it was held against.
    pub alpha: f64,
    /// The size of the difference, in units of PSI; only where p is at most the resolve level.
    pub psi: Option<f64>,
    /// The verdict.
    pub verdict: Verdict,
}

impl Judged {
    /// `log10(alpha / p)` within 300 of 0: at 0 and above the p-value speaks for an alert.
    pub fn evidence(&self) -> f64 {
        let p = self.p.max(f64::MIN_POSITIVE);
        libm::log10(self.alpha.max(f64::MIN_POSITIVE) / p).clamp(-300.0, 300.0)
    }

    /// How bad it is, where it is an alert.
    pub fn severity(&self) -> Severity {
        let severity = Severity::of_psi(self.psi.unwrap_or(0.0));
        match self.compared.test {
            // what the model does not read hurts nobody yet
            Test::Appeared => severity.min(Severity::Warning),
            Test::Volume => Severity::of_collapse(self.psi.unwrap_or(0.0)),
            _ => severity,
        }
    }

    /// Whether p is above the level at which alerts are over.
    pub fn is_over(&self, rule: Rule) -> bool {
        self.p > rule.resolve_level()
    }
}

/// Judges a test; `effect` computes the size of the difference where it is asked for.
pub fn judge(
    compared: Compared,
    learned: Option<natural::Dispersion>,
    rule: Rule,
    effect: impl FnOnce() -> Option<f64>,
) -> Judged {
    let sampled = compared.statistic.p().max(compared.p_least);
    let quiet = |p| Judged {
        compared,
        p,
        alpha: rule.alpha,
        psi: None,
        verdict: Verdict::Quiet,
    };
    if sampled > rule.resolve_level() {
        return quiet(sampled);
    }
    let p = learned.map_or(sampled, |learned| {
        let natural = natural(&compared, learned);
        compared.statistic.p_natural(natural).max(sampled)
    });
    if p > rule.resolve_level() {
        return quiet(p);
    }
    let psi = effect();
    let size = psi.unwrap_or(0.0);
    let verdict = match learned {
        _ if p > rule.alpha => Verdict::Quiet,
        None if rule.learning_psi.is_some_and(|least| size >= least) => Verdict::Drift,
        None => Verdict::Learning,
        Some(_) if size >= rule.min_psi => Verdict::Drift,
        Some(_) => Verdict::Small,
    };
    Judged {
        psi,
        verdict,
        ..quiet(p)
    }
}

/// Whether [`judge`] finds drift: the same answer, with what costs least asked first.
pub fn fires(
    compared: &Compared,
    learned: Option<natural::Dispersion>,
    rule: Rule,
    effect: impl FnOnce() -> Option<f64>,
) -> bool {
    let level = rule.level();
    let size_min = match learned {
        Some(_) => Some(rule.min_psi),
        None => rule.learning_psi,
    };
    let Some(size_min) = size_min.filter(|_| compared.p_least <= level) else {
        return false;
    };
    let statistic = compared.statistic;
    statistic.p() <= level
        && effect().unwrap_or(0.0) >= size_min
        && learned
            .is_none_or(|learned| statistic.is_natural_at_most(natural(compared, learned), level))
}

/// Whether a window has rows enough to have seen a difference of this size with a test.
pub fn sees(judged: &Judged, learned: Option<natural::Dispersion>, rule: Rule, psi: f64) -> bool {
    let compared = Compared {
        statistic: stats::ChiSquared {
            value: real(judged.compared.statistic.df) + judged.compared.harmonic_rows * psi,
            ..judged.compared.statistic
        },
        p_least: 0.0,
        ..judged.compared
    };
    let level = rule.resolve_level();
    compared.statistic.p() <= level
        && learned.is_none_or(|learned| {
            let natural = natural(&compared, learned);
            compared.statistic.is_natural_at_most(natural, level)
        })
}

/// What is natural, on the scale of the statistic.
pub fn natural(compared: &Compared, learned: natural::Dispersion) -> Natural {
    let natural_psi = learned.tau * real(compared.statistic.df);
    Natural {
        nu: natural_psi * compared.harmonic_rows * compared.kappa,
        tail_df: learned.tail_df,
    }
}

/// The PSI at which a test of so many bins would fire: the line to draw on a chart. To first order,
/// as a statistic is `n_h` times the PSI.
pub fn line_psi(compared: &Compared, learned: Option<natural::Dispersion>, rule: Rule) -> f64 {
    let natural = learned.map_or(Natural::NONE, |learned| natural(compared, learned));
    let critical = stats::ChiSquared::critical_value(rule.alpha, compared.statistic.df, natural);
    (critical / compared.harmonic_rows.max(1.0)).max(rule.min_psi)
}

/// Whether a test would be certain enough to fire at this PSI: whether [`line_psi`] is at most
/// that, but for [`Rule::min_psi`].
pub fn is_certain(
    compared: &Compared,
    learned: Option<natural::Dispersion>,
    rule: Rule,
    psi: f64,
) -> bool {
    let statistic = stats::ChiSquared {
        value: psi * compared.harmonic_rows.max(1.0),
        ..compared.statistic
    };
    let natural = learned.map_or(Natural::NONE, |learned| natural(compared, learned));
    statistic.is_natural_at_most(natural, rule.alpha)
}

#[expect(clippy::cast_precision_loss, reason = "there are few bins")]
fn real(df: usize) -> f64 {
    df as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::ChiSquared;

    const RULE: Rule = Rule {
        alpha: 1e-6,
        min_psi: 0.009,
        learning_psi: Some(LEARNING_PSI_MIN),
    };
    const CALM: Option<natural::Dispersion> = Some(natural::Dispersion {
        tau: 0.0,
        tail_df: 16.0,
    });

    fn verdict(value: f64, psi: f64, learned: Option<natural::Dispersion>, rule: Rule) -> Verdict {
        judge(compared(value, 1), learned, rule, || Some(psi)).verdict
    }

    fn compared(value: f64, df: usize) -> Compared {
        Compared {
            test: Test::Location,
            statistic: ChiSquared { value, df },
            harmonic_rows: 1_000.0,
            kappa: 1.0,
            rows: 1_000,
            p_least: 0.0,
        }
    }

    /// Each line of the header: p is 1e-2 at 6.6, 5e-7 at 25 and 2e-10 at 40.
    #[test]
    fn the_table_of_the_header() {
        let wild = Some(natural::Dispersion {
            tau: 0.02,
            tail_df: 16.0,
        });
        let short = Rule {
            learning_psi: learning_psi(Length::HOUR),
            ..RULE
        };
        for (value, psi, learned, rule, expected) in [
            (6.0, 0.5, CALM, RULE, Verdict::Quiet),
            (20.0, 0.5, CALM, RULE, Verdict::Quiet),
            (25.0, 0.009, CALM, RULE, Verdict::Drift),
            (25.0, 0.008, CALM, RULE, Verdict::Small),
            (25.0, 0.5, wild, RULE, Verdict::Quiet),
            (40.0, 0.24, None, RULE, Verdict::Learning),
            (40.0, 0.25, None, RULE, Verdict::Drift),
            // the time of day moves an hour by as much
            (40.0, 0.9, None, short, Verdict::Learning),
            (20.0, 0.9, None, RULE, Verdict::Quiet),
        ] {
            let found = verdict(value, psi, learned, rule);
            assert_eq!(found, expected, "{value} {psi} {learned:?}");
        }
        assert_eq!(learning_psi(Length::DAY), Some(LEARNING_PSI_MIN));
        assert_eq!(learning_psi(Length::HOUR.times(12)), None);
    }

    #[test]
    fn a_test_is_certain_from_its_line_on() {
        let wild = Some(natural::Dispersion {
            tau: 0.02,
            tail_df: 16.0,
        });
        let rule = Rule {
            min_psi: 0.0,
            ..RULE
        };
        for (learned, df) in [(None, 1), (CALM, 14), (wild, 1), (wild, 14)] {
            let compared = compared(0.0, df);
            let line = line_psi(&compared, learned, rule);
            assert!(is_certain(&compared, learned, rule, line * (1.0 + 1e-9)));
            assert!(!is_certain(&compared, learned, rule, line * (1.0 - 1e-9)));
        }
    }

    #[test]
    fn an_alert_is_over_well_above_the_level_that_it_fired_at() {
        for (alpha, level) in [(1e-9, 0.01), (1e-4, 0.1), (0.3, 0.5)] {
            let found = Rule { alpha, ..RULE }.resolve_level();
            assert!((found - level).abs() < 1e-12, "{found} {level}");
        }
    }
}
