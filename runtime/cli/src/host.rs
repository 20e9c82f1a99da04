//! What a command sees of the process around it: streams, directory, environment. Tests hand over their own.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::args::ColorChoice;

/// Reads an environment variable; `None` if it is not set.
pub type EnvReader = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// The surroundings of a command.
pub struct Host<'a> {
    /// For data.
    pub out: &'a mut dyn Write,
    /// For diagnostics, progress and questions.
    pub err: &'a mut dyn Write,
    /// For answers.
    pub input: &'a mut dyn BufRead,
    /// Which of the three are terminals.
    pub terminal: Terminal,
    /// What relative paths are relative to.
    pub dir: PathBuf,
    /// Reads an environment variable.
    pub env: EnvReader,
}

/// Which streams are terminals, and how wide they are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terminal {
    /// Standard output.
    pub out: bool,
    /// Standard error.
    pub err: bool,
    /// Standard input.
    pub input: bool,
    /// Columns, where one of them is a terminal.
    pub width: Option<usize>,
}

impl Terminal {
    /// As the process has it.
    #[must_use]
    pub fn of_process() -> Self {
        let (out, err) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        let size = if err { terminal_size::terminal_size_of(io::stderr()) } else { terminal_size::terminal_size_of(io::stdout()) };
        let width = size.map(|(width, _)| usize::from(width.0));
        Self { out, err, input: io::stdin().is_terminal(), width }
    }
}

impl std::fmt::Debug for Host<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("terminal", &self.terminal).field("dir", &self.dir).finish_non_exhaustive()
    }
}

/// How a stream is written to: with colours, drawings, and how wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// ANSI colours.
    pub color: bool,
    /// Box drawing; without it every diagnostic is one line.
    pub graphics: bool,
    /// Columns.
    pub width: usize,
}

impl Style {
    /// Neither colours nor a limit worth the name: for files, pipes and tests.
    pub const PLAIN: Self = Self { color: false, graphics: true, width: 140 };
}

impl Host<'_> {
    /// `path` as the file system wants it.
    #[must_use]
    pub fn resolve(&self, path: &Path) -> PathBuf {
        self.dir.join(path)
    }

    /// The style of standard error.
    #[must_use]
    pub fn err_style(&self, choice: ColorChoice) -> Style {
        self.style(choice, self.terminal.err)
    }

    /// The style of standard output.
    #[must_use]
    pub fn out_style(&self, choice: ColorChoice) -> Style {
        self.style(choice, self.terminal.out)
    }

    fn style(&self, choice: ColorChoice, terminal: bool) -> Style {
        let set = |name: &str| (self.env)(name).is_some_and(|value| !value.is_empty());
        let color = match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => terminal && !set("NO_COLOR") && (self.env)("TERM").as_deref() != Some("dumb"),
        };
        Style { color, graphics: !set("NO_GRAPHICS"), width: self.terminal.width.unwrap_or(Style::PLAIN.width).max(60) }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Runs `body` with a host whose streams are kept.
    pub(crate) fn with_host<T>(
        dir: &Path,
        terminal: Terminal,
        env: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
        body: impl FnOnce(&mut Host<'_>) -> T,
    ) -> (T, String, String) {
        let (mut out, mut err, mut input) = (Vec::new(), Vec::new(), io::empty());
        let mut host = Host { out: &mut out, err: &mut err, input: &mut input, terminal, dir: dir.to_path_buf(), env: Arc::new(env) };
        let value = body(&mut host);
        (value, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    #[test]
    fn colours_need_a_terminal_and_no_color_wins() {
        let terminal = Terminal { err: true, ..Terminal::default() };
        let color = |name: &'static str, terminal: Terminal, choice: ColorChoice| {
            let env = move |asked: &str| (asked == name).then(|| "1".to_owned());
            with_host(Path::new("."), terminal, env, |host| host.err_style(choice).color).0
        };
        assert!(color("", terminal, ColorChoice::Auto));
        assert!(!color("NO_COLOR", terminal, ColorChoice::Auto));
        assert!(color("NO_COLOR", terminal, ColorChoice::Always));
        assert!(!color("", terminal, ColorChoice::Never));
        assert!(!color("", Terminal::default(), ColorChoice::Auto));
    }
}
