//! The fold as blocks of bytes, and back: what it keeps, and nothing that follows from that.
//!
//! ```text
//! fold --> reference                        one block each
//!      \-> model version --> chunk of panes, day of hours
//!      \-> what a model version learns
//! ```
//!
//! A fold that was read goes on as the one that was written would have; one that is read for
//! another shard goes on as that would have, but for model versions that the written one did not
//! count.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::activation::{Active, Named};
use super::hours::{Day, Hours};
use super::learning::Growth;
use super::model::{ModelState, References};
use super::pane::{Chunk, Panes};
use super::webhooks::Marks;
use super::{Chain, Fold, LimitHits, Need, Topic};
use crate::image::{BlockId, ImageError, Reader, Writer, run};
use crate::key::{ChainKey, ModelKey, Shard};
use crate::layout::Digest;
use crate::reference::{Reference, artifact};
use crate::spill::Spill;
use crate::statelog::record::{Anchor, Configuration, Record};
use crate::time::{Length, Timestamp};

#[derive(Serialize, Deserialize)]
struct FoldText {
    /// A record `configure`.
    #[serde(with = "run")]
    config: Vec<u8>,
    position: u64,
    log_time: Timestamp,
    chains: BTreeMap<ChainKey, Chain>,
    topics: BTreeMap<Arc<str>, Arc<Topic>>,
    accepted: u64,
    superseded: u64,
    limit_hits: LimitHits,
    #[serde(default, skip_serializing_if = "is_empty")]
    webhooks: Arc<Marks>,
    state_bytes: u64,
    watermark: Option<Timestamp>,
    layout_ids: BTreeMap<Digest, Named>,
    layouts_named: u32,
    last_row: Timestamp,
    last_digest: [u8; 32],
    /// Records `anchor`.
    anchors: Vec<Bytes>,
    swept: Timestamp,
    active: Vec<ActiveText>,
    growth: Vec<(ModelKey, BlockId)>,
    models: Vec<BlockId>,
    /// Absent from before there were shards, as are those below.
    #[serde(default)]
    shard: Shard,
    #[serde(default)]
    elsewhere: Vec<(ModelKey, Timestamp)>,
    #[serde(default)]
    growth_bytes: u64,
    #[serde(default)]
    needs: Vec<(Shard, Need)>,
}

fn is_empty(marks: &Arc<Marks>) -> bool {
    marks.is_empty()
}

#[derive(Serialize, Deserialize)]
struct Bytes(#[serde(with = "run")] Vec<u8>);

#[derive(Serialize, Deserialize)]
struct ActiveText {
    key: ModelKey,
    layout: crate::delta::LayoutId,
    training: Option<BlockId>,
    baseline: Option<BlockId>,
    learned: bool,
    projects: bool,
    #[serde(default)]
    asked: bool,
}

#[derive(Serialize, Deserialize)]
struct ReferenceText {
    #[serde(with = "run")]
    artifact: Vec<u8>,
    /// Empty where its hours taught nothing.
    #[serde(with = "run")]
    natural: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct ModelText {
    key: ModelKey,
    learning: bool,
    rows: u64,
    rows_beyond_horizon: u64,
    first_event: Option<Timestamp>,
    last_event: Option<Timestamp>,
    last_seen: Timestamp,
    topics: BTreeSet<Arc<str>>,
    windows: Vec<PanesText>,
    hours: Days,
    /// Of each hour one window of a length below an hour.
    parts: Vec<(Length, Days)>,
    volume: BTreeMap<Timestamp, u64>,
}

/// Days of hours, by start.
type Days = Vec<(Timestamp, BlockId)>;

#[derive(Serialize, Deserialize)]
struct PanesText {
    window: Length,
    forgotten: Timestamp,
    chunks: Vec<(Timestamp, BlockId)>,
}

impl Fold {
    /// The block that names all blocks of the fold.
    pub fn write(&self, writer: &mut Writer<'_>) -> Result<BlockId, ImageError> {
        writer.block(|writer| self.text(writer))
    }

    fn text(&self, writer: &mut Writer<'_>) -> Result<FoldText, ImageError> {
        let mut active = Vec::new();
        for (key, of) in &self.active {
            let References { training, baseline } = &of.references;
            let mut block = |reference: &Option<Arc<Reference>>| {
                let reference = reference.as_ref();
                reference
                    .map(|reference| writer.shared(reference, |_, one| Ok(reference_text(one))))
                    .transpose()
            };
            active.push(ActiveText {
                key: key.clone(),
                layout: of.layout,
                training: block(training)?,
                baseline: block(baseline)?,
                learned: of.learned,
                projects: of.projects,
                asked: of.asked,
            });
        }
        let mut growth = Vec::new();
        for (key, of) in &self.growth {
            growth.push((key.clone(), writer.block(|_| Ok(of))?));
        }
        let mut models = Vec::new();
        for model in self.models.values() {
            models.push(writer.shared(model, |writer, model| model_text(model, writer))?);
        }
        let anchors = self.anchors.iter().map(|anchor| {
            let anchor = Record::Anchor(anchor.clone()).to_bytes();
            anchor.map(Bytes).map_err(unwritable)
        });
        let config = Record::Configure(Box::new((*self.config).clone()));
        Ok(FoldText {
            config: config.to_bytes().map_err(unwritable)?,
            position: self.position,
            log_time: self.log_time,
            chains: self.chains.clone(),
            topics: self.topics.clone(),
            accepted: self.accepted,
            superseded: self.superseded,
            limit_hits: self.limit_hits,
            webhooks: Arc::clone(&self.webhooks),
            state_bytes: self.state_bytes,
            watermark: self.watermark,
            layout_ids: self.layout_ids.clone(),
            layouts_named: self.layouts_named,
            last_row: self.last_row,
            last_digest: self.last_digest,
            anchors: anchors.collect::<Result<_, _>>()?,
            swept: self.swept,
            active,
            growth,
            models,
            shard: self.shard,
            elsewhere: self.elsewhere.clone().into_iter().collect(),
            growth_bytes: self.growth_bytes,
            needs: self.needs.clone().into_iter().collect(),
        })
    }

    /// The fold that a block names, of the models of `shard`, whose packed counts are put there;
    /// whether it was of that shard.
    pub fn read(
        id: BlockId,
        reader: &Reader<'_>,
        shard: Shard,
        spill: &Spill,
    ) -> Result<(Self, bool), ImageError> {
        let text: FoldText = reader.read(id)?;
        let was_here = text.shard == shard;
        let mut fold = Self::of_shard(shard, configuration(&text.config)?);
        fold.spill_to(spill.clone());
        fold.position = text.position;
        fold.log_time = text.log_time;
        fold.chains = text.chains;
        fold.topics = text.topics;
        fold.accepted = text.accepted;
        fold.superseded = text.superseded;
        fold.limit_hits = text.limit_hits;
        fold.webhooks = text.webhooks;
        fold.state_bytes = text.state_bytes;
        fold.growth_bytes = text.growth_bytes;
        fold.needs = text.needs.into_iter().collect();
        fold.elsewhere = text.elsewhere.into_iter().collect();
        fold.watermark = text.watermark;
        fold.layout_ids = text.layout_ids;
        fold.layouts_named = text.layouts_named;
        fold.last_row = text.last_row;
        fold.last_digest = text.last_digest;
        let anchors = text.anchors.iter().map(anchor);
        fold.anchors = anchors.collect::<Result<_, _>>()?;
        fold.swept = text.swept;
        for of in text.active {
            let block = |id: Option<BlockId>| id.map(|id| reference(id, reader)).transpose();
            let active = Active {
                layout: of.layout,
                references: References {
                    training: block(of.training)?,
                    baseline: block(of.baseline)?,
                },
                learned: of.learned,
                projects: of.projects,
                asked: of.asked,
            };
            fold.active.insert(of.key, active);
        }
        for (key, id) in text.growth {
            fold.growth.insert(key, reader.read::<Growth>(id)?);
        }
        for id in text.models {
            let text: ModelText = reader.read(id)?;
            if shard.owns(&text.key.model) {
                let model = model(text, &fold.active, reader, spill)?;
                fold.models.insert(model.key.clone(), Arc::new(model));
            } else {
                fold.elsewhere.insert(text.key, text.last_seen);
            }
        }
        if !was_here {
            fold.begin_anew();
        }
        Ok((fold, was_here))
    }

    /// Lets go of what another shard has counted of its own models.
    fn begin_anew(&mut self) {
        self.limit_hits = LimitHits::default();
        for topic in self.topics.values_mut() {
            let topic = Arc::make_mut(topic);
            (topic.rows_unadmitted, topic.rows_beyond_horizon) = (0, 0);
        }
        self.weigh();
    }
}

fn unwritable<E>(_error: E) -> ImageError {
    ImageError::Value("record")
}

fn configuration(bytes: &[u8]) -> Result<Configuration, ImageError> {
    match Record::from_bytes(bytes) {
        Ok(Record::Configure(config)) => Ok(*config),
        _ => Err(ImageError::Value("configuration")),
    }
}

fn anchor(bytes: &Bytes) -> Result<Anchor, ImageError> {
    match Record::from_bytes(&bytes.0) {
        Ok(Record::Anchor(anchor)) => Ok(anchor),
        _ => Err(ImageError::Value("anchor")),
    }
}

fn reference_text(reference: &Reference) -> ReferenceText {
    let natural = reference.natural.as_ref();
    ReferenceText {
        artifact: artifact::to_bytes(reference),
        natural: natural.map_or_else(Vec::new, |natural| artifact::natural_to_bytes(natural)),
    }
}

fn reference(id: BlockId, reader: &Reader<'_>) -> Result<Arc<Reference>, ImageError> {
    let text: ReferenceText = reader.read(id)?;
    artifact::with_natural(&text.artifact, &text.natural)
        .map(Arc::new)
        .map_err(|_unusable| ImageError::Value("reference"))
}

fn model_text(model: &ModelState, writer: &mut Writer<'_>) -> Result<ModelText, ImageError> {
    let mut windows = Vec::new();
    for panes in &model.windows {
        let mut chunks = Vec::new();
        for (start, chunk) in panes.chunks() {
            let id = writer.shared(chunk, |_, chunk| Ok(chunk.clone()))?;
            chunks.push((*start, id));
        }
        windows.push(PanesText {
            window: panes.window(),
            forgotten: panes.forgotten(),
            chunks,
        });
    }
    let hours = days_of(&model.hours, writer)?;
    let mut parts = Vec::new();
    for (length, of) in &model.parts {
        parts.push((*length, days_of(of, writer)?));
    }
    Ok(ModelText {
        key: model.key.clone(),
        learning: model.learning,
        rows: model.rows,
        rows_beyond_horizon: model.rows_beyond_horizon,
        first_event: model.first_event,
        last_event: model.last_event,
        last_seen: model.last_seen,
        topics: model.topics.clone(),
        windows,
        hours,
        parts,
        volume: model.volume.clone(),
    })
}

fn model(
    text: ModelText,
    active: &BTreeMap<ModelKey, Active>,
    reader: &Reader<'_>,
    spill: &Spill,
) -> Result<ModelState, ImageError> {
    let mut model = ModelState::new(text.key, &[], text.last_seen);
    if let Some(active) = active.get(&model.key) {
        model.take(active);
    }
    model.learning = text.learning;
    model.rows = text.rows;
    model.rows_beyond_horizon = text.rows_beyond_horizon;
    model.first_event = text.first_event;
    model.last_event = text.last_event;
    model.topics = text.topics;
    model.volume = text.volume;
    for of in text.windows {
        let mut chunks = BTreeMap::new();
        for (start, id) in of.chunks {
            let mut chunk: Chunk = reader.read(id)?;
            for pane in chunk.values_mut() {
                pane.spill(spill, of.window);
            }
            chunks.insert(start, Arc::new(chunk));
        }
        let panes = Panes::restored(of.window, of.forgotten, chunks);
        model.windows.push(panes);
    }
    restore(&mut model.hours, text.hours, (reader, spill))?;
    for (length, days) in text.parts {
        let mut parts = Hours::parts(model.shape.as_ref(), length);
        restore(&mut parts, days, (reader, spill))?;
        model.parts.insert(length, parts);
    }
    Ok(model)
}

fn days_of(hours: &Hours, writer: &mut Writer<'_>) -> Result<Days, ImageError> {
    let mut days = Days::new();
    for (start, day) in hours.chunks() {
        days.push((*start, writer.shared(day, |_, day| Ok(day.clone()))?));
    }
    Ok(days)
}

fn restore(
    hours: &mut Hours,
    days: Days,
    (reader, spill): (&Reader<'_>, &Spill),
) -> Result<(), ImageError> {
    let mut all = BTreeMap::new();
    for (start, id) in days {
        let mut day: Day = reader.read(id)?;
        for hour in day.hours_mut() {
            hour.spill(spill, hours.kept());
        }
        all.insert(start, Arc::new(day));
    }
    hours.restore(all);
    Ok(())
}
