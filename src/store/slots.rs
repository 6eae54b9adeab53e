//! Slots: a row that a stranger can add takes one of a fixed number, so that there are never more such rows. Its statement
//! looks at a few random slots of its group. Counting the rows instead would read each of them.

use sha2::{Digest, Sha256};

use crate::context::Context;
use crate::error::Internal;
use crate::ports::Statement;

/// How many slots a statement looks at. While half of the slots are taken, one row in 65,536 finds none; while a fifth is
/// free, one in 35.
const LOOKED_AT: usize = 16;

/// Rows that share slots. A table has each slot at most once.
#[derive(Clone, Copy, Debug)]
pub struct SlotGroup<'a> {
    /// The beginning of their slots.
    name: &'a str,
    slots: u32,
    /// The client that can take only some of the slots, and how many: which ones depends on its identifier.
    share: Option<(&'a str, u32)>,
}

impl<'a> SlotGroup<'a> {
    /// Returns the stored requests that anybody can add in the name of one client of the operator: 10,000.
    pub fn requests_of(client_id: &'a str) -> Self {
        Self { name: client_id, slots: 10_000, share: None }
    }

    /// Returns the stored requests of all clients that nobody vouches for: 20,000, and 2,000 of one client.
    pub fn requests_of_stranger(client_id: &'a str) -> Self {
        Self { name: "", slots: 20_000, share: Some((client_id, 2_000)) }
    }

    /// Returns the used assertions of all clients that nobody vouches for: 100,000, and 10,000 of one client.
    pub fn assertions_of_stranger(client_id: &'a str) -> Self {
        Self { name: "", slots: 100_000, share: Some((client_id, 10_000)) }
    }

    /// Returns the clients that registered without an initial access token, until a user signs in to them: 10,000.
    pub fn registrations() -> Self {
        Self { name: "registration", slots: 10_000, share: None }
    }

    /// Returns the clients by document that pushed a request, until a user signs in to them: 10,000.
    pub fn documents() -> Self {
        Self { name: "document", slots: 10_000, share: None }
    }

    /// Returns the slot with this random number.
    fn slot(&self, number: u32) -> String {
        let (first, share) = match self.share {
            Some((client_id, share)) => (first_of(client_id), share),
            None => (0, self.slots),
        };
        let place = (u64::from(first) + u64::from(number % share)) % u64::from(self.slots);
        format!("{}/{place}", self.name)
    }
}

/// Returns the number of the first slot of a client's share.
fn first_of(client_id: &str) -> u32 {
    let [a, b, c, d, ..] = <[u8; 32]>::from(Sha256::digest(client_id));
    u32::from_be_bytes([a, b, c, d])
}

/// Some random slots of a group.
#[derive(Debug)]
pub struct Slots {
    /// A JSON array, the parameter of [`free_slot`].
    json: String,
}

impl Slots {
    /// Draws some slots of a group.
    ///
    /// # Errors
    /// [`Internal::Unavailable`] if the platform's random source fails.
    pub fn draw<P>(context: &Context<'_, P>, group: SlotGroup<'_>) -> Result<Self, Internal> {
        let random: [u8; 4 * LOOKED_AT] = context.random()?;
        let (numbers, _) = random.as_chunks();
        let slots: Vec<_> =
            numbers.iter().map(|bytes| group.slot(u32::from_be_bytes(*bytes))).collect();
        let json = serde_json::to_string(&slots).map_err(|error| Internal::unwritable(&error))?;
        Ok(Self { json })
    }

    /// Returns the parameter of [`free_slot`].
    pub(super) fn as_json(&self) -> &str {
        &self.json
    }

    /// Binds the slots and a time to [`delete_expired`].
    pub(super) fn bind_to(&self, delete: Statement, time: i64) -> Statement {
        delete.bind(self.json.as_str()).bind(time)
    }
}

/// A SQL expression: the first of the slots in the parameter `$slots` that no row of the table has, or null.
macro_rules! free_slot {
    ($table:literal, $slots:literal) => {
        concat!(
            "(SELECT value FROM json_each(",
            $slots,
            ") WHERE NOT EXISTS (SELECT 1 FROM ",
            $table,
            " AS taken WHERE taken.slot = json_each.value) LIMIT 1)"
        )
    };
}
pub(super) use free_slot;

/// A SQL statement: makes the first of the slots free whose row has expired, unless one before it is free. It comes before the
/// statement that adds the row.
macro_rules! delete_expired {
    ($table:literal) => {
        concat!(
            "DELETE FROM ",
            $table,
            " WHERE expires_at <= ?2 AND slot = (SELECT value FROM json_each(?1) WHERE NOT EXISTS \
               (SELECT 1 FROM ",
            $table,
            " AS taken WHERE taken.slot = json_each.value AND taken.expires_at > ?2) LIMIT 1)"
        )
    };
}
pub(super) use delete_expired;

#[cfg(test)]
mod tests {
    use super::SlotGroup;
    use std::collections::HashSet;

    #[test]
    fn a_group_has_as_many_slots_as_it_says_and_a_client_its_share() {
        let slots = |group: SlotGroup<'_>| -> HashSet<String> {
            (0..2 * group.slots).map(|number| group.slot(number)).collect()
        };
        assert_eq!(slots(SlotGroup::requests_of("app")).len(), 10_000);
        let [one, other] =
            ["one", "other"].map(|client| slots(SlotGroup::requests_of_stranger(client)));
        assert_eq!((one.len(), other.len()), (2_000, 2_000));
        assert_ne!(one, other);
        let all: HashSet<_> = (0..20_000).map(|place| format!("/{place}")).collect();
        assert!(one.is_subset(&all) && other.is_subset(&all));
    }
}
