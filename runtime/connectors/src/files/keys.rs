//! Keys of objects: which are allowed, and where kpipe's own stand.

use kpipe_engine::error::{ConnectorError, ErrorKind};

/// The folder of kpipe's own objects below a prefix. Readers of Hive layouts skip names that start with a dot.
pub(crate) const OWN: &str = ".kpipe";

/// The longest key that S3 takes, in bytes.
const KEY_BYTES_MAX: usize = 1024;

/// Refuses a key that could mean a place outside its root, in a directory or in a tool that reads the bucket: the last line of defence
/// behind the escaping of partition values.
///
/// # Errors
/// [`ErrorKind::Invalid`], with the key and the reason.
pub(crate) fn check(key: &str) -> Result<(), ConnectorError> {
    let reason = if key.is_empty() {
        "it is empty"
    } else if key.len() > KEY_BYTES_MAX {
        "it is longer than 1024 bytes"
    } else if key.chars().any(char::is_control) {
        "it holds a control character"
    } else if key.split('/').any(str::is_empty) {
        "a part of it is empty"
    } else if key.split('/').any(|part| part == "." || part == "..") {
        "`.` and `..` are no names"
    } else {
        return Ok(());
    };
    Err(ConnectorError::new(ErrorKind::Invalid, format!("refused to write under the key {key:?}: {reason}")))
}

/// The key of one of kpipe's own objects: `<prefix>/.kpipe/<pipeline>/<name>`. Two pipelines that write below one prefix keep theirs apart.
pub(crate) fn own(prefix: &str, pipeline: &str, name: &str) -> String {
    let pipeline = one_name(pipeline);
    if prefix.is_empty() { format!("{OWN}/{pipeline}/{name}") } else { format!("{prefix}/{OWN}/{pipeline}/{name}") }
}

/// A pipeline's name as one part of a path.
pub(crate) fn one_name(pipeline: &str) -> String {
    pipeline.chars().map(|c| if c.is_alphanumeric() || "-_".contains(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_could_leave_the_root_are_refused() {
        for key in ["", "/a", "a//b", "a/", "..", "a/../b", "./a", "a/.", "a\0b", "a\nb", &"x".repeat(1025)] {
            let error = check(key).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Invalid, "{key:?}");
        }
        for key in ["a", "a/b=c/d.json", ".kpipe/x/plan.json", "a..b/...", "ä/日本", &"x".repeat(1024)] {
            check(key).unwrap();
        }
    }

    #[test]
    fn own_objects_stand_apart_by_pipeline() {
        assert_eq!(own("", "orders", "plan.json"), ".kpipe/orders/plan.json");
        assert_eq!(own("lake/raw", "orders", "plan.json"), "lake/raw/.kpipe/orders/plan.json");
        check(&own("a", "../x/..", "plan.json")).unwrap();
    }
}
