//! A map that cannot grow.

use std::borrow::Borrow;

/// A map of at most `N` entries. A new entry replaces the one that was written longest ago, so that filling the map
/// costs the others one entry and not all of them. `N` is small: a look-up compares one key after the other.
pub struct BoundedMap<K, V, const N: usize>(Vec<(K, V)>);

impl<K, V, const N: usize> Default for BoundedMap<K, V, N> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Eq, V, const N: usize> BoundedMap<K, V, N> {
    /// The value of a key.
    pub fn get<Q: Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.0.iter().find(|(known, _)| known.borrow() == key).map(|(_, value)| value)
    }

    /// The value of a key, to be changed. Changing it does not make it younger.
    pub fn get_mut<Q: Eq + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.0.iter_mut().find(|(known, _)| (*known).borrow() == key).map(|(_, value)| value)
    }

    /// Writes an entry. It replaces the entry of the same key, or, in a full map, the oldest entry.
    pub fn insert(&mut self, key: K, value: V) {
        let same = self.0.iter().position(|(known, _)| *known == key);
        if let Some(index) = same.or((self.0.len() >= N).then_some(0)) {
            self.0.remove(index);
        }
        self.0.push((key, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_map_loses_the_oldest_entry_alone() {
        let mut map = BoundedMap::<String, u8, 3>::default();
        for (key, value) in [("a", 1), ("b", 2), ("c", 3), ("a", 4), ("d", 5)] {
            map.insert(key.into(), value);
        }
        let found = ["a", "b", "c", "d"].map(|key| map.get(key).copied());
        assert_eq!(found, [Some(4), None, Some(3), Some(5)]);
    }

    #[test]
    fn a_value_that_is_changed_stays_as_old_as_it_was() {
        let mut map = BoundedMap::<u8, u8, 2>::default();
        map.insert(1, 1);
        map.insert(2, 2);
        *map.get_mut(&1).unwrap() = 10;
        map.insert(3, 3);
        assert_eq!([1, 2, 3].map(|key| map.get(&key).copied()), [None, Some(2), Some(3)]);
    }
}
