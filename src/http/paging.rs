//! Lists by pages: how many there are on one, and where the next one starts.
//!
//! A page token is bound to what is listed and to the size of its pages (`page_token.rs`); every list reads it here.

use super::call::Call;
use super::failure::Failure;
use super::page_token::{Listing, Position};
use crate::entity::Uid;
use crate::store::Revision;

const DEFAULT_LIMIT: usize = 100;

/// One page of a list.
pub struct Paging<'a> {
    call: &'a Call,
    listing: Listing<'a>,
    from: Option<Position>,
    /// How many fit on it.
    pub limit: usize,
}

impl<'a> Paging<'a> {
    /// Reads `limit` and `page_token`. `filters` are what the list was asked for besides.
    ///
    /// # Errors
    /// 400 for a limit that cannot be, or a token that does not go on with this list.
    pub fn read(call: &'a Call, filters: &'a [&'a str]) -> Result<Self, Failure> {
        let listing = Listing { store: call.warden().store_id(), route: call.route.path, filters };
        let from = match call.query.get("page_token") {
            Some(token) => Some(call.app.page_tokens.read(&listing, token)?),
            None => None,
        };
        let limit = limit(call, from.as_ref())?;
        Ok(Self { call, listing, from, limit })
    }

    /// The last one of the page before.
    pub fn after(&self) -> Option<&Uid> {
        self.from.as_ref().map(|from| &from.after)
    }

    /// The head when the first page was read.
    ///
    /// # Errors
    /// 400 for a token from a later revision than the head: it is from a store that was set back since.
    pub fn started_at(&self, head: Revision) -> Result<Revision, Failure> {
        match self.from.as_ref().map(|from| from.started_at) {
            Some(started) if started > head => Err(Failure::invalid(
                "page_token",
                format!("this list was started at revision {started}, after {head}"),
            )),
            started => Ok(started.unwrap_or(head)),
        }
    }

    /// The token of the page that starts after this one's last.
    pub fn token(&self, after: Uid, started_at: Revision) -> String {
        let limit = u32::try_from(self.limit).unwrap_or(u32::MAX);
        self.call.app.page_tokens.write(&self.listing, &Position { limit, started_at, after })
    }
}

/// The size of a page: a token keeps it, and sending another one beside a token is a mistake.
fn limit(call: &Call, from: Option<&Position>) -> Result<usize, Failure> {
    let max = call.app.limits.page;
    let sent = call.query.number("limit")?;
    if let Some(sent) = sent.filter(|sent| !(1..=max).contains(sent)) {
        return Err(Failure::invalid("limit", format!("`limit` is 1 to {max}, not {sent}")));
    }
    let Some(from) = from else {
        return Ok(sent.unwrap_or(DEFAULT_LIMIT.min(max)));
    };
    let bound = usize::try_from(from.limit).unwrap_or(max).min(max);
    match sent.filter(|sent| *sent != bound) {
        Some(sent) => Err(Failure::invalid("limit", format!("this list goes by pages of {bound}, not of {sent}"))),
        None => Ok(bound),
    }
}
