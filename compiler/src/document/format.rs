//! Options of kind `Format`: `json`, or `{ parquet: { compression: zstd } }`.

use std::collections::BTreeMap;

use super::OptionPlace;
use super::context::{Absent, Context};
use super::error::DocumentError;
use super::values::Slot;
use super::words::parse_integer;
use crate::near::{near, one_of};
use crate::plan::OptionValue;
use crate::sources::Location;
use crate::yaml::{Entry, Node, Value};

/// Formats of a record's value.
pub(crate) const VALUE_FORMATS: &[&str] = &["json", "text", "bytes"];
/// Formats of the design that no connector reads or writes yet.
const NOT_YET: &[&str] = &["avro", "csv", "json_schema", "msgpack", "orc", "protobuf", "xml"];

type Places = BTreeMap<String, OptionPlace>;

impl Context<'_> {
    pub(super) fn format(
        &mut self,
        slot: Slot<'_>,
        path: &str,
        formats: &[&str],
        node: &Node,
        places: &mut Places,
    ) -> Result<OptionValue, Absent> {
        match &node.value {
            Value::Scalar(scalar) if !scalar.is_null() => {
                let name = self.resolve(node, scalar)?.text;
                self.format_name(slot, &name, node.place(), formats)?;
                Ok(OptionValue::Text(name))
            }
            Value::Mapping(entries) => match entries.as_slice() {
                [only] => {
                    // The format is named by the key; its options have places of their own.
                    if let Some(place) = places.get_mut(path) {
                        place.value = only.at;
                    }
                    self.format_name(slot, &only.key, only.at, formats)?;
                    let options = self.format_options(slot, &format!("{path}.{}", only.key), only, places)?;
                    if options.is_empty() {
                        return Ok(OptionValue::Text(only.key.clone()));
                    }
                    Ok(OptionValue::Map(BTreeMap::from([(only.key.clone(), OptionValue::Map(options))])))
                }
                _ => self.wrong_type(slot, node.place(), format!("a mapping of {} keys", entries.len())),
            },
            Value::Scalar(_) | Value::Sequence(_) => self.wrong_type(slot, node.place(), node.kind().to_owned()),
        }
    }

    fn format_name(&mut self, slot: Slot<'_>, name: &str, at: Location, formats: &[&str]) -> Result<(), Absent> {
        if formats.contains(&name) {
            return Ok(());
        }
        let help = format!("`{}` is {}", slot.key, one_of(formats.iter().copied()));
        if NOT_YET.contains(&name) {
            self.error(at, DocumentError::NotYet { what: format!("the format `{name}`"), span: at.span, help });
            return Err(Absent);
        }
        let near = near(name, formats.iter().copied());
        let label =
            if near.is_empty() { "no format of this name".to_owned() } else { format!("did you mean {}?", one_of(near.iter().copied())) };
        let fix = (near.len() == 1).then(|| (at, near[0].to_owned()));
        self.error_with_fix(at, DocumentError::UnknownFormat { name: name.to_owned(), label, span: at.span, help }, fix);
        Err(Absent)
    }

    fn not_an_option<T>(&mut self, key: String, node: &Node, expected: &str, example: &str) -> Result<T, Absent> {
        let at = node.place();
        let (expected, found, help) = (expected.to_owned(), node.kind().to_owned(), format!("for example {example}"));
        self.error(at, DocumentError::WrongType { key, expected, found, span: at.span, help });
        Err(Absent)
    }

    /// The options of a format as they are written; what they mean is the business of who lowers them.
    fn format_options(
        &mut self,
        slot: Slot<'_>,
        path: &str,
        format: &Entry,
        places: &mut Places,
    ) -> Result<BTreeMap<String, OptionValue>, Absent> {
        let entries = match &format.value.value {
            Value::Mapping(entries) => entries.as_slice(),
            Value::Scalar(scalar) if scalar.is_null() => &[],
            Value::Scalar(_) | Value::Sequence(_) => {
                let key = format!("{}.{}", slot.key, format.key);
                return self.not_an_option(key, &format.value, "a mapping of options", "`{ compression: zstd }`");
            }
        };
        let mut options = BTreeMap::new();
        let mut absent = false;
        for entry in entries {
            places.insert(format!("{path}.{}", entry.key), OptionPlace { key: entry.at, value: entry.value.place() });
            let Some(scalar) = entry.value.scalar().filter(|scalar| !scalar.is_null()) else {
                let key = format!("{}.{}.{}", slot.key, format.key, entry.key);
                let wrong: Result<(), Absent> = self.not_an_option(key, &entry.value, "a single value", "`{ compression: zstd }`");
                absent |= wrong.is_err();
                continue;
            };
            match self.resolve(&entry.value, scalar) {
                Ok(resolved) => {
                    let typed = resolved.plain || resolved.replaced;
                    let value = match (parse_integer(&resolved.text), resolved.text.as_str()) {
                        (Some(number), _) if typed => OptionValue::Integer(number),
                        (None, "true") if typed => OptionValue::Boolean(true),
                        (None, "false") if typed => OptionValue::Boolean(false),
                        _ => OptionValue::Text(resolved.text),
                    };
                    options.insert(entry.key.clone(), value);
                }
                Err(Absent) => absent = true,
            }
        }
        if absent { Err(Absent) } else { Ok(options) }
    }
}
