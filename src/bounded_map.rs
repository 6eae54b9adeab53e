//! A map of limited size.

use std::borrow::Borrow;
use std::cmp::Reverse;

/// A key of a [`BoundedMap`].
pub trait Key: Eq {
    /// Returns the owner of the entry, for example the host of a URL.
    fn owner(&self) -> &str;
}

/// Each text is an owner of its own, so the oldest entry is replaced.
impl Key for String {
    fn owner(&self) -> &str {
        self
    }
}

/// A map of at most `N` entries.
///
/// A new entry in a full map replaces the oldest one of the owner that has the most entries. So an insertion removes one
/// entry, and an owner of many entries replaces its own.
///
/// `N` should be small: a look-up compares one key after the other.
pub struct BoundedMap<K, V, const N: usize>(Vec<(K, V)>);

impl<K, V, const N: usize> Default for BoundedMap<K, V, N> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Key, V, const N: usize> BoundedMap<K, V, N> {
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

    /// Inserts an entry. It replaces the entry with the same key or, if the map is full, another one.
    pub fn insert(&mut self, key: K, value: V) {
        self.remove(&key);
        if self.0.len() >= N
            && let Some(index) = self.least_needed()
        {
            self.0.remove(index);
        }
        self.0.push((key, value));
    }

    pub fn remove<Q: Eq + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        self.0.retain(|(known, _)| known.borrow() != key);
    }

    /// Returns the index of the oldest entry of the owner with the most entries.
    fn least_needed(&self) -> Option<usize> {
        let owners = || self.0.iter().map(|(key, _)| key.owner());
        let count = |owner: &str| owners().filter(|other| *other == owner).count();
        owners().enumerate().min_by_key(|(_, owner)| Reverse(count(owner))).map(|(index, _)| index)
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
        let mut map = BoundedMap::<String, u8, 2>::default();
        map.insert("a".into(), 1);
        map.insert("b".into(), 2);
        *map.get_mut("a").unwrap() = 10;
        map.insert("c".into(), 3);
        assert_eq!(["a", "b", "c"].map(|key| map.get(key).copied()), [None, Some(2), Some(3)]);
    }

    /// The part before the point is the owner.
    #[derive(Eq, PartialEq)]
    struct Owned(&'static str);

    impl Key for Owned {
        fn owner(&self) -> &str {
            self.0.split('.').next().unwrap()
        }
    }

    #[test]
    fn the_owner_of_the_most_entries_loses_the_oldest_of_them() {
        let mut map = BoundedMap::<Owned, (), 4>::default();
        for key in ["honest.1", "other.1", "many.1", "many.2", "many.3", "many.4", "new.1"] {
            map.insert(Owned(key), ());
        }
        let keys: Vec<_> = map.0.iter().map(|(key, ())| key.0).collect();
        assert_eq!(keys, ["honest.1", "other.1", "many.4", "new.1"]);
        // All owners have one entry now, so the oldest one of all is replaced.
        map.insert(Owned("newer.1"), ());
        assert!(map.get(&Owned("honest.1")).is_none());
    }
}
