//! What is not taken, and is told.

use std::fs;

use anoonly_data::fetch::{Digest, FetchError, Fetcher};

use crate::server::{Server, answer, ranged, whole};
use crate::{fetch, fetch_into, file, folder_with_part, known, of_unknown_length};

#[test]
fn another_content_is_deleted_and_told() {
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
    // Bytes of an earlier run that are wrong do not stand in the way of the next.
    let server = Server::new(|_, request| ranged(&file(), request));
    let done = fetch_into(folder_with_part(&[7; 1000]), &server, &known());
    done.failed(&["deleted"]);
    fetch_into(done.folder, &server, &known()).downloaded();
}

#[test]
fn another_length_is_refused_before_a_byte_is_taken() {
    for length in [299_999, 300_001, 2_000_000_000] {
        let server = Server::new(move |_, _| answer("200 OK", &[&format!("Content-Length: {length}")], b"abc"));
        let done = fetch(&server, &known());
        let error =
            done.failed(&[&format!("the server has {length} bytes"), "the data set has 300000", "another file"]);
        assert!(!error.is_input());
        assert_eq!(server.requests().len(), 1);
        assert!(done.names().is_empty() && done.progress.is_empty());
    }
    let server = Server::new(|_, _| answer("200 OK", &["Content-Length: 2000000000"], b"abc"));
    fetch(&server, &of_unknown_length()).failed(&["more than 1073741824 bytes"]);
    let range = ["Content-Range: bytes 1000-299999/300001", "Content-Length: 299000"];
    let server = Server::new(move |_, _| answer("206 Partial Content", &range, &file()[1000..]));
    let done = fetch_into(folder_with_part(&file()[..1000]), &server, &known());
    done.failed(&["the server has 300001 bytes"]);
    assert!(done.part() == file()[..1000]);
}

#[test]
fn a_body_that_does_not_end_is_not_written() {
    let long = [file(), file()].concat();
    let server = Server::new(move |_, _| answer("200 OK", &[], &long));
    let done = fetch(&server, &known());
    let error = done.failed(&["more than 300000 bytes", "another file"]);
    assert!(!error.is_input());
    assert!(done.names().is_empty());
    assert!(done.progress.iter().all(|(have, _)| *have <= 300_000));
}

#[test]
fn a_refusal_is_told_and_not_repeated() {
    for (status, told) in [
        ("404 Not Found", "there is no such file"),
        ("403 Forbidden", "closed to you"),
        ("204 No Content", "does not serve the file"),
    ] {
        let server = Server::new(move |_, _| answer(status, &["Content-Length: 0"], b""));
        let done = fetch(&server, &known());
        let error = done.failed(&[status, told, "--url", &format!("{}/Classical/a.npz", server.url())]);
        assert!(!error.is_input());
        assert_eq!(server.requests().len(), 1);
        assert!(done.names().is_empty());
    }
}

#[test]
fn bad_addresses_are_told() {
    for (url, told) in [
        ("ftp://example.org/a", "neither https:// nor http://"),
        ("example.org", "neither https:// nor http://"),
        ("/a/b", "no server is named"),
        ("http://a b", "is needed"),
        ("", "is needed"),
    ] {
        let error = Fetcher::new("unused", url).unwrap_err();
        assert!(error.to_string().contains(told), "{url}: {error}");
        assert!(error.is_input());
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_told() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("Classical"), "a file in the way").unwrap();
    let server = Server::new(|_, _| whole(&file()));
    let done = fetch_into(folder, &server, &known());
    assert!(matches!(done.failed(&["Classical"]), FetchError::Io { .. }));
    assert!(server.requests().is_empty());
}
