//! Where randomness comes from: the operating system, or a seed that replays.
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::{hmac, rand};

/// A source of random bytes that is handed in, never reached for.
#[derive(Clone, Debug)]
pub struct Entropy(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Seeded {
        key: Arc<hmac::Key>,
        drawn: Arc<AtomicU64>,
    },
}

impl Entropy {
    /// The operating system's generator.
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// A stream that is the same for the same seed: for tests and simulations only.
    pub fn seeded(seed: u64) -> Self {
        Self(Source::Seeded {
            key: Arc::new(hmac::Key::new(hmac::HMAC_SHA256, &seed.to_be_bytes())),
            drawn: Arc::new(AtomicU64::new(0)),
        })
    }

    /// `N` random bytes.
    ///
    /// # Panics
    /// When the operating system has no randomness to give: nothing here can work without.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        match &self.0 {
            Source::System => {
                rand::fill(&mut bytes).expect("the operating system gives random bytes");
            }
            Source::Seeded { key, drawn } => {
                for chunk in bytes.chunks_mut(32) {
                    let block = drawn.fetch_add(1, Ordering::Relaxed).to_be_bytes();
                    chunk.copy_from_slice(&hmac::sign(key, &block).as_ref()[..chunk.len()]);
                }
            }
        }
        bytes
    }

    /// A number below `bound`, which is at most a few thousand, so that the bias of the remainder does not matter.
    pub fn below(&self, bound: u64) -> u64 {
        u64::from_be_bytes(self.bytes()) % bound.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_replays_its_stream() {
        let (one, same, other) = (Entropy::seeded(1), Entropy::seeded(1), Entropy::seeded(2));
        let first: [u8; 40] = one.bytes();
        assert_eq!(first, same.bytes());
        assert_ne!(first, other.bytes());
        assert_ne!(first, one.bytes());
    }
}
