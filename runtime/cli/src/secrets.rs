//! Reads secrets from the environment and from files, when a connector asks; and hides those that stand in a text.

use std::path::{Path, PathBuf};

use kpipe_compiler::plan::SecretRef;
use kpipe_compiler::report::Report;
use kpipe_compiler::sources::Sources;
use kpipe_compiler::{secrets, yaml};
use kpipe_engine::connector::Secrets;
use kpipe_engine::error::{ConnectorError, ErrorKind};

use crate::catalog::catalog;
use crate::host::{EnvReader, Host};

/// Largest secret file.
const SECRET_BYTES_MAX: u64 = 1024 * 1024;

/// Secrets as the process sees them.
pub(crate) struct HostSecrets {
    /// Reads an environment variable.
    pub(crate) env: EnvReader,
    /// What relative paths are relative to.
    pub(crate) dir: PathBuf,
}

impl HostSecrets {
    /// As `host` sees them.
    pub(crate) fn of(host: &Host<'_>) -> Self {
        Self { env: std::sync::Arc::clone(&host.env), dir: host.dir.clone() }
    }
}

impl Secrets for HostSecrets {
    fn read(&self, secret: &SecretRef) -> Result<String, ConnectorError> {
        match secret {
            SecretRef::Env(name) => (self.env)(name).ok_or_else(|| {
                ConnectorError::new(ErrorKind::Invalid, format!("environment variable `{name}` is not set"))
                    .help(format!("set it where kpipe is started: `export {name}=...`"))
            }),
            SecretRef::File(path) => file(&self.dir.join(path)),
            SecretRef::Inline { place, value } if value.is_empty() => {
                let message = format!("the secret written at {place} is not part of a saved plan");
                Err(ConnectorError::new(ErrorKind::Invalid, message).help("take it from `${env:NAME}` or `${file:/path}`"))
            }
            SecretRef::Inline { place: _, value } => Ok(value.clone()),
        }
    }
}

/// A pipeline file as it may be shown.
pub(crate) fn masked(text: &str) -> String {
    let (mut sources, mut report) = (Sources::new(), Report::default());
    let file = sources.add("", text);
    let documents = yaml::read(sources.file(file), &mut report);
    secrets::mask(sources.file(file), &documents, catalog(), &mut report);
    report.masked(&sources, file).text
}

fn file(path: &Path) -> Result<String, ConnectorError> {
    let unreadable = |why: &dyn std::fmt::Display| {
        ConnectorError::new(ErrorKind::LocalIo, format!("cannot read the secret file {}: {why}", path.display()))
    };
    let size = std::fs::metadata(path).map_err(|error| unreadable(&error))?.len();
    if size > SECRET_BYTES_MAX {
        return Err(unreadable(&format_args!("it has {size} bytes, at most {SECRET_BYTES_MAX} are read")));
    }
    let mut text = std::fs::read_to_string(path).map_err(|error| unreadable(&error))?;
    while text.ends_with(['\n', '\r']) {
        text.pop();
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(dir: &Path, secret: &SecretRef) -> Result<String, ConnectorError> {
        let env = |name: &str| (name == "SET").then(|| "value".to_owned());
        HostSecrets { env: std::sync::Arc::new(env), dir: dir.to_path_buf() }.read(secret)
    }

    #[test]
    fn variables_and_files_are_read() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("s"), "from file\r\n").unwrap();
        assert_eq!(read(dir.path(), &SecretRef::Env("SET".into())).unwrap(), "value");
        assert_eq!(read(dir.path(), &SecretRef::File("s".into())).unwrap(), "from file");
        let inline = SecretRef::Inline { place: "a.yaml:3".into(), value: "x".into() };
        assert_eq!(read(dir.path(), &inline).unwrap(), "x");
    }

    #[test]
    fn what_is_missing_is_named_with_its_kind() {
        let dir = tempfile::tempdir().unwrap();
        let unset = read(dir.path(), &SecretRef::Env("UNSET".into())).unwrap_err();
        assert_eq!((unset.kind, unset.message.as_str()), (ErrorKind::Invalid, "environment variable `UNSET` is not set"));
        let missing = read(dir.path(), &SecretRef::File("none".into())).unwrap_err();
        assert_eq!(missing.kind, ErrorKind::LocalIo);
        let saved = SecretRef::Inline { place: "a.yaml:3".into(), value: String::new() };
        assert!(read(dir.path(), &saved).unwrap_err().message.contains("a.yaml:3"));
        let large = std::fs::File::create(dir.path().join("large")).unwrap();
        large.set_len(SECRET_BYTES_MAX + 1).unwrap();
        assert!(read(dir.path(), &SecretRef::File("large".into())).unwrap_err().message.contains("at most"));
    }
}
