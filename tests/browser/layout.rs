//! What a window is too narrow for.

use super::tab::Tab;

/// Lists the elements that reach beyond the right or left edge of the window and stand in no box that can be scrolled or that cuts
/// them off. Of nested elements, only the innermost is listed.
const BEYOND: &str = "(() => {
    const width = document.documentElement.clientWidth;
    const boxed = element => {
        for (let at = element.parentElement; at && at !== document.body && at !== document.documentElement; at = at.parentElement)
            if (getComputedStyle(at).overflowX !== 'visible') return true;
        return false;
    };
    // What only screen readers see is one pixel wide and cut off.
    const shown = element => element.getClientRects().length > 0 && element.checkVisibility({visibilityProperty: true})
        && element.getBoundingClientRect().width > 1;
    const beyond = [...document.body.querySelectorAll('*')].filter(element => {
        const box = element.getBoundingClientRect();
        return (box.right > width + 1 || box.left < -1) && shown(element) && !boxed(element);
    });
    const innermost = beyond.filter(element => !beyond.some(other => other !== element && element.contains(other)));
    const found = innermost.map(element => {
        const box = element.getBoundingClientRect();
        return `${element.outerHTML.slice(0, 120)} from ${Math.round(box.left)} to ${Math.round(box.right)} of ${width}`;
    });
    const scrolled = document.documentElement.scrollWidth;
    if (scrolled > width) found.push(`the page is ${scrolled} wide, the window ${width}`);
    return found;
})()";

impl Tab {
    /// The elements that are wider than the window, or reach beyond it; none on a page that fits.
    #[track_caller]
    pub fn beyond_the_window(&self) -> Vec<String> {
        let found = self.evaluate(BEYOND);
        let found = found.as_array().expect("a list of elements");
        found.iter().map(|element| element.as_str().unwrap_or_default().to_owned()).collect()
    }
}
