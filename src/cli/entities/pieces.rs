//! Cuts a file of entities into the texts of its entities, without understanding them.
//!
//! A broken entity must not hide the ones after it: a line ends at its line break, an element of an array where its
//! brackets close.

use std::io::{self, BufRead, Read};

/// The longest text of one entity.
const MAX_BYTES: usize = 1024 * 1024;

/// The text of one entity.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) struct Piece {
    /// Where it starts, from 1.
    pub line: usize,
    pub text: Vec<u8>,
}

/// Where a file cannot be cut.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) struct Broken {
    pub line: usize,
    pub message: String,
}

enum State {
    Lines,
    /// Inside an array; `first` until its first element was seen.
    Array {
        first: bool,
    },
    End,
}

/// The entities of a reader, in order.
pub(in crate::cli) struct Pieces<R> {
    reader: R,
    line: usize,
    state: State,
}

impl<R: BufRead> Pieces<R> {
    /// Looks at the first character: `[` starts an array, anything else is lines.
    pub fn new(reader: R) -> io::Result<Self> {
        let mut pieces = Self { reader, line: 1, state: State::Lines };
        match pieces.past_space()? {
            Some(b'[') => {
                pieces.reader.consume(1);
                pieces.state = State::Array { first: true };
            }
            Some(_) => {}
            None => pieces.state = State::End,
        }
        Ok(pieces)
    }

    /// The next byte that is no white space; it is not consumed.
    fn past_space(&mut self) -> io::Result<Option<u8>> {
        loop {
            let buffer = self.reader.fill_buf()?;
            if buffer.is_empty() {
                return Ok(None);
            }
            let space = buffer.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let next = buffer.get(space).copied();
            self.line += lines(buffer.iter().take(space));
            self.reader.consume(space);
            if next.is_some() {
                return Ok(next);
            }
        }
    }

    fn next_line(&mut self) -> Result<Option<Piece>, Broken> {
        let mut text = Vec::new();
        if self.past_space().map_err(|error| self.broken(error.to_string()))?.is_none() {
            return Ok(None);
        }
        let line = self.line;
        let limit = MAX_BYTES as u64 + 1;
        (&mut self.reader)
            .take(limit)
            .read_until(b'\n', &mut text)
            .map_err(|error| Broken { line, message: error.to_string() })?;
        if text.pop_if(|last| *last == b'\n').is_some() {
            self.line += 1;
        } else if text.len() > MAX_BYTES {
            return Err(self.broken(format!("an entity takes at most {MAX_BYTES} bytes")));
        }
        Ok(Some(Piece { line, text }))
    }

    fn next_element(&mut self, first: bool) -> Result<Option<Piece>, Broken> {
        match self.look()? {
            b']' => return self.finish(),
            b',' if !first => {
                self.reader.consume(1);
                self.look()?;
            }
            _ if first => {}
            _ => return Err(self.broken("expected `,` or `]`")),
        }
        self.state = State::Array { first: false };
        let line = self.line;
        let text = self.element()?;
        match text.is_empty() {
            true => Err(self.broken("expected an entity")),
            false => Ok(Some(Piece { line, text })),
        }
    }

    /// After the array nothing may follow.
    fn finish(&mut self) -> Result<Option<Piece>, Broken> {
        self.reader.consume(1);
        match self.past_space() {
            Ok(None) => Ok(None),
            Ok(Some(_)) => Err(self.broken("something follows the array")),
            Err(error) => Err(self.broken(error.to_string())),
        }
    }

    fn look(&mut self) -> Result<u8, Broken> {
        match self.past_space() {
            Ok(Some(byte)) => Ok(byte),
            Ok(None) => Err(self.broken("the array does not end: expected `]`")),
            Err(error) => Err(self.broken(error.to_string())),
        }
    }

    /// Bytes up to the `,` or `]` that ends the element.
    fn element(&mut self) -> Result<Vec<u8>, Broken> {
        let mut text = Vec::new();
        let mut scan = Scan::default();
        loop {
            let buffer = match self.reader.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) => return Err(Broken { line: self.line, message: error.to_string() }),
            };
            if buffer.is_empty() {
                return Err(self.broken("the array does not end: expected `]`"));
            }
            let taken = buffer.iter().take_while(|byte| !scan.ends_at(**byte)).count();
            let ended = taken < buffer.len();
            text.extend(buffer.iter().take(taken));
            self.line += lines(buffer.iter().take(taken));
            self.reader.consume(taken);
            if text.len() > MAX_BYTES {
                return Err(self.broken(format!("an entity takes at most {MAX_BYTES} bytes")));
            }
            if ended {
                return Ok(text);
            }
        }
    }

    fn broken(&self, message: impl Into<String>) -> Broken {
        Broken { line: self.line, message: message.into() }
    }
}

impl<R: BufRead> Iterator for Pieces<R> {
    type Item = Result<Piece, Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        let piece = match self.state {
            State::Lines => self.next_line(),
            State::Array { first } => self.next_element(first),
            State::End => return None,
        };
        // Past a place where the file cannot be cut, nothing is known of where entities start.
        if !matches!(piece, Ok(Some(_))) {
            self.state = State::End;
        }
        piece.transpose()
    }
}

/// Where in a JSON text a byte stands.
#[derive(Default)]
struct Scan {
    depth: usize,
    string: bool,
    escaped: bool,
}

impl Scan {
    /// Takes the next byte; true when it stands after the element and not in it.
    fn ends_at(&mut self, byte: u8) -> bool {
        if self.string {
            (self.escaped, self.string) = match byte {
                _ if self.escaped => (false, true),
                b'\\' => (true, true),
                b'"' => (false, false),
                _ => (false, true),
            };
            return false;
        }
        match byte {
            b'"' => self.string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => match self.depth.checked_sub(1) {
                Some(depth) => self.depth = depth,
                None => return true,
            },
            b',' => return self.depth == 0,
            _ => {}
        }
        false
    }
}

fn lines<'a>(bytes: impl Iterator<Item = &'a u8>) -> usize {
    bytes.filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<Result<(usize, String), String>> {
        // A small buffer, so that every piece crosses its end.
        let reader = io::BufReader::with_capacity(3, text.as_bytes());
        let shown = |piece: Piece| (piece.line, String::from_utf8(piece.text).unwrap().trim().to_owned());
        let failed = |broken: Broken| format!("{}: {}", broken.line, broken.message);
        Pieces::new(reader).unwrap().map(|piece| piece.map(shown).map_err(failed)).collect()
    }

    fn good(pieces: &[(usize, &str)]) -> Vec<Result<(usize, String), String>> {
        pieces.iter().map(|(line, text)| Ok((*line, (*text).to_owned()))).collect()
    }

    #[test]
    fn lines_are_cut_at_line_breaks_and_empty_ones_skipped() {
        assert_eq!(cut("{\"a\":1}\n\n  {broken\r\n{}"), good(&[(1, "{\"a\":1}"), (3, "{broken"), (4, "{}")]));
    }

    #[test]
    fn an_array_is_cut_between_its_elements() {
        let text = "\n[\n {\"a\":\n  [1,2]}, {\"b\":\"],}\\\"\"},\n 3 ]\n";
        assert_eq!(cut(text), good(&[(3, "{\"a\":\n  [1,2]}"), (4, "{\"b\":\"],}\\\"\"}"), (5, "3")]));
        assert_eq!(cut(" [ ] "), good(&[]));
        assert_eq!(cut(""), good(&[]));
    }

    #[test]
    fn an_array_that_cannot_be_cut_says_where() {
        assert_eq!(cut("[{},\n{}").pop().unwrap(), Err("2: the array does not end: expected `]`".to_owned()));
        assert_eq!(cut("[{}]\n\n{}").pop().unwrap(), Err("3: something follows the array".to_owned()));
        assert_eq!(cut("[{},]").pop().unwrap(), Err("1: expected an entity".to_owned()));
        assert_eq!(cut("[,{}]").pop().unwrap(), Err("1: expected an entity".to_owned()));
    }

    #[test]
    fn an_endless_line_is_refused() {
        let text = "x".repeat(MAX_BYTES + 10);
        assert!(cut(&text).pop().unwrap().unwrap_err().contains("at most"));
    }
}
