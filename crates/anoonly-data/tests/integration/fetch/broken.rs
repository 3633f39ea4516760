//! Interrupted transfers.

use super::server::{Request, Server, answer, cut, ranged, whole};
use super::{fetch, fetch_into, fetcher, file, known, of_unknown_length};

#[test]
fn an_interrupted_transfer_continues_where_it_stopped() {
    // Each answer brings a thousand bytes more. There are more answers than tries that may fail without anything new.
    let script = |before: usize, request: &Request| match before {
        0..=7 => cut(ranged(&file(), request), 299_000 - 1000 * before),
        _ => ranged(&file(), request),
    };
    let server = Server::new(script);
    let done = fetch(&server, &known());
    done.downloaded();
    let expected: Vec<Option<usize>> = (0..=8).map(|n| (n > 0).then_some(1000 * n)).collect();
    assert_eq!(server.ranges(), expected);
    assert_eq!(done.retries.len(), 8);
    assert!(done.retries[0].starts_with("the transfer was interrupted: "), "{}", done.retries[0]);
}

#[test]
fn a_transfer_that_is_always_interrupted_is_abandoned_and_its_bytes_kept() {
    let server = Server::new(|before, request| match request.from() {
        None => cut(whole(&file()), 200_000),
        Some(from) if before < 9 => cut(ranged(&file(), request), 300_000 - from),
        Some(_) => ranged(&file(), request),
    });
    let done = fetch(&server, &known());
    let error = done.failed(&["100000 bytes are kept in", "a.npz.part", "continues from there", &server.url()]);
    assert!(!error.is_input());
    // The first try brings something new, four more bring nothing.
    assert_eq!(server.requests().len(), 5);
    assert_eq!(done.retries.len(), 4);
    assert!(done.part() == file()[..100_000]);
    assert_eq!(done.names(), ["a.npz.part"]);

    let healed = Server::new(|_, request| ranged(&file(), request));
    fetch_into(done.folder, &healed, &known()).downloaded();
    assert_eq!(healed.ranges(), [Some(100_000)]);
}

#[test]
fn a_server_without_ranges_that_always_interrupts_is_abandoned() {
    // Every second answer brings fewer bytes than the one before, so that the next one brings more again.
    let server = Server::new(|before, _| match before {
        0..9 => cut(whole(&file()), 150_000 + 50_000 * (before % 2)),
        _ => whole(&file()),
    });
    let done = fetch(&server, &known());
    done.failed(&["150000 bytes are kept"]);
    assert_eq!(server.requests().len(), 5);
    assert!(done.part() == file()[..150_000]);
}

#[test]
fn an_unreachable_server_is_named() {
    // No test server gets this port.
    let url = "http://127.0.0.1:1";
    let folder = tempfile::tempdir().unwrap();
    let error = fetcher(folder.path(), url).fetch(&known(), &mut |_| {}).unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains(url) && message.contains("no response") && message.contains("nothing was received"),
        "{message}"
    );
}

#[test]
fn a_request_is_repeated_after_a_server_error() {
    let trouble = || answer("503 Service Unavailable", &["Content-Length: 0"], b"");
    let server = Server::new(move |before, request| if before < 3 { trouble() } else { ranged(&file(), request) });
    let done = fetch(&server, &known());
    done.downloaded();
    assert_eq!(done.retries, ["the server answered 503 Service Unavailable"; 3]);
    let server = Server::new(move |_, _| trouble());
    fetch(&server, &known()).failed(&["503 Service Unavailable", "nothing was received"]);
    assert_eq!(server.requests().len(), 5);
}

#[test]
fn a_body_without_a_length_is_read_to_its_end() {
    let server = Server::new(|_, _| answer("200 OK", &[], &file()));
    fetch(&server, &known()).downloaded();
    fetch(&server, &of_unknown_length()).downloaded();
    let script = |before: usize, request: &Request| match before {
        0 => answer("200 OK", &[], &file()[..200_000]),
        _ => ranged(&file(), request),
    };
    let server = Server::new(script);
    let done = fetch(&server, &known());
    done.downloaded();
    assert_eq!(done.retries, ["the server stopped at 200000 of 300000 bytes"]);
}
