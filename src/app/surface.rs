//! The HTTP surface as the wiring sees it: where it listens, and its ways to the rest.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

use crate::app::AppError;
use crate::clock::Clock;
use crate::config::{Config, Http};
use crate::expose::{self, Shared, Tls};
use crate::journal::Journal;
use crate::statelog::{Appender, Failed};

/// Listens, with the certificate to serve.
pub(super) async fn listen(
    http: &Http,
) -> Result<(TcpListener, SocketAddr, Option<Tls>), AppError> {
    let tls = http.certificate.clone().map(Tls::open).transpose()?;
    let listener = expose::bind(http.listen).await?;
    let listen = listener
        .local_addr()
        .map_err(|_gone| AppError::Thread("http listener"))?;
    tracing::info!(%listen, tls = tls.is_some(), "listening");
    Ok((listener, listen, tls))
}

/// What HTTP shows, nothing of it yet.
pub(super) fn surface(config: &Config, journal: &Journal) -> Arc<Shared> {
    let shared = Arc::new(Shared::new(config.limits));
    shared.set_journal(journal.clone());
    shared.set_tokens(config.http.tokens.clone(), config.http.open_reads);
    shared
}

/// Gives HTTP its way to the state log: how far it goes, what failed, and where commands are put.
pub(super) fn show_log(shared: &Arc<Shared>, appender: &Appender, clock: Clock) {
    shared.set_fold_lag({
        let (appender, shared) = (appender.clone(), Arc::downgrade(shared));
        move || {
            let folded = shared.upgrade()?.board().map_or(0, |board| board.position);
            Some(appender.end()?.saturating_sub(folded))
        }
    });
    shared.set_commands(clock, {
        let appender = appender.clone();
        move |record| appender.append(record, &Failed::default()).map(drop)
    });
    shared.set_append_errors({
        let appender = appender.clone();
        move || appender.errors()
    });
}
