//! The mistakes of one text, collected.

use crate::error::SyntaxError;
use crate::limits::ERRORS_MAX;
use crate::span::Span;
use crate::warning::SyntaxWarning;

/// Errors and warnings in the order they were found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) errors: Vec<SyntaxError>,
    pub(crate) warnings: Vec<SyntaxWarning>,
}

impl Report {
    /// Notes an error; those beyond the limit are left out.
    pub(crate) fn error(&mut self, error: SyntaxError) {
        if self.errors.len() < ERRORS_MAX {
            self.errors.push(error);
        }
    }

    /// Notes the error of a failed step, which then has no value.
    pub(crate) fn keep<T>(&mut self, result: Result<T, SyntaxError>) -> Option<T> {
        result.map_err(|error| self.error(error)).ok()
    }

    /// Notes a warning; as many as errors.
    pub(crate) fn warning(&mut self, warning: SyntaxWarning) {
        if self.warnings.len() < ERRORS_MAX {
            self.warnings.push(warning);
        }
    }

    /// Says so once if the limit was met, and answers whether to stop.
    pub(crate) fn is_full(&mut self, rest: Span) -> bool {
        let full = self.errors.len() >= ERRORS_MAX;
        if full && !matches!(self.errors.last(), Some(SyntaxError::TooManyErrors { .. })) {
            self.errors.push(SyntaxError::TooManyErrors { span: rest });
        }
        full
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_beyond_the_limit_are_one_error() {
        let mut report = Report::default();
        for _ in 0..2 * ERRORS_MAX {
            report.error(SyntaxError::TrailingComma { span: Span::default() });
        }
        assert!(report.is_full(Span::new(7, 9)) && report.is_full(Span::new(8, 9)));
        assert_eq!(report.errors.len(), ERRORS_MAX + 1);
        assert_eq!(report.errors.last(), Some(&SyntaxError::TooManyErrors { span: Span::new(7, 9) }));
    }
}
