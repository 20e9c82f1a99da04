//! Keys below a directory in the order that S3 has: by bytes of the whole key, which is not the order of a walk (`a.b` < `a/b` < `a0`).

use std::collections::BinaryHeap;
use std::fs;
use std::io;
use std::path::Path;

use kpipe_engine::connector::Listed;

use crate::files::disk;

/// The first `limit` objects behind `after` whose keys start with `prefix`. Memory is bounded by `limit` and the depth of the folders.
pub(super) fn list(root: &Path, prefix: &str, after: &str, limit: usize) -> io::Result<Vec<Listed>> {
    let mut first = First { found: BinaryHeap::new(), after, limit };
    // Everything that starts with the prefix lies in the folder that its last slash names; no key has one called so.
    let folder = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
    let is_key = folder.is_empty() && !prefix.starts_with('/') || !folder.split('/').any(|part| ["", ".", ".."].contains(&part));
    if limit > 0 && is_key {
        walk(root, folder, prefix, &mut first)?;
    }
    let found = first.found.into_sorted_vec().into_iter();
    Ok(found.map(|(key, bytes, modified_ms)| Listed { key, bytes, modified_ms }).collect())
}

struct First<'a> {
    found: BinaryHeap<(String, u64, i64)>,
    after: &'a str,
    limit: usize,
}

impl First<'_> {
    fn push(&mut self, key: String, metadata: &fs::Metadata) -> io::Result<()> {
        if !self.after.is_empty() && key.as_str() <= self.after {
            return Ok(());
        }
        self.found.push((key, metadata.len(), disk::modified_ms(metadata)?));
        if self.found.len() > self.limit {
            self.found.pop();
        }
        Ok(())
    }

    /// True if a folder can only hold keys behind all that are kept, or before all that are wanted.
    fn is_past(&self, folder: &str) -> bool {
        let is_behind = self.found.len() >= self.limit && self.found.peek().is_some_and(|(last, ..)| last.as_str() < folder);
        is_behind || folder < self.after && !self.after.starts_with(folder)
    }
}

fn walk(root: &Path, folder: &str, prefix: &str, first: &mut First<'_>) -> io::Result<()> {
    let entries = match fs::read_dir(root.join(folder)) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        // A name that is no text was not written under a key.
        let Ok(name) = entry.file_name().into_string() else { continue };
        let key = if folder.is_empty() { name } else { format!("{folder}/{name}") };
        let kind = entry.file_type()?;
        if kind.is_dir() {
            let inside = format!("{key}/");
            let can_match = inside.starts_with(prefix) || prefix.starts_with(&inside);
            if can_match && !first.is_past(&inside) && key != ".kpipe/uploads" {
                walk(root, &key, prefix, first)?;
            }
        } else if kind.is_file() && key.starts_with(prefix) && !disk::is_temporary(&key) {
            match entry.metadata() {
                Ok(found) => first.push(key, &found)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_smallest_keys_are_kept() {
        let root = tempfile::tempdir().unwrap();
        for key in ["a/b", "a.b", "a0", "z/y/x", ".kpipe/uploads/u/1", ".kpipe/p/plan.json"] {
            let path = root.path().join(key);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, key).unwrap();
        }
        let keys = |prefix: &str, limit| -> Vec<String> {
            list(root.path(), prefix, "", limit).unwrap().into_iter().map(|found| found.key).collect()
        };
        assert_eq!(keys("", 100), [".kpipe/p/plan.json", "a.b", "a/b", "a0", "z/y/x"]);
        assert_eq!(keys("a", 2), ["a.b", "a/b"]);
        assert_eq!(keys("a/", 2), ["a/b"]);
        assert_eq!(keys("z/y", 2), ["z/y/x"]);
        assert_eq!(keys("a0/", 2), [""; 0]);
        assert_eq!(keys("", 0), [""; 0]);
        for prefix in ["./", "/", "a//", "../", "a/./"] {
            assert_eq!(keys(prefix, 9), [""; 0], "{prefix}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_list_is_the_start_of_the_sorted_keys(
            keys in prop::collection::btree_set("([ab.0]{1,2}/){0,2}[ab.0-]{1,2}", 0..12),
            prefix in "([ab.0]{1,2}/)?[ab.]{0,2}",
            after in prop::option::of("([ab.0]{1,2}/){0,2}[ab.0-]{1,2}"),
            limit in 0_usize..6,
        ) {
            let root = tempfile::tempdir().unwrap();
            let mut written: Vec<(String, u64)> = Vec::new();
            for key in keys {
                // What cannot be a path, or is a folder already, is no key here.
                let path = root.path().join(&key);
                let is_path = !key.split('/').any(|part| part == "." || part == "..");
                if is_path && fs::create_dir_all(path.parent().unwrap()).is_ok() && fs::write(&path, &key).is_ok() {
                    written.push((key.clone(), key.len() as u64));
                }
            }
            let after = after.unwrap_or_default();
            written.retain(|(key, _)| key.starts_with(&prefix) && *key > after);
            written.truncate(limit);
            let found = list(root.path(), &prefix, &after, limit).unwrap().into_iter();
            prop_assert_eq!(found.map(|found| (found.key, found.bytes)).collect::<Vec<_>>(), written);
        }
    }

    #[test]
    fn a_root_that_is_not_there_holds_nothing() {
        assert_eq!(list(Path::new("/does/not/exist"), "a", "", 5).unwrap(), []);
    }
}
