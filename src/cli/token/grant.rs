//! `KIND:NAME=PERMISSIONS`, one `--grant`.

use crate::hub::GrantSpec;
use crate::tokens::TargetKind;

/// # Errors
/// What is wrong, for people.
pub fn parse(text: &str) -> Result<GrantSpec, String> {
    let form = "a grant is KIND:NAME=PERMISSIONS, such as `org:acme=repo.content.read,repo.write`";
    let (target, permissions) = text.split_once('=').ok_or(form)?;
    let (kind, name) = target.split_once(':').ok_or(form)?;
    let kind: TargetKind = kind.parse()?;
    if name.is_empty() {
        return Err(form.to_owned());
    }
    let permissions = permissions.split(',').map(str::trim).filter(|permission| !permission.is_empty());
    Ok(GrantSpec {
        kind: kind.name().to_owned(),
        name: name.to_owned(),
        permissions: permissions.map(str::to_owned).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_a_target_and_its_permissions() {
        let spec = parse("model:acme/m1=repo.write, repo.access.read").unwrap();
        assert_eq!((spec.kind.as_str(), spec.name.as_str()), ("model", "acme/m1"));
        assert_eq!(spec.permissions, ["repo.write", "repo.access.read"]);
        assert!(parse("dataset:acme/d=").unwrap().permissions.is_empty());
    }

    #[test]
    fn what_is_no_grant_is_refused_with_the_form() {
        for bad in ["", "acme=repo.write", "org:acme", "org:=repo.write"] {
            assert!(parse(bad).unwrap_err().contains("KIND:NAME=PERMISSIONS"), "{bad}");
        }
        assert!(parse("team:acme=repo.write").unwrap_err().contains("`team`"));
    }
}
