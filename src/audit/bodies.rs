//! Records on their way, one behind the other in one buffer: what is filled and emptied many times a second is neither
//! made nor freed each time, least of all by two threads.

/// Bytes that an empty buffer may keep for the next time.
const KEPT: usize = 4 * 1024 * 1024;

/// JSON objects without their closing braces.
#[derive(Debug, Default)]
pub struct Bodies {
    bytes: Vec<u8>,
    /// Where each one ends.
    ends: Vec<usize>,
}

impl Bodies {
    pub fn of(body: &[u8]) -> Self {
        let mut bodies = Self::default();
        bodies.push(body);
        bodies
    }

    pub fn push(&mut self, body: &[u8]) {
        self.bytes.extend_from_slice(body);
        self.ends.push(self.bytes.len());
    }

    pub fn append(&mut self, others: &Self) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&others.bytes);
        self.ends.extend(others.ends.iter().map(|end| start + end));
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// How many bytes they are together.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(&0).chain(&self.ends);
        starts.zip(&self.ends).map(|(start, end)| self.bytes.get(*start..*end).unwrap_or_default())
    }

    /// Keeps the first ones.
    pub fn truncate(&mut self, count: usize) {
        self.ends.truncate(count);
        self.bytes.truncate(self.ends.last().copied().unwrap_or_default());
    }

    /// As many of the first ones as have so many bytes together.
    pub fn within(&self, bytes: usize) -> usize {
        self.ends.partition_point(|end| *end <= bytes)
    }

    pub fn clear(&mut self) {
        match self.bytes.capacity() <= KEPT {
            true => self.truncate(0),
            false => *self = Self::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_come_out_as_they_went_in() {
        let mut bodies = Bodies::of(b"one");
        bodies.push(b"");
        let mut others = Bodies::of(b"three");
        others.push(b"four");
        bodies.append(&others);
        assert_eq!(bodies.iter().collect::<Vec<_>>(), [&b"one"[..], b"", b"three", b"four"]);
        assert_eq!((bodies.len(), bodies.bytes(), bodies.within(8), bodies.within(7)), (4, 12, 3, 2));
        bodies.truncate(3);
        assert_eq!(bodies.iter().last(), Some(&b"three"[..]));
        assert_eq!(bodies.bytes(), 8);
        bodies.clear();
        assert!(bodies.is_empty() && bodies.iter().next().is_none());
    }
}
