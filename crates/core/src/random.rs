//! Randomness, given in.

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Where random bytes come from.
pub trait Random: Send + Sync + 'static {
    /// Fills `out` with random bytes fit for secrets.
    fn fill(&self, out: &mut [u8]);

    /// Fills `out` with random bytes for what is no secret and is needed often: ids. As good as [`Self::fill`] unless
    /// an implementation says otherwise.
    fn fill_id(&self, out: &mut [u8]) {
        self.fill(out);
    }
}

/// The operating system's generator, through AWS-LC. Ids come from a generator of each thread's own (ChaCha12), which
/// the operating system seeds, and seeds anew every 64 kB.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsRandom;

impl Random for OsRandom {
    #[expect(
        clippy::panic,
        reason = "without randomness no secret may be made; there is nothing to go on with"
    )]
    fn fill(&self, out: &mut [u8]) {
        if aws_lc_rs::rand::fill(out).is_err() {
            panic!("the operating system gave no random bytes");
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the one home of the thread's generator")]
    fn fill_id(&self, out: &mut [u8]) {
        rand::rng().fill_bytes(out);
    }
}

/// The same bytes for the same seed: for tests.
#[derive(Debug)]
pub struct SeededRandom(Mutex<StdRng>);

impl SeededRandom {
    /// Starts from `seed`.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }
}

impl Random for SeededRandom {
    fn fill(&self, out: &mut [u8]) {
        self.0.lock().fill_bytes(out);
    }
}
