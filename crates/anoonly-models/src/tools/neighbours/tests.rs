use super::*;

fn cells(count: usize, seed: u64, level: f32) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        level + (state >> 40) as f32 / (1u64 << 24) as f32
    };
    (0..count).map(|_| next()).collect()
}

/// The distances of a row to all others, sorted, with the indices of these.
fn by_hand(rows: &[f32], columns: usize, row: &[f32], own: Option<usize>) -> Vec<(f64, u32)> {
    let distance =
        |known: &[f32]| row.iter().zip(known).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum::<f64>().sqrt();
    let all = rows.chunks_exact(columns).enumerate().filter(|(index, _)| Some(*index) != own);
    let mut all: Vec<(f64, u32)> = all.map(|(index, known)| (distance(known), index as u32)).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    all
}

/// Rows far from 0, several tiles and blocks, few and many columns.
#[test]
fn neighbours_agree_with_a_search_over_all_rows() {
    for (rows, columns, level) in [(9000, 3, 1000.0), (600, 130, 0.0), (300, 1, 0.5)] {
        let known = cells(rows * columns, 1, level);
        let queries = cells(300 * columns, 2, level);
        let nearest = Neighbours::new(known.clone(), columns).of(&queries, 7);
        for ((places, distances), row) in nearest.by_row().zip(queries.chunks_exact(columns)) {
            let expected = &by_hand(&known, columns, row, None)[..7];
            assert!(places.iter().eq(expected.iter().map(|(_, index)| index)), "{places:?} {expected:?}");
            assert!(
                distances.iter().zip(expected).all(|(ours, (by_hand, _))| (ours - by_hand).abs() <= 1e-12 * by_hand)
            );
        }
    }
}

#[test]
fn no_row_is_its_own_neighbour_and_threads_do_not_matter() {
    let rows = cells(700 * 20, 3, 0.0);
    let neighbours = Neighbours::new(rows.clone(), 20);
    let nearest = neighbours.of_each(4);
    for (index, (places, _)) in nearest.by_row().enumerate() {
        let expected = by_hand(&rows, 20, &rows[index * 20..][..20], Some(index));
        assert!(places.iter().eq(expected[..4].iter().map(|(_, index)| index)));
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    assert_eq!(pool.install(|| neighbours.of_each(4)), nearest);
}

#[test]
fn a_row_alone_has_bitwise_the_same_neighbours() {
    let neighbours = Neighbours::new(cells(500 * 64, 4, 0.0), 64);
    let queries = cells(40 * 64, 5, 0.0);
    let together = neighbours.of(&queries, 3);
    let alone = queries.chunks_exact(64).map(|row| neighbours.of(row, 3));
    let (places, distances): (Vec<_>, Vec<_>) = alone.map(|alone| (alone.places, alone.distances)).unzip();
    assert_eq!((places.concat(), distances.concat()), (together.places, together.distances));
}

/// Copies are exactly at distance 0 and in the order in which they were given.
#[test]
fn copies_are_at_distance_zero() {
    let row = cells(50, 6, 3.0);
    let neighbours = Neighbours::new(row.repeat(400), 50);
    let nearest = neighbours.of(&row, 5);
    assert_eq!((nearest.places, nearest.distances), (vec![0, 1, 2, 3, 4], vec![0.0; 5]));
    assert_eq!(neighbours.of_each(2).places[..4], [1, 2, 0, 2]);
}

#[test]
fn rows_whose_squares_overflow_have_neighbours() {
    let neighbours = Neighbours::new(vec![0.0, 1.0, 2.0, 3e38], 1);
    assert_eq!(neighbours.of(&[1e25], 2).places, [0, 1]);
    assert_eq!(neighbours.of(&[2.9e38], 1).places, [3]);
}

#[test]
fn all_rows_are_neighbours_if_there_are_fewer_than_asked_for() {
    let neighbours = Neighbours::new(vec![1.0, 4.0, 2.0], 1);
    assert_eq!(neighbours.of(&[0.0], 9).places, [0, 2, 1]);
    assert_eq!(neighbours.of_each(9).places, [2, 1, 2, 0, 0, 1]);
    let one = Neighbours::new(vec![1.0], 1);
    assert_eq!((one.of_each(9).count, one.of(&[3.0], 2).distances), (0, vec![2.0]));
}

#[test]
fn saved_rows_need_rows_and_the_right_width() {
    let saved = || SavedTensors::default().with("rows", &[2, 1], vec![1.0, 4.0]).with("none", &[0, 1], Vec::new());
    assert_eq!(Neighbours::restore(&mut saved(), "rows", 1).unwrap().given(), [1.0, 4.0]);
    for (path, columns) in [("rows", 2), ("rows", 0), ("none", 1), ("other", 1)] {
        assert!(Neighbours::restore(&mut saved(), path, columns).unwrap_err().contains(path));
    }
}

/// Groups that are apart, many copies, a few rows far away, and more neighbours than a leaf has rows.
#[test]
fn neighbours_in_groups_and_among_copies_agree_with_a_search_over_all_rows() {
    let mut known = cells(1500 * 4, 7, 0.0);
    for (row, cells) in known.chunks_exact_mut(4).enumerate() {
        let shift = if row % 100 == 0 { 1000.0 } else { (row % 3) as f32 * 5.0 };
        cells.iter_mut().for_each(|cell| *cell = (*cell * 8.0).floor() / 8.0 + shift);
    }
    let neighbours = Neighbours::new(known.clone(), 4);
    let queries = [&known[..200 * 4], &[500.0; 8], &cells(60 * 4, 8, 4.0)].concat();
    for count in [1, 5, 90] {
        let (of, each) = (neighbours.of(&queries, count), neighbours.of_each(count));
        for (row, (places, _)) in queries.chunks_exact(4).zip(of.by_row()) {
            let expected = by_hand(&known, 4, row, None);
            assert!(places.iter().eq(expected[..count].iter().map(|(_, index)| index)), "{count}: {row:?}");
        }
        for (index, (places, _)) in each.by_row().enumerate() {
            let expected = by_hand(&known, 4, neighbours.row(index as u32), Some(index));
            assert!(places.iter().eq(expected[..count].iter().map(|(_, index)| index)), "{count}: {index}");
        }
    }
}
