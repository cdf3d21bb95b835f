//! Saved queries, which all forms of dbt spell alike, and our metric views.

use super::Reader;
use crate::{
    Export, ExportDestination, ViewDimension,
    load::{
        declared::{At, SavedQuery, View},
        fields::Fields,
    },
    yaml::{Node, NodeValue},
};

const KEYS: [&str; 7] = ["name", "query_params", "description", "label", "tags", "exports", "config"];
const PARAMS: [&str; 5] = ["metrics", "group_by", "where", "order_by", "limit"];
const CONFIG: [&str; 7] = ["cache", "enabled", "export_as", "group", "meta", "schema", "tags"];
const DESTINATIONS: [(&str, ExportDestination); 2] =
    [("table", ExportDestination::Table), ("view", ExportDestination::View)];

impl Reader<'_> {
    /// One item of `saved_queries`.
    pub(in crate::load) fn saved_query(&mut self, node: &Node) {
        let Some(mut fields) = self.open(node, "a saved query", &KEYS) else { return };
        let name = self.name(&mut fields);
        let label = fields.at("label", self.report);
        let description = fields.text("description", self.report);
        let tags = fields.texts("tags", self.report).into_iter().map(|(text, _)| text).collect();
        let exports = self.exports(&mut fields);
        let (enabled, cache) = self.saved_query_config(&fields);
        let Some(params) = fields.required_node("query_params", self.report) else { return };
        let Some(mut params) = self.open(params, "query_params", &PARAMS) else { return };
        let metrics = self.names(&mut params, "metrics");
        let group_by = self.names(&mut params, "group_by");
        let filters = self.filters(&params, "where");
        let order_by = self.names(&mut params, "order_by");
        let limit = self.limit(&mut params, name.as_ref());
        let Some(name) = name.filter(|_| enabled) else { return };
        self.out.saved_queries.push(SavedQuery {
            name,
            label,
            description,
            metrics,
            group_by,
            filters,
            order_by,
            limit,
            exports,
            tags,
            cache,
        });
    }

    /// V28: a limit is not negative.
    fn limit(&mut self, params: &mut Fields<'_>, name: Option<&At<String>>) -> Option<u64> {
        let limit = params.integer("limit", self.report)?;
        if limit < 0 {
            let name = name.map_or("?", |n| n.value.as_str());
            let span = params.get("limit").map_or(params.span(), |n| &n.span);
            let message = format!("saved query '{name}': limit is {limit}, must be 0 or more");
            self.report.error("bad_saved_query", span, message);
        }
        u64::try_from(limit).ok()
    }

    fn saved_query_config(&mut self, fields: &Fields<'_>) -> (bool, bool) {
        let Some(node) = fields.get("config") else { return (true, false) };
        let Some(mut config) = self.open(node, "config", &CONFIG) else { return (true, false) };
        let enabled = config.boolean("enabled", true, self.report);
        let cache = config.get("cache").and_then(|node| self.open(node, "cache", &["enabled"]));
        (enabled, cache.is_some_and(|mut cache| cache.boolean("enabled", false, self.report)))
    }

    fn exports(&mut self, fields: &mut Fields<'_>) -> Vec<Export> {
        let mut found = Vec::new();
        for node in fields.list("exports", self.report) {
            let Some(mut fields) = self.open(node, "an export", &["name", "config"]) else { continue };
            let name = fields.required("name", self.report).map(|(text, _)| text.to_owned());
            let Some(config) = fields.required_node("config", self.report) else { continue };
            let keys = ["export_as", "schema", "alias", "database"];
            let Some(mut config) = self.open(config, "config of an export", &keys) else { continue };
            config.required_node("export_as", self.report);
            let export_as = config.choice("export_as", &DESTINATIONS, self.report);
            // Manifests call it by its name inside dbt.
            let schema =
                config.text("schema", self.report).or_else(|| config.text("schema_name", self.report));
            let alias = config.text("alias", self.report);
            let (Some(name), Some(export_as)) = (name, export_as) else { continue };
            found.push(Export { name, export_as, schema, alias });
        }
        found
    }

    /// `metric_views`: from now on only those that are declared.
    pub(in crate::load) fn metric_views(&mut self, node: &Node) {
        let views = self.out.views.get_or_insert_default();
        let NodeValue::List(items) = &node.value else {
            if !node.is_bad() {
                let message = format!("metric_views must be a list, not {}", node.kind());
                self.report.error("bad_value", &node.span, message);
            }
            return;
        };
        let mut found = std::mem::take(views);
        found.extend(items.iter().filter_map(|item| self.metric_view(item)));
        self.out.views = Some(found);
    }

    fn metric_view(&mut self, node: &Node) -> Option<View> {
        let keys = ["name", "description", "metrics", "dimensions", "filter"];
        let mut fields = self.open(node, "a metric view", &keys)?;
        let name = self.name(&mut fields);
        let description = fields.text("description", self.report);
        fields.required_node("metrics", self.report);
        let metrics = self.names(&mut fields, "metrics");
        let filters = self.filters(&fields, "filter");
        let dimensions = fields.get("dimensions").is_some().then(|| self.view_dimensions(&mut fields));
        Some(View { name: name?, description, metrics, dimensions, filters })
    }

    fn view_dimensions(&mut self, fields: &mut Fields<'_>) -> Vec<At<ViewDimension>> {
        let mut found = Vec::new();
        for node in fields.list("dimensions", self.report) {
            if let Some(text) = node.text() {
                let dimension = ViewDimension { name: text.to_lowercase(), alias: None };
                found.push(At::new(dimension, &node.span));
                continue;
            }
            let Some(mut fields) = self.open(node, "a dimension of a metric view", &["name", "as"]) else {
                continue;
            };
            let name = fields.required("name", self.report).map(|(text, _)| text.to_lowercase());
            let alias = fields.text("as", self.report);
            found.extend(name.map(|name| At::new(ViewDimension { name, alias }, &node.span)));
        }
        found
    }
}
