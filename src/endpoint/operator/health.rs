//! `GET /healthz`: whether the provider is alive and, for the operator, whether it is ready.

use serde::Serialize;
use serde_json::{Value, json};

use crate::config::{Config, Registration};
use crate::context::Context;
use crate::crypto::seal::Sealer;
use crate::endpoint::operator::authorize;
use crate::error::{Error, Internal};
use crate::http::{Request, Response};
use crate::jose::json;
use crate::jose::jwk::Algorithm;
use crate::keys::plan::{Rotation, rotations};
use crate::keys::signer;
use crate::lifetimes::{LOGOUT_LATE_SECONDS, MAINTENANCE_LATE_SECONDS};
use crate::maintenance::resealing::{self, SealedKeys};
use crate::ports::Platform;
use crate::provider::Provider;
use crate::store::batch::Batch;
use crate::store::maintenance_runs::{MaintenanceRun, last_in};
use crate::store::migrations::{NEWEST, newest_is_applied_in};
use crate::store::signing_keys::{self, KeyRow};
use crate::store::waiting_logouts::{Numbers, Summary, summary_in};

/// The result of a check.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    /// The provider works, and the operator should look at it.
    Warning,
    /// Users cannot sign in, or soon cannot.
    Failed,
}

/// One line of the report.
#[derive(Serialize)]
struct Check {
    name: String,
    status: Status,
    detail: String,
    /// How long the part took to answer, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ms: Option<i64>,
}

impl Check {
    fn new(name: impl Into<String>, status: Status, detail: impl Into<String>) -> Self {
        Self { name: name.into(), status, detail: detail.into(), latency_ms: None }
    }

    fn within(self, latency_ms: i64) -> Self {
        Self { latency_ms: Some(latency_ms), ..self }
    }
}

/// The report for the operator.
#[derive(Serialize)]
struct Report {
    /// The worst status of a check.
    status: Status,
    ready: bool,
    version: &'static str,
    checks: Vec<Check>,
}

/// Answers a probe. Without a token it only shows that the module runs: it uses neither D1 nor KV, so that anybody may
/// call it at any rate. With the `ADMIN_TOKEN` it checks each part.
pub async fn serve(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let context = &provider.context;
    if request.header("authorization").is_none() {
        return Ok(Response::json(200, &json!({ "status": Status::Ok })));
    }
    authorize(context, request).await?;

    let mut checks = check_database(context).await;
    checks.push(check_cache(context).await);
    checks.push(check_rate_limit(context).await);
    checks.extend(check_configuration(context.config));

    let status = checks.iter().map(|check| check.status).max().unwrap_or(Status::Ok);
    let is_ready = status != Status::Failed;
    let report = Report { status, ready: is_ready, version: env!("CARGO_PKG_VERSION"), checks };
    let response = Response::json_of(if is_ready { 200 } else { 503 }, &report);
    Ok(response.map_err(|error| Internal::unwritable(&error))?)
}

/// Waits for a part of the platform. Returns its answer, and how long that took in milliseconds. A fault is logged.
async fn timed<T>(
    context: &Context<'_, impl Platform>,
    answer: impl Future<Output = Result<T, Internal>>,
) -> (Option<T>, i64) {
    let begin = context.platform.milliseconds();
    let answer = answer.await.inspect_err(|fault| context.log_fault(fault));
    (answer.ok(), context.platform.milliseconds() - begin)
}

const IN_THE_LOG: &str = "does not answer; the log has the error";

/// Checks D1 and what it holds: the keys, the migrations and the last run of the maintenance. Two requests to the
/// primary, because the tables of the second may not exist yet.
async fn check_database(context: &Context<'_, impl Platform>) -> Vec<Check> {
    let (rows, latency) = timed(context, signing_keys::all(context)).await;
    let Some(rows) = rows else {
        return vec![Check::new("database", Status::Failed, IN_THE_LOG).within(latency)];
    };
    let mut checks =
        vec![Check::new("database", Status::Ok, "the primary answers").within(latency)];

    let mut batch = Batch::default();
    let is_migrated = newest_is_applied_in(&mut batch);
    let last_run = last_in(&mut batch, context.now);
    let logouts = summary_in(&mut batch, context.now);
    let (outcome, _) = timed(context, batch.run(context.platform)).await;
    let read = outcome.and_then(|mut outcome| {
        let is_migrated = outcome.take(is_migrated).ok()?;
        Some((is_migrated, outcome.take(last_run).ok()?, outcome.take(logouts).ok()?))
    });
    let Some((is_migrated, last_run, logouts)) = read else {
        let detail = "the tables of this version cannot be read; the log has the error, and npm run deploy \
                      applies missing migrations";
        checks.push(Check::new("migrations", Status::Failed, detail));
        return checks;
    };
    checks.push(if is_migrated {
        Check::new("migrations", Status::Ok, format!("{NEWEST} is applied"))
    } else {
        let detail = format!("{NEWEST} is not applied: npm run deploy applies it");
        Check::new("migrations", Status::Failed, detail)
    });
    checks.extend(Algorithm::ALL.map(|alg| check_key(context, &rows, alg)));
    checks.push(check_maintenance(last_run.as_ref(), context.now));
    checks.push(check_logouts(&logouts, context.now));
    if context.config.key_encryption_key.previous.is_some() {
        checks.push(check_sealing(context).await);
    }
    checks
}

/// Checks whether the previous secret of the signing keys is still needed.
async fn check_sealing(context: &Context<'_, impl Platform>) -> Check {
    let name = "key_encryption_key";
    let (keys, _) = timed(context, resealing::survey(context)).await;
    let Some(SealedKeys { previous, unreadable, .. }) = keys else {
        return Check::new(name, Status::Failed, IN_THE_LOG);
    };
    if !unreadable.is_empty() {
        let detail = format!("neither secret opens {} keys; the log names them", unreadable.len());
        return Check::new(name, Status::Failed, detail);
    }
    match previous.len() {
        0 => Check::new(name, Status::Ok, "no key needs KEY_ENCRYPTION_KEY_PREVIOUS"),
        count => {
            let detail = format!(
                "{count} keys need KEY_ENCRYPTION_KEY_PREVIOUS, until the next runs have sealed them again"
            );
            Check::new(name, Status::Warning, detail)
        }
    }
}

fn check_key<P>(context: &Context<'_, P>, rows: &[KeyRow], alg: Algorithm) -> Check {
    let Context { config, now, .. } = *context;
    let name = format!("signing_key_{}", alg.name());
    let Some(row) = signer(rows, alg, now) else {
        let detail = "no key signs; the next request that needs one makes it";
        return Check::new(name, Status::Warning, detail);
    };
    let kid = row.public.kid();
    let opened = Sealer::new(&config.key_encryption_key)
        .and_then(|sealer| sealer.open(&row.sealed_private, kid));
    if let Err(fault) = opened {
        context.log_fault(&fault);
        return Check::new(name, Status::Failed, fault.detail());
    }
    let age = match row.sign_from.max(row.created_at.unwrap_or_default()) {
        0 => "since it was made".to_owned(),
        since => format!("for {}", span(now - since)),
    };
    let rotation = rotations(rows, now, config.key_times).find(|rotation| rotation.alg == alg);
    match rotation {
        Some(Rotation { overdue_since: Some(since), .. }) => {
            let detail = format!(
                "{kid} signs {age}; the next key is overdue for {}: the maintenance makes it",
                span(now - since)
            );
            Check::new(name, Status::Warning, detail)
        }
        Some(Rotation { next_at, .. }) => {
            let detail =
                format!("{kid} signs {age}; the next key signs in {}", span(next_at - now));
            Check::new(name, Status::Ok, detail)
        }
        None => Check::new(name, Status::Ok, format!("{kid} signs {age}")),
    }
}

fn check_maintenance(last_run: Option<&MaintenanceRun>, now: i64) -> Check {
    let name = "maintenance";
    let Some(run) = last_run else {
        let detail = "no run yet: it needs the cron trigger of wrangler.toml, which runs it every five minutes";
        return Check::new(name, Status::Warning, detail);
    };
    let report = json::from_own::<Value>(&run.report).unwrap_or_default();
    let notes = report.get("notes").and_then(Value::as_array);
    let is_late = now > run.started_at + MAINTENANCE_LATE_SECONDS;
    let status = if is_late || notes.is_some() { Status::Warning } else { Status::Ok };
    let last = format!(
        "{}the last run began {} ago and took {}",
        if is_late { "late: " } else { "" },
        span(now - run.started_at),
        span(run.ended_at - run.started_at),
    );
    let steps = fields(report.get("steps")).map(|(step, did)| {
        format!("{step}: {}", fields(Some(did)).map(pair).collect::<Vec<_>>().join(", "))
    });
    let faults = notes.into_iter().flatten().map(|note| format!("failed: {note}"));
    let detail = [last].into_iter().chain(steps).chain(faults).collect::<Vec<_>>().join("; ");
    Check::new(name, status, detail)
}

/// Checks whether the operator's clients accept their logout tokens. Tokens of other clients are no reason for a warning.
fn check_logouts(Summary { of_operator, oldest, of_all }: &Summary, now: i64) -> Check {
    let is_late = oldest.is_some_and(|oldest| now > oldest + LOGOUT_LATE_SECONDS);
    let status = if is_late || of_operator.given_up > 0 { Status::Warning } else { Status::Ok };
    let Numbers { waiting, given_up } = of_operator;
    let since = oldest.map(|oldest| format!(", the oldest for {}", span(now - oldest)));
    let mut detail = format!(
        "{waiting} wait for their delivery{}; {given_up} were given up in the last day",
        since.unwrap_or_default()
    );
    if of_all != of_operator {
        let Numbers { waiting, given_up } = of_all;
        let others = format!("; with those of others' clients {waiting} and {given_up}");
        detail.push_str(&others);
    }
    Check::new("logout_tokens", status, detail)
}

/// The fields of a JSON object; none of another value.
fn fields(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    value.and_then(Value::as_object).into_iter().flatten()
}

fn pair((name, value): (&String, &Value)) -> String {
    format!("{name} {value}")
}

/// Reads a key that is never written: KV answers that, too.
async fn check_cache(context: &Context<'_, impl Platform>) -> Check {
    let (answer, latency) = timed(context, context.platform.get("health")).await;
    let check = match answer {
        Some(_) => Check::new("cache", Status::Ok, "KV answers"),
        // Everything works without it, more slowly.
        None => Check::new("cache", Status::Warning, IN_THE_LOG),
    };
    check.within(latency)
}

async fn check_rate_limit(context: &Context<'_, impl Platform>) -> Check {
    let (answer, latency) = timed(context, context.platform.is_within_limit("health")).await;
    let is_open = context.config.registration == Registration::Open;
    let check = match answer {
        Some(_) => Check::new("rate_limit", Status::Ok, "SIGN_IN_LIMIT answers"),
        None if is_open => {
            let detail = "SIGN_IN_LIMIT is not bound or fails, so anybody can register clients without a limit, \
                          because REGISTRATION is open";
            Check::new("rate_limit", Status::Warning, detail)
        }
        None => {
            let detail = "SIGN_IN_LIMIT is not bound or fails, so only the counters in D1 slow down guessing";
            Check::new("rate_limit", Status::Warning, detail)
        }
    };
    check.within(latency)
}

/// Returns the warnings about variables and secrets, or one line that there are none.
fn check_configuration(config: &Config) -> Vec<Check> {
    let is_local = config.issuer.own_host().is_this_device();
    let warnings = [
        is_local.then_some("ISSUER is a URL of this machine: for development only"),
        (config.allows_loopback && !is_local)
            .then_some("ALLOW_LOOPBACK is for development, and ISSUER is public: remove it"),
    ];
    let line = |detail| Check::new("configuration", Status::Warning, detail);
    let warnings = warnings.into_iter().flatten().chain(config.secret_warnings());
    let lines: Vec<_> = warnings.map(line).collect();
    if lines.is_empty() {
        return vec![Check::new("configuration", Status::Ok, "no warnings")];
    }
    lines
}

/// Writes a time span in the largest unit of which there are at least two.
fn span(seconds: i64) -> String {
    match seconds.max(0) {
        1 => "1 second".to_owned(),
        seconds @ ..120 => format!("{seconds} seconds"),
        seconds @ ..7_200 => format!("{} minutes", seconds / 60),
        seconds @ ..172_800 => format!("{} hours", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::span;

    #[test]
    fn a_span_is_written_in_a_unit_that_people_read() {
        for (seconds, text) in [
            (-5, "0 seconds"),
            (1, "1 second"),
            (119, "119 seconds"),
            (120, "2 minutes"),
            (7_199, "119 minutes"),
            (7_200, "2 hours"),
            (172_799, "47 hours"),
            (172_800, "2 days"),
            (31_536_000, "365 days"),
        ] {
            assert_eq!(span(seconds), text);
        }
    }
}
