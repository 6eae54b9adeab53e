//! The ports for tests: SQLite, maps, injected faults, and RustCrypto.

use base64ct::{Base64UrlUnpadded, Encoding};
use p256::ecdsa::signature::{SignatureEncoding, Signer, Verifier};
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};
use postern::error::Internal;
use postern::jose::client_jwk::{ClientAlgorithm, ClientKey};
use postern::jose::jwk::{EcPrivateKey, EcPublicKey, PrivateKey, PublicKey, RsaPublicKey};
use postern::ports::{
    Cache, Crypto, DATABASE, Database, Document, Fetch, FetchError, FetchLimits, Form, Freshness,
    NormalizationForm, RateLimit, Row, Statement, Timer, Unicode, Value,
};
use postern::protocol::client::outbound_url::OutboundUrl;
use rsa::BoxedUint;
use rusqlite::backup::Backup;
use rusqlite::config::DbConfig;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ToSql};
use sha2::Sha256;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex};
use std::task::Poll;
use std::time::Duration;
use unicode_normalization::UnicodeNormalization;

use crate::fault_plan::{Call, DETAIL, FaultPlan, Port};
use crate::query_plans::is_explained;

/// The number of calls of each port.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    pub statements: u32,
    pub batches: u32,
    pub cache_reads: u32,
    pub cache_writes: u32,
    pub generations: u32,
    pub verifications: u32,
    pub fetches: u32,
    pub posts: u32,
    pub normalizations: u32,
}

pub struct Native {
    pub primary: Connection,
    /// A replica that lags behind the primary, if there is one.
    pub replica: RefCell<Option<Connection>>,
    pub database_fails: Cell<bool>,
    /// Whether batches that write fail, while all other requests succeed.
    pub batches_fail: Cell<bool>,
    /// The number of requests that write whose response is lost after the database has committed.
    pub lost_responses: Cell<u32>,
    /// How many statements have run, those of batches too.
    pub queries: Cell<usize>,
    /// How many responses to batches that write arrive before the lost ones.
    pub responses_before_loss: Cell<u32>,
    /// The number of requests that only read and fail.
    pub failing_reads: Cell<u32>,
    /// SQL of another request, run just before each of the next batches that write.
    pub before_batches: RefCell<VecDeque<&'static str>>,
    pub cache: RefCell<HashMap<String, String>>,
    pub cache_fails: Cell<bool>,
    pub rate_limit_fails: Cell<bool>,
    pub generation_fails: Cell<bool>,
    /// The documents of other hosts, by URL.
    pub web: RefCell<HashMap<String, Document>>,
    /// The status with which the servers of clients answer each form to a URL. One without a status does not answer.
    pub form_statuses: RefCell<HashMap<String, u16>>,
    /// The forms that were posted: the URL and the body of each.
    pub forms: RefCell<Vec<(String, String)>>,
    pub counts: Cell<Counts>,
    /// A fault of one port by the number of its call.
    pub faults: FaultPlan,
    /// The number of attempts that an address may make; `None` for any number.
    pub rate_limit: Cell<Option<u32>>,
    /// The attempts of each key.
    attempts: RefCell<HashMap<String, u32>>,
    /// How many RSA keys were generated.
    pub generated: Cell<usize>,
    milliseconds: Cell<i64>,
}

/// The migrations in order: each with its name and its SQL.
pub fn migrations() -> Vec<(String, String)> {
    let mut paths: Vec<_> =
        std::fs::read_dir("migrations").unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        (name, std::fs::read_to_string(path).unwrap())
    };
    paths.into_iter().map(read).collect()
}

/// More than the statements of the source. SQLite compiles one in the time in which it runs it many times.
const CACHED_STATEMENTS: usize = 500;

/// An empty database after these migrations, with the table in which wrangler records them.
pub fn migrate(migrations: &[(String, String)]) -> Connection {
    let connection = open();
    connection
        .execute_batch(
            "CREATE TABLE d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, \
             applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)",
        )
        .unwrap();
    for (name, sql) in migrations {
        connection.execute_batch(sql).unwrap_or_else(|error| panic!("{name}: {error}"));
        let insert = "INSERT INTO d1_migrations (name) VALUES (?1 || '.sql')";
        connection.execute(insert, [name]).unwrap();
    }
    connection
}

/// An empty database with the real schema. It is copied, because the migrations take as long as a test.
pub fn migrated() -> Connection {
    static MIGRATED: LazyLock<Mutex<Connection>> =
        LazyLock::new(|| Mutex::new(migrate(&migrations())));
    let mut database = open();
    copy(&MIGRATED.lock().unwrap(), &mut database);
    database
}

/// Replaces a database by another.
pub fn copy(from: &Connection, to: &mut Connection) {
    Backup::new(from, to).unwrap().run_to_completion(i32::MAX, Duration::ZERO, None).unwrap();
}

fn open() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    connection.pragma_update(None, "foreign_keys", true).unwrap();
    // The bundled SQLite has STAT4, with which it would compile a statement again for other values.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).unwrap();
    connection
}

impl Native {
    pub fn new() -> Self {
        Self {
            primary: migrated(),
            replica: RefCell::new(None),
            database_fails: Cell::new(false),
            batches_fail: Cell::new(false),
            queries: Cell::default(),
            lost_responses: Cell::new(0),
            responses_before_loss: Cell::new(0),
            failing_reads: Cell::new(0),
            before_batches: RefCell::default(),
            cache: RefCell::default(),
            cache_fails: Cell::new(false),
            rate_limit_fails: Cell::new(false),
            generation_fails: Cell::new(false),
            web: RefCell::default(),
            form_statuses: RefCell::default(),
            forms: RefCell::default(),
            counts: Cell::default(),
            faults: FaultPlan::default(),
            rate_limit: Cell::new(None),
            attempts: RefCell::default(),
            generated: Cell::new(0),
            milliseconds: Cell::new(0),
        }
    }

    /// The calls since the last call of this function.
    pub fn take_counts(&self) -> Counts {
        self.counts.take()
    }

    fn count(&self, change: impl FnOnce(&mut Counts)) {
        let mut counts = self.counts.get();
        change(&mut counts);
        self.counts.set(counts);
    }

    /// Begins a call of a port, which may be hit by a fault.
    fn begin(&self, port: Port, can_be_odd: bool, longest: i64) -> Call {
        let call = self.faults.call(port, can_be_odd, longest);
        self.milliseconds.set(self.milliseconds.get() + 1_000 * call.seconds);
        call
    }

    fn writes(&self, statement: &Statement) -> bool {
        !self.primary.prepare_cached(statement.sql).is_ok_and(|prepared| prepared.readonly())
    }

    /// Fails if the response to a request that was served is to be lost.
    fn check_response(&self, writes: bool) -> Result<(), Internal> {
        let injected = if writes { &self.lost_responses } else { &self.failing_reads };
        if writes && self.responses_before_loss.get() > 0 {
            self.responses_before_loss.set(self.responses_before_loss.get() - 1);
            return Ok(());
        }
        if injected.get() == 0 {
            return Ok(());
        }
        injected.set(injected.get() - 1);
        let detail = "injected loss of a response".to_owned();
        Err(Internal::Unavailable { what: DATABASE, detail })
    }

    fn check_database(&self) -> Result<(), Internal> {
        let detail = "injected fault".to_owned();
        if self.database_fails.get() {
            return Err(Internal::Unavailable { what: DATABASE, detail });
        }
        Ok(())
    }
}

/// The longest time of calls that have no timeout.
const ANY_TIME: i64 = i64::MAX;

const SUBTLE: &str = "SubtleCrypto";

/// Yields to other requests, as each call of a port does at the edge.
async fn pause() {
    let mut paused = false;
    std::future::poll_fn(|_| {
        if std::mem::replace(&mut paused, true) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

impl RateLimit for Native {
    async fn is_within_limit(&self, key: &str) -> Result<bool, Internal> {
        let call = self.begin(Port::RateLimit, false, ANY_TIME);
        call.begin("SIGN_IN_LIMIT")?;
        if self.rate_limit_fails.get() {
            let detail = "injected fault".to_owned();
            return Err(Internal::Unavailable { what: "SIGN_IN_LIMIT", detail });
        }
        let mut attempts = self.attempts.borrow_mut();
        let made = attempts.entry(key.to_owned()).or_default();
        *made += 1;
        call.end("SIGN_IN_LIMIT")?;
        Ok(self.rate_limit.get().is_none_or(|limit| *made <= limit))
    }
}

impl Timer for Native {
    /// Each look at the clock takes seven milliseconds.
    fn milliseconds(&self) -> i64 {
        self.milliseconds.replace(self.milliseconds.get() + 7)
    }

    async fn wait(&self, _milliseconds: u32) {
        pause().await;
    }
}

impl Unicode for Native {
    fn normalize(&self, text: &str, form: NormalizationForm) -> String {
        assert!(!text.is_ascii(), "a needless call: {text}");
        self.count(|counts| counts.normalizations += 1);
        match form {
            NormalizationForm::Nfc => text.nfc().collect(),
            NormalizationForm::Nfkc => text.nfkc().collect(),
        }
    }

    fn name_of_country(&self, code: &str, language: &str) -> Option<String> {
        let name = match (code, language) {
            ("DE", "de") => "Deutschland",
            ("DE", _) => "Germany",
            ("FR", _) => "France",
            _ => return None,
        };
        Some(name.to_owned())
    }
}

/// A full database is unavailable. The platform reports any other failure in the same way; here it is a bug
/// in the SQL.
fn failed(error: rusqlite::Error) -> Internal {
    assert_eq!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::DiskFull), "{error}");
    Internal::Unavailable { what: DATABASE, detail: error.to_string() }
}

fn execute(connection: &Connection, statement: &Statement) -> rusqlite::Result<Vec<Row>> {
    assert!(is_explained(statement.sql), "query_plans.rs has not seen {}", statement.sql);
    let mut prepared = connection.prepare_cached(statement.sql)?;
    let width = prepared.column_count();
    let parameters: Vec<Box<dyn ToSql>> = statement
        .parameters
        .iter()
        .map(|value| match value.clone() {
            Value::Integer(number) => Box::new(number) as Box<dyn ToSql>,
            Value::Null => Box::new(rusqlite::types::Null),
            Value::Text(text) => Box::new(text),
        })
        .collect();
    let parameters: Vec<&dyn ToSql> = parameters.iter().map(AsRef::as_ref).collect();
    let rows = prepared.query_map(parameters.as_slice(), |row| {
        let column = |index| {
            Ok(match row.get_ref(index)? {
                ValueRef::Integer(number) => Value::Integer(number),
                ValueRef::Null => Value::Null,
                ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
                other => panic!("a column of type {}", other.data_type()),
            })
        };
        (0..width).map(column).collect::<rusqlite::Result<Vec<_>>>().map(Row::new)
    })?;
    rows.collect()
}

impl Database for Native {
    async fn run(&self, freshness: Freshness, statement: Statement) -> Result<Vec<Row>, Internal> {
        self.count(|counts| counts.statements += 1);
        self.queries.set(self.queries.get() + 1);
        pause().await;
        let is_nearest = freshness == Freshness::Nearest;
        let call = self.begin(Port::Database, is_nearest, ANY_TIME);
        call.begin(DATABASE)?;
        if call.is_odd() {
            return Ok(Vec::new());
        }
        self.check_database()?;
        let replica = self.replica.borrow();
        let connection = match (freshness, replica.as_ref()) {
            (Freshness::Nearest, Some(replica)) => replica,
            _ => &self.primary,
        };
        let rows = execute(connection, &statement).map_err(failed)?;
        self.check_response(self.writes(&statement))?;
        call.end(DATABASE)?;
        Ok(rows)
    }

    async fn batch(&self, statements: &[Statement]) -> Result<Vec<Vec<Row>>, Internal> {
        self.count(|counts| counts.batches += 1);
        self.queries.set(self.queries.get() + statements.len());
        pause().await;
        let call = self.begin(Port::Database, false, ANY_TIME);
        call.begin(DATABASE)?;
        self.check_database()?;
        let writes = statements.iter().any(|statement| self.writes(statement));
        if writes && self.batches_fail.get() {
            let detail = "injected fault".to_owned();
            return Err(Internal::Unavailable { what: DATABASE, detail });
        }
        if writes {
            let before_batches = self.before_batches.borrow_mut().pop_front();
            if let Some(sql) = before_batches {
                self.primary.execute_batch(sql).unwrap();
            }
        }
        let transaction = self.primary.unchecked_transaction().unwrap();
        let rows = statements.iter().map(|s| execute(&transaction, s)).collect::<Result<_, _>>();
        // An error drops the transaction, which rolls it back.
        let rows = rows.map_err(failed)?;
        transaction.commit().unwrap();
        self.check_response(writes)?;
        call.end(DATABASE)?;
        Ok(rows)
    }
}

impl Cache for Native {
    async fn get(&self, key: &str) -> Result<Option<String>, Internal> {
        self.count(|counts| counts.cache_reads += 1);
        pause().await;
        let call = self.begin(Port::Cache, true, ANY_TIME);
        call.begin("KV")?;
        if call.is_odd() {
            return Ok(Some("damaged \u{0}{\"keys\":[".to_owned()));
        }
        if self.cache_fails.get() {
            let detail = "injected fault".to_owned();
            return Err(Internal::Unavailable { what: "KV", detail });
        }
        call.end("KV")?;
        Ok(self.cache.borrow().get(key).cloned())
    }

    async fn put(&self, key: &str, text: &str, ttl: u32) -> Result<(), Internal> {
        assert!(ttl >= 60 && key.len() <= 512, "limits of KV");
        self.count(|counts| counts.cache_writes += 1);
        pause().await;
        let call = self.begin(Port::Cache, false, ANY_TIME);
        call.begin("KV")?;
        if self.cache_fails.get() {
            let detail = "injected fault".to_owned();
            return Err(Internal::Unavailable { what: "KV", detail });
        }
        self.cache.borrow_mut().insert(key.to_owned(), text.to_owned());
        call.end("KV")
    }
}

/// RSA keys as SubtleCrypto exports them. They are fixed, because generation is slow.
pub fn rsa_jwks() -> Vec<serde_json::Value> {
    serde_json::from_str(include_str!("../vectors/rsa_private_keys.json")).unwrap()
}

/// A number of a JWK, such as the modulus.
pub fn number(jwk: &serde_json::Value, field: &str) -> BoxedUint {
    let text = jwk[field].as_str().unwrap();
    BoxedUint::from_be_slice_vartime(&Base64UrlUnpadded::decode_vec(text).unwrap())
}

/// The RS256 signature with a private JWK.
pub fn sign_rs256(jwk: &serde_json::Value, message: &[u8]) -> Vec<u8> {
    let number = |field| number(jwk, field);
    let primes = vec![number("p"), number("q")];
    let key = rsa::PrivateKey::from_components(number("n"), number("e"), number("d"), primes);
    rsa::pkcs1v15::SigningKey::<Sha256>::new(key.unwrap()).sign(message).to_vec()
}

fn verify_rs256(key: &RsaPublicKey, message: &[u8], signature: &[u8]) -> bool {
    let n = BoxedUint::from_be_slice_vartime(&key.modulus().unwrap());
    let key = rsa::PublicKey::new(n, BoxedUint::from(65_537_u64)).unwrap();
    let key = rsa::pkcs1v15::VerifyingKey::<Sha256>::new(key);
    rsa::pkcs1v15::Signature::try_from(signature)
        .is_ok_and(|signature| key.verify(message, &signature).is_ok())
}

fn sign_es256(key: &EcPrivateKey, message: &[u8]) -> Vec<u8> {
    let key = SigningKey::from_slice(key.scalar()).unwrap();
    let signature: Signature = key.sign(message);
    signature.to_bytes().to_vec()
}

fn verify_es256(key: &EcPublicKey, message: &[u8], signature: &[u8]) -> bool {
    let key = VerifyingKey::from_sec1_bytes(&key.point().unwrap()).unwrap();
    Signature::from_slice(signature).is_ok_and(|signature| key.verify(message, &signature).is_ok())
}

/// Verifies a client's signature. The key is read from the JWK, as at the edge.
fn verify_of_client(
    key: &ClientKey,
    alg: ClientAlgorithm,
    message: &[u8],
    signature: &[u8],
) -> bool {
    let jwk: serde_json::Value = serde_json::from_str(&key.jwk()).unwrap();
    let field = |name: &str| Base64UrlUnpadded::decode_vec(jwk[name].as_str().unwrap()).unwrap();
    let rsa = || {
        let n = BoxedUint::from_be_slice_vartime(&field("n"));
        rsa::PublicKey::new(n, BoxedUint::from(65_537_u64)).unwrap()
    };
    match alg {
        ClientAlgorithm::Es256 => {
            let point = [&[4], field("x").as_slice(), &field("y")].concat();
            let key = VerifyingKey::from_sec1_bytes(&point).unwrap();
            Signature::from_slice(signature).is_ok_and(|s| key.verify(message, &s).is_ok())
        }
        ClientAlgorithm::EdDsa => {
            let key = field("x").try_into().unwrap();
            let key = ed25519_dalek::VerifyingKey::from_bytes(&key);
            let signature = ed25519_dalek::Signature::from_slice(signature);
            key.is_ok_and(|key| signature.is_ok_and(|s| key.verify_strict(message, &s).is_ok()))
        }
        ClientAlgorithm::Ps256 => {
            let key = rsa::pss::VerifyingKey::<Sha256>::new(rsa());
            rsa::pss::Signature::try_from(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok())
        }
        ClientAlgorithm::Rs256 => {
            let key = rsa::pkcs1v15::VerifyingKey::<Sha256>::new(rsa());
            rsa::pkcs1v15::Signature::try_from(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok())
        }
    }
}

impl Fetch for Native {
    async fn fetch(&self, url: &OutboundUrl, limits: &FetchLimits) -> Result<Document, FetchError> {
        let failed = |detail: &str| FetchError { detail: detail.to_owned() };
        self.count(|counts| counts.fetches += 1);
        pause().await;
        let longest = i64::from(limits.timeout.div_ceil(1_000));
        let call = self.begin(Port::Fetch, true, longest);
        if call.has_no_answer() || call.seconds == longest {
            return Err(failed(DETAIL));
        }
        if call.is_odd() {
            let (media_type, text) = ("text/html".to_owned(), Some("<h1>Error</h1>".to_owned()));
            return Ok(Document { status: 500, media_type, text, caching: Default::default() });
        }
        let document = self.web.borrow().get(url.as_str()).cloned();
        let mut document = document.ok_or_else(|| failed("no document is served there"))?;
        document.text = document.text.filter(|text| {
            let bytes = text.trim_end_matches('=').len();
            let length = if limits.is_binary { bytes * 3 / 4 } else { text.len() };
            length <= limits.limit
        });
        Ok(document)
    }

    async fn post(
        &self,
        forms: &[Form<'_>],
        limits: &FetchLimits,
    ) -> Vec<Result<Document, FetchError>> {
        self.count(|counts| counts.posts += 1);
        let longest = i64::from(limits.timeout.div_ceil(1_000));
        let call = self.begin(Port::Fetch, true, longest);
        if call.begin("fetch").is_err() {
            return forms.iter().map(|_| Err(FetchError { detail: DETAIL.to_owned() })).collect();
        }
        let posted = forms.iter().map(|form| (form.url.as_str().to_owned(), form.body.clone()));
        self.forms.borrow_mut().extend(posted);
        pause().await;
        let answer = |form: &Form<'_>| {
            if call.has_no_answer() || call.seconds == longest {
                return Err(FetchError { detail: DETAIL.to_owned() });
            }
            let status = self.form_statuses.borrow().get(form.url.as_str()).copied();
            let status = status.ok_or_else(|| FetchError { detail: "timed out".to_owned() })?;
            let status = if call.is_odd() { 500 } else { status };
            let (media_type, text, caching) = (String::new(), None, Default::default());
            Ok(Document { status, media_type, text, caching })
        };
        forms.iter().map(answer).collect()
    }
}

impl Crypto for Native {
    async fn verify_of_client(
        &self,
        key: &ClientKey,
        alg: ClientAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<bool, Internal> {
        self.count(|counts| counts.verifications += 1);
        pause().await;
        self.begin(Port::Crypto, false, ANY_TIME).begin(SUBTLE)?;
        Ok(verify_of_client(key, alg, message, signature))
    }

    /// Returns the fixed keys in turn.
    async fn generate_rsa(&self) -> Result<PrivateKey, Internal> {
        self.count(|counts| counts.generations += 1);
        pause().await;
        self.begin(Port::Crypto, false, ANY_TIME).begin(SUBTLE)?;
        if self.generation_fails.get() {
            let detail = "injected fault".to_owned();
            return Err(Internal::Unavailable { what: SUBTLE, detail });
        }
        let jwks = rsa_jwks();
        let jwk = &jwks[self.generated.get() % jwks.len()];
        self.generated.set(self.generated.get() + 1);
        Ok(PrivateKey::from_jwk(jwk.to_string().as_bytes()).unwrap())
    }

    async fn sign(&self, key: &PrivateKey, message: &[u8]) -> Result<Vec<u8>, Internal> {
        pause().await;
        self.begin(Port::Crypto, false, ANY_TIME).begin(SUBTLE)?;
        Ok(match key {
            PrivateKey::Ec(key) => sign_es256(key, message),
            PrivateKey::Rsa(_) => {
                sign_rs256(&serde_json::from_str(&key.to_jwk()).unwrap(), message)
            }
        })
    }

    async fn verify(
        &self,
        key: &PublicKey,
        message: &[u8],
        signature: &[u8],
    ) -> Result<bool, Internal> {
        self.count(|counts| counts.verifications += 1);
        pause().await;
        self.begin(Port::Crypto, false, ANY_TIME).begin(SUBTLE)?;
        Ok(match key {
            PublicKey::Ec(key) => verify_es256(key, message, signature),
            PublicKey::Rsa(key) => verify_rs256(key, message, signature),
        })
    }
}
