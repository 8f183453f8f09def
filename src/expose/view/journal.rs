//! `GET /api/v1/journal`: entries as they are stored.

use crate::journal::Page;

/// Entries in order; `next` where there are more of them, and `oldest`, the number of the first one
/// that is kept for the API. An entry is put in as it is stored, so that its hash can be checked.
pub(in crate::expose) fn journal(page: &Page) -> String {
    let entries: Vec<&str> = page.lines.iter().map(|line| &*line.json).collect();
    let mut text = format!("{{\"journal\":[{}]", entries.join(","));
    let next = page.lines.last().filter(|_| page.more);
    for (name, seq) in [("next", next.map(|line| line.seq)), ("oldest", page.oldest)] {
        if let Some(seq) = seq {
            text.extend([",\"", name, "\":", &seq.to_string()]);
        }
    }
    text.push('}');
    text
}
