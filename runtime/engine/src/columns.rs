//! Types of the plan as Arrow types.
//!
//! | plan | Arrow |
//! |---|---|
//! | `BOOLEAN`, `INT`, `BIGINT`, `REAL`, `DOUBLE` | Boolean, Int32, Int64, Float32, Float64 |
//! | `DECIMAL(p, s)` | Decimal128(p, s) |
//! | `STRING`, any scalar, `JSON` | Utf8 |
//! | `BYTES` | Binary |
//! | `DATE`, `TIMESTAMP` | Date32, Timestamp in UTC |
//! | structs, arrays | Struct, List with elements called `element` |

use std::sync::Arc;

use arrow::datatypes::{DataType as ArrowType, Field as ArrowField, Fields, TimeUnit as ArrowUnit};
use kpipe_compiler::plan::{DataType, Field, TimeUnit};

/// The zone of every instant.
pub(crate) const UTC: &str = "UTC";

/// The Arrow type of a column.
pub(crate) fn arrow_type(data_type: &DataType) -> ArrowType {
    match data_type {
        DataType::Boolean => ArrowType::Boolean,
        DataType::Int32 => ArrowType::Int32,
        DataType::Int64 => ArrowType::Int64,
        DataType::Float32 => ArrowType::Float32,
        DataType::Float64 => ArrowType::Float64,
        DataType::Decimal { precision, scale } => ArrowType::Decimal128(*precision, *scale),
        DataType::String | DataType::Any | DataType::Json => ArrowType::Utf8,
        DataType::Bytes => ArrowType::Binary,
        DataType::Date => ArrowType::Date32,
        DataType::Timestamp(TimeUnit::Millisecond) => ArrowType::Timestamp(ArrowUnit::Millisecond, Some(UTC.into())),
        DataType::Timestamp(TimeUnit::Microsecond) => ArrowType::Timestamp(ArrowUnit::Microsecond, Some(UTC.into())),
        DataType::Struct(fields) => ArrowType::Struct(arrow_fields(fields)),
        DataType::List(element) => ArrowType::List(Arc::new(element_field(element))),
    }
}

/// The Arrow field of a named column.
pub(crate) fn arrow_field(name: &str, data_type: &DataType, nullable: bool) -> ArrowField {
    ArrowField::new(name, arrow_type(data_type), nullable)
}

/// The Arrow fields of a struct.
pub(crate) fn arrow_fields(fields: &[Field]) -> Fields {
    fields.iter().map(|field| arrow_field(&field.name, &field.data_type, field.nullable)).collect()
}

/// The field of a list's elements: Parquet's own name for it, whatever the plan calls it.
pub(crate) fn element_field(element: &Field) -> ArrowField {
    arrow_field("element", &element.data_type, element.nullable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_its_arrow_type() {
        let field = |name: &str, data_type: DataType, nullable: bool| Field { name: name.to_owned(), data_type, nullable };
        let utc = |unit| ArrowType::Timestamp(unit, Some("UTC".into()));
        for (data_type, expected) in [
            (DataType::Boolean, ArrowType::Boolean),
            (DataType::Int32, ArrowType::Int32),
            (DataType::Int64, ArrowType::Int64),
            (DataType::Float32, ArrowType::Float32),
            (DataType::Float64, ArrowType::Float64),
            (DataType::Decimal { precision: 12, scale: 2 }, ArrowType::Decimal128(12, 2)),
            (DataType::String, ArrowType::Utf8),
            (DataType::Any, ArrowType::Utf8),
            (DataType::Json, ArrowType::Utf8),
            (DataType::Bytes, ArrowType::Binary),
            (DataType::Date, ArrowType::Date32),
            (DataType::Timestamp(TimeUnit::Millisecond), utc(ArrowUnit::Millisecond)),
            (DataType::Timestamp(TimeUnit::Microsecond), utc(ArrowUnit::Microsecond)),
        ] {
            assert_eq!(arrow_type(&data_type), expected, "{data_type:?}");
        }
        let meta = DataType::Struct(vec![field("mode", DataType::String, false)]);
        let list = DataType::List(Box::new(field("anything", meta, true)));
        let mode = ArrowField::new("mode", ArrowType::Utf8, false);
        let element = ArrowField::new("element", ArrowType::Struct(vec![mode].into()), true);
        assert_eq!(arrow_field("tags", &list, false), ArrowField::new("tags", ArrowType::List(Arc::new(element)), false));
    }
}
