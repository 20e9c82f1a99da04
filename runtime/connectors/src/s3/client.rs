//! Clients: one for all pipelines of a process that log in to a store in the same way, so that they share its connections.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, ProvideCredentials, Region, RequestChecksumCalculation, SharedHttpClient};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use kpipe_compiler::plan::OptionValue;
use kpipe_engine::connector::OpenRequest;
use kpipe_engine::error::{ConnectorError, ErrorKind};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::error;
use crate::files::{disk, wait};

/// TCP and TLS together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// From the first byte of a request to the first of its answer; a part has to be through by then.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// A request as a whole.
const CALL_TIMEOUT: Duration = Duration::from_secs(90);

/// The region that a store with an address of its own is signed for; most ignore it.
const ENDPOINT_REGION: &str = "us-east-1";

/// A client and what it is for.
#[derive(Clone, Debug)]
pub(super) struct Store {
    /// The SDK's client, cheap to clone.
    pub(super) client: Client,
    /// `http://minio:9000`, or `eu-central-1` of AWS.
    pub(super) place: String,
    /// The access key, where the options name one: it is a name, no secret.
    pub(super) login: Option<String>,
}

/// How a client is built. Secrets are in `credentials` only, whose `Debug` hides them.
struct Settings {
    endpoint: Option<String>,
    region: Option<String>,
    path_style: bool,
    credentials: Option<Credentials>,
    ca: Option<String>,
}

/// The client for a pipeline's options: a shared one if there is one for the same options, secrets and runtime.
pub(super) fn client(request: &OpenRequest<'_>) -> Result<Store, ConnectorError> {
    static KNOWN: LazyLock<Mutex<BTreeMap<String, Store>>> = LazyLock::new(Mutex::default);
    let settings = Settings::read(request)?;
    let id = format!("{} {}", request.runtime.id(), settings.id());
    if let Some(store) = KNOWN.lock().unwrap_or_else(PoisonError::into_inner).get(&id) {
        return Ok(store.clone());
    }
    let store = wait(&request.runtime, settings.build())?;
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner).insert(id, store.clone());
    Ok(store)
}

impl Settings {
    fn read(request: &OpenRequest<'_>) -> Result<Self, ConnectorError> {
        let options = &request.endpoint.options;
        let endpoint = options.text("endpoint").map(|url| url.trim_end_matches('/').to_owned());
        let path_style = match options.0.get("path_style") {
            Some(OptionValue::Boolean(given)) => *given,
            _ => endpoint.is_some(),
        };
        let secret = |path: &str| options.secret(path).map(|secret| request.secrets.read(secret)).transpose();
        let credentials = match (options.text("credentials.access_key"), secret("credentials.secret_key")?) {
            (Some(key), Some(secret_key)) => {
                Some(Credentials::new(key, secret_key, secret("credentials.session_token")?, None, "pipeline"))
            }
            (None, None) => None,
            (Some(_), None) => return Err(incomplete("credentials.secret_key", "credentials.access_key")),
            (None, Some(_)) => return Err(incomplete("credentials.access_key", "credentials.secret_key")),
        };
        let region = options.text("region").map(str::to_owned);
        Ok(Self { endpoint, region, path_style, credentials, ca: options.text("tls.ca").map(str::to_owned) })
    }

    /// What two settings share if they are the same. Secrets count as a number that is another one in every process.
    fn id(&self) -> String {
        static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        let secret = self.credentials.as_ref().map(|login| SEED.hash_one((login.secret_access_key(), login.session_token())));
        let key = self.credentials.as_ref().map(Credentials::access_key_id);
        format!("{:?} {:?} {} {key:?} {secret:?} {:?}", self.endpoint, self.region, self.path_style, self.ca)
    }

    async fn build(self) -> Result<Store, ConnectorError> {
        let http = self.ca.as_deref().map(trusting).transpose()?;
        let base = match &self.credentials {
            Some(_) if self.region.is_some() || self.endpoint.is_some() => None,
            _ => Some(aws_config::load_defaults(BehaviorVersion::latest()).await),
        };
        let mut config = base.as_ref().map_or_else(aws_sdk_s3::config::Builder::new, aws_sdk_s3::config::Builder::from);
        let region = self.region.or_else(|| base.as_ref().and_then(|base| base.region()).map(ToString::to_string));
        let region = region.or_else(|| self.endpoint.as_ref().map(|_| ENDPOINT_REGION.to_owned())).ok_or_else(|| {
            ConnectorError::new(ErrorKind::Invalid, "s3: the region is not known").help("set `region` of the sink, or `AWS_REGION`")
        })?;
        let endpoint = self.endpoint.or_else(|| base.as_ref().and_then(|base| base.endpoint_url()).map(str::to_owned));
        let place = endpoint.clone().unwrap_or_else(|| format!("AWS {region}"));
        let login = self.credentials.as_ref().map(|login| login.access_key_id().to_owned());
        if self.credentials.is_none() {
            check_chain(base.as_ref(), &place).await?;
        }
        config = config
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region))
            .force_path_style(self.path_style)
            .request_checksum_calculation(RequestChecksumCalculation::WhenSupported)
            // A task repeats a call by itself, and says so.
            .retry_config(RetryConfig::disabled())
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(CONNECT_TIMEOUT)
                    .read_timeout(ANSWER_TIMEOUT)
                    .operation_attempt_timeout(CALL_TIMEOUT)
                    .build(),
            );
        if let Some(credentials) = self.credentials {
            config = config.credentials_provider(credentials);
        }
        if let Some(endpoint) = endpoint {
            config = config.endpoint_url(endpoint);
        }
        if let Some(http) = http {
            config = config.http_client(http);
        }
        Ok(Store { client: Client::from_conf(config.build()), place, login })
    }
}

fn incomplete(missing: &str, given: &str) -> ConnectorError {
    ConnectorError::new(ErrorKind::Invalid, format!("s3: `{given}` is given without `{missing}`"))
        .help(format!("set `{missing}`, or take both out to use the standard chain"))
}

/// Asks the standard chain once, so that a missing login is said as that and not by the first request.
async fn check_chain(base: Option<&aws_config::SdkConfig>, place: &str) -> Result<(), ConnectorError> {
    let found = match base.and_then(aws_config::SdkConfig::credentials_provider) {
        Some(chain) => chain.provide_credentials().await.map(drop).map_err(|found| error::root(&found)),
        None => Err("nothing provides them".to_owned()),
    };
    found.map_err(|reason| {
        ConnectorError::new(ErrorKind::Denied, format!("s3 at {place}: no credentials: {reason}"))
            .help("set `credentials`, or `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or give this machine a role")
    })
}

/// An HTTP client that trusts the certificates of a file only.
fn trusting(ca: &str) -> Result<SharedHttpClient, ConnectorError> {
    let path = Path::new(ca);
    let pem = std::fs::read(path).map_err(|error| disk::failed("read", path, &error))?;
    let wrong = |reason: String| {
        ConnectorError::new(ErrorKind::Invalid, format!("{ca} holds no usable certificate: {reason}"))
            .help("`tls.ca` names a PEM file with one certificate or more")
    };
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match certificates {
        Ok(found) if !found.is_empty() => {}
        Ok(_) => return Err(wrong("there is none".to_owned())),
        Err(error) => return Err(wrong(error.to_string())),
    }
    let store = TrustStore::empty().with_pem_certificate(pem);
    let context = TlsContext::builder().with_trust_store(store).build().map_err(|error| wrong(error.to_string()))?;
    Ok(aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).tls_context(context).build_https())
}
