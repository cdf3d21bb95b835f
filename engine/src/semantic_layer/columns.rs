//! Columns of templates in the SQL around them: found without case, those of listings shown in capitals.

use std::{collections::HashSet, ops::ControlFlow};

use arrow::datatypes::Schema;
use datafusion::sql::parser::Statement;
use sqlparser::ast::{Expr, Ident, visit_expressions_mut};

use crate::column_names;

/// The columns of all templates of one statement.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    all: HashSet<String>,
    listed: HashSet<String>,
}

impl Columns {
    /// Adds the columns of one relation; `listed` are those of listings.
    pub(crate) fn add(&mut self, schema: &Schema, listed: bool) {
        for field in schema.fields() {
            self.all.insert(field.name().clone());
            if listed {
                self.listed.insert(field.name().clone());
            }
        }
    }

    /// Tools quote the names they were shown: `"NAME"` is the column `name`.
    pub(crate) fn fold(&self, statement: &mut Statement) {
        let Statement::Statement(sql) = statement else { return };
        // Nothing breaks off, so there is nothing to look at.
        let _: ControlFlow<()> = visit_expressions_mut(sql, |expr| {
            match expr {
                Expr::Identifier(ident) => self.fold_name(ident),
                Expr::CompoundIdentifier(parts) => {
                    if let Some(last) = parts.last_mut() {
                        self.fold_name(last);
                    }
                }
                _ => {}
            }
            ControlFlow::Continue(())
        });
    }

    fn fold_name(&self, ident: &mut Ident) {
        let lower = ident.value.to_lowercase();
        if ident.quote_style.is_some() && !self.all.contains(&ident.value) && self.all.contains(&lower) {
            ident.value = lower;
        }
    }

    /// The names under which the columns of the answer are shown. An alias stays as it is.
    pub(crate) fn shown(&self, statement: &Statement, schema: &Schema) -> Option<Vec<String>> {
        if self.listed.is_empty() {
            return column_names::of(statement);
        }
        let planned = schema.fields().iter().map(|field| field.name().clone());
        let names = column_names::of(statement).unwrap_or_else(|| planned.collect());
        let aliases = column_names::aliases(statement);
        let shown =
            names.into_iter().map(|name| match self.listed.contains(&name) && !aliases.contains(&name) {
                true => name.to_uppercase(),
                false => name,
            });
        Some(shown.collect())
    }
}
