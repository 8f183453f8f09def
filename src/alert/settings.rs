//! What the operator said of alerts: budgets, effects that matter, and what is off, by globs.

use std::sync::Arc;

use globset::{Glob, GlobMatcher};

use crate::key::ModelKey;
use crate::layout::Layout;
use crate::reference::Reference;
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

    /// How much each series of a reference matters, in the order of its layout: what was said here
    /// goes before what the reference says.
    pub fn importances(&self, reference: &Reference) -> Vec<f64> {
        let of = |name: &str| {
            let about = self.about.iter().map(|about| &about.importances);
            let mut said = [&reference.header.importances]
                .into_iter()
                .chain(about)
                .filter_map(|importances| importances.get(name));
            said.next_back().copied().unwrap_or(1.0)
        };
        let layout = &reference.layout;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::scene::{Rows, Scene, config, hour, key, reference};
    use crate::decode::Value;
    use crate::key::{Carried, Carrier, Role};

    /// What a reference in the log says of importances holds for whoever reads the log, unless the
    /// configuration, which is in the log too, says otherwise of a series.
    #[test]
    fn importances_are_the_reference_s_unless_the_configuration_says_otherwise() {
        let fields = ["x", "y", "z"].map(|name| (Role::Feature, name, Value::Number(1.0)));
        let mut reference = reference("1", &fields, [1_000, 0, 0, 0]);
        let importances = [("x".to_owned(), 0.5), ("y".to_owned(), 3.0)];
        reference.header.importances = importances.into();
        let mut config = config();
        config.alerts.about = vec![About {
            model: "m*".to_owned(),
            owner: None,
            importances: [("y".to_owned(), 0.0)].into(),
        }];
        let mut scene = Scene::new(config);
        scene.activate(hour(0), &reference);
        let rows = Rows {
            version: "1",
            count: 10,
            carried: Carried::NONE.with(Carrier::Features),
            fields: &fields,
        };
        scene.hour(1, &[rows]);
        let of_series = |scene: &Scene| scene.board().judges[&key("1")].importances.clone();
        assert_eq!(of_series(&scene), [0.5, 0.0, 1.0]);
        // the same counts with other importances are another reference
        reference.header.importances = [("z".to_owned(), 2.0)].into();
        scene.activate(hour(1), &reference);
        scene.pass(2);
        assert_eq!(of_series(&scene), [1.0, 0.0, 2.0]);
    }
}
