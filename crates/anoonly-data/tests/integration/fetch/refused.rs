//! Responses that are refused.

use std::fs;

use anoonly_core::Digest;
use anoonly_data::fetch::{FetchError, Fetcher};

use super::server::{Server, answer, ranged, whole};
use super::{fetch, fetch_into, file, folder_with_part, known, of_unknown_length};

#[test]
fn wrong_content_is_deleted() {
    let mut other = file();
    other[200_000] ^= 1;
    let found = Digest::of(&other).to_string();
    let server = Server::new(move |_, request| ranged(&other, request));
    for set in [known(), of_unknown_length()] {
        let done = fetch(&server, &set);
        let error = done.failed(&[&found, &Digest::of(&file()).to_string(), "deleted", &server.url()]);
        assert!(!error.is_input());
        assert!(done.names().is_empty());
    }
    // Wrong bytes of an earlier run do not affect the next.
    let server = Server::new(|_, request| ranged(&file(), request));
    let done = fetch_into(folder_with_part(&[7; 1000]), &server, &known());
    done.failed(&["deleted"]);
    fetch_into(done.folder, &server, &known()).downloaded();
}

#[test]
fn a_wrong_length_is_refused_before_anything_is_received() {
    for length in [299_999, 300_001, 2_000_000_000] {
        let server = Server::new(move |_, _| answer("200 OK", &[&format!("Content-Length: {length}")], b"abc"));
        let done = fetch(&server, &known());
        let error = done.failed(&[
            &format!("the file on the server has {length} bytes"),
            "the data set has 300000",
            "another file",
        ]);
        assert!(!error.is_input());
        assert_eq!(server.requests().len(), 1);
        assert!(done.names().is_empty() && done.progress.is_empty());
    }
    let server = Server::new(|_, _| answer("200 OK", &["Content-Length: 2000000000"], b"abc"));
    fetch(&server, &of_unknown_length()).failed(&["more than 1073741824 bytes"]);
    let range = ["Content-Range: bytes 1000-299999/300001", "Content-Length: 299000"];
    let server = Server::new(move |_, _| answer("206 Partial Content", &range, &file()[1000..]));
    let done = fetch_into(folder_with_part(&file()[..1000]), &server, &known());
    done.failed(&["the file on the server has 300001 bytes"]);
    assert!(done.part() == file()[..1000]);
}

#[test]
fn an_endless_body_is_not_kept() {
    let long = [file(), file()].concat();
    let server = Server::new(move |_, _| answer("200 OK", &[], &long));
    let done = fetch(&server, &known());
    let error = done.failed(&["more than 300000 bytes", "another file"]);
    assert!(!error.is_input());
    assert!(done.names().is_empty());
    assert!(done.progress.iter().all(|(have, _)| *have <= 300_000));
}

#[test]
fn a_refused_request_is_not_repeated() {
    for (status, advice) in [
        ("404 Not Found", "there is no such file"),
        ("403 Forbidden", "access is denied"),
        ("204 No Content", "does not serve the file"),
    ] {
        let server = Server::new(move |_, _| answer(status, &["Content-Length: 0"], b""));
        let done = fetch(&server, &known());
        let error = done.failed(&[status, advice, &format!("{}/Classical/a.npz", server.url())]);
        assert!(!error.is_input());
        assert_eq!(server.requests().len(), 1);
        assert!(done.names().is_empty());
    }
}

#[test]
fn bad_addresses_are_refused() {
    for (url, reason) in [
        ("ftp://example.org/a", "neither https:// nor http://"),
        ("example.org", "neither https:// nor http://"),
        ("/a/b", "it names no server"),
        ("http://a b", "is needed"),
        ("", "is needed"),
    ] {
        let error = Fetcher::new("unused", url).unwrap_err();
        assert!(error.to_string().contains(reason), "{url}: {error}");
        assert!(error.is_input());
    }
}

#[test]
fn a_folder_that_cannot_be_created_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("Classical"), "a file in the way").unwrap();
    let server = Server::new(|_, _| whole(&file()));
    let done = fetch_into(folder, &server, &known());
    assert!(matches!(done.failed(&["Classical"]), FetchError::Io { .. }));
    assert!(server.requests().is_empty());
}
