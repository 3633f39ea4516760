//! The list of rows: filtered, sorted, and given out in pieces.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use anoonly::labelling::{Answer, RankedRows, RowFilter};

use super::desk::{Desk, DeskError};
use super::messages::{AnswerFilter, ListFilter, ListSort, ListedRow, RowList, RowsRequest, SortBy, label_name, shown};

/// The most rows of one answer.
const MOST_ROWS: usize = 500;
/// The most columns of the list.
pub const LISTED_COLUMNS: usize = 50;
/// The most characters of a cell in the list.
const LONGEST_CELL: usize = 80;
/// The number of orders that are kept: a page that scrolls asks for pieces of one order again and again.
const KEPT: usize = 4;

/// The orders that pages look at.
#[derive(Default)]
pub struct Lists {
    kept: Mutex<VecDeque<(OrderKey, Arc<Vec<u32>>)>>,
}

/// What an order depends on.
#[derive(Clone, PartialEq)]
struct OrderKey {
    filter: ListFilter,
    sort: ListSort,
    /// The version of the state, for an order that depends on it.
    version: Option<u64>,
}

impl Lists {
    /// A piece of the list.
    ///
    /// # Errors
    /// When a condition or the sort names a column that does not exist, or a test that does not fit it.
    pub fn rows(&self, desk: &Desk, request: RowsRequest) -> Result<RowList, DeskError> {
        let snapshot = desk.rankings();
        let changes = matches!(request.sort.by, SortBy::Rank | SortBy::Change);
        let version = match (changes, request.filter.answer) {
            (_, AnswerFilter::Any) => changes.then_some(snapshot.fit),
            _ => Some(snapshot.version),
        };
        let key = OrderKey { filter: request.filter, sort: request.sort, version };
        let order = match self.known(&key) {
            Some(order) => order,
            None => {
                let order = Arc::new(self.order(desk, &key, &snapshot.ranking, snapshot.previous.as_ref())?);
                self.keep(key, &order);
                order
            }
        };
        let piece: Vec<usize> =
            order.iter().skip(request.from).take(request.count.min(MOST_ROWS)).map(|&row| row as usize).collect();
        let view = desk.view();
        let cells = piece
            .iter()
            .map(|&row| {
                Ok(view.values(row)?.iter().take(LISTED_COLUMNS).map(|value| shown(value, LONGEST_CELL)).collect())
            })
            .collect::<Result<Vec<Vec<Option<String>>>, DeskError>>()?;
        let rows = desk.with(|session| {
            let listed = |(&row, cells): (&usize, Vec<Option<String>>)| ListedRow {
                row: session.number(row),
                rank: snapshot.ranking.rank(row),
                score: snapshot.ranking.score(row),
                change: snapshot.previous.as_ref().map(|previous| moved(previous, &snapshot.ranking, row)),
                answer: session.answer_on(row).map(|given| given.answer),
                label: label_name(session, row),
                held_out: session.is_held_out(row),
                skipped: snapshot.skipped.contains(&row),
                cells,
            };
            piece.iter().zip(cells).map(listed).collect()
        });
        Ok(RowList { version: snapshot.version, total: snapshot.ranking.order().len(), matching: order.len(), rows })
    }

    fn known(&self, key: &OrderKey) -> Option<Arc<Vec<u32>>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(other, _)| other == key).map(|(_, order)| Arc::clone(order))
    }

    fn keep(&self, key: OrderKey, order: &Arc<Vec<u32>>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_front((key, Arc::clone(order)));
        kept.truncate(KEPT);
    }

    /// The rows of a filter in their order.
    fn order(
        &self,
        desk: &Desk,
        key: &OrderKey,
        ranking: &RankedRows,
        previous: Option<&RankedRows>,
    ) -> Result<Vec<u32>, DeskError> {
        let ListFilter { text, conditions, answer } = &key.filter;
        let all = text.trim().is_empty() && conditions.is_empty();
        let mut rows = match (all, key.sort.by) {
            (true, SortBy::Rank) => ranking.order().to_vec(),
            (true, _) => (0..ranking.order().len() as u32).collect(),
            (false, _) => {
                let filter = RowFilter { text: text.trim().to_owned(), conditions: conditions.clone() };
                desk.view().find(&filter)?
            }
        };
        if *answer != AnswerFilter::Any {
            let skipped = desk.rankings().skipped;
            desk.with(|session| {
                rows.retain(|&row| {
                    let row = row as usize;
                    let given = session.answer_on(row).map(|given| given.answer);
                    match answer {
                        AnswerFilter::Any => true,
                        AnswerFilter::Open => session.is_open(row),
                        AnswerFilter::Answered => given.is_some(),
                        AnswerFilter::Anomaly => session.label(row).is_anomaly(),
                        AnswerFilter::Normal => label_name(session, row) == Some("normal"),
                        AnswerFilter::Unsure => given == Some(Answer::Unsure),
                        AnswerFilter::HeldOut => session.is_held_out(row),
                        AnswerFilter::Skipped => skipped.contains(&row),
                    }
                });
            });
        }
        let by_rank = |rows: &mut Vec<u32>| rows.sort_by_key(|&row| (ranking.rank(row as usize), row));
        match key.sort.by {
            SortBy::Rank if all => {}
            SortBy::Rank => by_rank(&mut rows),
            SortBy::Row => {}
            SortBy::Change => {
                by_rank(&mut rows);
                if let Some(previous) = previous {
                    rows.sort_by_key(|&row| -moved(previous, ranking, row as usize));
                }
            }
            SortBy::Column => {
                let column = key.sort.column.as_deref().unwrap_or_default();
                desk.view().sort(&mut rows, column, key.sort.descending)?;
                return Ok(rows);
            }
        }
        if key.sort.descending {
            rows.reverse();
        }
        Ok(rows)
    }
}

/// How many places a row moved up.
fn moved(previous: &RankedRows, ranking: &RankedRows, row: usize) -> i64 {
    previous.rank(row) as i64 - ranking.rank(row) as i64
}
