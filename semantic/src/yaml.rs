//! YAML as nodes that know their place.

mod node;
mod parse;
mod variables;

pub(crate) use node::{Key, Node, NodeValue};
pub(crate) use parse::parse;
