/// The leaf states of one record or profile, packed: for each leaf one head word (leaf number and
/// length) and then the leaf's own words, which only its kind can read.
///
/// Absent means that no call has reached the leaf yet, so a profile pays for what it did alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct States(Box<[u64]>);

impl States {
    /// The states, in the order in which they first came.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &[u64])> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let head = *self.0.get(at)?;
            let (leaf, length) = unpack(head);
            let state = &self.0[at + 1..at + 1 + length];
            at += 1 + length;
            Some((leaf, state))
        })
    }

    /// The state of one leaf; empty if there is none.
    pub(crate) fn get(&self, leaf: u32) -> &[u64] {
        self.find(leaf).map_or(&[], |(at, length)| &self.0[at + 1..at + 1 + length])
    }

    /// Replaces the state of one leaf; says whether that changed anything.
    pub(crate) fn put(&mut self, leaf: u32, state: &[u64]) -> bool {
        match self.find(leaf) {
            Some((at, length)) if length == state.len() && !state.is_empty() => {
                let old = &mut self.0[at + 1..at + 1 + length];
                let changed = old != state;
                old.copy_from_slice(state);
                changed
            }
            Some((at, length)) => {
                let mut words = std::mem::take(&mut self.0).into_vec();
                words.drain(at..at + 1 + length);
                self.append(words, leaf, state);
                true
            }
            None if state.is_empty() => false,
            None => {
                let words = std::mem::take(&mut self.0).into_vec();
                self.append(words, leaf, state);
                true
            }
        }
    }

    fn append(&mut self, mut words: Vec<u64>, leaf: u32, state: &[u64]) {
        if !state.is_empty() {
            words.reserve_exact(1 + state.len());
            words.push(pack(leaf, state.len()));
            words.extend_from_slice(state);
        }
        self.0 = words.into_boxed_slice();
    }

    fn find(&self, leaf: u32) -> Option<(usize, usize)> {
        let mut at = 0;
        while let Some(head) = self.0.get(at) {
            let (found, length) = unpack(*head);
            if found == leaf {
                return Some((at, length));
            }
            at += 1 + length;
        }
        None
    }

    pub(crate) fn bytes(&self) -> usize {
        self.0.len() * 8
    }
}

fn pack(leaf: u32, length: usize) -> u64 {
    u64::from(leaf) << 32 | u64::try_from(length).expect("a state fits its head word")
}

fn unpack(head: u64) -> (u32, usize) {
    ((head >> 32) as u32, head as u32 as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_grow_shrink_and_go() {
        let mut states = States::default();
        assert!(states.put(7, &[1, 2]));
        assert!(states.put(3, &[9]));
        assert!(!states.put(3, &[9]));
        assert!(states.put(7, &[1, 2, 3]));
        assert_eq!((states.get(7), states.get(3), states.get(1)), (&[1, 2, 3][..], &[9][..], &[][..]));
        assert!(states.put(7, &[]));
        assert!(!states.put(7, &[]));
        assert_eq!(states.iter().collect::<Vec<_>>(), [(3, &[9][..])]);
    }
}
