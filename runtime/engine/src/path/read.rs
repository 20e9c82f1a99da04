//! The read stage: checks what a source hands over before anything is done with it.
