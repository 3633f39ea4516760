//! Keys, mouse and wheel.

use serde_json::{Value, json};

use super::tab::Tab;

/// Keys without a character: name, code, number of the key and, if it enters one, text.
const KEYS: [(&str, &str, u32, &str); 14] = [
    ("Enter", "Enter", 13, "\r"),
    ("Escape", "Escape", 27, ""),
    ("Tab", "Tab", 9, ""),
    ("Backspace", "Backspace", 8, ""),
    ("Delete", "Delete", 46, ""),
    ("Space", "Space", 32, " "),
    ("ArrowLeft", "ArrowLeft", 37, ""),
    ("ArrowUp", "ArrowUp", 38, ""),
    ("ArrowRight", "ArrowRight", 39, ""),
    ("ArrowDown", "ArrowDown", 40, ""),
    ("PageUp", "PageUp", 33, ""),
    ("PageDown", "PageDown", 34, ""),
    ("Home", "Home", 36, ""),
    ("End", "End", 35, ""),
];

/// The number of the keys that are held down with another, as the protocol adds them up.
fn modifier(name: &str) -> u32 {
    match name {
        "Alt" => 1,
        "Control" => 2,
        "Meta" => 4,
        "Shift" => 8,
        _ => panic!("{name} is not held down with another key"),
    }
}

impl Tab {
    /// Presses and releases a key: a character such as `y` or `?`, or a name such as `Enter`; `Shift+ArrowDown` and the like with keys
    /// that are held down.
    ///
    /// # Panics
    /// When there is no such key.
    #[track_caller]
    pub fn press(&self, keys: &str) {
        self.hold(keys, 0);
    }

    /// As [`press`](Self::press), for as long as the keyboard repeats the key this many times.
    #[track_caller]
    pub fn hold(&self, keys: &str, repeats: usize) {
        let (held, key) = match keys.rsplit_once('+') {
            Some((held, key)) if !key.is_empty() => (held.split('+').map(modifier).sum(), key),
            _ => (0, keys),
        };
        let named = KEYS.iter().find(|(name, ..)| *name == key);
        let mut event = match named {
            Some((name, code, number, text)) => {
                let name = if *name == "Space" { " " } else { name };
                json!({"key": name, "code": code, "windowsVirtualKeyCode": number, "text": text, "modifiers": held})
            }
            None => character(key, held),
        };
        if held & (modifier("Control") | modifier("Alt") | modifier("Meta")) != 0 {
            // A shortcut enters no text.
            event["text"] = json!("");
        }
        let down = if event["text"] == "" { "rawKeyDown" } else { "keyDown" };
        event["type"] = json!(down);
        self.call("Input.dispatchKeyEvent", event.clone());
        event["autoRepeat"] = json!(true);
        for _ in 0..repeats {
            self.call("Input.dispatchKeyEvent", event.clone());
        }
        event["type"] = json!("keyUp");
        event["autoRepeat"] = json!(false);
        event["text"] = json!("");
        self.call("Input.dispatchKeyEvent", event);
    }

    /// Types a text, one key after another.
    #[track_caller]
    pub fn type_text(&self, text: &str) {
        for letter in text.chars() {
            let text = letter.to_string();
            if letter.is_ascii() {
                self.press(if letter == ' ' { "Space" } else { &text });
            } else {
                self.call("Input.insertText", json!({"text": text}));
            }
        }
    }

    /// Clicks in the middle of the element that a selector finds first.
    ///
    /// # Panics
    /// When there is none, or another element covers it.
    #[track_caller]
    pub fn click(&self, selector: &str) {
        self.click_with(selector, "");
    }

    /// As [`click`](Self::click), with keys held down, such as `Shift`.
    #[track_caller]
    pub fn click_with(&self, selector: &str, held: &str) {
        let held: u32 = held.split('+').filter(|name| !name.is_empty()).map(modifier).sum();
        let (x, y) = self.middle(selector);
        for (kind, buttons) in [("mouseMoved", 0), ("mousePressed", 1), ("mouseReleased", 0)] {
            let button = if kind == "mouseMoved" { "none" } else { "left" };
            let event = json!({
                "type": kind, "x": x, "y": y, "button": button, "buttons": buttons, "clickCount": 1, "modifiers": held,
            });
            self.call("Input.dispatchMouseEvent", event);
        }
    }

    /// Turns the wheel over an element by this many pixels; downwards if positive.
    ///
    /// # Panics
    /// As [`click`](Self::click).
    #[track_caller]
    pub fn wheel(&self, selector: &str, pixels: i32) {
        let (x, y) = self.middle(selector);
        let event = json!({"type": "mouseWheel", "x": x, "y": y, "deltaX": 0, "deltaY": pixels});
        self.call("Input.dispatchMouseEvent", event);
    }

    /// The middle of an element in the window, after it was scrolled into view.
    #[track_caller]
    fn middle(&self, selector: &str) -> (f64, f64) {
        let script = format!(
            "(() => {{
                const element = document.querySelector({});
                if (!element) return 'is not on the page';
                element.scrollIntoView({{block: 'nearest', inline: 'nearest', behavior: 'instant'}});
                const box = element.getBoundingClientRect();
                const left = Math.max(box.left, 0), right = Math.min(box.right, innerWidth);
                const top = Math.max(box.top, 0), bottom = Math.min(box.bottom, innerHeight);
                const x = (left + right) / 2, y = (top + bottom) / 2;
                const hit = document.elementFromPoint(x, y);
                const labelled = hit?.closest('label')?.control === element;
                if (!hit || !(element.contains(hit) || hit.contains(element) || labelled))
                    return 'is covered by ' + (hit ? hit.outerHTML.slice(0, 200) : 'nothing');
                return [x, y];
            }})()",
            json!(selector)
        );
        match self.evaluate(&script) {
            Value::Array(place) => {
                let at = |index: usize| place[index].as_f64().expect("a coordinate");
                (at(0), at(1))
            }
            problem => panic!("{selector} {problem}"),
        }
    }
}

/// The event of a key with a character.
fn character(key: &str, held: u32) -> Value {
    let mut letters = key.chars();
    let (Some(letter), None) = (letters.next(), letters.next()) else { panic!("there is no key `{key}`") };
    // As on a US keyboard, where some characters need the shift key.
    let (code, number, shift) = match letter {
        'a'..='z' => (format!("Key{}", letter.to_ascii_uppercase()), u32::from(letter.to_ascii_uppercase()), 0),
        'A'..='Z' => (format!("Key{letter}"), u32::from(letter), modifier("Shift")),
        '0'..='9' => (format!("Digit{letter}"), u32::from(letter), 0),
        '/' => ("Slash".to_owned(), 191, 0),
        '?' => ("Slash".to_owned(), 191, modifier("Shift")),
        '.' => ("Period".to_owned(), 190, 0),
        ',' => ("Comma".to_owned(), 188, 0),
        '-' => ("Minus".to_owned(), 189, 0),
        _ => (String::new(), 0, 0),
    };
    json!({"key": key, "code": code, "windowsVirtualKeyCode": number, "text": key, "modifiers": held | shift})
}
