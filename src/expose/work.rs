//! How a request becomes an answer without being in anybody's way.
//!
//! What adds up or renders runs on a blocking thread, on `COMPUTE_MAX` of them at most, with the
//! board of the moment at which it began.

use std::sync::Arc;

use axum::response::Response;
use tokio::sync::OwnedSemaphorePermit;
use tokio::{task, time};
use tracing::error;

use crate::board::Board;
use crate::expose::problem::Problem;
use crate::expose::{COMPUTE_WAIT_MAX, Shared};

/// What is answered.
pub(super) type Answer = Result<Response, Problem>;

/// The board, once the state log is folded.
pub(super) fn folded(shared: &Shared) -> Result<Arc<Board>, Problem> {
    let board = shared.board();
    let position = board.as_ref().map(|board| board.position);
    board
        .filter(|board| board.ready)
        .ok_or(Problem::NotReady(position))
}

/// Room to compute in, or that there is none for a while.
pub(super) async fn room(shared: &Shared) -> Result<OwnedSemaphorePermit, Problem> {
    let permit = Arc::clone(&shared.compute).acquire_owned();
    match time::timeout(COMPUTE_WAIT_MAX, permit).await {
        Ok(Ok(permit)) => Ok(permit),
        Ok(Err(_)) | Err(_) => Err(Problem::Busy),
    }
}

/// Computes an answer from the current board.
pub(super) async fn compute(
    shared: &Shared,
    work: impl FnOnce(&Board) -> Answer + Send + 'static,
) -> Answer {
    // not before there is room: what waits must not hold an old board
    folded(shared)?;
    let permit = room(shared).await?;
    let board = folded(shared)?;
    blocking(move || {
        // given back when the work ends, also where the request has long been given up
        let _held = permit;
        work(&board)
    })
    .await
}

/// Runs `work` beside the threads that serve; a panic in it is told to this client only.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    task::spawn_blocking(work).await.unwrap_or_else(|panicked| {
        error!(error = %panicked, "request failed");
        Err(Problem::Fault)
    })
}
