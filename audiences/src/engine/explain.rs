use model::{ProfileId, Timestamp};
use semantic::Expr;

use super::Engine;
use crate::{bits::Bits, program::Node, timers::NEVER};

/// Why a profile is in an audience or not: the condition as a tree, with what each part says now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The part in words.
    pub text: String,
    /// Whether it holds.
    pub holds: bool,
    /// Its value, "2 of 3", where there is more to say than that.
    pub value: Option<String>,
    /// When it turns with no further call, if it does.
    pub until: Option<Timestamp>,
    /// The parts of an `all`, `any` or `not`.
    pub children: Vec<Explanation>,
}

/// The states of one profile, at one instant.
struct View<'a> {
    engine: &'a Engine,
    states: Vec<(u32, Vec<u64>)>,
    now: i64,
}

impl Engine {
    /// Explains the membership at `now`, which is not before the last record's clock. `None` for an
    /// unknown audience or profile, and while a new definition waits for its history.
    pub fn explain(&self, name: &str, profile: ProfileId, now: Timestamp) -> Option<Explanation> {
        let (_, rule) = self.rule(name)?;
        let condition = rule.live()?;
        let profile = self.population.find(profile).filter(|slot| !self.population.profile(*slot).hidden)?;
        let view = View::new(self, profile, &condition.node, now.as_millis());
        Some(view.explain(&condition.expr, &condition.node))
    }

    /// The first instant after `now` at which the condition turns with no further call.
    pub(super) fn turns_at(&self, profile: u32, node: &Node, now: i64) -> Option<i64> {
        View::new(self, profile, node, now).turns_at(node)
    }
}

impl<'a> View<'a> {
    fn new(engine: &'a Engine, profile: u32, node: &Node, now: i64) -> Self {
        let states = engine.population.states_of(&engine.program, profile, &node.leaves());
        Self { engine, states, now }
    }

    fn explain(&self, expr: &Expr, node: &Node) -> Explanation {
        let children = match (expr, node) {
            (Expr::All(exprs), Node::All(nodes)) | (Expr::Any(exprs), Node::Any(nodes)) => {
                exprs.iter().zip(nodes).map(|(expr, node)| self.explain(expr, node)).collect()
            }
            (Expr::Not(expr), Node::Not(node)) => vec![self.explain(expr, node)],
            _ => Vec::new(),
        };
        let value = match node {
            Node::Leaf(leaf) => self.engine.program.get(*leaf).value(self.state(*leaf), self.now),
            Node::All(_) | Node::Any(_) | Node::Not(_) => None,
        };
        Explanation {
            text: semantic::describe(expr),
            holds: node.holds(&self.truths(&node.leaves(), self.now).0),
            value,
            until: self.turns_at(node).map(Timestamp::from_millis),
            children,
        }
    }

    /// Goes from deadline to deadline until the truth is another. Leaf states are finite lists of
    /// instants, so this ends.
    fn turns_at(&self, node: &Node) -> Option<i64> {
        let leaves = node.leaves();
        let (truths, mut until) = self.truths(&leaves, self.now);
        let holds = node.holds(&truths);
        while until != NEVER {
            let (truths, next) = self.truths(&leaves, until);
            if node.holds(&truths) != holds {
                return Some(until);
            }
            until = next;
        }
        None
    }

    fn truths(&self, leaves: &Bits, now: i64) -> (Bits, i64) {
        let mut truths = Bits::default();
        let mut until = NEVER;
        for leaf in leaves.iter() {
            let moment = self.engine.program.get(leaf).at(self.state(leaf), now);
            truths.set(leaf, moment.holds);
            until = until.min(moment.until);
        }
        (truths, until)
    }

    fn state(&self, leaf: u32) -> &[u64] {
        self.states.iter().find(|(found, _)| *found == leaf).map_or(&[], |(_, state)| state)
    }
}
