//! Which columns of a Parquet file get a dictionary: those whose values repeat, as far as the first rows show.
//!
//! The writer's own way is to try it on every column and give up when the dictionary is full, which costs a hash of every value.

use std::hash::Hash;

use ahash::AHashSet;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType as ArrowType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type, TimeUnit};
use arrow::datatypes::{TimestampMicrosecondType, TimestampMillisecondType};
use parquet::schema::types::ColumnPath;

/// How many values of a column are looked at.
pub(crate) const SAMPLE_ROWS: usize = 4096;
/// A dictionary is worth it if a text comes twice on average, another value (which is short itself) eight times.
const TEXT_REPEATS_MIN: usize = 2;
const NUMBER_REPEATS_MIN: usize = 8;

/// One column of values as Parquet sees it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Leaf {
    /// Its names from the outside in.
    pub(crate) path: ColumnPath,
    /// Whether its values are of variable length.
    pub(crate) is_text: bool,
    /// Whether a dictionary is worth it.
    pub(crate) dictionary: bool,
}

/// The leaf columns of a batch.
pub(crate) fn leaves(batch: &RecordBatch) -> Vec<Leaf> {
    let mut found = Vec::new();
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        walk(&mut vec![field.name().clone()], column, &mut found);
    }
    found
}

fn walk(path: &mut Vec<String>, array: &ArrayRef, found: &mut Vec<Leaf>) {
    match array.data_type() {
        ArrowType::Struct(fields) => {
            for (field, column) in fields.iter().zip(array.as_struct().columns()) {
                path.push(field.name().clone());
                walk(path, column, found);
                path.pop();
            }
        }
        ArrowType::List(element) => {
            path.extend(["list".to_owned(), element.name().clone()]);
            walk(path, array.as_list::<i32>().values(), found);
            path.truncate(path.len() - 2);
        }
        data_type => {
            let is_text = matches!(data_type, ArrowType::Utf8 | ArrowType::Binary);
            found.push(Leaf { path: ColumnPath::new(path.clone()), is_text, dictionary: repeats(array, data_type) });
        }
    }
}

fn repeats(array: &ArrayRef, data_type: &ArrowType) -> bool {
    match data_type {
        ArrowType::Utf8 => few(array.as_string::<i32>().iter(), TEXT_REPEATS_MIN),
        ArrowType::Binary => few(array.as_binary::<i32>().iter(), TEXT_REPEATS_MIN),
        ArrowType::Int32 => few(array.as_primitive::<Int32Type>().iter(), NUMBER_REPEATS_MIN),
        ArrowType::Int64 => few(array.as_primitive::<Int64Type>().iter(), NUMBER_REPEATS_MIN),
        ArrowType::Float32 => few(array.as_primitive::<Float32Type>().iter().map(|it| it.map(f32::to_bits)), NUMBER_REPEATS_MIN),
        ArrowType::Float64 => few(array.as_primitive::<Float64Type>().iter().map(|it| it.map(f64::to_bits)), NUMBER_REPEATS_MIN),
        ArrowType::Decimal128(..) => few(array.as_primitive::<Decimal128Type>().iter(), NUMBER_REPEATS_MIN),
        ArrowType::Date32 => few(array.as_primitive::<Date32Type>().iter(), NUMBER_REPEATS_MIN),
        ArrowType::Timestamp(TimeUnit::Millisecond, _) => few(array.as_primitive::<TimestampMillisecondType>().iter(), NUMBER_REPEATS_MIN),
        ArrowType::Timestamp(TimeUnit::Microsecond, _) => few(array.as_primitive::<TimestampMicrosecondType>().iter(), NUMBER_REPEATS_MIN),
        _ => false,
    }
}

/// Whether every distinct value comes at least `repeats` times on average.
fn few<T: Hash + Eq>(values: impl Iterator<Item = Option<T>>, repeats: usize) -> bool {
    let (mut distinct, mut count) = (AHashSet::new(), 0);
    for value in values.flatten().take(SAMPLE_ROWS) {
        distinct.insert(value);
        count += 1;
    }
    distinct.len() * repeats <= count
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{BooleanArray, Int64Array, ListArray, StringArray, StructArray};
    use arrow::datatypes::Field;

    use super::*;

    #[test]
    fn columns_that_repeat_get_a_dictionary() {
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..100));
        let modes: ArrayRef = Arc::new(StringArray::from_iter_values((0..100).map(|row| format!("mode-{}", row % 5))));
        let names: ArrayRef = Arc::new(StringArray::from_iter_values((0..100).map(|row| format!("name-{row}"))));
        let levels: ArrayRef = Arc::new(Int64Array::from_iter_values((0..100).map(|row| row % 3)));
        let flags: ArrayRef = Arc::new(BooleanArray::from(vec![true; 100]));
        let meta: ArrayRef = Arc::new(StructArray::from(vec![
            (Arc::new(Field::new("mode", ArrowType::Utf8, true)), modes),
            (Arc::new(Field::new("name", ArrowType::Utf8, true)), names),
        ]));
        let element = Arc::new(Field::new("element", ArrowType::Int64, true));
        let offsets = arrow::buffer::OffsetBuffer::from_lengths(vec![1; 100]);
        let list: ArrayRef = Arc::new(ListArray::new(element, offsets, levels, None));
        let batch = RecordBatch::try_from_iter([("id", ids), ("meta", meta), ("levels", list), ("ok", flags)]).unwrap();
        let found: Vec<_> = leaves(&batch).into_iter().map(|leaf| (leaf.path.string(), leaf.is_text, leaf.dictionary)).collect();
        let expected = [
            ("id", false, false),
            ("meta.mode", true, true),
            ("meta.name", true, false),
            ("levels.list.element", false, true),
            ("ok", false, false),
        ];
        assert_eq!(found, expected.map(|(path, is_text, dictionary)| (path.to_owned(), is_text, dictionary)));
    }

    #[test]
    fn nulls_are_no_values() {
        assert!(few([None, Some(1), Some(1), None].into_iter(), 2));
        assert!(!few([Some(1), Some(2), Some(1)].into_iter(), 2));
        assert!(few(std::iter::empty::<Option<u8>>(), 8));
    }
}
