//! Changes to a cluster: topics that are missing.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use kpipe_engine::error::{ConnectorError, ErrorKind};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::types::RDKafkaErrorCode;

use super::health::Watch;
use super::look::{Asker, Look};
use super::options::TopicOptions;
use super::settings::Settings;

/// How long the brokers may take to create a topic.
const CREATE_WAIT: Duration = Duration::from_secs(20);
/// How long a created topic may take to be known to the broker that is asked.
const KNOWN_WAIT: Duration = Duration::from_secs(10);

/// Creates a topic and waits until it is known. One that exists by then is fine.
///
/// # Errors
/// The right is missing (the message says what to create), or the brokers refuse the settings.
pub(super) fn create_topic(settings: &Settings, look: &Look, name: &str, topic: &TopicOptions) -> Result<(), ConnectorError> {
    let context = Asker { watch: Watch::new(settings.place.clone()) };
    let admin: AdminClient<Asker> =
        settings.reader().create_with_context(context).map_err(|error| settings.place.wrapped(&error, "client"))?;
    let replication = TopicReplication::Fixed(topic.replication.unwrap_or(-1));
    let mut new = NewTopic::new(name, topic.partitions.unwrap_or(-1), replication);
    for (key, value) in &topic.config {
        new = new.set(key, value);
    }
    let options = AdminOptions::new().operation_timeout(Some(CREATE_WAIT)).request_timeout(Some(CREATE_WAIT));
    let doing = format!("creating topic {name:?}");
    let answers = wait_for(admin.create_topics([&new], &options)).map_err(|error| settings.place.wrapped(&error, &doing))?;
    for answer in answers {
        match answer {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((_, code)) => return Err(refused(settings, name, topic, code)),
        }
    }
    let start = Instant::now();
    while look.partitions(name)?.is_none() {
        if start.elapsed() > KNOWN_WAIT {
            return Err(settings.place.error(ErrorKind::Unreachable, format!("topic {name:?} was created, but no broker knows it yet")));
        }
        thread::sleep(Duration::from_millis(50));
    }
    tracing::info!(topic = name, "topic created");
    Ok(())
}

/// A creation that the brokers refused; if it was for want of a right, what somebody who has it should create.
fn refused(settings: &Settings, name: &str, topic: &TopicOptions, code: RDKafkaErrorCode) -> ConnectorError {
    let error = settings.place.code(code, &format!("creating topic {name:?}"), "");
    if error.kind == ErrorKind::Denied { error.help(by_hand(name, topic)) } else { error }
}

/// What to create by hand.
pub(super) fn by_hand(name: &str, topic: &TopicOptions) -> String {
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
    use super::super::testing::Pipeline;
    use super::*;

    fn options() -> TopicOptions {
        TopicOptions { create: true, partitions: Some(1), replication: None, config: vec![("cleanup.policy".into(), "compact".into())] }
    }

    #[test]
    fn a_missing_right_says_what_to_create() {
        let pipeline = Pipeline::new("p", "h:1", &["t"]);
        let settings = Settings::new(&pipeline.request()).unwrap();
        let error = refused(&settings, "plans", &options(), RDKafkaErrorCode::TopicAuthorizationFailed);
        assert_eq!(error.kind, ErrorKind::Denied);
        let help = error.help.unwrap();
        assert_eq!(help, "create topic \"plans\" with 1 partitions and cleanup.policy=compact, or give the user the right CREATE on it");
        let error = refused(&settings, "plans", &options(), RDKafkaErrorCode::InvalidReplicationFactor);
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
