//! What a group keeps beside its positions.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::fault::Op;
use super::world::{LogName, State, World};
use crate::connector::{Bookmark, Bookmarks, Mark};
use crate::error::{ConnectorError, ErrorKind, Retry};
use crate::position::Position;

/// The bookmark of a partition.
#[derive(Debug)]
pub(super) struct MemoryBookmark {
    pub(super) world: Arc<World>,
    pub(super) process: u64,
    pub(super) group: String,
    pub(super) log: LogName,
    /// Who has the partition; `None`: whoever looks at it from outside.
    pub(super) member: Option<u64>,
}

/// The bookmarks of a group from outside.
pub(super) struct Outside {
    pub(super) world: Arc<World>,
    pub(super) group: String,
}

impl Bookmarks for Outside {
    fn of(&self, topic: &Arc<str>, partition: i32) -> Arc<dyn Bookmark> {
        let process = self.world.state().process;
        let (world, group, log) = (Arc::clone(&self.world), self.group.as_str().to_owned(), (Arc::clone(topic), partition));
        Arc::new(MemoryBookmark { world, process, group, log, member: None })
    }
}

impl MemoryBookmark {
    fn find(&self, state: &State) -> Option<Mark> {
        let group = state.groups.get(&self.group)?;
        let position = Position(*group.committed.get(&self.log)?);
        Some(Mark { position, word: group.words.get(&self.log).map_or_else(String::new, |word| word.as_str().to_owned()) })
    }

    fn replace(&self, state: &mut State, mark: Mark) -> Result<(), ConnectorError> {
        let group = state.groups.entry(self.group.as_str().to_owned()).or_default();
        let is_owner = match self.member {
            Some(member) => group.owners.get(&self.log) == Some(&member),
            None => group.members.is_empty(),
        };
        if !is_owner {
            let message = format!("memory: {}[{}] is read by somebody else", self.log.0, self.log.1);
            return Err(ConnectorError::new(ErrorKind::Fenced, message).retry(Retry::Reopen));
        }
        let log = || (Arc::clone(&self.log.0), self.log.1);
        group.committed.insert(log(), mark.position.0);
        group.words.insert(log(), mark.word);
        Ok(())
    }
}

impl Bookmark for MemoryBookmark {
    fn read(&self) -> BoxFuture<'_, Result<Option<Mark>, ConnectorError>> {
        async move { self.world.call(self.process, Op::ReadMark, |state| self.find(state)) }.boxed()
    }

    fn write(&self, mark: Mark) -> BoxFuture<'_, Result<(), ConnectorError>> {
        async move { self.world.call(self.process, Op::WriteMark, |state| self.replace(state, mark))? }.boxed()
    }
}
