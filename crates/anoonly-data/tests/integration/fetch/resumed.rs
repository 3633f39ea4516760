//! Transfers that continue an earlier one.

use super::server::{Request, Server, answer, cut, ranged, whole};
use super::{fetch, fetch_into, file, folder_with_part, known, of_unknown_length};

#[test]
fn the_part_of_an_earlier_run_is_continued() {
    for set in [known(), of_unknown_length()] {
        let server = Server::new(|_, request| ranged(&file(), request));
        let done = fetch_into(folder_with_part(&file()[..123_456]), &server, &set);
        done.downloaded();
        assert_eq!(server.ranges(), [Some(123_456)]);
        assert_eq!(done.progress[0], (123_456, Some(300_000)));
    }
}

#[test]
fn a_complete_part_needs_no_more_bytes() {
    let server = Server::new(|_, request| ranged(&file(), request));
    fetch_into(folder_with_part(&file()), &server, &known()).downloaded();
    assert_eq!(server.requests().len(), 0);
    let done = fetch_into(folder_with_part(&file()), &server, &of_unknown_length());
    done.downloaded();
    assert_eq!(server.ranges(), [Some(300_000)]);
    assert!(done.retries.is_empty());
}

#[test]
fn a_part_that_is_too_long_is_discarded() {
    let long = [file(), vec![0; 5]].concat();
    let server = Server::new(|_, request| ranged(&file(), request));
    fetch_into(folder_with_part(&long), &server, &known()).downloaded();
    assert_eq!(server.ranges(), [None]);
    let done = fetch_into(folder_with_part(&long), &server, &of_unknown_length());
    done.downloaded();
    assert_eq!(server.ranges(), [None, Some(300_005), None]);
    assert_eq!(done.retries, ["the server has no bytes beyond those received"]);
}

#[test]
fn a_server_without_ranges_sends_the_whole_file_again() {
    let server = Server::new(|_, _| whole(&file()));
    let done = fetch_into(folder_with_part(&[7; 1000]), &server, &known());
    done.downloaded();
    assert_eq!(server.ranges(), [Some(1000)]);
}

#[test]
fn a_wrong_range_is_refused() {
    let script = |before: usize, request: &Request| match before {
        0 => {
            let range = ["Content-Range: bytes 0-299999/300000", "Content-Length: 300000"];
            answer("206 Partial Content", &range, &file())
        }
        _ => ranged(&file(), request),
    };
    let server = Server::new(script);
    let done = fetch_into(folder_with_part(&file()[..1000]), &server, &known());
    done.downloaded();
    assert_eq!(server.ranges(), [Some(1000), None]);
    assert_eq!(done.retries, ["the server sent another range than requested"]);
}

#[test]
fn a_range_in_pieces_is_requested_until_it_is_complete() {
    let script = |_: usize, request: &Request| {
        let from = request.from().unwrap_or(0);
        let piece = &file()[from..(from + 100_000).min(300_000)];
        match from {
            0 => cut(whole(&file()), 200_000),
            _ => {
                let range = format!("Content-Range: bytes {from}-{}/300000", from + piece.len() - 1);
                answer("206 Partial Content", &[&range, &format!("Content-Length: {}", piece.len())], piece)
            }
        }
    };
    let server = Server::new(script);
    let done = fetch(&server, &known());
    done.downloaded();
    assert_eq!(server.ranges(), [None, Some(100_000), Some(200_000)]);
    assert_eq!(done.retries[1], "the server stopped at 200000 of 300000 bytes");
}

#[test]
fn a_redirect_is_followed_with_the_range() {
    let script = |_: usize, request: &Request| match request.path.as_str() {
        "/Classical/a.npz" => answer("302 Found", &["Location: /elsewhere", "Content-Length: 0"], b""),
        _ => ranged(&file(), request),
    };
    let server = Server::new(script);
    fetch_into(folder_with_part(&file()[..1000]), &server, &known()).downloaded();
    assert_eq!(server.ranges(), [Some(1000), Some(1000)]);
    let server = Server::new(|_, _| answer("302 Found", &["Location: /Classical/a.npz", "Content-Length: 0"], b""));
    fetch(&server, &known()).failed(&["too many redirects"]);
}
