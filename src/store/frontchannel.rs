//! The clients that a browser tells of the end of a session (OpenID Connect Front-Channel Logout 1.0).

use crate::error::Internal;
use crate::ports::{Row, Statement};
use crate::store::batch::{Batch, Handle};

/// How many clients of a session are told. Each is a request of the browser, and strangers can register clients.
const CLIENTS: i64 = 20;

/// A client that is told.
#[derive(Debug)]
pub struct FrontchannelClient {
    /// Its metadata field `frontchannel_logout_uri`.
    pub uri: String,
    /// The session's id for the client.
    pub sid: String,
}

impl FrontchannelClient {
    fn from_row(mut row: Row) -> Result<Self, Internal> {
        Ok(Self { uri: row.text()?, sid: row.text()? })
    }
}

/// Lists the clients with a `frontchannel_logout_uri` that the user signed in to in the sessions of an end: those of the
/// operator before others, and of each those to which the user first signed in most recently.
pub fn of_ended_in(batch: &mut Batch, end_id: &str) -> Handle<Vec<FrontchannelClient>> {
    let statement = Statement::new(
        "SELECT metadata->>'frontchannel_logout_uri', sid \
         FROM ended_sessions JOIN session_clients USING (session_id) \
           JOIN clients USING (client_id) \
         WHERE end_id = ?1 AND CASE WHEN json_valid(metadata) \
             THEN metadata->>'frontchannel_logout_uri' IS NOT NULL ELSE 0 END \
         ORDER BY registration_token_hash IS NOT NULL, signed_in_at DESC, client_id LIMIT ?2",
    );
    let read = |rows: Vec<Row>| rows.into_iter().map(FrontchannelClient::from_row).collect();
    batch.query(statement.bind(end_id).bind(CLIENTS), read)
}
