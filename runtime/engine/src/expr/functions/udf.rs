//! DataFusion's functions, as strict as the rest.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::compute::{CastOptions, can_cast_types, cast_with_options};
use arrow::datatypes::{DataType as ArrowType, Field, FieldRef, Float32Type, Float64Type, Int64Type};
use arrow::error::ArrowError;
use datafusion_common::config::ConfigOptions;
use datafusion_common::{DataFusionError, ScalarValue};
use datafusion_expr::type_coercion::functions::fields_with_udf;
use datafusion_expr::{ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF};
use kpipe_compiler::plan::{Call, DataType};

use super::super::arithmetic::finite;
use super::super::step::{Kernel, Operand, Problem, problem};
use crate::columns::arrow_type;

const STRICT: CastOptions<'static> = CastOptions { safe: false, format_options: arrow::util::display::FormatOptions::new() };

const NO_NUMBER: Problem = Problem::new("the result is no finite number");

/// A function of DataFusion with the types that it asks for.
pub(super) struct Udf {
    udf: Arc<ScalarUDF>,
    params: Vec<FieldRef>,
    returns: FieldRef,
    data_type: DataType,
    config: Arc<ConfigOptions>,
}

impl Udf {
    pub(super) fn new(udf: Arc<ScalarUDF>, call: &Call, types: &[DataType]) -> Result<Self, String> {
        let given: Vec<FieldRef> = types
            .iter()
            .enumerate()
            .map(|(index, it)| Arc::new(Field::new(format!("operand {}", index + 1), arrow_type(it), true)) as _)
            .collect();
        let strip = |error: DataFusionError| error.strip_backtrace();
        let params = fields_with_udf(&given, udf.as_ref()).map_err(strip)?;
        let scalars: Vec<Option<&ScalarValue>> = vec![None; params.len()];
        let args = ReturnFieldArgs { arg_fields: &params, scalar_arguments: &scalars };
        let returns = udf.return_field_from_args(args).map_err(strip)?;
        let wanted = arrow_type(&call.data_type);
        if !can_cast_types(returns.data_type(), &wanted) {
            return Err(format!("gives {}, not {wanted}", returns.data_type()));
        }
        let (data_type, config) = (call.data_type.clone(), Arc::new(ConfigOptions::default()));
        Ok(Self { udf, params, returns, data_type, config })
    }

    /// What the function says, without the values that its words hold.
    fn problem(&self, error: &DataFusionError) -> Problem {
        match error.find_root() {
            DataFusionError::ArrowError(error, _) => match error.as_ref() {
                // What `sqrt` says of negative numbers, and `abs` of the least one.
                ArrowError::ComputeError(_) if self.data_type == DataType::Float64 => NO_NUMBER,
                ArrowError::ComputeError(_) => Problem::out_of_range(&self.data_type),
                error => problem(error, &self.data_type),
            },
            _ => Problem::new("the function takes no such value"),
        }
    }

    /// Numbers of characters and places within what DataFusion counts with; no text is longer.
    fn clamped(&self, array: &ArrayRef) -> ArrayRef {
        const MOST: i64 = i32::MAX as i64;
        let counts = matches!(self.data_type, DataType::String | DataType::Float64);
        match array.as_primitive_opt::<Int64Type>() {
            Some(numbers) if counts => Arc::new(numbers.unary::<_, Int64Type>(|number| number.clamp(-MOST, MOST))),
            _ => Arc::clone(array),
        }
    }
}

impl Kernel for Udf {
    fn run(&self, args: &[Operand], rows: usize) -> Result<ArrayRef, Problem> {
        let convert = |(arg, param): (&Operand, &FieldRef)| {
            let array = self.clamped(&arg.array);
            let array = match array.data_type() == param.data_type() {
                true => array,
                false => cast_with_options(&array, param.data_type(), &STRICT)?,
            };
            Operand { array, is_scalar: arg.is_scalar }.columnar()
        };
        let values = args.iter().zip(&self.params).map(convert).collect::<Result<Vec<_>, _>>().map_err(|error| self.problem(&error))?;
        let result = self.udf.invoke_with_args(ScalarFunctionArgs {
            args: values,
            arg_fields: self.params.clone(),
            number_rows: rows,
            return_field: Arc::clone(&self.returns),
            config_options: Arc::clone(&self.config),
        });
        let array = result.and_then(|value| value.into_array(rows)).map_err(|error| self.problem(&error))?;
        let is_number = match array.data_type() {
            ArrowType::Float64 => finite::<Float64Type>(&array),
            ArrowType::Float32 => finite::<Float32Type>(&array),
            _ => true,
        };
        if !is_number {
            return Err(NO_NUMBER);
        }
        let wanted = arrow_type(&self.data_type);
        if *array.data_type() == wanted {
            return Ok(array);
        }
        cast_with_options(&array, &wanted, &STRICT).map_err(|error| problem(&error, &self.data_type))
    }
}

impl std::fmt::Debug for Udf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.udf.name())
    }
}
