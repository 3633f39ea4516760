//! A server on this machine whose answers are scripted.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

/// A request that arrived.
#[derive(Clone, Debug)]
pub struct Request {
    /// The path, such as `/Classical/a.npz`.
    pub path: String,
    /// The header lines.
    pub headers: Vec<String>,
}

impl Request {
    /// The first byte of the requested range; `None` when the whole file is requested.
    pub fn from(&self) -> Option<usize> {
        let range = self
            .headers
            .iter()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("range: bytes=").map(str::to_owned));
        range.map(|range| range.strip_suffix('-').unwrap().parse().unwrap())
    }
}

/// Answers every request by a script, which receives the number of earlier requests. Each request has its own connection.
pub struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub fn new(script: impl Fn(usize, &Request) -> Vec<u8> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (seen, stopped) = (requests.clone(), stop.clone());
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                let stream = stream.unwrap();
                let Some(request) = read(&stream) else { continue };
                let before = {
                    let mut seen = seen.lock().unwrap();
                    seen.push(request.clone());
                    seen.len() - 1
                };
                // The client may have closed the connection.
                let _ = (&stream).write_all(&script(before, &request));
            }
        });
        Self { address, requests, stop, thread: Some(thread) }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// The first byte of each requested range.
    pub fn ranges(&self) -> Vec<Option<usize>> {
        self.requests().iter().map(Request::from).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || thread::panicking(), "the script of the server failed");
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let lines: Vec<String> =
        BufReader::new(stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let path = lines.first()?.split(' ').nth(1)?.to_owned();
    Some(Request { path, headers: lines[1..].to_vec() })
}

/// An answer with a status such as `200 OK`, header lines and a body. The only header added is that the connection closes.
pub fn answer(status: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    [format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}\r\n").as_bytes(), body].concat()
}

/// The whole file.
pub fn whole(file: &[u8]) -> Vec<u8> {
    answer("200 OK", &[&format!("Content-Length: {}", file.len())], file)
}

/// The answer of a server that supports ranges.
pub fn ranged(file: &[u8], request: &Request) -> Vec<u8> {
    let total = file.len();
    match request.from() {
        None => whole(file),
        Some(from) if from < total => {
            let range = format!("Content-Range: bytes {from}-{}/{total}", total - 1);
            answer("206 Partial Content", &[&range, &format!("Content-Length: {}", total - from)], &file[from..])
        }
        Some(_) => answer("416 Range Not Satisfiable", &[&format!("Content-Range: bytes */{total}")], b""),
    }
}

/// The same answer without its last bytes.
pub fn cut(mut answer: Vec<u8>, bytes: usize) -> Vec<u8> {
    answer.truncate(answer.len() - bytes);
    answer
}
