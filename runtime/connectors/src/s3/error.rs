//! What S3 answered, as errors that say what to do.

use std::error::Error;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::RequestId;
use kpipe_engine::error::{About, ConnectorError, ErrorKind, Retry};

/// What an error answer says by its code or, where there is none (HEAD), by its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// No answer, or one that says try again.
    Away,
    /// The bucket is not there.
    NoBucket,
    /// The key is not there.
    NoKey,
    /// The upload is not there: completed or aborted.
    NoUpload,
    /// The upload is there and its parts are not.
    NoParts,
    /// `If-None-Match: *` found an object.
    Exists,
    /// Two conditional writes of one key met.
    Conflict,
    /// The store does not have this call or header.
    NotImplemented,
    /// The login has no right to this.
    NoRight,
    /// The login is not known, its secret is wrong, or its time is over.
    BadLogin,
    /// This machine's clock is wrong.
    Clock,
    /// The bucket is in another region.
    OtherRegion,
    /// A request that is wrong by itself.
    Refused,
}

impl Answer {
    /// Sorts an answer.
    pub(super) fn of(status: u16, code: Option<&str>) -> Self {
        let by_code = code.and_then(|code| match code {
            "NoSuchBucket" => Some(Self::NoBucket),
            "NoSuchKey" => Some(Self::NoKey),
            "NoSuchUpload" => Some(Self::NoUpload),
            "InvalidPart" => Some(Self::NoParts),
            "PreconditionFailed" => Some(Self::Exists),
            "ConditionalRequestConflict" => Some(Self::Conflict),
            "NotImplemented" => Some(Self::NotImplemented),
            "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired" => {
                Some(Self::BadLogin)
            }
            "RequestTimeTooSkewed" => Some(Self::Clock),
            "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException" => Some(Self::OtherRegion),
            "SlowDown" | "Throttling" | "RequestTimeout" | "InternalError" | "ServiceUnavailable" | "OperationAborted" => Some(Self::Away),
            _ => None,
        });
        by_code.unwrap_or(match status {
            301 | 307 => Self::OtherRegion,
            401 | 403 => Self::NoRight,
            404 => Self::NoKey,
            412 => Self::Exists,
            501 => Self::NotImplemented,
            408 | 429 | 500.. => Self::Away,
            _ => Self::Refused,
        })
    }
}

/// What is known about a call when it fails.
pub(super) struct Call<'a> {
    /// `http://minio:9000`.
    pub(super) place: &'a str,
    /// The bucket.
    pub(super) bucket: &'a str,
    /// What was tried: `write`, `read`, `list`.
    pub(super) what: &'a str,
    /// Of which key; empty for the bucket itself.
    pub(super) key: &'a str,
    /// The access key, where the options name one.
    pub(super) login: Option<&'a str>,
}

impl Call<'_> {
    /// Sorts a failure and puts it into words.
    pub(super) fn failed<E>(&self, error: &SdkError<E>) -> (Answer, ConnectorError)
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let (answer, told) = self.told(error);
        match self.about(answer) {
            Some(about) => (answer, told.or_about(about)),
            None => (answer, told),
        }
    }

    fn told<E>(&self, error: &SdkError<E>) -> (Answer, ConnectorError)
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        match error {
            SdkError::ServiceError(found) => {
                let status = found.raw().status().as_u16();
                let code = found.err().code();
                let answer = Answer::of(status, code);
                let mut said = format!("{status} {}", code.unwrap_or("without a code"));
                if let Some(message) = found.err().message().filter(|message| !message.is_empty()) {
                    said = format!("{said}: {}", message.trim_end_matches('.'));
                }
                if let Some(id) = found.err().meta().request_id() {
                    said = format!("{said} (request {id})");
                }
                (answer, self.answered(answer, code, &said))
            }
            SdkError::ResponseError(found) => {
                let said = format!("{} with a body that is not S3's: {}", found.raw().status().as_u16(), root(error));
                let help = "check that `endpoint` is the address of the S3 protocol, not of a console or a proxy";
                (Answer::Away, ConnectorError::new(ErrorKind::Unreachable, self.sentence(&said)).help(help))
            }
            SdkError::TimeoutError(_) => (Answer::Away, ConnectorError::new(ErrorKind::Unreachable, self.sentence("no answer in time"))),
            SdkError::DispatchFailure(found) if !found.is_user() => {
                let reason = root(error);
                let found = ConnectorError::new(ErrorKind::Unreachable, self.sentence(&reason));
                (
                    Answer::Away,
                    if reason.contains("certificate") {
                        found.about(About::Option("tls.ca")).help("`tls.ca` names the certificates to trust")
                    } else {
                        found
                    },
                )
            }
            _ => (Answer::Refused, ConnectorError::new(ErrorKind::Invalid, self.sentence(&root(error)))),
        }
    }

    /// What an answer is about, unless its code says it better.
    fn about(&self, answer: Answer) -> Option<About> {
        match answer {
            Answer::Away => Some(About::Option("endpoint")),
            Answer::NoBucket | Answer::NoRight => Some(About::Name(self.bucket.to_owned())),
            Answer::OtherRegion => Some(About::Option("region")),
            Answer::BadLogin
            | Answer::NoKey
            | Answer::NoUpload
            | Answer::NoParts
            | Answer::Exists
            | Answer::Conflict
            | Answer::NotImplemented
            | Answer::Clock
            | Answer::Refused => None,
        }
    }

    fn sentence(&self, reason: &str) -> String {
        let Self { place, bucket, what, key, login: _ } = self;
        if key.is_empty() {
            format!("s3 at {place}: cannot {what} bucket \"{bucket}\": {reason}")
        } else {
            format!("s3 at {place}: cannot {what} s3://{bucket}/{key}: {reason}")
        }
    }

    fn answered(&self, answer: Answer, code: Option<&str>, said: &str) -> ConnectorError {
        let Self { place, bucket, what: _, key: _, login } = self;
        let login = login.map_or_else(|| "the login".to_owned(), |login| format!("login \"{login}\""));
        let new = |kind, reason: &str| ConnectorError::new(kind, self.sentence(reason));
        match answer {
            Answer::Away => new(ErrorKind::Unreachable, said),
            Answer::NoBucket => ConnectorError::new(ErrorKind::Missing, format!("s3 at {place}: bucket \"{bucket}\" does not exist"))
                .help("create the bucket, or correct the target of the statement"),
            Answer::NoKey => new(ErrorKind::Missing, said),
            Answer::NoUpload => new(ErrorKind::Missing, "the upload is gone").retry(Retry::Reopen),
            Answer::NoParts => new(ErrorKind::Missing, "parts of the upload are gone").retry(Retry::Reopen),
            Answer::Exists | Answer::Conflict => new(ErrorKind::Unreachable, said),
            Answer::NotImplemented | Answer::Refused => new(ErrorKind::Invalid, said),
            Answer::NoRight => new(ErrorKind::Denied, &format!("{login} has no right to it ({said})")).help(
                "the sink needs s3:ListBucket on the bucket, and s3:GetObject, s3:PutObject and s3:AbortMultipartUpload on its objects",
            ),
            Answer::BadLogin => {
                let (reason, option, help) = match code {
                    Some("InvalidAccessKeyId") => ("is not known", "credentials.access_key", "correct `credentials.access_key`"),
                    Some("SignatureDoesNotMatch") => {
                        ("has another secret key", "credentials.secret_key", "correct `credentials.secret_key`")
                    }
                    _ => ("has credentials whose time is over", "credentials.session_token", "renew `credentials.session_token`"),
                };
                new(ErrorKind::Denied, &format!("{login} {reason} ({said})")).about(About::Option(option)).help(help)
            }
            Answer::Clock => new(ErrorKind::Unreachable, &format!("this machine's clock is wrong ({said})"))
                .help("set the clock of this machine; the pipeline goes on by itself then"),
            Answer::OtherRegion => {
                new(ErrorKind::Invalid, &format!("it is in another region ({said})")).help("set `region` to the bucket's")
            }
        }
    }
}

/// The innermost reason, without the system's number: `connection refused`.
pub(super) fn root(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let text = innermost.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    let text = &text[..end];
    let starts_with_a_word = text.chars().nth(1).is_some_and(char::is_lowercase);
    if starts_with_a_word { text[..1].to_lowercase() + &text[1..] } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_says_more_than_its_status() {
        for (status, code, answer) in [
            (404, Some("NoSuchBucket"), Answer::NoBucket),
            (404, Some("NoSuchUpload"), Answer::NoUpload),
            (400, Some("InvalidPart"), Answer::NoParts),
            (404, None, Answer::NoKey),
            (403, Some("AccessDenied"), Answer::NoRight),
            (403, Some("RequestTimeTooSkewed"), Answer::Clock),
            (403, Some("SignatureDoesNotMatch"), Answer::BadLogin),
            (400, Some("ExpiredToken"), Answer::BadLogin),
            (400, Some("AuthorizationHeaderMalformed"), Answer::OtherRegion),
            (400, Some("RequestTimeout"), Answer::Away),
            (400, Some("InvalidArgument"), Answer::Refused),
            (409, Some("ConditionalRequestConflict"), Answer::Conflict),
            (409, Some("OperationAborted"), Answer::Away),
            (409, Some("ObjectParentIsFile"), Answer::Refused),
            (412, None, Answer::Exists),
            (429, None, Answer::Away),
            (500, Some("SomethingNew"), Answer::Away),
            (501, None, Answer::NotImplemented),
            (503, Some("SlowDown"), Answer::Away),
        ] {
            assert_eq!(Answer::of(status, code), answer, "{status} {code:?}");
        }
    }

    #[test]
    fn the_innermost_reason_is_said() {
        let error = std::io::Error::other(std::io::Error::from_raw_os_error(111));
        assert_eq!(root(&error), "connection refused");
        assert_eq!(root(&std::io::Error::other("DNS failed")), "DNS failed");
        assert_eq!(root(&std::io::Error::other("É")), "É");
    }
}
