//! Values become columns, for what the rest of the route reads. A route that passes bytes through costs nothing here.
//!
//! | format | checked | a null value |
//! |---|---|---|
//! | `json` | every value is one JSON text | rejected |
//! | `text` | every value is UTF-8 | kept: a sink of records passes it on, a sink of files rejects it (`partition`) |
//! | `bytes` | nothing | as `text` |

use kpipe_compiler::plan::{Decode, ValueFormat};

use super::{RowBatch, StageError};
use crate::format::json::{Bad, BadKind, JsonDecoder};
use crate::records::RawBatch;
use crate::reject::{Reject, RejectReason};

/// Decodes the values of one route.
pub struct Decoder {
    how: How,
}

enum How {
    Json(JsonDecoder),
    Text,
    Bytes,
}

impl Decoder {
    /// A decoder for a route.
    ///
    /// # Errors
    /// The plan asks for columns of a format that has none.
    pub fn new(decode: &Decode) -> Result<Self, StageError> {
        let how = match decode.format {
            ValueFormat::Json => How::Json(JsonDecoder::new(&decode.columns)),
            ValueFormat::Text if decode.columns.is_empty() => How::Text,
            ValueFormat::Bytes if decode.columns.is_empty() => How::Bytes,
            ValueFormat::Text | ValueFormat::Bytes => return Err(StageError::new("decode", "columns of values without fields")),
        };
        Ok(Self { how })
    }

    /// Decodes a batch. Values that are refused are left out of the rows and added to `rejects`.
    pub fn decode(&mut self, raw: &RawBatch, route: usize, rejects: &mut Vec<Reject>) -> RowBatch {
        let mut rows = Vec::with_capacity(raw.records.len());
        for row in 0..raw.records.len() {
            let index = row as u32;
            match self.push(raw.records.value(row)) {
                Ok(()) => rows.push(index),
                Err((reason, message)) => rejects.push(Reject { row: index, reason, message }),
            }
        }
        let decoded = match &mut self.how {
            How::Json(decoder) => decoder.finish(),
            How::Text | How::Bytes => Vec::new(),
        };
        RowBatch { partition: raw.partition, delta: raw.delta, route, rows, decoded, output: None }
    }

    #[inline]
    fn push(&mut self, value: Option<&[u8]>) -> Result<(), (RejectReason, String)> {
        match (&mut self.how, value) {
            (How::Json(decoder), Some(value)) => decoder.push(value).map_err(|bad| (reason(&bad), bad.to_string())),
            (How::Json(_), None) => Err((RejectReason::NullValue, "null value".to_owned())),
            (How::Text, Some(value)) => match simdutf8::compat::from_utf8(value) {
                Ok(_) => Ok(()),
                Err(error) => Err((RejectReason::Malformed, format!("not UTF-8 at byte {}", error.valid_up_to()))),
            },
            (How::Text, None) | (How::Bytes, _) => Ok(()),
        }
    }
}

fn reason(bad: &Bad) -> RejectReason {
    match bad.kind {
        BadKind::Syntax => RejectReason::Malformed,
        BadKind::Type => RejectReason::WrongType,
        BadKind::Missing => RejectReason::MissingField,
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::Int64Type;
    use kpipe_compiler::plan::{DataType, DecodeColumn};
    use proptest::prelude::*;

    use super::*;
    use crate::fixture::{self, Record};

    fn id() -> DecodeColumn {
        DecodeColumn { path: vec!["id".into()], data_type: DataType::Int64, nullable: false }
    }

    #[test]
    fn good_rows_are_kept_and_bad_ones_named() {
        let mut decoder = Decoder::new(&Decode { format: ValueFormat::Json, columns: vec![id()] }).unwrap();
        let mut records: Vec<Record> = [r#"{"id":1}"#, "{", r#"{"id":"x"}"#, r#"{"id":null}"#, r#"{"id":5}"#].map(Record::of).into();
        records.push(Record::default());
        let raw = fixture::batch(records);
        for _ in 0..2 {
            let mut rejects = Vec::new();
            let batch = decoder.decode(&raw, 7, &mut rejects);
            assert_eq!((batch.rows.as_slice(), batch.route, batch.delta), ([0, 4].as_slice(), 7, raw.delta));
            assert_eq!(batch.decoded[0].as_primitive::<Int64Type>().values().to_vec(), [1, 5]);
            let found: Vec<_> = rejects.iter().map(|reject| (reject.row, reject.reason, reject.message.as_str())).collect();
            assert_eq!(
                found,
                [
                    (1, RejectReason::Malformed, "not valid JSON: expected a key, found the end at byte 1"),
                    (2, RejectReason::WrongType, "field id: expected a number, found a string at byte 6"),
                    (3, RejectReason::MissingField, "field id: null where the schema says not null at byte 6"),
                    (5, RejectReason::NullValue, "null value"),
                ]
            );
        }
    }

    #[test]
    fn text_is_checked_and_bytes_are_not() {
        let raw = fixture::batch(vec![Record::of("x"), Record { value: Some(vec![b'a', 0xff]), ..Record::default() }, Record::default()]);
        let mut rejects = Vec::new();
        let text = Decoder::new(&Decode { format: ValueFormat::Text, columns: vec![] }).unwrap().decode(&raw, 0, &mut rejects);
        assert_eq!((text.rows.as_slice(), text.decoded.len()), ([0, 2].as_slice(), 0));
        assert_eq!(rejects, [Reject { row: 1, reason: RejectReason::Malformed, message: "not UTF-8 at byte 1".into() }]);
        let bytes = Decoder::new(&Decode { format: ValueFormat::Bytes, columns: vec![] }).unwrap().decode(&raw, 0, &mut rejects);
        assert_eq!((bytes.rows.as_slice(), rejects.len()), ([0, 1, 2].as_slice(), 1));
        assert!(Decoder::new(&Decode { format: ValueFormat::Bytes, columns: vec![id()] }).is_err());
    }

    #[test]
    fn a_batch_without_records_keeps_its_delta() {
        let mut decoder = Decoder::new(&Decode { format: ValueFormat::Json, columns: vec![id()] }).unwrap();
        let raw = fixture::values(&[]);
        let batch = decoder.decode(&raw, 0, &mut Vec::new());
        assert_eq!((batch.len(), batch.decoded[0].len(), batch.delta), (0, 0, raw.delta));
    }

    /// What is done to a value on its way.
    #[derive(Clone, Debug)]
    enum Damage {
        Byte(prop::sample::Index, u8),
        More(prop::sample::Index, u8),
        Cut(prop::sample::Index),
        Gone,
    }

    impl Damage {
        fn apply(&self, mut value: Vec<u8>) -> Option<Vec<u8>> {
            let length = value.len();
            match self {
                Self::Byte(at, byte) => value[at.index(length)] = *byte,
                Self::More(at, byte) => value.insert(at.index(length + 1), *byte),
                Self::Cut(at) => value.truncate(at.index(length)),
                Self::Gone => return None,
            }
            Some(value)
        }
    }

    fn damage() -> impl Strategy<Value = Option<Damage>> {
        let byte = prop_oneof![any::<u8>(), prop::sample::select(b"{}[]:,\"\\0-.e \n".to_vec())];
        let some = prop_oneof![
            4 => (any::<prop::sample::Index>(), byte.clone()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
            4 => (any::<prop::sample::Index>(), byte).prop_map(|(at, byte)| Damage::More(at, byte)),
            2 => any::<prop::sample::Index>().prop_map(Damage::Cut),
            1 => Just(Damage::Gone),
        ];
        prop_oneof![2 => Just(None), 1 => some.prop_map(Some)]
    }

    /// The id that a tree of values finds, or why the record must be put aside.
    fn expected(value: Option<&[u8]>) -> Result<i64, RejectReason> {
        let value = value.ok_or(RejectReason::NullValue)?;
        let tree: serde_json::Value = serde_json::from_slice(value).map_err(|_| RejectReason::Malformed)?;
        match tree.get("id") {
            _ if !tree.is_object() && !tree.is_null() => Err(RejectReason::WrongType),
            None | Some(serde_json::Value::Null) => Err(RejectReason::MissingField),
            Some(id) => id
                .as_i64()
                .or_else(|| id.as_f64().filter(|id| id.fract() == 0.0 && id.abs() < 9e15).map(|id| id as i64))
                .ok_or(RejectReason::WrongType),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(600))]

        #[test]
        fn each_damaged_record_is_put_aside_by_its_own_row(damages in prop::collection::vec(damage(), 1..40), nested: bool) {
            let value = |id: usize| match nested {
                true => format!(r#"{{"meta":{{"k":[true,null],"id":1}},"id":{id},"n":"{id}"}}"#),
                false => format!("{{ \"n\" : \"\u{e9}\" , \"id\" : {id} }}\n"),
            };
            let values = damages.iter().enumerate().map(|(id, damage)| match damage {
                None => Some(value(id).into_bytes()),
                Some(damage) => damage.apply(value(id).into_bytes()),
            });
            let values: Vec<_> = values.collect();
            let raw = fixture::batch(values.iter().map(|value| Record { value: value.clone(), ..Record::default() }).collect());
            let mut rejects = Vec::new();
            let batch = Decoder::new(&Decode { format: ValueFormat::Json, columns: vec![id()] }).unwrap().decode(&raw, 0, &mut rejects);
            let ids = batch.decoded[0].as_primitive::<Int64Type>();
            let mut found: Vec<_> = batch.rows.iter().zip(ids.values()).map(|(row, id)| (*row, Ok(*id))).collect();
            found.extend(rejects.iter().map(|reject| (reject.row, Err(reject.reason))));
            found.sort_unstable_by_key(|(row, _)| *row);
            prop_assert!(rejects.is_sorted_by_key(|reject| reject.row));
            let wanted: Vec<_> = values.iter().enumerate().map(|(row, value)| (row as u32, expected(value.as_deref()))).collect();
            for (found, wanted) in found.iter().zip(&wanted) {
                // Which mistake is named where a text has two is a matter of what is read first.
                let same = found == wanted || found.0 == wanted.0 && found.1.is_err() && wanted.1.is_err() && wanted.1 != Err(RejectReason::NullValue);
                prop_assert!(same, "{:?}: {:?}, but {:?}", values[found.0 as usize].as_deref().map(String::from_utf8_lossy), found, wanted);
            }
            prop_assert_eq!((found.len(), batch.delta), (wanted.len(), raw.delta));
        }
    }
}
