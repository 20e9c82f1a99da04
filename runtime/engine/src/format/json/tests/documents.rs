//! Any schema with documents that fit it, or nearly: what is read is what was meant, and what is written is read again as the same.

use super::super::{base64, write};
use super::*;

/// A text, and what a column has to hold for it.
type Meant = (String, Value);

fn scalar_type() -> impl Strategy<Value = DataType> {
    prop_oneof![
        Just(DataType::Boolean),
        Just(DataType::Int32),
        Just(DataType::Int64),
        Just(DataType::Float32),
        Just(DataType::Float64),
        (1_u8..=38).prop_flat_map(|precision| (0..=precision as i8).prop_map(move |scale| DataType::Decimal { precision, scale })),
        Just(DataType::String),
        Just(DataType::Bytes),
        Just(DataType::Date),
        Just(DataType::Timestamp(TimeUnit::Millisecond)),
        Just(DataType::Timestamp(TimeUnit::Microsecond)),
        Just(DataType::Any),
        Just(DataType::Json),
    ]
}

fn any_type() -> impl Strategy<Value = DataType> {
    scalar_type().prop_recursive(3, 10, 3, |inner| {
        prop_oneof![
            (inner.clone(), any::<bool>()).prop_map(|(data_type, nullable)| DataType::List(Box::new(field("e", data_type, nullable)))),
            prop::collection::vec((inner, any::<bool>()), 1..4).prop_map(|types| DataType::Struct(named(types))),
        ]
    })
}

/// Fields with names that need escapes, share beginnings, or are long.
fn named(types: Vec<(DataType, bool)>) -> Vec<Field> {
    const NAMES: [&str; 6] = ["a", "a\"b", "a field of a rather long name that no memory of pieces holds", "\u{e9}", "ab", "\n"];
    types.into_iter().zip(NAMES).map(|((data_type, nullable), name)| field(name, data_type, nullable)).collect()
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// A string as JSON can write it: as it is, or every character as an escape.
fn string() -> impl Strategy<Value = Meant> {
    ("[a-z\"\\\\/\u{0}\u{1f}\n\u{e9}\u{1f600} ]{0,24}", any::<bool>()).prop_map(|(text, escaped)| {
        let units = || text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
        let written = if escaped { format!("\"{}\"", units()) } else { quoted(&text) };
        (written, json!(text))
    })
}

fn decimal(precision: u8, scale: i8) -> impl Strategy<Value = Meant> {
    let limit = 10_i128.pow(u32::from(precision)) - 1;
    (-limit..=limit, any::<bool>(), 0_usize..3).prop_map(move |(number, in_quotes, zeros)| {
        let scale = scale.unsigned_abs() as usize;
        let digits = format!("{:0>width$}", number.unsigned_abs(), width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        let point = if scale > 0 { "." } else { "" };
        let sign = if number < 0 { "-" } else { "" };
        let plain = format!("{sign}{whole}{point}{fraction}");
        let more = if scale > 0 { "0".repeat(zeros) } else { String::new() };
        let written = if in_quotes { format!("\"{plain}{more}\"") } else { format!("{plain}{more}") };
        (written, json!(plain))
    })
}

fn timestamp(unit: TimeUnit) -> impl Strategy<Value = Meant> {
    (-62_135_596_800_000_000_i64..253_402_207_200_000_000, any::<bool>()).prop_map(move |(us, as_text)| {
        let number = match unit {
            TimeUnit::Millisecond => us.div_euclid(1000),
            TimeUnit::Microsecond => us,
        };
        let text = || quoted(&jiff::Timestamp::from_microsecond(us).unwrap().to_string());
        (if as_text { text() } else { number.to_string() }, json!(number))
    })
}

fn scalar() -> impl Strategy<Value = Meant> {
    let as_written = |text: String| (text.clone(), json!(text));
    prop_oneof![
        string(),
        any::<bool>().prop_map(move |flag| as_written(flag.to_string())),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,9})?([eE][+-]?[0-9]{1,3})?".prop_map(as_written),
    ]
}

/// Texts of one type that is not null.
fn value(data_type: &DataType) -> BoxedStrategy<Meant> {
    match data_type {
        DataType::Boolean => any::<bool>().prop_map(|flag| (flag.to_string(), json!(flag))).boxed(),
        DataType::Int32 => any::<i32>().prop_map(|number| (number.to_string(), json!(number))).boxed(),
        DataType::Int64 => (any::<i64>(), prop::sample::select(vec!["", ".0", ".000", "e0", "E+0"]))
            .prop_map(|(number, tail)| (format!("{number}{tail}"), json!(number)))
            .boxed(),
        DataType::Float32 => prop::num::f32::NORMAL.prop_map(|number| (format!("{number:?}"), json!(number))).boxed(),
        DataType::Float64 => prop::num::f64::NORMAL.prop_map(|number| (format!("{number:?}"), json!(number))).boxed(),
        DataType::Decimal { precision, scale } => decimal(*precision, *scale).boxed(),
        DataType::String => string().boxed(),
        DataType::Bytes => prop::collection::vec(any::<u8>(), 0..20)
            .prop_map(|bytes| {
                let mut letters = Vec::new();
                base64::encode(&bytes, &mut letters);
                (quoted(&String::from_utf8(letters).unwrap()), json!(bytes))
            })
            .boxed(),
        DataType::Date => (-719_162_i32..2_932_896, any::<bool>())
            .prop_map(|(day, as_text)| {
                let text = || jiff::civil::date(1970, 1, 1).checked_add(jiff::Span::new().days(day)).unwrap().to_string();
                (if as_text { quoted(&text()) } else { day.to_string() }, json!(day))
            })
            .boxed(),
        DataType::Timestamp(unit) => timestamp(*unit).boxed(),
        DataType::Any => scalar().boxed(),
        DataType::Json => any_value()
            .prop_filter("null is no value", |value| !value.is_null())
            .prop_map(|value| (value.to_string(), json!(value.to_string())))
            .boxed(),
        DataType::Struct(fields) => object(fields).boxed(),
        DataType::List(element) => prop::collection::vec(item(&element.data_type, element.nullable), 0..4)
            .prop_map(|items| {
                let (texts, values): (Vec<_>, Vec<_>) = items.into_iter().unzip();
                (format!("[{}]", texts.join(" , ")), Value::Array(values))
            })
            .boxed(),
    }
}

/// The same, with null where it may be.
fn item(data_type: &DataType, nullable: bool) -> BoxedStrategy<Meant> {
    let some = value(data_type);
    if nullable { prop_oneof![1 => Just(("null".to_owned(), Value::Null)), 5 => some].boxed() } else { some }
}

/// An object: keys in any order, those that may be missing missing, one of them twice, one that nobody wants.
fn object(fields: &[Field]) -> impl Strategy<Value = Meant> + use<> {
    let pairs: Vec<_> = fields
        .iter()
        .map(|field| {
            let key = quoted(&field.name);
            let name = field.name.clone();
            let may_lack = field.nullable;
            let both = (item(&field.data_type, field.nullable), prop::option::weighted(0.1, item(&field.data_type, field.nullable)), 0..8);
            both.prop_map(move |((text, meant), twice, missing)| match (twice, missing) {
                (_, 0) if may_lack => (String::new(), (name.clone(), Value::Null)),
                (Some((earlier, _)), _) => (format!("{key}:{earlier},\n{key} : {text}"), (name.clone(), meant)),
                (None, _) => (format!("{key}:{text}"), (name.clone(), meant)),
            })
        })
        .collect();
    (pairs, any::<prop::sample::Index>(), any_value(), 0..6).prop_map(|(pairs, turn, more, with_more)| {
        let (mut texts, values): (Vec<String>, Vec<(String, Value)>) = pairs.into_iter().unzip();
        if with_more == 0 {
            texts.push(format!("\"more\":{more}"));
        }
        texts.retain(|text| !text.is_empty());
        if !texts.is_empty() {
            let by = turn.index(texts.len());
            texts.rotate_left(by);
        }
        (format!("{{{}}}", texts.join(",")), Value::Object(values.into_iter().collect()))
    })
}

/// A text of no value of the type; `None`: everything is one.
fn misfit(data_type: &DataType) -> Option<&'static str> {
    Some(match data_type {
        DataType::Boolean => "0",
        DataType::Int32 | DataType::Int64 | DataType::Float32 | DataType::Float64 | DataType::Decimal { .. } => "\"x\"",
        DataType::Bytes => "\"?\"",
        DataType::Date | DataType::Timestamp(_) => "\"2024-02-30\"",
        DataType::String => "1",
        DataType::Any | DataType::List(_) => "{}",
        DataType::Struct(_) => "[]",
        DataType::Json => return None,
    })
}

/// What is done to a document.
#[derive(Clone, Debug)]
enum Harm {
    None,
    /// The column's value is of another type.
    Misfit(prop::sample::Index),
    /// The text ends here.
    Cut(prop::sample::Index),
}

fn harm() -> impl Strategy<Value = Harm> {
    prop_oneof![
        6 => Just(Harm::None),
        1 => any::<prop::sample::Index>().prop_map(Harm::Misfit),
        1 => any::<prop::sample::Index>().prop_map(Harm::Cut),
    ]
}

/// A schema with documents, each with its harm.
fn cases() -> impl Strategy<Value = (Vec<Field>, Vec<(Meant, Harm)>)> {
    prop::collection::vec((any_type(), any::<bool>()), 1..6).prop_map(named).prop_flat_map(|fields| {
        let documents = prop::collection::vec((object(&fields), harm()), 1..10);
        (Just(fields), documents)
    })
}

fn columns(fields: &[Field]) -> Vec<DecodeColumn> {
    let column =
        |field: &Field| DecodeColumn { path: vec![field.name.clone()], data_type: field.data_type.clone(), nullable: field.nullable };
    fields.iter().map(column).collect()
}

/// The text with its harm, and what the decoder has to say to it.
fn harmed(fields: &[Field], text: &str, harm: &Harm) -> (String, Option<BadKind>) {
    match harm {
        Harm::None => (text.to_owned(), None),
        Harm::Misfit(column) => {
            let field = &fields[column.index(fields.len())];
            match misfit(&field.data_type) {
                Some(other) => {
                    (format!("{},{}:{other}}}", &text[..text.len() - 1], quoted(&field.name)).replace("{,", "{"), Some(BadKind::Type))
                }
                None => (text.to_owned(), None),
            }
        }
        Harm::Cut(at) => {
            let mut at = at.index(text.len());
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            (text[..at].to_owned(), Some(BadKind::Syntax))
        }
    }
}

/// Rows as the writer writes them, one text each.
fn written(arrays: &[ArrayRef], fields: &[Field]) -> Vec<String> {
    let columns = arrays.iter().zip(fields).map(|(array, field)| (array, field.name.as_str(), &field.data_type));
    let rows = write::Rows::new(columns, TimeStyle::Text).unwrap();
    let line = |row| {
        let mut out = Vec::new();
        rows.write(row, &mut out);
        String::from_utf8(out).unwrap()
    };
    (0..arrays[0].len()).map(line).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_schema_reads_what_was_meant_and_its_rows_read_back((fields, documents) in cases()) {
        let columns = columns(&fields);
        let mut decoder = JsonDecoder::new(&columns);
        let mut meant = Vec::new();
        for ((text, value), harm) in documents {
            prop_assert!(serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok(), "the generator: {}", text);
            let (text, wanted) = harmed(&fields, &text, &harm);
            match (decoder.push(text.as_bytes()), wanted) {
                (Ok(()), None) => meant.push(value),
                (Err(bad), Some(kind)) => prop_assert_eq!(bad.kind, kind, "{}: {}", text, bad),
                (found, wanted) => prop_assert!(false, "{}: {:?}, but {:?}", text, found, wanted),
            }
        }
        let arrays = decoder.finish();
        for (array, field) in arrays.iter().zip(&fields) {
            array.to_data().validate_full().unwrap();
            let found: Vec<Value> = (0..array.len()).map(|row| cell(array, row)).collect();
            let wanted: Vec<Value> = meant.iter().map(|value| value[&field.name].clone()).collect();
            prop_assert_eq!(found, wanted, "{:?}", field);
        }
        let mut again = JsonDecoder::new(&columns);
        for line in written(&arrays, &fields) {
            prop_assert!(!line.contains(['\n', '\r']), "{}", line);
            prop_assert!(again.push(line.as_bytes()).is_ok(), "{}", line);
        }
        for (again, first) in again.finish().iter().zip(&arrays) {
            prop_assert_eq!(again.to_data(), first.to_data());
        }
    }
}
