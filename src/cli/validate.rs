//! `hubwarden validate`: policies and the gateway's rules against their schema, strictly; entities too, when they are
//! named.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::Setting;
use super::bundle::BundleArgs;
use super::entities::Source;
use super::exit::{Exit, Failure};
use super::findings::{self, OutputForm};
use super::terminal::Format;
use crate::pdp::{Bundle, Faults};

#[derive(Debug, Args)]
pub(super) struct ValidateArgs {
    #[command(flatten)]
    bundle: BundleArgs,
    /// Entities to validate too: a JSON array or one JSON object a line; `-` reads stdin
    #[arg(long, value_name = "FILE")]
    entities: Option<PathBuf>,
    /// A form for other programs, in place of `--format`
    #[arg(long, value_name = "FORM")]
    output: Option<OutputForm>,
}

/// What was found to be valid.
#[derive(Default, Serialize)]
struct Report<'a> {
    valid: bool,
    bundle: Option<&'a str>,
    policies: usize,
    templates: usize,
    links: usize,
    gateway_rules: usize,
    entities: usize,
    faults: Option<&'a Faults>,
    entity_faults: Vec<String>,
}

pub(super) fn run(args: &ValidateArgs, setting: &Setting) -> Result<Exit, Failure> {
    let bundle = match Bundle::build(args.bundle.source(setting)?) {
        Ok(bundle) => bundle,
        Err(faults) => {
            if let Some(form) = args.output {
                findings::print_invalid(form, &faults, &setting.terminal)?;
                return Ok(Exit::Invalid);
            }
            if setting.terminal.format == Format::Json {
                setting.terminal.print("", &Report { faults: Some(&faults), ..Report::default() })?;
                return Ok(Exit::Invalid);
            }
            return Err(faults.into());
        }
    };
    let mut report = Report { valid: true, bundle: Some(bundle.hash()), ..Report::default() };
    report.gateway_rules = bundle.gateway().map_or(0, |gateway| gateway.rules().len());
    for policy in bundle.policies() {
        match &policy.template {
            None => report.policies += 1,
            Some(template) if *template == policy.id => report.templates += 1,
            Some(_) => report.links += 1,
        }
    }
    if let Some(path) = &args.entities {
        for entity in Source::open(path)?.entities(&bundle) {
            match entity {
                Ok(_) => report.entities += 1,
                Err(fault) => report.entity_faults.push(fault.to_string()),
            }
        }
    }
    report.valid = report.entity_faults.is_empty();
    if let Some(form) = args.output {
        findings::print_invalid(form, &Faults(Vec::new()), &setting.terminal)?;
        report.entity_faults.iter().for_each(|fault| setting.terminal.note(format!("error: {fault}")));
        return Ok(if report.valid { Exit::Success } else { Exit::Invalid });
    }
    finish(&report, setting)
}

fn finish(report: &Report, setting: &Setting) -> Result<Exit, Failure> {
    for fault in &report.entity_faults {
        setting.terminal.note(format!("error: {fault}"));
    }
    if !report.valid {
        if setting.terminal.format == Format::Json {
            setting.terminal.print("", report)?;
        }
        return Ok(Exit::Invalid);
    }
    let mut text = format!("valid: {} policies", report.policies);
    let counts = [
        (report.templates, "templates"),
        (report.links, "links"),
        (report.gateway_rules, "gateway rules"),
        (report.entities, "entities"),
    ];
    for (count, what) in counts {
        if count > 0 {
            text.push_str(&format!(", {count} {what}"));
        }
    }
    setting.terminal.print(format!("{text}\nbundle {}", report.bundle.unwrap_or_default()), report)?;
    Ok(Exit::Success)
}
