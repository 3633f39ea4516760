use super::*;

/// The profile of numbers, and all places.
fn profile(numbers: &[f64], is_time: bool) -> (ColumnProfile, Vec<Option<ValuePlace>>) {
    let values = ColumnValues::Numbers(numbers.to_vec());
    let distribution = Distribution::of(&values, is_time);
    let places = (0..numbers.len()).map(|row| distribution.place(&values, row)).collect();
    (distribution.profile(&values, is_time), places)
}

#[test]
fn counts_add_up_and_places_agree_with_them() {
    let spread = |shift: f64| (0..1000).map(move |row| f64::from(row * 7919 % 1000) / 10.0 + shift);
    let extremes = [1e9, -1e12, f64::NAN, f64::MAX, f64::MIN];
    for numbers in [
        spread(0.0).collect::<Vec<_>>(),
        spread(1e6).chain(extremes).collect(),
        spread(-50.0).map(f64::exp).collect(),
        spread(0.0).map(|value| value * 1e-300).collect(),
        vec![f64::MAX, f64::MIN, 0.0],
        vec![f64::NAN; 5],
        vec![4.0],
        vec![0.1, 0.1, f64::NAN],
        (0..500).map(|row| if row < 2 { 9.0 } else { 1.0 }).collect(),
        vec![5e-324, 0.0, -5e-324],
    ] {
        let (profile, places) = profile(&numbers, false);
        let ColumnProfile::Numbers { from, to, counts, below, above, missing } = profile else { panic!() };
        assert_eq!(counts.len(), BINS);
        assert_eq!(counts.iter().sum::<usize>() + below + above + missing, numbers.len());
        assert!((below + above) as f64 <= 2.0 * EDGE * numbers.len() as f64, "{from} {to} {below} {above}");
        assert!(from.parse::<f64>().unwrap() <= to.parse::<f64>().unwrap(), "{from} {to}");
        let mut of_bins = vec![0; BINS];
        let (mut of_below, mut of_above) = (0, 0);
        let present: Vec<f64> = numbers.iter().copied().filter(|value| !value.is_nan()).collect();
        for (value, place) in numbers.iter().zip(&places) {
            let Some(ValuePlace::Number { bin, lower, higher }) = place else {
                assert!(value.is_nan());
                continue;
            };
            match bin {
                BinPlace::Below => of_below += 1,
                BinPlace::In(bin) => of_bins[*bin] += 1,
                BinPlace::Above => of_above += 1,
            }
            let others = (present.len() - 1).max(1) as f64;
            assert_eq!(*lower, present.iter().filter(|other| *other < value).count() as f64 / others);
            assert_eq!(*higher, present.iter().filter(|other| *other > value).count() as f64 / others);
        }
        assert_eq!((of_bins, of_below, of_above), (counts, below, above));
    }
}

#[test]
fn extremes_do_not_squash_the_bins() {
    let numbers: Vec<f64> = (0..400).map(|row| f64::from(row) * 9.9).chain([23_591.0, 1e7]).collect();
    let (ColumnProfile::Numbers { from, to, counts, above, .. }, _) = profile(&numbers, false) else { panic!() };
    assert_eq!((from.as_str(), to.as_str(), above), ("0", "4000", 2));
    assert!(counts.iter().all(|&count| count > 0), "{counts:?}");
    // Values near the bulk belong to it.
    let numbers: Vec<f64> = (0..400).map(f64::from).chain([430.0]).collect();
    let (ColumnProfile::Numbers { to, above, .. }, _) = profile(&numbers, false) else { panic!() };
    assert_eq!((to.as_str(), above), ("430", 0));
}

#[test]
fn the_edges_of_times_are_dates() {
    let day = 86_400.0;
    let numbers: Vec<f64> = (0..365).map(|row| (20_000.0 + f64::from(row)) * day + 3601.5).collect();
    let (ColumnProfile::Numbers { from, to, .. }, _) = profile(&numbers, true) else { panic!() };
    assert_eq!((from.as_str(), to.as_str()), ("2024-10-04", "2025-10-04"));
    let numbers: Vec<f64> = (0..100).map(|row| 20_000.0 * day + f64::from(row)).collect();
    let (ColumnProfile::Numbers { from, to, .. }, _) = profile(&numbers, true) else { panic!() };
    assert_eq!((from.as_str(), to.as_str()), ("2024-10-04", "2024-10-04 00:01:39"));
}

#[test]
fn places_are_serialised_as_programs_expect_them() {
    let number = |bin| serde_json::to_string(&ValuePlace::Number { bin, lower: 0.5, higher: 0.25 }).unwrap();
    assert_eq!(number(BinPlace::In(3)), r#"{"kind":"number","bin":3,"lower":0.5,"higher":0.25}"#);
    assert!(
        number(BinPlace::Below).contains(r#""bin":"below""#) && number(BinPlace::Above).contains(r#""bin":"above""#)
    );
}
