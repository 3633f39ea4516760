//! Building blocks of self-contained HTML pages: the document, SVG figures and tables.
//!
//! [`figures_page`] and [`page`] render a document that loads nothing and runs nothing. [`panels`] draws small multiples from data,
//! [`draw`] holds the SVG elements they are made of, [`scale`] maps values to positions, and [`Look`] names the colour, stroke and
//! marker of a series. [`score_curves`] and [`score_histogram`] show the scores of labelled rows. [`markdown_table`] and
//! [`html_table`] show the same table in a terminal and on a page.
//!
//! The same input gives the same bytes. This crate knows neither benchmark results nor models.

mod document;
pub mod draw;
mod error;
mod look;
pub mod panels;
pub mod scale;
mod scores;
mod table;

pub use document::{Figure, STYLE, figures_page, page, picture_file, write_page};
pub use error::PageError;
pub use look::Look;
pub use scores::{precision_recall_steps, score_curves, score_histogram};
pub use table::{html_table, markdown_table};

/// The examples of the README are run with the documentation's.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
