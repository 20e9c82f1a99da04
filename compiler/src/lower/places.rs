//! Where the parts of a plan are written, by the paths of changes.

use std::collections::BTreeMap;

use kpipe_grammar::ast::{SelectItem, Statement, output_name};

use crate::catalog::PropertySpec;
use crate::document::{Document, EndpointDoc};
use crate::sources::Location;

/// Places by path: `source.kafka.brokers`, `kcql[0].partition_by`.
#[derive(Clone, Debug, Default)]
pub struct Places(BTreeMap<String, Location>);

impl Places {
    pub(super) fn of(document: &Document, statements: &[Statement]) -> Self {
        let mut places = BTreeMap::new();
        places.insert("pipeline".to_owned(), document.name.at);
        places.insert("kcql".to_owned(), document.kcql.map.whole());
        if let Some(delivery) = &document.delivery {
            places.insert("delivery".to_owned(), delivery.at);
        }
        endpoint(&mut places, "source", &document.source);
        endpoint(&mut places, "sink", &document.sink);
        for (path, place) in &document.errors.places {
            places.insert(format!("errors.{path}"), place.value);
        }
        for (index, statement) in statements.iter().enumerate() {
            clauses(&mut places, document, index, statement);
        }
        Self(places)
    }

    /// The place of a path, or of the nearest part above it that is written.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<Location> {
        let mut path = path;
        loop {
            if let Some(at) = self.0.get(path) {
                return Some(*at);
            }
            path = &path[..path.rfind('.')?];
        }
    }
}

fn endpoint(places: &mut BTreeMap<String, Location>, side: &str, document: &EndpointDoc) {
    places.insert(side.to_owned(), document.at);
    for (path, place) in &document.places {
        places.insert(format!("{side}.{}.{path}", document.connector.name), place.value);
    }
}

/// The option of the sink that a property of KCQL stands for.
fn property_of(document: &Document, key: &str) -> Option<&'static PropertySpec> {
    let properties: &'static [PropertySpec] = document.sink.connector.sink.as_ref()?.properties;
    properties.iter().find(|spec| spec.key.eq_ignore_ascii_case(key))
}

/// The clauses of a statement; what a statement does not say stands under the sink.
fn clauses(places: &mut BTreeMap<String, Location>, document: &Document, index: usize, statement: &Statement) {
    let Statement {
        span,
        mode: _,
        target,
        select,
        from,
        filter,
        partition_by,
        store_as,
        with_key,
        key_delimiter: _,
        with_converter,
        limit: _,
        properties,
        other: _,
    } = statement;
    // What a statement says of the sink goes before what the sink says of all.
    for property in properties.iter().flat_map(|list| &list.node) {
        if let Some(spec) = property_of(document, &property.key.node) {
            let path = format!("sink.{}.{}", document.sink.connector.name, spec.option);
            places.insert(path, document.kcql.locate(property.key.span.to(property.value.span)));
        }
    }
    let mut add = |path: &str, at: Option<Location>| {
        if let Some(at) = at {
            places.insert(format!("kcql[{index}]{path}"), at);
        }
    };
    let locate = |span| document.kcql.locate(span);
    add("", Some(locate(*span)));
    add(".into", target.as_ref().map(|target| locate(target.span)));
    add(".from", Some(locate(from.span)));
    add(".select", Some(locate(select.span)));
    for item in &select.node {
        match &item.node {
            SelectItem::Value { expr, alias } => {
                let name = alias.as_ref().map_or_else(|| output_name(expr), |alias| alias.node.clone());
                add(&format!(".select.{name}"), Some(locate(item.span)));
            }
            SelectItem::Star | SelectItem::StarOf(_) => {}
        }
    }
    add(".where", filter.as_ref().map(|filter| locate(filter.span)));
    let sink = |path: &str| document.sink.value_at(path);
    add(".partition_by", partition_by.as_ref().map(|clause| locate(clause.span)).or_else(|| sink("partition_by")));
    add(".partition.keep", sink("partition.keep"));
    add(".format", store_as.as_ref().map(|clause| locate(clause.span)).or_else(|| sink("format")));
    add(".compat", sink("compat"));
    add(".with_key", with_key.as_ref().map(|clause| locate(clause.span)));
    let converter = with_converter.as_ref().map(|clause| locate(clause.span));
    add(".value.format", converter.or_else(|| document.source.value_at("value.format")));
}
