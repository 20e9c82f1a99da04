//! What every part of reading a document needs.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use kpipe_grammar::span::Span;

use super::error::{DocumentError, DocumentWarning};
use crate::catalog::Catalog;
use crate::report::{Entry, Report};
use crate::sources::{FileId, Located, Location, Lookups, Mode, Sources};
use crate::yaml::{MapBuilder, Node, Scalar, ScalarMap, Style, scalar_map};

/// One run over documents.
pub(crate) struct Context<'a> {
    pub(crate) sources: &'a Sources,
    pub(crate) catalog: &'a Catalog,
    pub(crate) lookups: &'a dyn Lookups,
    pub(crate) mode: Mode,
    pub(crate) report: &'a mut Report,
    /// References that lead to nothing, as `env:NAME`; only filled where that is no error.
    pub(crate) unknown: &'a mut BTreeSet<String>,
    /// The file of the pipeline that is being read.
    pub(crate) home: Option<FileId>,
}

/// A reference in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reference {
    /// `${env:NAME}`.
    Env(String),
    /// `${file:/path}`.
    File(String),
}

/// A part of a scalar.
#[derive(Debug)]
enum Part {
    /// Bytes of the decoded text as they are.
    Text(Span),
    /// `$${`, which means `${`.
    Escape(Span),
    /// A reference.
    Reference(Span, Reference),
}

/// A scalar with its references replaced.
#[derive(Debug)]
pub(crate) struct Resolved {
    /// The text.
    pub(crate) text: String,
    /// From it to the file; none where nothing was replaced, then it is [`Context::map`].
    pub(crate) map: Option<ScalarMap>,
    /// True if it was written without quotes and holds no reference: then YAML may take it for something else than text.
    pub(crate) plain: bool,
    /// True if a reference was replaced: then its type is whatever fits.
    pub(crate) replaced: bool,
}

/// Something was wrong and has been said, or is not known in this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Absent;

impl Context<'_> {
    /// Reports a mistake in the file of `at`.
    pub(crate) fn error(&mut self, at: Location, error: DocumentError) {
        self.report.push(Entry::new(at.file, error));
    }

    /// Reports a mistake with a fix. What a reference or an alias stands for is not here, so nothing is put in its place.
    pub(crate) fn error_with_fix(&mut self, at: Location, error: DocumentError, fix: Option<(Location, String)>) {
        let entry = Entry::new(at.file, error);
        let is_here = |text: &str| !text.contains("${") && !text.starts_with('*');
        self.report.push(match fix.filter(|(place, _)| is_here(self.sources.text(*place))) {
            Some((place, replacement)) => entry.fix(place, replacement),
            None => entry,
        });
    }

    /// Reports a warning.
    pub(crate) fn warn(&mut self, at: Location, warning: DocumentWarning) {
        self.report.push(Entry::new(at.file, warning));
    }

    /// Where each byte of a scalar comes from.
    pub(crate) fn map(&self, node: &Node, scalar: &Scalar) -> ScalarMap {
        scalar_map(&self.sources.file(node.at.file).text, node, scalar)
    }

    /// Replaces the references of a scalar.
    pub(crate) fn resolve(&mut self, node: &Node, scalar: &Scalar) -> Result<Resolved, Absent> {
        if !scalar.text.contains("${") {
            return Ok(Resolved { text: scalar.text.clone(), map: None, plain: scalar.style == Style::Plain, replaced: false });
        }
        let map = self.map(node, scalar);
        let parts = self.parts(&scalar.text, &map)?;
        let mut builder = MapBuilder::default();
        let (mut replaced, mut absent) = (false, false);
        for part in parts {
            match part {
                Part::Text(span) => builder.copy_from(&map, span, &scalar.text),
                Part::Escape(span) => builder.stand_in("${", map.locate(span).span),
                Part::Reference(span, reference) => match self.look_up(&reference, map.locate(span)) {
                    Ok(value) => {
                        replaced = true;
                        builder.stand_in(&value, map.locate(span).span);
                    }
                    Err(Absent) => absent = true,
                },
            }
        }
        if absent {
            return Err(Absent);
        }
        let (text, map) = builder.finish(node.at, scalar.style);
        Ok(Resolved { text, map: Some(map), plain: !replaced && scalar.style == Style::Plain, replaced })
    }

    /// The only reference of a secret, or none if it is a literal.
    pub(crate) fn secret_reference(&mut self, node: &Node, scalar: &Scalar) -> Result<Option<Located<Reference>>, Absent> {
        if !scalar.text.contains("${") {
            return Ok(None);
        }
        let map = self.map(node, scalar);
        let mut parts = self.parts(&scalar.text, &map)?;
        if parts.iter().all(|part| !matches!(part, Part::Reference(..))) {
            return Ok(None);
        }
        match (parts.len(), parts.pop()) {
            (1, Some(Part::Reference(span, reference))) => {
                let at = map.locate(span);
                self.check_secret(&reference, at)?;
                Ok(Some(Located::new(reference, at)))
            }
            _ => {
                let at = node.place();
                self.report.mask(node.at);
                self.error(at, DocumentError::PartialSecret { span: at.span });
                Err(Absent)
            }
        }
    }

    fn look_up(&mut self, reference: &Reference, at: Location) -> Result<String, Absent> {
        let found = match reference {
            Reference::Env(name) => self.lookups.env(name).ok_or_else(|| unset(name, at)),
            Reference::File(path) => match self.lookups.file(self.base(at), path) {
                Ok(text) => Ok(text.trim_end_matches(['\n', '\r']).to_owned()),
                Err(why) => Err(unreadable(path, why, at)),
            },
        };
        self.known(found, reference, at)
    }

    /// Only whether a secret is there: its value stays where it is.
    fn check_secret(&mut self, reference: &Reference, at: Location) -> Result<(), Absent> {
        let found = match reference {
            Reference::Env(name) => self.lookups.env(name).map(drop).ok_or_else(|| unset(name, at)),
            Reference::File(path) => self.lookups.secret_file(self.base(at), path).map_err(|why| unreadable(path, why, at)),
        };
        self.known(found, reference, at)
    }

    /// A reference that leads to nothing is an error where its value is needed.
    fn known<T>(&mut self, found: Result<T, DocumentError>, reference: &Reference, at: Location) -> Result<T, Absent> {
        match (found, self.mode) {
            (Ok(value), Mode::Check | Mode::Plan) => Ok(value),
            (Err(error), Mode::Plan) => {
                self.error(at, error);
                Err(Absent)
            }
            (Err(_), Mode::Check) => {
                self.unknown.insert(reference.to_string());
                Err(Absent)
            }
        }
    }

    /// The text of a file that a value names.
    pub(crate) fn file(&mut self, path: &str, at: Location) -> Result<String, Absent> {
        self.lookups.file(self.base(at), path).map_err(|why| {
            self.error(at, unreadable(path, why, at));
            Absent
        })
    }

    /// The name of the file whose folder paths start at: its own for shared connections, the pipeline's for everything else. A profile
    /// stands in the place of the pipeline's values, and so do its paths.
    fn base(&self, at: Location) -> &str {
        let shared = self.sources.connections().filter(|file| file.id == at.file);
        let home = self.home.map(|id| self.sources.file(id));
        &shared.or(home).unwrap_or(self.sources.file(at.file)).name
    }

    /// A path as the folder of the pipeline's file sees it.
    pub(crate) fn as_the_pipeline_sees(&self, at: Location, path: String) -> String {
        let home = self.home.map_or("", |id| self.sources.file(id).name.as_str());
        seen_from(folder(home), folder(self.base(at)), path)
    }

    /// Cuts a text into what stands as it is and references.
    fn parts(&mut self, text: &str, map: &ScalarMap) -> Result<Vec<Part>, Absent> {
        let mut parts = Vec::new();
        let mut wrong = false;
        let mut done = 0;
        let mut from = 0;
        while let Some(found) = text[from..].find("${") {
            let open = from + found;
            let escaped = open > done && text[..open].ends_with('$');
            let start = if escaped { open - 1 } else { open };
            if start > done {
                parts.push(Part::Text(Span::new(done, start)));
            }
            if escaped {
                parts.push(Part::Escape(Span::new(start, open + 2)));
                (done, from) = (open + 2, open + 2);
                continue;
            }
            let Some(length) = text[open..].find('}') else {
                let at = map.locate(Span::new(open, open + 2));
                self.error(at, DocumentError::OpenReference { span: at.span });
                return Err(Absent);
            };
            let span = Span::new(open, open + length + 1);
            match reference(&text[open + 2..open + length]) {
                Ok(reference) => parts.push(Part::Reference(span, reference)),
                Err(Unknown { label, help, meant }) => {
                    wrong = true;
                    let at = map.locate(span);
                    let reference = span.text(text).to_owned();
                    let error = DocumentError::UnknownReference { reference, label, span: at.span, help };
                    // Only its scheme is another one, so it is written like what stands there.
                    let meant = meant.filter(|_| self.sources.text(at) == span.text(text));
                    let entry = Entry::new(at.file, error);
                    self.report.push(meant.into_iter().fold(entry, |entry, meant| entry.fix(at, meant)));
                }
            }
            (done, from) = (span.end, span.end);
        }
        if done < text.len() {
            parts.push(Part::Text(Span::new(done, text.len())));
        }
        if wrong { Err(Absent) } else { Ok(parts) }
    }
}

fn unset(name: &str, at: Location) -> DocumentError {
    DocumentError::UnsetVariable { name: name.to_owned(), span: at.span }
}

fn unreadable(path: &str, why: String, at: Location) -> DocumentError {
    DocumentError::UnreadableFile { path: path.to_owned(), why, span: at.span }
}

const KNOWN: &str = "references are `${env:NAME}` and `${file:/path}`; `$${` stands for the characters themselves";

/// A text that holds a reference, as a regular expression; after `$$` there is none.
pub(crate) const REFERENCE_PATTERN: &str = "(^|[^$])[$][{](env:[A-Za-z_][A-Za-z0-9_]*|file:[^}]+)[}]";

/// Why something is no reference, and what it surely meant.
struct Unknown {
    label: String,
    help: String,
    meant: Option<String>,
}

impl Unknown {
    fn new(label: impl Into<String>, help: impl Into<String>) -> Self {
        Self { label: label.into(), help: help.into(), meant: None }
    }

    /// `${evn:X}`, which is `${env:X}`.
    fn meant(meant: String, is_certain: bool) -> Self {
        Self { meant: is_certain.then(|| meant.clone()), ..Self::new(format!("did you mean `{meant}`?"), KNOWN) }
    }
}

/// What stands between `${` and `}`.
fn reference(inner: &str) -> Result<Reference, Unknown> {
    let Some((scheme, rest)) = inner.split_once(':') else {
        return Err(Unknown::meant(format!("${{env:{inner}}}"), is_variable(inner)));
    };
    match scheme {
        "env" if is_variable(rest) => Ok(Reference::Env(rest.to_owned())),
        "env" => Err(Unknown::new("not the name of a variable", "a name is letters, digits and `_`, and has no default here")),
        "file" if !rest.is_empty() => Ok(Reference::File(rest.to_owned())),
        "file" => Err(Unknown::new("no path", KNOWN)),
        "vault" | "aws-sm" | "aws-ssm" | "gcp-sm" | "azure-kv" | "exec" => {
            let help = format!("{KNOWN}; a file may be written by an agent of the secret store");
            Err(Unknown::new("known, but not supported yet", help))
        }
        _ => Err(match crate::near::near(scheme, ["env", "file"]).as_slice() {
            [] => Unknown::new("unknown kind of reference", KNOWN),
            [scheme, others @ ..] => Unknown::meant(format!("${{{scheme}:{rest}}}"), others.is_empty()),
        }),
    }
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !name.starts_with(|c: char| c.is_ascii_digit())
}

impl std::fmt::Display for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{path}"),
        }
    }
}

/// The folder of a file.
fn folder(name: &str) -> &Path {
    Path::new(name).parent().unwrap_or(Path::new(""))
}

/// `path`, which starts at the folder `from`, as the folder `home` sees it. Both are named from one place.
fn seen_from(home: &Path, from: &Path, path: String) -> String {
    if home == from || Path::new(&path).is_absolute() {
        return path;
    }
    let shared = home.components().zip(from.components()).take_while(|(home, from)| home == from).count();
    let up = home.components().skip(shared);
    let down = from.components().skip(shared);
    if home.is_absolute() != from.is_absolute() || up.clone().any(|part| part == Component::ParentDir) {
        return from.join(path).display().to_string();
    }
    let seen: PathBuf = up.map(|_| Component::ParentDir).chain(down).collect();
    seen.join(path).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_the_same_file_seen_from_another_folder() {
        for (home, from, path, seen) in [
            ("", "", "a", "a"),
            ("p", "p", "../a", "../a"),
            ("p/q", "", "a", "../../a"),
            ("p/q", "p", "a", "../a"),
            ("", "..", "a", "../a"),
            ("p", "..", "a", "../../a"),
            ("../p", "..", "a", "../a"),
            ("/x/p", "/x", "a", "../a"),
            ("p", "", "/abs", "/abs"),
            ("p", "/x", "a", "/x/a"),
            ("../p", "", "a", "a"),
        ] {
            assert_eq!(seen_from(Path::new(home), Path::new(from), path.to_owned()), seen, "{path} of {from:?} from {home:?}");
        }
    }
}
