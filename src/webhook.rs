//! Webhooks: what the journal tells goes to URLs, as CloudEvents that are signed.
//!
//! ```text
//! journal --entries after the mark--> Queue --POST, one at a time--> receiver
//!    log <--Delivered{from, to}--------/ ^----2xx, a refusal, nothing--/
//! ```
//!
//! The journal is the queue and the state log says how far a webhook has got, so a restart or
//! another instance goes on where the last one was: every event is delivered at least once, with
//! the same id each time. Events of one model stay in their order; one that is stuck holds up those
//! of its own model alone.
//!
//! - [`event`] makes an event of an entry, [`queue`] decides what is sent when and what is given
//!   up; they are pure.
//! - [`sender`] is the task of one webhook: nothing of the daemon waits for it.

pub mod event;
pub mod queue;
pub mod sender;

pub use self::sender::{Doors, Standing, Watch, client, start};
