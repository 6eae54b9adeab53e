// Two users for the local database.

const ALICE = {
  name: "Alice Liddell",
  given_name: "Alice",
  middle_name: "Pleasance",
  family_name: "Liddell",
  nickname: "Al",
  preferred_username: "alice",
  profile: "https://example.com/people/alice",
  picture: "https://example.com/people/alice.jpg",
  website: "https://alice.example.com/",
  gender: "female",
  birthdate: "1852-05-04",
  zoneinfo: "Europe/London",
  locale: "en-GB",
  updated_at: 1_767_225_600,
  email: "alice@example.com",
  email_verified: true,
  phone_number: "+44 1632 960123",
  phone_number_verified: true,
  address: {
    formatted: "The Deanery\nTom Quad\nOxford OX1 1DP\nUnited Kingdom",
    street_address: "The Deanery\nTom Quad",
    locality: "Oxford",
    region: "Oxfordshire",
    postal_code: "OX1 1DP",
    country: "United Kingdom",
  },
  groups: ["staff", "admins"],
};

const BOB = {
  name: "Bob Cratchit",
  given_name: "Bob",
  family_name: "Cratchit",
  preferred_username: "bob",
  picture: "https://example.com/people/bob.jpg",
  gender: "male",
  birthdate: "0000-12-25",
  zoneinfo: "Europe/London",
  locale: "en-GB",
  updated_at: 1_767_225_600,
  email: "bob@example.com",
  email_verified: false,
  phone_number: "+44 20 7946 0123",
  phone_number_verified: false,
  address: {
    street_address: "16 Bayham Street",
    locality: "London",
    postal_code: "NW1 0EY",
    country: "United Kingdom",
  },
  groups: ["staff"],
};

/** The subs of the demo users. */
export const DEMO_SUBS = ["alice", "bob"];

/**
 * Returns the demo users as lines of a bulk load, in the order of DEMO_SUBS. Leaves out claims that the provider does
 * not support.
 *
 * @param {string[]} claimsSupported
 */
export function demoUsers(claimsSupported) {
  const line = (sub, claims) => {
    const known = Object.entries(claims).filter(([name]) => claimsSupported.includes(name));
    return JSON.stringify({ sub, claims: Object.fromEntries(known) });
  };
  return `${line("alice", ALICE)}\n${line("bob", BOB)}\n`;
}
