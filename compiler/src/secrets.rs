//! What is never shown of a file: the values of keys that sound like a secret, known or not.
//!
//! A misspelt or misplaced password is one too, so a key is judged by its name alone; when unsure, its value is masked.

use kpipe_grammar::span::Span;

use crate::catalog::{Catalog, OptionSpec};
use crate::report::Report;
use crate::sources::{Location, SourceFile};
use crate::yaml::{Documents, Node, Scalar, Style, Value};

/// Parts of names of secrets, without `.`, `_` and `-`.
const WORDS: [&str; 13] = [
    "password",
    "passwd",
    "passwort",
    "passphrase",
    "passcode",
    "pwd",
    "secret",
    "token",
    "jaas",
    "credential",
    "apikey",
    "privatekey",
    "accountkey",
];
/// Edits between a name and that of a secret option that still make it one.
const EDITS_MAX: usize = 2;

/// Masks what sounds like a secret in a file, also in its comments and in what could not be read of it.
pub fn mask(file: &SourceFile, documents: &Documents, catalog: &Catalog, report: &mut Report) {
    let names = Names::of(catalog);
    for root in &documents.roots {
        names.mask_node(root, "", false, report);
    }
    names.mask_text(file, !documents.complete, report);
}

/// How secret options are called.
struct Names {
    /// The last parts of their paths: `password`.
    keys: Vec<String>,
    /// The mappings that they stand in: `sasl`.
    groups: Vec<&'static str>,
    /// Options that stand beside secrets and are none, with their whole paths: `credentials.access_key`.
    plain: Vec<&'static str>,
}

impl Names {
    fn of(catalog: &Catalog) -> Self {
        let sources = catalog.connectors.iter().filter_map(|spec| spec.source.as_ref()).map(|source| source.options);
        let sinks = catalog.connectors.iter().filter_map(|spec| spec.sink.as_ref()).map(|sink| sink.options);
        let (options, others): (Vec<&'static OptionSpec>, Vec<_>) = sources.chain(sinks).flatten().partition(|option| option.secret);
        let plain = others.into_iter().map(|option| option.path).filter(|path| path.contains('.')).collect();
        let keys = options.iter().filter_map(|option| option.path.rsplit('.').next()).map(folded).collect();
        let groups = options.iter().filter_map(|option| option.path.split_once('.')).map(|(group, _)| group).collect();
        Self { keys, groups, plain }
    }

    fn is_secret(&self, key: &str) -> bool {
        let whole = folded(key);
        let is_near = |name: &str| self.keys.iter().any(|key| strsim::damerau_levenshtein(name, key) <= EDITS_MAX);
        WORDS.iter().any(|word| whole.contains(word)) || is_near(&whole) || key.split('.').any(|part| is_near(&folded(part)))
    }

    /// True for a mapping of secrets that is no mapping: then it may be the secret itself.
    fn is_group(&self, key: &str, value: &Node) -> bool {
        value.entries().is_none() && key.rsplit('.').next().is_some_and(|key| self.groups.contains(&key))
    }

    /// True for an option that is known to be none, where it belongs.
    fn is_plain(&self, group: &str, key: &str) -> bool {
        self.plain.iter().any(|path| path.split_once('.') == Some((group, key)))
    }

    /// `key`: the one whose value the node is.
    fn mask_node(&self, node: &Node, key: &str, is_secret: bool, report: &mut Report) {
        match &node.value {
            Value::Scalar(scalar) if (is_secret || holds_a_secret(&scalar.text)) && !is_reference(&scalar.text) => {
                report.mask(Location::new(node.at.file, content(node, scalar)));
            }
            Value::Scalar(_) => {}
            Value::Sequence(items) => items.iter().for_each(|item| self.mask_node(item, key, is_secret, report)),
            Value::Mapping(entries) => {
                for entry in entries {
                    let sounds_so = is_secret || self.is_secret(&entry.key) || self.is_group(&entry.key, &entry.value);
                    let below = sounds_so && !self.is_plain(key, &entry.key);
                    self.mask_node(&entry.value, &entry.key, below, report);
                }
            }
        }
    }

    /// Masks what stands behind such keys in comments; with `everywhere` in all lines.
    fn mask_text(&self, file: &SourceFile, everywhere: bool, report: &mut Report) {
        let mut at = 0;
        // Lines that are indented further than a key whose value does not stand beside it belong to it.
        let mut below: Option<usize> = None;
        for line in file.text.split_inclusive('\n') {
            let indent = line.len() - line.trim_start().len();
            let start = if everywhere { Some(0) } else { comment(line) };
            let body = line.trim_end().len();
            let inside = below.is_some_and(|key| indent > key || line.trim().is_empty());
            if inside && indent < body {
                report.mask(Location::new(file.id, Span::new(at + indent, at + body)));
            } else if !inside {
                below = None;
                if let Some(value) = start.and_then(|start| self.value_in(&line[..body], start)) {
                    if everywhere && (value >= body || line[value..].starts_with(['|', '>', '&', '!'])) {
                        below = Some(indent);
                    }
                    report.mask(Location::new(file.id, Span::new(at + value.min(body), at + body)));
                }
            }
            at += line.len();
        }
    }

    /// Where the value of the first such key of a line begins.
    fn value_in(&self, line: &str, start: usize) -> Option<usize> {
        let is_of_key = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '"' | '\'');
        let whole = || holds_a_secret(&line[start..]).then(|| line[start..].find(": ").map_or(start, |at| start + at + 2));
        let of_a_key = line.match_indices([':', '=']).filter(|(at, _)| *at >= start).find_map(|(at, _)| {
            let before = line[..at].trim_end();
            let key = &before[before.rfind(|c| !is_of_key(c)).map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8))..];
            let value = line[at + 1..].trim_start().trim_start_matches(['"', '\'']);
            let key = key.trim_matches(['"', '\'']);
            let is_group = self.groups.contains(&key) && !value.is_empty() && !value.starts_with(['{', '#']);
            let is_secret = (is_group || self.is_secret(key)) && !value.starts_with("${");
            is_secret.then(|| line.len() - value.len())
        });
        of_a_key.into_iter().chain(whole()).min()
    }
}

fn folded(key: &str) -> String {
    key.chars().filter(|c| !matches!(c, '-' | '_' | '.' | ' ')).flat_map(char::to_lowercase).collect()
}

/// A value that is a secret whatever its key is called: a user in a URL, a setting within a setting.
fn holds_a_secret(text: &str) -> bool {
    let has_user =
        text.split_once("://").is_some_and(|(_, rest)| rest.split(['/', '?', '#']).next().is_some_and(|host| host.contains('@')));
    let lower = text.to_ascii_lowercase();
    has_user || ["password=", "password =", "secret=", "token="].iter().any(|setting| lower.contains(setting))
}

/// True for nothing at all and for a reference alone: what it stands for is not in the file.
fn is_reference(text: &str) -> bool {
    let is_whole = text.starts_with("${") && text.find('}') == Some(text.len() - 1);
    text.is_empty() || is_whole
}

/// A scalar without its quotes.
fn content(node: &Node, scalar: &Scalar) -> Span {
    let span = node.at.span;
    let quotes = usize::from(matches!(scalar.style, Style::Single | Style::Double));
    if span.len() >= 2 * quotes { Span::new(span.start + quotes, span.end - quotes) } else { span }
}

/// Where the comment of a line begins.
fn comment(line: &str) -> Option<usize> {
    line.match_indices('#').map(|(at, _)| at).find(|at| *at == 0 || line[..*at].ends_with([' ', '\t']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::tests::fixture::{CATALOG, World, run};
    use crate::sources::Sources;

    const CANARY: &str = "hunter9";

    /// The text as it is shown, whatever is wrong with it.
    fn shown(text: &str) -> String {
        let mut sources = Sources::new();
        let id = sources.add("p.yaml", text);
        let compiled = run(&sources, &World::default());
        let views = format!("{:?}", compiled.report.views(&sources));
        format!("{}{views}", compiled.report.masked(&sources, id).text)
    }

    #[test]
    fn no_place_of_a_secret_is_shown() {
        for place in [
            "    sasl: { pasword: hunter9 }",
            "    sasl: { passwrd: 'hunter9' }",
            "    sasl: hunter9",
            "    sasl: [hunter9]",
            "    credentials: { secret-key: \"hunter9\" }",
            "    client: { sasl.jaas.config: 'x required username=\"a\" password=\"hunter9\";' }",
            "    client: { \"sasl.password\": hunter9 }",
            "    client: { config: 'x password=\"hunter9\"' }",
            "    aws.secret.access.key: hunter9",
            "    AWS_SESSION_TOKEN: hunter9",
            "    api_key: [hunter9, hunter9]",
            "    privateKey: |\n      -----BEGIN\n      hunter9\n    group: g",
            "    Credentials: { a: { b: hunter9 } }",
            "    registry: http://user:hunter9@host",
            "    # password: hunter9",
            "    group: g # old.api-key = hunter9",
            "    password: x${env:A}hunter9",
            "    passwort: &p hunter9\n    group: *p",
        ] {
            for after in ["", "\n    brkers: x", "\n  : [", "\n    \"open", "\n\t- x"] {
                let text = format!("version: 1\npipeline: p\nsource:\n  kafka:\n    brokers: [a:1]\n{place}{after}\nkcql: x\n");
                let shown = shown(&text);
                assert!(!shown.contains(CANARY), "{text}\n{shown}");
            }
        }
    }

    #[test]
    fn what_a_broken_file_holds_below_a_key_is_masked_too() {
        for text in
            ["a:\n  password: |\n    hunter9\n\n    hunter9\nb: [\n", "a:\n  pass_word:\n    hunter9\nb: [\n", "{ Secret: hunter9, a: [\n"]
        {
            assert!(!shown(text).contains(CANARY), "{}", shown(text));
        }
    }

    #[test]
    fn a_setting_of_the_client_that_is_an_option_is_named() {
        let said = |key: &str| {
            let text = format!(
                "version: 1\npipeline: p\nsource:\n  kafka: {{ brokers: [a:1], client: {{ {key}: x }} }}\nsink: {{ s3: {{}} }}\nkcql: x\n"
            );
            crate::document::tests::fixture::said(&text).join("|")
        };
        for (key, option) in [("sasl.password", "sasl.password"), ("Bootstrap.Servers", "brokers"), ("group.id", "group")] {
            assert!(said(key).contains(&format!("in kpipe this is `{option}`, an option of `kafka`")), "{}", said(key));
        }
        assert!(said("linger.ms").contains("keys allowed here: fetch.min.bytes"), "{}", said("linger.ms"));
    }

    #[test]
    fn references_and_other_keys_are_shown() {
        let text = "source:\n  kafka: { sasl: { username: me, password: \"${env:P}\" }, group: keyed } # why: this\n\
                    sink:\n  s3: { credentials: { access_key: AKIA7 } }\n";
        let mut sources = Sources::new();
        let id = sources.add("p.yaml", text);
        assert_eq!(run(&sources, &World::default()).report.masked(&sources, id).text, text);
        let names = Names::of(&CATALOG);
        for key in ["brokers", "group", "username", "access_key", "partition_by", "schema", "format", "retry", "key.format", "path_style"] {
            assert!(!names.is_secret(key), "{key}");
        }
    }
}
