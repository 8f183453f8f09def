//! What the operator said of alerts: budgets, effects that matter, and what is off, by globs.

use std::sync::Arc;

use globset::{Glob, GlobMatcher};

use crate::key::ModelKey;
use crate::layout::Layout;
use crate::statelog::record::{About, AlertRule, Alerting};

/// The smallest effect that matters unless said otherwise: a mean shift of about a tenth of a
/// standard deviation.
pub const MIN_PSI: f64 = 0.009;

/// What was said of one series of a model version.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeriesSettings {
    /// Whether it is not to be judged, nor charged to the budget.
    pub is_off: bool,
    /// The smallest effect that matters, in units of PSI.
    pub min_psi: f64,
}

impl Default for SeriesSettings {
    fn default() -> Self {
        Self {
            is_off: false,
            min_psi: MIN_PSI,
        }
    }
}

/// The settings of one model: later rules overrule earlier ones.
#[derive(Debug)]
pub struct Settings<'a> {
    alerting: &'a Alerting,
    /// The rules that are of this model, with the series that they are of.
    rules: Vec<(&'a AlertRule, Option<GlobMatcher>)>,
    about: Vec<&'a About>,
}

impl<'a> Settings<'a> {
    /// Those of a model.
    pub fn new(alerting: &'a Alerting, key: &ModelKey) -> Self {
        let matcher = |glob: &str| Glob::new(glob).ok().map(|glob| glob.compile_matcher());
        let is_of =
            |glob: &str| matcher(glob).is_some_and(|glob| glob.is_match(key.model.as_str()));
        let rules = alerting.rules.iter().filter(|rule| is_of(&rule.model));
        Self {
            alerting,
            rules: rules
                .map(|rule| (rule, rule.series.as_deref().and_then(matcher)))
                .collect(),
            about: alerting
                .about
                .iter()
                .filter(|one| is_of(&one.model))
                .collect(),
        }
    }

    /// Who answers for the model.
    pub fn owner(&self) -> Option<Arc<str>> {
        let mut owners = self.about.iter().filter_map(|about| about.owner.as_deref());
        owners.next_back().map(Arc::from)
    }

    /// How much each series of a layout matters, in its order.
    pub fn importances(&self, layout: &Layout) -> Vec<f64> {
        let of = |name: &str| {
            let mut said = self
                .about
                .iter()
                .filter_map(|about| about.importances.get(name));
            said.next_back().copied().unwrap_or(1.0)
        };
        layout
            .series()
            .iter()
            .map(|series| of(series.name()))
            .collect()
    }

    /// The budget of the model.
    pub fn false_alarms_per_month(&self) -> f64 {
        let of_model = self.rules.iter().filter(|(rule, _)| rule.series.is_none());
        of_model
            .filter_map(|(rule, _)| rule.false_alarms_per_month)
            .next_back()
            .unwrap_or(self.alerting.false_alarms_per_month)
    }

    /// What was said of a series.
    pub fn of_series(&self, name: &str) -> SeriesSettings {
        let mut settings = SeriesSettings {
            is_off: false,
            min_psi: self.alerting.min_psi,
        };
        for (rule, series) in &self.rules {
            let is_of = match (&rule.series, series) {
                (None, _) => true,
                (Some(_), series) => series.as_ref().is_some_and(|glob| glob.is_match(name)),
            };
            if is_of {
                settings.is_off = rule.off.unwrap_or(settings.is_off);
                settings.min_psi = rule.min_psi.unwrap_or(settings.min_psi);
            }
        }
        settings
    }

    /// What was said of each series of a layout, in its order.
    pub fn of_layout(&self, layout: &Layout) -> Vec<SeriesSettings> {
        let series = layout.series().iter();
        series.map(|series| self.of_series(series.name())).collect()
    }
}
