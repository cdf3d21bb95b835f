use std::sync::Arc;

use datafusion::{
    catalog::default_table_source::source_as_provider,
    common::tree_node::{TreeNode, TreeNodeRecursion},
    logical_expr::{Expr, LogicalPlan, Volatility},
};
use warehouse::Version;

use crate::{Error, names::Names};

/// What an answer depends on: exactly the stored tables that were read, and the time.
#[derive(Debug, Clone)]
pub(crate) struct Reads {
    tables: Vec<(String, Version)>,
    /// Everything that was read has a version.
    versioned: bool,
    clock: Clock,
    today: i64,
}

/// How an answer depends on the time of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clock {
    Still,
    /// On the day, in days since the epoch (`current_date`).
    Day(i64),
    /// On the instant, or on chance.
    Moving,
}

impl Reads {
    pub(crate) fn new(today: i64) -> Self {
        Self { tables: Vec::new(), versioned: true, clock: Clock::Still, today }
    }

    /// Adds what an optimised plan scans.
    pub(crate) fn add(&mut self, plan: &LogicalPlan, names: &Names) -> Result<&Self, Error> {
        plan.apply_with_subqueries(|node| {
            if let LogicalPlan::TableScan(scan) = node {
                let provider = source_as_provider(&scan.source).ok();
                match provider.and_then(|provider| names.table_of(&provider)) {
                    Some(table) if self.tables.iter().all(|(name, _)| *name != table.name) => {
                        self.tables.push((table.name.clone(), table.version.clone()));
                    }
                    Some(_) => {}
                    None => self.versioned = false,
                }
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        self.tables.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(self)
    }

    /// Notes the functions of a plan that tell the time. They are gone from an optimised one.
    pub(crate) fn note_clock(&mut self, plan: &LogicalPlan) -> Result<(), Error> {
        plan.apply_with_subqueries(|node| {
            node.apply_expressions(|expr| {
                expr.apply(|expr| {
                    if let Expr::ScalarFunction(call) = expr
                        && call.func.signature().volatility != Volatility::Immutable
                    {
                        self.clock = match (self.clock, call.func.name()) {
                            (Clock::Still | Clock::Day(_), "current_date") => Clock::Day(self.today),
                            _ => Clock::Moving,
                        };
                    }
                    Ok(TreeNodeRecursion::Continue)
                })
            })
        })?;
        Ok(())
    }

    pub(crate) fn clock(&self) -> Clock {
        self.clock
    }

    pub(crate) fn set_clock(&mut self, clock: Clock) {
        self.clock = clock;
    }

    /// Says that something was read that nobody can tell a change of.
    pub(crate) fn never_again(&mut self) {
        self.versioned = false;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tables.is_empty() && self.versioned
    }

    /// Whether an equal question may get the same answer while nothing has changed.
    pub(crate) fn can_repeat(&self) -> bool {
        self.versioned && self.clock != Clock::Moving
    }

    /// Whether nothing has changed on the day `today`.
    pub(crate) fn is_current(&self, today: i64) -> bool {
        self.same_day(today) && self.tables.iter().all(|(_, version)| version.is_current())
    }

    pub(crate) fn same_day(&self, today: i64) -> bool {
        match self.clock {
            Clock::Still => true,
            Clock::Day(day) => day == today,
            Clock::Moving => false,
        }
    }

    /// The stored tables, sorted.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &(String, Version)> {
        self.tables.iter()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.tables.iter().map(|(name, _)| name.clone()).collect()
    }
}

/// The stored table that a scan reads, as it is under other names.
pub(crate) fn rebound(plan: LogicalPlan, names: &Names) -> Result<Option<LogicalPlan>, Error> {
    use datafusion::{catalog::default_table_source::provider_as_source, common::tree_node::Transformed};
    let mut fits = true;
    let plan = plan.transform_up_with_subqueries(|node| {
        let LogicalPlan::TableScan(mut scan) = node else { return Ok(Transformed::no(node)) };
        let table = names.stored_table(scan.table_name.table());
        match table.filter(|table| table.provider.schema() == scan.source.schema()) {
            Some(table) => scan.source = provider_as_source(Arc::clone(&table.provider)),
            None => fits = false,
        }
        Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
    })?;
    Ok(fits.then_some(plan.data))
}
