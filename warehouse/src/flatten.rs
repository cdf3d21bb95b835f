//! Turns the values of a call into columns of its table (`collector.md` §14: flattening, types,
//! evolution). For one order of events the columns are the same however the events are batched.

use std::{collections::HashMap, ops::Range};

use model::{ColumnType, json::Json, json::write_quoted, naming::column_name};

use crate::{
    call::Call,
    column::Cell,
    columns::Columns,
    fit::{Fit, Side, SideValue, fit, infer, is_empty},
    layout::{self, Kind},
    spec::EventTablePlan,
};

/// Parts of a path are joined by this, which sorts before every character of a name.
const STEP: char = '\u{1f}';
/// Paths remembered per table; a sender that makes up names gets no more memory than that.
const MOST_PATHS: usize = 8_192;

/// Where the value at a path goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Planned(usize),
    Column(usize),
    /// Into the JSON that keeps everything: `properties`, `traits` or `etalon__extra`.
    Rest,
}

/// Makes rows of one typed event table.
#[derive(Debug)]
pub(crate) struct Flattener {
    table: String,
    kind: Kind,
    paths: HashMap<Box<str>, Target>,
    planned: usize,
    /// Columns may be made up to this number.
    most: usize,
    sides: HashMap<(usize, Side), usize>,
    /// Per column, 1 + the leaf that has it in the row being made.
    taken: Vec<usize>,
    /// Texts of all paths of the row being made; kept for its memory.
    texts: String,
}

/// A first use of a side column, for `etalon__conflicts`.
#[derive(Debug, PartialEq)]
pub(crate) struct Conflict {
    pub(crate) column: String,
    pub(crate) value: String,
    pub(crate) reason: &'static str,
}

/// A value with a column, while its row is made.
struct Leaf<'v, 'a> {
    /// Its path within the texts of all paths of the row.
    path: Range<usize>,
    value: &'v Json<'a>,
    target: Target,
}

/// The values of one row, in the order of the call.
struct Leaves<'v, 'a> {
    texts: String,
    all: Vec<Leaf<'v, 'a>>,
}

impl<'v, 'a> Leaves<'v, 'a> {
    fn reuse(mut texts: String) -> Self {
        texts.clear();
        Self { texts, all: Vec::with_capacity(32) }
    }

    fn push(&mut self, path: &str, value: &'v Json<'a>, target: Target) {
        let start = self.texts.len();
        self.texts.push_str(path);
        self.all.push(Leaf { path: start..self.texts.len(), value, target });
    }

    fn path(&self, leaf: &Leaf<'_, '_>) -> &str {
        &self.texts[leaf.path.clone()]
    }

    fn section(&self, leaf: &Leaf<'_, '_>) -> Section {
        if self.path(leaf).starts_with('c') { Section::Context } else { Section::Payload }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    Context,
    Payload,
}

impl Flattener {
    /// Adds the planned columns to `columns`, which has the standard ones and, after a restart, those
    /// of the stored table.
    pub(crate) fn new(
        table: &str,
        kind: Kind,
        plan: Option<&EventTablePlan>,
        columns: &mut Columns,
        max_columns: usize,
    ) -> Self {
        let standard = layout::standard_len(kind);
        let mut paths = HashMap::new();
        paths.insert(format!("c{STEP}ip").into(), Target::Planned(layout::PASSED_IP));
        let mut planned = 0;
        for (path, name, column_type) in plan.into_iter().flat_map(|plan| &plan.columns) {
            let column = columns.add(name, *column_type);
            if column < standard {
                continue;
            }
            planned += 1;
            let nested = path.replace('.', &STEP.to_string());
            paths.insert(format!("p{STEP}{nested}").into(), Target::Planned(column));
            paths.insert(format!("p{STEP}{path}").into(), Target::Planned(column));
        }
        let most = max_columns.max(columns.len());
        Self {
            table: table.to_owned(),
            kind,
            paths,
            planned,
            most,
            sides: HashMap::new(),
            taken: Vec::new(),
            texts: String::new(),
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Finds the side columns a stored table already has.
    pub(crate) fn adopt(&mut self, columns: &Columns) {
        for column in 0..columns.len() {
            for side in Side::ALL {
                if let Some(found) = columns.find(&format!("{}{}", columns.name(column), side.suffix())) {
                    self.sides.insert((column, side), found);
                }
            }
        }
    }

    /// Writes one row.
    pub(crate) fn write(&mut self, columns: &mut Columns, call: &Call<'_>) -> Vec<Conflict> {
        layout::write_common(columns, call);
        layout::write_own(columns, self.kind, call, &self.table);
        let mut leaves = Leaves::reuse(std::mem::take(&mut self.texts));
        let mut path = String::with_capacity(64);
        for (section, value) in [(Section::Context, &call.context), (Section::Payload, &call.payload)] {
            if let Some(value) = value {
                path.clear();
                path.push(if section == Section::Context { 'c' } else { 'p' });
                self.collect(columns, section, value, &mut path, &mut leaves);
            }
        }
        self.settle(columns, &mut leaves);
        let mut conflicts = Vec::new();
        for leaf in &leaves.all {
            if let Target::Planned(column) | Target::Column(column) = leaf.target {
                self.store(columns, column, leaf.value, &mut conflicts);
            }
        }
        self.write_payload(columns, call, &leaves);
        let context: Vec<_> = leaves
            .all
            .iter()
            .filter(|leaf| leaf.target == Target::Rest && leaves.section(leaf) == Section::Context)
            .map(|leaf| (raw_name(leaves.path(leaf), "context"), leaf.value))
            .collect();
        let rest = call.rest.iter().map(|(name, value)| (name.as_ref(), value));
        let extra =
            layout::extra_text(rest.chain(context.iter().map(|(name, value)| (name.as_str(), *value))));
        columns.set_text(layout::EXTRA, extra.as_deref());
        columns.end_row();
        self.texts = leaves.texts;
        conflicts
    }

    fn collect<'v, 'a>(
        &mut self,
        columns: &mut Columns,
        section: Section,
        value: &'v Json<'a>,
        path: &mut String,
        leaves: &mut Leaves<'v, 'a>,
    ) {
        for (key, value) in value.members() {
            if is_empty(value) {
                continue;
            }
            let length = path.len();
            path.push(STEP);
            path.push_str(key);
            if matches!(value, Json::Object(_)) && !self.keeps_objects(columns, path) {
                self.collect(columns, section, value, path, leaves);
            } else {
                let target = self.target(columns, section, path);
                leaves.push(path, value, target);
            }
            path.truncate(length);
        }
    }

    /// Whether a planned column at this path takes a whole object. A text column does not: an object
    /// in it could not be told from a text that looks like one.
    fn keeps_objects(&self, columns: &Columns, path: &str) -> bool {
        match self.paths.get(path) {
            Some(Target::Planned(column)) => columns.column_type(*column) == ColumnType::Json,
            _ => false,
        }
    }

    /// The column of a path, found or reserved. A reserved column is made by [`Self::settle`]'s winner.
    fn target(&mut self, columns: &mut Columns, section: Section, path: &str) -> Target {
        if let Some(target) = self.paths.get(path) {
            return *target;
        }
        let name = self.column_name(section, path);
        let standard = layout::standard_len(self.kind);
        let reserved = section == Section::Payload && name.starts_with("context_");
        let target = match columns.find(&name) {
            _ if reserved => Target::Rest,
            Some(column) if column < standard => Target::Rest,
            Some(column) => Target::Column(column),
            None if columns.len() >= self.most => return Target::Rest,
            // Not remembered: the column exists once the row is settled.
            None => return Target::Column(usize::MAX),
        };
        if self.paths.len() < MOST_PATHS {
            self.paths.insert(path.into(), target);
        }
        target
    }

    fn column_name(&self, section: Section, path: &str) -> String {
        match section {
            Section::Context => column_name(&raw_name(path, "context")),
            Section::Payload => {
                let name = column_name(&path[2..].replace(STEP, "."));
                let taken = self.kind == Kind::Identifies && name == "user_id";
                if taken { "_user_id".to_owned() } else { name }
            }
        }
    }

    /// Gives each column to one value: a planned path wins, then the exact name, then byte order. Makes
    /// the columns that are new.
    fn settle(&mut self, columns: &mut Columns, leaves: &mut Leaves<'_, '_>) {
        let mut fresh: HashMap<String, usize> = HashMap::new();
        self.taken.clear();
        self.taken.resize(columns.len(), 0);
        for i in 0..leaves.all.len() {
            let rival = match leaves.all[i].target {
                Target::Rest => continue,
                Target::Column(usize::MAX) => {
                    let leaf = &leaves.all[i];
                    let name = self.column_name(leaves.section(leaf), leaves.path(leaf));
                    match fresh.get(&name) {
                        Some(rival) => *rival + 1,
                        None => {
                            fresh.insert(name, i);
                            0
                        }
                    }
                }
                Target::Planned(column) | Target::Column(column) => {
                    std::mem::replace(&mut self.taken[column], i + 1)
                }
            };
            if rival > 0 {
                self.contend(leaves, rival - 1, i, &mut fresh);
            }
        }
        self.make_columns(columns, leaves, fresh);
    }

    fn contend(
        &mut self,
        leaves: &mut Leaves<'_, '_>,
        first: usize,
        second: usize,
        fresh: &mut HashMap<String, usize>,
    ) {
        let rank = |leaf: usize| {
            let leaf = &leaves.all[leaf];
            let path = leaves.path(leaf);
            let raw = path[2..].replace(STEP, ".");
            (!matches!(leaf.target, Target::Planned(_)), column_name(&raw) != raw, path)
        };
        let (winner, loser) = if rank(second) < rank(first) { (second, first) } else { (first, second) };
        match leaves.all[winner].target {
            Target::Column(usize::MAX) => {
                for holder in fresh.values_mut().filter(|holder| **holder == first) {
                    *holder = winner;
                }
            }
            Target::Planned(column) | Target::Column(column) => self.taken[column] = winner + 1,
            Target::Rest => {}
        }
        leaves.all[loser].target = Target::Rest;
    }

    fn make_columns(
        &mut self,
        columns: &mut Columns,
        leaves: &mut Leaves<'_, '_>,
        fresh: HashMap<String, usize>,
    ) {
        let mut fresh: Vec<(String, usize)> = fresh.into_iter().collect();
        fresh.sort_by_key(|(_, leaf)| *leaf);
        for (name, leaf) in fresh {
            if columns.len() >= self.most {
                leaves.all[leaf].target = Target::Rest;
                continue;
            }
            let column = columns.add(&name, infer(leaves.all[leaf].value));
            leaves.all[leaf].target = Target::Column(column);
            if self.paths.len() < MOST_PATHS {
                let path = leaves.path(&leaves.all[leaf]);
                self.paths.insert(path.into(), Target::Column(column));
            }
        }
    }

    fn store(
        &mut self,
        columns: &mut Columns,
        column: usize,
        value: &Json<'_>,
        conflicts: &mut Vec<Conflict>,
    ) {
        match fit(columns.column_type(column), value) {
            Fit::Exact(cell) => columns.set(column, cell),
            Fit::Made(text) => columns.set(column, Cell::Text(&text)),
            Fit::Side(side, value) => {
                let known = self.sides.get(&(column, side)).copied();
                let place = known.unwrap_or_else(|| {
                    let name = format!("{}{}", columns.name(column), side.suffix());
                    let place = columns.add(&name, side.column_type());
                    self.sides.insert((column, side), place);
                    place
                });
                let cell = match &value {
                    SideValue::Int64(v) => Cell::Int64(*v),
                    SideValue::Float64(v) => Cell::Float64(*v),
                    SideValue::Text(v) => Cell::Text(v),
                };
                columns.set(place, cell);
                if known.is_none() {
                    let column = columns.name(column).to_owned();
                    conflicts.push(Conflict { column, value: side_text(&value), reason: "type" });
                }
            }
        }
    }

    /// `properties` or `traits`: all as sent, but `properties` without the planned columns' values.
    fn write_payload(&self, columns: &mut Columns, call: &Call<'_>, leaves: &Leaves<'_, '_>) {
        let Some(payload) = &call.payload else { return };
        let mut text = String::with_capacity(256);
        if self.planned == 0 || self.kind != Kind::Track {
            payload.write(&mut text);
        } else {
            let planned = |leaf: &&Leaf<'_, '_>| {
                matches!(leaf.target, Target::Planned(_)) && leaves.section(leaf) == Section::Payload
            };
            let stored: Vec<&Json<'_>> = leaves.all.iter().filter(planned).map(|leaf| leaf.value).collect();
            write_without(payload, &stored, &mut text);
        }
        columns.set_text(layout::payload_column(self.kind, true), Some(&text));
    }
}

fn side_text(value: &SideValue<'_>) -> String {
    match value {
        SideValue::Int64(v) => v.to_string(),
        SideValue::Float64(v) => v.to_string(),
        SideValue::Text(v) => v.to_string(),
    }
}

/// The path as it was sent, joined by dots, under `root`.
fn raw_name(path: &str, root: &str) -> String {
    format!("{root}{}", path[1..].replace(STEP, "."))
}

/// Writes an object without the values in `left_out`, which are parts of it.
fn write_without(value: &Json<'_>, left_out: &[&Json<'_>], out: &mut String) {
    let Json::Object(members) = value else { return value.write(out) };
    out.push('{');
    let mut first = true;
    for (key, value) in members {
        if left_out.iter().any(|left| std::ptr::eq(*left, value)) {
            continue;
        }
        if !std::mem::take(&mut first) {
            out.push(',');
        }
        write_quoted(key, out);
        out.push(':');
        write_without(value, left_out, out);
    }
    out.push('}');
}
