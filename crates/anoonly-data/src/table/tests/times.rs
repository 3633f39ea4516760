//! Times with a zone.

use super::*;
use crate::encode::{Encoder, EncoderOptions, Unknown};

/// A column of milliseconds since 1970 in a zone.
fn times(zone: &str, values: &[i64]) -> ArrayRef {
    let dtype = ArrowDataType::Timestamp(TimeUnit::Millisecond, Some(zone.into()));
    PrimitiveArray::from_slice(values).to(dtype).boxed()
}

/// Instants in winter and in summer, one every 7 hours.
fn instants() -> Vec<i64> {
    (0..600).map(|row| 1_767_225_600_000 + row * 25_200_000).collect()
}

#[test]
fn an_instant_means_its_local_time_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    for zone in ["America/New_York", "+05:30", "UTC"] {
        write_ipc(&file("table.arrow"), &[("at".into(), times(zone, &instants()))]);
        let arrow = Table::read(&file("table.arrow")).unwrap();
        write_table(&file("table.parquet"), &arrow);
        write_table(&file("table.csv"), &arrow);
        let tables = ["table.arrow", "table.parquet", "table.csv"].map(|name| Table::read(&file(name)).unwrap());
        let encoded = tables.each_ref().map(|table| {
            let (encoder, _) = Encoder::fit(&tables[2], &EncoderOptions::default()).unwrap();
            encoder.encode(table, Unknown::Refuse).unwrap().features
        });
        assert_eq!(encoded[0], encoded[2], "{zone}");
        assert_eq!(encoded[1], encoded[2], "{zone}");
    }
}

#[test]
fn times_are_shown_with_their_distance_from_utc() {
    let folder = tempfile::tempdir().unwrap();
    let (arrow, csv) = (folder.path().join("table.arrow"), folder.path().join("table.csv"));
    // 14:00 UTC on 31 January and 31 March 2026.
    write_ipc(&arrow, &[("at".into(), times("America/New_York", &[1_769_868_000_000, 1_774_965_600_000]))]);
    let table = Table::read(&arrow).unwrap();
    assert_eq!([table.row_text(0), table.row_text(1)], [["2026-01-31T09:00:00-05:00"], ["2026-03-31T10:00:00-04:00"]]);
    write_table(&csv, &table);
    assert_eq!(fs::read_to_string(&csv).unwrap(), "at\n2026-01-31T09:00:00.000-05:00\n2026-03-31T10:00:00.000-04:00\n");
}

#[test]
fn an_unknown_zone_is_refused_and_an_empty_one_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.arrow");
    write_ipc(&path, &[("x".into(), times("", &[0])), ("at".into(), times("Mars/Olympus", &[0]))]);
    let error = Table::read(&path).unwrap_err().to_string();
    assert!(error.contains("column `at`: unknown time zone `Mars/Olympus`; use a name such as"), "{error}");
    let options = ReadOptions { columns: WantedColumns::Except(vec!["at".into()]), ..ReadOptions::default() };
    let table = Table::read_with(&path, &options).unwrap();
    assert_eq!(
        (table.types(), table.row_text(0)),
        (vec!["datetime[ms]".to_owned()], vec!["1970-01-01 00:00:00".into()])
    );
}
