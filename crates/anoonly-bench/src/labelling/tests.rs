//! Tests of the comparison of discovery curves and of the report.

use super::*;
use crate::report::ReportOrigin;
use crate::{BenchError, Results, RunRecord, Status, Strategy};
use anoonly_train::BackendName;
use anoonly_train::labelling::QueryStrategy;

fn row(dataset: &str, model: &str, seed: u64, anomalies: usize, found: &[usize]) -> LabellingRow {
    LabellingRow {
        dataset: dataset.into(),
        family: dataset.into(),
        model: model.into(),
        strategy: Strategy::none(),
        query: QueryStrategy::Top.into(),
        batch: 2,
        budget: found.len(),
        seed,
        n_rows: 50,
        n_features: 3,
        n_anomalies: anomalies,
        backend: BackendName::Flex,
        status: Status::Ok(Discovery {
            found: found.to_vec(),
            refit_seconds: Some(0.5),
            seconds: SecondsKind::Processor,
        }),
    }
}

fn compare(rows: Vec<LabellingRow>) -> ComparedCurves {
    ComparedCurves::new(&Results { rows }, None).unwrap()
}

/// A curve of `budget` labels that finds its anomalies first, or after some misses.
fn curve(budget: usize, misses: usize, anomalies: usize) -> Vec<usize> {
    (1..=budget).map(|labels| labels.saturating_sub(misses).min(anomalies)).collect()
}

/// By hand: of two anomalies, none is found with one label, then one, one and two. Shares: 0/1, 1/2, 1/2, 2/2, mean ½. The other seed finds
/// both at once: 1, 1, 1, 1. Over both, the area is ¾.
#[test]
fn shares_and_areas_are_those_of_a_hand_made_curve() {
    let compared = compare(vec![row("a", "m", 1, 2, &[0, 1, 1, 2]), row("a", "m", 2, 2, &[1, 2, 2, 2])]);
    assert_eq!(compared.figures(), [CurveFigure::At(4), CurveFigure::Area]);
    let at = |labels| compared.on_set(0, 0, CurveFigure::At(labels));
    assert_eq!([at(1), at(2), at(3), at(4)], [0.5, 0.75, 0.75, 1.0]);
    assert_eq!(compared.mean_curve(0), [0.5, 0.75, 0.75, 1.0]);
    assert_eq!(compared.set_curve(0, 0), compared.mean_curve(0));
    let area = compared.overall(0, CurveFigure::Area).unwrap();
    assert_eq!(area.estimate, 0.75);
    // Student's interval over the seeds ½ and 1: 12.706 times ¼.
    assert!((area.high - 0.75 - 12.706 * 0.25).abs() < 1e-3, "{area:?}");
}

/// From numpy: `f = np.cumsum(rng.random(100) < 0.3)` of `np.random.default_rng(7)`, `k = np.arange(1, 101)`,
/// `s = f / np.minimum(k, 25)`, then `s[19], s[49], s[99], s.mean()` with `f` cut at 25.
#[test]
fn figures_agree_with_python() {
    let steps = PYTHON_STEPS.bytes().map(|step| usize::from(step == b'1'));
    let found: Vec<usize> = steps
        .scan(0, |count, step| {
            *count = 25.min(*count + step);
            Some(*count)
        })
        .collect();
    let compared = compare(vec![row("a", "m", 1, 25, &found)]);
    let figures: Vec<f64> =
        compared.figures().into_iter().map(|figure| compared.overall(0, figure).unwrap().estimate).collect();
    assert_eq!(figures.len(), 4);
    for (figure, expected) in figures.iter().zip(PYTHON_FIGURES) {
        assert!((figure - expected).abs() < 1e-12, "{figures:?}");
    }
}

const PYTHON_STEPS: &str =
    "0001001000011000000011011000000111010101100000100000100100000001010101000010000110010000011000001011";
const PYTHON_FIGURES: [f64; 4] = [0.2, 0.64, 1.0, 0.6148789601485994];

#[test]
fn all_lines_are_compared_on_the_same_sets_and_seeds() {
    let mut rows = vec![
        row("a", "m", 1, 2, &[0, 1]),
        row("a", "n", 1, 2, &[1, 2]),
        row("b", "m", 1, 2, &[1, 2]),
        row("b", "n", 1, 2, &[1, 2]),
    ];
    rows[3].status = Status::Failed("diverged".into());
    let compared = compare(rows.clone());
    assert_eq!((compared.sets.clone(), compared.all_sets), (vec!["a".to_owned()], 2));
    // Without the failed run, the set would have counted for the other line.
    assert_eq!(compared.overall(0, CurveFigure::At(2)).unwrap().estimate, 0.5);
    let results = Results { rows };
    assert_eq!((results.failed(), compare(Vec::new()).sets.len()), (1, 0));
}

/// Ten sets on which one line finds all at once, one after 5 labels and one after 10.
fn three_lines() -> Vec<LabellingRow> {
    let of_set = |set: usize| {
        let dataset = format!("set {set}");
        [("slow", 10), ("fast", 0), ("middle", 5)].map(|(model, misses)| {
            // On the first set, the fast line finds nothing.
            let misses = if set == 0 && model == "fast" { 50 } else { misses };
            row(&dataset, model, 1, 8, &curve(50, misses, 8))
        })
    };
    (0..10).flat_map(of_set).collect()
}

fn cells(table: &comfy_table::Table, line: usize) -> Vec<String> {
    table.row(line).unwrap().cell_iter().map(|cell| cell.content()).collect()
}

/// By hand: after 20 labels, every line has found everything on every set, except that the fast one has found nothing on the first set.
/// All tie on nine sets, with rank 2; on the first set the fast line is third and the others share 1½. The averages are 2.1 and 1.95.
/// The slow line finds nothing with 10 labels, ⅛ to ⅞ with the next seven and everything with the last 33: its area is 36.5/50.
#[test]
fn lines_are_ranked_and_the_sets_on_which_the_best_loses_come_first() {
    let compared = compare(three_lines());
    let table = compared.table();
    let header: Vec<String> = table.header().unwrap().cell_iter().map(|cell| cell.content()).collect();
    assert_eq!(header[..5], ["model", "query", "at 20", "at 50", "area"]);
    assert_eq!(header[5..], ["rank at 20", "p", "rank at 50", "p", "rank area", "p", "seconds a refit"]);
    assert_eq!(cells(&table, 0)[..6], ["slow", "top", "100.0", "100.0", "73.0", "1.95"]);
    let fast = cells(&table, 2);
    assert_eq!(
        (&fast[0], &fast[2], &fast[5], &fast[9]),
        (&"fast".into(), &"90.0".into(), &"2.10".into(), &"1.20".into())
    );
    assert_eq!(fast[11], "0.50");
    // By area, the fast line is the best on nine sets and the last on one.
    let means = compared.means();
    let area = means.iter().find(|line| line.model == "fast").unwrap().figures.last().unwrap().clone();
    assert_eq!((area.figure.as_str(), area.rank, area.p_value), ("area", Some(1.2), None));
    let losers = compared.by_set().unwrap();
    assert_eq!(cells(&losers, 0), ["set 0", "8", "100.0", "100.0", "+0.0", "middle, top"]);
    assert!(compared.diagram().unwrap().contains("slow, top 1.95"));
    assert_eq!(compare(three_lines()[..27].to_vec()).diagram(), None, "nine sets have no ranks");
}

fn peers(text: &str) -> Result<PeerCurves, BenchError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("peers.csv");
    std::fs::write(
        &path,
        format!("dataset,model,query,batch,seed,n_rows,n_anomalies,refit_seconds,found,status\n{text}"),
    )
    .unwrap();
    PeerCurves::read(&path)
}

#[test]
fn curves_of_other_programs_are_lines_of_the_same_table() {
    let results = Results { rows: three_lines() };
    let lines: String = (0..11)
        .map(|set| format!("set {set},fast,top,2,1,50,8,0.25,{}, ok\n", "1 ".repeat(60)).replace(", ok", ",ok"))
        .collect();
    let peers = peers(&format!("{lines}set 0,broken,top,2,1,50,8,,,failed\n")).unwrap();
    let compared = ComparedCurves::new(&results, Some(&peers)).unwrap();
    assert_eq!(compared.labellers.iter().map(Labeller::name).collect::<Vec<_>>()[3], "fast (peer), top");
    assert_eq!((compared.labellers.len(), compared.sets.len()), (4, 10));
    assert_eq!((compared.on_set(3, 4, CurveFigure::At(50)), compared.refit_seconds(3)), (0.125, Some(0.25)));
    assert_eq!(compared.ranks(CurveFigure::At(50)).unwrap().average[3], 3.9);
}

#[test]
fn curves_that_cannot_be_compared_are_refused() {
    let results = Results { rows: vec![row("a", "m", 1, 2, &[0, 1])] };
    let refused = |line: &str| ComparedCurves::new(&results, Some(&peers(line).unwrap())).unwrap_err().to_string();
    assert!(refused("a,p,top,5,1,50,2,,0 1,ok\n").contains("batches of 5 rows, not of 2"));
    assert!(refused("a,p,top,2,1,49,2,,0 1,ok\n").contains("49 with 2 anomalies, not 50 with 2"));
    assert!(refused("a,p,top,2,1,50,2,,1,ok\n").contains("1 labels, not 2"));
    assert!(refused("b,p,top,2,1,50,2,,0 1,ok\n").contains("no run on the data sets and seeds"));
    let unread = |line: &str| peers(line).unwrap_err().to_string();
    assert!(unread("").contains("it has no run"));
    assert!(unread("a,p,best,2,1,50,2,,0 1,ok\n").contains("row 1: column query: unknown query strategy `best`"));
    assert!(unread("a,p,top,2,1,50,2,,0 x,ok\n").contains("column found: not numbers"));
    assert!(unread("a,p,top,2,1,50,2,,0 2,ok\n").contains("not a curve with 2 anomalies"));
    assert!(unread("a,p,top,2,1,50,2,,1 0,ok\n").contains("not a curve"));
    assert!(unread("a,p,top,x,1,50,2,,0 1,ok\n").contains("column batch: `x`"));
}

#[test]
fn a_run_is_a_line_of_the_table_of_results() {
    let run = row("a", "m", 3, 2, &[0, 1, 2]);
    let cells = run.cells();
    assert_eq!(cells.len(), LabellingRow::COLUMNS.len());
    assert_eq!(cells.join(","), "a,a,m,none,top,2,3,3,50,3,2,0.500000,processor,flex,ok,,0 1 2");
    let line = serde_json::to_string(&run).unwrap();
    assert_eq!(serde_json::from_str::<LabellingRow>(&line).unwrap(), run);
    let failed = LabellingRow { status: Status::Failed("no".into()), ..run };
    assert_eq!((failed.failure(), failed.cells()[15].as_str()), (Some("no"), "no"));
}

#[test]
fn the_report_shows_curves_or_gives_the_reason() {
    let results = Results { rows: three_lines() };
    let page = report::page(&results, &compare(three_lines()), &ReportOrigin::default());
    for id in ["table", "curves", "ranks", "losers", "curves-of-sets", "sets"] {
        assert!(page.contains(&format!("<figure id=\"{id}\"")), "{id}");
    }
    assert_eq!(page.matches("set 3, 8 anomalies").count(), 1);
    let mut few = three_lines()[..3].to_vec();
    few[1].status = Status::Failed("<no>".into());
    let page = report::page(&Results { rows: few.clone() }, &compare(few), &ReportOrigin::default());
    assert!(page.contains("Not drawn: ranks need ten data sets") && page.contains("1 run failed"));
    assert!(page.contains("&lt;no&gt;") && page.contains("no data set on which every line was measured"));
}
