//! Arguments, help texts, manual pages and completions.

use std::process::{Command, Output};

fn anoonly(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_anoonly")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn help_names_every_command_and_option() {
    let help = anoonly(&["--help"]);
    assert!(help.status.success());
    for word in ["bench", "data", "models"] {
        assert!(text(&help.stdout).contains(word), "{word}");
    }
    let help = anoonly(&["bench", "--help"]);
    assert!(help.status.success());
    for option in
        "data datasets models config reference ablation strategies label-ratio label-count seeds protocol backend threads out"
            .split(' ')
    {
        assert!(text(&help.stdout).contains(&format!("--{option} ")), "{option}");
    }
}

#[test]
fn without_arguments_the_help_is_shown() {
    let output = anoonly(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("Usage: anoonly <COMMAND>"));
}

#[test]
fn the_version_names_the_program() {
    let output = anoonly(&["--version"]);
    assert_eq!(text(&output.stdout), format!("anoonly {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn models_are_listed() {
    let list = anoonly(&["models"]);
    assert!(list.status.success());
    for name in ["devnet", "prenet", "feawad", "deepsad", "mean-difference", "knn"] {
        assert!(text(&list.stdout).lines().any(|line| line.starts_with(&format!("{name} "))), "{name}");
    }
}

#[test]
fn models_are_listed_as_json_with_their_settings() {
    let list = anoonly(&["models", "--json"]);
    assert!(list.status.success());
    let methods: serde_json::Value = serde_json::from_slice(&list.stdout).unwrap();
    let devnet = methods.as_array().unwrap().iter().find(|method| method["name"] == "devnet").unwrap();
    assert_eq!(devnet["settings"]["recipe"]["epochs"], 50);
}

/// Manual pages and completions are generated from the definition that also gives the help.
#[test]
fn manual_pages_and_completions_include_every_command() {
    let help = anoonly(&["--help"]);
    let listed = text(&help.stdout).split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    let commands: Vec<&str> = listed.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(commands.len() >= 12, "{commands:?}");
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man");
    assert!(anoonly(&["man", pages.to_str().unwrap()]).status.success());
    for command in commands.iter().filter(|command| **command != "help") {
        let page = std::fs::read_to_string(pages.join(format!("anoonly-{command}.1"))).unwrap();
        assert!(page.contains(".TH"), "{command}");
    }
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = anoonly(&["completions", shell]);
        assert!(script.status.success());
        for command in &commands {
            assert!(text(&script.stdout).contains(command), "{shell}: {command}");
        }
    }
}

#[test]
fn wrong_arguments_give_one_line_and_exit_code_2() {
    for (arguments, expected) in [
        (&["bnech"][..], "'bench'"),
        (&["bench", "--sed", "1"], "'--seeds'"),
        (&["data", "lst"], "'list'"),
        (&["data", "fetch"], "NAME|PATTERN"),
        (&["data", "fetch", "wine", "--form", "x"], "'--form'"),
        (&["bench", "--seeds", "one"], "--seeds"),
        (&["bench", "--seeds", "-1"], "--seeds"),
        (&["bench", "--strategies", "both"], "use host or anoonly"),
        (&["bench", "--ablation", "width"], "norm, lambda, normal-share, bn-stats"),
        (&["bench", "--protocol", "dirty"], "use adbench or clean"),
        (&["bench", "--backend", "tpu"], "use ndarray, flex, wgpu"),
        (&["bench", "--label-count", "3", "--label-ratio", "0.2"], "cannot be used with"),
    ] {
        let output = anoonly(arguments);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        assert_eq!(error.trim_end().lines().count(), 1, "{arguments:?}: {error}");
        assert!(error.contains(expected), "{arguments:?}: {error}");
    }
}
