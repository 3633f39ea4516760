//! The native part of the Python package `anoonly`: tables in and out, fits, scores and the command.
//!
//! The package itself is written in Python, in the folder `python`. It has the names, the documentation and the checks of arguments;
//! this crate has what needs the library. Every function that computes releases the interpreter and listens for Ctrl-C (`work.rs`).

mod command;
mod errors;
mod fitting;
mod labelling;
mod model;
mod table;
mod work;

use pyo3::prelude::*;

/// The native part of the package.
#[pymodule]
mod _native {
    #[pymodule_export]
    use super::command::run_command;
    #[pymodule_export]
    use super::fitting::{check_method, fit, methods};
    #[pymodule_export]
    use super::labelling::LabellingSession;
    #[pymodule_export]
    use super::model::NativeModel;
    #[pymodule_export]
    use super::table::{NativeTable, NativeTableBuilder};
    #[pymodule_export]
    use super::work::{set_threads, wait_for_given_up_work};

    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        super::work::silence_readers();
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
