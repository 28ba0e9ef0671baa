//! Which links a store keeps, and how far each is built.
//!
//! Links are only ever added: a command that looks at a store with other policies must not take an index away. One that
//! no policy uses any more goes when the entities are exported and imported.

use std::collections::BTreeMap;

use prost::Message;

use super::pair::{self, LinkId};
use crate::entity::Link;
use crate::store::plan::Bytes;
use crate::store::record::{self, Body, Kind, RecordFault};
use crate::store::view::fault;
use crate::store::{Revision, StoreError};

/// Where the catalogue is stored.
pub const KEY: &[u8] = &[pair::LINKS];

/// How far a link is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    Built,
    /// For the entities of its type up to this key; none yet when it is empty.
    Until(Vec<u8>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub id: LinkId,
    pub progress: Progress,
}

/// The links of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue {
    links: BTreeMap<Link, Kept>,
}

#[derive(Clone, PartialEq, Message)]
struct CatalogueBody {
    #[prost(message, repeated, tag = "1")]
    links: Vec<LinkBody>,
}

#[derive(Clone, PartialEq, Message)]
struct LinkBody {
    #[prost(string, tag = "1")]
    from: String,
    #[prost(string, repeated, tag = "2")]
    path: Vec<String>,
    #[prost(bool, tag = "3")]
    built: bool,
    #[prost(bytes, tag = "4")]
    until: Vec<u8>,
}

impl Kept {
    /// Whether it says something about the entity at `key`.
    pub fn covers(&self, key: &[u8]) -> bool {
        match &self.progress {
            Progress::Built => true,
            Progress::Until(until) => key <= until.as_slice(),
        }
    }
}

impl Catalogue {
    pub fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// The name in keys of a link that is built.
    pub fn built(&self, link: &Link) -> Option<LinkId> {
        self.links.get(link).filter(|kept| kept.progress == Progress::Built).map(|kept| kept.id)
    }

    /// Whether every link is built.
    pub fn is_complete(&self) -> bool {
        self.links.values().all(|kept| kept.progress == Progress::Built)
    }

    /// Adds links, to be built; whether any of them is new.
    pub fn add<'l>(&mut self, links: impl IntoIterator<Item = &'l Link>) -> bool {
        let before = self.links.len();
        for link in links {
            self.links
                .entry(link.clone())
                .or_insert_with(|| Kept { id: pair::id(link), progress: Progress::Until(Vec::new()) });
        }
        self.links.len() > before
    }

    /// Starts every link again.
    pub fn forget(&mut self) {
        for kept in self.links.values_mut() {
            kept.progress = Progress::Until(Vec::new());
        }
    }

    /// The links of a type.
    pub fn of_type<'c>(&'c self, type_name: &'c str) -> impl Iterator<Item = (&'c Link, &'c Kept)> {
        let from = Link::parents(type_name);
        self.links.range(from..).take_while(move |(link, _)| link.from == type_name)
    }

    /// What is to be built next: the links of one type that have come equally far, and how far.
    pub fn unbuilt(&self) -> Option<(Vec<Link>, Vec<u8>)> {
        let open = |(link, kept): (&Link, &Kept)| match &kept.progress {
            Progress::Built => None,
            Progress::Until(until) => Some((link.clone(), until.clone())),
        };
        let (first, until) = self.links.iter().find_map(open)?;
        let same = |(link, at): &(Link, Vec<u8>)| link.from == first.from && *at == until;
        let links = self.of_type(&first.from).filter_map(open).filter(same).map(|(link, _)| link).collect();
        Some((links, until))
    }

    pub fn id(&self, link: &Link) -> Option<LinkId> {
        self.links.get(link).map(|kept| kept.id)
    }

    /// Notes how far links have come.
    pub fn reach(&mut self, links: &[Link], progress: &Progress) {
        for link in links {
            if let Some(kept) = self.links.get_mut(link) {
                kept.progress = progress.clone();
            }
        }
    }

    /// The record as it is stored at [`KEY`].
    pub fn encode(&self, revision: Revision) -> Bytes {
        let link = |(link, kept): (&Link, &Kept)| LinkBody {
            from: link.from.to_string(),
            path: link.path.iter().map(ToString::to_string).collect(),
            built: kept.progress == Progress::Built,
            until: match &kept.progress {
                Progress::Built => Vec::new(),
                Progress::Until(until) => until.clone(),
            },
        };
        let body = CatalogueBody { links: self.links.iter().map(link).collect() };
        Body::opaque(&body.encode_to_vec()).seal(KEY, revision).into()
    }

    /// # Errors
    /// A record that cannot be read.
    pub fn decode(value: &[u8], place: &str) -> Result<Self, StoreError> {
        let read = || {
            let opened = record::open(KEY, value)?;
            let body = CatalogueBody::decode(opened.body)
                .ok()
                .filter(|_| opened.kind == Kind::Opaque)
                .ok_or(RecordFault::Damaged("it is no list of links"))?;
            let kept = |body: LinkBody| {
                let path = body.path.into_iter().map(Into::into).collect();
                let link = Link { from: body.from.into(), path };
                let progress = if body.built { Progress::Built } else { Progress::Until(body.until) };
                let id = pair::id(&link);
                (link, Kept { id, progress })
            };
            Ok(Self { links: body.links.into_iter().map(kept).collect() })
        };
        read().map_err(|why: RecordFault| fault(place, KEY, &why))
    }
}
