use super::*;

/// Row `i` of 5000 has 0 if the last digit of `i` is below 3, and otherwise the square of `7919 i mod 5003`, divided by 1000.
fn numbers() -> Vec<f64> {
    let number = |row: u64| if row % 10 < 3 { 0 } else { (row * 7919 % 5003).pow(2) / 1000 };
    (0..5000).map(|row| number(row) as f64).collect()
}

/// Numbers and how many of [`numbers`] are smaller, the same and larger, by numpy's
/// `(v < q).sum(), (v == q).sum(), (v > q).sum()`.
const GOLDEN: [(f64, usize, usize, usize); 14] = [
    (-1.0, 0, 0, 5000),
    (0.0, 0, 1522, 3478),
    (1.0, 1522, 8, 3470),
    (2.0, 1530, 7, 3463),
    (700.0, 2085, 1, 2914),
    (6000.0, 3213, 0, 1787),
    (12_345.0, 3959, 0, 1041),
    (20_000.0, 4630, 0, 370),
    (24_000.0, 4928, 0, 72),
    (24_900.0, 4991, 1, 8),
    (24_970.0, 4995, 1, 4),
    (25_000.0, 4997, 1, 2),
    (25_020.0, 4999, 1, 0),
    (25_021.0, 5000, 0, 0),
];

#[test]
fn shares_hold_and_are_close() {
    let mut values = numbers();
    let kept = KeptNumbers::of(&mut values);
    assert!(kept.values.len() <= 160, "{}", kept.values.len());
    assert!(serde_json::to_string(&kept).unwrap().len() < 4096);
    let mut exact = 0;
    for (value, lower, equal, higher) in GOLDEN {
        let found = kept.counts(value, 5000).unwrap();
        // Few rows lie between two kept numbers, and fewer near the ends: half as many as beyond.
        let slack = 51.min(1 + lower.min(higher) / 2);
        assert!(found.lower <= lower && found.lower + slack >= lower, "{value}: {found:?}");
        assert!(found.higher <= higher && found.higher + slack >= higher, "{value}: {found:?}");
        if let Some(found) = found.equal {
            assert_eq!(found, equal, "{value}");
            exact += 1;
        }
    }
    // Those outside, the mode and the extremes.
    assert!(exact >= 4, "{exact}");
    assert_eq!(kept.counts(0.0, 5000).unwrap(), RowsAround { lower: 0, equal: Some(1522), higher: 3478 });
    assert_eq!(kept.counts(f64::INFINITY, 5000).unwrap(), RowsAround { lower: 5000, equal: Some(0), higher: 0 });
    assert_eq!(kept.counts(f64::NEG_INFINITY, 5000).unwrap(), RowsAround { lower: 0, equal: Some(0), higher: 5000 });
    assert_eq!(kept.counts(f64::NAN, 5000), None);
}

#[test]
fn bounds_hold_whatever_the_ties() {
    for rows in [1, 2, 149, 150, 151, 199, 200, 1000, 5003] {
        for distinct in [1, 2, 3, 13, 151, 100_000] {
            let original: Vec<f64> = (0..rows).map(|row| (row * row * 7919 % 100_003 % distinct) as f64).collect();
            let mut values = original.clone();
            let kept = KeptNumbers::of(&mut values);
            let low = original.iter().copied().fold(f64::MAX, f64::min);
            let high = original.iter().copied().fold(f64::MIN, f64::max);
            assert!(kept.is_sound(rows, Some([low, high])), "{rows} {distinct}");
            for value in original.iter().flat_map(|value| [value - 0.5, *value]) {
                let found = kept.counts(value, rows).unwrap();
                let count = |is: fn(&f64, &f64) -> bool| original.iter().filter(|other| is(other, &value)).count();
                let (lower, equal, higher) = (count(f64::lt), count(f64::eq), count(f64::gt));
                assert!(found.lower <= lower && found.higher <= higher, "{rows} {distinct} {value}: {found:?}");
                assert!(found.equal.is_none_or(|found| found == equal), "{rows} {distinct} {value}: {found:?}");
                // What is not said is little.
                let unknown = rows - found.lower - found.higher - found.equal.unwrap_or_default();
                assert!(unknown <= rows / 100 + 1, "{rows} {distinct} {value}: {found:?}");
                assert!(rows > ALL || unknown == 0, "{rows} {distinct} {value}: {found:?}");
            }
        }
    }
}

#[test]
fn values_that_no_fit_keeps_are_refused() {
    let sound = KeptNumbers { values: vec![1.0, 2.0, 5.0], lower: vec![0, 4, 7], equal: vec![4, 1, 3] };
    let is_sound = |kept: &KeptNumbers| kept.is_sound(10, Some([1.0, 5.0]));
    assert!(is_sound(&sound));
    assert!(!sound.is_sound(9, Some([1.0, 5.0])) && !sound.is_sound(11, Some([1.0, 5.0])));
    assert!(!sound.is_sound(10, Some([1.0, 6.0])) && !sound.is_sound(10, None));
    let damaged: [fn(&mut KeptNumbers); 9] = [
        |kept| kept.values[1] = 1.0,
        |kept| kept.values[1] = f64::NAN,
        |kept| kept.values.truncate(2),
        |kept| kept.lower.truncate(2),
        |kept| kept.equal.push(1),
        |kept| kept.lower[0] = 1,
        |kept| kept.lower[2] = 4,
        |kept| kept.equal[1] = 0,
        |kept| kept.equal[1] = usize::MAX,
    ];
    for (place, damage) in damaged.iter().enumerate() {
        let mut kept = sound.clone();
        damage(&mut kept);
        assert!(!is_sound(&kept), "{place}: {kept:?}");
    }
}
