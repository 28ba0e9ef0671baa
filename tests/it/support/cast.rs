//! The cast: the people that the tests of the hub's rules speak of, and what they act on.
//!
//! `acme` is an organization without demands, with the resource groups `red-team` and `lonely` (nobody is in that one).
//!
//! | who      | in acme     | in red-team | on the lists of gated repositories                   |
//! |----------|-------------|-------------|------------------------------------------------------|
//! | alice    | admin       |             |                                                      |
//! | wanda    | write       |             |                                                      |
//! | carl     | contributor |             | (created most of what is public)                     |
//! | rita     | read        |             | pending                                              |
//! | rachel   | read        |             | rejected; accepted at redgated                       |
//! | mia      | no_access   |             |                                                      |
//! | nora     | no_access   | read        |                                                      |
//! | gwen     | no_access   | write       |                                                      |
//! | greg     | contributor | contributor |                                                      |
//! | gina     | read        | admin       |                                                      |
//! | leo      | left        | admin still |                                                      |
//! | bob      |             |             | (owns the namespace `bob`)                           |
//! | eve      |             |             | never asked: the stranger                            |
//! | ann      |             |             | accepted everywhere                                  |
//! | pete     |             |             | pending; at bob/gated also accepted                  |
//! | roy      |             |             | rejected; at bob/gated on all three                  |
//! | dora     | admin       |             | (her account is deleted)                             |
//!
//! Three organizations make demands: `finegrained` accepts fine-grained tokens only, `approved` approved ones, `mfa`
//! two factors. alice is an admin and wanda a writer in each. `beta` is another organization of wanda's.
//!
//! Everybody has the tokens `NAME-write`, `NAME-read` and `NAME-bare` (fine-grained without any grant); the others are
//! named for what is special in them. Repositories of `broken` contradict themselves, as after a half-written transfer.

use std::sync::LazyLock;

use super::dsl::{Build, collection, endpoint, group, org, repo, token, uid, user};
use super::world::World;

/// The permissions for repositories.
pub const REPO: [&str; 4] = ["repo.content.read", "repo.write", "repo.access.read", "discussion.write"];

/// Every permission that an organization can grant.
const ORG: [&str; 13] = [
    "repo.content.read",
    "repo.write",
    "repo.access.read",
    "discussion.write",
    "collection.read",
    "collection.write",
    "inference.serverless.write",
    "inference.endpoints.infer.write",
    "inference.endpoints.write",
    "job.write",
    "org.read",
    "org.write",
    "resourceGroup.write",
];

/// Every permission that a user's namespace can grant.
const USER: [&str; 15] = [
    "repo.content.read",
    "repo.write",
    "repo.access.read",
    "discussion.write",
    "collection.read",
    "collection.write",
    "inference.serverless.write",
    "inference.endpoints.infer.write",
    "inference.endpoints.write",
    "job.write",
    "user.billing.read",
    "user.webhooks.read",
    "user.webhooks.write",
    "user.notifications.read",
    "user.notifications.write",
];

const PEOPLE: [&str; 17] = [
    "alice", "wanda", "carl", "rita", "rachel", "mia", "nora", "gwen", "greg", "gina", "leo", "bob", "eve", "ann",
    "pete", "roy", "dora",
];

/// The cast, stored.
pub static CAST: LazyLock<World> = LazyLock::new(|| {
    let mut world = World::default();
    organizations(&mut world);
    people(&mut world);
    repositories_of_acme(&mut world);
    repositories_elsewhere(&mut world);
    belongings(&mut world);
    common_tokens(&mut world);
    grants(&mut world);
    special_tokens(&mut world);
    graves(&mut world);
    world
});

fn add(world: &mut World, things: impl IntoIterator<Item = impl Build>) {
    things.into_iter().for_each(|thing| world.add(thing.build()));
}

fn organizations(world: &mut World) {
    add(world, [org("acme"), org("beta")]);
    add(world, [org("finegrained").fine_grained_only(), org("approved").require_approval(), org("mfa").requires_mfa()]);
    add(world, [group("acme/red-team"), group("acme/lonely"), group("approved/lab")]);
}

fn people(world: &mut World) {
    let demanding = ["finegrained", "approved", "mfa"];
    let accepted = [
        "models/acme/gated",
        "datasets/acme/mgated",
        "models/acme/pgated",
        "models/acme/redgated",
        "models/acme/redmgated",
        "models/bob/gated",
        "models/bob/pgated",
        "models/finegrained/gated",
        "models/approved/gated",
        "models/mfa/gated",
    ];
    add(
        world,
        [
            demanding.iter().fold(user("alice").admin_of("acme"), |alice, org| alice.admin_of(org)),
            demanding.iter().fold(user("wanda").writer_of("acme").writer_of("beta"), |wanda, org| wanda.writer_of(org)),
            user("carl").contributor_of("acme"),
            user("rita").reader_of("acme").on("models/acme/gated", "pending"),
            user("rachel")
                .reader_of("acme")
                .on("models/acme/gated", "rejected")
                .on("datasets/acme/mgated", "rejected")
                .on("models/acme/redgated", "accepted"),
            user("mia").no_access_to("acme"),
            user("nora").no_access_to("acme").in_group("acme/red-team", "read"),
            user("gwen").no_access_to("acme").in_group("acme/red-team", "write"),
            user("greg").contributor_of("acme").in_group("acme/red-team", "contributor"),
            user("gina").reader_of("acme").in_group("acme/red-team", "admin"),
            user("leo").in_group("acme/red-team", "admin"),
            user("bob"),
            user("eve"),
            accepted.iter().fold(user("ann"), |ann, repo| ann.on(repo, "accepted")),
            user("pete")
                .on("models/acme/gated", "pending")
                .on("models/bob/gated", "pending")
                .on("models/bob/gated", "accepted"),
            user("roy")
                .on("models/acme/gated", "rejected")
                .on("models/bob/gated", "rejected")
                .on("models/bob/gated", "pending")
                .on("models/bob/gated", "accepted"),
            user("dora").admin_of("acme"),
        ],
    );
}

fn repositories_of_acme(world: &mut World) {
    let acme = |name: &str| repo(name).org("acme");
    let red = |name: &str| repo(name).org("acme").group("acme/red-team");
    add(
        world,
        [
            acme("models/acme/pub").created_by("carl"),
            acme("models/acme/priv").private().created_by("wanda"),
            acme("models/acme/carl").private().created_by("carl"),
            acme("models/acme/leo").private().created_by("leo"),
            acme("models/acme/nora").private().created_by("nora"),
            acme("models/acme/rita").private().created_by("rita"),
            acme("models/acme/gated").gated().created_by("carl"),
            acme("datasets/acme/mgated").gated_for_members().created_by("carl"),
            acme("models/acme/ritagated").gated_for_members().created_by("rita"),
            acme("models/acme/pgated").private().gated_for_members(),
            acme("spaces/acme/gated").gated(),
            acme("models/acme/off").disabled(),
            acme("models/acme/offpriv").private().disabled().gated_for_members(),
            acme("models/acme/quiet").without_discussions().created_by("carl"),
            acme("models/acme/quietpriv").private().without_discussions(),
            red("models/acme/red").private(),
            red("models/acme/redpub").only_in([uid("ResourceGroup", "acme/red-team")]),
            red("models/acme/redgreg").private().created_by("greg"),
            red("models/acme/redcarl").private().created_by("carl"),
            red("models/acme/redleo").private().created_by("leo"),
            red("models/acme/redgated").gated(),
            red("models/acme/redmgated").gated_for_members().created_by("greg"),
            repo("models/acme/lonely").org("acme").group("acme/lonely").private(),
        ],
    );
}

fn repositories_elsewhere(world: &mut World) {
    let bob = |name: &str| repo(name).user("bob");
    add(
        world,
        [
            bob("spaces/bob/pub"),
            bob("models/bob/priv").private(),
            bob("models/bob/gated").gated_for_members(),
            bob("models/bob/pgated").private().gated(),
            bob("models/bob/quiet").without_discussions(),
            bob("models/bob/off").disabled(),
            repo("models/approved/lab").org("approved").group("approved/lab").private(),
        ],
    );
    for org in ["finegrained", "approved", "mfa"] {
        let id = |name: &str| format!("models/{org}/{name}");
        add(
            world,
            [repo(&id("pub")), repo(&id("priv")).private(), repo(&id("gated")).gated()].map(|repo| repo.org(org)),
        );
    }
    add(
        world,
        [
            repo("models/broken/two").user("bob").org("acme").private(),
            repo("models/broken/twopub").user("bob").org("acme"),
            repo("models/broken/twogated").user("bob").org("acme").gated(),
            repo("models/broken/othergroup").org("beta").group("acme/red-team").private(),
            repo("models/broken/othergrouppub").org("beta").group("acme/red-team"),
            repo("models/broken/noorg").group("acme/red-team").private(),
            repo("models/broken/noparent").org("acme").private().only_in([]),
            repo("models/broken/noowner").private(),
        ],
    );
}

/// What is no repository.
fn belongings(world: &mut World) {
    add(
        world,
        [
            collection("acme/pub").org("acme"),
            collection("acme/priv").org("acme").private(),
            collection("bob/pub").user("bob"),
            collection("bob/priv").user("bob").private(),
            collection("mfa/priv").org("mfa").private(),
            collection("finegrained/pub").org("finegrained"),
            collection("broken/two").user("bob").org("acme").private(),
            endpoint("acme/ep").org("acme"),
            endpoint("mfa/ep").org("mfa"),
            endpoint("bob/ep").user("bob"),
        ],
    );
}

fn common_tokens(world: &mut World) {
    for owner in PEOPLE {
        let named = |what: &str| token(&format!("{owner}-{what}"), owner);
        add(world, [named("write").write(), named("read").read(), named("bare").fine_grained()]);
    }
}

/// Fine-grained tokens.
fn grants(world: &mut World) {
    let fine = |id: &str| token(id, id.split('-').next().unwrap()).fine_grained();
    add(
        world,
        [
            fine("alice-all")
                .gated_repos()
                .global("discussion.write")
                .global("post.write")
                .on_org("acme", &ORG)
                .on_user("alice", &USER),
            fine("alice-collections").on_org("acme", &["collection.read"]),
            fine("alice-approved").on_org("approved", &REPO).approved_by("approved"),
            fine("wanda-push").on_org("acme", &["repo.write"]),
            fine("wanda-content").on_org("acme", &["repo.content.read"]),
            fine("wanda-requests").on_org("acme", &["repo.access.read"]),
            fine("wanda-talk").on_org("acme", &["discussion.write"]),
            fine("wanda-narrow")
                .gated_repos()
                .global("discussion.write")
                .on_org("acme", &REPO)
                .on_repo("models/acme/priv", &["discussion.write"])
                .on_repo("models/acme/gated", &["repo.write"]),
            fine("wanda-nothing")
                .gated_repos()
                .global("discussion.write")
                .on_org("acme", &REPO)
                .on_repo("models/acme/priv", &[])
                .on_repo("models/acme/pub", &[])
                .on_repo("models/acme/gated", &[]),
            fine("wanda-wide").on_org("acme", &["repo.content.read"]).on_repo("models/acme/priv", &["repo.write"]),
            fine("wanda-one").on_repo("models/acme/priv", &REPO),
            fine("wanda-global").global("discussion.write").on_org("acme", &["repo.content.read"]),
            ["acme", "finegrained", "approved", "mfa"]
                .iter()
                .fold(fine("wanda-everywhere"), |token, org| token.on_org(org, &REPO).on_org(org, &["org.read"])),
            fine("carl-push").on_org("acme", &["repo.write"]),
            fine("gwen-push").on_org("acme", &["repo.write"]),
            fine("nora-push").on_org("acme", &["repo.write", "repo.content.read"]),
            fine("eve-greedy")
                .gated_repos()
                .on_org("acme", &ORG)
                .on_user("bob", &USER)
                .on_repo("models/bob/priv", &REPO),
            fine("leo-greedy").gated_repos().on_org("acme", &ORG),
            fine("bob-own").on_user("bob", &REPO),
            fine("bob-collections").on_user("bob", &["collection.read", "collection.write"]),
            fine("bob-curator").on_user("bob", &["collection.write"]),
            fine("bob-endpoints").on_user("bob", &["inference.endpoints.infer.write", "inference.endpoints.write"]),
            fine("bob-billing").on_user("bob", &["user.billing.read"]),
            fine("bob-post").global("post.write"),
            fine("bob-gatedrepos").gated_repos(),
            fine("ann-gatedrepos").gated_repos(),
            fine("ann-content-acme").on_org("acme", &["repo.content.read"]),
            fine("ann-content-one").on_repo("models/acme/gated", &["repo.content.read"]),
            fine("ann-entry-else").gated_repos().on_repo("models/acme/gated", &["discussion.write"]),
            fine("ann-entry-else-off").on_repo("models/acme/gated", &["discussion.write"]),
            fine("pete-gatedrepos").gated_repos(),
        ],
    );
}

/// Tokens that are dying, or unknown to the organization, or in roles that no token should be in.
fn special_tokens(world: &mut World) {
    let of = |id: &str| token(id, id.split('-').next().unwrap());
    add(
        world,
        [
            of("wanda-approved").write().approved_by("approved"),
            of("wanda-approved-else").write().approved_by("acme"),
            of("wanda-revoked")
                .write()
                .approved_by("approved")
                .approved_by("acme")
                .revoked_by("approved")
                .revoked_by("acme"),
            of("wanda-revoked-fine").fine_grained().on_org("acme", &REPO).revoked_by("acme"),
            of("wanda-expired").write().expires("2026-06-01T00:00:00Z"),
            of("wanda-lives").write().expires("2026-06-01T00:00:01Z"),
            of("wanda-norole"),
            of("wanda-readwrite").read().write(),
            of("wanda-readfine").read().fine_grained().on_org("acme", &REPO),
            of("wanda-writefine").write().fine_grained().approved_by("finegrained"),
            of("wanda-deleted").write(),
            of("ann-revoked").write().revoked_by("acme"),
        ],
    );
}

/// What was stored once: `models/acme/missing` and the like never were.
fn graves(world: &mut World) {
    add(world, [repo("models/acme/deleted").org("acme")]);
    world.delete(uid("Repo", "models/acme/deleted"));
    world.delete(uid("AccessToken", "wanda-deleted"));
    world.delete(uid("User", "dora"));
}
