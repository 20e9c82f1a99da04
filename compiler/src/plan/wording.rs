//! Parts of a plan in the words of the file: for `plan`, `explain` and changes.

use super::{
    Call, Compression, Expr, FileFormat, FileTail, KeyPlan, Literal, Naming, Op, OptionValue, PartitionItem, RecordTail, Tail, TopicName,
};
use crate::schema::type_text;

/// An option as it would be written.
#[must_use]
pub fn show(value: &OptionValue) -> String {
    match value {
        OptionValue::Text(text) => text.clone(),
        OptionValue::Integer(number) => number.to_string(),
        OptionValue::Boolean(flag) => flag.to_string(),
        OptionValue::Bytes(bytes) => show_bytes(*bytes),
        OptionValue::DurationMs(ms) => show_ms(*ms),
        OptionValue::Secret(secret) => secret.to_string(),
        OptionValue::List(values) => format!("[{}]", values.iter().map(show).collect::<Vec<_>>().join(", ")),
        OptionValue::Map(map) => {
            let pairs: Vec<String> = map.iter().map(|(key, value)| format!("{key}: {}", show(value))).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
    }
}

/// Bytes with the largest unit that fits exactly: `128MiB`.
#[must_use]
pub fn show_bytes(bytes: u64) -> String {
    let units = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.iter().find(|(size, _)| bytes > 0 && bytes.is_multiple_of(*size)) {
        Some((size, unit)) => format!("{}{unit}", bytes / size),
        None => format!("{bytes}B"),
    }
}

/// Milliseconds with the largest unit that fits exactly: `10m`.
#[must_use]
pub fn show_ms(ms: u64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")];
    match units.iter().find(|(size, _)| ms > 0 && ms.is_multiple_of(*size)) {
        Some((size, unit)) => format!("{}{unit}", ms / size),
        None => format!("{ms}ms"),
    }
}

/// Where a route writes to.
#[must_use]
pub fn target_text(tail: &Tail) -> String {
    match tail {
        Tail::Records(tail) => topic_text(tail),
        Tail::Files(tail) => folder_text(tail),
    }
}

/// The topic of produced records.
#[must_use]
pub fn topic_text(tail: &RecordTail) -> String {
    match &tail.topic {
        TopicName::Fixed(topic) => topic.to_owned(),
        TopicName::OfSource => "the source's topic".to_owned(),
    }
}

/// The bucket and the prefix of files, as INTO has them.
#[must_use]
pub fn folder_text(tail: &FileTail) -> String {
    match (tail.bucket.as_str(), tail.prefix.as_str()) {
        ("", prefix) => prefix.to_owned(),
        (bucket, "") => bucket.to_owned(),
        (bucket, prefix) => format!("{bucket}:{prefix}"),
    }
}

/// An expression as KCQL writes it.
#[must_use]
pub fn expr_text(expr: &Expr, columns: &[String]) -> String {
    match expr {
        Expr::Column(index) => columns.get(*index).cloned().unwrap_or_else(|| format!("column {index}")),
        Expr::Topic => "_topic".to_owned(),
        Expr::Partition => "_partition".to_owned(),
        Expr::Offset => "_offset".to_owned(),
        Expr::Timestamp => "_timestamp".to_owned(),
        Expr::Key => "_key".to_owned(),
        Expr::Header(name) => format!("_header.{name}"),
        Expr::Qos => "_qos".to_owned(),
        Expr::Retained => "_retained".to_owned(),
        Expr::Value => "_value".to_owned(),
        Expr::Literal(literal) => literal_text(literal),
        Expr::Call(call) => call_text(call, columns),
    }
}

fn literal_text(literal: &Literal) -> String {
    match literal {
        Literal::Null(_) => "NULL".to_owned(),
        Literal::Boolean(value) => value.to_string().to_uppercase(),
        Literal::Int32(value) => value.to_string(),
        Literal::Int64(value) => value.to_string(),
        Literal::Float64(text) => text.clone(),
        Literal::Decimal { unscaled, precision: _, scale } => decimal_text(*unscaled, *scale),
        Literal::String(text) => format!("'{}'", text.replace('\'', "''")),
        Literal::Date(days) => {
            let date = jiff::Span::new().try_days(*days).and_then(|days| jiff::civil::date(1970, 1, 1).checked_add(days));
            date.map_or_else(|_| format!("DATE {days}"), |date| format!("DATE '{date}'"))
        }
        Literal::Timestamp(micros) => match jiff::Timestamp::from_microsecond(*micros) {
            Ok(time) => format!("TIMESTAMP '{time}'"),
            Err(_) => format!("TIMESTAMP {micros}"),
        },
    }
}

fn decimal_text(unscaled: i128, scale: i8) -> String {
    let places = usize::try_from(scale).unwrap_or_default();
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    let sign = if unscaled < 0 { "-" } else { "" };
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// The operator between two operands.
fn sign(op: &Op) -> Option<&'static str> {
    Some(match op {
        Op::And => "AND",
        Op::Or => "OR",
        Op::Equal => "=",
        Op::NotEqual => "<>",
        Op::Less => "<",
        Op::LessOrEqual => "<=",
        Op::Greater => ">",
        Op::GreaterOrEqual => ">=",
        Op::Like { escape: _ } => "LIKE",
        Op::Concat => "||",
        Op::Add => "+",
        Op::Subtract => "-",
        Op::Multiply => "*",
        Op::Divide => "/",
        Op::Modulo => "%",
        Op::Not | Op::Negate | Op::IsNull | Op::IsNotNull | Op::In | Op::Case | Op::Cast { .. } | Op::Function(_) => return None,
    })
}

fn call_text(Call { op, args, data_type, nullable: _ }: &Call, columns: &[String]) -> String {
    let texts: Vec<String> = args.iter().map(|arg| expr_text(arg, columns)).collect();
    let holds_together = |arg: &Expr| match arg {
        Expr::Call(call) => matches!(call.op, Op::Function(_) | Op::Cast { .. } | Op::Case),
        _ => true,
    };
    let operand = |index: usize| match (args.get(index), texts.get(index)) {
        (Some(arg), Some(text)) if holds_together(arg) => text.clone(),
        (Some(_), Some(text)) => format!("({text})"),
        _ => String::new(),
    };
    match op {
        Op::Not => format!("NOT {}", operand(0)),
        Op::Negate => format!("- {}", operand(0)),
        Op::IsNull => format!("{} IS NULL", operand(0)),
        Op::IsNotNull => format!("{} IS NOT NULL", operand(0)),
        Op::In => format!("{} IN ({})", operand(0), texts[1..].join(", ")),
        Op::Like { escape: Some(escape) } => format!("{} LIKE {} ESCAPE '{escape}'", operand(0), operand(1)),
        Op::Cast { is_try } => format!("{}CAST({} AS {})", if *is_try { "TRY_" } else { "" }, texts.join(", "), type_text(data_type)),
        Op::Function(name) => format!("{name}({})", texts.join(", ")),
        Op::Case => {
            let branches = texts.chunks_exact(2).map(|pair| format!(" WHEN {} THEN {}", pair[0], pair[1])).collect::<String>();
            format!("CASE{branches} ELSE {} END", texts.last().map_or("NULL", String::as_str))
        }
        op => format!("{} {} {}", operand(0), sign(op).unwrap_or_default(), operand(1)),
    }
}

/// The folders of a layout, with a `/` between them.
#[must_use]
pub fn partition_text(items: &[PartitionItem], columns: &[String]) -> String {
    let folders: Vec<String> = items
        .iter()
        .map(|item| match item {
            PartitionItem::Value { name: Some(name), expr } => format!("{name}={{{}}}", expr_text(expr, columns)),
            PartitionItem::Value { name: None, expr } => format!("{{{}}}", expr_text(expr, columns)),
            PartitionItem::Time { expr, pattern, zone, name } => {
                let name = name.as_ref().map_or(String::new(), |name| format!("{name}="));
                format!("{name}{{{} as {pattern} in {zone}}}", expr_text(expr, columns))
            }
        })
        .collect();
    if folders.is_empty() { "no folders".to_owned() } else { folders.join("/") }
}

/// A format and its settings as the file would say them.
#[must_use]
pub fn format_text(format: &FileFormat) -> String {
    match format {
        FileFormat::Json { compression } => with_codec("json", *compression),
        FileFormat::Text { compression } => with_codec("text", *compression),
        FileFormat::Parquet { compression, row_group_bytes } => {
            format!("{}, row groups of {}", with_codec("parquet", *compression), show_bytes(*row_group_bytes))
        }
        FileFormat::Bytes { separator } if separator.is_empty() => "bytes".to_owned(),
        FileFormat::Bytes { separator } => format!("bytes, separated by {separator:?}"),
    }
}

fn with_codec(format: &str, compression: Compression) -> String {
    match compression {
        Compression::None => format!("{format}, uncompressed"),
        Compression::Snappy => format!("{format}, snappy"),
        Compression::Gzip(level) => format!("{format}, gzip level {level}"),
        Compression::Zstd(level) => format!("{format}, zstd level {level}"),
    }
}

/// Whose names objects have.
#[must_use]
pub fn naming_text(naming: Naming) -> &'static str {
    match naming {
        Naming::Kpipe => "kpipe",
        Naming::Confluent => "confluent",
        Naming::Lenses => "lenses",
    }
}

/// The key of produced records in words.
#[must_use]
pub fn key_text(key: &KeyPlan, columns: &[String]) -> String {
    match key {
        KeyPlan::Keep => "the source's key".to_owned(),
        KeyPlan::SourceTopic => "the source's topic".to_owned(),
        KeyPlan::Fields { fields, delimiter } => {
            let fields: Vec<String> = fields.iter().map(|field| expr_text(field, columns)).collect();
            if fields.len() > 1 { format!("{} joined by `{delimiter}`", fields.join(", ")) } else { fields.join(", ") }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_have_the_largest_exact_unit() {
        assert_eq!([0, 1023, 1024, 3 << 30].map(show_bytes), ["0B", "1023B", "1KiB", "3GiB"]);
        assert_eq!([0, 1500, 60_000, 86_400_000].map(show_ms), ["0ms", "1500ms", "1m", "1d"]);
    }

    #[test]
    fn expressions_name_their_column() {
        let columns = vec!["meta.site".to_owned()];
        assert_eq!(expr_text(&Expr::Column(0), &columns), "meta.site");
        assert_eq!(expr_text(&Expr::Column(7), &columns), "column 7");
        let metadata = [Expr::Topic, Expr::Timestamp, Expr::Header("h".to_owned()), Expr::Qos, Expr::Retained, Expr::Value];
        let texts = metadata.map(|expr| expr_text(&expr, &columns));
        assert_eq!(texts, ["_topic", "_timestamp", "_header.h", "_qos", "_retained", "_value"]);
    }

    #[test]
    fn folders_show_what_they_are_made_of() {
        let items = [
            PartitionItem::Value { name: None, expr: Expr::Topic },
            PartitionItem::Time {
                expr: Expr::Timestamp,
                pattern: "yyyy/MM".to_owned(),
                zone: "UTC".to_owned(),
                name: Some("date".to_owned()),
            },
        ];
        assert_eq!(partition_text(&items, &[]), "{_topic}/date={_timestamp as yyyy/MM in UTC}");
        assert_eq!(partition_text(&[], &[]), "no folders");
    }

    #[test]
    fn formats_and_keys() {
        let gzip = Compression::Gzip(6);
        assert_eq!(format_text(&FileFormat::Text { compression: gzip }), "text, gzip level 6");
        assert_eq!(format_text(&FileFormat::Bytes { separator: "\n".to_owned() }), "bytes, separated by \"\\n\"");
        assert_eq!(key_text(&KeyPlan::SourceTopic, &[]), "the source's topic");
        assert_eq!(naming_text(Naming::Lenses), "lenses");
    }
}
