//! The process that is killed, and what must be there afterwards.
//!
//! Each thread counts up and writes its number `n` in one of three ways: to one entity, to a pair of entities in one
//! batch, or to a crowd in a batch so large that the store writes it in pieces. So each kind holds one number, all of
//! its entities hold the same one, and it is the last acknowledged or the one after it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Write;
use std::sync::Mutex;

use hubwarden::entity::{Entity, Link, SmolStr, Uid, Value};
use hubwarden::store::{
    Batch, History, ListQuery, Lookup, Moment, Reader, Revision, SledOptions, SledStore, Store, StoreError,
};

/// The variable that names the store's folder to the child.
pub const FOLDER: &str = "HUBWARDEN_CRASH_FOLDER";
/// The child's first line.
pub const STARTED: &str = "the writer starts";
/// Starts the line of an acknowledged commit.
pub const ACK: &str = "acknowledged ";

const THREADS: u64 = 8;
const CROWD: u64 = 300;
/// Records of the past.
const REMEMBERED: u64 = 2_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Single,
    Pair,
    Crowd,
}

const KINDS: [Kind; 3] = [Kind::Single, Kind::Pair, Kind::Crowd];

impl Kind {
    fn of(n: u64) -> Self {
        match n % 7 {
            0 => Self::Crowd,
            n if n % 2 == 0 => Self::Single,
            _ => Self::Pair,
        }
    }

    /// The entities that hold a thread's number of this kind: the pair lies far apart.
    fn uids(self, thread: u64) -> Vec<Uid> {
        let user = |name: String| Uid::new("Hub::User", name);
        match self {
            Self::Single => vec![user(format!("single/{thread}"))],
            Self::Pair => vec![user(format!("a/{thread}")), Uid::new("Hub::Zone", format!("z/{thread}"))],
            Self::Crowd => (0..CROWD).map(|k| user(format!("crowd/{}/{k}", thread))).collect(),
        }
    }

    fn batch(self, thread: u64, n: u64) -> Batch {
        let mut batch = Batch::new();
        for uid in self.uids(thread) {
            let mut entity = Entity::bare(uid);
            entity.attrs.insert("n".into(), Value::Long(n as i64));
            // Links that move with every change.
            entity.parents.insert(Uid::new("Hub::Zone", format!("{}", n % 5)));
            entity.attrs.insert("near".into(), Uid::new("Hub::Zone", format!("{}", n % 3)).into());
            // Records of many sizes, now and then large ones.
            let size = if n.is_multiple_of(13) && self == Self::Pair { 40_000 } else { 100 + n % 400 };
            let text = "x".repeat(size as usize);
            entity.attrs.insert("text".into(), Value::String(text.into()));
            batch.put(&entity);
        }
        batch
    }
}

/// What the child keeps an index of.
fn links() -> BTreeSet<Link> {
    let near = |of: &str| Link::attribute(of, vec!["near".into()]);
    BTreeSet::from([Link::parents("Hub::User"), near("Hub::User"), near("Hub::Zone")])
}

/// The index says what the entities say.
fn check_links(reader: &dyn Reader) {
    for link in links() {
        let query = ListQuery { type_name: Some(link.from.to_string()), id_prefix: String::new() };
        let mut truth: BTreeMap<Uid, Vec<SmolStr>> =
            (0..5).map(|n| (Uid::new("Hub::Zone", format!("{n}")), Vec::new())).collect();
        for stored in reader.list(&query, None, usize::MAX).unwrap() {
            for target in link.targets(&stored.entity) {
                truth.get_mut(target).unwrap().push(stored.entity.uid.id().clone());
            }
        }
        for (target, members) in truth {
            // Nothing, when the child died before it was told what to keep.
            let linked = reader.linked(&link, &target, "", usize::MAX).unwrap();
            assert!(linked.is_none_or(|linked| linked == members), "{link} to {target}");
        }
    }
}

/// The number that a thread's entities of a kind hold; they must all hold the same.
fn stored(reader: &dyn Reader, kind: Kind, thread: u64) -> u64 {
    let number = |uid: Uid| match reader.get(&uid).unwrap() {
        Lookup::Present(stored) => match stored.entity.attrs["n"] {
            Value::Long(n) => n as u64,
            ref other => panic!("{uid} holds {other:?}"),
        },
        Lookup::Absent => 0,
        Lookup::Deleted(at) => panic!("{uid} was deleted at {at}"),
    };
    let mut numbers = kind.uids(thread).into_iter().map(number);
    let first = numbers.next().unwrap();
    for other in numbers {
        assert_eq!(first, other, "half a batch: {kind:?} of thread {thread}");
    }
    first
}

#[test]
#[ignore = "the child process of the crash tests"]
fn writes_until_it_is_killed() {
    let dir = std::env::var(FOLDER).expect("only the crash tests start this");
    println!("\n{STARTED}");
    // So little of the past is kept that it is being removed all the time.
    let history = Some(History { max_records: REMEMBERED, ..History::default() });
    let store = match SledStore::open(dir, SledOptions { history, ..SledOptions::default() }) {
        Ok(store) => store,
        Err(error) => {
            println!("{error}");
            std::process::exit(1);
        }
    };
    store.keep_links(&links()).unwrap();
    let out = Mutex::new(std::io::stdout());
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (store, out) = (&store, &out);
            scope.spawn(move || {
                let start = {
                    let reader = store.read().unwrap();
                    KINDS.map(|kind| stored(&*reader, kind, thread)).into_iter().max().unwrap()
                };
                for n in start + 1.. {
                    let Revision(revision) = store.commit(Kind::of(n).batch(thread, n)).unwrap();
                    // One write, so that a line is cut only by the kill.
                    let line = format!("{ACK}{thread} {n} {revision}.\n");
                    out.lock().unwrap().write_all(line.as_bytes()).unwrap();
                }
            });
        }
    });
}

/// What the child was told is durable.
#[derive(Debug, Default)]
pub struct Acked {
    pub commits: u64,
    head: u64,
    numbers: HashMap<(Kind, u64), u64>,
    /// Thread, number and revision of each commit.
    commit_log: Vec<(u64, u64, u64)>,
}

impl Acked {
    /// Takes in `thread n revision.`; false when the line was cut.
    pub fn note(&mut self, ack: &str) -> bool {
        let Some(ack) = ack.strip_suffix('.') else {
            return false;
        };
        let numbers: Vec<u64> = ack.split(' ').map(|part| part.parse().unwrap()).collect();
        let [thread, n, revision] = numbers[..] else { panic!("{ack}") };
        self.commits += 1;
        self.head = self.head.max(revision);
        self.numbers.insert((Kind::of(n), thread), n);
        self.commit_log.push((thread, n, revision));
        true
    }

    /// Every acknowledged change is there, and each batch whole.
    pub fn check(&self, store: &SledStore) {
        let reader = store.read().unwrap();
        check_links(&*reader);
        assert!(self.head <= reader.revision().0, "revision {} was acknowledged", self.head);
        for thread in 0..THREADS {
            for kind in KINDS {
                let found = stored(&*reader, kind, thread);
                let acked = self.numbers.get(&(kind, thread)).copied().unwrap_or(0);
                assert!(acked <= found, "{kind:?} of thread {thread}: {acked} acknowledged, {found} there");
            }
        }
        drop(reader);
        self.check_past(store);
    }

    /// Each acknowledged revision that is remembered reads as it was.
    fn check_past(&self, store: &SledStore) {
        let mut read = 0;
        for (thread, n, revision) in &self.commit_log {
            match store.read_at(Moment::Revision(Revision(*revision))) {
                Ok(reader) => {
                    read += 1;
                    assert_eq!(stored(&*reader, Kind::of(*n), *thread), *n, "at revision {revision}");
                }
                Err(StoreError::OutOfReach { oldest, .. }) => assert!(*revision < oldest.0),
                Err(error) => panic!("{error}"),
            }
        }
        assert!(read > 0 || self.commit_log.is_empty());
    }
}
