//! What the operator said of alerts and models: a part of [`super::Configuration`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Budgets, what matters, and whose model it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alerting {
    /// False alarms that a model may cost in 30 days.
    pub false_alarms_per_month: f64,
    /// The smallest effect that matters, in units of PSI.
    pub min_psi: f64,
    /// With which hours of the reference a window is compared.
    pub baseline: BaselineChoice,
    /// What holds for some models or series only; later ones overrule earlier ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<AlertRule>,
    /// What is known of models; later ones overrule earlier ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub about: Vec<About>,
}

/// One false alarm a month, everything else as it comes.
impl Default for Alerting {
    fn default() -> Self {
        Self {
            false_alarms_per_month: 1.0,
            min_psi: 0.009,
            baseline: BaselineChoice::Auto,
            rules: Vec::new(),
            about: Vec::new(),
        }
    }
}

/// With which hours of the reference a window is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BaselineChoice {
    /// Working days and weekends by the hour where the reference has two weeks, else all.
    Auto,
    /// With all of them.
    Global,
    /// With those of the same hour of the day.
    HourOfDay,
    /// With those of the same hour, weekends apart.
    HourOfDayWeekend,
}

impl BaselineChoice {
    /// All choices.
    pub const ALL: [Self; 4] = [
        Self::Auto,
        Self::Global,
        Self::HourOfDay,
        Self::HourOfDayWeekend,
    ];

    /// The name used in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Global => "global",
            Self::HourOfDay => "hour_of_day",
            Self::HourOfDayWeekend => "hour_of_day_weekend",
        }
    }
}

/// What holds for some models or series only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertRule {
    /// A glob of models.
    pub model: String,
    /// A glob of series; without one the rule is of the model as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<String>,
    /// Not judged, and not charged to the budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub off: Option<bool>,
    /// Another smallest effect that matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_psi: Option<f64>,
    /// Another budget; only of models as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub false_alarms_per_month: Option<f64>,
}

/// What is known of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// A glob of models.
    pub model: String,
    /// Who answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// How much each feature matters to it, by the name of its series; others count as 1.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub importances: BTreeMap<String, f64>,
}
