use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::Fingerprint;

const WORDS: usize = 8;
const BITS_PER_KEY: usize = 16;

/// A blocked Bloom filter: one cache line is touched per question, 2 bytes are held per key, and about
/// 1 absent key in 1,000 is taken for a present one.
#[derive(Debug)]
pub(super) struct Filter {
    blocks: Box<[[AtomicU64; WORDS]]>,
}

impl Filter {
    /// A filter for about `keys` keys.
    pub(super) fn new(keys: usize) -> Self {
        let blocks = (keys * BITS_PER_KEY).div_ceil(WORDS * 64).max(1);
        Self { blocks: (0..blocks).map(|_| Default::default()).collect() }
    }

    pub(super) fn insert(&self, key: Fingerprint) {
        for (word, bit) in self.block(key).iter().zip(bits(key)) {
            word.fetch_or(bit, Relaxed);
        }
    }

    /// `false` is certain.
    pub(super) fn may_contain(&self, key: Fingerprint) -> bool {
        self.block(key).iter().zip(bits(key)).all(|(word, bit)| word.load(Relaxed) & bit != 0)
    }

    pub(super) fn bytes(&self) -> usize {
        self.blocks.len() * WORDS * 8
    }

    fn block(&self, key: Fingerprint) -> &[AtomicU64; WORDS] {
        let scaled = u128::from(key.high) * self.blocks.len() as u128;
        &self.blocks[(scaled >> 64) as usize]
    }
}

/// One bit in each word.
fn bits(key: Fingerprint) -> impl Iterator<Item = u64> {
    (0..WORDS).map(move |i| 1 << (key.low >> (6 * i) & 63))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_denies_a_key_and_seldom_affirms_an_absent_one() {
        let key = |i: u32| Fingerprint::of("web", &i.to_string());
        let filter = Filter::new(10_000);
        (0..10_000).for_each(|i| filter.insert(key(i)));
        assert!((0..10_000).all(|i| filter.may_contain(key(i))));
        let wrong = (10_000..30_000).filter(|i| filter.may_contain(key(*i))).count();
        assert!(wrong < 100, "{wrong} of 20,000");
    }
}
