//! `anoonly completions` and `anoonly man`, generated from the definition that also gives the help.

use std::fs;
use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::error::CommandError;
use crate::terminal::print_verbatim;
use crate::{Cli, print};

#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub fn run(self) -> Result<(), CommandError> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "anoonly", &mut script);
        print_verbatim(&String::from_utf8_lossy(&script));
        Ok(())
    }
}

#[derive(Debug, Args)]
pub struct Manual {
    /// The folder for the pages, such as ~/.local/share/man/man1; it is created if it does not exist
    folder: PathBuf,
}

impl Manual {
    pub fn run(self) -> Result<(), CommandError> {
        let failed =
            |error: std::io::Error| CommandError::Output { path: self.folder.clone(), reason: error.to_string() };
        fs::create_dir_all(&self.folder).map_err(failed)?;
        clap_mangen::generate_to(Cli::command(), &self.folder).map_err(failed)?;
        print(&format!("manual pages written to {}\n", self.folder.display()));
        Ok(())
    }
}
