//! How fast KCQL is read: statements as people write them, text by text.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

/// What a pipeline file holds, from the shortest to one with every kind of expression.
const TEXTS: [(&str, &str); 4] = [
    ("short", "INSERT INTO lake:orders SELECT * FROM orders"),
    (
        "clauses",
        "INSERT INTO lake:orders/eu SELECT id, customer.country AS country, amount, channel, ts FROM orders-eu \
         PARTITIONBY country, _date.`yyyy/MM/dd` STOREAS `PARQUET` \
         PROPERTIES('flush.count'=50000, 'flush.size'=134217728, 'flush.interval'=600, 'padding.length.offset'=12)",
    ),
    (
        "two generations",
        "UPSERT INTO readings SELECT device AS d, payload.temperature AS t, payload.humidity FROM sensors/+/data/# IGNORE raw \
         PK device, t AUTOCREATE AUTOEVOLVE BATCH = 3000 WITHKEY(device) WITHTARGET = topic CAPITALIZE",
    ),
    (
        "expressions",
        "INSERT INTO lake:orders SELECT id, amount * 1.19 AS gross, CASE WHEN channel IN ('web', 'app') THEN 'online' ELSE upper(channel) END AS kind, \
         date_trunc('hour', ts) AS hour, coalesce(customer.name, 'unknown') || ' (' || customer.country || ')' AS who, CAST(extra.weight AS DOUBLE) AS kg \
         FROM orders WHERE amount BETWEEN 1 AND 10000 AND NOT (channel LIKE 'test%' OR customer.country IS NULL) PARTITIONBY kind, hour",
    ),
];

fn parsing(c: &mut Criterion) {
    let mut group = c.benchmark_group("parse");
    for (name, text) in TEXTS {
        let many = vec![text; 100].join(";\n");
        let parsed = kpipe_grammar::parse(&many);
        assert!(parsed.errors.is_empty() && parsed.statements.len() == 100, "{name}: {:?}", parsed.errors.first());
        group.throughput(Throughput::Bytes(many.len() as u64));
        group.bench_function(name, |b| b.iter(|| kpipe_grammar::parse(black_box(&many))));
    }
}

criterion_group!(benches, parsing);
criterion_main!(benches);
