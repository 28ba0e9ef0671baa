//! Changes of facts in the hub's words; what has none there is said as it is.

use crate::entity::{Uid, Value};
use crate::pdp::{Edit, Remedy};
use crate::tokens::{Target, TargetKind, names};

/// A remedy as one sentence.
pub fn remedy(remedy: &Remedy) -> String {
    let said: Vec<String> = remedy.edits.iter().map(edit).collect();
    let mut sentence = said.join(", and ");
    if let Some(first) = sentence.get(..1).map(str::to_uppercase) {
        sentence.replace_range(..1, &first);
    }
    sentence.push('.');
    sentence
}

fn edit(edit: &Edit) -> String {
    hub(edit).unwrap_or_else(|| edit.to_string())
}

fn hub(edit: &Edit) -> Option<String> {
    Some(match edit {
        Edit::AddParent { entity, parent } => match parent.type_name().as_str() {
            "Hub::OrgRole" | "Hub::GroupRole" => {
                let (place, level) = parent.id().rsplit_once('/')?;
                format!("give {} the level `{level}` in {place} (put it into {parent})", entity.id())
            }
            "Hub::AccessList" if parent.id().ends_with("/accepted") => {
                format!("accept the access request of {} (put it into {parent})", entity.id())
            }
            names::ROLE => format!("give the token {} the role `{}`", entity.id(), parent.id()),
            _ => return None,
        },
        Edit::RemoveParent { entity, parent } if parent.type_name() == names::ROLE => {
            format!("take the role `{}` from the token {}", parent.id(), entity.id())
        }
        Edit::RemoveParent { entity, parent } if parent.type_name() == "Hub::AccessList" => {
            format!("take the access request of {} off {parent}", entity.id())
        }
        Edit::AddToTag { entity, tag, member, .. } if entity.type_name() == names::TOKEN => {
            format!("grant `{tag}` on {} to the token {}", target(member)?, entity.id())
        }
        Edit::AddMember { entity, attribute, member } if entity.type_name() == names::TOKEN => {
            match attribute.as_str() {
                "approvedBy" => format!("let {} approve the token {}", id(member)?, entity.id()),
                "global" => match member {
                    Value::String(permission) => {
                        format!("grant `{permission}` globally to the token {}", entity.id())
                    }
                    _ => return None,
                },
                _ => return None,
            }
        }
        Edit::SetAttribute { entity, attribute, value: Value::Bool(on) } => {
            let what = match (entity.type_name().as_str(), attribute.as_str(), on) {
                (names::TOKEN, "gatedRepos", true) => "let the token {} read public gated repositories",
                (names::REPO, "disabled", false) => "enable {} again",
                (names::REPO, "discussions", true) => "turn the discussions of {} on",
                _ => return None,
            };
            what.replace("{}", entity.id())
        }
        Edit::SetAttribute { entity, attribute, value } if attribute == "visibility" => {
            format!("make {} {}", entity.id(), id(value)?)
        }
        Edit::RemoveAttribute { entity, attribute } if attribute == "gate" => {
            format!("take the gate of {} away", entity.id())
        }
        Edit::SetContext { key, value: Value::Bool(true) } if key == "mfa" => "sign in with two factors".to_owned(),
        Edit::RemoveContext { key } if key == "token" => "sign in instead of using a token".to_owned(),
        _ => return None,
    })
}

fn id(value: &Value) -> Option<&str> {
    value.as_entity().map(|uid| uid.id().as_str())
}

fn target(value: &Value) -> Option<String> {
    let uid: &Uid = value.as_entity()?;
    let target = Target::of(uid)?;
    Some(match target.kind {
        TargetKind::User => format!("the namespace {}", target.name),
        TargetKind::Org => format!("the organization {}", target.name),
        kind => format!("the {} {}", kind.name(), target.name),
    })
}
