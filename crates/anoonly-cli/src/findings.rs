//! What a model makes of the columns of its training table, and what new tables hold beside that.

use anoonly::data::encode::{EncodedColumn, Encoder, LeftOut, UnseenValues};
use anoonly::data::table::shortened;
use anoonly_page::markdown_table;

use crate::terminal::{note, one_line, warn};

/// The columns of the training table: how each was read, what it became, and why.
///
/// At most `most` columns are listed. Of more, those with a note and those that are left out come before the others.
pub fn column_table(encoder: &Encoder, left_out: &[LeftOut], most: usize) -> String {
    let columns = encoder.columns();
    let used = columns.iter().map(|column| {
        [&column.name, &read_as(column), &column.summary(), &column.notes.join("; ")]
            .map(|text| one_line(text).into_owned())
    });
    let rest = left_out
        .iter()
        .map(|left| [&left.column, "", "left out", &left.reason].map(|text| one_line(text).into_owned()));
    let mut rows: Vec<[String; 4]> = used.chain(rest).collect();
    let noted = rows.iter().filter(|row| !row[3].is_empty()).count();
    let mut others = most.saturating_sub(noted);
    rows.retain(|row| {
        let listed = !row[3].is_empty() || others > 0;
        others -= usize::from(row[3].is_empty() && others > 0);
        listed
    });
    rows.truncate(most);
    let header = ["column", "read as", "becomes", "note"];
    // Most tables need no notes.
    let width = if rows.iter().all(|row| row[3].is_empty()) { 3 } else { 4 };
    let mut table = markdown_table(&header[..width], width);
    for row in rows {
        table.add_row(row.into_iter().take(width));
    }
    let more = (columns.len() + left_out.len()).saturating_sub(most);
    match more {
        0 => format!("{table}\n"),
        _ => format!("{table}\nand {more} more columns, which `anoonly inspect` lists\n"),
    }
}

fn read_as(column: &EncodedColumn) -> String {
    match column.notation.name() {
        "" => column.kind.name().to_owned(),
        notation => format!("{}, {notation}", column.kind.name()),
    }
}

/// How many columns are listed in a warning.
const LISTED: usize = 10;

/// Says which values of a table lie outside of what the training rows held.
pub fn warn_of_unseen(unseen: &UnseenValues) {
    let (chance, columns): (Vec<_>, Vec<_>) =
        unseen.by_count().into_iter().partition(|column| unseen.is_chance(column));
    for column in columns.iter().take(LISTED) {
        warn(&format!("column `{}`: {}", column.column, column.summary()));
    }
    if columns.len() > LISTED {
        let more = columns.len() - LISTED;
        warn(&format!("{more} more columns hold values outside of what training held"));
    }
    if !chance.is_empty() {
        let counts: Vec<String> = chance.iter().map(|column| format!("{} {}", column.column, column.total())).collect();
        let counts: Vec<&str> = counts.iter().map(String::as_str).collect();
        note(&format!(
            "note: some values lie beyond the range of the training rows, no more than chance explains: {}",
            one_line(&shortened(&counts))
        ));
    }
}
