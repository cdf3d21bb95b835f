/// Audiences of a profile and when it entered each, ascending by audience; 8 bytes each: the
/// audience in the upper 16 bits, the time of entry in the lower 48 (milliseconds, signed).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Memberships(Box<[u64]>);

const TIME_BITS: u32 = 48;

impl Memberships {
    /// (audience, entered at), ascending by audience.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, i64)> + '_ {
        self.0.iter().map(|word| (audience(*word), entered(*word)))
    }

    pub(crate) fn entered_at(&self, audience: u32) -> Option<i64> {
        self.find(audience).ok().map(|at| entered(self.0[at]))
    }

    pub(crate) fn has(&self, audience: u32) -> bool {
        self.find(audience).is_ok()
    }

    /// Enters; nothing if it is a member already.
    pub(crate) fn enter(&mut self, audience: u32, at: i64) {
        let Err(place) = self.find(audience) else { return };
        let mut words = std::mem::take(&mut self.0).into_vec();
        words.reserve_exact(1);
        words.insert(place, pack(audience, at));
        self.0 = words.into_boxed_slice();
    }

    /// Leaves; nothing if it is no member.
    pub(crate) fn leave(&mut self, audience: u32) {
        let Ok(place) = self.find(audience) else { return };
        let mut words = std::mem::take(&mut self.0).into_vec();
        words.remove(place);
        self.0 = words.into_boxed_slice();
    }

    fn find(&self, wanted: u32) -> Result<usize, usize> {
        self.0.binary_search_by_key(&wanted, |word| audience(*word))
    }

    pub(crate) fn bytes(&self) -> usize {
        self.0.len() * 8
    }
}

fn pack(audience: u32, at: i64) -> u64 {
    u64::from(audience) << TIME_BITS | at as u64 & ((1 << TIME_BITS) - 1)
}

fn audience(word: u64) -> u32 {
    (word >> TIME_BITS) as u32
}

fn entered(word: u64) -> i64 {
    (word as i64) << (64 - TIME_BITS) >> (64 - TIME_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memberships_keep_their_time_of_entry() {
        let mut memberships = Memberships::default();
        for (audience, at) in [(700, -5), (3, 1_772_442_000_000), (65_535, 0), (3, 9)] {
            memberships.enter(audience, at);
        }
        assert_eq!(memberships.iter().collect::<Vec<_>>(), [(3, 1_772_442_000_000), (700, -5), (65_535, 0)]);
        memberships.leave(700);
        memberships.leave(700);
        assert_eq!((memberships.has(700), memberships.entered_at(65_535)), (false, Some(0)));
    }
}
