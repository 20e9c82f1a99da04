//! Single words: how they are shown, and whether they are what they should be.

use crate::near::one_of;

/// A value in a message: short, control characters escaped.
pub(super) fn shown(text: &str) -> String {
    format!("`{}`", cut(text))
}

pub(super) fn cut(text: &str) -> String {
    const SHOWN_MAX: usize = 40;
    let mut shown: String =
        text.chars().take(SHOWN_MAX).flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] }).collect();
    if text.chars().nth(SHOWN_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// A word as it has to be written: quoted where YAML or its older version would read something else.
pub(super) fn quoted(word: &str) -> String {
    let plain = !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    if plain && !is_boolean(word) && !is_old_boolean(word) { word.to_owned() } else { format!("\"{word}\"") }
}

pub(super) fn is_boolean(text: &str) -> bool {
    matches!(text, "true" | "True" | "TRUE" | "false" | "False" | "FALSE")
}

pub(super) fn is_old_boolean(text: &str) -> bool {
    matches!(text.to_ascii_lowercase().as_str(), "yes" | "no" | "on" | "off")
}

/// `010`: octal to YAML 1.1, ten to YAML 1.2.
pub(super) fn is_octal(text: &str) -> bool {
    text.len() > 1 && text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A whole number of YAML 1.2's core schema.
pub(super) fn parse_integer(text: &str) -> Option<i64> {
    if let Some(hex) = text.strip_prefix("0x") {
        return i64::from_str_radix(hex, 16).ok().filter(|_| !hex.starts_with(['+', '-']));
    }
    if let Some(octal) = text.strip_prefix("0o") {
        return i64::from_str_radix(octal, 8).ok().filter(|_| !octal.starts_with(['+', '-']));
    }
    text.parse().ok()
}

/// Why a URL cannot be taken.
pub(super) enum UrlError {
    /// A user or a password stands in it.
    UserInfo,
    /// Anything else, in words.
    Wrong(String),
}

pub(super) fn url(text: &str, schemes: &[&str]) -> Result<(), UrlError> {
    let wrong = |why: String| Err(UrlError::Wrong(why));
    let Some((scheme, rest)) = text.split_once("://") else {
        return wrong(format!("it begins with {}", one_of(schemes.iter().copied()).replace('`', "").replace(" or ", ":// or ") + "://"));
    };
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    if authority.contains('@') {
        return Err(UrlError::UserInfo);
    }
    if !schemes.contains(&scheme) {
        return wrong(format!("the scheme is {}", one_of(schemes.iter().copied())));
    }
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return wrong("a blank in it".to_owned());
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    if host.is_empty() {
        return wrong("no host".to_owned());
    }
    match port.map(str::parse::<u16>) {
        Some(Err(_) | Ok(0)) => wrong("a port is a number from 1 to 65535".to_owned()),
        Some(Ok(_)) | None => Ok(()),
    }
}

pub(super) fn host_port(text: &str) -> Result<(), &'static str> {
    if text.contains("://") {
        return Err("no scheme stands before the host");
    }
    if text.contains(',') {
        return Err("several addresses are a list: `[a:9092, b:9092]`");
    }
    let Some((host, port)) = text.rsplit_once(':') else { return Err("the port is missing") };
    if host.is_empty() || host.contains(|c: char| c.is_whitespace() || matches!(c, '/' | '@')) {
        return Err("not a host");
    }
    if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) {
        return Err("an IPv6 address stands in brackets");
    }
    match port.parse::<u16>() {
        Ok(1..) => Ok(()),
        Ok(0) | Err(_) => Err("a port is a number from 1 to 65535"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(text: &str) -> String {
        match url(text, &["mqtt", "mqtts"]) {
            Ok(()) => "fits".to_owned(),
            Err(UrlError::UserInfo) => "user".to_owned(),
            Err(UrlError::Wrong(why)) => why,
        }
    }

    #[test]
    fn urls_have_a_scheme_a_host_and_no_user() {
        for fits in ["mqtt://a", "mqtts://a.b:8883/", "mqtt://[::1]:1883", "mqtt://[::1]"] {
            assert_eq!(why(fits), "fits", "{fits}");
        }
        assert_eq!(why("broker:1883"), "it begins with mqtt:// or mqtts://");
        assert_eq!(why("http://a"), "the scheme is `mqtt` or `mqtts`");
        assert_eq!(why("mqtt://u:p@a"), "user");
        assert_eq!(why("mqtt://"), "no host");
        assert_eq!(why("mqtt://a:0"), "a port is a number from 1 to 65535");
        assert_eq!(why("mqtt://a b"), "a blank in it");
    }

    #[test]
    fn addresses_have_a_port() {
        for fits in ["a:1", "127.0.0.1:9092", "[::1]:9092"] {
            assert_eq!(host_port(fits), Ok(()), "{fits}");
        }
        for wrong in ["a", "a:", "a:0", "a:99999", ":9092", "a:1,b:2", "kafka://a:1", "::1:9092", "a b:1"] {
            assert!(host_port(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn numbers_are_those_of_yaml_1_2() {
        assert_eq!(["0", "-5", "+5", "0x1F", "0o17"].map(parse_integer), [Some(0), Some(-5), Some(5), Some(31), Some(15)]);
        assert_eq!(["", "1.0", "1e3", "0x-1", "1_000", "12a"].map(parse_integer), [None; 6]);
        assert!(is_octal("010") && !is_octal("0") && !is_octal("10"));
    }

    #[test]
    fn what_is_shown_is_short_and_harmless() {
        assert_eq!(shown("a\u{1b}[1m"), "`a\\u{1b}[1m`");
        assert_eq!(cut(&"x".repeat(99)).chars().count(), 41);
        assert_eq!((quoted("on"), quoted("json"), quoted("a b")), ("\"on\"".into(), "json".into(), "\"a b\"".into()));
    }
}
