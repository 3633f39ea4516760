//! A page in a tab.

use std::cell::RefCell;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::{Value, json};

use super::connection::Connection;

/// How long [`Tab::wait`] waits. Far more than a page needs: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a page is shown.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// Width of the window, in CSS pixels at a zoom of 1.
    pub width: u32,
    /// Height of the window, in CSS pixels at a zoom of 1.
    pub height: u32,
    /// The zoom of the page: 2 halves the width and the height that the page has.
    pub zoom: u32,
    /// Whether the user prefers dark pages.
    pub dark: bool,
    /// Whether the user prefers pages without animations.
    pub still: bool,
}

impl View {
    /// A window on a desk: 1280 × 800, light.
    pub const DESK: Self = Self { width: 1280, height: 800, zoom: 1, dark: false, still: false };

    /// A phone: 390 × 844, light.
    pub const PHONE: Self = Self { width: 390, height: 844, ..Self::DESK };

    /// The same window for a user who prefers dark pages.
    pub const fn dark(self) -> Self {
        Self { dark: true, ..self }
    }
}

/// A page in a browser's tab. Dropping it closes the tab.
///
/// All methods panic when the browser refuses or does not answer.
pub struct Tab {
    connection: Rc<RefCell<Connection>>,
    target: String,
    session: String,
}

impl Tab {
    #[track_caller]
    pub(super) fn new(connection: Rc<RefCell<Connection>>, target: String, session: String) -> Self {
        let tab = Self { connection, target, session };
        for domain in ["Page", "Runtime", "Log", "Network", "Inspector"] {
            tab.call(&format!("{domain}.enable"), json!({}));
        }
        // Several tabs at once take keys as if each were in front.
        tab.call("Emulation.setFocusEmulationEnabled", json!({"enabled": true}));
        tab
    }

    #[track_caller]
    pub(super) fn call(&self, method: &str, parameters: Value) -> Value {
        self.connection.borrow_mut().call(Some(&self.session), method, parameters)
    }

    /// Shows the page in another way.
    #[track_caller]
    pub fn show(&self, view: View) {
        let View { width, height, zoom, dark, still } = view;
        let window =
            json!({"width": width / zoom, "height": height / zoom, "deviceScaleFactor": zoom, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", window);
        let features = json!([
            {"name": "prefers-color-scheme", "value": if dark { "dark" } else { "light" }},
            {"name": "prefers-reduced-motion", "value": if still { "reduce" } else { "no-preference" }},
        ]);
        self.call("Emulation.setEmulatedMedia", json!({"features": features}));
    }

    /// Loads another page, and waits for it.
    #[track_caller]
    pub fn go_to(&self, address: &str) {
        let answer = self.call("Page.navigate", json!({"url": address}));
        assert!(answer["errorText"].is_null(), "{address}: {}", answer["errorText"]);
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'");
    }

    /// Loads the page again, and waits for it.
    #[track_caller]
    pub fn reload(&self) {
        self.evaluate("window.beforeReload = true");
        self.call("Page.reload", json!({}));
        self.wait("!window.beforeReload && document.readyState === 'complete'");
    }

    /// Takes the page off the network, or back on it.
    #[track_caller]
    pub fn set_offline(&self, offline: bool) {
        let conditions = json!({"offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1});
        self.call("Network.emulateNetworkConditions", conditions);
    }

    /// The value of a JavaScript expression; of a promise, what it resolves to.
    ///
    /// # Panics
    /// When it throws an error.
    #[track_caller]
    pub fn evaluate(&self, expression: &str) -> Value {
        self.try_evaluate(expression).unwrap_or_else(|error| panic!("{}: {error}", shortened(expression)))
    }

    #[track_caller]
    fn try_evaluate(&self, expression: &str) -> Result<Value, String> {
        let parameters = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let mut result = self.connection.borrow_mut().try_call(Some(&self.session), "Runtime.evaluate", parameters)?;
        match result.get("exceptionDetails") {
            Some(details) => Err(details["exception"]["description"].to_string()),
            None => Ok(result["result"]["value"].take()),
        }
    }

    /// Waits until a JavaScript expression is true.
    ///
    /// # Panics
    /// When it is still not true after a minute.
    #[track_caller]
    pub fn wait(&self, condition: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            // While a page is being loaded, there is none to ask.
            let now = self.try_evaluate(&format!("Boolean({condition})"));
            if now == Ok(Value::Bool(true)) {
                return;
            }
            if Instant::now() > end {
                let shown = self.try_evaluate("document.body.innerText").unwrap_or_default();
                let problems = self.take_problems();
                panic!("waited in vain for {condition} ({now:?}); problems: {problems:#?}; the page shows:\n{shown}");
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The text of the element that a selector finds first, as it is shown.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn text(&self, selector: &str) -> String {
        let value = self.evaluate(&format!("document.querySelector({}).innerText", json!(selector)));
        value.as_str().unwrap_or_else(|| panic!("{selector} has no text")).to_owned()
    }

    /// What went wrong in this tab since this was last asked: console messages of any kind, exceptions, failed requests, dialogs.
    pub fn take_problems(&self) -> Vec<String> {
        // The events that the browser has sent so far are those before its next answer.
        let _ = self.try_evaluate("1");
        std::mem::take(&mut self.connection.borrow_mut().reports(&self.session).problems)
    }

    /// The addresses that the page has requested.
    pub fn requests(&self) -> Vec<String> {
        self.connection.borrow_mut().reports(&self.session).requests.clone()
    }

    /// A picture of what the window shows, as a PNG file.
    #[track_caller]
    pub fn picture(&self) -> Vec<u8> {
        let answer = self.call("Page.captureScreenshot", json!({"format": "png"}));
        let text = answer["data"].as_str().expect("a picture");
        base64::engine::general_purpose::STANDARD.decode(text).expect("base64")
    }
}

impl Drop for Tab {
    fn drop(&mut self) {
        // A test may be panicking because the browser has ended.
        if let Ok(mut connection) = self.connection.try_borrow_mut()
            && !thread::panicking()
        {
            let _ = connection.try_call(None, "Target.closeTarget", json!({"targetId": self.target}));
        }
    }
}

/// The beginning of a script, for messages.
fn shortened(script: &str) -> String {
    let start: String = script.chars().take(200).collect();
    if start.len() < script.len() { start + " …" } else { start }
}
