//! Where the server is, and requests to it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use serde_json::{Value, json};

use crate::http::{Client, Response};

/// The page's server, as one who was given its address knows it.
#[derive(Clone, Debug)]
pub struct Site {
    /// Where it listens.
    pub address: SocketAddr,
    /// The secret part of its addresses.
    pub token: String,
}

impl Site {
    /// The site whose address stands in a line.
    pub(super) fn in_line(line: &str) -> Option<Self> {
        let (_, rest) = line.split_once("http://127.0.0.1:")?;
        let (port, rest) = rest.split_once('/')?;
        let (token, _) = rest.split_once('/')?;
        Some(Self { address: (Ipv4Addr::LOCALHOST, port.parse().ok()?).into(), token: token.to_owned() })
    }

    /// The address of the page.
    pub fn page(&self) -> String {
        format!("http://{}/{}/", self.address, self.token)
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
    pub fn accepted(&self, path: &str, body: &Value) -> Value {
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
        self.accepted("api/answers", &json!({"answers": answers}))
    }

    /// The state as soon as the ranking knows all answers, what it has learnt is described, and no refit runs.
    ///
    /// # Panics
    /// When a refit fails, or takes minutes.
    #[track_caller]
    pub fn settled(&self) -> Value {
        let mut state = self.fetch("api/state");
        for _ in 0..1000 {
            assert!(state["fit"]["error"].is_null(), "the refit failed: {}", state["fit"]);
            let fitted = state["fit"]["running"] == false && state["progress"]["since_refit"] == 0;
            if fitted && state["learnt"] == state["fit"]["number"] {
                return state;
            }
            state = self.fetch(&format!("api/state?after={}", state["version"]));
        }
        panic!("the ranking does not settle: {state:#}");
    }
}
