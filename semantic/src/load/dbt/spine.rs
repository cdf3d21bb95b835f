//! Time spines: our generated one, dbt's models with a `time_spine`, and those of manifests.

use model::Timestamp;

use super::Reader;
use crate::{
    Grain, Relation, SpinePoints,
    load::{
        declared::{At, Spine},
        fields::Fields,
    },
    yaml::Node,
};

impl Reader<'_> {
    /// Our `time_spine`: points that queries count out.
    pub(in crate::load) fn generated_spine(&mut self, node: &Node) {
        let Some(mut fields) = self.open(node, "time_spine", &["grain", "from", "to"]) else { return };
        let grain = match fields.word("grain", self.report) {
            None => At::new(Grain::Day, &node.span),
            Some((text, span)) => At::new(self.grain(text, span).unwrap_or(Grain::Day), span),
        };
        let mut instant = |key: &str| {
            let (text, span) = fields.required(key, self.report)?;
            let at = Timestamp::parse(text);
            if at.is_none() {
                self.report.error("bad_value", span, format!("'{text}' is not a date such as 2024-01-01"));
            }
            at
        };
        let (from, to) = (instant("from"), instant("to"));
        let (Some(from), Some(to)) = (from, to) else { return };
        if from > to {
            self.report.error("bad_value", &node.span, "time_spine ends before it begins");
        }
        let points = SpinePoints::Generated { from, to };
        self.out.spines.push(Spine { grain, points, custom_grains: Vec::new() });
    }

    /// `time_spine` of a model of dbt. The grain stands on its column.
    pub(super) fn time_spine_model(&mut self, model: &Fields<'_>, table: &At<String>) {
        let Some(node) = model.get("time_spine") else { return };
        let keys = ["standard_granularity_column", "custom_granularities"];
        let Some(mut fields) = self.open(node, "time_spine", &keys) else { return };
        let column = fields.required("standard_granularity_column", self.report);
        let custom_grains = self.custom_grains(&mut fields);
        let Some((column, span)) = column else { return };
        let columns = model.get("columns").map_or(&[][..], Node::one_or_many);
        let found = columns.iter().find(|c| c.get("name").and_then(Node::text) == Some(column));
        let granularity = found.and_then(|c| c.get("granularity"));
        let Some((text, place)) = granularity.and_then(|n| Some((n.text()?, &n.span))) else {
            let message = format!("column '{column}' of time spine '{}' needs a granularity", table.value);
            self.report.error("missing_granularity", found.map_or(span, |c| &c.span), message);
            return;
        };
        let Some(grain) = self.grain(text, place) else { return };
        let relation = Relation::table("warehouse", table.value.as_str());
        self.out.spines.push(Spine {
            grain: At::new(grain, &node.span),
            points: SpinePoints::Table { relation, column: column.to_owned() },
            custom_grains,
        });
    }

    fn custom_grains(&mut self, fields: &mut Fields<'_>) -> Vec<(At<String>, Option<String>)> {
        let mut found = Vec::new();
        for node in fields.list("custom_granularities", self.report) {
            let Some(mut fields) = self.open(node, "a custom granularity", &["name", "column_name"]) else {
                continue;
            };
            let name = self.name(&mut fields);
            let column = fields.text("column_name", self.report);
            found.extend(name.map(|name| (name, column)));
        }
        found
    }

    /// One of `project_configuration.time_spines`.
    pub(in crate::load) fn manifest_spine(&mut self, node: &Node) {
        let Some(mut fields) = self.open(node, "a time spine", &[]) else { return };
        let relation = self.node_relation(&mut fields);
        let custom_grains = self.custom_grains(&mut fields);
        let Some(primary) = fields.required_node("primary_column", self.report) else { return };
        let Some(mut primary) = self.open(primary, "primary_column", &[]) else { return };
        let column = primary.required("name", self.report);
        let grain = primary.required("time_granularity", self.report);
        let (Some((column, _)), Some((text, span)), Some(relation)) = (column, grain, relation) else {
            return;
        };
        let Some(grain) = self.grain(text, span) else { return };
        let points = SpinePoints::Table { relation, column: column.to_owned() };
        self.out.spines.push(Spine { grain: At::new(grain, &node.span), points, custom_grains });
    }

    /// One of the deprecated `time_spine_table_configurations`.
    pub(super) fn old_spine(&mut self, node: &Node) {
        let Some(mut fields) = self.open(node, "a time spine", &[]) else { return };
        let relation = fields.required("location", self.report).and_then(|(t, s)| self.relation(t, s));
        let column = fields.required("column_name", self.report);
        let grain = fields.required("grain", self.report).and_then(|(t, s)| self.grain(t, s));
        let (Some(relation), Some((column, _)), Some(grain)) = (relation, column, grain) else { return };
        let points = SpinePoints::Table { relation, column: column.to_owned() };
        self.out.spines.push(Spine { grain: At::new(grain, &node.span), points, custom_grains: Vec::new() });
    }
}
