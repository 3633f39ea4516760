//! The browser's process and its messages.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// The browser that the build script has found; empty if there is none.
const BROWSER: &str = env!("ANOONLY_TEST_BROWSER");

/// How long the browser may take for an answer. Far more than it needs: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

const FLAGS: [&str; 12] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    // Pages in the background go on like the one in front.
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    // Pictures do not depend on the settings of the machine.
    "--force-color-profile=srgb",
    "--remote-debugging-pipe",
];

/// What a tab has reported.
#[derive(Default)]
pub(super) struct Reports {
    /// What went wrong, for people.
    pub problems: Vec<String>,
    /// The addresses that were requested.
    pub requests: Vec<String>,
}

/// A browser's process, and the two pipes to it.
pub(super) struct Connection {
    process: Child,
    commands: ChildStdin,
    messages: Receiver<Value>,
    last_id: u64,
    reports: HashMap<String, Reports>,
    _profile: TempDir,
}

impl Connection {
    /// Starts the browser with an empty profile.
    pub fn start() -> Self {
        assert!(!BROWSER.is_empty(), "no browser was found: install Chromium or set ANOONLY_BROWSER");
        let profile = tempfile::tempdir().expect("a folder for the profile");
        // The browser reads from descriptor 3 and writes to descriptor 4.
        let mut command = Command::new("sh");
        command.args(["-c", r#"exec "$0" "$@" 3<&0 4>&1 0</dev/null 1>/dev/null 2>/dev/null"#, BROWSER]);
        command.args(FLAGS).arg(format!("--user-data-dir={}", profile.path().display()));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("the browser starts");
        let commands = process.stdin.take().expect("a pipe to the browser");
        let output = process.stdout.take().expect("a pipe from the browser");
        let messages = received(output);
        Self { process, commands, messages, last_id: 0, reports: HashMap::new(), _profile: profile }
    }

    /// Calls a method of the browser, or of the tab of a session; returns its result.
    #[track_caller]
    pub fn call(&mut self, session: Option<&str>, method: &str, parameters: Value) -> Value {
        self.try_call(session, method, parameters).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// As [`call`](Self::call), with the browser's message if it refuses.
    #[track_caller]
    pub fn try_call(&mut self, session: Option<&str>, method: &str, parameters: Value) -> Result<Value, String> {
        self.last_id += 1;
        let id = self.last_id;
        let mut message = json!({"id": id, "method": method, "params": parameters});
        if let Some(session) = session {
            message["sessionId"] = json!(session);
        }
        let sent = self.commands.write_all(format!("{message}\0").as_bytes()).and_then(|()| self.commands.flush());
        sent.unwrap_or_else(|error| panic!("{method}: the browser has ended: {error}"));
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let received = self.messages.recv_timeout(left);
            let mut message = received.unwrap_or_else(|error| panic!("{method}: no answer from the browser: {error}"));
            if message["id"] == id {
                return match message.get("error") {
                    Some(error) => Err(error.to_string()),
                    None => Ok(message["result"].take()),
                };
            }
            self.note(&message);
        }
    }

    /// What the tab of a session has reported.
    pub fn reports(&mut self, session: &str) -> &mut Reports {
        while let Ok(message) = self.messages.try_recv() {
            self.note(&message);
        }
        self.reports.entry(session.to_owned()).or_default()
    }

    /// Keeps what an event says.
    fn note(&mut self, event: &Value) {
        let Some(session) = event["sessionId"].as_str() else { return };
        let about = &event["params"];
        let reports = self.reports.entry(session.to_owned()).or_default();
        let problem = match event["method"].as_str().unwrap_or_default() {
            "Runtime.consoleAPICalled" => {
                let argument = |argument: &Value| match &argument["value"] {
                    Value::Null => text(&argument["description"]),
                    value => text(value),
                };
                let arguments: Vec<String> = about["args"].as_array().into_iter().flatten().map(argument).collect();
                format!("console.{}: {}", text(&about["type"]), arguments.join(" "))
            }
            "Runtime.exceptionThrown" => {
                let details = &about["exceptionDetails"];
                format!("exception: {} {}", text(&details["text"]), text(&details["exception"]["description"]))
            }
            "Log.entryAdded" => {
                let entry = &about["entry"];
                let [source, level, says, url] = ["source", "level", "text", "url"].map(|key| text(&entry[key]));
                format!("{source} {level}: {says} {url}")
            }
            "Page.javascriptDialogOpening" => format!("dialog: {}", text(&about["message"])),
            "Inspector.targetCrashed" => "the page has crashed".to_owned(),
            "Network.requestWillBeSent" => {
                reports.requests.push(text(&about["request"]["url"]));
                return;
            }
            _ => return,
        };
        reports.problems.push(problem);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let close = json!({"id": 0, "method": "Browser.close"});
        let _ = self.commands.write_all(format!("{close}\0").as_bytes());
        let end = Instant::now() + Duration::from_secs(5);
        while Instant::now() < end && matches!(self.process.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(5));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The messages that another thread reads from the browser.
fn received(output: impl Read + Send + 'static) -> Receiver<Value> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut output = BufReader::new(output);
        loop {
            let mut message = Vec::new();
            match output.read_until(0, &mut message) {
                Ok(1..) if message.pop() == Some(0) => {}
                _ => return,
            }
            let Ok(message) = serde_json::from_slice(&message) else { return };
            if sender.send(message).is_err() {
                return;
            }
        }
    });
    receiver
}

/// A text as it is, and another value as JSON.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
