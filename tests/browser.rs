//! Headless Chromium, driven through the Chrome DevTools Protocol.
//!
//! A [`Browser`] is a process of its own with a new profile. Its [`Tab`]s take real key presses and mouse clicks, and collect what goes
//! wrong in them: console messages, exceptions, failed requests, violations of the page's policy.
//!
//! The protocol goes through two pipes, as JSON messages that end in a zero byte, so that it needs no crate for web sockets.
//! <https://chromedevtools.github.io/devtools-protocol/> describes the methods.

mod connection;
mod input;
mod layout;
mod tab;

use std::cell::RefCell;
use std::rc::Rc;

use serde_json::json;

use self::connection::Connection;
pub use self::tab::{Tab, View};

/// A running browser. Dropping it ends the process and removes its profile.
pub struct Browser {
    connection: Rc<RefCell<Connection>>,
}

impl Browser {
    /// Starts the browser that the build script has found.
    ///
    /// # Panics
    /// When there is none, or when it does not start.
    pub fn start() -> Self {
        Self { connection: Rc::new(RefCell::new(Connection::start())) }
    }

    /// Opens a page in a new tab, and waits until it is loaded.
    ///
    /// # Panics
    /// When it cannot be loaded.
    #[track_caller]
    pub fn open(&self, address: &str, view: View) -> Tab {
        let mut connection = self.connection.borrow_mut();
        // Tabs of one window hide each other, and a hidden page is not painted.
        let target = connection.call(None, "Target.createTarget", json!({"url": "about:blank", "newWindow": true}));
        let target = target["targetId"].as_str().expect("the id of a new tab").to_owned();
        let attached = connection.call(None, "Target.attachToTarget", json!({"targetId": target, "flatten": true}));
        let session = attached["sessionId"].as_str().expect("the id of a session").to_owned();
        drop(connection);
        let tab = Tab::new(Rc::clone(&self.connection), target, session);
        tab.show(view);
        tab.go_to(address);
        tab
    }
}
