//! The line editor: history that stays, completion of commands, methods and their keys.

use std::{borrow::Cow, fs, path::PathBuf};

use clap::CommandFactory;
use etcetera::{BaseStrategy, choose_base_strategy};
use reedline::{
    ColumnarMenu, Completer, CompletionResult, Emacs, FileBackedHistory, KeyCode, KeyModifiers, MenuBuilder, Prompt,
    PromptEditMode, PromptHistorySearch, Reedline, ReedlineEvent, ReedlineMenu, Signal, Span, Suggestion,
    default_emacs_keybindings,
};
use warren_proto::registry;

use crate::{cli::Cli, failure::Failure, output::note};

/// Most lines that the history keeps.
const HISTORY_LINES: usize = 10_000;

const MENU: &str = "completion";

/// Reads lines from a person.
pub(super) struct Editor {
    reedline: Reedline,
}

impl Editor {
    pub(super) fn open() -> Self {
        let mut keys = default_emacs_keybindings();
        let complete = ReedlineEvent::UntilFound(vec![ReedlineEvent::Menu(MENU.to_owned()), ReedlineEvent::MenuNext]);
        keys.add_binding(KeyModifiers::NONE, KeyCode::Tab, complete);
        let menu = ColumnarMenu::default().with_name(MENU);
        let mut reedline = Reedline::create()
            .with_completer(Box::new(Words))
            .with_quick_completions(true)
            .with_partial_completions(true)
            .with_menu(ReedlineMenu::EngineCompleter(Box::new(menu)))
            .with_edit_mode(Box::new(Emacs::new(keys)));
        match history() {
            Ok(history) => reedline = reedline.with_history(Box::new(history)),
            Err(error) => note(&format!("the history is not kept: {error}")),
        }
        Self { reedline }
    }

    /// The next line; none at the end. Ctrl-C clears the line.
    pub(super) fn read_line(&mut self) -> Result<Option<String>, Failure> {
        loop {
            match self.reedline.read_line(&WarrenPrompt) {
                Ok(Signal::Success(line)) => return Ok(Some(line)),
                Ok(Signal::CtrlD) => return Ok(None),
                Ok(_) => {}
                Err(error) => return Err(Failure::internal(format!("the terminal: {error}"))),
            }
        }
    }
}

fn history() -> Result<FileBackedHistory, String> {
    let directories = choose_base_strategy().map_err(|error| error.to_string())?;
    let folder: PathBuf = directories.state_dir().unwrap_or_else(|| directories.data_dir()).join("warren");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    FileBackedHistory::with_file(HISTORY_LINES, folder.join("history")).map_err(|error| error.to_string())
}

/// Completes the first word by commands and methods; in a call of a known method, its example's keys.
struct Words;

impl Completer for Words {
    fn complete(&mut self, line: &str, position: usize) -> CompletionResult {
        CompletionResult::fresh(suggestions(line, position))
    }
}

fn suggestions(line: &str, position: usize) -> Vec<Suggestion> {
    let typed = &line[..position];
    let start = typed.rfind(char::is_whitespace).map_or(0, |space| space + 1);
    let word = &typed[start..];
    let before: Vec<&str> = typed[..start].split_whitespace().collect();
    candidates(&before)
        .into_iter()
        .filter(|(value, _)| value.starts_with(word))
        .map(|(value, description)| Suggestion {
            append_whitespace: !value.ends_with('='),
            value,
            description: Some(description),
            span: Span::new(start, position),
            ..Suggestion::default()
        })
        .collect()
}

/// What may stand behind these words, with a line about each.
fn candidates(before: &[&str]) -> Vec<(String, String)> {
    let methods = || registry::methods().iter().map(|method| (method.name.to_owned(), method.summary.to_owned()));
    match before {
        [] => {
            let command = Cli::command();
            let about = |command: &clap::Command| command.get_about().map(ToString::to_string).unwrap_or_default();
            let mut words: Vec<_> =
                command.get_subcommands().map(|one| (one.get_name().to_owned(), about(one))).collect();
            words.push(("exit".to_owned(), "leave".to_owned()));
            words.push(("help".to_owned(), "list the commands".to_owned()));
            words.extend(methods());
            words
        }
        ["call"] => methods().collect(),
        ["call", method, ..] | [method, ..] => keys_of(method),
    }
}

/// The keys of a method's example that are typed as `key=` or `key:=`.
fn keys_of(method: &str) -> Vec<(String, String)> {
    let Some(method) = registry::find(method) else { return Vec::new() };
    let words = shlex::split(method.example).unwrap_or_default();
    let key =
        |word: &String| word.split_once('=').map(|(key, value)| (format!("{key}="), format!("as in {key}={value}")));
    words.iter().filter_map(key).collect()
}

struct WarrenPrompt;

impl Prompt for WarrenPrompt {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        Cow::Borrowed("warren")
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_indicator(&self, _: PromptEditMode) -> Cow<'_, str> {
        Cow::Borrowed("> ")
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        Cow::Borrowed("... ")
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        Cow::Owned(format!("(history: {}) ", search.term))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(line: &str) -> Vec<String> {
        suggestions(line, line.len()).into_iter().map(|suggestion| suggestion.value).collect()
    }

    #[test]
    fn tab_completes_methods_commands_and_keys() {
        assert_eq!(completed("calculator.s"), ["calculator.sum"]);
        assert!(completed("").contains(&"submit".to_owned()));
        assert_eq!(completed("calculator.sum "), ["a:=", "b:="]);
        assert_eq!(completed("call grading.w"), ["grading.wait"]);
    }
}
