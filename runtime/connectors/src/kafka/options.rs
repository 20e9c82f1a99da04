//! The options that are about kpipe's use of a cluster, not about librdkafka's.

use kpipe_compiler::plan::{OptionValue, Options};
use kpipe_engine::connector::OpenRequest;
use kpipe_engine::error::{ConnectorError, ErrorKind};

use super::look::From;

/// Of a source.
#[derive(Debug)]
pub(super) struct SourceOptions {
    pub(super) group: String,
    pub(super) instance: Option<String>,
    pub(super) from: From,
}

impl SourceOptions {
    pub(super) fn new(request: &OpenRequest<'_>) -> Result<Self, ConnectorError> {
        let options = &request.endpoint.options;
        refuse_unsupported(options)?;
        Ok(Self {
            group: options.text("group").unwrap_or(request.pipeline).to_owned(),
            // Each task is a member of its own.
            instance: options.text("group_instance").map(|instance| format!("{instance}-{}", request.task)),
            from: from(options)?,
        })
    }
}

/// Options that have a meaning, but no code yet, are never passed over in silence.
fn refuse_unsupported(options: &Options) -> Result<(), ConnectorError> {
    let given = ["key.schema", "key.registry", "value.registry"].into_iter().find(|path| options.0.contains_key(*path));
    let avro = ["key.format", "value.format"].into_iter().find(|path| options.text(path) == Some("avro"));
    let json_key = (options.text("key.format") == Some("json")).then_some("key.format");
    match given.or(avro).or(json_key) {
        Some(path) => Err(invalid(format!("`{path}` with this value is known, but not supported yet"))),
        None => Ok(()),
    }
}

fn from(options: &Options) -> Result<From, ConnectorError> {
    match options.0.get("from") {
        None => Ok(From::Earliest),
        Some(OptionValue::Integer(ms)) => Ok(From::Timestamp(*ms)),
        Some(OptionValue::Text(text)) => match text.as_str() {
            "earliest" => Ok(From::Earliest),
            "latest" => Ok(From::Latest),
            time => time
                .parse::<jiff::Timestamp>()
                .map(|time| From::Timestamp(time.as_millisecond()))
                .or_else(|error| time.parse().map(From::Timestamp).map_err(|_| error))
                .map_err(|error| invalid(format!("`from` is `earliest`, `latest` or a time stamp: {error}"))),
        },
        Some(other) => Err(invalid(format!("`from` is `earliest`, `latest` or a time stamp, not {other:?}"))),
    }
}

/// What a sink does about topics that are not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TopicOptions {
    pub(super) create: bool,
    /// `None`: the broker's default.
    pub(super) partitions: Option<i32>,
    pub(super) replication: Option<i32>,
    pub(super) config: Vec<(String, String)>,
}

impl TopicOptions {
    pub(super) fn new(options: &Options) -> Self {
        let number = |path| options.integer(path).and_then(|number| i32::try_from(number).ok());
        Self {
            create: options.flag("topic.create"),
            partitions: number("topic.partitions"),
            replication: number("topic.replication"),
            config: options.map("topic.config").into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        }
    }
}

/// True for the options of a sink: only those have `acks`, and it has a default.
pub(super) fn is_sink(options: &Options) -> bool {
    options.text("acks").is_some()
}

fn invalid(message: String) -> ConnectorError {
    ConnectorError::new(ErrorKind::Invalid, format!("kafka: {message}"))
}

#[cfg(test)]
mod tests {
    use super::super::testing::Pipeline;
    use super::*;

    fn parsed(value: Option<OptionValue>) -> Result<From, ConnectorError> {
        from(&Options(value.map(|value| ("from".to_owned(), value)).into_iter().collect()))
    }

    #[test]
    fn starts_in_all_spellings() {
        let text = |text: &str| Some(OptionValue::Text(text.to_owned()));
        assert_eq!(parsed(None).unwrap(), From::Earliest);
        assert_eq!(parsed(text("latest")).unwrap(), From::Latest);
        assert_eq!(parsed(text("2022-03-07T00:30:00Z")).unwrap(), From::Timestamp(1_646_613_000_000));
        assert_eq!(parsed(text("1646613000000")).unwrap(), From::Timestamp(1_646_613_000_000));
        assert_eq!(parsed(Some(OptionValue::Integer(5))).unwrap(), From::Timestamp(5));
        for wrong in [text("yesterday"), Some(OptionValue::Boolean(true))] {
            assert_eq!(parsed(wrong).unwrap_err().kind, ErrorKind::Invalid);
        }
    }

    #[test]
    fn a_group_is_the_pipeline_unless_it_is_named() {
        let pipeline = Pipeline::new("orders", "h:1", &["t"]);
        let options = SourceOptions::new(&pipeline.request()).unwrap();
        assert_eq!((options.group.as_str(), options.instance), ("orders", None));
        let named = [("group", OptionValue::Text("g".to_owned())), ("group_instance", OptionValue::Text("w".to_owned()))];
        let pipeline = pipeline.with(&named);
        let options = SourceOptions::new(&pipeline.request()).unwrap();
        assert_eq!((options.group.as_str(), options.instance.as_deref()), ("g", Some("w-0")));
    }

    #[test]
    fn what_is_not_built_is_refused() {
        let text = |text: &str| OptionValue::Text(text.to_owned());
        for (path, value) in [("value.registry", text("http://r:1")), ("value.format", text("avro")), ("key.format", text("json"))] {
            let pipeline = Pipeline::new("p", "h:1", &["t"]).with(&[(path, value)]);
            let error = SourceOptions::new(&pipeline.request()).unwrap_err();
            assert!(error.message.contains(path) && error.message.contains("not supported yet"), "{}", error.message);
        }
    }

    #[test]
    fn topics_are_created_as_asked() {
        let pipeline = Pipeline::new("p", "h:1", &["t"]);
        let none = TopicOptions::new(&pipeline.endpoint.options);
        assert_eq!(none, TopicOptions { create: false, partitions: None, replication: None, config: Vec::new() });
        let pipeline = pipeline.with(&[("topic.create", OptionValue::Boolean(true)), ("topic.partitions", OptionValue::Integer(12))]);
        let asked = TopicOptions::new(&pipeline.endpoint.options);
        assert_eq!((asked.create, asked.partitions), (true, Some(12)));
        assert!(!is_sink(&pipeline.endpoint.options));
    }
}
