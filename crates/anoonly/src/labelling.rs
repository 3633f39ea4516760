//! Labelling step by step: rows are asked, a person answers, and the ranking follows.
//!
//! A [`LabellingSetup`] opens a [`Session`] on a table. The session asks for rows ([`Session::next`]), takes answers
//! ([`Session::answer`]), fits the detector again ([`Session::refit`]) and reports what was found and what may be left
//! ([`Session::progress`]). Its journal is a file to which each answer is written before it counts; opening it again gives the same
//! session. At the end there are a labelled table ([`Session::export`]) and a model ([`Session::model`]).
//!
//! ```
//! use anoonly::labelling::{Answer, LabellingSetup};
//! # use anoonly::{AnyMethod, Table, TableDetector};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("table.csv");
//! # let row = |row: usize| format!("T{row},{},{}\n", (row * 7) % 11, if row % 40 == 3 { 90 } else { (row * 5) % 13 });
//! # std::fs::write(&path, format!("id,size,weight\n{}", (0..200).map(row).collect::<String>()))?;
//! # let method = AnyMethod::by_name("isolation-forest")?;
//! let table = Table::read(&path)?;
//! let detector = TableDetector::new(method).ids(&["id"]);
//! let setup = LabellingSetup::new(detector).journal(&folder.path().join("answers.jsonl"));
//! let mut session = setup.open(&table)?;
//! for question in session.next(3)? {
//!     let anomalous = table.row_values(question.row)[2].to_string() == "90";
//!     let answer = if anomalous { Answer::Anomaly } else { Answer::Normal };
//!     session.answer(question.row, answer, None)?;
//! }
//! session.refit()?;
//! let progress = session.progress();
//! assert_eq!((progress.answered, progress.anomalies), (3, 3));
//! session.export(&folder.path().join("labelled.csv"), None)?;
//! let model = session.model()?;
//! # assert_eq!(model.provenance().counts.anomalies, 3);
//! # Ok(())
//! # }
//! ```
//!
//! # What a page shows
//! [`Session::view`] gives the table to other threads: profiles of its columns, where a value lies among all rows, and the rows that
//! meet [conditions](Condition). [`Session::summary_job`] describes the anomalies found with short rules ([`LearntRule`]).
//!
//! ```
//! use anoonly::labelling::{Answer, LabellingSetup, RowFilter};
//! # use anoonly::{AnyMethod, Table, TableDetector};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let mut text = "id,size,weight\n".to_owned();
//! # for row in 0..200 {
//! #     text += &format!("T{row},{},{}\n", (row * 7) % 11, if row % 40 == 3 { 90 + row % 7 } else { (row * 5) % 13 });
//! # }
//! # let table = Table::read_csv(std::path::Path::new("table.csv"), std::io::Cursor::new(text))?;
//! # let detector = TableDetector::new(AnyMethod::by_name("isolation-forest")?).ids(&["id"]).held_out(0.0);
//! let mut session = LabellingSetup::new(detector).open(&table)?;
//! for row in 0..100 {
//!     session.answer(row, if row % 40 == 3 { Answer::Anomaly } else { Answer::Normal }, None)?;
//! }
//! let job = session.summary_job();
//! let summary = std::thread::spawn(move || job.run()).join().unwrap()?.unwrap();
//! let rule = &summary.rules[0];
//! assert_eq!((rule.text.as_str(), rule.found, rule.of, rule.open), ("weight > 50", 3, 3, 2));
//! let filter = RowFilter { conditions: rule.conditions.clone(), ..RowFilter::default() };
//! assert_eq!(session.view().find(&filter)?, [3, 43, 83, 123, 163]);
//! # Ok(())
//! # }
//! ```
//!
//! # Threads
//! A fit may take longer than a person wants to wait. [`Session::refit_job`] gives the fit as a value that another thread runs
//! while the session takes answers; [`Session::install`] takes its result. [`Session::explainer`] gives the explanations of rows
//! in the same way.
//!
//! # Held-out rows
//! At its start, a session draws the rows that calibrate the p-values of its model, from the rows without a label in the table. Nobody
//! is asked about them and no answer on them is accepted: rows that were chosen by their scores or labelled are no sample of the table,
//! and p-values would not keep their promise. A [held-out share](crate::TableDetector::held_out) of 0 makes every row one that may be
//! asked; the model has no p-values then.

mod condition;
mod error;
mod explainer;
mod export;
mod fingerprint;
mod given;
mod journal;
mod learnt;
mod model;
mod profile;
mod progress;
mod questions;
mod ranked;
mod replay;
mod rules;
mod session;
mod setup;
mod state;
mod view;

pub use condition::{Condition, ConditionTest};
pub use error::{LabellingError, LabellingSetting};
pub use explainer::Explainer;
pub use fingerprint::TableDifference;
pub use given::{Answer, AskedBecause, GivenAnswer};
pub use learnt::{ColumnShare, LearntSummary, SummaryJob};
pub use model::ModelJob;
pub use profile::{BinPlace, ColumnProfile, FrequentValue, ValuePlace};
pub use progress::{LabellingProgress, StopReason};
pub use questions::Question;
pub use ranked::{RankedRows, RefitJob, RefitResult};
pub use rules::LearntRule;
pub use session::Session;
pub use setup::LabellingSetup;
pub use view::{ColumnRole, RowFilter, TableView, ViewedColumn, ViewedKind};

pub use anoonly_train::labelling::{Query, QueryStrategy};
