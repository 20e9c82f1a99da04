//! What a user types for each rule of the grammar.

use crate::rules::Rule;

/// The text for "expected ...", or `None` for rules that never help a reader: punctuation that is optional
/// nearly everywhere, the pieces of the token level, and rules whose parts are named instead.
///
/// The match has no `_`, so a new rule does not compile until somebody decided how it is shown.
#[rustfmt::skip] // one rule a line makes a page of a list
pub(crate) fn label(rule: Rule) -> Option<&'static str> {
    match rule {
        Rule::comma => Some("`,`"),
        Rule::equals => Some("`=`"),
        Rule::star => Some("`*`"),
        Rule::open => Some("`(`"),
        Rule::close => Some("`)`"),
        Rule::into => Some("`INTO`"),
        Rule::as_word => Some("`AS`"),
        Rule::buckets => Some("`BUCKETS`"),
        Rule::every => Some("`EVERY`"),
        Rule::name => Some("a name"),
        Rule::path | Rule::part | Rule::column => Some("a field"),
        Rule::select_item => Some("a field or `*`"),
        Rule::partition_item | Rule::folder | Rule::key_item | Rule::field => Some("a field"),
        Rule::expr | Rule::operation | Rule::number | Rule::group | Rule::computed | Rule::function => Some("a value"),
        Rule::compare | Rule::arithmetic => Some("an operator"),
        Rule::text | Rule::typed | Rule::literal_type => Some("a text in single quotes"),
        Rule::type_name | Rule::type_word => Some("a type"),
        Rule::type_size => Some("a number"),
        Rule::and_word => Some("`AND`"),
        Rule::null_word => Some("`NULL`"),
        Rule::when_word | Rule::branch => Some("`WHEN`"),
        Rule::then_word => Some("`THEN`"),
        Rule::end_word => Some("`END`"),
        Rule::alias => Some("a name for the column"),
        Rule::value => Some("a value"),
        Rule::property => Some("an option `key = value`"),
        Rule::tag => Some("a tag"),
        Rule::offset => Some("a partition `(number, offset)`"),
        Rule::EOI | Rule::dot | Rule::pattern | Rule::keyword => None,
        Rule::insert_into | Rule::select_clause | Rule::from_clause | Rule::partition_by | Rule::no_partition | Rule::store_as
        | Rule::with_converter | Rule::with_key | Rule::key_delimiter | Rule::limit | Rule::properties | Rule::option_flag
        | Rule::option_value | Rule::option_columns | Rule::option_tags | Rule::option_time | Rule::option_buckets
        | Rule::option_offsets | Rule::option_sample => None,
        Rule::where_clause | Rule::condition | Rule::test | Rule::signed | Rule::primary | Rule::is_null | Rule::in_list | Rule::between
        | Rule::like | Rule::case | Rule::cast | Rule::call | Rule::constant | Rule::minus | Rule::or_word | Rule::not_word
        | Rule::is_word | Rule::true_word | Rule::false_word | Rule::in_word | Rule::between_word | Rule::like_word
        | Rule::escape_word | Rule::case_word | Rule::else_word | Rule::cast_word | Rule::try_cast_word | Rule::reserved => None,
        Rule::word | Rule::ticked | Rule::double | Rule::quoted | Rule::blank_char | Rule::word_char
        | Rule::comment_body | Rule::WHITESPACE | Rule::name_piece | Rule::property_list | Rule::column_or_star => None,
    }
}

/// `a`, `a or b`, `a, b or c` of the labels, each once, in the order of the grammar's attempts; what may follow the
/// clause stands last.
pub(crate) fn expected(rules: &[Rule], following: &'static str) -> String {
    let mut words: Vec<&str> = Vec::new();
    // `=` is optional before a value, and inside a name it would have to touch the name.
    let optional_equals = [Rule::value, Rule::open, Rule::EOI].iter().any(|rule| rules.contains(rule));
    // A value begins in many ways, and behind one stands an operator of any kind.
    let implied: &[Rule] = match () {
        () if rules.contains(&Rule::number) => {
            &[Rule::open, Rule::null_word, Rule::text, Rule::literal_type, Rule::part, Rule::field, Rule::when_word]
        }
        () if rules.contains(&Rule::arithmetic) => &[Rule::open, Rule::and_word],
        () => &[],
    };
    let parts = rules.iter().filter(|rule| !(optional_equals && **rule == Rule::equals || implied.contains(rule)));
    let end = rules.contains(&Rule::EOI).then_some(following);
    for word in parts.filter_map(|rule| label(*rule)).chain(end) {
        if !words.contains(&word) {
            words.push(word);
        }
    }
    one_of(&words)
}

/// Joins with commas and a last "or".
pub(crate) fn one_of(words: &[&str]) -> String {
    match words {
        [] => "something else".to_owned(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_joined_once_each() {
        assert_eq!(expected(&[Rule::comma, Rule::close, Rule::comma], "`FROM`"), "`,` or `)`");
        assert_eq!(expected(&[Rule::comma, Rule::part, Rule::path, Rule::close], "`FROM`"), "`,`, a field or `)`");
        assert_eq!(expected(&[Rule::EOI, Rule::comma, Rule::equals], "`FROM`"), "`,` or `FROM`");
        assert_eq!(expected(&[Rule::equals, Rule::value], "`FROM`"), "a value");
        assert_eq!(expected(&[Rule::comma, Rule::equals], "`FROM`"), "`,` or `=`");
        assert_eq!(expected(&[Rule::dot], "`FROM`"), "something else");
        assert_eq!(expected(&[Rule::open, Rule::null_word, Rule::function, Rule::number], "`FROM`"), "a value");
        assert_eq!(expected(&[Rule::open, Rule::arithmetic, Rule::and_word, Rule::EOI], "`FROM`"), "an operator or `FROM`");
    }
}
