//! How a reference becomes active, and its layout with it.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::model::References;
use super::projection::project;
use super::{Effect, Fold};
use crate::delta::{LayoutId, ModelDelta};
use crate::key::ModelKey;
use crate::layout::Digest;
use crate::reference::{Reference, ReferenceRole, artifact};

/// What a model version is compared with and counted in.
#[derive(Debug, Clone)]
pub(super) struct Active {
    /// The layout that its references share.
    pub(super) layout: LayoutId,
    /// Its references.
    pub(super) references: References,
    /// Whether it learned its reference itself.
    pub(super) learned: bool,
    /// Whether the layout is a learned one, so that what is counted without a layout projects
    /// exactly.
    pub(super) projects: bool,
    /// Whether an operator asked for a baseline of it.
    pub(super) asked: bool,
}

impl Active {
    fn none() -> Self {
        Self {
            layout: LayoutId::UNIVERSAL,
            references: References::default(),
            learned: false,
            projects: false,
            asked: false,
        }
    }

    /// A delta that knew nothing of the layout in force, where that can be made good.
    pub(super) fn projected(&self, delta: &ModelDelta) -> Option<ModelDelta> {
        let is_behind = self.projects && delta.layout == LayoutId::UNIVERSAL;
        let reference = self.references.iter().next().filter(|_| is_behind)?;
        Some(project(delta, self.layout, &reference.layout))
    }
}

/// A layout's short name, and whether any model version brought it from outside.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Named {
    id: LayoutId,
    learned: bool,
}

impl Fold {
    pub(super) fn activate(
        &mut self,
        key: &ModelKey,
        (artifact, natural): (&[u8], &[u8]),
        effects: &mut Vec<Effect>,
    ) {
        match artifact::with_natural(artifact, natural) {
            Ok(reference) => self.bring(key, &Arc::new(reference), effects),
            Err(error) => effects.push(Effect::Refused {
                key: key.clone(),
                digest: None,
                reason: error.to_string(),
            }),
        }
    }

    /// Makes a reference from outside active, in place of a learned one and of that of its role.
    pub(super) fn bring(
        &mut self,
        key: &ModelKey,
        reference: &Arc<Reference>,
        effects: &mut Vec<Effect>,
    ) {
        let (role, layout) = (reference.header.role, reference.layout.digest());
        let active = self.active.entry(key.clone()).or_insert_with(Active::none);
        let is_same = |active: &Arc<Reference>| active.is_same(reference);
        let is_known = active.references.of(role).is_some_and(is_same);
        if is_known && !active.learned {
            return effects.push(self.activated(key, reference, false));
        }
        let differs = |other: &Arc<Reference>| other.layout.digest() != layout;
        let training = active.references.training.as_ref();
        if role == ReferenceRole::Baseline && training.is_some_and(differs) {
            return effects.push(Effect::Refused {
                key: key.clone(),
                digest: Some(reference.digest()),
                reason: "its layout is not that of the training reference: build it with \
                         --layout-from the training reference"
                    .to_owned(),
            });
        }
        let stays = active.references.iter().any(|other| !differs(other));
        active.projects = reference.header.learned || (active.projects && stays);
        if std::mem::take(&mut active.learned) {
            active.references = References::default();
        }
        match role {
            ReferenceRole::Training => {
                active.references.baseline.take_if(|other| differs(other));
                active.references.training = Some(Arc::clone(reference));
            }
            ReferenceRole::Baseline => active.references.baseline = Some(Arc::clone(reference)),
        }
        self.use_layout(key, layout);
        effects.push(self.activated(key, reference, true));
        effects.push(Effect::Layouts);
    }

    /// What is to be told of an active reference.
    pub(super) fn activated(&self, key: &ModelKey, reference: &Reference, is_new: bool) -> Effect {
        Effect::Activated {
            key: key.clone(),
            role: reference.header.role,
            digest: reference.digest(),
            layout: reference.layout.digest(),
            learned: self.active.get(key).is_some_and(|active| active.learned),
            is_new,
        }
    }

    /// Counts the rows of a model version in this layout from here on; it learns no more.
    fn use_layout(&mut self, key: &ModelKey, layout: Digest) {
        let id = self.layout_id(layout, false);
        self.growth.remove(key);
        let Some(active) = self.active.get_mut(key) else {
            return;
        };
        active.layout = id;
        let active = active.clone();
        if self.enroll(key)
            && let Some(model) = self.counted(key)
        {
            Arc::make_mut(model).take(&active);
        }
        self.forget_layouts();
    }

    /// Keeps the layout of a model version that an operator asked for a baseline of.
    pub(super) fn ask(&mut self, key: &ModelKey) {
        let Some(active) = self.active.get_mut(key) else {
            return;
        };
        active.asked = true;
        let layout = active.references.iter().next();
        if let Some(layout) = layout.map(|one| one.layout.digest()) {
            self.layout_id(layout, false);
        }
    }

    /// The short name of a layout: that which it has, or the next one.
    pub(super) fn layout_id(&mut self, layout: Digest, learned: bool) -> LayoutId {
        let next = LayoutId(self.layouts_named.saturating_add(1));
        let named = Named { id: next, learned };
        let named = self.layout_ids.entry(layout).or_insert(named);
        named.learned &= learned;
        if named.id == next {
            self.layouts_named = next.0;
        }
        named.id
    }

    /// Forgets the names of learned layouts that nothing is counted in any more. Those from outside
    /// are as many as operators make, these as many as strangers make models.
    pub(super) fn forget_layouts(&mut self) {
        let used: BTreeSet<LayoutId> = self.active.values().map(|active| active.layout).collect();
        self.layout_ids
            .retain(|_, named| !named.learned || used.contains(&named.id));
    }
}
