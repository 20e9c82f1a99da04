//! Lines, functions and calls of a Rust file, tests apart from code.

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// What a file holds. Lines count from 1.
#[derive(Debug, Default)]
pub(crate) struct Measure {
    /// Neither blank nor a comment, outside tests.
    pub(crate) code_lines: usize,
    /// The same, inside tests.
    pub(crate) test_lines: usize,
    /// Functions outside tests.
    pub(crate) functions: Vec<Function>,
    /// Lines with `.unwrap()` outside tests.
    pub(crate) unwraps: Vec<usize>,
    /// Calls of `.expect()` outside tests.
    pub(crate) expects: usize,
    /// Lines of those whose reason is not a text of three words.
    pub(crate) expects_without_reason: Vec<usize>,
    /// Calls of `.clone()` outside tests.
    pub(crate) clones: usize,
    /// Lines of `unsafe`, and whether a `SAFETY:` comment stands above.
    pub(crate) unsafe_blocks: Vec<(usize, bool)>,
}

/// A function outside tests.
#[derive(Debug)]
pub(crate) struct Function {
    /// Its name.
    pub(crate) name: String,
    /// Where its signature starts.
    pub(crate) line: usize,
    /// From there to the closing brace.
    pub(crate) lines: usize,
}

/// Measures a file.
pub(crate) fn measure(text: &str) -> syn::Result<Measure> {
    let file = syn::parse_file(text)?;
    let lines: Vec<&str> = text.lines().collect();
    let mut visitor = Visitor { lines: &lines, measure: Measure::default(), in_test: 0, tests: Vec::new() };
    visitor.visit_file(&file);
    let Visitor { mut measure, tests, .. } = visitor;
    let mut in_comment = false;
    for (index, line) in lines.iter().enumerate() {
        let line = line.trim();
        let blank = line.is_empty() || line.starts_with("//") || in_comment;
        in_comment = (in_comment || line.starts_with("/*")) && !line.contains("*/");
        if blank {
            continue;
        }
        if tests.iter().any(|(start, end)| (*start..=*end).contains(&(index + 1))) {
            measure.test_lines += 1;
        } else {
            measure.code_lines += 1;
        }
    }
    Ok(measure)
}

struct Visitor<'a> {
    lines: &'a [&'a str],
    measure: Measure,
    in_test: usize,
    tests: Vec<(usize, usize)>,
}

fn range(span: Span) -> (usize, usize) {
    (span.start().line, span.end().line)
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let name = attribute.path().segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
        let tokens = match &attribute.meta {
            syn::Meta::List(list) => list.tokens.to_string().replace(' ', ""),
            _ => String::new(),
        };
        name == "test" || (name == "cfg" && (tokens == "test" || tokens.starts_with("all(test") || tokens.starts_with("any(test")))
    })
}

impl Visitor<'_> {
    fn item(&mut self, attributes: &[syn::Attribute], span: Span, inside: impl FnOnce(&mut Self)) {
        let test = is_test(attributes);
        if test {
            let (start, end) = range(span);
            let first = attributes.iter().map(|attribute| attribute.span().start().line).min().unwrap_or(start);
            self.tests.push((first.min(start), end));
            self.in_test += 1;
        }
        inside(self);
        self.in_test -= usize::from(test);
    }

    fn function(&mut self, signature: &syn::Signature, block: &syn::Block) {
        if self.in_test == 0 {
            let (start, end) = (signature.span().start().line, block.span().end().line);
            self.measure.functions.push(Function { name: signature.ident.to_string(), line: start, lines: end + 1 - start });
        }
    }

    fn call(&mut self, name: &str, line: usize, reason: Option<&str>) {
        if self.in_test > 0 {
            return;
        }
        match name {
            "unwrap" => self.measure.unwraps.push(line),
            "expect" => {
                self.measure.expects += 1;
                if reason.is_some_and(|reason| reason.split_whitespace().count() < 3) {
                    self.measure.expects_without_reason.push(line);
                }
            }
            "clone" => self.measure.clones += 1,
            _ => {}
        }
    }

    fn unsafe_at(&mut self, line: usize) {
        let above = self.lines[..line].iter().rev().take(8);
        let proven = above.take_while(|text| !text.trim().is_empty()).any(|text| text.contains("SAFETY:"));
        self.measure.unsafe_blocks.push((line, proven));
    }

    /// Calls inside macros, which syn leaves as tokens: `.name(`.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut dot = false;
        for token in tokens {
            match &token {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Ident(ident) if dot => self.call(&ident.to_string(), ident.span().start().line, None),
                _ => {}
            }
            dot = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '.');
        }
    }
}

impl<'a> Visit<'a> for Visitor<'_> {
    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        self.item(&item.attrs, item.span(), |this| {
            this.function(&item.sig, &item.block);
            visit::visit_item_fn(this, item);
        });
    }

    fn visit_impl_item_fn(&mut self, item: &'a syn::ImplItemFn) {
        self.item(&item.attrs, item.span(), |this| {
            this.function(&item.sig, &item.block);
            visit::visit_impl_item_fn(this, item);
        });
    }

    fn visit_trait_item_fn(&mut self, item: &'a syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_mod(&mut self, item: &'a syn::ItemMod) {
        self.item(&item.attrs, item.span(), |this| visit::visit_item_mod(this, item));
    }

    fn visit_item_impl(&mut self, item: &'a syn::ItemImpl) {
        if item.unsafety.is_some() {
            self.unsafe_at(item.span().start().line);
        }
        self.item(&item.attrs, item.span(), |this| visit::visit_item_impl(this, item));
    }

    fn visit_item_struct(&mut self, item: &'a syn::ItemStruct) {
        self.item(&item.attrs, item.span(), |this| visit::visit_item_struct(this, item));
    }

    fn visit_expr_method_call(&mut self, call: &'a syn::ExprMethodCall) {
        let text = |argument: &syn::Expr| match argument {
            syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        };
        let reason = call.args.first().and_then(text);
        self.call(&call.method.to_string(), call.method.span().start().line, reason.as_deref());
        visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_unsafe(&mut self, block: &'a syn::ExprUnsafe) {
        self.unsafe_at(block.span().start().line);
        visit::visit_expr_unsafe(self, block);
    }

    fn visit_macro(&mut self, call: &'a syn::Macro) {
        self.tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }
}

#[test]
fn a_file_is_measured() {
    let text = "//! Doc.\nfn a() {\n    b().unwrap();\n    c.expect(\"it is there because a made it\");\n    d.expect(\"no\");\n    println!(\"{}\", e.clone());\n}\n\
                // Comment.\n#[cfg(test)]\nmod tests {\n    fn t() {\n        x.unwrap();\n    }\n}\nfn u() {\n    // SAFETY: nothing happens.\n    unsafe { v() }\n}\n";
    let found = measure(text).unwrap();
    assert_eq!((found.code_lines, found.test_lines), (9, 6));
    assert_eq!(found.unwraps, [3]);
    assert_eq!((found.expects, found.expects_without_reason, found.clones), (2, vec![5], 1));
    assert_eq!(found.unsafe_blocks, [(17, true)]);
    assert_eq!(found.functions.iter().map(|function| (function.name.as_str(), function.lines)).collect::<Vec<_>>(), [("a", 6), ("u", 4)]);
}
