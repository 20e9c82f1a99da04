//! A schema from samples of JSON values.

use serde_json::Value;
use thiserror::Error;

use super::{DEPTH_MAX, FIELDS_MAX, sql};
use crate::plan::{DataType, Field, Schema};

/// Samples that show no schema.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InferError {
    /// Nothing to look at.
    #[error("there is no sample to infer a schema from")]
    NoSamples,
    /// None of them is a JSON object.
    #[error("none of the {0} samples is a JSON object")]
    NoObjects(usize),
    /// More fields or levels than the limits allow.
    #[error("the samples have more than {FIELDS_MAX} fields or {DEPTH_MAX} levels")]
    TooLarge,
}

/// The narrowest schema that every sample fits. Samples that are no JSON object are passed over; each column may be null, since
/// samples cannot show that it never is. Values that differ in kind, and lists and objects without any content, are `json`.
///
/// # Errors
///
/// If no sample is a JSON object, or the result is too large.
pub fn infer_schema(samples: &[&[u8]]) -> Result<Schema, InferError> {
    if samples.is_empty() {
        return Err(InferError::NoSamples);
    }
    let mut seen = Seen::Nothing;
    let mut objects = 0;
    for sample in samples {
        if let Ok(value @ Value::Object(_)) = serde_json::from_slice::<Value>(sample) {
            objects += 1;
            seen = seen.and(of(&value, 0)?);
        }
    }
    let mut count = 0;
    match seen {
        Seen::Object(fields) => columns(fields, &mut count),
        _ if objects > 0 => Ok(Schema::new()),
        _ => Err(InferError::NoObjects(samples.len())),
    }
}

/// What the samples so far have shown of one value.
enum Seen {
    /// Only null, or nothing at all.
    Nothing,
    Boolean,
    Integer,
    /// A whole number that only an unsigned one of 64 bits holds.
    BigInteger,
    Float,
    Text,
    List(Box<Seen>),
    /// In the order of their first appearance.
    Object(Vec<(String, Seen)>),
    /// Kinds that have no common type.
    Mixed,
}

impl Seen {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, seen) | (seen, Self::Nothing) => seen,
            (Self::Boolean, Self::Boolean) => Self::Boolean,
            (Self::Text, Self::Text) => Self::Text,
            (Self::Integer, Self::Integer) => Self::Integer,
            (Self::Integer | Self::BigInteger, Self::Integer | Self::BigInteger) => Self::BigInteger,
            (Self::Integer | Self::BigInteger | Self::Float, Self::Integer | Self::BigInteger | Self::Float) => Self::Float,
            (Self::List(a), Self::List(b)) => Self::List(Box::new(a.and(*b))),
            (Self::Object(a), Self::Object(b)) => Self::Object(merge(a, b)),
            (
                Self::Boolean | Self::Integer | Self::BigInteger | Self::Float | Self::Text | Self::List(_) | Self::Object(_) | Self::Mixed,
                _,
            ) => Self::Mixed,
        }
    }
}

fn merge(mut known: Vec<(String, Seen)>, new: Vec<(String, Seen)>) -> Vec<(String, Seen)> {
    for (name, seen) in new {
        // One more than there may be: enough to be refused, and every look through them stays short.
        let has_room = known.len() <= FIELDS_MAX;
        match known.iter_mut().find(|(other, _)| *other == name) {
            Some((_, old)) => *old = std::mem::replace(old, Seen::Nothing).and(seen),
            None if has_room => known.push((name, seen)),
            None => {}
        }
    }
    known
}

fn of(value: &Value, depth: usize) -> Result<Seen, InferError> {
    if depth > DEPTH_MAX {
        return Err(InferError::TooLarge);
    }
    Ok(match value {
        Value::Null => Seen::Nothing,
        Value::Bool(_) => Seen::Boolean,
        Value::Number(number) if number.is_i64() => Seen::Integer,
        Value::Number(number) if number.is_u64() => Seen::BigInteger,
        Value::Number(_) => Seen::Float,
        Value::String(_) => Seen::Text,
        Value::Array(items) => {
            let mut seen = Seen::Nothing;
            for item in items {
                seen = seen.and(of(item, depth + 1)?);
            }
            Seen::List(Box::new(seen))
        }
        Value::Object(object) => {
            let mut fields = Vec::with_capacity(object.len().min(FIELDS_MAX + 1));
            for (name, value) in object.iter().take(FIELDS_MAX + 1) {
                fields.push((name.clone(), of(value, depth + 1)?));
            }
            Seen::Object(fields)
        }
    })
}

fn columns(fields: Vec<(String, Seen)>, count: &mut usize) -> Result<Vec<Field>, InferError> {
    *count += fields.len();
    if *count > FIELDS_MAX {
        return Err(InferError::TooLarge);
    }
    fields.into_iter().map(|(name, seen)| Ok(Field { name, data_type: data_type(seen, count)?, nullable: true })).collect()
}

fn data_type(seen: Seen, count: &mut usize) -> Result<DataType, InferError> {
    Ok(match seen {
        Seen::Boolean => DataType::Boolean,
        Seen::Integer => DataType::Int64,
        Seen::BigInteger => DataType::Decimal { precision: 20, scale: 0 },
        Seen::Float => DataType::Float64,
        Seen::Text => DataType::String,
        Seen::List(item) => sql::list(data_type(*item, count)?, true),
        Seen::Object(fields) if !fields.is_empty() => DataType::Struct(columns(fields, count)?),
        Seen::Object(_) | Seen::Nothing | Seen::Mixed => DataType::Json,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::show;
    use super::*;

    fn infer(samples: &[&str]) -> Result<String, InferError> {
        let samples: Vec<&[u8]> = samples.iter().map(|sample| sample.as_bytes()).collect();
        infer_schema(&samples).map(|schema| show(&schema))
    }

    #[test]
    fn fields_keep_the_order_of_their_first_appearance() {
        let schema = infer(&[r#"{"b": 1, "a": "x"}"#, r#"{"c": true, "a": null, "b": 2}"#]);
        assert_eq!(schema.unwrap(), "{ b: bigint, a: string, c: boolean }");
    }

    #[test]
    fn numbers_widen() {
        assert_eq!(infer(&[r#"{"a": 1}"#, r#"{"a": 1.5}"#]).unwrap(), "{ a: double }");
        assert_eq!(infer(&[r#"{"a": 18446744073709551615}"#, r#"{"a": -1}"#]).unwrap(), "{ a: decimal(20,0) }");
    }

    #[test]
    fn nested_values_merge() {
        let schema = infer(&[r#"{"m": {"site": "a"}, "t": [1, 2], "l": [{"x": 1}]}"#, r#"{"m": {"rack": 4}, "t": [], "l": [{"y": "b"}]}"#]);
        assert_eq!(schema.unwrap(), "{ m: { site: string, rack: bigint }, t: array<bigint>, l: array<{ x: bigint, y: string }> }");
    }

    #[test]
    fn what_has_no_common_type_stays_json() {
        assert_eq!(infer(&[r#"{"a": 1}"#, r#"{"a": "x"}"#, r#"{"a": 2}"#]).unwrap(), "{ a: json }");
        assert_eq!(infer(&[r#"{"a": null, "b": {}, "c": []}"#]).unwrap(), "{ a: json, b: json, c: array<json> }");
    }

    #[test]
    fn samples_that_are_no_objects_are_passed_over() {
        assert_eq!(infer(&["nope", "[1]", r#"{"a": 1}"#]).unwrap(), "{ a: bigint }");
        assert_eq!(infer(&["nope", "[1]"]), Err(InferError::NoObjects(2)));
        assert_eq!(infer(&["{}"]).unwrap(), "{}");
        assert_eq!(infer(&[]), Err(InferError::NoSamples));
    }

    #[test]
    fn size_has_limits() {
        let deep = format!("{{\"a\": {}{}}}", "[".repeat(60), "]".repeat(60));
        assert_eq!(infer(&[&deep]), Err(InferError::TooLarge));
        let fields: Vec<String> = (0..5000).map(|n| format!("\"f{n}\": 1")).collect();
        assert_eq!(infer(&[&format!("{{{}}}", fields.join(","))]), Err(InferError::TooLarge));
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            (-1e9..1e9_f64).prop_map(Value::from),
            "[a-z]{0,3}".prop_map(Value::from),
        ];
        scalar.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::vec(("[a-c]", inner), 0..3).prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    /// True if a value can be a column of this type.
    fn fits(value: &Value, data_type: &DataType) -> bool {
        match (value, data_type) {
            (Value::Null, _) | (_, DataType::Json) => true,
            (Value::Bool(_), DataType::Boolean) | (Value::String(_), DataType::String) => true,
            (Value::Number(number), DataType::Int64) => number.is_i64(),
            (Value::Number(number), DataType::Decimal { scale: 0, .. }) => number.is_i64() || number.is_u64(),
            (Value::Number(_), DataType::Float64) => true,
            (Value::Array(items), DataType::List(field)) => items.iter().all(|item| fits(item, &field.data_type)),
            (Value::Object(object), DataType::Struct(fields)) => object
                .iter()
                .all(|(name, value)| fields.iter().any(|field| field.name == *name && field.nullable && fits(value, &field.data_type))),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn every_sample_fits_what_was_inferred(values in prop::collection::vec(any_value(), 1..5)) {
            let texts: Vec<String> = values.iter().map(ToString::to_string).collect();
            let samples: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
            let objects: Vec<&Value> = values.iter().filter(|value| value.is_object()).collect();
            match infer_schema(&samples) {
                Ok(schema) => {
                    let whole = DataType::Struct(schema);
                    prop_assert!(objects.iter().all(|value| fits(value, &whole)), "{whole:?}");
                }
                Err(error) => prop_assert_eq!((error, objects.len()), (InferError::NoObjects(values.len()), 0)),
            }
        }

        #[test]
        fn the_order_of_samples_decides_nothing_but_the_order_of_columns(values in prop::collection::vec(any_value(), 1..4)) {
            let texts: Vec<String> = values.iter().map(ToString::to_string).collect();
            let mut samples: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
            let forth = infer_schema(&samples);
            samples.reverse();
            let back = infer_schema(&samples);
            prop_assert_eq!(forth.map(sorted), back.map(sorted));
        }
    }

    fn sorted(mut schema: Schema) -> Schema {
        for field in &mut schema {
            sort_type(&mut field.data_type);
        }
        schema.sort_by(|a, b| a.name.cmp(&b.name));
        schema
    }

    fn sort_type(data_type: &mut DataType) {
        match data_type {
            DataType::Struct(fields) => *fields = sorted(std::mem::take(fields)),
            DataType::List(field) => sort_type(&mut field.data_type),
            _ => {}
        }
    }
}
