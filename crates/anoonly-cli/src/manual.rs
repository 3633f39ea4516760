//! `anoonly completions` and `anoonly man`: from the same definition as the help.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::{Cli, USER, print, tell};

#[derive(Debug, Args)]
pub struct Completions {
    /// The shell whose words they are
    shell: Shell,
}

impl Completions {
    pub fn run(self) -> ExitCode {
        let mut words = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "anoonly", &mut words);
        print(&String::from_utf8_lossy(&words));
        ExitCode::SUCCESS
    }
}

#[derive(Debug, Args)]
pub struct Manual {
    /// The folder for the pages, as ~/.local/share/man/man1; it is made where it is not there
    folder: PathBuf,
}

impl Manual {
    pub fn run(self) -> ExitCode {
        let written =
            fs::create_dir_all(&self.folder).and_then(|()| clap_mangen::generate_to(Cli::command(), &self.folder));
        match written {
            Ok(()) => {
                print(&format!("manual pages written to {}\n", self.folder.display()));
                ExitCode::SUCCESS
            }
            Err(error) => {
                tell(&format!("cannot write {}: {error}", self.folder.display()));
                ExitCode::from(USER)
            }
        }
    }
}
