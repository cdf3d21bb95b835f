use std::time::Duration;

use futures::{Stream, stream};
use model::{AudienceName, MembershipChange, ProfileId};
use tokio::{sync::watch, time::Instant};

use crate::{ChangeLog, Error};

/// Most changes in one batch.
const BATCH: usize = 1_000;
/// A feed is never silent for longer than this.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Which changes a feed shows.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// These audiences; all if empty.
    pub audiences: Vec<AudienceName>,
    /// This profile; all if `None`.
    pub profile: Option<ProfileId>,
}

impl Filter {
    fn shows(&self, change: &MembershipChange) -> bool {
        (self.audiences.is_empty() || self.audiences.contains(&change.audience))
            && self.profile.is_none_or(|profile| profile == change.profile)
    }
}

/// Changes that follow one another, and the cursor behind them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeBatch {
    /// Everything up to here has been seen; also past changes that the filter hides.
    pub cursor: u64,
    /// Sent because time passed, not because something changed.
    pub heartbeat: bool,
    /// The changes, in order.
    pub changes: Vec<MembershipChange>,
}

struct Reader {
    log: ChangeLog,
    head: watch::Receiver<u64>,
    filter: Filter,
    cursor: u64,
    beat: Instant,
    ended: bool,
}

impl ChangeLog {
    /// All changes after the cursor `after`, or from now, for as long as it is polled.
    ///
    /// Nothing is buffered: a slow consumer reads later, and sees everything as long as its cursor
    /// has not expired. Ends after an error, and when the pipeline ends.
    pub fn feed(
        &self,
        after: Option<u64>,
        filter: Filter,
    ) -> impl Stream<Item = Result<ChangeBatch, Error>> + Send + use<> {
        let reader = Reader {
            log: self.clone(),
            head: self.watch(),
            filter,
            cursor: after.unwrap_or_else(|| self.head()),
            beat: Instant::now() + HEARTBEAT,
            ended: false,
        };
        stream::unfold(reader, async |mut reader| {
            let batch = reader.next().await?;
            Some((batch, reader))
        })
    }
}

impl Reader {
    async fn next(&mut self) -> Option<Result<ChangeBatch, Error>> {
        while !self.ended {
            self.head.borrow_and_update();
            let read = match self.log.read(self.cursor, BATCH) {
                Ok(read) => read,
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            };
            if let Some(last) = read.last() {
                self.cursor = last.seq;
                let changes: Vec<_> = read.into_iter().filter(|c| self.filter.shows(c)).collect();
                if !changes.is_empty() {
                    return Some(Ok(self.batch(false, changes)));
                }
            }
            if Instant::now() >= self.beat {
                return Some(Ok(self.batch(true, Vec::new())));
            }
            if self.cursor < self.log.head() {
                tokio::task::yield_now().await;
                continue;
            }
            tokio::select! {
                changed = self.head.changed() => self.ended = changed.is_err(),
                () = tokio::time::sleep_until(self.beat) => {}
            }
        }
        None
    }

    fn batch(&mut self, heartbeat: bool, changes: Vec<MembershipChange>) -> ChangeBatch {
        self.beat = Instant::now() + HEARTBEAT;
        ChangeBatch { cursor: self.cursor, heartbeat, changes }
    }
}
