use std::hash::{BuildHasherDefault, Hash, Hasher};

use sha2::{Digest, Sha256};

/// 128 bits of SHA-256 over (source, message id): stable on disk, and nobody can make two messages meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fingerprint {
    pub(super) high: u64,
    pub(super) low: u64,
}

impl Fingerprint {
    pub(crate) fn of(source: &str, message_id: &str) -> Self {
        Self::of_parts(&[source, message_id])
    }

    /// Of one delivery of a webhook: its key and its content.
    pub(crate) fn of_content(source: &str, message_id: &str, content: &str) -> Self {
        Self::of_parts(&[source, message_id, content])
    }

    fn of_parts(parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let digest: [u8; 32] = hash.finalize().into();
        let (words, _) = digest.as_chunks::<8>();
        Self { high: u64::from_be_bytes(words[0]), low: u64::from_be_bytes(words[1]) }
    }

    pub(super) fn to_bytes(self) -> [u8; 16] {
        (u128::from(self.high) << 64 | u128::from(self.low)).to_be_bytes()
    }

    pub(super) fn from_bytes(bytes: [u8; 16]) -> Self {
        let number = u128::from_be_bytes(bytes);
        Self { high: (number >> 64) as u64, low: number as u64 }
    }
}

/// Its bits are already well mixed.
impl Hash for Fingerprint {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.low);
    }
}

/// Takes the bits as they are.
#[derive(Debug, Default)]
pub(super) struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        debug_assert!(false, "only fingerprints are hashed this way");
    }

    fn write_u64(&mut self, bits: u64) {
        self.0 = bits;
    }
}

pub(super) type Build = BuildHasherDefault<AsIs>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_id_of_two_sources_has_two_fingerprints_c35() {
        assert_ne!(Fingerprint::of("a", "m"), Fingerprint::of("b", "m"));
        assert_ne!(Fingerprint::of("a", "bm"), Fingerprint::of("ab", "m"));
        let one = Fingerprint::of("a", "m");
        assert_eq!(one, Fingerprint::of("a", "m"));
        assert_eq!(Fingerprint::from_bytes(one.to_bytes()), one);
    }
}
