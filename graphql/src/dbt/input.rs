//! Arguments of a query as a [`MetricQuery`].

use async_graphql::InputObject;
use engine::{GroupBy, MetricQuery, MetricRequest, MetricValue, OrderBy};

use super::grain::{DatePart, TimeGranularity};

/// A metric by name.
#[derive(Debug, Clone, InputObject)]
pub(super) struct MetricInput {
    pub(super) name: String,
    alias: Option<String>,
}

/// A group-by by name; its grain as an enum value or, custom ones too, as a text.
#[derive(Debug, Clone, InputObject)]
pub(super) struct GroupByInput {
    name: String,
    grain: Option<TimeGranularity>,
    time_granularity: Option<String>,
    date_part: Option<DatePart>,
}

/// A condition: SQL with objects in `{{ }}`.
#[derive(Debug, Clone, InputObject)]
pub(super) struct WhereInput {
    sql: String,
}

/// A metric or a group-by to order by.
#[derive(Debug, Clone, InputObject)]
pub(super) struct OrderByInput {
    metric: Option<MetricInput>,
    group_by: Option<GroupByInput>,
    #[graphql(default)]
    descending: bool,
}

/// The arguments that make a query.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) metrics: Option<Vec<MetricInput>>,
    pub(super) group_by: Option<Vec<GroupByInput>>,
    pub(super) filters: Option<Vec<WhereInput>>,
    pub(super) order_by: Option<Vec<OrderByInput>>,
    pub(super) limit: Option<i32>,
    pub(super) saved_query: Option<String>,
}

impl Asked {
    /// The question, or everything that is wrong with its form.
    pub(super) fn query(self) -> Result<MetricQuery, String> {
        let mut faults = Vec::new();
        let (metrics, group_by) = (self.metrics.unwrap_or_default(), self.group_by.unwrap_or_default());
        if self.saved_query.is_some() && !(metrics.is_empty() && group_by.is_empty()) {
            faults.push("savedQuery brings its own metrics and groupBy: give either".to_owned());
        }
        let limit = self.limit.map(u64::try_from).transpose().unwrap_or_else(|_| {
            faults.push(format!("limit is {}, must be at least 0", self.limit.unwrap_or_default()));
            None
        });
        let order_by = self.order_by.unwrap_or_default().into_iter();
        let query = MetricQuery {
            metrics: metrics.into_iter().map(MetricInput::request).collect(),
            group_by: group_by.into_iter().map(|item| GroupBy::Name(item.text())).collect(),
            filters: self.filters.unwrap_or_default().into_iter().map(|condition| condition.sql).collect(),
            order_by: order_by.filter_map(|item| item.order(&mut faults)).collect(),
            limit,
            saved_query: self.saved_query,
            ..MetricQuery::default()
        };
        if faults.is_empty() { Ok(query) } else { Err(faults.join("\n")) }
    }
}

impl MetricInput {
    fn request(self) -> MetricRequest {
        MetricRequest { value: MetricValue::Named(self.name), alias: self.alias, filters: Vec::new() }
    }
}

impl GroupByInput {
    /// As requests name it. Date parts have an object form only (Q1.1).
    pub(super) fn text(&self) -> String {
        match (self.date_part, self.grain()) {
            (None, None) => self.name.clone(),
            (None, Some(grain)) => format!("{}__{grain}", self.name),
            (Some(part), grain) => {
                let grain = grain.map(|grain| format!(".grain('{grain}')")).unwrap_or_default();
                format!("Dimension('{}'){grain}.date_part('{}')", self.name, part.as_str())
            }
        }
    }

    fn grain(&self) -> Option<String> {
        let text = self.time_granularity.as_ref().map(|grain| grain.to_lowercase());
        text.or_else(|| self.grain.map(|grain| grain.as_str().to_owned()))
    }

    /// The name of its column.
    fn column(&self) -> String {
        match self.date_part {
            Some(part) => format!("{}__extract_{}", self.name, part.as_str()),
            None => self.text(),
        }
    }
}

impl OrderByInput {
    fn order(self, faults: &mut Vec<String>) -> Option<OrderBy> {
        let name = match (self.metric, self.group_by) {
            (Some(metric), None) => metric.name,
            (None, Some(group_by)) => group_by.column(),
            _ => {
                faults.push("each item of orderBy names either a metric or a groupBy".to_owned());
                return None;
            }
        };
        Some(OrderBy { name, descending: self.descending })
    }
}

/// Names of metrics.
pub(super) fn names(metrics: &[MetricInput]) -> Vec<String> {
    metrics.iter().map(|metric| metric.name.clone()).collect()
}
