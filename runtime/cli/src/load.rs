//! Finds and reads pipeline files, and the `connections.yaml` and profile that belong to them.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};

use kpipe_compiler::shape::FileKind;
use kpipe_compiler::sources::Sources;

use crate::exit::Exit;
use crate::failure::{Failure, codes};
use crate::host::Host;

/// Largest file that is read.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// How deep directories are walked.
const DEPTH_MAX: usize = 16;
/// Shared connections.
const CONNECTIONS: &str = "connections.yaml";
/// The folder of profiles.
const PROFILES: &str = "profiles";

/// A text and its name as the user would write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TextFile {
    /// For people.
    pub(crate) name: String,
    /// For the file system.
    pub(crate) path: PathBuf,
    /// What it holds.
    pub(crate) text: String,
}

/// Pipeline files that share their connections and profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Group {
    /// The pipelines.
    pub(crate) pipelines: Vec<TextFile>,
    /// The nearest `connections.yaml`.
    pub(crate) connections: Option<TextFile>,
    /// The profile that was asked for.
    pub(crate) profile: Option<TextFile>,
}

impl Group {
    /// Its files, in the order that [`Group::sources`] gives them.
    pub(crate) fn files(&self) -> impl Iterator<Item = &TextFile> {
        self.pipelines.iter().chain(&self.connections).chain(&self.profile)
    }

    /// Its files for the compiler.
    pub(crate) fn sources(self) -> Sources {
        let Self { pipelines, connections, profile } = self;
        let mut sources = Sources::new();
        for file in pipelines {
            sources.add(file.name, file.text);
        }
        if let Some(file) = connections {
            sources.add_connections(file.name, file.text);
        }
        if let Some(file) = profile {
            sources.add_profile(file.name, file.text);
        }
        sources
    }
}

/// Reads everything that `paths` name.
pub(crate) fn load(host: &Host<'_>, paths: &[PathBuf], profile: Option<&str>) -> Result<Vec<Group>, Failure> {
    // What pipelines share is named as they are.
    let mut groups: BTreeMap<(Option<PathBuf>, Option<PathBuf>), Group> = BTreeMap::new();
    for name in find(host, paths)? {
        let path = host.resolve(&name);
        let named = |found: PathBuf| shown(host, &name, &found);
        let connections = connections_of(&path).map(named);
        let profile = profile.map(|profile| profile_of(&path, profile)).transpose()?.map(named);
        let group = groups.entry((connections, profile)).or_default();
        group.pipelines.push(read(host, &name)?);
    }
    let mut loaded = Vec::with_capacity(groups.len());
    for ((connections, profile), mut group) in groups {
        group.connections = connections.map(|name| read(host, &name)).transpose()?;
        group.profile = profile.map(|name| read(host, &name)).transpose()?;
        loaded.push(group);
    }
    Ok(loaded)
}

/// Pipeline files below `paths`, each once, in order.
pub(crate) fn find(host: &Host<'_>, paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for path in paths {
        let metadata = fs::metadata(host.resolve(path)).map_err(|error| Failure::file("read", path, &error))?;
        if metadata.is_dir() { walk(host, &tidy(path), DEPTH_MAX, &mut found)? } else { found.push(tidy(path)) }
    }
    if found.is_empty() {
        let places: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        return Err(Failure::new(Exit::Invalid, format!("no pipeline file (*.yaml, *.yml) below {}", places.join(", ")))
            .code(codes::NO_PIPELINES)
            .help("name a file or another directory; `kpipe connectors NAME` prints a first pipeline to start from"));
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn walk(host: &Host<'_>, dir: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    if depth == 0 {
        return Ok(());
    }
    let entries = fs::read_dir(host.resolve(dir)).map_err(|error| Failure::file("read", dir, &error))?;
    for entry in entries {
        let entry = entry.map_err(|error| Failure::file("read", dir, &error))?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else { continue };
        let path = if dir == Path::new(".") { PathBuf::from(name) } else { dir.join(name) };
        let kind = entry.file_type().map_err(|error| Failure::file("read", &path, &error))?;
        if kind.is_dir() {
            if name != PROFILES {
                walk(host, &path, depth - 1, found)?;
            }
        } else if is_pipeline(name) {
            found.push(path);
        }
    }
    Ok(())
}

fn is_pipeline(name: &str) -> bool {
    let Some(stem) = name.strip_suffix(".yaml").or_else(|| name.strip_suffix(".yml")) else { return false };
    stem != "connections" && !stem.ends_with(".test")
}

/// `./a/b.yaml` as `a/b.yaml`.
fn tidy(path: &Path) -> PathBuf {
    let tidy: PathBuf = path.components().filter(|part| *part != Component::CurDir).collect();
    if tidy.as_os_str().is_empty() { PathBuf::from(".") } else { tidy }
}

/// The nearest `name` beside `path` or above it, up to the root of the repository.
fn above(path: &Path, name: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    for dir in path.ancestors().skip(1) {
        let candidate = dir.join(name);
        if candidate.is_file() {
            return Some(candidate);
        }
        if dir.join(".git").exists() {
            return None;
        }
    }
    None
}

/// The `connections.yaml` that belongs to a file.
pub(crate) fn connections_of(path: &Path) -> Option<PathBuf> {
    above(path, Path::new(CONNECTIONS))
}

/// What a file is, by its name and place.
pub(crate) fn kind_of(path: &Path) -> FileKind {
    let folder = path.parent().and_then(Path::file_name);
    if path.file_name().is_some_and(|name| name == CONNECTIONS) {
        FileKind::Connections
    } else if folder.is_some_and(|name| name == PROFILES) {
        FileKind::Profile
    } else {
        FileKind::Pipeline
    }
}

/// The profile called `profile` that belongs to a file.
pub(crate) fn profile_of(path: &Path, profile: &str) -> Result<PathBuf, Failure> {
    let plain =
        !profile.is_empty() && profile.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.')) && !profile.starts_with('.');
    if !plain {
        return Err(Failure::new(Exit::Usage, format!("`{profile}` is no name of a profile"))
            .help("a profile is the file `profiles/NAME.yaml`; give NAME alone"));
    }
    let file = Path::new(PROFILES).join(format!("{profile}.yaml"));
    above(path, &file).ok_or_else(|| {
        Failure::new(Exit::Usage, format!("there is no profile `{profile}` for {}", path.display()))
            .help(format!("create {} beside the pipeline or above it, or leave `--profile` out", file.display()))
    })
}

/// A path as the user would write it beside `name`: from the directory of the command, absolute if `name` is.
fn shown(host: &Host<'_>, name: &Path, path: &Path) -> PathBuf {
    let base = std::path::absolute(if host.dir.as_os_str().is_empty() { Path::new(".") } else { &host.dir });
    let Some(base) = base.ok().filter(|_| name.is_relative()) else { return path.to_path_buf() };
    let shared = base.components().zip(path.components()).take_while(|(base, path)| base == path).count();
    let up = base.components().skip(shared).map(|_| Component::ParentDir);
    up.chain(path.components().skip(shared)).collect()
}

/// Reads a text file of limited size.
pub(crate) fn read(host: &Host<'_>, name: &Path) -> Result<TextFile, Failure> {
    let path = host.resolve(name);
    let bytes = read_limited(&path).map_err(|error| Failure::file("read", name, &error))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        Failure::new(Exit::Invalid, format!("{}:{line}: the text is not UTF-8 (byte {at} of the file)", name.display()))
            .code(codes::NOT_UTF8)
            .help("save the file as UTF-8")
    })?;
    Ok(TextFile { name: name.display().to_string(), path, text })
}

/// Reads a file that is not larger than it may be.
pub(crate) fn read_limited(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::other(format!("it is larger than {} KiB", FILE_BYTES_MAX / 1024)));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Terminal;
    use crate::host::tests::with_host;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(".git")).unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        dir
    }

    fn loaded(dir: &Path, paths: &[&str], profile: Option<&str>) -> Result<Vec<Group>, Failure> {
        let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
        with_host(dir, Terminal::default(), |_| None, |host| load(host, &paths, profile)).0
    }

    fn names(groups: &[Group]) -> Vec<&str> {
        groups.iter().flat_map(|group| &group.pipelines).map(|file| file.name.as_str()).collect()
    }

    #[test]
    fn directories_are_walked_and_the_rest_left_alone() {
        let dir = tree(&[
            ("b.yaml", ""),
            ("a/x.yml", ""),
            ("connections.yaml", "c"),
            ("profiles/prod.yaml", ""),
            (".hidden/y.yaml", ""),
            ("a/x.test.yaml", ""),
            ("notes.txt", ""),
        ]);
        let groups = loaded(dir.path(), &["."], None).unwrap();
        assert_eq!(names(&groups), ["a/x.yml", "b.yaml"]);
        let connections = groups[0].connections.as_ref().unwrap();
        assert_eq!((connections.name.as_str(), connections.text.as_str()), ("connections.yaml", "c"));
        assert_eq!(names(&loaded(dir.path(), &["./b.yaml", "b.yaml"], None).unwrap()), ["b.yaml"]);
    }

    #[test]
    fn each_pipeline_gets_its_nearest_connections() {
        let dir = tree(&[("connections.yaml", "top"), ("a/connections.yaml", "a"), ("a/p.yaml", ""), ("q.yaml", "")]);
        let mut found: Vec<(String, String)> = loaded(dir.path(), &["."], None)
            .unwrap()
            .into_iter()
            .map(|group| (group.pipelines[0].name.clone(), group.connections.unwrap().text))
            .collect();
        found.sort();
        assert_eq!(found, [("a/p.yaml".to_owned(), "a".to_owned()), ("q.yaml".to_owned(), "top".to_owned())]);
    }

    #[test]
    fn profiles_are_files_beside_or_above() {
        let dir = tree(&[("profiles/prod.yaml", "p"), ("a/p.yaml", "")]);
        let groups = loaded(dir.path(), &["a"], Some("prod")).unwrap();
        assert_eq!(groups[0].profile.as_ref().unwrap().name, "profiles/prod.yaml");
        assert_eq!(loaded(dir.path(), &["a"], Some("dev")).unwrap_err().exit, Exit::Usage);
        assert_eq!(loaded(dir.path(), &["a"], Some("../x")).unwrap_err().exit, Exit::Usage);
    }

    #[test]
    fn what_cannot_be_read_says_so() {
        let dir = tree(&[("empty/readme.md", "")]);
        fs::write(dir.path().join("latin.yaml"), b"a: 1\nb: \xe4\n").unwrap();
        fs::File::create(dir.path().join("huge.yaml")).unwrap().set_len(FILE_BYTES_MAX + 1).unwrap();
        assert_eq!(loaded(dir.path(), &["latin.yaml/below.yaml"], None).unwrap_err().exit, Exit::LocalIo);
        let missing = loaded(dir.path(), &["none.yaml"], None).unwrap_err();
        assert_eq!(missing.exit, Exit::LocalIo);
        assert!(missing.message.contains("none.yaml"), "{}", missing.message);
        assert_eq!(loaded(dir.path(), &["empty"], None).unwrap_err().exit, Exit::Invalid);
        let latin = loaded(dir.path(), &["latin.yaml"], None).unwrap_err();
        assert!(latin.message.starts_with("latin.yaml:2: "), "{}", latin.message);
        assert_eq!(loaded(dir.path(), &["huge.yaml"], None).unwrap_err().exit, Exit::LocalIo);
    }
    #[test]
    fn what_lies_above_the_directory_is_named_from_it() {
        let dir = tree(&[("connections.yaml", "top"), ("profiles/prod.yaml", "p"), ("a/b/p.yaml", "")]);
        let named = |at: &str, path: &str| {
            let group = loaded(&dir.path().join(at), &[path], Some("prod")).unwrap().remove(0);
            (group.pipelines[0].name.clone(), group.connections.unwrap().name, group.profile.unwrap().name)
        };
        let texts = |names: [&str; 3]| names.map(str::to_owned).into();
        assert_eq!(named("", "a/b"), texts(["a/b/p.yaml", "connections.yaml", "profiles/prod.yaml"]));
        assert_eq!(named("a", "b/p.yaml"), texts(["b/p.yaml", "../connections.yaml", "../profiles/prod.yaml"]));
        let absolute = dir.path().join("a/b/p.yaml").display().to_string();
        let above = dir.path().join("connections.yaml").display().to_string();
        assert_eq!(named("a", &absolute).1, above, "beside an absolute name an absolute one");
    }
}
