//! Requests that the server refuses. The session goes on unharmed.

use anoonly_system_tests::http::Response;
use anoonly_system_tests::label_server::LabelServer;
use serde_json::{Value, json};

use super::{Place, asked};

/// What every answer must carry.
const HEADERS: [(&str, &str); 5] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-store"),
    ("cross-origin-resource-policy", "same-origin"),
];

#[track_caller]
fn has_headers(response: &Response, what: &str) {
    for (name, value) in HEADERS {
        assert_eq!(response.header(name), Some(value), "{what}: {name}");
    }
    assert_eq!(response.header("access-control-allow-origin"), None, "{what}");
}

/// A refusal with this status, a reason for people and the headers.
#[track_caller]
fn refused(response: &Response, status: u16, what: &str) {
    assert_eq!(response.status, status, "{what}: {}", response.text());
    let body = response.json();
    assert!(body["error"].as_str().is_some_and(|reason| reason.len() > 5), "{what}: {body}");
    has_headers(response, what);
}

/// A request in which every part can be wrong.
struct Wrong<'a> {
    method: &'a str,
    path: String,
    /// In place of the server's.
    host: Option<&'a str>,
    headers: Vec<(&'a str, String)>,
    body: String,
}

impl<'a> Wrong<'a> {
    fn get(path: impl Into<String>) -> Self {
        Self { method: "GET", path: path.into(), host: None, headers: Vec::new(), body: String::new() }
    }

    fn post(path: impl Into<String>, body: impl ToString) -> Self {
        let headers = vec![("Content-Type", "application/json".to_owned())];
        Self { method: "POST", body: body.to_string(), headers, ..Self::get(path) }
    }

    fn header(mut self, name: &'a str, value: impl Into<String>) -> Self {
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value.into()));
        self
    }

    fn send(&self, server: &LabelServer) -> Response {
        let own = server.address.to_string();
        let mut text = format!("{} {} HTTP/1.1\r\nHost: {}\r\n", self.method, self.path, self.host.unwrap_or(&own));
        for (name, value) in &self.headers {
            text += &format!("{name}: {value}\r\n");
        }
        if !self.body.is_empty() {
            text += &format!("Content-Length: {}\r\n", self.body.len());
        }
        server.send(format!("{text}\r\n{}", self.body).as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
    }
}

/// An address that lets the server be asked for what it allows, and the state before.
fn started(place: &Place) -> (LabelServer, String, Value) {
    let server = place.start(&[]);
    let (base, state) = (format!("/{}", server.token), server.settled());
    (server, base, state)
}

/// Nothing has changed, and the next answer is taken.
#[track_caller]
fn unharmed(place: &Place, server: &LabelServer, before: &Value) {
    assert_eq!(server.fetch("api/state"), *before);
    assert_eq!(place.standing(), []);
    let row = asked(before)[0];
    let state = server.answer(&[(row, "normal")]);
    assert_eq!((&state["answers"], &state["last"]["row"]), (&json!(1), &json!(row)));
}

#[test]
fn requests_from_elsewhere_are_refused() {
    let place = Place::small();
    let (server, base, before) = started(&place);
    let (state, own) = (format!("{base}/api/state"), server.address.to_string());
    let answers = format!("{base}/api/answers");
    let answer = json!({"answers": [{"row": asked(&before)[0], "answer": "anomaly"}]});
    let other_token = format!("/{}/api/state", "0".repeat(32));
    for path in ["/", "/api/state", "/favicon.ico", other_token.as_str(), &state[..20], &format!("{base}0/api/state")] {
        refused(&Wrong::get(path).send(&server), 403, path);
        refused(&Wrong::post(path, &answer).send(&server), 403, path);
    }
    let port = server.address.port();
    let near = format!("127.0.0.1.evil.example:{port}");
    for host in ["evil.example", &near, &format!("[::1]:{port}"), "0.0.0.0", "192.168.0.1", ""] {
        refused(&Wrong { host: Some(host), ..Wrong::get(&state) }.send(&server), 403, host);
        refused(&Wrong { host: Some(host), ..Wrong::post(&answers, &answer) }.send(&server), 403, host);
    }
    let nowhere = format!("GET {state} HTTP/1.1\r\n\r\n");
    let response = server.send(nowhere.as_bytes()).unwrap();
    assert!([400, 403].contains(&response.status), "without a host: {}", response.status);
    let neighbour = format!("http://127.0.0.1:{}", port ^ 1);
    let same = [format!("https://{own}"), format!("http://localhost:{port}"), format!("http://{own}.evil.example")];
    for origin in ["null", "http://evil.example", &neighbour, &same[0], &same[1], &same[2], "file://"] {
        refused(&Wrong::get(&state).header("Origin", origin).send(&server), 403, origin);
        refused(&Wrong::post(&answers, &answer).header("Origin", origin).send(&server), 403, origin);
    }
    // Forms and images of other sites send no Origin with a GET, but this.
    for site in ["cross-site", "same-site"] {
        refused(&Wrong::get(&state).header("Sec-Fetch-Site", site).send(&server), 403, site);
    }
    // A preflight of another site's script gets no permission.
    let preflight = Wrong { method: "OPTIONS", ..Wrong::get(&answers) };
    let preflight = preflight.header("Origin", "http://evil.example").header("Access-Control-Request-Method", "POST");
    refused(&preflight.send(&server), 403, "preflight");
    // The same requests from the page itself.
    let localhost = format!("localhost:{port}");
    for response in [
        Wrong::get(&state).send(&server),
        Wrong::get(&state)
            .header("Origin", format!("http://{own}"))
            .header("Sec-Fetch-Site", "same-origin")
            .send(&server),
        Wrong { host: Some(&localhost), ..Wrong::get(&state) }.send(&server),
        Wrong::get(format!("{base}/")).send(&server),
    ] {
        assert_eq!(response.status, 200);
        has_headers(&response, "an answer to the page");
    }
    unharmed(&place, &server, &before);
}

#[test]
fn requests_without_sense_are_refused() {
    let place = Place::small();
    let (server, base, before) = started(&place);
    let at = |path: &str| format!("{base}/{path}");
    let one = |row: Value| json!({"answers": [{"row": row, "answer": "anomaly"}]});
    let row = asked(&before)[0];
    let free: Vec<u64> = (1..=80).filter(|row| server.fetch(&format!("api/rows/{row}"))["held_out"] == true).collect();
    assert_eq!(free.len() as u64, before["progress"]["held_out"].as_u64().unwrap());
    let held_out = free[0];
    let list = |filter: Value, sort: Value| json!({"filter": filter, "sort": sort, "from": 0, "count": 10});
    let rank = json!({"by": "rank"});
    let cases = [
        (400, "api/answers", "{\"answers\":[".to_owned()),
        (400, "api/answers", "no JSON".to_owned()),
        (400, "api/answers", String::from_utf8_lossy(&[b'"', 1, b'"']).into_owned()),
        (422, "api/answers", json!([]).to_string()),
        (422, "api/answers", json!({}).to_string()),
        (422, "api/answers", json!({"answers": [{"row": row, "answer": "perhaps"}]}).to_string()),
        (422, "api/answers", json!({"answers": [{"row": row, "answer": "anomaly", "expectd": null}]}).to_string()),
        (422, "api/answers", json!({"answers": [{"row": row, "answer": "anomaly", "note": 1}]}).to_string()),
        (422, "api/answers", one(json!(-1)).to_string()),
        (422, "api/answers", one(json!(1.5)).to_string()),
        (422, "api/answers", one(json!("1")).to_string()),
        (404, "api/answers", one(json!(0)).to_string()),
        (404, "api/answers", one(json!(81)).to_string()),
        (404, "api/answers", one(json!(u64::MAX)).to_string()),
        (422, "api/answers", one(json!(held_out)).to_string()),
        // All or nothing.
        (
            404,
            "api/answers",
            json!({"answers": [{"row": row, "answer": "normal"}, {"row": 81, "answer": "normal"}]}).to_string(),
        ),
        (
            422,
            "api/answers",
            json!({"answers": [{"row": row, "answer": "normal"}, {"row": held_out, "answer": "normal"}]}).to_string(),
        ),
        (422, "api/answers", json!({"answers": vec![json!({"row": row, "answer": "normal"}); 1001]}).to_string()),
        (409, "api/answers", json!({"answers": [{"row": row, "answer": "normal", "expected": "anomaly"}]}).to_string()),
        (409, "api/undo", json!({"answers": 1}).to_string()),
        (422, "api/undo", json!({"answers": -1}).to_string()),
        (422, "api/undo", json!({}).to_string()),
        (404, "api/skip", json!({"row": 0, "skipped": true}).to_string()),
        (404, "api/skip", json!({"row": 81, "skipped": true}).to_string()),
        (422, "api/query", json!({"strategy": "best", "random_share": 0}).to_string()),
        (422, "api/query", json!({"strategy": "top", "random_share": 2}).to_string()),
        (422, "api/query", json!({"strategy": "top", "random_share": -0.1}).to_string()),
        (
            422,
            "api/rows",
            list(json!({"conditions": [{"column": "nosuch", "test": "missing"}]}), rank.clone()).to_string(),
        ),
        (422, "api/rows", list(json!({}), json!({"by": "column", "column": "nosuch"})).to_string()),
        (422, "api/rows", list(json!({}), json!({"by": "column"})).to_string()),
        (422, "api/rows", list(json!({"answer": "perhaps"}), rank.clone()).to_string()),
        (422, "api/save", json!({"threshold": {"rule": "best", "value": 0.1}}).to_string()),
    ];
    for (status, path, body) in cases {
        let short: String = body.chars().take(100).collect();
        refused(&Wrong::post(at(path), &body).send(&server), status, &format!("{path} {short}"));
    }
    for path in ["api/rows/0", "api/rows/81", "api/rows/99999999999999999999", "api/rows/x", "api/rows/-1"] {
        let status = if ["api/rows/0", "api/rows/81"].contains(&path) { 404 } else { 400 };
        refused(&Wrong::get(at(path)).send(&server), status, path);
        refused(&Wrong::get(at(&format!("{path}/reasons"))).send(&server), status, path);
    }
    refused(&Wrong::get(at("api/state?after=x")).send(&server), 400, "after=x");
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""] {
        let sent = Wrong::post(at("api/answers"), one(json!(row))).header("Content-Type", kind).send(&server);
        refused(&sent, 415, kind);
    }
    for (method, path) in
        [("PUT", "api/answers"), ("DELETE", "api/state"), ("GET", "api/answers"), ("POST", "api/state"), ("PATCH", "")]
    {
        let sent = Wrong { method, ..Wrong::post(at(path), one(json!(row))) }.send(&server);
        refused(&sent, 405, &format!("{method} {path}"));
    }
    for path in [
        "../../../etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "api/../../small.csv",
        "small.csv",
        "label.css/..",
        "api",
        "%00",
        "journal",
    ] {
        refused(&Wrong::get(at(path)).send(&server), 404, path);
    }
    unharmed(&place, &server, &before);
}

#[test]
fn requests_without_measure_are_refused() {
    let place = Place::small();
    let (server, base, before) = started(&place);
    let answers = format!("{base}/api/answers");
    let note = "n".repeat(2 << 20);
    let body = json!({"answers": [{"row": asked(&before)[0], "answer": "anomaly", "note": note}]});
    refused(&Wrong::post(&answers, &body).send(&server), 413, "a body of 2 MiB");
    // The same without its length in advance.
    let chunk = format!("{:x}\r\n{}\r\n0\r\n\r\n", note.len(), note);
    let own = server.address;
    let start = format!(
        "POST {answers} HTTP/1.1\r\nHost: {own}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    refused(&server.send(format!("{start}{chunk}").as_bytes()).unwrap(), 413, "a body of 2 MiB in chunks");
    // HTTP itself refuses these.
    let long = "x".repeat(2 << 20);
    for request in [
        format!("GET {base}/api/state HTTP/1.1\r\nHost: {own}\r\nX-Long: {long}\r\n\r\n"),
        format!("GET {base}/{long} HTTP/1.1\r\nHost: {own}\r\n\r\n"),
        format!("GET {base}/api/state HTTP/1.1\r\nHost: {own}\r\n{}\r\n", "X-Many: 1\r\n".repeat(10_000)),
        "no HTTP\r\n\r\n".to_owned(),
    ] {
        let what: String = request.chars().take(80).collect();
        match server.send(request.as_bytes()) {
            Ok(response) => assert!([400, 414, 431].contains(&response.status), "{what}: {}", response.status),
            // It may close the connection while more is being sent.
            Err(error) => assert!(error.kind() != std::io::ErrorKind::TimedOut, "{what}: {error}"),
        }
    }
    // A long note is one that fits.
    let fits = json!({"answers": [{"row": asked(&before)[0], "answer": "anomaly", "note": "ä".repeat(200_000)}]});
    assert_eq!(server.fetch("api/state"), before);
    assert_eq!(server.accepted("api/answers", &fits)["answers"], 1);
    assert_eq!(place.standing()[0].note.as_ref().map(String::len), Some(400_000));
}

#[test]
fn a_thousand_answers_at_once_are_taken() {
    let row = |row: usize| format!("T{row},{},{}\n", (row * 7) % 11, (row * 5) % 13);
    let place = Place::new("small.csv", &format!("id,size,weight\n{}", (0..1100).map(row).collect::<String>()));
    let server = place.start(&["--held-out", "0"]);
    let answers: Vec<(u64, &str)> =
        (1..=1000).map(|row| (row, if row % 3 == 0 { "anomaly" } else { "normal" })).collect();
    let state = server.answer(&answers);
    assert_eq!((&state["answers"], &state["progress"]["anomalies"]), (&json!(1000), &json!(333)));
    assert_eq!(place.standing().len(), 1000);
}

/// The server listens on the loopback interface and nowhere else.
#[test]
#[cfg(target_os = "linux")]
fn only_this_computer_is_listened_to() {
    let place = Place::small();
    let server = place.start(&[]);
    let port = format!(":{:04X}", server.address.port());
    // The second field is the local address, the fourth the state: 0A listens.
    let listening = |file: &str| -> Vec<String> {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let fields = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let own = fields.filter(|fields| fields.get(3) == Some(&"0A") && fields[1].ends_with(&port));
        own.map(|fields| fields[1].to_owned()).collect()
    };
    assert_eq!(listening("/proc/net/tcp"), [format!("0100007F{port}")]);
    assert_eq!(listening("/proc/net/tcp6"), Vec::<String>::new());
}

/// The list of processes shows the address that a browser is started with to every user.
#[cfg(target_os = "linux")]
#[test]
fn a_browser_is_opened_with_an_address_that_works_once() {
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;
    let place = Place::small();
    let programs = tempfile::tempdir().unwrap();
    let opener = programs.path().join("xdg-open");
    std::fs::write(&opener, "#!/bin/sh\necho \"$1\" > opening\nPATH=/bin:/usr/bin mv opening opened\n").unwrap();
    std::fs::set_permissions(&opener, std::fs::Permissions::from_mode(0o755)).unwrap();
    let server = LabelServer::opening(place.folder.path(), &["small.csv", "--id", "id"], programs.path());
    let opened =
        anoonly_system_tests::within(Duration::from_secs(60), || std::fs::read_to_string(place.file("opened")).ok())
            .unwrap();
    let (host, key) = opened.trim().strip_prefix("http://").unwrap().split_once('/').unwrap();
    assert!(!server.page().contains(key.trim_matches('/')), "the token itself is shown to everyone");
    let ask = |host: &str| {
        let request = format!("GET /{key} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        server.send(request.as_bytes()).unwrap()
    };
    assert_eq!(ask("evil.example").status, 403);
    let first = ask(host);
    assert_eq!((first.status, server.page().ends_with(first.header("location").unwrap())), (303, true));
    assert_eq!(ask(host).status, 403);
}
