//! Prints what a text parses to.
#![allow(clippy::unwrap_used)]
use miette::Diagnostic;
fn main() {
    for text in std::fs::read_to_string(std::env::args().nth(1).unwrap()).unwrap().split("\n====\n") {
        let parsed = kpipe_grammar::parse(text);
        println!("> {text}");
        for s in &parsed.statements { println!("  = {s}"); }
        for w in &parsed.warnings { println!("  w {} {w} | fix {:?}", w.code().unwrap(), w.fix()); }
        for e in &parsed.errors {
            println!("  E {} {e}", e.code().unwrap());
            for l in e.labels().into_iter().flatten() { println!("      {:?} at {}..+{}: {}", text.get(l.offset()..l.offset()+l.len()).unwrap(), l.offset(), l.len(), l.label().unwrap_or("")); }
            if let Some(h) = e.help() { println!("      help: {h}"); }
            if let Some(f) = e.fix() { println!("      fix: {f:?}"); }
        }
    }
}
