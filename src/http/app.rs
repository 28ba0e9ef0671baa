//! What all requests of one server share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep};

use super::credentials::Reports;
use super::failure::Failure;
use super::options::Limits;
use super::page_token::PageTokens;
use crate::hub::Hub;
use crate::store::Revision;
use crate::warden::{SessionError, Warden};

/// How often a waiting question looks whether its revision is there.
const LOOK: Duration = Duration::from_millis(2);

/// One server's state.
pub struct App {
    pub warden: Arc<Warden>,
    pub hub: Arc<Hub>,
    /// Of those who report leaked tokens.
    pub reports: Reports,
    pub limits: Limits,
    /// Published in metadata. Never made from a `Host` header.
    pub base_url: String,
    pub page_tokens: PageTokens,
    /// Served to this machine alone, because no key existed. Once there is a key this stays false.
    open: AtomicBool,
    room: Arc<Semaphore>,
}

/// Room to work on one request.
pub type Permit = Arc<OwnedSemaphorePermit>;

impl App {
    pub fn new(hub: Arc<Hub>, limits: Limits, base_url: String, page_tokens: PageTokens) -> Self {
        let warden = Arc::clone(hub.warden());
        Self {
            hub,
            reports: Reports::new(limits.reports_per_minute),
            open: AtomicBool::new(warden.keys().is_empty()),
            room: Arc::new(Semaphore::new(limits.concurrent_requests)),
            warden,
            limits,
            base_url,
            page_tokens,
        }
    }

    /// Whether callers need no key. Deleting the last key does not bring this back: a server that was closed stays so.
    pub fn is_open(&self) -> bool {
        if self.open.load(Ordering::Acquire) && !self.warden.keys().is_empty() {
            self.open.store(false, Ordering::Release);
        }
        self.open.load(Ordering::Acquire)
    }

    /// Requests that are worked on.
    pub fn in_flight(&self) -> usize {
        self.limits.concurrent_requests.saturating_sub(self.room.available_permits())
    }

    /// # Errors
    /// When too many requests are being worked on.
    pub fn admit(&self) -> Result<Permit, Failure> {
        let permit = Arc::clone(&self.room).try_acquire_owned();
        permit.map(Arc::new).map_err(|_| {
            let limit = self.limits.concurrent_requests;
            Failure::unavailable("overloaded", format!("{limit} requests are being worked on, which is the limit"))
        })
    }

    /// Waits until the store is at `wanted`.
    ///
    /// # Errors
    /// When it is not in time, or the store stopped.
    pub async fn reach(&self, wanted: Revision) -> Result<(), Failure> {
        let end = Instant::now() + self.limits.at_least_wait;
        loop {
            let head = self.warden.revision()?;
            if head >= wanted {
                return Ok(());
            }
            if Instant::now() >= end {
                return Err(SessionError::Behind { wanted, head }.into());
            }
            sleep(LOOK).await;
        }
    }
}
