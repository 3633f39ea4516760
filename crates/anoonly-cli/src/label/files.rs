//! The files of the page, which are part of the program.

/// A file of the page.
#[derive(Clone, Copy, Debug)]
pub struct PageFile {
    /// Its name below the token; empty for the page itself.
    pub name: &'static str,
    /// The type that a browser needs.
    pub content_type: &'static str,
    pub content: &'static str,
}

macro_rules! script {
    ($name:literal) => {
        PageFile {
            name: $name,
            content_type: "text/javascript; charset=utf-8",
            content: include_str!(concat!("page/", $name)),
        }
    };
}

/// All files.
pub const FILES: &[PageFile] = &[
    PageFile { name: "", content_type: "text/html; charset=utf-8", content: include_str!("page/index.html") },
    PageFile { name: "base.css", content_type: "text/css; charset=utf-8", content: anoonly_page::STYLE },
    PageFile { name: "label.css", content_type: "text/css; charset=utf-8", content: include_str!("page/label.css") },
    script!("api.js"),
    script!("details.js"),
    script!("dom.js"),
    script!("filters.js"),
    script!("finish.js"),
    script!("header.js"),
    script!("help.js"),
    script!("histogram.js"),
    script!("keys.js"),
    script!("label.js"),
    script!("learnt.js"),
    script!("list.js"),
    script!("outbox.js"),
    script!("poll.js"),
    script!("progress.js"),
    script!("question.js"),
    script!("queue.js"),
    script!("rows.js"),
    script!("selection.js"),
    script!("status.js"),
    script!("store.js"),
    script!("trouble.js"),
    script!("words.js"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// The texts between two marks.
    fn between<'a>(text: &'a str, start: &'a str, end: &'a str) -> impl Iterator<Item = &'a str> {
        text.split(start).skip(1).filter_map(move |rest| rest.split_once(end).map(|(inner, _)| inner))
    }

    #[test]
    fn every_file_of_the_page_is_served_and_used() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/label/page");
        let files = std::fs::read_dir(folder).unwrap();
        let on_disk: BTreeSet<String> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        let served: BTreeSet<&str> = FILES.iter().map(|file| file.name).collect();
        let mut expected: BTreeSet<&str> =
            on_disk.iter().map(String::as_str).filter(|name| *name != "index.html").collect();
        expected.extend(["", "base.css"]);
        assert_eq!(served, expected);
        let mut used = BTreeSet::from([""]);
        for file in FILES {
            used.extend(between(file.content, "from \"./", "\""));
            used.extend(between(file.content, "src=\"", "\""));
            used.extend(between(file.content, "href=\"", "\"").filter(|name| name.ends_with(".css")));
        }
        assert_eq!(used, served);
    }

    #[test]
    fn the_page_makes_no_elements_from_text_and_loads_nothing_from_elsewhere() {
        for file in FILES {
            for word in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "style=\"",
                "onclick=",
                "https:",
            ] {
                assert!(!file.content.contains(word), "{}: {word}", file.name);
            }
        }
    }
}
