/// A set of small numbers, one bit each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Bits(Vec<u64>);

impl Bits {
    /// Whether `bit` is in the set.
    pub(crate) fn has(&self, bit: u32) -> bool {
        self.0.get(bit as usize / 64).is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }

    /// Puts `bit` in or takes it out; says whether that changed anything.
    pub(crate) fn set(&mut self, bit: u32, on: bool) -> bool {
        let index = bit as usize / 64;
        if index >= self.0.len() {
            if !on {
                return false;
            }
            self.0.resize(index + 1, 0);
        }
        let before = self.0[index];
        let mask = 1 << (bit % 64);
        self.0[index] = if on { before | mask } else { before & !mask };
        self.0[index] != before
    }

    /// Makes this equal to `other`, keeping the allocation.
    pub(crate) fn copy_from(&mut self, other: &Self) {
        self.0.clone_from(&other.0);
    }

    /// Adds everything of `other`.
    pub(crate) fn union(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            *word |= more;
        }
    }

    /// Empties the set, keeping the allocation.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The numbers, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().zip(0_u32..).flat_map(|(word, index)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros())?;
                left &= left - 1;
                Some(index * 64 + bit)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_what_was_put_in() {
        let mut bits = Bits::default();
        for bit in [700, 3, 64, 63, 3] {
            bits.set(bit, true);
        }
        assert!(bits.set(64, false));
        assert!(!bits.set(9_999, false));
        assert_eq!(bits.iter().collect::<Vec<_>>(), [3, 63, 700]);
        assert!(bits.has(700) && !bits.has(64) && !bits.has(100_000));
    }
}
