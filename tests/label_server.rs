//! `anoonly label`, started as a user starts it.

use std::io::{self, BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::{Value, json};

use crate::command;
use crate::http::{Client, Response};

/// How long the program may take until it listens, or until it has ended.
const PATIENCE: Duration = Duration::from_secs(120);

/// The program with its server. Dropping it kills it.
pub struct LabelServer {
    process: Child,
    output: Option<(JoinHandle<String>, JoinHandle<String>)>,
    /// Where it listens.
    pub address: SocketAddr,
    /// The secret part of its addresses.
    pub token: String,
}

/// What a program left behind that has ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code, or nothing if a signal has ended it.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl LabelServer {
    /// Starts `anoonly label` with these words and a free port, and without opening a browser; waits until it listens.
    ///
    /// # Panics
    /// When it ends instead.
    #[track_caller]
    pub fn start<S: AsRef<str>>(words: &[S]) -> Self {
        Self::try_start(words).unwrap_or_else(|ended| panic!("the server has ended: {ended:#?}"))
    }

    /// As [`start`](Self::start).
    ///
    /// # Errors
    /// What it left behind, if it has ended without listening.
    ///
    /// # Panics
    /// When it neither listens nor ends.
    pub fn try_start<S: AsRef<str>>(words: &[S]) -> Result<Self, Ended> {
        let mut command = command(["label"]);
        command.args(words.iter().map(AsRef::as_ref)).args(["--no-open", "--port", "0"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("the command starts");
        let (sender, receiver) = mpsc::channel();
        let output = BufReader::new(process.stdout.take().expect("a pipe"));
        let stdout = thread::spawn(move || {
            let mut all = String::new();
            for line in output.lines().map_while(Result::ok) {
                if let Some(found) = address(&line) {
                    let _ = sender.send(found);
                }
                all += &line;
                all.push('\n');
            }
            all
        });
        let errors = process.stderr.take().expect("a pipe");
        let stderr = thread::spawn(move || {
            let mut all = Vec::new();
            let _ = BufReader::new(errors).read_to_end(&mut all);
            String::from_utf8_lossy(&all).into_owned()
        });
        let nowhere = (Ipv4Addr::LOCALHOST, 0).into();
        let mut server = Self { process, output: Some((stdout, stderr)), address: nowhere, token: String::new() };
        match receiver.recv_timeout(PATIENCE) {
            Ok((port, token)) => {
                server.address.set_port(port);
                server.token = token;
                Ok(server)
            }
            Err(RecvTimeoutError::Disconnected) => Err(server.ended()),
            Err(RecvTimeoutError::Timeout) => panic!("the server does not listen"),
        }
    }

    /// The address of the page.
    pub fn page(&self) -> String {
        format!("http://{}/{}/", self.address, self.token)
    }

    /// The process's id.
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// A new connection.
    ///
    /// # Panics
    /// When the server has ended.
    #[track_caller]
    pub fn client(&self) -> Client {
        Client::connect(self.address).expect("the server listens")
    }

    /// The bytes of a GET request as the page makes it; the path is relative to the page, such as `api/state`.
    pub fn get_request(&self, path: &str) -> Vec<u8> {
        format!("GET /{}/{path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.token, self.address).into_bytes()
    }

    /// The bytes of a POST request as the page makes it.
    pub fn post_request(&self, path: &str, body: &Value) -> Vec<u8> {
        let (token, host, body) = (&self.token, self.address, body.to_string());
        let length = body.len();
        format!(
            "POST /{token}/{path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    }

    /// Sends any bytes on a connection of their own.
    ///
    /// # Errors
    /// When the server closes the connection without an answer.
    pub fn send(&self, request: &[u8]) -> io::Result<Response> {
        let mut client = Client::connect(self.address)?;
        // A server may refuse a request before it has read all of it.
        let sent = client.send(request);
        client.receive().or_else(|error| sent.and(Err(error)))
    }

    /// Gets something from the server, whatever its status.
    ///
    /// # Panics
    /// When the server does not answer.
    #[track_caller]
    pub fn get(&self, path: &str) -> Response {
        self.send(&self.get_request(path)).expect("an answer")
    }

    /// Posts something to the server, whatever the status.
    ///
    /// # Panics
    /// When the server does not answer.
    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> Response {
        self.send(&self.post_request(path, body)).expect("an answer")
    }

    /// What the server has under a path.
    ///
    /// # Panics
    /// When it refuses.
    #[track_caller]
    pub fn fetch(&self, path: &str) -> Value {
        let response = self.get(path);
        assert_eq!(response.status, 200, "{path}: {}", response.text());
        response.json()
    }

    /// What the server answers to a request that it must accept.
    ///
    /// # Panics
    /// When it refuses.
    #[track_caller]
    pub fn tell(&self, path: &str, body: &Value) -> Value {
        let response = self.post(path, body);
        assert_eq!(response.status, 200, "{path} {body}: {}", response.text());
        response.json()
    }

    /// Answers rows, counted from 1, whose last answer is not known.
    ///
    /// # Panics
    /// When the server refuses.
    #[track_caller]
    pub fn answer(&self, answers: &[(u64, &str)]) -> Value {
        let answers: Vec<Value> = answers.iter().map(|(row, answer)| json!({"row": row, "answer": answer})).collect();
        self.tell("api/answers", &json!({"answers": answers}))
    }

    /// The state as soon as the ranking knows all answers and no refit runs.
    ///
    /// # Panics
    /// When a refit fails, or takes minutes.
    #[track_caller]
    pub fn settled(&self) -> Value {
        let mut state = self.fetch("api/state");
        for _ in 0..1000 {
            assert!(state["fit"]["error"].is_null(), "the refit failed: {}", state["fit"]);
            if state["fit"]["running"] == false && state["progress"]["since_refit"] == 0 {
                return state;
            }
            state = self.fetch(&format!("api/state?after={}", state["version"]));
        }
        panic!("the ranking does not settle: {state:#}");
    }

    /// Ends the program as Ctrl-C does, and waits for it.
    ///
    /// # Panics
    /// When it does not end.
    #[track_caller]
    pub fn interrupt(mut self) -> Ended {
        let sent = Command::new("kill").args(["-INT", &self.process.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill -INT");
        self.ended()
    }

    /// Ends the program as `kill -9` does.
    pub fn kill(mut self) -> Ended {
        let _ = self.process.kill();
        self.ended()
    }

    #[track_caller]
    fn ended(&mut self) -> Ended {
        let waited = crate::within(PATIENCE, || self.process.try_wait().ok().flatten());
        let status = waited.expect("the program ends");
        let (stdout, stderr) = self.output.take().expect("its output");
        let text = |thread: JoinHandle<String>| thread.join().expect("its output is read");
        Ended { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
    }
}

impl Drop for LabelServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The port and the token in a line with the page's address.
fn address(line: &str) -> Option<(u16, String)> {
    let (_, rest) = line.split_once("http://127.0.0.1:")?;
    let (port, rest) = rest.split_once('/')?;
    let (token, _) = rest.split_once('/')?;
    Some((port.parse().ok()?, token.to_owned()))
}
