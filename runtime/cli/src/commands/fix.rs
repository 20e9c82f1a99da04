//! `kpipe fix`: applies the fixes of diagnostics that are safe, and leaves everything else to people.

use std::sync::Arc;

use kpipe_compiler::fix::{Fixed, fix};
use kpipe_compiler::report::Report;
use kpipe_compiler::sources::{FileId, Mode, Sources};

use super::{findings, print};
use crate::args::{Common, Fix, Voice};
use crate::catalog::catalog;
use crate::compile::{Compiled, HostLookups};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::host::Host;
use crate::load::{self, Group, TextFile};
use crate::render::diagnostics::Severity;
use crate::render::json;
use crate::render::paint::is_dangerous;
use crate::rewrite::rewrite;
use crate::unified::diff;

/// What was done.
#[derive(Default)]
struct Done {
    files: usize,
    fixes: usize,
    /// What is left.
    compiled: Compiled,
}

/// Fixes, or says what fixing would change.
pub(crate) fn run(common: &Common, args: &Fix, host: &mut Host<'_>) -> Result<Exit, Failure> {
    let lookups = HostLookups::new(Arc::clone(&host.env), host.dir.clone());
    let mut done = Done::default();
    for group in load::load(host, &args.inputs.paths, args.inputs.profile.as_deref())? {
        done.group(common, args, host, group, &lookups)?;
    }
    let Done { files, fixes, compiled } = done;
    findings(common, Voice::Human, host, &compiled)?;
    let errors = json::count(&compiled.findings, Severity::Error);
    if !common.quiet {
        let applied = if args.is_dry() { "would be applied" } else { "applied" };
        let (fixes, files) = (plural(fixes, "fix", "fixes"), plural(files, "file", "files"));
        let warnings = plural(json::count(&compiled.findings, Severity::Warning), "warning", "warnings");
        print(host, &format!("fix: {fixes} {applied} in {files}; {}, {warnings} left\n", plural(errors, "error", "errors")))?;
    }
    let exit = if args.check && files > 0 { Exit::WouldChange } else { Exit::Done };
    Ok(if errors > 0 { exit.worst(Exit::Invalid) } else { exit })
}

impl Done {
    /// The files that belong together: what is wrong in one may show in another.
    fn group(&mut self, common: &Common, args: &Fix, host: &mut Host<'_>, group: Group, lookups: &HostLookups) -> Result<(), Failure> {
        let look = |sources: &Sources| kpipe_compiler::compile(sources, catalog(), lookups, Mode::Check).report;
        let files: Vec<TextFile> = group.files().cloned().collect();
        let before = group.sources();
        let fixed = fix(&before, &look);
        let was = look(&before);
        for id in fixed.changed(&before) {
            let file = &files[id.index()];
            if !common.quiet {
                print(host, &shown(file, &was, &before, &fixed, id))?;
            }
            if !args.is_dry() {
                rewrite(file, &fixed.sources.file(id).text)?;
            }
            self.files += 1;
        }
        for view in &fixed.refused {
            let place = view.primary.as_ref().map(|label| format!("{}:{}: ", label.name, label.begin)).unwrap_or_default();
            writeln!(host.err, "{place}the fix of {} would make it worse, so it was not applied", view.code)?;
        }
        self.fixes += fixed.applied.len();
        self.compiled.report(&fixed.sources, &fixed.report);
        Ok(())
    }
}

/// The difference of a file as it may be shown: secrets masked, nothing that steers a terminal.
fn shown(file: &TextFile, was: &Report, before: &Sources, fixed: &Fixed, id: FileId) -> String {
    let (old, new) = (was.masked(before, id).text, fixed.report.masked(&fixed.sources, id).text);
    let mut text = String::new();
    for c in diff(&file.name, &old, &new).chars() {
        if is_dangerous(c) && !matches!(c, '\n' | '\r' | '\t') { text.extend(c.escape_unicode()) } else { text.push(c) }
    }
    text
}

fn plural(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}
