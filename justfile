# What a change must pass, on any machine.
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    cargo test

# The same as the README's test command.
test:
    cargo test

# Everything that needs real services: starts them, tests, leaves them running.
services-test:
    scripts/services up
    bash -c 'eval "$(scripts/services env)" && cargo test --workspace --features kpipe-connectors/real-services,kpipe/real-services'

# The engine in a simulated world: so many seeds, and the planted bugs from seed 0 (docs/simulation.md).
simulate seeds="50000":
    KPIPE_SIM_SEEDS={{seeds}} cargo test --release -p kpipe-engine --lib sim::runs -- --nocapture --test-threads=1

# Exactly once on real services that are killed, stopped and cut off; `--short` for a few minutes of it, a report below target/soak (docs/exactly-once.md).
soak *options:
    scripts/services up
    scripts/soak {{options}}

# Rewrites the expectations of the golden cases; read the difference before committing it.
accept:
    KPIPE_ACCEPT=1 cargo test -p golden-tests

# Stages (criterion), then end to end against the real services.
bench:
    cargo bench -p kpipe-engine
    scripts/bench

# Licences, advisories and duplicate versions.
deny:
    cargo deny check
