//! Columns that are not wanted are not looked at.

use super::*;
use crate::encode::{Encoder, EncoderOptions, Unknown};
use polars_arrow::array::{BinaryArray, ListArray};
use polars_arrow::offset::OffsetsBuffer;
use std::io::Cursor;

fn only(names: &[&str]) -> ReadOptions {
    let columns = WantedColumns::Only(names.iter().map(|&name| name.to_owned()).collect());
    ReadOptions { columns, ..ReadOptions::default() }
}

fn except(names: &[&str]) -> ReadOptions {
    let columns = WantedColumns::Except(names.iter().map(|&name| name.to_owned()).collect());
    ReadOptions { columns, ..ReadOptions::default() }
}

/// A file with a nested column, a binary one, a time of day, a name that occurs twice and two good columns between them.
fn awkward(path: &Path) {
    let numbers = |from: i32| PrimitiveArray::<i32>::from_vec((from..from + 3).collect()).boxed();
    let offsets = OffsetsBuffer::try_from(vec![0i64, 2, 2, 3]).unwrap();
    let nested =
        ListArray::<i64>::new(ListArray::<i64>::default_datatype(ArrowDataType::Int32), offsets, numbers(7), None);
    let binary = BinaryArray::<i64>::from_slice([b"\xff", b"\xfe", b"\xfd"]);
    let time = PrimitiveArray::<i64>::from_vec(vec![1, 2, 3]).to(ArrowDataType::Time64(TimeUnit::Microsecond));
    let columns: Vec<(String, ArrayRef)> = vec![
        ("nested".into(), nested.boxed()),
        ("a".into(), numbers(10)),
        ("twice".into(), numbers(0)),
        ("binary".into(), binary.boxed()),
        ("twice".into(), time.boxed()),
        ("b".into(), numbers(20)),
    ];
    match path.extension().unwrap().to_str() {
        Some("arrow") => write_doubled_ipc(path, &columns),
        _ => write_parquet(path, &columns),
    }
}

/// An Arrow file whose columns may have the same name: the writer's schema holds each name once.
fn write_doubled_ipc(path: &Path, columns: &[(String, ArrayRef)]) {
    let unique = |(place, (name, array)): (usize, &(String, ArrayRef))| match name.as_str() {
        "twice" => (format!("twic{place}"), array.clone()),
        name => (name.to_owned(), array.clone()),
    };
    write_ipc(path, &columns.iter().enumerate().map(unique).collect::<Vec<_>>());
    let mut bytes = fs::read(path).unwrap();
    for place in 0..bytes.len() - 5 {
        if bytes[place..].starts_with(b"twic") {
            bytes[place + 4] = b'e';
        }
    }
    fs::write(path, bytes).unwrap();
}

fn write_parquet(path: &Path, columns: &[(String, ArrayRef)]) {
    use polars_parquet::write::*;
    // Two columns of one name cannot be in a schema, so that the second gets its name in the written file.
    let name = |place: usize, name: &str| if name == "twice" { format!("twic{place}") } else { name.to_owned() };
    let field = |(place, (column, array)): (usize, &(String, ArrayRef))| {
        Field::new(name(place, column).into(), array.dtype().clone(), true)
    };
    let schema: ArrowSchema = columns.iter().enumerate().map(field).collect();
    let options = WriteOptions {
        statistics: StatisticsOptions::default(),
        version: Version::V1,
        compression: CompressionOptions::Uncompressed,
        data_page_size: None,
    };
    let mut writer = FileWriter::try_new(File::create(path).unwrap(), schema.clone(), options).unwrap();
    let arrays: Vec<ArrayRef> = columns.iter().map(|(_, array)| array.clone()).collect();
    let encodings: Vec<Vec<Encoding>> = arrays.iter().map(|_| vec![Encoding::Plain]).collect();
    let rows = RecordBatchT::new(arrays[0].len(), Arc::new(schema), arrays);
    let fields = writer.parquet_schema().fields().to_vec();
    let groups = row_group_iter(rows, encodings.into(), fields, options);
    writer.write(3, groups).unwrap();
    writer.end(None).unwrap();
    drop(writer);
    limits::with_metadata(path, |metadata| {
        metadata.schema.iter_mut().filter(|element| element.name.starts_with("twic")).for_each(|element| {
            element.name = "twice".into();
        });
        // Its schema of Arrow's types would name them, too.
        metadata.key_value_metadata = None;
    });
}

#[test]
fn columns_that_are_not_wanted_stop_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["table.arrow", "table.parquet"] {
        let path = folder.path().join(name);
        awkward(&path);
        for options in [only(&["b", "a", "absent"]), except(&["nested", "twice", "binary", "absent"])] {
            let table = Table::read_with(&path, &options).unwrap();
            assert_eq!(table.columns(), ["a", "b"], "{name}");
            assert_eq!([table.row_text(0), table.row_text(2)], [["10", "20"], ["12", "22"]], "{name}");
            assert_eq!(table.file_columns(), ["nested", "a", "twice", "binary", "twice", "b"]);
            let blocks: Vec<Table> = Table::blocks_with(&path, &options).unwrap().map(Result::unwrap).collect();
            assert_eq!((blocks.len(), blocks[0].row_text(1)), (1, table.row_text(1)));
        }
        let none = Table::read_with(&path, &only(&["absent"])).unwrap();
        assert_eq!((none.rows(), none.columns().len()), (3, 0), "{name}");
        let error = |options: &ReadOptions| Table::read_with(&path, options).unwrap_err().to_string();
        assert!(error(&ReadOptions::default()).contains("two columns are named `twice`"));
        assert!(error(&except(&["twice", "nested"])).contains("column `binary` has the unsupported type Binary"));
        assert!(error(&only(&["nested", "a"])).contains("column `nested` has the unsupported type List"));
    }
}

#[test]
fn columns_of_csv_text_that_are_not_wanted_stop_nothing() {
    let bytes = b"id,,x,x,bad,y\n1,2,3,4,\xff,5\n6,7,8,9,\xfe,10\n";
    let read = |options: &ReadOptions| Table::read_csv_with(Path::new("t.csv"), Cursor::new(&bytes[..]), options);
    for options in [only(&["y", "id"]), except(&["", "x", "bad"])] {
        let table = read(&options).unwrap();
        assert_eq!((table.columns(), table.row_text(1)), (vec!["id", "y"], vec!["6".to_owned(), "10".to_owned()]));
    }
    assert!(matches!(read(&except(&["x"])), Err(DataError::NamelessColumn { number: 2, .. })));
    assert!(matches!(read(&only(&["x"])), Err(DataError::DuplicateColumn { .. })));
    assert!(matches!(read(&only(&["bad"])), Err(DataError::ValueNotUtf8 { row: 1, .. })));
}

#[test]
fn an_npz_needs_no_labels_and_gives_some_columns() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.npz");
    let mut writer = ::zip::ZipWriter::new(File::create(&path).unwrap());
    add(&mut writer, "X", &[2, 3], npyz::Order::C, &[1f32, 2., 3., 4., 5., 6.]);
    writer.finish().unwrap();
    assert_eq!(Table::read(&path).unwrap().columns(), ["x0", "x1", "x2"]);
    let table = Table::read_with(&path, &only(&["x2", "x0", "y"])).unwrap();
    assert_eq!((table.columns(), table.row_text(1)), (vec!["x0", "x2"], vec!["4.0".to_owned(), "6.0".to_owned()]));
}

#[test]
fn dropped_columns_are_left_out_and_must_exist() {
    let text = "nested,x,z,label\n[1],1,5,0\n[2],2,5,1\n";
    let read = |options: &ReadOptions| Table::read_csv_with(Path::new("t.csv"), Cursor::new(text), options).unwrap();
    let fit = |drop: &[&str]| {
        let drop: Vec<String> = drop.iter().map(|&name| name.to_owned()).collect();
        let options = EncoderOptions { apart: vec!["label".into()], drop: drop.clone(), ..EncoderOptions::default() };
        Encoder::fit(&read(&ReadOptions { columns: WantedColumns::Except(drop), ..ReadOptions::default() }), &options)
    };
    let (encoder, left_out) = fit(&["nested"]).unwrap();
    assert_eq!(encoder.feature_names(), ["x"]);
    let reasons: Vec<(&str, &str)> = left_out.iter().map(|left| (left.column.as_str(), left.reason.as_str())).collect();
    assert_eq!(reasons, [("nested", "it was dropped on request"), ("z", "its value is the same in every row")]);
    let error = fit(&["neste"]).unwrap_err().to_string();
    assert!(error.starts_with("t.csv: no column `neste`; did you mean nested"), "{error}");
    // What is missing is reported with the names of the whole file.
    let error = read(&only(&["x"])).labels(&LabelColumn::named("fraud")).unwrap_err().to_string();
    assert_eq!(error, "t.csv: no label column `fraud` (columns: nested, x, z, label)");
    // A table without any column of the encoder cannot be scored, however lenient.
    let error = encoder.encode(&read(&only(&["z"])), Unknown::Accept).unwrap_err();
    assert!(matches!(error, DataError::MissingColumns { .. }), "{error}");
}

/// Parquet and Arrow have missing values of their own, CSV has words for them.
#[test]
fn words_for_missing_values_are_categories_where_the_format_has_nulls() {
    let folder = tempfile::tempdir().unwrap();
    let (csv, parquet) = (folder.path().join("table.csv"), folder.path().join("table.parquet"));
    let row = |row: usize| format!("{}\n", ["None", "some", "many", "NA"][row % 4]);
    fs::write(&csv, format!("plan\n{}", (0..40).map(row).collect::<String>())).unwrap();
    write_table(&parquet, &Table::read(&csv).unwrap());
    let names = |path: &Path| {
        let (encoder, _) = Encoder::fit(&Table::read(path).unwrap(), &EncoderOptions::default()).unwrap();
        encoder.feature_names()
    };
    assert_eq!(names(&csv), ["plan = many", "plan = some", "plan is missing"]);
    assert_eq!(names(&parquet), ["plan = NA", "plan = None", "plan = many", "plan = some"]);
    // A label is missing in both.
    let label = LabelColumn::named("plan").with_anomaly("many");
    for path in [csv, parquet] {
        let labels = Table::read(&path).unwrap().labels(&label).unwrap().labels;
        assert_eq!(labels[..4], [Label::Unlabelled, Label::Normal, Label::Anomaly, Label::Unlabelled]);
    }
}
