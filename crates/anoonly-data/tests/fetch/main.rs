//! Downloads from a server on this machine, whole and broken.

#![cfg(feature = "fetch")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod server;

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anoonly_data::fetch::{Digest, Event, FetchError, Fetched, Fetcher, Wanted};

use server::{Request, Server, answer, cut, ranged, whole};

/// Bytes of a file that take several blocks and no two of which may change places.
fn file() -> Vec<u8> {
    (0..300_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// The same file as a data set whose length is known.
fn known() -> Wanted {
    let file = file();
    Wanted::new("Classical", "a", Some(file.len() as u64), Digest::of(&file)).unwrap()
}

fn of_unknown_length() -> Wanted {
    Wanted::new("Classical", "a", None, Digest::of(&file())).unwrap()
}

/// What is true of every fetch here: what it told, and what stands in its folder then.
struct Done {
    folder: tempfile::TempDir,
    result: Result<Fetched, FetchError>,
    retries: Vec<String>,
    progress: Vec<(u64, Option<u64>)>,
}

impl Done {
    #[track_caller]
    fn downloaded(&self) {
        let goal = goal(self.folder.path());
        assert_eq!(self.result.as_ref().unwrap(), &Fetched::Downloaded(goal.clone()));
        assert!(fs::read(goal).unwrap() == file());
        assert_eq!(self.names(), ["a.npz"]);
    }

    /// The names in the data set's folder.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path().join("Classical")).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[track_caller]
    fn failed(&self, told: &[&str]) -> &FetchError {
        let error = self.result.as_ref().unwrap_err();
        for told in told {
            assert!(error.to_string().contains(told), "`{told}` is not in: {error}");
        }
        error
    }

    fn part(&self) -> Vec<u8> {
        fs::read(part(self.folder.path())).unwrap()
    }
}

fn goal(folder: &Path) -> PathBuf {
    folder.join("Classical").join("a.npz")
}

fn part(folder: &Path) -> PathBuf {
    folder.join("Classical").join("a.npz.part")
}

/// A folder in which so many bytes of the data set stand, as an earlier run left them.
fn folder_with_part(bytes: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("Classical")).unwrap();
    fs::write(part(folder.path()), bytes).unwrap();
    folder
}

fn fetcher(folder: &Path, url: &str) -> Fetcher {
    Fetcher::new(folder, url).unwrap().with_pause(Duration::ZERO)
}

fn fetch_into(folder: tempfile::TempDir, server: &Server, set: &Wanted) -> Done {
    let (mut retries, mut progress) = (Vec::new(), Vec::new());
    let result = fetcher(folder.path(), &server.url()).fetch(set, &mut |event| match event {
        Event::Waiting => panic!("nobody else is here"),
        Event::Progress { have, of } => progress.push((have, of)),
        Event::Retrying { reason, pause } => {
            assert_eq!(pause, Duration::ZERO);
            retries.push(reason.to_owned());
        }
    });
    Done { folder, result, retries, progress }
}

fn fetch(server: &Server, set: &Wanted) -> Done {
    fetch_into(tempfile::tempdir().unwrap(), server, set)
}

#[test]
fn a_file_comes_whole() {
    let server = Server::new(|_, request| ranged(&file(), request));
    let done = fetch(&server, &known());
    done.downloaded();
    assert_eq!(server.requests()[0].path, "/Classical/a.npz");
    assert!(server.requests()[0].headers.iter().any(|line| line.eq_ignore_ascii_case("accept-encoding: identity")));
    assert_eq!(done.progress.first(), Some(&(0, Some(300_000))));
    assert_eq!(done.progress.last(), Some(&(300_000, Some(300_000))));
    assert!(done.progress.is_sorted() && done.retries.is_empty());

    let done = fetch(&server, &of_unknown_length());
    done.downloaded();
    assert_eq!(done.progress[0], (0, Some(300_000)));
}

#[test]
fn a_file_that_is_there_is_not_asked_for() {
    let server = Server::new(|_, _| whole(&file()));
    let done = fetch(&server, &known());
    done.downloaded();
    let again = fetch_into(done.folder, &server, &known());
    assert_eq!(again.result.as_ref().unwrap(), &Fetched::AlreadyThere(goal(again.folder.path())));
    assert_eq!(server.requests().len(), 1);

    fs::write(goal(again.folder.path()), "mine").unwrap();
    let other = fetch_into(again.folder, &server, &known());
    let error = other.failed(&["another file", "a.npz", &Digest::of(b"mine").to_string()]);
    assert!(error.is_input());
    assert_eq!(fs::read(goal(other.folder.path())).unwrap(), b"mine");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_part_of_an_earlier_run_is_gone_on_with() {
    for set in [known(), of_unknown_length()] {
        let server = Server::new(|_, request| ranged(&file(), request));
        let done = fetch_into(folder_with_part(&file()[..123_456]), &server, &set);
        done.downloaded();
        assert_eq!(server.ranges(), [Some(123_456)]);
        assert_eq!(done.progress[0], (123_456, Some(300_000)));
    }
}

#[test]
fn a_part_that_is_whole_needs_no_bytes() {
    let server = Server::new(|_, request| ranged(&file(), request));
    fetch_into(folder_with_part(&file()), &server, &known()).downloaded();
    assert_eq!(server.requests().len(), 0);
    let done = fetch_into(folder_with_part(&file()), &server, &of_unknown_length());
    done.downloaded();
    assert_eq!(server.ranges(), [Some(300_000)]);
    assert!(done.retries.is_empty());
}

#[test]
fn a_part_that_is_too_long_is_given_up() {
    let long = [file(), vec![0; 5]].concat();
    let server = Server::new(|_, request| ranged(&file(), request));
    fetch_into(folder_with_part(&long), &server, &known()).downloaded();
    assert_eq!(server.ranges(), [None]);
    let done = fetch_into(folder_with_part(&long), &server, &of_unknown_length());
    done.downloaded();
    assert_eq!(server.ranges(), [None, Some(300_005), None]);
    assert_eq!(done.retries, ["the server has no bytes from there on"]);
}

#[test]
fn a_server_without_ranges_sends_all_anew() {
    let server = Server::new(|_, _| whole(&file()));
    let done = fetch_into(folder_with_part(&[7; 1000]), &server, &known());
    done.downloaded();
    assert_eq!(server.ranges(), [Some(1000)]);
}

#[test]
fn a_wrong_range_is_not_taken() {
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
    assert_eq!(done.retries, ["the server answered with another range than it was asked for"]);
}

#[test]
fn a_range_in_pieces_is_asked_for_until_it_is_whole() {
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
fn a_broken_transfer_goes_on_where_it_stopped() {
    // Each answer brings a thousand bytes more, oftener than a transfer may break off without anything new.
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
    assert!(done.retries[0].starts_with("the transfer broke off: "), "{}", done.retries[0]);
}

#[test]
fn a_transfer_that_always_breaks_is_given_up_and_its_bytes_kept() {
    let server = Server::new(|_, request| match request.from() {
        None => cut(whole(&file()), 200_000),
        Some(from) => cut(ranged(&file(), request), 300_000 - from),
    });
    let done = fetch(&server, &known());
    let error = done.failed(&["100000 bytes are kept in", "a.npz.part", "goes on from there", &server.url()]);
    assert!(!error.is_input());
    // The first breaks off after something new, four more bring nothing.
    assert_eq!(server.requests().len(), 5);
    assert_eq!(done.retries.len(), 4);
    assert!(done.part() == file()[..100_000]);
    assert_eq!(done.names(), ["a.npz.part"]);

    let healed = Server::new(|_, request| ranged(&file(), request));
    fetch_into(done.folder, &healed, &known()).downloaded();
    assert_eq!(healed.ranges(), [Some(100_000)]);
}

#[test]
fn a_server_without_ranges_that_always_breaks_is_given_up() {
    let server = Server::new(|_, _| cut(whole(&file()), 150_000));
    let done = fetch(&server, &known());
    done.failed(&["150000 bytes are kept"]);
    assert_eq!(server.requests().len(), 5);
    assert!(done.part() == file()[..150_000]);
}

#[test]
fn a_server_that_is_not_there_is_told() {
    // A port that no server of another test is given.
    let url = "http://127.0.0.1:1";
    let folder = tempfile::tempdir().unwrap();
    let error = fetcher(folder.path(), url).fetch(&known(), &mut |_| {}).unwrap_err();
    let told = error.to_string();
    assert!(told.contains(url) && told.contains("no answer") && told.contains("nothing was received"), "{told}");
}

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
        done.failed(&[&format!("the server has {length} bytes"), "the data set has 300000", "another file"]);
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
    done.failed(&["more than 300000 bytes", "another file"]);
    assert!(done.names().is_empty());
    assert!(done.progress.iter().all(|(have, _)| *have <= 300_000));
}

#[test]
fn a_body_without_a_length_is_taken_to_its_end() {
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
fn a_server_in_trouble_is_asked_again() {
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
fn a_redirect_is_followed_with_its_range() {
    let script = |_: usize, request: &Request| match request.path.as_str() {
        "/Classical/a.npz" => answer("302 Found", &["Location: /elsewhere", "Content-Length: 0"], b""),
        _ => ranged(&file(), request),
    };
    let server = Server::new(script);
    fetch_into(folder_with_part(&file()[..1000]), &server, &known()).downloaded();
    assert_eq!(server.ranges(), [Some(1000), Some(1000)]);
    let server = Server::new(|_, _| answer("302 Found", &["Location: /Classical/a.npz", "Content-Length: 0"], b""));
    fetch(&server, &known()).failed(&["leads on and on"]);
}

#[test]
fn a_fetch_waits_for_another_into_the_same_folder() {
    let folder = tempfile::tempdir().unwrap();
    let lock = OpenOptions::new().create(true).truncate(false).write(true).open(folder.path().join(".lock")).unwrap();
    lock.lock().unwrap();
    let server = Server::new(|_, request| ranged(&file(), request));
    let mut lock = Some(lock);
    let mut waited = 0;
    let result = fetcher(folder.path(), &server.url()).fetch(&known(), &mut |event| {
        if event == Event::Waiting {
            waited += 1;
            // The other has brought the file and goes.
            fs::write(goal(folder.path()), file()).unwrap();
            lock.take();
        }
    });
    assert_eq!(result.unwrap(), Fetched::AlreadyThere(goal(folder.path())));
    assert_eq!((waited, server.requests().len()), (1, 0));
}

#[test]
fn several_fetches_at_once_bring_one_whole_file() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::new(|before, request| cut(ranged(&file(), request), if before < 3 { 50_000 } else { 0 }));
    let fetched: Vec<Fetched> = std::thread::scope(|scope| {
        let one = || fetcher(folder.path(), &server.url()).fetch(&known(), &mut |_| {}).unwrap();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(one)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let downloaded = Fetched::Downloaded(goal(folder.path()));
    assert_eq!(fetched.iter().filter(|&fetched| *fetched == downloaded).count(), 1);
    assert!(fs::read(goal(folder.path())).unwrap() == file());
    assert!(!part(folder.path()).exists());
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
