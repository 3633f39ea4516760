//! Draws the curves and the histogram of the scores of labelled rows on a page of their own.

#![expect(clippy::print_stdout, reason = "an example prints its results")]

use std::error::Error;

use anoonly_page::{figures_page, score_curves, score_histogram};
use maud::html;

fn main() -> Result<(), Box<dyn Error>> {
    // Every tenth row is an anomaly with a higher score.
    let anomalous: Vec<bool> = (0..200).map(|row| row % 10 == 0).collect();
    let scores: Vec<f32> = anomalous
        .iter()
        .enumerate()
        .map(|(row, bad)| (row * 37 % 100) as f32 / 100.0 + f32::from(u8::from(*bad)))
        .collect();
    let figures = [score_curves(&scores, &anomalous, Some(0.95))?, score_histogram(&scores, &anomalous, Some(0.95))];
    let page = figures_page("Scores", &html! { h1 { "Scores of 200 rows" } }, &figures, &html! {});
    println!("a page of {} bytes with {} figures that loads nothing else", page.len(), figures.len());
    Ok(())
}
