//! Passwords: argon2id on a few threads of their own, behind a bounded queue.
//!
//! Hashing takes tens of milliseconds and 19 MiB: on the workers it would stall every other request, unbounded it
//! would eat the memory. Each thread keeps its blocks while there is something to hash, and the threads run when nobody
//! else wants to: a sign-in may wait, a request behind the guard may not.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use keyway_core::Random;
use keyway_core::secret::{PlainSecret, constant_time_eq};
use keyway_store::tables::accounts::StoredPassword;
use parking_lot::Mutex;
use thread_priority::ThreadPriority;
#[cfg(target_os = "linux")]
use thread_priority::{NormalThreadSchedulePolicy, ThreadSchedulePolicy};
use tokio::sync::oneshot;

const SALT_LEN: usize = 16;
const TAG_LEN: usize = 32;
/// How long a thread without work keeps its memory.
const KEPT: Duration = Duration::from_secs(60);

/// What a hash costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordCost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl PasswordCost {
    /// What accounts are protected by.
    pub const STANDARD: Self = Self { memory_kib: 19 * 1024, passes: 2, lanes: 1 };
    /// For tests alone: protects nothing.
    pub const TESTING: Self = Self { memory_kib: 16, passes: 1, lanes: 1 };

    fn params(self) -> Option<Params> {
        Params::new(self.memory_kib, self.passes, self.lanes, Some(TAG_LEN)).ok()
    }
}

/// Why a password could be neither hashed nor verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too many wait: ask again in a moment.
    #[error("too many passwords wait to be hashed")]
    Busy,
    /// The threads are gone, or the stored form cannot be read.
    #[error("the password cannot be hashed")]
    Broken,
}

/// What verifying gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// Whether it is the password.
    pub matches: bool,
    /// Whether it is stored at another cost than today's: time to hash it anew.
    pub outdated: bool,
}

enum Job {
    Hash { password: PlainSecret, salt: [u8; SALT_LEN], reply: oneshot::Sender<Option<StoredPassword>> },
    Verify { password: PlainSecret, stored: StoredPassword, reply: oneshot::Sender<Option<Verified>> },
}

/// The threads that hash. They end with the last clone.
#[derive(Clone)]
pub struct PasswordPool {
    queue: SyncSender<Job>,
    /// Verified in place of an unknown account's, so that the answer takes as long.
    nobody: StoredPassword,
}

impl PasswordPool {
    /// Starts `threads` of them; at most `queue` passwords wait.
    ///
    /// # Errors
    /// When a thread cannot be started or the cost is outside argon2's bounds.
    pub fn start(
        cost: PasswordCost,
        threads: usize,
        queue: usize,
        random: &dyn Random,
    ) -> std::io::Result<Self> {
        let out_of_bounds = || std::io::Error::other("the cost of passwords is outside argon2's bounds");
        let params = cost.params().ok_or_else(out_of_bounds)?;
        let (sender, receiver) = sync_channel(queue);
        let receiver = Arc::new(Mutex::new(receiver));
        for number in 0..threads.max(1) {
            let (receiver, params) = (Arc::clone(&receiver), params.clone());
            std::thread::Builder::new().name(format!("passwords-{number}")).spawn(move || {
                yield_to_all();
                work(&receiver, cost, &params);
            })?;
        }
        let mut bytes = [0_u8; SALT_LEN + TAG_LEN];
        random.fill(&mut bytes);
        let (salt, tag) = bytes.split_at(SALT_LEN);
        Ok(Self { queue: sender, nobody: Phc::text(cost, salt, tag) })
    }

    /// Hashes a new password.
    ///
    /// # Errors
    /// [`PasswordError::Busy`] when too many wait.
    pub async fn hash(
        &self,
        password: PlainSecret,
        random: &dyn Random,
    ) -> Result<StoredPassword, PasswordError> {
        let mut salt = [0_u8; SALT_LEN];
        random.fill(&mut salt);
        let (reply, answer) = oneshot::channel();
        self.submit(Job::Hash { password, salt, reply })?;
        answer.await.ok().flatten().ok_or(PasswordError::Broken)
    }

    /// Verifies a password; without a stored one it takes as long and never matches.
    ///
    /// # Errors
    /// [`PasswordError::Busy`] when too many wait, [`PasswordError::Broken`] when the stored form cannot be read.
    pub async fn verify(
        &self,
        password: PlainSecret,
        stored: Option<StoredPassword>,
    ) -> Result<Verified, PasswordError> {
        let known = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.nobody.clone());
        let (reply, answer) = oneshot::channel();
        self.submit(Job::Verify { password, stored, reply })?;
        let verified = answer.await.ok().flatten().ok_or(PasswordError::Broken)?;
        Ok(Verified { matches: verified.matches && known, ..verified })
    }

    fn submit(&self, job: Job) -> Result<(), PasswordError> {
        self.queue.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => PasswordError::Busy,
            TrySendError::Disconnected(_) => PasswordError::Broken,
        })
    }
}

impl std::fmt::Debug for PasswordPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordPool")
    }
}

/// Gives this thread the lowest priority that the system knows.
fn yield_to_all() {
    // Any other thread that wakes up takes the processor at once, which niceness alone does not bring about.
    #[cfg(target_os = "linux")]
    let lowered = thread_priority::set_thread_priority_and_policy(
        thread_priority::thread_native_id(),
        ThreadPriority::Min,
        ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle),
    );
    #[cfg(not(target_os = "linux"))]
    let lowered = thread_priority::set_current_thread_priority(ThreadPriority::Min);
    if let Err(error) = lowered {
        tracing::warn!(%error, "passwords are hashed at ordinary priority");
    }
}

fn work(jobs: &Mutex<Receiver<Job>>, cost: PasswordCost, params: &Params) {
    let mut memory = Vec::new();
    loop {
        // The lock is held while waiting: one thread waits for a job, the others for the lock.
        let job = match jobs.try_lock_for(KEPT) {
            Some(jobs) => jobs.recv_timeout(KEPT),
            None => Err(RecvTimeoutError::Timeout),
        };
        if job.is_ok() && memory.is_empty() {
            memory = vec![Block::default(); params.block_count()];
        }
        match job {
            Err(RecvTimeoutError::Timeout) => memory = Vec::new(),
            Err(RecvTimeoutError::Disconnected) => return,
            // Whoever no longer waits for the answer does not mind that it is lost.
            Ok(Job::Hash { password, salt, reply }) => {
                let tag = digest(&password, &salt, params.clone(), &mut memory);
                let _gone = reply.send(tag.map(|tag| Phc::text(cost, &salt, &tag)));
            }
            Ok(Job::Verify { password, stored, reply }) => {
                let _gone = reply.send(verify(&password, &stored, cost, &mut memory));
            }
        }
    }
}

fn verify(
    password: &PlainSecret,
    stored: &StoredPassword,
    cost: PasswordCost,
    memory: &mut [Block],
) -> Option<Verified> {
    let phc = Phc::read(stored)?;
    let params = phc.cost.params()?;
    let tag = if params.block_count() <= memory.len() {
        digest(password, &phc.salt, params.clone(), memory.get_mut(..params.block_count())?)
    } else {
        digest(password, &phc.salt, params.clone(), &mut vec![Block::default(); params.block_count()])
    }?;
    Some(Verified { matches: constant_time_eq(&tag, &phc.tag), outdated: phc.cost != cost })
}

fn digest(
    password: &PlainSecret,
    salt: &[u8],
    params: Params,
    memory: &mut [Block],
) -> Option<[u8; TAG_LEN]> {
    let mut tag = [0_u8; TAG_LEN];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(password.expose().as_bytes(), salt, &mut tag, memory)
        .ok()?;
    Some(tag)
}

/// The stored form: the PHC string format of argon2id.
struct Phc {
    cost: PasswordCost,
    salt: Vec<u8>,
    tag: Vec<u8>,
}

impl Phc {
    fn text(cost: PasswordCost, salt: &[u8], tag: &[u8]) -> StoredPassword {
        let PasswordCost { memory_kib, passes, lanes } = cost;
        let (salt, tag) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(tag));
        StoredPassword::new(format!("$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${tag}"))
    }

    fn read(stored: &StoredPassword) -> Option<Self> {
        let mut parts = stored.as_str().strip_prefix("$argon2id$v=19$")?.split('$');
        let mut numbers = parts.next()?.split(',');
        let mut number = |name: &str| numbers.next()?.strip_prefix(name)?.parse::<u32>().ok();
        let cost = PasswordCost { memory_kib: number("m=")?, passes: number("t=")?, lanes: number("p=")? };
        let salt = STANDARD_NO_PAD.decode(parts.next()?).ok()?;
        let tag = STANDARD_NO_PAD.decode(parts.next()?).ok()?;
        Some(Self { cost, salt, tag })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyway_core::random::SeededRandom;

    fn pool(cost: PasswordCost) -> PasswordPool {
        PasswordPool::start(cost, 1, 4, &SeededRandom::new(7)).unwrap()
    }

    #[tokio::test]
    async fn a_password_verifies_and_another_does_not() {
        let (pool, random) = (pool(PasswordCost::TESTING), SeededRandom::new(1));
        let stored = pool.hash(PlainSecret::new("correct horse"), &random).await.unwrap();
        let verify = |text: &str| pool.verify(PlainSecret::new(text), Some(stored.clone()));
        assert_eq!(verify("correct horse").await, Ok(Verified { matches: true, outdated: false }));
        assert!(!verify("correct house").await.unwrap().matches);
        assert!(!pool.verify(PlainSecret::new("correct horse"), None).await.unwrap().matches);
    }

    #[tokio::test]
    async fn more_than_the_queue_holds_is_refused_at_once() {
        let random = SeededRandom::new(4);
        let pool = PasswordPool::start(PasswordCost::STANDARD, 1, 1, &random).unwrap();
        let hash = || pool.hash(PlainSecret::new("correct horse"), &random);
        let (a, b, c, d) = tokio::join!(hash(), hash(), hash(), hash());
        assert!(a.is_ok());
        assert!([b, c, d].contains(&Err(PasswordError::Busy)));
    }

    #[tokio::test]
    async fn another_cost_is_noticed_and_still_verified() {
        let random = SeededRandom::new(2);
        let old = pool(PasswordCost { memory_kib: 32, passes: 2, lanes: 1 });
        let stored = old.hash(PlainSecret::new("correct horse"), &random).await.unwrap();
        let verified =
            pool(PasswordCost::TESTING).verify(PlainSecret::new("correct horse"), Some(stored)).await;
        assert_eq!(verified, Ok(Verified { matches: true, outdated: true }));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_threads_run_when_nobody_else_wants_to() {
        let policy = std::thread::spawn(|| {
            yield_to_all();
            thread_priority::thread_schedule_policy()
        });
        let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
        assert_eq!(policy.join().unwrap(), Ok(idle));
    }

    #[tokio::test]
    async fn the_real_cost_works() {
        let (pool, random) = (pool(PasswordCost::STANDARD), SeededRandom::new(3));
        let stored = pool.hash(PlainSecret::new("correct horse"), &random).await.unwrap();
        assert!(stored.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(pool.verify(PlainSecret::new("correct horse"), Some(stored)).await.unwrap().matches);
    }

    #[tokio::test]
    async fn an_unreadable_stored_form_is_an_error_not_a_mismatch() {
        let stored = StoredPassword::new("$2b$12$abc".into());
        let verified = pool(PasswordCost::TESTING).verify(PlainSecret::new("x"), Some(stored)).await;
        assert_eq!(verified, Err(PasswordError::Broken));
    }
}
