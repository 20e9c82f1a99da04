//! Looking up fields, near names, and schemas as people write them.

use crate::near::nearest;
use crate::plan::{DataType, Field, TimeUnit};

/// Why a path does not lead to a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldError {
    /// No field of that name at this level.
    Unknown {
        /// Which part of the path, from 0.
        part: usize,
        /// The field that looks most like it, with its type.
        nearest: Option<(String, String)>,
        /// How many fields there are at this level.
        count: usize,
    },
    /// The path goes on below a scalar.
    NotAStruct {
        /// The part that is a scalar, from 0.
        part: usize,
        /// Its type.
        data_type: String,
    },
}

/// The field at `path`; it may be null if any part of the path may.
///
/// Below a column of any JSON value every path is possible, and leads to any JSON value.
///
/// # Errors
///
/// At the first part that leads nowhere.
pub fn find(schema: &[Field], path: &[&str]) -> Result<(DataType, bool), FieldError> {
    let mut fields = schema;
    let mut nullable = false;
    for (part, name) in path.iter().enumerate() {
        let Some(field) = fields.iter().find(|field| field.name == *name) else {
            let nearest = nearest(name, fields.iter().map(|field| field.name.as_str()))
                .and_then(|name| fields.iter().find(|field| field.name == name))
                .map(|field| (field.name.clone(), type_text(&field.data_type)));
            return Err(FieldError::Unknown { part, nearest, count: fields.len() });
        };
        nullable |= field.nullable;
        if part + 1 == path.len() {
            return Ok((field.data_type.clone(), nullable));
        }
        match &field.data_type {
            DataType::Struct(inner) => fields = inner,
            DataType::Json => return Ok((DataType::Json, true)),
            DataType::Boolean
            | DataType::Int32
            | DataType::Int64
            | DataType::Float32
            | DataType::Float64
            | DataType::Decimal { .. }
            | DataType::String
            | DataType::Bytes
            | DataType::Date
            | DataType::Timestamp(_)
            | DataType::Any
            | DataType::List(_) => {
                return Err(FieldError::NotAStruct { part, data_type: type_text(&field.data_type) });
            }
        }
    }
    Err(FieldError::Unknown { part: 0, nearest: None, count: schema.len() })
}

/// A schema as it would be written in a pipeline file: `{ id: bigint not null, meta: { site: string } }`.
#[must_use]
pub fn show(schema: &[Field]) -> String {
    let fields: Vec<String> = schema.iter().map(|field| format!("{}: {}", field.name, field_type(field))).collect();
    if fields.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", fields.join(", ")) }
}

fn field_type(field: &Field) -> String {
    format!("{}{}", type_text(&field.data_type), if field.nullable { "" } else { " not null" })
}

/// A type as it would be written in a pipeline file.
#[must_use]
pub fn type_text(data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean => "boolean".to_owned(),
        DataType::Int32 => "int".to_owned(),
        DataType::Int64 => "bigint".to_owned(),
        DataType::Float32 => "real".to_owned(),
        DataType::Float64 => "double".to_owned(),
        DataType::Decimal { precision, scale } => format!("decimal({precision},{scale})"),
        DataType::String => "string".to_owned(),
        DataType::Bytes => "bytes".to_owned(),
        DataType::Date => "date".to_owned(),
        DataType::Timestamp(TimeUnit::Millisecond) => "timestamp".to_owned(),
        DataType::Timestamp(TimeUnit::Microsecond) => "timestamp(6)".to_owned(),
        DataType::Any => "any".to_owned(),
        DataType::Json => "json".to_owned(),
        DataType::Struct(fields) => show(fields),
        DataType::List(item) => format!("array<{}>", field_type(item)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, data_type: DataType, nullable: bool) -> Field {
        Field { name: name.to_owned(), data_type, nullable }
    }

    fn schema() -> Vec<Field> {
        vec![
            field("temperature", DataType::Float64, true),
            field("meta", DataType::Struct(vec![field("site", DataType::String, false)]), true),
            field("extra", DataType::Json, false),
        ]
    }

    #[test]
    fn a_field_below_a_nullable_one_is_nullable() {
        assert_eq!(find(&schema(), &["meta", "site"]), Ok((DataType::String, true)));
        assert_eq!(find(&schema(), &["temperature"]), Ok((DataType::Float64, true)));
        assert_eq!(find(&schema(), &["extra", "a", "b"]), Ok((DataType::Json, true)));
        assert_eq!(find(&schema(), &["extra"]), Ok((DataType::Json, false)));
    }

    #[test]
    fn a_wrong_path_names_its_wrong_part() {
        assert_eq!(
            find(&schema(), &["temprature"]),
            Err(FieldError::Unknown { part: 0, nearest: Some(("temperature".to_owned(), "double".to_owned())), count: 3 })
        );
        assert_eq!(find(&schema(), &["meta", "x"]), Err(FieldError::Unknown { part: 1, nearest: None, count: 1 }));
        assert_eq!(find(&schema(), &["temperature", "x"]), Err(FieldError::NotAStruct { part: 0, data_type: "double".to_owned() }));
    }

    #[test]
    fn a_schema_is_shown_as_it_is_written() {
        assert_eq!(show(&schema()), "{ temperature: double, meta: { site: string not null }, extra: json not null }");
        assert_eq!(show(&[]), "{}");
    }
}
