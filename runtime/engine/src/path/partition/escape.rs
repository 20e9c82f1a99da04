//! Values as folders: nothing in a value may lead out of the prefix.

use std::fmt::Write;

/// Hive's folder of a null, and of an empty text.
const DEFAULT: &str = "__HIVE_DEFAULT_PARTITION__";

/// `name=value` or `value`, as Hive writes it.
pub(super) fn hive(name: Option<&str>, value: Option<&str>) -> String {
    let mut folder = String::new();
    if let Some(name) = name {
        hive_escaped(name, &mut folder);
        folder.push('=');
    }
    match value {
        None | Some("") => folder.push_str(DEFAULT),
        Some(value) => hive_escaped(value, &mut folder),
    }
    no_dot(folder)
}

/// `name=value` or `value` as it is: slashes make folders. Where that would leave the prefix, all of the value is escaped.
pub(super) fn plain(name: Option<&str>, value: &str) -> String {
    let mut folder = String::new();
    if let Some(name) = name {
        hive_escaped(name, &mut folder);
        folder.push('=');
    }
    let start = folder.len();
    for letter in value.chars() {
        if letter.is_ascii_control() || letter == '\\' { percent(letter, &mut folder) } else { folder.push(letter) }
    }
    if folder.split('/').any(|part| part.is_empty() || part.starts_with('.')) {
        folder.truncate(start);
        if value.is_empty() {
            folder.push_str(DEFAULT);
        }
        hive_escaped(value, &mut folder);
    }
    no_dot(folder)
}

fn hive_escaped(text: &str, folder: &mut String) {
    for letter in text.chars() {
        if letter.is_ascii_control() || "\"#%'*/:=?\\{[]^".contains(letter) { percent(letter, folder) } else { folder.push(letter) }
    }
}

fn percent(letter: char, folder: &mut String) {
    // Only called for ASCII; writing to a string cannot fail.
    let _ = write!(folder, "%{:02X}", u32::from(letter));
}

/// A folder that begins with a dot is hidden, `.` and `..` are none, and `.kpipe` is kpipe's own.
fn no_dot(folder: String) -> String {
    match folder.strip_prefix('.') {
        Some(rest) => format!("%2E{rest}"),
        None => folder,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hive_writes_values_so() {
        for (name, value, folder) in [
            (Some("c"), Some("DE"), "c=DE"),
            (Some("c"), Some("a/b"), "c=a%2Fb"),
            (Some("c"), Some("../../etc"), "c=..%2F..%2Fetc"),
            (Some("c"), Some("x y+z\u{e9}"), "c=x y+z\u{e9}"),
            (Some("c"), Some("100%"), "c=100%25"),
            (Some("c"), Some("a=b\\c\n"), "c=a%3Db%5Cc%0A"),
            (Some("c"), None, "c=__HIVE_DEFAULT_PARTITION__"),
            (Some("c"), Some(""), "c=__HIVE_DEFAULT_PARTITION__"),
            (Some("a/b"), Some("1"), "a%2Fb=1"),
            (None, Some("DE"), "DE"),
            (None, Some(".."), "%2E."),
            (None, Some(".kpipe"), "%2Ekpipe"),
            (None, None, "__HIVE_DEFAULT_PARTITION__"),
        ] {
            assert_eq!(hive(name, value), folder);
        }
    }

    #[test]
    fn plain_values_stay_unless_they_would_leave() {
        for (name, value, folder) in [
            (Some("f"), "a/b", "f=a/b"),
            (Some("f"), "a=b%: c", "f=a=b%: c"),
            (Some("f"), "", "f="),
            (Some("f"), "/x", "f=/x"),
            (Some("f"), "x/", "f=x%2F"),
            (Some("f"), "a//b", "f=a%2F%2Fb"),
            (Some("f"), "a/../../b", "f=a%2F..%2F..%2Fb"),
            (Some("f"), "a\u{0}\\b", "f=a%00%5Cb"),
            (None, "", "__HIVE_DEFAULT_PARTITION__"),
            (None, "..", "%2E."),
            (None, "a/b", "a/b"),
        ] {
            assert_eq!(plain(name, value), folder);
        }
    }

    fn unescaped(folder: &str) -> String {
        let mut bytes = Vec::new();
        let mut rest = folder.as_bytes();
        while let [first, tail @ ..] = rest {
            if let (b'%', [high, low, tail @ ..]) = (first, tail) {
                bytes.push(u8::from_str_radix(std::str::from_utf8(&[*high, *low]).unwrap(), 16).unwrap());
                rest = tail;
            } else {
                bytes.push(*first);
                rest = tail;
            }
        }
        String::from_utf8(bytes).unwrap()
    }

    proptest! {
        #[test]
        fn no_folder_leaves_the_prefix(name in prop::option::of("[a-z/.]{1,5}"), value in "[a-c./\\\\%=\u{0}\n\u{e9} ]{0,12}") {
            for folders in [hive(name.as_deref(), Some(&value)), plain(name.as_deref(), &value)] {
                for folder in folders.split('/') {
                    prop_assert!(!folder.is_empty() && !folder.starts_with('.'), "{}", folders);
                    prop_assert!(!folder.contains(|letter: char| letter.is_control() || letter == '\\'), "{}", folders);
                }
            }
        }

        #[test]
        fn hive_folders_can_be_read_back(value in "[a-c./\\\\%=\u{0}\n\u{e9} ]{1,12}") {
            prop_assert!(!hive(None, Some(&value)).contains('/'));
            prop_assert_eq!(unescaped(&hive(None, Some(&value))), value.as_str());
            let named = hive(Some("n"), Some(&value));
            prop_assert_eq!(unescaped(named.strip_prefix("n=").unwrap()), value);
        }
    }
}
