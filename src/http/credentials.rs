//! `POST /api/credentials/revoke`: whoever finds values of tokens reports them here, and they die.
//!
//! Public, because the finder is a stranger. The answer is always 202 and says nothing: not even whether a value was
//! one. An address may report so many times a minute.

use std::net::IpAddr;
use std::num::NonZeroU32;

use axum::http::StatusCode;
use governor::clock::{Clock, MonotonicClock};
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use serde_json::Value as Json;
use utoipa::ToSchema;

use super::call::Call;
use super::failure::Failure;
use super::fields::Fields;
use super::record;
use super::reply::{Answered, Reply};

/// How many values one report can hold.
const MAX_VALUES: usize = 1_000;
/// When so many addresses are remembered, those that have been quiet for a minute are forgotten.
const MAX_ADDRESSES: usize = 10_000;

/// Values that were found where they should not be.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the form of a body; it is read field by field")]
pub struct RevocationRequest {
    /// 1 to 1,000 of them.
    credentials: Vec<String>,
}

/// Counts the reports of each address.
pub struct Reports {
    limiter: RateLimiter<IpAddr, HashMapStateStore<IpAddr>, MonotonicClock>,
}

impl Reports {
    pub fn new(per_minute: u32) -> Self {
        let quota = Quota::per_minute(NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN));
        Self { limiter: RateLimiter::new(quota, HashMapStateStore::default(), MonotonicClock) }
    }

    fn take(&self, address: IpAddr) -> Result<(), Failure> {
        if self.limiter.len() > MAX_ADDRESSES {
            self.limiter.retain_recent();
        }
        self.limiter.check_key(&network(address)).map_err(|until| {
            let seconds = until.wait_time_from(MonotonicClock.now()).as_secs() + 1;
            Failure::new(StatusCode::TOO_MANY_REQUESTS, "too_many_reports", "too many reports; try again later")
                .with(axum::http::header::RETRY_AFTER, seconds.into())
        })
    }
}

/// Who has one IPv6 address has a whole /64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & !u128::from(u64::MAX)).into()),
        address => address,
    }
}

pub async fn revoke(call: Call) -> Answered {
    call.app.reports.take(call.peer)?;
    let json = call.json()?;
    let values = values(&json)?;
    call.blocking(move |call| {
        let revoked = call.hub().revoke_values(values.iter().map(String::as_str))?;
        for id in &revoked {
            record::changed(call, &format!("token {id}"), 1, call.warden().revision()?);
        }
        Ok(Reply::empty(StatusCode::ACCEPTED))
    })
    .await
}

/// The values, none of which an error repeats.
fn values(json: &Json) -> Result<Vec<String>, Failure> {
    let fields = Fields::of_body(json)?;
    let values = fields.array("credentials")?.unwrap_or_default();
    if !(1..=MAX_VALUES).contains(&values.len()) {
        let message = format!("`credentials` holds 1 to {MAX_VALUES} values, not {}", values.len());
        return Err(Failure::invalid("credentials", message));
    }
    let text = |(index, value): (usize, &Json)| match value {
        Json::String(text) => Ok(text.clone()),
        _ => Err(Failure::invalid(format!("credentials[{index}]"), "a credential is a string")),
    };
    values.iter().enumerate().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_reports_too_often_is_told_when_to_come_back() {
        let reports = Reports::new(2);
        let (here, there): (IpAddr, IpAddr) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        assert!(reports.take(here).is_ok() && reports.take(here).is_ok());
        let failure = reports.take(here).unwrap_err();
        assert_eq!(failure.status, 429);
        assert!(reports.take(there).is_ok());
    }

    #[test]
    fn the_addresses_of_one_network_are_one() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }
}
