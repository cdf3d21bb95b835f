//! Group-bys of a question, and what is wrong with them.

use super::{
    compile::{AskedGroup, Wanted},
    filter,
    leaves::{Branch, BranchKind},
    names::Asked,
    plan::Scalar,
    planner::Planner,
    resolve::{NameFault, Reference, Take, What},
    scope::Scope,
    template::Hole,
};
use crate::{Grain, TimeGrain};

impl Planner<'_> {
    /// The group-bys for every branch; all must agree on what each one is (Q1.4).
    pub(super) fn groups(
        &mut self,
        asked: &[AskedGroup],
        wanted: &[Wanted],
        default: &TimeGrain,
    ) -> Vec<Vec<Reference>> {
        let mut groups: Vec<Vec<Reference>> = vec![Vec::with_capacity(asked.len()); self.branches.len()];
        for one in asked {
            let one = match one {
                AskedGroup::Name(one) => one,
                AskedGroup::Computed { template, column } => {
                    let reference = Reference {
                        what: What::Computed(template.clone()),
                        take: Take::Value,
                        column_type: None,
                        column: column.clone(),
                    };
                    self.check_computed(template, column);
                    groups.iter_mut().for_each(|g| g.push(reference.clone()));
                    continue;
                }
            };
            let mut given = vec![false; self.branches.len()];
            let mut good: Option<&str> = None;
            let mut bad: Vec<(&str, NameFault, usize)> = Vec::new();
            let mut paths: Vec<String> = Vec::new();
            for metric in wanted {
                for branch in &metric.branches {
                    let at = &self.branches[*branch];
                    match at.seat.resolve(self.catalog, one, default) {
                        Ok(reference) => {
                            if !paths.contains(&reference.column) {
                                paths.push(reference.column.clone());
                            }
                            good.get_or_insert(&metric.name);
                            // A branch that several metrics share has its group-by once.
                            if !std::mem::replace(&mut given[*branch], true) {
                                groups[*branch].push(reference);
                            }
                        }
                        Err(fault) => bad.push((&metric.name, fault, at.model)),
                    }
                }
            }
            self.report_group(one, good, &bad);
            if paths.len() > 1 {
                let message = format!("'{}' is ambiguous: {}; name the path", one.text, paths.join(", "));
                self.fault("ambiguous_name", message, None);
            }
        }
        groups
    }

    /// Over time only whole periods have a meaning for metrics that look across it.
    fn check_computed(&mut self, template: &str, column: &str) {
        let template = self.catalog.graph.template(template);
        let Ok(body) = filter::body(&template) else { return };
        let special = |b: &Branch| {
            b.every_point || !b.shifts.is_empty() || matches!(b.kind, BranchKind::Cumulative(..))
        };
        let timed = self.branches.iter().filter(|b| special(b)).any(|b| {
            body.holes.iter().any(|hole| match hole {
                Hole::Object(object, _) => {
                    filter::reference(self.catalog, &b.seat, object, &Grain::Day.into())
                        .is_ok_and(|r| r.is_time())
                }
                Hole::Bare(_) => false,
            })
        });
        if timed {
            let message = format!(
                "'{column}' is computed from a time that metrics of this question look across; group by metric_time itself"
            );
            self.fault("bad_group_by", message, None);
        }
    }

    fn report_group(&mut self, one: &Asked, good: Option<&str>, bad: &[(&str, NameFault, usize)]) {
        let Some((metric, fault, model)) = bad.first() else { return };
        let ambiguous = fault.message.contains("is ambiguous");
        if ambiguous || fault.message.starts_with("unknown ") {
            let code = if ambiguous {
                "ambiguous_name"
            } else if fault.message.starts_with("unknown audience") {
                "unknown_audience"
            } else {
                "bad_grain"
            };
            self.fault(code, fault.message.clone(), fault.suggestion.clone());
            return;
        }
        let grain = |text: &str| text.rsplit_once('(').map(|(_, g)| format!(" ({g}")).unwrap_or_default();
        if let Some(good) = good {
            let message = format!(
                "'{}' is available for '{good}' but not for '{metric}'{}",
                one.text,
                grain(&fault.message)
            );
            self.fault("not_common", message, None);
        } else if fault.message.is_empty() {
            let multiplies = self.fans_out(*model, one);
            let why = if multiplies {
                "no join path without fan-out"
            } else {
                "no such dimension, or no join path without fan-out"
            };
            let message = format!("'{}' is not available for metric '{metric}': {why}", one.text);
            self.fault("unknown_group_by", message, fault.suggestion.clone().filter(|_| !multiplies));
        } else {
            let message = format!("'{}' is not available for metric '{metric}': {}", one.text, fault.message);
            self.fault("bad_grain", message, fault.suggestion.clone());
        }
    }

    /// Whether a name is known, only not without multiplying the metric's rows.
    fn fans_out(&self, model: usize, one: &Asked) -> bool {
        let (graph, models) = (&self.catalog.graph, &self.catalog.semantic_models);
        graph.is_element(&one.name)
            && (0..models.len())
                .any(|other| other != model && graph.find(models, other, &one.path, &one.name).is_ok())
    }

    /// Faults of the filters of a branch whose group-bys are not all understood, so that they are told
    /// beside those of the names.
    pub(super) fn check_filters(&mut self, n: usize, asked: &[AskedGroup]) {
        let branch = self.branches[n].clone();
        let mut scope = Scope::of_model(self.catalog, branch.seat, branch.model);
        let named: Vec<_> = asked.iter().map(|a| (a.text().to_owned(), Scalar::Int(0))).collect();
        let own = self.filters.clone();
        for condition in branch.filters.iter().chain(&own) {
            self.condition(&mut scope, condition, &named);
        }
    }
}
