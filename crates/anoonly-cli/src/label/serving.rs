//! The page of a session, from its opening to its end.

use std::future::IntoFuture;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anoonly::labelling::Session;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use super::desk::Desk;
use super::guard::{Opener, Token};
use super::list::{LISTED_COLUMNS, Lists};
use super::messages::SessionFacts;
use super::save::Saving;
use super::server::{self, Service};
use crate::error::CommandError;

/// Where the results of a session go, and what its page calls its table.
#[derive(Clone, Debug)]
pub struct PageFiles {
    /// The name of the table.
    pub name: String,
    /// The file that keeps the answers.
    pub journal: PathBuf,
    /// Where the labelled table is written when the page asks for it.
    pub table: PathBuf,
    /// Where the model is written.
    pub model: PathBuf,
    /// The column of the labelled table with the notes, if there is to be one.
    pub notes: Option<String>,
}

impl PageFiles {
    /// What the requests of a page share.
    ///
    /// # Errors
    /// When the operating system has no random bytes, or a column cannot be shown.
    pub(super) fn service(self, session: Session) -> Result<Arc<Service>, CommandError> {
        let facts = SessionFacts {
            table: self.name,
            rows: session.table().rows(),
            method: session.detector().method().info().name,
            label: session.label_name().to_owned(),
            ids: session.detector().id_columns().to_vec(),
            held_out: session.progress().held_out,
            resumed: session.answers().len(),
            journal: self.journal.display().to_string(),
            out: self.table.display().to_string(),
            out_exists: self.table.exists(),
            model: self.model.display().to_string(),
            model_exists: self.model.exists(),
            version: env!("CARGO_PKG_VERSION"),
            columns: session.view().columns()?.to_vec(),
            listed: LISTED_COLUMNS,
        };
        let saving = Saving { table: self.table, model: self.model, notes: self.notes, writing: Mutex::default() };
        let desk = Desk::open(session);
        Ok(Arc::new(Service { desk, opener: Opener::new()?, lists: Lists::default(), facts, saving }))
    }
}

/// The page of a session, which is served on this computer until it is stopped or dropped.
pub struct LabellingPage {
    service: Arc<Service>,
    address: String,
    /// The address with which a browser is opened. It works once, because the list of processes shows it to every user.
    opening: String,
    runtime: Option<Runtime>,
}

impl LabellingPage {
    /// Serves the page of a session at a port of this computer; 0 for any that is free.
    ///
    /// # Errors
    /// When the port is not free, or the session cannot be shown.
    pub fn start(session: Session, files: PageFiles, port: u16) -> Result<Self, CommandError> {
        Self::of(files.service(session)?, port)
    }

    pub(super) fn of(service: Arc<Service>, port: u16) -> Result<Self, CommandError> {
        let internal = |error: std::io::Error| CommandError::Internal { reason: error.to_string() };
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(2).enable_all().build().map_err(internal)?;
        let listener = runtime
            .block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, port)))
            .map_err(|error| CommandError::option("--port", format!("{port}: {error}")))?;
        let token = Token::new()?;
        let port = listener.local_addr().map_err(internal)?.port();
        let address = |secret: &str| format!("http://{}:{port}/{secret}/", Ipv4Addr::LOCALHOST);
        let (opening, address) = (address(service.opener.as_str()), address(token.as_str()));
        let router = server::router(Arc::clone(&service), &token);
        runtime.spawn(async {
            // Serving has no end of its own, and errors of single connections do not end it.
            let _ = axum::serve(listener, router).into_future().await;
        });
        Ok(Self { service, address, opening, runtime: Some(runtime) })
    }

    /// The address of the page. Whoever knows it can answer.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Opens the page in the browser of this computer, the first time it is called. Returns whether that was possible.
    pub fn open(&self) -> bool {
        has_screen() && open::that_detached(&self.opening).is_ok()
    }

    /// Reads from the session.
    pub fn with<T>(&self, read: impl FnOnce(&Session) -> T) -> T {
        self.service.desk.with(read)
    }

    /// Ends the server. Answers that were confirmed are in the journal. Requests that wait for a change are not waited for.
    pub fn stop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_millis(200));
            self.service.desk.close();
        }
    }
}

impl Drop for LabellingPage {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Whether a browser can show a window. Without one, opening an address may start a browser of text in this terminal.
fn has_screen() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    cfg!(not(all(unix, not(target_os = "macos")))) || set("DISPLAY") || set("WAYLAND_DISPLAY")
}
