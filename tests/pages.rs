//! The browser of the tests, on pages of its own: what it must notice, it notices.

use std::path::Path;
use std::time::Duration;

use anoonly_system_tests::accessibility::{AXE, violations};
use anoonly_system_tests::browser::{Browser, View};
use anoonly_system_tests::within;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// A page with a button that counts, a note, a list that scrolls, and nothing to complain about.
const GOOD: &str = r#"<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Good</title><link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width">
<style>:root{color-scheme:light dark} .list{height:100px;overflow:auto} .tall{height:2000px} button{padding:1em}</style></head>
<body><main><h1>A page</h1><p id="keys"></p><button id="button">0</button><label>Note <input id="note"></label>
<div class="list" id="list" tabindex="0" role="region" aria-label="A list"><div class="tall">tall</div></div></main>
<script>
const keys = document.getElementById('keys'), button = document.getElementById('button');
document.addEventListener('keydown', event => {
    if (event.target.id !== 'note') keys.textContent += `${event.shiftKey ? 'Shift+' : ''}${event.key} `;
});
button.addEventListener('click', event => button.textContent = Number(button.textContent) + (event.ctrlKey ? 10 : 1));
</script></body></html>"#;

/// A page with one fault of each kind.
const BAD: &str = r#"<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Bad</title><link rel="icon" href="data:,">
<meta http-equiv="Content-Security-Policy" content="style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src http:; img-src file:"></head>
<body><main><h1>A page</h1><p style="color:#bbb;background:#fff">pale</p><button id="button"></button><div style="width:3000px">wide</div>
<img src="nowhere.png" alt="nothing"></main>
<script>console.log('said', {}); setTimeout(() => { throw new Error('thrown'); }); fetch('http://127.0.0.1:1/').catch(() => {});</script>
<script src="forbidden.js"></script></body></html>"#;

fn page(text: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("page.html");
    std::fs::write(&path, text).unwrap();
    let address = format!("file://{}", path.display());
    (folder, address)
}

#[test]
#[cfg_attr(not(browser), ignore = "needs Chromium: install it or set ANOONLY_BROWSER")]
fn a_page_takes_keys_and_clicks_in_several_tabs() {
    let (_folder, address) = page(GOOD);
    let browser = Browser::start();
    let (first, second) = (browser.open(&address, View::DESK), browser.open(&address, View::DESK));
    for key in ["y", "?", "A", "/", "Shift+ArrowDown", "Enter", "Escape"] {
        first.press(key);
    }
    assert_eq!(first.text("#keys"), "y Shift+? Shift+A / Shift+ArrowDown Enter Escape");
    second.click("#button");
    second.click_with("#button", "Control");
    second.press("Space");
    first.click("#button");
    assert_eq!((first.text("#button"), second.text("#button")), ("1".into(), "12".into()));
    first.click("#note");
    first.type_text("a b, é?");
    assert_eq!(first.evaluate("document.getElementById('note').value"), "a b, é?");
    first.press("Backspace");
    assert_eq!(first.evaluate("document.getElementById('note').value"), "a b, é");
    first.hold("Backspace", 2);
    assert_eq!(first.evaluate("document.getElementById('note').value"), "a b");
    first.wheel("#list", 300);
    first.wait("document.getElementById('list').scrollTop === 300");
    first.reload();
    assert_eq!((first.text("#keys"), second.text("#button")), (String::new(), "12".into()));
    assert_eq!(first.evaluate("Promise.resolve([1, 'two', null])"), serde_json::json!([1, "two", null]));
    assert_eq!((first.take_problems(), second.take_problems()), (vec![], vec![]));
}

#[test]
#[cfg_attr(not(browser), ignore = "needs Chromium: install it or set ANOONLY_BROWSER")]
fn views_are_what_the_page_sees_and_pictures_have_their_size() {
    let (_folder, address) = page(GOOD);
    let tab = Browser::start().open(&address, View::DESK);
    let seen = || {
        tab.evaluate(
            "[innerWidth, innerHeight, devicePixelRatio, matchMedia('(prefers-color-scheme: dark)').matches,
              matchMedia('(prefers-reduced-motion: reduce)').matches]",
        )
    };
    assert_eq!(seen(), serde_json::json!([1280, 800, 1, false, false]));
    // The width and the height of a PNG file are its bytes 16 to 24.
    let size = |picture: &[u8]| [16, 20].map(|at| u32::from_be_bytes(picture[at..at + 4].try_into().unwrap()));
    let light = tab.picture();
    assert_eq!(size(&light), [1280, 800]);
    tab.show(View { zoom: 2, still: true, ..View::DESK.dark() });
    assert_eq!(seen(), serde_json::json!([640, 400, 2, true, true]));
    let dark = tab.picture();
    assert_eq!(size(&dark), [1280, 800]);
    assert_ne!(light, dark);
    tab.show(View::PHONE);
    assert_eq!(seen(), serde_json::json!([390, 844, 1, false, false]));
    assert_eq!(tab.beyond_the_window(), Vec::<String>::new());
    assert_eq!(violations(&tab), Vec::<String>::new());
}

#[test]
#[cfg_attr(not(browser), ignore = "needs Chromium: install it or set ANOONLY_BROWSER")]
fn faults_of_a_page_are_noticed() {
    let (_folder, address) = page(BAD);
    let tab = Browser::start().open(&address, View::DESK);
    let mut problems = Vec::new();
    let all = within(Duration::from_secs(30), || {
        problems.extend(tab.take_problems());
        (problems.len() >= 5).then(|| problems.join("\n"))
    });
    let problems = all.expect("five problems");
    for part in ["console.log: said Object", "Error: thrown", "127.0.0.1:1", "forbidden.js", "nowhere.png"] {
        assert!(problems.contains(part), "{part} is not in\n{problems}");
    }
    let beyond = tab.beyond_the_window();
    assert_eq!(beyond.len(), 2, "{beyond:#?}");
    assert!(beyond[0].contains(">wide</div> from 8 to 3008 of 12"), "{beyond:#?}");
    let violations = violations(&tab).join("\n");
    for part in ["color-contrast", "button-name", "#button"] {
        assert!(violations.contains(part), "{part} is not in\n{violations}");
    }
}

#[test]
fn axe_core_is_what_its_page_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("axe-core");
    let readme = std::fs::read_to_string(folder.join("README.md")).unwrap();
    let digest: String = Sha256::digest(AXE).iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(readme.contains(&digest), "axe.min.js has the digest {digest}");
    let version = AXE.strip_prefix("/*! axe v").and_then(|rest| rest.split_whitespace().next()).unwrap();
    assert!(readme.contains(&format!("| version | {version} |")), "axe.min.js is version {version}");
}
