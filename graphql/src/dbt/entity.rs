use async_graphql::{Enum, Json, SimpleObject};
use engine::metadata::ListedEntity;

use super::scalar::meta;

/// A join key that metrics can be grouped by. Its name is the one to ask for.
#[derive(Debug, SimpleObject)]
pub(super) struct Entity {
    name: String,
    #[graphql(name = "type")]
    kind: EntityType,
    /// Empty where none is declared: the SDK's type has no null here.
    role: Option<String>,
    expr: Option<String>,
    description: Option<String>,
    config: Option<EntityConfig>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(super) enum EntityType {
    Primary,
    Unique,
    Foreign,
    Natural,
}

#[derive(Debug, SimpleObject)]
pub(super) struct EntityConfig {
    meta: Json<serde_json::Value>,
}

impl From<ListedEntity<'_>> for Entity {
    fn from(listed: ListedEntity<'_>) -> Self {
        let declared = listed.declared;
        Self {
            name: listed.name,
            kind: match declared.entity_type {
                semantic::EntityType::Primary => EntityType::Primary,
                semantic::EntityType::Unique => EntityType::Unique,
                semantic::EntityType::Foreign => EntityType::Foreign,
                semantic::EntityType::Natural => EntityType::Natural,
            },
            role: Some(declared.role.clone().unwrap_or_default()),
            expr: Some(declared.expr.clone()),
            description: declared.description.clone(),
            config: declared.meta.as_deref().map(|text| EntityConfig { meta: meta(text) }),
        }
    }
}
