//! Which record could not be processed, and why.

/// A record that a stage puts aside. What becomes of it is the error policy's business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Its row in the batch.
    pub row: u32,
    /// What kind of mistake.
    pub reason: RejectReason,
    /// The mistake in words, without the record's data: `no field "device_id"`, `not valid JSON at byte 17: expected a value`.
    pub message: String,
}

/// Why a record was put aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RejectReason {
    /// The value is null and the route needs one.
    NullValue,
    /// The value is not what its format says: broken JSON, text that is not UTF-8.
    Malformed,
    /// A field that must be there is missing or null.
    MissingField,
    /// A field is of another type than declared, or out of its range.
    WrongType,
    /// A computed value cannot be computed: a division by zero, a text that is no number.
    Expression,
    /// A partition value cannot be used: a time out of range.
    PartitionValue,
    /// The key cannot be made.
    Key,
    /// The target topic would be illegal.
    TopicName,
    /// The record is larger than a limit.
    TooLarge,
    /// The sink refused the record.
    Refused,
}

impl RejectReason {
    /// All of them, for metrics.
    pub const ALL: [Self; 10] = [
        Self::NullValue,
        Self::Malformed,
        Self::MissingField,
        Self::WrongType,
        Self::Expression,
        Self::PartitionValue,
        Self::Key,
        Self::TopicName,
        Self::TooLarge,
        Self::Refused,
    ];

    /// The word for metrics and logs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::NullValue => "null_value",
            Self::Malformed => "malformed",
            Self::MissingField => "missing_field",
            Self::WrongType => "wrong_type",
            Self::Expression => "expression",
            Self::PartitionValue => "partition_value",
            Self::Key => "key",
            Self::TopicName => "topic_name",
            Self::TooLarge => "too_large",
            Self::Refused => "refused",
        }
    }

    /// Kafka Connect's name of the stage that fails so, for the header `__connect.errors.stage`.
    #[must_use]
    pub fn stage(self) -> &'static str {
        match self {
            Self::NullValue | Self::Malformed => "VALUE_CONVERTER",
            Self::MissingField | Self::WrongType | Self::Expression | Self::Key | Self::TopicName => "TRANSFORMATION",
            Self::PartitionValue => "TASK_PUT",
            Self::TooLarge | Self::Refused => "KAFKA_PRODUCE",
        }
    }
}
