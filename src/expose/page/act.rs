//! What is done by a form: signing in and out, and the commands of operators.
//!
//! A form counts only where a session sent it, from a page of this origin, with what only a page of
//! that session can know. It ends in the same commands as the API's; afterwards the browser is sent
//! back to a page, which shows what came of it.

use std::sync::Arc;
use std::time::Duration;

use axum::Form;
use axum::extract::rejection::{FormRejection, PathRejection};
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use tokio::time;

use super::alerts::MUTE_LENGTHS;
use super::frame::{Frame, Section};
use super::{FORM_BYTES_MAX, Pairs, SIGN_IN, Shown, alerts, go, text};
use crate::board::Board;
use crate::expose::Shared;
use crate::expose::auth::Visitor;
use crate::expose::order;
use crate::expose::problem::Problem;
use crate::expose::query::Params;
use crate::expose::session::{self, Session};
use crate::expose::view::{self, BaselineAsked, MuteAsked, Reason};
use crate::expose::work::folded;
use crate::key::Name;
use crate::statelog::record::CommandKind;
use crate::time::Length;

/// How long a form waits to see its command folded, so that the next page shows it.
const SEEN_MAX: Duration = Duration::from_secs(2);

/// How often it looks.
const LOOK: Duration = Duration::from_millis(20);

pub(super) type Id = Result<Path<String>, PathRejection>;
type Body = Result<Form<Vec<(String, String)>>, FormRejection>;

/// What a page says after a form.
pub(super) fn done(what: &str) -> Option<&'static str> {
    Some(match what {
        "acknowledged" => "Acknowledged. The journal has it.",
        "muted" => "Muted. The journal has it, and the list of alerts has all mutes.",
        "accepted" => {
            "The order stands in the state log; the journal says when the new baseline is in force."
        }
        _ => return None,
    })
}

pub(super) async fn sign_in_page(
    State(shared): State<Arc<Shared>>,
    visitor: Visitor,
    Query(pairs): Pairs,
) -> Shown {
    let to = Params::new(pairs, &["to"])?.text("to").map(own_path);
    if !visitor.can_sign_in {
        return Err(Problem::NoTokensFile.into());
    }
    Ok(ask(&shared, &visitor, &to.unwrap_or_default(), false))
}

fn ask(shared: &Shared, visitor: &Visitor, to: &str, wrong: bool) -> Response {
    // whoever has not signed in may not be one who may read
    let board = shared.board().filter(|_| visitor.session().is_some());
    let frame = Frame {
        title: "Sign in".to_owned(),
        here: Section::Other,
        visitor: Some(visitor),
        board: board.as_deref(),
        json: None,
        path: SIGN_IN.to_owned(),
    };
    frame.page(&alerts::sign_in(to, wrong))
}

pub(super) async fn sign_in(
    State(shared): State<Arc<Shared>>,
    visitor: Visitor,
    headers: HeaderMap,
    body: Body,
) -> Shown {
    let fields = fields(body, &["token", "to"])?;
    if !session::is_own_origin(&headers) {
        return Err(Problem::ForeignForm.into());
    }
    let local = shared.local();
    let tokens = local.tokens.ok_or(Problem::NoTokensFile)?;
    let commands = local.commands.ok_or(Problem::NotReady(None))?;
    let to = own_path(fields.text("to").unwrap_or_default());
    let presented = fields.text("token").unwrap_or_default().trim();
    let Some(token) = tokens.find(presented) else {
        return Ok(ask(&shared, &visitor, &to, true));
    };
    let session = Session::open(token.clone(), commands.clock.now());
    let cookie = session.cookie(visitor.tls);
    Ok(go(&to, Some(&cookie)))
}

pub(super) async fn sign_out(visitor: Visitor, headers: HeaderMap, body: Body) -> Shown {
    let fields = fields(body, &["csrf"])?;
    let csrf = fields.text("csrf").unwrap_or_default();
    let sent = visitor.session().is_some_and(|session| session.sent(csrf));
    if !sent || !session::is_own_origin(&headers) {
        return Err(Problem::ForeignForm.into());
    }
    Ok(go("/", Some(&session::no_cookie(visitor.tls))))
}

pub(super) async fn acknowledge(
    State(shared): State<Arc<Shared>>,
    visitor: Visitor,
    at: Id,
    headers: HeaderMap,
    body: Body,
) -> Shown {
    let (alert, fields) = (id(at)?, fields(body, &["csrf", "reason"])?);
    let operator = sender(&visitor, &headers, &fields)?;
    let command = order::acknowledge(&shared, operator, alert.clone(), reason(&fields))?;
    seen(&shared, |board| {
        let found = view::alert(board, &alert);
        let hand = found.as_ref().and_then(|alert| alert.acknowledged.as_ref());
        hand.is_some_and(|hand| hand.at.0 == command.at)
    })
    .await;
    Ok(go(
        &format!("{}?done=acknowledged", text::alert_path(&alert)),
        None,
    ))
}

pub(super) async fn mute(
    State(shared): State<Arc<Shared>>,
    visitor: Visitor,
    at: Id,
    headers: HeaderMap,
    body: Body,
) -> Shown {
    let id = id(at)?;
    let fields = fields(body, &["csrf", "reason", "scope", "length"])?;
    let operator = sender(&visitor, &headers, &fields)?;
    let board = folded(&shared)?;
    let alert = view::alert(&board, &id).ok_or_else(|| Problem::UnknownAlert(id.clone()))?;
    let length = fields.text("length").unwrap_or_default();
    let known = MUTE_LENGTHS.iter().any(|(known, _)| *known == length);
    let length: Option<Length> = length.parse().ok().filter(|_| known);
    let length = length.ok_or_else(|| Problem::parameter("length", "it is not in the form"))?;
    let scope = fields.text("scope").unwrap_or_default();
    if !["series", "version", "model"].contains(&scope) {
        return Err(Problem::parameter("scope", "it is not in the form").into());
    }
    let asked = MuteAsked {
        // a name is meant, also where it has what makes a glob
        model: globset::escape(alert.model),
        version: (scope != "model").then(|| globset::escape(alert.version)),
        series: (scope == "series").then(|| globset::escape(alert.series)),
        until: (board.log_time + length).to_string(),
        reason: reason(&fields).reason,
    };
    let command = order::mute(&shared, operator, asked)?;
    if let CommandKind::Mute(mute) = &command.kind {
        let is_it = |board: &Board| board.mutes.iter().any(|one| one.mute.id == mute.id);
        seen(&shared, is_it).await;
    }
    Ok(go(&format!("{}?done=muted", text::alert_path(&id)), None))
}

pub(super) async fn unmute(
    State(shared): State<Arc<Shared>>,
    visitor: Visitor,
    at: Id,
    headers: HeaderMap,
    body: Body,
) -> Shown {
    let (mute, fields) = (id(at)?, fields(body, &["csrf", "reason"])?);
    let operator = sender(&visitor, &headers, &fields)?;
    order::unmute(&shared, operator, mute.clone(), reason(&fields))?;
    let is_over = |board: &Board| !board.mutes.iter().any(|one| one.mute.id == mute);
    seen(&shared, is_over).await;
    Ok(go("/alerts", None))
}

pub(super) async fn baseline(
    State(shared): State<Arc<Shared>>,
    visitor: Visitor,
    at: Id,
    headers: HeaderMap,
    body: Body,
) -> Shown {
    let (id, fields) = (id(at)?, fields(body, &["csrf", "reason", "from", "to"])?);
    let operator = sender(&visitor, &headers, &fields)?;
    let board = folded(&shared)?;
    let alert = view::alert(&board, &id).ok_or_else(|| Problem::UnknownAlert(id.clone()))?;
    let time = |name| fields.text(name).map(|text| text.trim().to_owned());
    let asked = BaselineAsked {
        from: time("from"),
        to: time("to"),
        reason: reason(&fields).reason,
    };
    order::baseline(&shared, operator, (alert.model, alert.version), asked)?;
    Ok(go(
        &format!("{}?done=accepted", text::alert_path(&id)),
        None,
    ))
}

fn id(at: Id) -> Result<String, Problem> {
    let Path(id) = at.map_err(|_not_utf8| Problem::PathEncoding)?;
    Ok(id)
}

/// The fields of a form, all of them known.
fn fields(body: Body, known: &[&str]) -> Result<Params, Problem> {
    let Form(pairs) = body.map_err(|rejection| match rejection {
        FormRejection::BytesRejection(_) => Problem::LargeBody(FORM_BYTES_MAX),
        FormRejection::InvalidFormContentType(_) => Problem::FormType,
        _ => Problem::body("it is not a form"),
    })?;
    Params::new(pairs, known)
}

fn reason(fields: &Params) -> Reason {
    Reason {
        reason: fields.text("reason").unwrap_or_default().to_owned(),
    }
}

/// The operator who sent a form.
fn sender<'a>(
    visitor: &'a Visitor,
    headers: &HeaderMap,
    fields: &Params,
) -> Result<&'a Name, Problem> {
    let (session, name) = visitor.operator()?;
    let csrf = fields.text("csrf").unwrap_or_default();
    if session.sent(csrf) && session::is_own_origin(headers) {
        Ok(name)
    } else {
        Err(Problem::ForeignForm)
    }
}

/// Waits until the board shows what was ordered, but not for long.
async fn seen(shared: &Shared, is_it: impl Fn(&Board) -> bool) {
    let looks = SEEN_MAX.as_millis() / LOOK.as_millis();
    for _ in 0..looks {
        if shared.board().is_some_and(|board| is_it(&board)) {
            return;
        }
        time::sleep(LOOK).await;
    }
}

/// A path of ours; anything else, such as the address of another site, is the first page.
fn own_path(to: &str) -> String {
    let mut characters = to.bytes();
    let own = characters.next() == Some(b'/')
        && !matches!(characters.next(), Some(b'/' | b'\\'))
        && to.bytes().all(|byte| byte.is_ascii_graphic());
    if own { to.to_owned() } else { "/".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_site() {
        for own in ["/", "/alerts/0?a=b", "/models/a%2Fb/versions/1?window=1h"] {
            assert_eq!(own_path(own), own);
        }
        let others = [
            "",
            "//evil",
            "/\\evil",
            "https://evil",
            "alerts",
            "/a\r\nb",
            "/\u{e9}",
        ];
        for other in others {
            assert_eq!(own_path(other), "/", "{other}");
        }
    }
}
