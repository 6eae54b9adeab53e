//! Slots: a row that a stranger can add takes one of a fixed number, so that there are never more such rows. Its statement
//! looks at a few random slots of its group. Counting the rows instead would read each of them.

use sha2::{Digest, Sha256};

use crate::context::Context;
use crate::error::Internal;
use crate::http::network_of;
use crate::ports::Statement;

/// How many slots a statement looks at. While half of the slots are taken, one row in 65,536 finds none; while a fifth is
/// free, one in 35.
const LOOKED_AT: usize = 16;

/// A network can take one of so many parts of a group's slots: otherwise a stranger with one address could take all of them,
/// in spite of the rate limit. Which slots these are depends on the network.
const PARTS: u32 = 10;

/// Rows that share slots. A table has each slot at most once.
#[derive(Clone, Copy, Debug)]
pub struct SlotGroup<'a> {
    /// The beginning of their slots.
    name: &'a str,
    slots: u32,
}

impl<'a> SlotGroup<'a> {
    /// Returns the stored requests that anybody can add in the name of one client of the operator: 10,000.
    pub fn requests_of(client_id: &'a str) -> Self {
        Self { name: client_id, slots: 10_000 }
    }

    /// Returns the access tokens that a confidential client of the operator has revoked and that have not expired: 200,000.
    pub fn revocations_of(client_id: &'a str) -> Self {
        Self { name: client_id, slots: 200_000 }
    }

    /// Returns the slot with this random number, which a request of this network may take.
    fn slot(&self, network: &str, number: u32) -> String {
        let offset = number % (self.slots / PARTS);
        let place = (u64::from(first_of(network)) + u64::from(offset)) % u64::from(self.slots);
        format!("{}/{place}", self.name)
    }
}

impl SlotGroup<'static> {
    /// The stored requests of all clients that nobody vouches for.
    pub const REQUESTS_OF_STRANGERS: Self = Self { name: "", slots: 20_000 };
    /// The used assertions of all clients that nobody vouches for.
    pub const ASSERTIONS_OF_STRANGERS: Self = Self { name: "", slots: 100_000 };
    /// The events of the audit trail that a stranger can cause. A network can replace a tenth of them at most.
    pub const EVENTS_OF_STRANGERS: Self = Self { name: "", slots: 500_000 };
    /// The access tokens that other clients have revoked and that have not expired. Any user of a public client can get and
    /// revoke one after another.
    pub const REVOKED_TOKENS: Self = Self { name: "", slots: 200_000 };
    /// The clients that registered without an initial access token, until a user signs in to them.
    pub const REGISTRATIONS: Self = Self { name: "registration", slots: 10_000 };
    /// The clients by document that pushed a request, until a user signs in to them.
    pub const DOCUMENTS: Self = Self { name: "document", slots: 10_000 };
}

/// Returns the number of the first slot that a network may take.
fn first_of(network: &str) -> u32 {
    let [a, b, c, d, ..] = <[u8; 32]>::from(Sha256::digest(network));
    u32::from_be_bytes([a, b, c, d])
}

/// Some random slots of a group.
#[derive(Debug)]
pub struct Slots {
    /// A JSON array, the parameter of [`free_slot`].
    json: String,
}

impl Slots {
    /// Draws some slots of a group for a request of this IP address.
    ///
    /// # Errors
    /// [`Internal::Unavailable`] if the platform's random source fails.
    pub fn draw<P>(
        context: &Context<'_, P>,
        group: SlotGroup<'_>,
        address: &str,
    ) -> Result<Self, Internal> {
        Self::draw_in_network(context, group, &network_of(address))
    }

    /// The same for a request of this network.
    ///
    /// # Errors
    /// As [`Slots::draw`].
    pub fn draw_in_network<P>(
        context: &Context<'_, P>,
        group: SlotGroup<'_>,
        network: &str,
    ) -> Result<Self, Internal> {
        let random: [u8; 4 * LOOKED_AT] = context.random()?;
        let (numbers, _) = random.as_chunks();
        let slots: Vec<_> =
            numbers.iter().map(|bytes| group.slot(network, u32::from_be_bytes(*bytes))).collect();
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
    fn a_group_has_as_many_slots_as_it_says_and_a_network_a_tenth_of_them() {
        let group = SlotGroup::requests_of("app");
        let slots = |network: &str| -> HashSet<String> {
            (0..group.slots).map(|number| group.slot(network, number)).collect()
        };
        let [one, other] = ["192.0.2.0/24", "2001:db8::/48"].map(slots);
        assert_eq!((one.len(), other.len()), (1_000, 1_000));
        assert_ne!(one, other);
        let all: HashSet<_> = (0..10_000).map(|place| format!("app/{place}")).collect();
        assert!(one.is_subset(&all) && other.is_subset(&all));
        let together: HashSet<_> =
            (0..255).flat_map(|n| slots(&format!("192.0.{n}.0/24"))).collect();
        assert_eq!(together.len(), 10_000);
    }
}
