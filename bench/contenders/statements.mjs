// The D1 statements of hono + jose. They do Postern's work in its tables, one step after the other.
const GRANT_COLUMNS =
  "grants.id AS grant_id, coalesce(grants.subject, grants.sub) AS subject, grants.scope AS scope, grants.sid AS sid, " +
  "grants.auth_time AS auth_time, grants.claims AS requested, " +
  "grants.created_at AS granted_at, grants.revoked_at AS revoked_at, users.claims AS user_claims";

/** The status of an access token's grant, with the user's claims. */
export const GRANT_STATUS =
  "SELECT grants.revoked_at, users.claims, grants.claims AS requested, " +
  "clients.metadata->>'userinfo_signed_response_alg' AS alg " +
  "FROM grants JOIN users ON users.sub = grants.sub LEFT JOIN clients ON clients.client_id = grants.client_id " +
  "WHERE grants.id = ?1 AND coalesce(grants.subject, grants.sub) = ?2 AND grants.client_id = ?3";

export const CLIENT =
  "SELECT client_id, metadata, secret_hash, trusted, created_at, registration_token_hash FROM clients " +
  "WHERE client_id = ?1 AND (expires_at IS NULL OR expires_at > ?2)";

/** Redeems a code in one batch: inserts the refresh token, marks the code as used, and reads the grant. */
export const REDEEM = {
  begin: "INSERT INTO refresh_tokens (token_hash, grant_id, expires_at) " +
    "SELECT ?4, grants.id, ?5 FROM codes JOIN grants ON grants.id = codes.grant_id " +
    "WHERE code_hash = ?1 AND client_id = ?2 AND spent_at IS NULL AND codes.expires_at > ?3 " +
    "AND instr(' ' || scope || ' ', ' ' || ?6 || ' ') > 0",
  spend: "UPDATE codes SET spent_at = ?3 " +
    "WHERE code_hash = ?1 AND spent_at IS NULL AND expires_at > ?3 AND EXISTS " +
    "(SELECT 1 FROM grants WHERE id = codes.grant_id AND client_id = ?2) RETURNING grant_id",
  read: `SELECT spent_at, redirect_uri, code_challenge, nonce, ${GRANT_COLUMNS} ` +
    "FROM codes JOIN grants ON grants.id = codes.grant_id JOIN users ON users.sub = grants.sub " +
    "WHERE code_hash = ?1 AND client_id = ?2",
};

/** Finds a refresh token. Then, in one batch, inserts its successor, marks it as used, and reads the successor. */
export const REFRESH = {
  find: "SELECT own.expires_at AS expires_at, own.spent_at AS spent_at, " +
    `successor.spent_at IS NOT NULL AS is_successor_spent, ${GRANT_COLUMNS} ` +
    "FROM refresh_tokens AS own JOIN grants ON grants.id = own.grant_id JOIN users ON users.sub = grants.sub " +
    "LEFT JOIN refresh_tokens AS successor ON successor.token_hash = ?2 " +
    "WHERE own.token_hash = ?1 AND client_id = ?3",
  succeed: "INSERT INTO refresh_tokens (token_hash, grant_id, expires_at) " +
    "SELECT ?2, grant_id, ?3 FROM refresh_tokens WHERE token_hash = ?1 AND spent_at IS NULL " +
    "ON CONFLICT (token_hash) DO NOTHING",
  spend: "UPDATE refresh_tokens SET spent_at = ?2 WHERE token_hash = ?1 AND spent_at IS NULL",
  look: "SELECT token_hash FROM refresh_tokens WHERE token_hash = ?1",
};

/** An unused refresh token expires after this number of seconds. */
export const IDLE = 30 * 86_400;
