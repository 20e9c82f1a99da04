//! Functions by name. [`kpipe_compiler::functions`] says what they take and give; here is what computes them.
//!
//! | from | which |
//! |---|---|
//! | DataFusion | texts, numbers, `greatest`, `least` |
//! | `time` | times; calendars and patterns are those of folders |
//! | `pattern` | regular expressions, compiled once |
//! | `json` | `json_get` |
//! | `pad` | `lpad`, `rpad` |
//! | `text` | `\|\|`, and the bounds of what DataFusion may make longer |
//! | `hash` | `md5`, `sha256` as hexadecimal text |
//! | `compile` | `coalesce`, `nullif`: branches, so that only what is needed is computed |

mod hash;
mod json;
mod pad;
mod pattern;
mod text;
mod time;
mod udf;

use std::sync::Arc;

use datafusion_expr::ScalarUDF;
use datafusion_functions::{core, math, string, unicode};
use kpipe_compiler::plan::{Call, DataType, Expr, Literal};

pub(super) use self::text::Join;
use self::text::{Bounded, BytesOf};
use self::udf::Udf;
use super::step::Kernel;

/// What computes a function.
pub(super) enum Source {
    /// DataFusion's function.
    DataFusion(fn() -> Arc<ScalarUDF>),
    /// The same where the result can be longer than the texts that it is made of.
    Longer(fn() -> Arc<ScalarUDF>, BytesOf),
    /// Ours, given the call.
    Own(fn(&Call) -> Result<Arc<dyn Kernel>, String>),
}

use Source::{DataFusion, Longer, Own};

/// All functions that are no branches.
pub(super) const FUNCTIONS: &[(&str, Source)] = &[
    ("upper", DataFusion(string::upper)),
    ("lower", DataFusion(string::lower)),
    ("trim", DataFusion(string::btrim)),
    ("ltrim", DataFusion(string::ltrim)),
    ("rtrim", DataFusion(string::rtrim)),
    ("substr", DataFusion(unicode::substr)),
    ("replace", Longer(string::replace, text::replace)),
    ("length", DataFusion(unicode::character_length)),
    ("concat", Longer(string::concat, text::concat)),
    ("concat_ws", Longer(string::concat_ws, text::concat_ws)),
    ("left", DataFusion(unicode::left)),
    ("right", DataFusion(unicode::right)),
    ("lpad", Own(pad::lpad)),
    ("rpad", Own(pad::rpad)),
    ("starts_with", DataFusion(string::starts_with)),
    ("ends_with", DataFusion(string::ends_with)),
    ("contains", DataFusion(string::contains)),
    ("split_part", DataFusion(string::split_part)),
    ("reverse", DataFusion(unicode::reverse)),
    ("abs", DataFusion(math::abs)),
    ("ceil", DataFusion(math::ceil)),
    ("floor", DataFusion(math::floor)),
    ("round", DataFusion(math::round)),
    ("power", DataFusion(math::power)),
    ("sqrt", DataFusion(math::sqrt)),
    ("sign", DataFusion(math::signum)),
    ("ln", DataFusion(math::ln)),
    ("log10", DataFusion(math::log10)),
    ("greatest", DataFusion(core::greatest)),
    ("least", DataFusion(core::least)),
    ("date_trunc", Own(time::date_trunc)),
    ("date_part", Own(time::date_part)),
    ("to_timestamp_seconds", Own(time::to_timestamp_seconds)),
    ("to_timestamp_millis", Own(time::to_timestamp_millis)),
    ("to_timestamp_micros", Own(time::to_timestamp_micros)),
    ("epoch_ms", Own(time::epoch_ms)),
    ("format_time", Own(time::format_time)),
    ("parse_time", Own(time::parse_time)),
    ("md5", Own(hash::md5)),
    ("sha256", Own(hash::sha256)),
    ("regexp_like", Own(pattern::regexp_like)),
    ("regexp_replace", Own(pattern::regexp_replace)),
    ("regexp_extract", Own(pattern::regexp_extract)),
    ("json_get", Own(json::json_get)),
];

/// The kernel of a call. `types`: of its operands.
pub(super) fn kernel(name: &str, call: &Call, types: &[DataType]) -> Result<Arc<dyn Kernel>, String> {
    let (_, source) = FUNCTIONS.iter().find(|(known, _)| *known == name).ok_or_else(|| format!("no function `{name}`"))?;
    match source {
        DataFusion(udf) => Ok(Arc::new(Udf::new(udf(), call, types)?)),
        Longer(udf, bytes) => Ok(Arc::new(Bounded::new(Udf::new(udf(), call, types)?, *bytes))),
        Own(make) => make(call),
    }
}

/// The text of an operand that is written out in the statement.
fn literal_text(call: &Call, index: usize) -> Result<&str, String> {
    match call.args.get(index) {
        Some(Expr::Literal(Literal::String(text))) => Ok(text),
        _ => Err(format!("operand {} is no text that is written out", index + 1)),
    }
}
