//! `hubwarden lint`: what is valid and yet probably not what was meant.

use clap::Args;
use serde_json::json;

use super::Setting;
use super::bundle::BundleArgs;
use super::exit::{Exit, Failure};
use super::findings::{self, Found, OutputForm};
use crate::pdp::{Bundle, LINT_RULES, Lint, Severity, lint};

/// Exit codes: 0 nothing found (or warnings only), 1 an error was found, or with `--fail-on-warn` a warning; 3 the
/// policies are not valid.
#[derive(Debug, Args)]
pub(super) struct LintArgs {
    #[command(flatten)]
    bundle: BundleArgs,
    /// Exit with 1 for warnings, too
    #[arg(long)]
    fail_on_warn: bool,
    /// A form for other programs, in place of `--format`
    #[arg(long, value_name = "FORM")]
    output: Option<OutputForm>,
    /// Show the rules, and look at nothing
    #[arg(long)]
    rules: bool,
}

pub(super) fn run(args: &LintArgs, setting: &Setting) -> Result<Exit, Failure> {
    if args.rules {
        let text: Vec<String> = LINT_RULES
            .iter()
            .map(|rule| format!("{:<24} {:<8} {}", rule.id, title(rule.severity), rule.says))
            .collect();
        setting.terminal.print(text.join("\n"), &LINT_RULES)?;
        return Ok(Exit::Success);
    }
    let bundle = match (Bundle::build(args.bundle.source(setting)?), args.output) {
        (Ok(bundle), _) => bundle,
        (Err(faults), Some(form)) => {
            findings::print_invalid(form, &faults, &setting.terminal)?;
            return Ok(Exit::Invalid);
        }
        (Err(faults), None) => return Err(faults.into()),
    };
    let lints = lint(&bundle)?;
    let count = |severity| lints.iter().filter(|lint| lint.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    match args.output {
        Some(form) => {
            let rules: Vec<_> = LINT_RULES.iter().map(|rule| (rule.id, rule.says)).collect();
            let found: Vec<Found> = lints
                .iter()
                .map(|lint| Found { rule: lint.rule, severity: lint.severity, fault: &lint.fault })
                .collect();
            findings::print(form, &rules, &found, &setting.terminal)?;
        }
        None => {
            let mut text: Vec<String> = lints.iter().map(shown).collect();
            text.push(match (errors, warnings) {
                (0, 0) => format!("clean: {} policies", bundle.policies().count()),
                _ => format!("found: {errors} errors, {warnings} warnings"),
            });
            setting
                .terminal
                .print(text.join("\n\n"), &json!({"errors": errors, "warnings": warnings, "found": lints}))?;
        }
    }
    Ok(if errors > 0 || (args.fail_on_warn && warnings > 0) { Exit::Failure } else { Exit::Success })
}

fn shown(lint: &Lint) -> String {
    lint.fault.titled(&format!("{}[{}]", title(lint.severity), lint.rule))
}

fn title(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}
