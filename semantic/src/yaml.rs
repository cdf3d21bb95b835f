//! YAML and JSON as nodes that know their place.

mod json;
mod node;
mod parse;
mod variables;
pub(crate) mod write;

pub(crate) use json::{parse_embedded, parse_json, to_json};
pub(crate) use node::{Key, Node, NodeValue};
pub(crate) use parse::parse;
pub(crate) use variables::fill_variables;
