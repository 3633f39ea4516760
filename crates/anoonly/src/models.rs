//! `anoonly models`.

use std::process::ExitCode;

use anoonly::models::{AnyMethod, Kind};

pub fn list() -> ExitCode {
    for method in AnyMethod::all() {
        let info = method.info();
        let kind = match info.kind {
            Kind::FewLabels => "few labels",
            Kind::Floor => "floor",
        };
        crate::print(&format!("{:16} {:16} {kind:12} {}\n", info.name, info.title, info.source));
    }
    ExitCode::SUCCESS
}
