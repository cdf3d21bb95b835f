use super::OrderBy;

/// A question with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedQuery {
    /// Its name.
    pub name: String,
    /// Name for people.
    pub label: Option<String>,
    /// Text for people.
    pub description: Option<String>,
    /// Metrics by name.
    pub metrics: Vec<String>,
    /// Group-bys as names or objects.
    pub group_by: Vec<String>,
    /// Filter templates, ANDed.
    pub filters: Vec<String>,
    /// Output order.
    pub order_by: Vec<OrderBy>,
    /// At most this many rows.
    pub limit: Option<u64>,
    /// Where dbt writes its result.
    pub exports: Vec<Export>,
    /// dbt's tags.
    pub tags: Vec<String>,
    /// `config.cache.enabled`.
    pub cache: bool,
}

/// A table or view that dbt makes of a saved query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// Its name.
    pub name: String,
    /// What it makes.
    pub export_as: ExportDestination,
    /// In which schema.
    pub schema: Option<String>,
    /// Under which name.
    pub alias: Option<String>,
}

/// What an export makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum ExportDestination {
    Table,
    View,
}

/// What BI tools see as one table of schema `metrics` (`query-interfaces.md` 1.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricView {
    /// Its name.
    pub name: String,
    /// Text for people.
    pub description: Option<String>,
    /// Metrics by name.
    pub metrics: Vec<String>,
    /// Its dimensions; `None` for all that its metrics have in common.
    pub dimensions: Option<Vec<ViewDimension>>,
    /// Filter templates, ANDed.
    pub filters: Vec<String>,
}

/// A column of a metric view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewDimension {
    /// The qualified name.
    pub name: String,
    /// Name of the column, if not that one.
    pub alias: Option<String>,
}
