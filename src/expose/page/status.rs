//! What became of the records, how far everything has come, and what is in the way.

use maud::{Markup, html};

use super::frame::{self, fact};
use super::model::nothing;
use super::text;
use crate::expose::view::{ChainView, LocalView, ShardView, StatusView, TopicView};

/// The page of the state of this instance.
pub(super) fn page(status: &StatusView<'_>) -> Markup {
    html! {
        h1 { "Status" }
        (lead(status))
        dl.facts {
            @if let Some(shard) = status.shard {
                (fact("Shard of the models", &html! { (shard) }))
            }
            (fact("State log, position", &html! { (text::count(status.position)) }))
            @if let Some(log_time) = status.log_time {
                (fact("State log, time", &html! { (text::when(log_time.0)) }))
            }
            @if let Some(watermark) = status.watermark {
                (fact("Event time", &html! { (text::when(watermark.0)) }))
            }
            @if let Some(folded) = &status.folded {
                (fact("Deltas counted", &html! { (text::count(folded.accepted)) }))
                (fact("Deltas without effect", &html! { (text::count(folded.superseded)) }))
                @let kept_out = folded.limit_hits.models;
                (fact("Model versions kept out", &html! { (text::count(kept_out)) }))
            }
            (fact("Failed appends", &html! { (text::count(status.state_append_errors)) }))
        }
        @if let Some(folded) = &status.folded {
            (titled("Topics", "topics", &topics(&folded.topics)))
            @if !folded.shards.is_empty() {
                (titled("Shards", "shards", &shards(&folded.shards)))
            }
            (titled("Partitions, as all instances count them", "chains", &chains(&folded.chains)))
        }
        (titled("Partitions of this instance", "partitions", &partitions(&status.partitions)))
    }
}

fn titled(title: &str, id: &str, table: &Markup) -> Markup {
    html! {
        section aria-labelledby=(id) {
            h2 id=(id) { (title) }
            (frame::scroll(title, table))
        }
    }
}

fn shards(all: &[ShardView]) -> Markup {
    html! {
        table.list {
            thead {
                tr {
                    th scope="col" { "Shard" }
                    th.num scope="col" { "Needs the state log from" }
                    th scope="col" { "Said so" }
                }
            }
            tbody {
                @for one in all {
                    tr {
                        th scope="row" { (one.shard) }
                        @if let (Some(from), Some(said)) = (one.needs_from, one.said) {
                            td.num { (text::count(from)) }
                            td { (text::when(said.0)) }
                        } @else {
                            td colspan="2" { "not said within a day: the log is not trimmed" }
                        }
                    }
                }
            }
        }
    }
}

fn lead(status: &StatusView<'_>) -> Markup {
    let stopped = status
        .partitions
        .iter()
        .filter(|one| one.stopped.is_some())
        .count();
    let lag: i64 = status.partitions.iter().filter_map(|one| one.lag).sum();
    let left_out = status.folded.as_ref().map_or(0, |folded| {
        folded.chains.iter().filter(|chain| chain.left_out).count()
    });
    html! {
        p.lead {
            @if !status.ready { "The state log is not folded yet; nothing is shown before that." }
            @else if stopped > 0 { strong { (stopped) " partitions are stopped." } }
            @else if left_out > 0 { strong { (left_out) " partitions are left out:" }
                " windows may lack their rows." }
            @else if lag > 0 { (text::count(lag.unsigned_abs())) " records wait to be read here." }
            @else { "Everything is read." }
        }
    }
}

fn topics(topics: &[TopicView<'_>]) -> Markup {
    html! {
        table.list.values {
            thead { tr {
                th scope="col" { "Topic" }
                @for name in ["Records", "Rows", "Rejected", "Lost", "Late", "Not admitted",
                    "Too old to score"] { th.num scope="col" { (name) } }
                th scope="col" { "Last event" }
            } }
            tbody {
                @for topic in topics {
                    tr {
                        th scope="row" { (topic.topic) }
                        td.num { (text::count(topic.records)) }
                        td.num { (text::count(topic.rows)) }
                        td.num {
                            (text::count(topic.rejected.values().sum()))
                            @for (reason, count) in &topic.rejected {
                                span.sub { (reason) " " (text::count(*count)) }
                            }
                        }
                        td.num { (text::count(topic.lost)) }
                        td.num { (text::count(topic.late)) }
                        td.num { (text::count(topic.unadmitted)) }
                        td.num { (text::count(topic.beyond_horizon)) }
                        td { @if let Some(last) = topic.last_event { (text::when(last.0)) } }
                    }
                }
            }
        }
    }
}

fn chains(chains: &[ChainView<'_>]) -> Markup {
    html! {
        table.list.values {
            thead { tr {
                th scope="col" { "Topic" }
                th.num scope="col" { "Partition" }
                th.num scope="col" { "Counted up to" }
                th scope="col" { "Event time" }
                th scope="col" { "State" }
            } }
            tbody {
                @for chain in chains {
                    tr {
                        th scope="row" {
                            (chain.topic)
                            @if chain.incarnation > 0 {
                                span.sub { "incarnation " (chain.incarnation) }
                            }
                        }
                        td.num { (chain.partition) }
                        td.num { (text::count(chain.head.unsigned_abs())) }
                        td {
                            @if let Some(watermark) = chain.watermark { (text::when(watermark.0)) }
                            @else { (nothing()) }
                        }
                        td {
                            @if chain.left_out { span.state.bad { "left out" } }
                            @else if chain.at_end { span.state.good { "all read" } }
                            @else { span.state.mute { "being read" } }
                        }
                    }
                }
            }
        }
    }
}

fn partitions(partitions: &[LocalView<'_>]) -> Markup {
    html! {
        table.list.values {
            thead { tr {
                th scope="col" { "Topic" }
                th.num scope="col" { "Partition" }
                th.num scope="col" { "Next record" }
                th.num scope="col" { "Waiting" }
                th scope="col" { "State" }
            } }
            tbody {
                @for one in partitions {
                    tr {
                        th scope="row" { (one.topic) }
                        td.num { (one.partition) }
                        td.num { (text::count(one.position.unsigned_abs())) }
                        td.num {
                            @if let Some(lag) = one.lag { (text::count(lag.unsigned_abs())) }
                            @else { (nothing()) }
                        }
                        td {
                            @if let Some(why) = one.stopped { span.state.bad { "stopped: " (why) } }
                            @else if !one.assigned { span.state.mute { "with another" } }
                            @else if one.at_end { span.state.good { "all read" } }
                            @else { span.state.mute { "being read" } }
                        }
                    }
                }
            }
        }
    }
}
