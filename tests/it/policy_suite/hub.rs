//! The suites of this repository pass, and nothing of the policies is left untested.

use std::path::PathBuf;
use std::sync::LazyLock;

use hubwarden::pdp::{Bundle, BundleSource, Mutation, SourceFile};
use hubwarden::suite::{Coverage, Exemptions, Report, Suite, load, pretty, run, text};
use hubwarden::warden::folder;

use crate::program::repository;

/// A bundle of this repository and its suites.
pub struct Tested {
    pub bundle: Bundle,
    pub suites: Vec<Suite>,
}

pub fn hub() -> &'static Tested {
    static HUB: LazyLock<Tested> = LazyLock::new(|| tested("policies", "schema/hub.cedarschema", "tests/policy"));
    &HUB
}

/// Takes seconds, and two tests ask for it.
static HUB_COVERAGE: LazyLock<Coverage> = LazyLock::new(|| covered(hub(), &exemptions()));

pub fn documents() -> Tested {
    let example = "examples/documents";
    tested(&format!("{example}/policies"), &format!("{example}/schema.cedarschema"), example)
}

fn tested(policies: &str, schema: &str, suites: &str) -> Tested {
    let bundle = Bundle::build(folder(&repository(policies), &repository(schema)).unwrap()).unwrap();
    let paths: Vec<PathBuf> = vec![repository(suites)];
    let suites = load(&bundle, &paths).unwrap_or_else(|faults| panic!("{faults}"));
    Tested { bundle, suites }
}

fn covered(tested: &Tested, exemptions: &Exemptions) -> Coverage {
    let run = run(&tested.bundle, &tested.suites, &[]);
    let report = Report::of(tested.bundle.hash(), &run);
    assert!(report.succeeded(), "{}", pretty(&report, false));
    assert!(report.totals.cells > 30, "the suites were found");
    Coverage::of(&tested.bundle, &run, exemptions).unwrap()
}

fn assert_whole(coverage: &Coverage) {
    let whole = coverage.outcomes.found == coverage.outcomes.of && coverage.mutation.found == coverage.mutation.of;
    let asked = coverage.environments.iter().all(|asked| asked.allowed + asked.denied > 0);
    assert!(whole && asked, "{}", text(coverage, false));
}

fn exemptions() -> Exemptions {
    let path = repository("tests/policy/exemptions.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    Exemptions::parse(SourceFile::new("exemptions.yaml", text)).unwrap()
}

#[test]
fn the_hubs_suite_passes_and_every_clause_and_every_small_change_matters_to_it() {
    assert_whole(&HUB_COVERAGE);
}

#[test]
fn the_suite_of_the_documents_passes_and_covers_them() {
    assert_whole(&covered(&documents(), &Exemptions::default()));
}

#[test]
fn an_action_of_the_hub_is_allowed_to_somebody_and_refused_to_somebody_on_every_type() {
    for asked in &HUB_COVERAGE.environments {
        // Nobody without an account may do more than see.
        let never = asked.environment.principal == "Hub::Anonymous"
            && !["repo.read", "repo.content.read", "collection.read"].contains(&asked.environment.action.as_str());
        assert!(asked.denied > 0 && (never || asked.allowed > 0), "{asked:?}");
        assert!(!never || asked.allowed == 0, "{asked:?}");
    }
}

#[test]
fn an_exemption_that_is_not_needed_is_refused() {
    let documents = documents();
    let run = run(&documents.bundle, &documents.suites, &[]);
    let text = "- { policy: limits/locked, clause: resource.locked, never: \"true\", reason: an old excuse }\n";
    let old = Exemptions::parse(SourceFile::new("exemptions.yaml", text)).unwrap();
    let stale = Coverage::of(&documents.bundle, &run, &old).unwrap_err();
    assert_eq!(stale, ["exemptions.yaml:1: nothing of `limits/locked` needs this exemption any more"]);
}

#[test]
fn without_a_test_its_clauses_and_its_mutants_are_missing() {
    let documents = documents();
    let filters = ["action=view".parse().unwrap()];
    let run = run(&documents.bundle, &documents.suites, &filters);
    let coverage = Coverage::of(&documents.bundle, &run, &Exemptions::default()).unwrap();
    let shown = text(&coverage, false);
    assert!(shown.contains("limits/locked (") && shown.contains("  never evaluated: `resource.locked` ("), "{shown}");
    assert!(shown.contains("nobody notices: remove limits/locked"), "{shown}");
    assert!(coverage.outcomes.percent() < 100.0 && coverage.mutation.percent() < 100.0);
}

/// What follows from the values of clauses is what a bundle with other text answers.
#[test]
fn a_mutant_answers_as_the_policies_that_it_stands_for() {
    for (tested, step) in [(&documents(), 1), (hub(), 41)] {
        let Tested { bundle, suites } = tested;
        let mutants = mutants(bundle);
        assert!(mutants.len() > 10, "the policies were changed");
        let mut differed = 0;
        for (mutation, source) in mutants.into_iter().step_by(step) {
            let mutated = match (Bundle::build(source), &mutation) {
                (Ok(mutated), _) => mutated,
                // The validator refuses what stands behind a negated guard.
                (Err(_), Mutation::Negate(..)) => continue,
                (Err(faults), _) => panic!("{mutation:?}: {faults}"),
            };
            let cells = suites.iter().flat_map(|suite| &suite.tests).flat_map(|test| {
                let world = test.world.as_ref();
                test.cells.iter().map(move |cell| (cell, world))
            });
            for (cell, world) in cells.step_by(step.div_ceil(8)) {
                let inquiry = bundle.inquire(&cell.question, world).unwrap();
                let told = inquiry.answer_with(&mutation).unwrap().unwrap_or_else(|| inquiry.answer().clone());
                let answer = mutated.decide(&cell.question, world).unwrap();
                assert_eq!(told, answer, "{mutation:?}: {} {} {}", cell.principal, cell.action, cell.resource);
                differed += usize::from(answer != *inquiry.answer());
            }
        }
        assert!(differed > 5, "the mutants made a difference");
    }
}

/// Every removal and negation, each with the files that it stands for. A link's text is its template's, so only
/// policies of their own are changed.
fn mutants(bundle: &Bundle) -> Vec<(Mutation, BundleSource)> {
    let mut mutants = Vec::new();
    let own = bundle.effective().filter(|info| info.template.is_none());
    for info in own {
        let changed = |change: &dyn Fn(&SourceFile) -> String| {
            let mut source = bundle.source().clone();
            for file in source.policies.iter_mut().filter(|file| file.path == info.file) {
                file.text = change(file);
            }
            source
        };
        let effect = |file: &SourceFile| {
            let at: usize = file.text.split_inclusive('\n').take(info.line - 1).map(str::len).sum();
            let (before, after) = file.text.split_at(at);
            let start = after.find(&format!("\n{} (", info.effect)).unwrap() + 1;
            let other = if info.effect == "permit" { "forbid" } else { "permit" };
            format!("{before}{}{other}{}", &after[..start], &after[start + info.effect.len()..])
        };
        mutants.push((Mutation::Flip(info.id.clone()), changed(&effect)));
        let removed = |file: &SourceFile| {
            let at: usize = file.text.split_inclusive('\n').take(info.line - 1).map(str::len).sum();
            let (before, after) = file.text.split_at(at);
            format!("{before}{}", &after[after.find(';').unwrap() + 1..])
        };
        // A message may hold a semicolon; then its policy ends elsewhere.
        if !info.annotations.values().any(|text| text.contains(';')) {
            mutants.push((Mutation::Remove(info.id.clone()), changed(&removed)));
        }
        for (index, clause) in bundle.clauses(&info.id).iter().enumerate() {
            let negated = |file: &SourceFile| {
                let (start, end) = (clause.offset, clause.offset + clause.length);
                // Parentheses around the clause are not part of it.
                format!("{}!({}){}", &file.text[..start], &file.text[start..end], &file.text[end..])
            };
            mutants.push((Mutation::Negate(info.id.clone(), index), changed(&negated)));
        }
    }
    mutants
}
