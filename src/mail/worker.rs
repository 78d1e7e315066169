//! Drains the outbox: takes emails that are due, sends them, and says how it went.
//!
//! A row can ask for an email to an address that has no account, and nobody may learn from the time of other emails whether
//! it does. So several emails are under way at once, each in a seat; a row of which no email comes has a seat too, for as
//! long as a real email would, and ends as that one did.

use std::{
    collections::{HashMap, VecDeque},
    error::Error,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::task::{self, JoinError, JoinSet};
use uuid::Uuid;

use super::{
    error::TransportError,
    mailer::{Mailer, SendError},
};
use crate::{
    auth::{DbError, DueMail, Outbox},
    error::chain,
};

/// How many emails a process has under way at once. As many are sent and not yet marked so at most, should it be killed,
/// and as many come twice.
const SEATS: usize = 10;

/// How long the worker rests when nothing is due: another replica may have written something down, or a pause is over.
const REST: Duration = Duration::from_secs(2);

/// How long one pauses before something is written down again.
const PAUSE: Duration = Duration::from_secs(1);

/// How often it is written down that an email was sent, should the database not answer: else it would be sent again.
const MARKS: u32 = 10;

/// How long the emails under way have to get out when the service is told to stop.
const LAST_EMAILS: Duration = Duration::from_secs(9);

/// How many of the last emails are remembered.
const REMEMBERED: usize = 16;

/// How long an email takes, as far as anybody knows before one was sent.
const USUAL: Duration = Duration::from_millis(500);

/// Sends emails, those of other replicas too, until `stop` is ready.
pub(crate) async fn deliver(
    outbox: &Outbox,
    mailer: Mailer,
    stop: impl Future<Output = ()> + Clone,
) {
    let worker = Arc::new(Worker {
        outbox: outbox.clone(),
        mailer,
        recent: Mutex::default(),
    });
    let last_emails = async {
        stop.clone().await;
        tokio::time::sleep(LAST_EMAILS).await;
    };
    let deliver = async {
        let mut seats = Seats::default();
        fill(&mut seats, &worker, stop.clone()).await;
        while seats.tasks.join_next().await.is_some() {}
    };
    tokio::select! {
        () = deliver => {}
        () = last_emails => tracing::warn!("emails were cut off, and may be sent again"),
    }
}

/// Gives each email that is due a seat, until `stop` is ready.
async fn fill(seats: &mut Seats, worker: &Arc<Worker>, stop: impl Future<Output = ()> + Clone) {
    loop {
        tokio::select! {
            biased;
            () = stop.clone() => return,
            () = seats.one_is_free() => {}
        }
        match worker.outbox.take_due(&seats.mails()).await {
            Ok(Some(due)) => {
                seats.take(due, worker);
                continue;
            }
            Ok(None) => {}
            Err(err) => waiting_for_database(&err),
        }
        // Each is a reason to look again.
        tokio::select! {
            () = stop.clone() => return,
            () = worker.outbox.added() => {}
            () = tokio::time::sleep(REST) => {}
        }
    }
}

/// The emails that are under way.
#[derive(Default)]
struct Seats {
    tasks: JoinSet<()>,
    mails: HashMap<task::Id, Uuid>,
}

impl Seats {
    /// Waits until a seat is free.
    async fn one_is_free(&mut self) {
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            self.leave(ended);
        }
        if self.tasks.len() >= SEATS
            && let Some(ended) = self.tasks.join_next_with_id().await
        {
            self.leave(ended);
        }
    }

    fn leave(&mut self, ended: Result<(task::Id, ()), JoinError>) {
        let id = ended.map_or_else(|err| err.id(), |(id, ())| id);
        self.mails.remove(&id);
    }

    fn take(&mut self, due: DueMail, worker: &Arc<Worker>) {
        let id = due.id();
        let task = self.tasks.spawn(Arc::clone(worker).deliver_one(due));
        self.mails.insert(task.id(), id);
    }

    /// The emails under way here, which are not taken again, should the clock leap.
    fn mails(&self) -> Vec<Uuid> {
        self.mails.values().copied().collect()
    }
}

fn waiting_for_database(err: &DbError) {
    let error = err as &dyn Error;
    tracing::warn!(error, "emails wait for the database");
}

/// How it went with an email.
struct Course {
    took: Duration,
    /// Why the mail server accepts no emails, where it accepts none.
    outage: Option<String>,
}

/// What sends emails.
struct Worker {
    outbox: Outbox,
    mailer: Mailer,
    /// How it went with the last emails.
    recent: Mutex<VecDeque<Course>>,
}

impl Worker {
    /// Deals with a row that is due.
    async fn deliver_one(self: Arc<Self>, due: DueMail) {
        if let Err(err) = self.try_deliver(&due).await {
            waiting_for_database(&err);
        }
    }

    async fn try_deliver(&self, due: &DueMail) -> Result<(), DbError> {
        let begun = Instant::now();
        let Some(mail) = self.outbox.write(due).await? else {
            let course = self.likely_course();
            tokio::time::sleep(course.took.saturating_sub(begun.elapsed())).await;
            return match course.outage {
                None => self.mark(due).await,
                Some(error) => self.outbox.failed(due, &error, false).await,
            };
        };
        let sent = self.mailer.send(&mail).await;
        let took = begun.elapsed();
        let is_refusal = matches!(&sent, Err(SendError::Transport(TransportError::Refused(_))));
        let error = sent.err().map(|err| chain(&err));
        self.remember(Course {
            took,
            outage: error.clone().filter(|_| !is_refusal),
        });
        match error {
            None => self.mark(due).await,
            Some(error) => self.outbox.failed(due, &error, is_refusal).await,
        }
    }

    /// Notes that nothing is left to do for an email.
    async fn mark(&self, due: &DueMail) -> Result<(), DbError> {
        for _ in 1..MARKS {
            match self.outbox.done(due).await {
                Err(err) if err.is_temporary() => tokio::time::sleep(PAUSE).await,
                outcome => return outcome,
            }
        }
        self.outbox.done(due).await
    }

    fn remember(&self, course: Course) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.truncate(REMEMBERED - 1);
        recent.push_front(course);
    }

    /// How it would go with an email: it takes as long as one of the last ones, by chance, and ends as the last one.
    fn likely_course(&self) -> Course {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let mut chance = [0];
        getrandom::fill(&mut chance).expect("the system has random numbers");
        let [chance] = chance.map(usize::from);
        let chosen = chance.checked_rem(recent.len());
        let chosen = chosen.and_then(|chosen| recent.get(chosen));
        Course {
            took: chosen.map_or(USUAL, |course| course.took),
            outage: recent.front().and_then(|last| last.outage.clone()),
        }
    }
}
