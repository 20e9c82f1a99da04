//! `kpipe schema`: the JSON Schema of the files, for editors.

use kpipe_compiler::shape::{FileKind, json_schema};

use super::print;
use crate::args::{Schema, SchemaOf};
use crate::catalog::catalog;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::host::Host;

/// Prints it.
pub(crate) fn run(args: &Schema, host: &mut Host<'_>) -> Result<Exit, Failure> {
    print(host, &text(args.json_schema))?;
    Ok(Exit::Done)
}

fn text(of: SchemaOf) -> String {
    let kind = match of {
        SchemaOf::Pipeline => FileKind::Pipeline,
        SchemaOf::Connections => FileKind::Connections,
        SchemaOf::Profile => FileKind::Profile,
    };
    format!("{:#}\n", json_schema(kind, catalog()))
}
