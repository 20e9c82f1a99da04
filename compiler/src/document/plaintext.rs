//! Connections that are not encrypted: allowed, and said where they may leave the machine's own network.

use std::net::IpAddr;

use super::EndpointDoc;
use super::context::Context;
use super::error::DocumentWarning;
use crate::catalog::{OptionKind, OptionSpec};
use crate::plan::OptionValue;

/// Schemes without TLS.
const PLAIN_SCHEMES: [&str; 4] = ["http", "mqtt", "tcp", "ws"];
/// Ends of names that never lead out of a private network.
const PRIVATE_SUFFIXES: [&str; 6] = [".localhost", ".local", ".internal", ".lan", ".home.arpa", ".svc"];

impl Context<'_> {
    /// Warns once for each option of an endpoint that names a host out there without TLS.
    pub(super) fn check_plaintext(&mut self, endpoint: &EndpointDoc, specs: &[OptionSpec]) {
        let has_secret = specs.iter().any(|spec| spec.secret && endpoint.places.contains_key(spec.path));
        let has_tls =
            endpoint.options.flag("tls.enabled") || endpoint.places.keys().any(|path| path.starts_with("tls.") && path != "tls.enabled");
        for spec in specs {
            let (Some(place), Some(value)) = (endpoint.places.get(spec.path), endpoint.options.0.get(spec.path)) else { continue };
            let host = match (&spec.kind, value) {
                (OptionKind::Url(_), OptionValue::Text(url)) => plain_host_of(url),
                (OptionKind::List(OptionKind::HostPort), OptionValue::List(values)) if !has_tls => {
                    values.iter().find_map(|value| match value {
                        OptionValue::Text(address) => address.rsplit_once(':').map(|(host, _)| host).filter(|host| !is_private(host)),
                        _ => None,
                    })
                }
                _ => None,
            };
            if let Some(host) = host {
                let what = if has_secret { "records and passwords travel" } else { "records travel" };
                let warning = DocumentWarning::Plaintext { host: host.to_owned(), what, span: place.value.span };
                self.warn(place.value, warning);
            }
        }
    }
}

/// The host of a URL without TLS, if it is out there.
fn plain_host_of(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let host = match authority.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or(address),
        None => authority.split(':').next().unwrap_or(authority),
    };
    (PLAIN_SCHEMES.contains(&scheme) && !is_private(host)).then_some(host)
}

/// True for this machine, for private networks, and for names that only such a network knows.
fn is_private(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    if let Ok(address) = host.parse::<IpAddr>() {
        return match address {
            IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_link_local() || address.is_unspecified(),
            IpAddr::V6(address) => {
                address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local() || address.is_unspecified()
            }
        };
    }
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    !name.contains('.') || PRIVATE_SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) || name.contains(".svc.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_of_private_networks() {
        for private in [
            "localhost",
            "kafka",
            "127.0.0.1",
            "10.1.2.3",
            "192.168.0.1",
            "172.20.0.1",
            "[::1]",
            "fd00::1",
            "a.b.internal",
            "kafka.ns.svc.cluster.local",
            "A.LOCAL.",
        ] {
            assert!(is_private(private), "{private}");
        }
        for public in ["kafka.example.com", "8.8.8.8", "172.32.0.1", "2001:db8::1", "localhost.example.com"] {
            assert!(!is_private(public), "{public}");
        }
    }

    #[test]
    fn urls_with_tls_or_at_home_are_fine() {
        for fine in
            ["https://s3.example.com", "mqtts://broker.example.com:8883", "http://minio:9000", "http://[::1]:9000/x", "http://127.0.0.1"]
        {
            assert_eq!(plain_host_of(fine), None, "{fine}");
        }
        assert_eq!(plain_host_of("http://s3.example.com:9000/path"), Some("s3.example.com"));
        assert_eq!(plain_host_of("mqtt://[2001:db8::1]:1883"), Some("2001:db8::1"));
    }
}
