//! How rows become one value: the aggregation, its percentile and its reduction over time, in the
//! spellings of both specs.

use model::Span;

use super::Reader;
use crate::{
    Aggregation, Percentile, WindowChoice,
    load::{
        declared::{Aggregate, At, NonAdditive},
        fields::Fields,
        sql_expr,
    },
    sql,
};

/// An aggregation as it is written, before its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Sum,
    Min,
    Max,
    Average,
    Count,
    CountDistinct,
    ApproxCountDistinct,
    SumBoolean,
    Median,
    Percentile,
}

const WORDS: [(&str, Word); 10] = [
    ("sum", Word::Sum),
    ("min", Word::Min),
    ("max", Word::Max),
    ("average", Word::Average),
    ("count", Word::Count),
    ("count_distinct", Word::CountDistinct),
    ("sum_boolean", Word::SumBoolean),
    ("median", Word::Median),
    ("percentile", Word::Percentile),
    // Ours: declared, never chosen silently for an exact one.
    ("approx_count_distinct", Word::ApproxCountDistinct),
];

const CHOICES: [(&str, WindowChoice); 2] = [("min", WindowChoice::Min), ("max", WindowChoice::Max)];

/// What was said about a percentile, and where.
#[derive(Default)]
struct PercentileKeys {
    /// As written.
    fraction: Option<At<String>>,
    discrete: bool,
    approximate: bool,
    /// The first key that says something.
    span: Option<Span>,
}

/// Which of the two specs an aggregate is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spec {
    Legacy,
    Latest,
}

impl Reader<'_> {
    /// The aggregate of `owner` (`metric 'x'`), whose mapping is open. `expr` may stand elsewhere.
    pub(super) fn aggregate(
        &mut self,
        fields: &mut Fields<'_>,
        owner: &str,
        spec: Spec,
        expr: Option<&Fields<'_>>,
    ) -> Option<Aggregate> {
        fields.required_node("agg", self.report);
        let word = fields.choice("agg", &WORDS, self.report);
        let agg_span = fields.get("agg").map_or(fields.span(), |n| &n.span);
        let keys = match spec {
            Spec::Legacy => self.legacy_percentile(fields),
            Spec::Latest => self.latest_percentile(fields),
        };
        let agg = word.and_then(|word| self.with_percentile(word, &keys, owner, agg_span));
        // dbt v2 repeats the expression inside the parameters.
        let node = expr.and_then(|outer| outer.get("expr")).or_else(|| fields.get("expr"));
        let expr = sql_expr::read_optional(node, self.report);
        let span = node.map_or(agg_span, |n| &n.span);
        self.judge_expr(word, expr.as_deref(), owner, span);
        let agg_time = fields.at("agg_time_dimension", self.report);
        let non_additive = self.non_additive(fields, spec);
        Some(Aggregate { agg: agg?, expr, agg_time, non_additive })
    }

    /// V11.
    fn judge_expr(&mut self, word: Option<Word>, expr: Option<&str>, owner: &str, span: &Span) {
        match expr {
            None if word == Some(Word::Count) => {
                let message = format!("{owner}: count needs an expr; use expr: 1 to count rows");
                self.report.error("bad_measure", span, message);
            }
            Some(expr) if sql::has_distinct(expr) => {
                let message = format!("{owner}: distinct inside expr; use agg: count_distinct");
                self.report.error("bad_measure", span, message);
            }
            _ => {}
        }
    }

    fn legacy_percentile(&mut self, fields: &mut Fields<'_>) -> PercentileKeys {
        let mut keys = PercentileKeys::default();
        let Some(node) = fields.get("agg_params") else { return keys };
        let known = ["percentile", "use_discrete_percentile", "use_approximate_percentile"];
        let Some(mut params) = self.open(node, "agg_params", &known) else { return keys };
        keys.fraction = params.at("percentile", self.report);
        keys.discrete = params.boolean("use_discrete_percentile", false, self.report);
        keys.approximate = params.boolean("use_approximate_percentile", false, self.report);
        if keys.fraction.is_some() || keys.discrete || keys.approximate {
            keys.span = Some(node.span.clone());
        }
        keys
    }

    fn latest_percentile(&mut self, fields: &mut Fields<'_>) -> PercentileKeys {
        let choices = [("discrete", true), ("continuous", false)];
        let discrete = fields.choice("percentile_type", &choices, self.report);
        let fraction = fields.at("percentile", self.report);
        let node = fields.get("percentile").or(fields.get("percentile_type"));
        let span = node.map(|n| n.span.clone());
        PercentileKeys { fraction, discrete: discrete.unwrap_or(false), approximate: false, span }
    }

    /// V12.
    fn with_percentile(
        &mut self,
        word: Word,
        keys: &PercentileKeys,
        owner: &str,
        span: &Span,
    ) -> Option<Aggregation> {
        let span = keys.span.as_ref().unwrap_or(span);
        let mut fault = |message: String| {
            self.report.error("bad_percentile", span, format!("{owner}: {message}"));
            None
        };
        let written = keys.fraction.as_ref().map(|at| at.value.as_str());
        let fraction = written.and_then(|text| text.parse::<f64>().ok());
        match word {
            Word::Percentile => match (fraction, written) {
                (Some(fraction), _) if fraction > 0.0 && fraction < 1.0 => {
                    Some(Aggregation::Percentile(Percentile {
                        fraction,
                        discrete: keys.discrete,
                        approximate: keys.approximate,
                    }))
                }
                (_, Some(text)) => {
                    fault(format!("percentile is {text}, must lie between 0 and 1, e.g. 0.95"))
                }
                (_, None) => fault("percentile is missing, must lie between 0 and 1, e.g. 0.95".to_owned()),
            },
            Word::Median if keys.discrete => {
                fault("a median is continuous; use agg: percentile for a discrete one".to_owned())
            }
            Word::Median if written.is_some() && fraction != Some(0.5) => {
                let text = written.unwrap_or_default();
                fault(format!("percentile is {text}, but a median is 0.5; use agg: percentile"))
            }
            Word::Median => Some(Aggregation::Median { approximate: keys.approximate }),
            _ if keys.span.is_some() => {
                let name = WORDS.iter().find(|(_, w)| *w == word).map_or("", |(name, _)| name);
                fault(format!("percentile keys belong to agg: percentile, not {name}"))
            }
            Word::Sum => Some(Aggregation::Sum),
            Word::Min => Some(Aggregation::Min),
            Word::Max => Some(Aggregation::Max),
            Word::Average => Some(Aggregation::Average),
            Word::Count => Some(Aggregation::Count),
            Word::CountDistinct => Some(Aggregation::CountDistinct),
            Word::ApproxCountDistinct => Some(Aggregation::ApproxCountDistinct),
            Word::SumBoolean => Some(Aggregation::SumBoolean),
        }
    }

    fn non_additive(&mut self, fields: &mut Fields<'_>, spec: Spec) -> Option<NonAdditive> {
        let node = fields.get("non_additive_dimension")?;
        let (choice, groupings) = match spec {
            Spec::Legacy => ("window_choice", "window_groupings"),
            Spec::Latest => ("window_agg", "group_by"),
        };
        let mut fields = self.open(node, "non_additive_dimension", &["name", choice, groupings])?;
        let (name, span) = fields.required("name", self.report)?;
        if spec == Spec::Latest {
            fields.required_node(choice, self.report);
        }
        let window_choice = fields.choice(choice, &CHOICES, self.report).unwrap_or(WindowChoice::Min);
        let window_groupings = self.names(&mut fields, groupings);
        Some(NonAdditive { dimension: At::new(name.to_owned(), span), window_choice, window_groupings })
    }
}
