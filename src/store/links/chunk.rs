//! A chunk's body: pairs in byte order, each as what it shares with the one before and the rest.
//!
//! ```text
//! { shared:varint | length of the rest:varint | rest }*
//! ```

use crate::store::record::RecordFault;

/// How many pairs a chunk holds at most.
pub const MAX_PAIRS: usize = 64;
/// How many bytes of pairs, before they are written against each other; a single pair may be longer.
const MAX_BYTES: usize = 8 * 1024;

const DAMAGED: RecordFault = RecordFault::Damaged("its pairs cannot be read");

pub fn encode<P: AsRef<[u8]>>(pairs: &[P]) -> Vec<u8> {
    let mut body = Vec::with_capacity(pairs.len() * 12);
    let mut before: &[u8] = &[];
    for pair in pairs {
        let pair = pair.as_ref();
        let shared = shared(pair, before);
        let (_, rest) = pair.split_at_checked(shared).unwrap_or((&[], pair));
        varint(&mut body, shared);
        varint(&mut body, rest.len());
        body.extend(rest);
        before = pair;
    }
    body
}

/// How many bytes two pairs begin with alike: first by eights, for most of a pair is like the one before.
fn shared(a: &[u8], b: &[u8]) -> usize {
    let eights = 8 * a.chunks_exact(8).zip(b.chunks_exact(8)).take_while(|(a, b)| a == b).count();
    let rest = a.iter().zip(b).skip(eights);
    eights + rest.take_while(|(a, b)| a == b).count()
}

/// The pairs of a chunk, one behind the other.
#[derive(Default)]
pub struct Pairs {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Pairs {
    /// The pairs in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| self.bytes.get(start..*end).unwrap_or_default())
    }
}

/// # Errors
/// Bytes that [`encode`] did not write.
pub fn decode(mut body: &[u8]) -> Result<Pairs, RecordFault> {
    let mut pairs = Pairs { bytes: Vec::with_capacity(4 * body.len()), ends: Vec::with_capacity(MAX_PAIRS) };
    let mut before = 0..0;
    while !body.is_empty() {
        let shared = number(&mut body)?;
        let length = number(&mut body)?;
        let (rest, after) = body.split_at_checked(length).ok_or(DAMAGED)?;
        if shared > before.len() {
            return Err(DAMAGED);
        }
        let start = pairs.bytes.len();
        pairs.bytes.extend_from_within(before.start..before.start + shared);
        pairs.bytes.extend(rest);
        before = start..pairs.bytes.len();
        pairs.ends.push(before.end);
        body = after;
    }
    Ok(pairs)
}

/// Cuts pairs that come in order into chunks: full ones while many come, even halves at the end, so that the next pair
/// finds room wherever it belongs.
pub struct Packer<P> {
    waiting: Vec<P>,
    bytes: usize,
}

impl<P: AsRef<[u8]>> Packer<P> {
    pub fn new() -> Self {
        Self { waiting: Vec::new(), bytes: 0 }
    }

    /// Takes the next pair; gives a chunk when one is full for certain.
    pub fn push(&mut self, pair: P) -> Option<Vec<P>> {
        self.bytes += pair.as_ref().len();
        self.waiting.push(pair);
        if self.waiting.len() < 2 * MAX_PAIRS && self.bytes < 2 * MAX_BYTES {
            return None;
        }
        let full = self.fitting(MAX_PAIRS);
        Some(self.cut(full))
    }

    /// The chunks of what is left, the last one last.
    pub fn finish(mut self) -> Vec<Vec<P>> {
        let mut chunks = Vec::new();
        while self.waiting.len() > self.fitting(MAX_PAIRS) {
            let half = self.fitting(self.waiting.len().div_ceil(2).min(MAX_PAIRS));
            chunks.push(self.cut(half));
        }
        if !self.waiting.is_empty() {
            chunks.push(self.waiting);
        }
        chunks
    }

    /// How many of the first `most` pairs fit into one chunk; at least one.
    fn fitting(&self, most: usize) -> usize {
        let mut bytes = 0;
        let fits = |pair: &&P| {
            bytes += pair.as_ref().len();
            bytes <= MAX_BYTES
        };
        self.waiting.iter().take(most).take_while(fits).count().max(1)
    }

    fn cut(&mut self, count: usize) -> Vec<P> {
        let rest = self.waiting.split_off(count.min(self.waiting.len()));
        let chunk = std::mem::replace(&mut self.waiting, rest);
        self.bytes -= chunk.iter().map(|pair| pair.as_ref().len()).sum::<usize>();
        chunk
    }
}

fn varint(into: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        into.push((number & 0x7F) as u8 | 0x80);
        number >>= 7;
    }
    into.push(number as u8);
}

fn number(from: &mut &[u8]) -> Result<usize, RecordFault> {
    let mut number = 0_usize;
    for shift in (0..28).step_by(7) {
        let (&byte, rest) = from.split_first().ok_or(DAMAGED)?;
        *from = rest;
        number |= usize::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err(DAMAGED)
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_pairs_read_back(pairs in btree_set(vec(any::<u8>(), 0..300), 0..40)) {
            let pairs: Vec<_> = pairs.into_iter().collect();
            let read = decode(&encode(&pairs)).unwrap();
            prop_assert!(read.iter().eq(pairs.iter().map(Vec::as_slice)));
        }

        #[test]
        fn no_bytes_make_decoding_panic(bytes in vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
        }

        #[test]
        fn packing_keeps_every_pair_in_its_place(pairs in vec(vec(any::<u8>(), 0..700), 0..400)) {
            let mut packer = Packer::new();
            let mut chunks: Vec<Vec<Vec<u8>>> = pairs.iter().filter_map(|pair| packer.push(pair.clone())).collect();
            chunks.extend(packer.finish());
            for chunk in &chunks {
                prop_assert!(!chunk.is_empty() && chunk.len() <= MAX_PAIRS);
                prop_assert!(chunk.len() == 1 || chunk.iter().map(Vec::len).sum::<usize>() <= MAX_BYTES);
            }
            prop_assert_eq!(chunks.concat(), pairs);
        }
    }
}
