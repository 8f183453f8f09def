//! The open file, which is opened again when it has failed.
//!
//! After an error of the disk, a full one too, redb refuses everything until the file is opened
//! anew: what it has in memory may be ahead of what the disk has.
//!
//! ```text
//! commit fails -> reopen fails -> be_open fails -> be_open works -> commit works
//! ```

use std::fmt;
use std::path::Path;
use std::sync::{PoisonError, RwLock};

use redb::{Database, DatabaseError, Error};

/// Opens the file.
type Open = Box<dyn Fn() -> Result<Database, DatabaseError> + Send + Sync>;

/// See the module header.
pub(super) struct Store {
    open: Open,
    /// `None` while it could not be opened again.
    database: RwLock<Option<Database>>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Store {
    /// Opens a file.
    pub(super) fn open_file(file: &Path) -> Result<Self, DatabaseError> {
        let file = file.to_owned();
        Self::open(move || Database::create(&file))
    }

    /// Opens the file, by a way that will work again.
    pub(super) fn open(
        open: impl Fn() -> Result<Database, DatabaseError> + Send + Sync + 'static,
    ) -> Result<Self, DatabaseError> {
        let database = RwLock::new(Some(open()?));
        let open = Box::new(open);
        Ok(Self { open, database })
    }

    /// Does something with the file.
    pub(super) fn with<T>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, Error>,
    ) -> Result<T, Error> {
        // a panic elsewhere leaves a database or none, and both are right
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        work(database.as_ref().ok_or(Error::DatabaseClosed)?)
    }

    /// Opens the file where it could not be opened again before.
    pub(super) fn be_open(&self) -> Result<(), Error> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let is_open = database.is_some();
        drop(database);
        if is_open { Ok(()) } else { self.reopen() }
    }

    /// Closes the file and opens it again, as the disk has it. Waits for whoever uses it.
    pub(super) fn reopen(&self) -> Result<(), Error> {
        let lock = self.database.write();
        let mut database = lock.unwrap_or_else(PoisonError::into_inner);
        // the file has to be let go first: it is locked
        *database = None;
        *database = Some((self.open)()?);
        Ok(())
    }
}
