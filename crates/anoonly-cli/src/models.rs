//! `anoonly models`.

use anoonly::models::{AnyMethod, MethodInfo};
use clap::Args;

use crate::error::CommandError;
use crate::{print, print_json};

#[derive(Debug, Args)]
pub struct Options {
    /// Print the methods as JSON, with every setting
    #[arg(long)]
    json: bool,
}

impl Options {
    pub fn run(self) -> Result<(), CommandError> {
        let methods = AnyMethod::all();
        if self.json {
            return print_json(&methods.iter().map(json).collect::<Vec<_>>());
        }
        let infos: Vec<_> = methods.iter().map(AnyMethod::info).collect();
        let widest = |of: fn(&MethodInfo) -> &str| infos.iter().map(|info| of(info).len()).max().unwrap_or(0);
        let [names, titles, kinds] =
            [widest(|info| info.name), widest(|info| info.title), widest(|info| info.kind.name())];
        for info in &infos {
            let (name, title, kind) = (info.name, info.title, info.kind.name());
            print(&format!("{name:names$}  {title:titles$}  {kind:kinds$}  {}\n", info.source));
        }
        Ok(())
    }
}

fn json(method: &AnyMethod) -> serde_json::Value {
    let info = method.info();
    let (name, title, source) = (info.name, info.title, info.source);
    serde_json::json!({ "name": name, "title": title, "kind": info.kind.name(), "source": source, "settings": method })
}
