//! Changes to a cluster: topics that are missing.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use kpipe_engine::error::{ConnectorError, ErrorKind};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::types::RDKafkaErrorCode;

use super::failure::Place;
use super::health::Watch;
use super::look::{Asker, Look};
use super::options::TopicOptions;
use super::settings::{BATCH_BYTES_MAX, Settings};

/// How long the brokers may take to create a topic.
const CREATE_WAIT: Duration = Duration::from_secs(20);
/// How long a created topic may take to be known to the broker that is asked.
const KNOWN_WAIT: Duration = Duration::from_secs(10);

/// How long a topic's settings may take to be asked for.
const DESCRIBE_WAIT: Duration = Duration::from_secs(5);

/// Sees to the topics that are written to.
pub(super) struct Topics {
    look: Look,
    admin: AdminClient<Asker>,
    place: Place,
}

impl Topics {
    /// Connects; nothing is asked yet.
    pub(super) fn new(settings: &Settings) -> Result<Self, ConnectorError> {
        let place = settings.place.clone();
        let context = Asker { watch: Watch::new(place.clone()) };
        let admin = settings.reader().create_with_context(context).map_err(|error| place.wrapped(&error, "client"))?;
        Ok(Self { look: Look::new(settings, None)?, admin, place })
    }

    /// Makes sure that a topic is there, creating it if that is wanted. Returns the most bytes that it takes in one batch.
    ///
    /// # Errors
    /// It is not there, a right is missing (the message says what to create), or the brokers refuse its settings.
    pub(super) fn ensure(&self, name: &str, topic: &TopicOptions) -> Result<usize, ConnectorError> {
        if self.look.partitions(name)?.is_none() {
            if !topic.create {
                let help = "create it, or let kpipe do so: `topic: { create: true }` under the sink's `kafka:`";
                return Err(self.place.missing_topic(name).help(help));
            }
            self.create(name, topic)?;
        }
        Ok(self.batch_bytes_max(name))
    }

    /// Creates a topic and waits until it is known. One that exists by then is fine.
    fn create(&self, name: &str, topic: &TopicOptions) -> Result<(), ConnectorError> {
        let replication = TopicReplication::Fixed(topic.replication.unwrap_or(-1));
        let mut new = NewTopic::new(name, topic.partitions.unwrap_or(-1), replication);
        for (key, value) in &topic.config {
            new = new.set(key, value);
        }
        let options = AdminOptions::new().operation_timeout(Some(CREATE_WAIT)).request_timeout(Some(CREATE_WAIT));
        let doing = format!("creating topic {name:?}");
        let answers = wait_for(self.admin.create_topics([&new], &options)).map_err(|error| self.place.wrapped(&error, &doing))?;
        for answer in answers {
            match answer {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((_, code)) => return Err(refused(&self.place, name, topic, code)),
            }
        }
        let start = Instant::now();
        while self.look.partitions(name)?.is_none() {
            if start.elapsed() > KNOWN_WAIT {
                return Err(self.place.error(ErrorKind::Unreachable, format!("topic {name:?} was created, but no broker knows it yet")));
            }
            thread::sleep(Duration::from_millis(50));
        }
        tracing::info!(topic = name, "topic created");
        Ok(())
    }

    /// A broker refuses a batch that is larger than its topic allows, with all records in it. Where it does not say (the right is
    /// missing, or it is too old), it is taken to have Kafka's default.
    fn batch_bytes_max(&self, name: &str) -> usize {
        let options = AdminOptions::new().request_timeout(Some(DESCRIBE_WAIT));
        let answers = wait_for(self.admin.describe_configs([&ResourceSpecifier::Topic(name)], &options));
        let limit = answers.ok().and_then(|answers| {
            let resource = answers.into_iter().next()?.ok()?;
            resource.get("max.message.bytes")?.value.as_deref()?.parse().ok()
        });
        limit.unwrap_or(BATCH_BYTES_MAX).min(BATCH_BYTES_MAX)
    }
}

/// A creation that the brokers refused; if it was for want of a right, what somebody who has it should create.
fn refused(place: &Place, name: &str, topic: &TopicOptions, code: RDKafkaErrorCode) -> ConnectorError {
    let error = place.code(code, &format!("creating topic {name:?}"), "");
    if error.kind == ErrorKind::Denied { error.help(by_hand(name, topic)) } else { error }
}

/// What to create by hand.
fn by_hand(name: &str, topic: &TopicOptions) -> String {
    let partitions = topic.partitions.map_or_else(|| "the default number of".to_owned(), |number| number.to_string());
    let config: Vec<String> = topic.config.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let config = if config.is_empty() { String::new() } else { format!(" and {}", config.join(", ")) };
    format!("create topic {name:?} with {partitions} partitions{config}, or give the user the right CREATE on it")
}

/// Waits for a future that another thread completes.
fn wait_for<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> TopicOptions {
        TopicOptions { create: true, partitions: Some(1), replication: None, config: vec![("cleanup.policy".into(), "compact".into())] }
    }

    #[test]
    fn a_missing_right_says_what_to_create() {
        let place = Place::new("h:1");
        let error = refused(&place, "plans", &options(), RDKafkaErrorCode::TopicAuthorizationFailed);
        assert_eq!(error.kind, ErrorKind::Denied);
        let help = error.help.unwrap();
        assert_eq!(help, "create topic \"plans\" with 1 partitions and cleanup.policy=compact, or give the user the right CREATE on it");
        let error = refused(&place, "plans", &options(), RDKafkaErrorCode::InvalidReplicationFactor);
        assert_eq!(error.kind, ErrorKind::Invalid);
    }

    #[test]
    fn a_future_of_another_thread_is_waited_for() {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let thread = thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            sender.send(7)
        });
        assert_eq!(wait_for(receiver), Ok(7));
        assert_eq!(thread.join().unwrap(), Ok(()));
    }
}
