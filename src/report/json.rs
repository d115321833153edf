//! JSON: the whole report, for programs.

use std::io;

use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde::Serialize;

use super::SCHEMA_VERSION;

/// Writes any of our models, indented, with a line feed at the end.
pub(crate) fn write(model: &impl Serialize, out: &mut dyn io::Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, model)?;
    writeln!(out)
}

/// Makes schemas of what is written, draft 2020-12.
pub(crate) fn schemas() -> SchemaGenerator {
    SchemaSettings::draft2020_12().for_serialize().into_generator()
}

/// The text of a schema: of the `report`, of a `diff`, of a `merge`.
pub(crate) fn schema(mut root: Schema, of: &str) -> String {
    root.insert("$id".to_owned(), format!("urn:preflight:{of}:{SCHEMA_VERSION}").into());
    let stable =
        format!("New fields, codes and facts may come while schema_version is {SCHEMA_VERSION}.");
    root.insert("$comment".to_owned(), stable.into());
    let text = serde_json::to_string_pretty(&root).unwrap_or_default();
    format!("{text}\n")
}
