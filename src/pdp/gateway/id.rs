//! Id templates: `models/{namespace}/{name}`.
//!
//! Values come from variables that hold no slash (`template.rs`), so an id has as many as its template.

use smol_str::SmolStr;

use super::template::{is_name_byte, variable_name};

/// The id of a resource, e.g. `models/{namespace}/{name}`.
#[derive(Clone, Debug)]
pub(super) struct IdTemplate(Vec<Piece>);

#[derive(Clone, Debug)]
enum Piece {
    Text(SmolStr),
    Variable(SmolStr),
}

impl IdTemplate {
    /// Reads an id.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or_else(|| format!("`{text}` has no `}}`"))?;
            pieces.extend((!before.is_empty()).then(|| Piece::Text(before.into())));
            pieces.push(Piece::Variable(variable_name(name)?));
            rest = after;
        }
        pieces.extend((!rest.is_empty()).then(|| Piece::Text(rest.into())));
        // Without a character between them that no value has, `a-b` and `c` would make the same id as `a` and `b-c`.
        let joined = |window: &[Piece]| match window {
            [Piece::Variable(_), Piece::Variable(_), ..] => true,
            [Piece::Variable(_), Piece::Text(text), Piece::Variable(_)] => text.bytes().all(is_name_byte),
            _ => false,
        };
        if pieces.windows(2).chain(pieces.windows(3)).any(joined) {
            return Err("two variables of an id have a `/` or `:` between them: two paths could mean one id".to_owned());
        }
        if rest.contains('}') || pieces.is_empty() {
            return Err(format!("`{text}` is no id"));
        }
        Ok(Self(pieces))
    }

    pub fn variables(&self) -> impl Iterator<Item = &SmolStr> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Variable(name) => Some(name),
            Piece::Text(_) => None,
        })
    }

    /// The id with its variables' values; nothing if one has none.
    pub fn fill(&self, values: &[(&str, &str)]) -> Option<SmolStr> {
        let mut id = String::new();
        for piece in &self.0 {
            id.push_str(match piece {
                Piece::Text(text) => text,
                Piece::Variable(name) => values.iter().find(|(known, _)| name == known)?.1,
            });
        }
        Some(id.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_filled_with_values() {
        let id = IdTemplate::parse("a/{x}/{y}.z").unwrap();
        assert_eq!(id.fill(&[("y", "2"), ("x", "1")]).unwrap(), "a/1/2.z");
        assert_eq!(id.fill(&[("x", "1")]), None);
    }

    #[test]
    fn what_is_no_id_or_could_be_one_id_for_two_paths_is_refused() {
        for text in ["", "{a", "a}", "{a}{b}", "{a}-{b}", "x/{a}.x.{b}", "{a b}", "{}"] {
            assert!(IdTemplate::parse(text).is_err(), "{text}");
        }
    }
}
