//! Words and colours. Nothing here decides anything.

pub(crate) mod bar;
pub(crate) mod diagnostics;
pub(crate) mod excerpt;
pub(crate) mod github;
pub(crate) mod json;
pub(crate) mod markdown;
pub(crate) mod paint;
pub(crate) mod plan;
pub(crate) mod progress;
pub(crate) mod sarif;
pub(crate) mod statement;
