//! Alerts and what is known of models: globs that are none, and keys that exclude each other.

use super::Checker;
use super::problem::Problem;
use crate::config::raw;
use crate::statelog::record::{About, AlertRule, Alerting, BaselineChoice};

/// The longest name of an owner in bytes: it becomes a label.
const OWNER_BYTES_MAX: usize = 128;

impl Checker {
    pub(super) fn alerts(&mut self, raw: raw::Alerts, about: Vec<raw::About>) -> Alerting {
        let baseline = BaselineChoice::ALL
            .into_iter()
            .find(|choice| choice.as_str() == raw.baseline);
        let rules = raw.rule.into_iter().enumerate();
        let about = about.into_iter().enumerate();
        Alerting {
            false_alarms_per_month: raw.false_alarms_per_month,
            min_psi: raw.min_psi,
            baseline: baseline.unwrap_or(BaselineChoice::Auto),
            rules: rules.map(|(i, rule)| self.rule(i, rule)).collect(),
            about: about.map(|(i, about)| self.about(i, about)).collect(),
        }
    }

    fn rule(&mut self, index: usize, raw: raw::AlertRule) -> AlertRule {
        let path = format!("alerts.rule[{index}]");
        self.globs(&format!("{path}.model"), std::slice::from_ref(&raw.model));
        self.globs(&format!("{path}.series"), raw.series.as_slice());
        if raw.series.is_some() && raw.false_alarms_per_month.is_some() {
            let key = format!("{path}.false_alarms_per_month");
            let hint = "leave out `series`: a budget is of a whole model";
            let what = "cannot stand beside `series`";
            self.report(Problem::new(key, what).hint(hint));
        }
        AlertRule {
            model: raw.model,
            series: raw.series,
            off: raw.off,
            min_psi: raw.min_psi,
            false_alarms_per_month: raw.false_alarms_per_month,
        }
    }

    fn about(&mut self, index: usize, raw: raw::About) -> About {
        let path = format!("models.about[{index}]");
        self.globs(&format!("{path}.model"), std::slice::from_ref(&raw.model));
        let bytes = raw.owner.as_ref().map_or(0, String::len);
        if bytes > OWNER_BYTES_MAX {
            let what = format!("has {bytes} bytes, more than {OWNER_BYTES_MAX}");
            self.report(Problem::new(format!("{path}.owner"), what));
        }
        About {
            model: raw.model,
            owner: raw.owner,
            importances: raw.importances,
        }
    }
}
