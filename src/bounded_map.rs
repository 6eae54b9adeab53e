//! A map of limited size.

use std::borrow::Borrow;

/// A map of at most `N` entries.
///
/// A new entry in a full map replaces the oldest one, so that an insertion removes one entry and not all of them.
/// `N` should be small: a look-up compares one key after the other.
pub struct BoundedMap<K, V, const N: usize>(Vec<(K, V)>);

impl<K, V, const N: usize> Default for BoundedMap<K, V, N> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Eq, V, const N: usize> BoundedMap<K, V, N> {
    pub fn get<Q: Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.0.iter().find(|(known, _)| known.borrow() == key).map(|(_, value)| value)
    }

    /// Returns the value of a key for writing. The entry keeps its age.
    pub fn get_mut<Q: Eq + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.0.iter_mut().find(|(known, _)| (*known).borrow() == key).map(|(_, value)| value)
    }

    /// Inserts an entry. It replaces the entry with the same key or, if the map is full, the oldest entry.
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
    fn a_full_map_loses_only_its_oldest_entry() {
        let mut map = BoundedMap::<String, u8, 3>::default();
        for (key, value) in [("a", 1), ("b", 2), ("c", 3), ("a", 4), ("d", 5)] {
            map.insert(key.into(), value);
        }
        let found = ["a", "b", "c", "d"].map(|key| map.get(key).copied());
        assert_eq!(found, [Some(4), None, Some(3), Some(5)]);
    }

    #[test]
    fn changing_a_value_does_not_renew_its_entry() {
        let mut map = BoundedMap::<u8, u8, 2>::default();
        map.insert(1, 1);
        map.insert(2, 2);
        *map.get_mut(&1).unwrap() = 10;
        map.insert(3, 3);
        assert_eq!([1, 2, 3].map(|key| map.get(&key).copied()), [None, Some(2), Some(3)]);
    }
}
