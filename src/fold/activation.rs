//! How a reference becomes active, and its layout with it.

use std::sync::Arc;

use super::model::References;
use super::{Effect, Fold};
use crate::delta::LayoutId;
use crate::key::ModelKey;
use crate::layout::Digest;
use crate::reference::{Reference, ReferenceRole, artifact};

impl Fold {
    pub(super) fn activate(
        &mut self,
        key: &ModelKey,
        (artifact, natural): (&[u8], &[u8]),
        effects: &mut Vec<Effect>,
    ) {
        let refuse = |digest, reason: String| Effect::Refused {
            key: key.clone(),
            digest,
            reason,
        };
        let reference = match artifact::with_natural(artifact, natural) {
            Ok(reference) => Arc::new(reference),
            Err(error) => return effects.push(refuse(None, error.to_string())),
        };
        let (role, digest) = (reference.header.role, reference.digest());
        let layout = reference.layout.digest();
        let none = || (LayoutId::UNIVERSAL, References::default());
        let (_, references) = self.active.entry(key.clone()).or_insert_with(none);
        if references
            .of(role)
            .is_some_and(|active| active.is_same(&reference))
        {
            return effects.push(Effect::Activated {
                key: key.clone(),
                role,
                digest,
                layout,
                is_new: false,
            });
        }
        let differs = |other: &Arc<Reference>| other.layout.digest() != layout;
        match role {
            ReferenceRole::Training => {
                references.baseline.take_if(|baseline| differs(baseline));
                references.training = Some(reference);
            }
            ReferenceRole::Baseline if references.training.as_ref().is_some_and(differs) => {
                return effects.push(refuse(
                    Some(digest),
                    "its layout is not that of the training reference: build it with \
                     --layout-from the training reference"
                        .to_owned(),
                ));
            }
            ReferenceRole::Baseline => references.baseline = Some(reference),
        }
        self.use_layout(key, layout);
        effects.push(Effect::Activated {
            key: key.clone(),
            role,
            digest,
            layout,
            is_new: true,
        });
        effects.push(Effect::Layouts);
    }

    /// Counts the rows of a model version in this layout from here on.
    fn use_layout(&mut self, key: &ModelKey, layout: Digest) {
        let next = u32::try_from(self.layout_ids.len() + 1).unwrap_or(u32::MAX);
        let id = *self.layout_ids.entry(layout).or_insert(LayoutId(next));
        if let Some((active, _)) = self.active.get_mut(key) {
            *active = id;
        }
        let references = self
            .active
            .get(key)
            .map(|(_, references)| references.clone());
        let (Some(model), Some(references)) = (self.admit(key), references) else {
            return;
        };
        Arc::make_mut(model).take_layout(id, references);
    }
}
