//! Complete transfers.

use std::fs::{self, OpenOptions};

use anoonly_core::Digest;
use anoonly_data::fetch::{Event, Fetched};

use super::server::{Server, cut, ranged, whole};
use super::{fetch, fetch_into, fetcher, file, goal, known, of_unknown_length, part};

#[test]
fn a_file_is_fetched_whole() {
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

    let below = fetcher(done.folder.path(), "https://example.org/sets/");
    assert_eq!(below.url(&known()), "https://example.org/sets/Classical/a.npz");
}

#[test]
fn an_existing_file_is_not_requested() {
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
            // The other process has fetched the file and ends.
            fs::write(goal(folder.path()), file()).unwrap();
            lock.take();
        }
    });
    assert_eq!(result.unwrap(), Fetched::AlreadyThere(goal(folder.path())));
    assert_eq!((waited, server.requests().len()), (1, 0));
}

#[test]
fn several_fetches_at_once_download_one_whole_file() {
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
