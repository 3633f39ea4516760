//! Short rules that describe the anomalies found.
//!
//! A rule is a list of at most three conditions. Rules are found one after another: each grows from one condition by beam search, and
//! describes anomalies that no earlier rule matches (sequential covering, as in CN2, Clark and Niblett, "The CN2 induction algorithm",
//! 1989). What a rule matches is compared with the rows confirmed as normal, and with a random sample of the rows without a label.
//!
//! Let a rule match t of the p anomalies that are left, f confirmed normals and a share u of the unlabelled rows. Its value is the gain of
//! FOIL (Quinlan, "Learning logical definitions from relations", 1990), less the bits that it takes to write its conditions down:
//!
//! t · [log₂(1 + λ) − log₂(1 + (f + λ p u) / t)] − Σ log₂(choices of each condition)
//!
//! All unlabelled rows together weigh λ p: a rule that matches one of a thousand rows is hardly worse than one that matches none, and
//! one that matches half of the table has no value. The second sum keeps rules short.
//!
//! A rule is shown when it also passes two tests, so that no rule is chance. First, suppose that anomalies matched it as often as unlabelled
//! rows do, with probability u. By Chernoff's bound, t of p would match with probability at most 2^(−p · KL(t/p ‖ u)). Second, suppose
//! that anomalies and confirmed normals matched it equally often; the bits against this are those of the likelihood ratio. Rows that
//! were asked for their scores differ from the rest of the table whatever they are, so that the first test alone says little about
//! them; the second is made from ten confirmed normals on. In both, the bits must exceed those of the conditions, which stand for all
//! rules that could have been tried, and of a probability of 5 %.

mod choices;
mod sample;

use std::collections::HashSet;

use anoonly_core::{Label, Seed};
use serde::Serialize;

use self::choices::{Choice, Counts, RowSet, choices};
use self::sample::SampledRows;
use super::{Condition, LabellingError, TableView};

/// The largest number of rules.
const RULES: usize = 5;
/// The largest number of conditions of a rule.
const CONDITIONS: usize = 3;
/// The number of rules that grow at the same time.
const BEAM: usize = 8;
/// The number of rules that are tested on the whole table before none is taken.
const TESTED: usize = 12;
/// The weight of all unlabelled rows, in anomalies for each anomaly: λ.
const UNLABELLED_WEIGHT: f64 = 30.0;
/// The number of confirmed normals from which their share counts in the test.
const ENOUGH_NORMALS: usize = 10;
/// The probability that the test lets a rule pass that holds by chance.
const LEVEL: f64 = 0.05;
/// A rule matches anomalies at least this many times as often as unlabelled rows.
const LEAST_LIFT: f64 = 4.0;
/// A rule matches at least this many anomalies for each confirmed normal.
const LEAST_ODDS: usize = 2;
/// The smallest number of anomalies that a rule describes.
const FEWEST: usize = 2;

/// A rule that describes anomalies which were found, with exact counts over the whole table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LearntRule {
    /// The rule for people, as `amount > 4000 and country in {D, E}`.
    pub text: String,
    /// Its conditions. A row matches the rule if it meets all of them.
    pub conditions: Vec<Condition>,
    /// The number of anomalies that match: rows that were answered to be anomalies, or that the table labels as such.
    pub found: usize,
    /// The number of all these anomalies.
    pub of: usize,
    /// The number of rows confirmed as normal that match.
    #[serde(rename = "false")]
    pub normals: usize,
    /// The number of all rows that match.
    pub rows: usize,
    /// The number of rows that match and may still be asked.
    pub open: usize,
}

/// What is known about the rows of a table.
pub(super) struct KnownRows<'a> {
    pub labels: &'a [Label],
    /// The rows that may still be asked.
    pub open: &'a [bool],
}

/// A rule that grows.
#[derive(Clone)]
struct Candidate {
    /// The places of its conditions among the choices.
    conditions: Vec<usize>,
    rows: RowSet,
    /// The bits that its conditions take.
    cost: f64,
    value: f64,
}

/// The rules that describe the anomalies found; none with fewer than two of them. The same for the same labels, whatever the number of
/// threads.
pub(super) fn find_rules(
    view: &TableView,
    known: &KnownRows<'_>,
    seed: Seed,
) -> Result<Vec<LearntRule>, LabellingError> {
    let sample = SampledRows::draw(known.labels, seed);
    if sample.anomalies < FEWEST {
        return Ok(Vec::new());
    }
    let choices = choices(view, &sample)?;
    let mut left = RowSet::of(&sample, |place| place < sample.anomalies);
    let mut rules = Vec::new();
    while rules.len() < RULES && left.count(&left).anomalies >= FEWEST {
        let mut accepted = None;
        for candidate in grow(&choices, &sample, &left) {
            let conditions = candidate.conditions.iter().map(|&place| choices[place].condition.clone()).collect();
            let rule = counted(view, conditions, known)?;
            let counts = candidate.rows.count(&left);
            if passes(&rule, counts.anomalies, left.count(&left).anomalies, candidate.cost, &sample) {
                accepted = Some((rule, candidate.rows));
                break;
            }
        }
        let Some((rule, rows)) = accepted else { break };
        left = left.without(&rows);
        rules.push(rule);
    }
    Ok(rules)
}

/// The best rules for the anomalies that are left, the best first.
fn grow(choices: &[Choice], sample: &SampledRows, left: &RowSet) -> Vec<Candidate> {
    let all = left.count(left).anomalies;
    let whole = Candidate { conditions: Vec::new(), rows: RowSet::of(sample, |_| true), cost: 0.0, value: 0.0 };
    let (mut beam, mut best) = (vec![whole], Vec::<Candidate>::new());
    for _ in 0..CONDITIONS {
        let mut grown: Vec<Candidate> = Vec::new();
        let mut seen = HashSet::new();
        for parent in &beam {
            let before = parent.rows.count(left);
            for (place, choice) in choices.iter().enumerate() {
                let counts = parent.rows.count_both(&choice.rows, left);
                // A condition that changes nothing is no part of a rule.
                if counts.anomalies < FEWEST || counts == before {
                    continue;
                }
                let cost = parent.cost + choice.cost;
                let value = gain(counts, all, sample) - cost;
                let mut conditions = parent.conditions.clone();
                conditions.push(place);
                conditions.sort_unstable();
                let worst = if grown.len() < BEAM { f64::NEG_INFINITY } else { grown[BEAM - 1].value };
                if value > worst && seen.insert(conditions.clone()) {
                    let rows = parent.rows.and(&choice.rows);
                    let at = grown.partition_point(|other| other.value >= value);
                    grown.insert(at, Candidate { conditions, rows, cost, value });
                    grown.truncate(BEAM);
                }
            }
        }
        best.extend(grown.iter().filter(|candidate| candidate.value > 0.0).cloned());
        beam = grown;
    }
    // Of equal values, the shorter rule, which was found first.
    best.sort_by(|a, b| b.value.total_cmp(&a.value));
    best.truncate(TESTED);
    best
}

/// The gain of a rule over no rule, in bits.
fn gain(counts: Counts, all: usize, sample: &SampledRows) -> f64 {
    let matched = counts.anomalies as f64;
    let share = (counts.unlabelled as f64 + 0.5) / (sample.unlabelled as f64 + 1.0);
    let others = counts.normals as f64 + UNLABELLED_WEIGHT * all as f64 * share;
    matched * ((1.0 + UNLABELLED_WEIGHT).log2() - (1.0 + others / matched).log2())
}

/// A rule with its counts over the whole table.
fn counted(view: &TableView, conditions: Vec<Condition>, known: &KnownRows<'_>) -> Result<LearntRule, LabellingError> {
    let matchers = view.matchers(&conditions)?;
    let rows = view.rows_that(|row| matchers.iter().all(|matcher| matcher.matches(row)));
    let count = |is: &dyn Fn(usize) -> bool| rows.iter().filter(|&&row| is(row as usize)).count();
    let text = conditions.iter().map(|condition| view.describe(condition)).collect::<Vec<_>>().join(" and ");
    Ok(LearntRule {
        text,
        found: count(&|row| known.labels[row] == Label::Anomaly),
        of: known.labels.iter().filter(|label| label.is_anomaly()).count(),
        normals: count(&|row| known.labels[row] == Label::Normal),
        rows: rows.len(),
        open: count(&|row| known.open[row]),
        conditions,
    })
}

/// Whether a rule is shown that matches `matched` of the `left` anomalies without a rule.
fn passes(rule: &LearntRule, matched: usize, left: usize, cost: f64, sample: &SampledRows) -> bool {
    let unlabelled = rule.rows - rule.found - rule.normals;
    let share = unlabelled as f64 / (sample.all_unlabelled as f64).max(1.0);
    let found = rule.found as f64 / rule.of as f64;
    let (matched, left) = (matched as f64, left as f64);
    let chance = (unlabelled as f64 + 1.0) / (sample.all_unlabelled as f64 + 2.0);
    let mut evidence = if matched / left > chance { left * divergence(matched / left, chance) } else { 0.0 };
    if sample.normals >= ENOUGH_NORMALS {
        evidence = evidence.min(likelihood_ratio([matched, rule.normals as f64], [left, sample.normals as f64]));
    }
    rule.found >= LEAST_ODDS * rule.normals && found >= LEAST_LIFT * share && evidence >= cost - LEVEL.log2()
}

/// How many bits of evidence there are that the first of two classes matches more often: by how much the rows are likelier when each class
/// has its own share than when both have the same.
fn likelihood_ratio(matched: [f64; 2], of: [f64; 2]) -> f64 {
    let [first, second] = [matched[0] / of[0], matched[1] / of[1]];
    let same = (matched[0] + matched[1]) / (of[0] + of[1]);
    if first > second { of[0] * divergence(first, same) + of[1] * divergence(second, same) } else { 0.0 }
}

/// The Kullback-Leibler divergence, in bits, of a coin that shows heads with probability `chance` from one with `share`.
fn divergence(share: f64, chance: f64) -> f64 {
    let part = |p: f64, q: f64| if p > 0.0 { p * (p / q).log2() } else { 0.0 };
    part(share, chance) + part(1.0 - share, 1.0 - chance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_in_bits() {
        assert_eq!(divergence(1.0, 0.25), 2.0);
        assert_eq!(divergence(0.3, 0.3), 0.0);
        // 4 of 4 against 0 of 4: eight coins that must all fall right.
        assert_eq!(likelihood_ratio([4.0, 0.0], [4.0, 4.0]), 8.0);
        assert_eq!(likelihood_ratio([1.0, 2.0], [4.0, 4.0]), 0.0);
    }
}
