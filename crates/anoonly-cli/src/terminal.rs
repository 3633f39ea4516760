//! What the command prints. Text for people passes through [`visible`], so that names and values from files cannot control the terminal.

use std::borrow::Cow;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::CommandError;

/// Whether standard output could not be written.
static OUTPUT_LOST: AtomicBool = AtomicBool::new(false);

/// Whether standard output could not be written.
pub fn output_lost() -> bool {
    OUTPUT_LOST.load(Ordering::Relaxed)
}

/// Prints text for people on standard output.
pub fn print(text: &str) {
    print_verbatim(&visible(text));
}

/// Prints the beginning of a line on standard output, which may wait for more until a line ends.
pub fn print_partly(text: &str) {
    print(text);
    let _ = std::io::stdout().flush();
}

/// Writes to standard output without any change, for text that programs read. It is no error if the reader has gone, as `head` does.
pub fn print_verbatim(text: &str) {
    if let Err(error) = std::io::stdout().write_all(text.as_bytes())
        && error.kind() != std::io::ErrorKind::BrokenPipe
        && !OUTPUT_LOST.swap(true, Ordering::Relaxed)
    {
        print_error(&format!("cannot write to standard output: {error}"));
    }
}

/// Prints data as one line of JSON, in which characters that control a terminal are escaped.
pub fn print_json(value: &impl serde::Serialize) -> Result<(), CommandError> {
    // As text at once: by way of a `serde_json::Value`, 32-bit scores would be widened.
    let text = serde_json::to_string(value).map_err(|error| CommandError::Internal { reason: error.to_string() })?;
    // Outside of its strings, JSON holds no such characters.
    print_verbatim(&(escaped(&text, controls, |c| format!("\\u{:04x}", u32::from(c))).into_owned() + "\n"));
    Ok(())
}

/// Prints a line for people on standard error.
pub fn note(text: &str) {
    write_error(&visible(text));
}

/// Prints a warning as one line.
pub fn warn(message: &str) {
    write_error(&format!("warning: {}", one_line(message)));
}

/// Prints an error as one line.
pub fn print_error(message: &str) {
    write_error(&format!("error: {}", one_line(message)));
}

/// Writes a line to standard error. Where nobody reads it any more, it is lost: the work goes on.
fn write_error(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A text without characters that control a terminal: they are shown as escape sequences, such as `\u{1b}`. Line ends stay.
pub fn visible(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c != '\n' && controls(c), |c| c.escape_debug().to_string())
}

/// As [`visible`], with line ends shown as escape sequences too: a name or value in a line or a table.
pub fn one_line(text: &str) -> Cow<'_, str> {
    escaped(text, controls, |c| c.escape_debug().to_string())
}

/// Whether a character controls a terminal: a control character, or one that changes the direction of the text after it.
fn controls(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn escaped(text: &str, which: impl Fn(char) -> bool, escape: impl Fn(char) -> String) -> Cow<'_, str> {
    match text.contains(&which) {
        false => text.into(),
        true => text.chars().map(|c| if which(c) { escape(c) } else { c.to_string() }).collect::<String>().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_control_a_terminal_are_shown() {
        assert_eq!(visible("plain é 漢\nline"), "plain é 漢\nline");
        assert_eq!(
            visible("\x1b[2J\r\t\u{9b}\u{202e}x\u{2066}\u{200f}"),
            "\\u{1b}[2J\\r\\t\\u{9b}\\u{202e}x\\u{2066}\\u{200f}"
        );
        assert_eq!(one_line("a\nb"), "a\\nb");
        assert!(matches!(one_line("plain"), Cow::Borrowed(_)));
    }
}
