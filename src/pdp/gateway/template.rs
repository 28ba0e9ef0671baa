//! Path templates: `/{namespace}/{name}[.git]/resolve/{revision:ref}/{*path}`.
//!
//! INVARIANT: what an id is made of comes from variables that hold no slash and stand before every variable that may,
//! so a slash in one of the latter moves nothing that an id is made of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use smol_str::SmolStr;

use super::target::Target;

/// Words that a variable never is, by the variable's name; in lower case.
pub(super) type Reserved = BTreeMap<SmolStr, Arc<BTreeSet<String>>>;

/// What one segment must be.
#[derive(Clone, Debug)]
pub(super) enum Part {
    Literal(SmolStr),
    /// An optional ending is not part of the value.
    Variable {
        name: SmolStr,
        kind: Kind,
        ending: Option<SmolStr>,
    },
}

/// What the value of a variable may be.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// Letters, digits, `_`, `.` and `-`, the first one no `.` or `-`; none of the reserved words.
    Name(Arc<BTreeSet<String>>),
    /// One of these words.
    OneOf(Vec<SmolStr>),
    /// Any text, with encoded slashes.
    Ref,
}

/// What may follow the parts: one or more segments, and a slash at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    None,
    Plain,
    /// With encoded slashes.
    Ref,
}

#[derive(Clone, Debug)]
pub(super) struct Template {
    pub parts: Vec<Part>,
    pub rest: Rest,
    /// The names of all variables, the rest's included.
    pub variables: Vec<SmolStr>,
}

/// What a request's variables hold.
pub(super) type Values<'a> = Vec<(&'a str, &'a str)>;

/// Whether a text can be the value of a variable.
pub(super) fn is_name(text: &str) -> bool {
    text.bytes().all(is_name_byte) && !text.is_empty() && !text.starts_with(['.', '-'])
}

/// Whether the value of a variable may hold this.
pub(super) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)
}

impl Kind {
    pub fn accepts(&self, text: &str) -> bool {
        match self {
            Self::Name(reserved) => is_name(text) && !reserved.contains(&text.to_ascii_lowercase()),
            Self::OneOf(words) => words.iter().any(|word| word == text),
            Self::Ref => !text.is_empty(),
        }
    }
}

impl Part {
    /// The value of a segment; a literal's is itself.
    fn value<'a>(&self, text: &'a str) -> Option<&'a str> {
        match self {
            Self::Literal(literal) => (literal == text).then_some(text),
            Self::Variable { kind, ending, .. } => {
                let value = match ending {
                    // Twice the ending could be taken off once or twice.
                    Some(ending) => text.strip_suffix(ending.as_str()).unwrap_or(text),
                    None => text,
                };
                let twice = ending.as_ref().is_some_and(|ending| value.ends_with(ending.as_str()));
                (!twice && kind.accepts(value)).then_some(value)
            }
        }
    }
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str, reserved: &Reserved) -> Result<Self, String> {
        let inner = text.strip_prefix('/').ok_or("a path starts with `/`")?;
        let mut template = Self { parts: Vec::new(), rest: Rest::None, variables: Vec::new() };
        for segment in inner.split('/') {
            template.add(segment, reserved)?;
        }
        Ok(template)
    }

    /// This template, and another one behind it.
    pub fn then(&self, other: &Self) -> Result<Self, String> {
        let mut joined = self.clone();
        for part in &other.parts {
            joined.push(part.clone())?;
        }
        joined.rest = other.rest;
        let others = other.variables.iter().skip(other.parts.iter().filter(|part| part.variable().is_some()).count());
        others.cloned().try_for_each(|name| joined.bind(name))?;
        Ok(joined)
    }

    fn add(&mut self, segment: &str, reserved: &Reserved) -> Result<(), String> {
        if self.rest != Rest::None {
            return Err("a `{*…}` is the last of a path".to_owned());
        }
        let Some(inside) = segment.strip_prefix('{') else {
            return self.push(Part::Literal(literal(segment)?));
        };
        let (inside, after) = inside.split_once('}').ok_or_else(|| format!("`{segment}` has no `}}`"))?;
        let (name, spec) = match inside.split_once(':') {
            Some((name, spec)) => (name, Some(spec)),
            None => (inside, None),
        };
        if let Some(name) = name.strip_prefix('*') {
            self.rest = match (spec, after) {
                (None, "") => Rest::Plain,
                (Some("ref"), "") => Rest::Ref,
                _ => return Err(format!("`{segment}`: a rest is `{{*name}}` or `{{*name:ref}}`")),
            };
            return self.bind(variable_name(name)?);
        }
        let name = variable_name(name)?;
        let kind = match spec {
            None => Kind::Name(reserved.get(&name).cloned().unwrap_or_default()),
            Some("ref") => Kind::Ref,
            Some(words) => Kind::OneOf(one_of(words)?),
        };
        let ending = match after {
            "" => None,
            after => {
                let ending = after.strip_prefix('[').and_then(|after| after.strip_suffix(']'));
                let ending = ending.filter(|ending| !ending.is_empty() && matches!(kind, Kind::Name(_)));
                Some(literal(ending.ok_or_else(|| format!("`{segment}`: only `[ending]` may follow a `{{name}}`"))?)?)
            }
        };
        self.push(Part::Variable { name, kind, ending })
    }

    fn push(&mut self, part: Part) -> Result<(), String> {
        if self.parts.iter().any(|part| matches!(part, Part::Variable { kind: Kind::Ref, .. })) {
            return Err("only a `{*…}` may follow a `{…:ref}`: its slashes would move what stands behind it".to_owned());
        }
        if let Some(name) = part.variable() {
            self.bind(name.clone())?;
        }
        self.parts.push(part);
        Ok(())
    }

    fn bind(&mut self, name: SmolStr) -> Result<(), String> {
        match self.variables.contains(&name) {
            true => Err(format!("the variable `{{{name}}}` stands twice")),
            false => {
                self.variables.push(name);
                Ok(())
            }
        }
    }

    /// The values of the variables that ids are made of, if a request's path is of this form.
    pub fn values<'a>(&'a self, target: &'a Target<'_>) -> Option<Values<'a>> {
        let rest = target.segments.get(self.parts.len()..)?;
        match self.rest {
            Rest::None if !rest.is_empty() || target.trailing_slash => return None,
            Rest::Plain | Rest::Ref if rest.is_empty() => return None,
            Rest::Plain if rest.iter().any(|segment| segment.slashed) => return None,
            Rest::None | Rest::Plain | Rest::Ref => {}
        }
        // Literals first: they tell most forms apart, and cost nothing.
        let differs = |part: &Part, text: &str| matches!(part, Part::Literal(literal) if literal != text);
        if self.parts.iter().zip(&target.segments).any(|(part, segment)| differs(part, &segment.text)) {
            return None;
        }
        let mut values = Values::new();
        for (part, segment) in self.parts.iter().zip(&target.segments) {
            let value = part.value(&segment.text)?;
            values.extend(part.variable().map(|name| (name.as_str(), value)));
        }
        Some(values)
    }

    /// Whether an id may be made of a variable.
    pub fn names(&self, variable: &str) -> bool {
        self.parts.iter().any(|part| match part {
            Part::Variable { name, kind, .. } => name == variable && !matches!(kind, Kind::Ref),
            Part::Literal(_) => false,
        })
    }
}

impl Part {
    pub fn variable(&self) -> Option<&SmolStr> {
        match self {
            Self::Variable { name, .. } => Some(name),
            Self::Literal(_) => None,
        }
    }
}

fn literal(text: &str) -> Result<SmolStr, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@".contains(&byte);
    match text {
        "" => Err("a path has no empty segment, and does not end with `/`".to_owned()),
        "." | ".." => Err(format!("a segment `{text}` is in no request that is read")),
        text if text.bytes().all(plain) => Ok(text.into()),
        text => Err(format!("`{text}` is no literal: a variable is a segment of its own, escapes are written decoded")),
    }
}

/// Reads the name of a variable.
pub(super) fn variable_name(text: &str) -> Result<SmolStr, String> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    match text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic()) && text.bytes().all(word) {
        true => Ok(text.into()),
        false => Err(format!("`{text}` is no name of a variable: letters, digits and `_`")),
    }
}

fn one_of(text: &str) -> Result<Vec<SmolStr>, String> {
    let words: Vec<SmolStr> = text.split('|').map(SmolStr::from).collect();
    let mut seen = BTreeSet::new();
    match words.len() > 1 && words.iter().all(|word| is_name(word) && seen.insert(word.clone())) {
        true => Ok(words),
        false => Err(format!("`:{text}` is neither `:ref` nor two or more different words with `|` between them")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> Template {
        let words = BTreeSet::from(["api".to_owned()]);
        Template::parse(text, &BTreeMap::from([("space".into(), Arc::new(words))])).unwrap()
    }

    fn values(template_text: &str, target: &str) -> Option<String> {
        let template = template(template_text);
        let target = Target::read(target).unwrap();
        let values = template.values(&target)?;
        Some(values.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn a_path_of_the_form_gives_its_variables_values() {
        assert_eq!(values("/a/{x}/{y}", "/a/b/c-1.d").unwrap(), "x=b y=c-1.d");
        assert_eq!(values("/{x}[.git]", "/b.git").unwrap(), "x=b");
        assert_eq!(values("/{x}[.git]", "/b%2egit").unwrap(), "x=b");
        assert_eq!(values("/{x}[.git]", "/b").unwrap(), "x=b");
        assert_eq!(values("/{x:on|off}", "/off").unwrap(), "x=off");
        assert_eq!(values("/{x}/{y:ref}/{*z}", "/a/b%2Fc/d/e/").unwrap(), "x=a y=b/c");
        assert_eq!(values("/{x}/{*y:ref}", "/a/b%2Fc").unwrap(), "x=a");
        assert_eq!(values("/{space}", "/apis").unwrap(), "space=apis");
    }

    #[test]
    fn a_path_of_another_form_gives_none() {
        for (form, target) in [
            ("/a/{x}", "/a"),
            ("/a/{x}", "/a/"),
            ("/a/{x}", "/a/b/"),
            ("/a/{x}", "/a/b/c"),
            ("/a/{x}", "/A/b"),
            ("/{x}", "/-b"),
            ("/{x}", "/.b"),
            ("/{x}", "/b%20c"),
            ("/{x}", "/%C3%A9"),
            ("/{x}", "/b%2Fc"),
            ("/{x}", "/b%22"),
            ("/{space}", "/api"),
            ("/{space}", "/Api"),
            ("/{space}", "/%61pi"),
            ("/{x}[.git]", "/b.git.git"),
            ("/{x}[.git]", "/.git"),
            ("/{x:on|off}", "/o"),
            ("/{x:on|off}", "/on%2Foff"),
            ("/a/{*x}", "/a"),
            ("/a/{*x}", "/a/"),
            ("/a/{*x}", "/a/b/c%2Fd"),
            ("/a/{*x:ref}", "/a%2Fb/c"),
        ] {
            assert_eq!(values(form, target), None, "{form} {target}");
        }
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for text in [
            "",
            "a",
            "/",
            "//a",
            "/a/",
            "/a/../b",
            "/{}",
            "/{a",
            "/{a}b",
            "/a{b}",
            "/{a}[]",
            "/{a}[b",
            "/{a:b}",
            "/{a:b|b}",
            "/{a:b|}",
            "/{a:b|c d}",
            "/{a:ref}[.x]",
            "/{*a}/b",
            "/{*a:b|c}",
            "/{a}/{a}",
            "/{a}/{*a}",
            "/{a:ref}/b",
            "/{a:ref}/{b}",
            "/a%20b",
            "/a b",
            "/{-a}",
            "/é",
        ] {
            assert!(Template::parse(text, &Reserved::new()).is_err(), "{text}");
        }
    }

    #[test]
    fn templates_are_joined_with_all_their_variables() {
        let joined = template("/{x}").then(&template("/b/{y:ref}/{*z}")).unwrap();
        assert_eq!(joined.variables, ["x", "y", "z"]);
        assert!(joined.names("x") && !joined.names("y") && !joined.names("z") && !joined.names("w"));
        assert!(template("/{x}").then(&template("/{x}")).is_err());
        assert!(template("/{x}").then(&template("/{*x}")).is_err());
        assert!(template("/{x:ref}").then(&template("/b")).is_err());
        assert!(template("/{x:ref}").then(&template("/{*y}")).is_ok());
    }
}
